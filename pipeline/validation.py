"""What pydantic found wrong, in plain words and with the line it is on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.documents import Located
from pipeline.errors import Problem, did_you_mean


def plain_problems(error: ValidationError, located: Located, model: type[BaseModel]) -> list[Problem]:
    """One problem for each error, in the order of the file."""
    details = error.errors()
    wrong_inside = {detail["loc"][:1] for detail in details if len(detail["loc"]) > 1}
    problems = [
        (located.lines.get(_known(detail["loc"], located), 0), _problem(detail, located, model))
        for detail in details
        # A list whose only item is wrong is also told to be too short; that is no news.
        if not (detail["type"] == "too_short" and detail["loc"] in wrong_inside)
    ]
    return [problem for _line, problem in sorted(problems, key=lambda pair: pair[0])]


def _known(path: tuple[int | str, ...], located: Located) -> tuple[int | str, ...]:
    while path and path not in located.lines:
        path = path[:-1]
    return path


def _problem(detail: ErrorDetails, located: Located, model: type[BaseModel]) -> Problem:
    path = detail["loc"]
    where = located.where(*path)
    name = ".".join(str(part) for part in path) or "the file"
    value = detail["input"]
    match detail["type"]:
        case "missing":
            return Problem(where, f'no "{name}".', f'Add a line "{path[-1]}: …".')
        case "extra_forbidden":
            return Problem(where, f'unknown key "{path[-1]}".', did_you_mean(str(path[-1]), _keys(model, path[:-1])))
        case "literal_error":
            allowed = [word.strip("'") for word in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return Problem(where, f'"{value}" is no {name}.', did_you_mean(str(value), allowed))
        case "value_error":
            what, _, hint = str(detail["ctx"]["error"]).partition("\n")
            return Problem(where, what, hint or "See the example in README.")
        case "string_type":
            found = "a list" if isinstance(value, list) else "keys" if isinstance(value, dict) else "nothing"
            return Problem(where, f'"{name}" must be text, not {found}.', "Write it on one line.")
        case "model_type" | "dict_type":
            return Problem(where, f'"{name}" must hold "key: value" lines.', "See the example in README.")
        case _:
            shown = f" (it is {value[:40]!r})" if isinstance(value, str) else ""
            what = f'"{name}"{shown}: {detail["msg"][0].lower()}{detail["msg"][1:]}.'
            return Problem(where, what, "Give another value, or take the line out to have the default.")


def _keys(model: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    """The keys allowed at `path` inside `model`."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
