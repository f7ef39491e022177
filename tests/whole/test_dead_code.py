"""Nothing is kept that nobody uses: no function, no name, no parameter."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.commands import REPOSITORY

FOREIGN = ("command", "group", "flow")  # decorators of functions that others call
Parameter = tuple[str, int | None]  # its name, and which of those without a name it is


def parsed(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every file in `folder`."""
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        yield path.relative_to(REPOSITORY), ast.parse(path.read_text(encoding="utf-8"))


def name_of(node: ast.AST) -> str:
    """The last part of a dotted name; nothing for what has none."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def optional(function: ast.FunctionDef, owner: ast.AST) -> list[Parameter]:
    """The parameters of a function that have defaults."""
    arguments = function.args
    placed = [*arguments.posonlyargs, *arguments.args]
    bound = isinstance(owner, ast.ClassDef) and "staticmethod" not in map(name_of, function.decorator_list)
    first = len(placed) - len(arguments.defaults)
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [
        *((parameter.arg, index - bound) for index, parameter in enumerate(placed) if index >= first),
        *((parameter.arg, None) for parameter, default in named if default is not None),
    ]


def fields(owner: ast.ClassDef) -> list[Parameter]:
    """The fields of a frozen dataclass whose default is a value, not made anew for each."""
    if not any("frozen=True" in ast.unparse(decorator) for decorator in owner.decorator_list):
        return []
    found = [node for node in owner.body if isinstance(node, ast.AnnAssign)]
    return [
        (name_of(node.target), index)
        for index, node in enumerate(found)
        if node.value is not None and name_of(getattr(node.value, "func", node.value)) != "field"
    ]


def choices(tree: ast.Module) -> Iterator[tuple[str, int, list[Parameter]]]:
    """What may be set in the calls of each function and class: its name, its line and its optional parameters."""
    for owner in ast.walk(tree):
        for node in ast.iter_child_nodes(owner):
            if isinstance(node, ast.ClassDef):
                yield node.name, node.lineno, fields(node)
            elif isinstance(node, ast.FunctionDef):
                called_by = {name_of(getattr(decorator, "func", decorator)) for decorator in node.decorator_list}
                name = owner.name if isinstance(owner, ast.ClassDef) and node.name == "__init__" else node.name
                if not called_by & set(FOREIGN):
                    yield name, node.lineno, optional(node, owner)


def names(call: ast.Call, parameter: Parameter) -> bool:
    """Whether a call gives it a value by name, or might."""
    return any(keyword.arg in (parameter[0], None) for keyword in call.keywords)


def sets(call: ast.Call, parameter: Parameter) -> bool:
    """Whether a call gives it a value in any way, or might."""
    several = any(isinstance(value, ast.Starred) for value in call.args)
    return names(call, parameter) or several or parameter[1] in range(len(call.args))


def test_every_parameter_with_a_default_is_set_by_somebody() -> None:
    """In the code or in tests. Functions are known by name; those that are handed on without a call are left out."""
    trees = [tree for folder in ("pipeline", "tests") for _path, tree in parsed(folder)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    calls: dict[str, list[ast.Call]] = defaultdict(list)
    for node in nodes:
        if isinstance(node, ast.Call):
            calls[name_of(node.func)].append(node)
    called = {id(call.func) for of_name in calls.values() for call in of_name}
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    handed_on = {name_of(node) for node in nodes if id(node) not in called} - classes
    unset = [
        f"{path}:{line}: nobody sets {parameter[0]} of {name}"
        for path, tree in parsed("pipeline")
        for name, line, parameters in choices(tree)
        for parameter in parameters
        if name not in handed_on
        and not any(sets(call, parameter) for call in calls[name])
        and not (name in classes and any(names(call, parameter) for call in calls["replace"]))
    ]
    assert unset == []
