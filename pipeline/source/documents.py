"""Documents: the text files people write, read without guessing.

In: a path, or YAML text. Out: decoded text with `\\n` line ends, or `Located` data in which every scalar is
the string that was written and every value knows its line. Knows no manifests, scripts or voices.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.errors import InvalidValueError, Problem, RequestError, did_you_mean, raise_if_any
from pipeline.files import read_bytes
from pipeline.source.encodings import UTF16_BOMS, excerpt_of, guess_text, is_binary, with_line_ends

YamlPath = tuple[str | int, ...]
Data = Union[dict[str, "Data"], list["Data"], str, None]  # noqa: UP007 - `|` cannot name itself before Python 3.12

_TAG_PREFIX = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    _TAG_PREFIX + name for name in ("str", "null", "int", "float", "bool", "timestamp", "map", "seq", "merge", "value")
)
_LONGEST_KEY = 1024  # characters that PyYAML takes for a key in one line
_SYNTAX_HINTS = (  # what PyYAML says, what it means, what to do
    (r"'\t'", "a tab is used where YAML wants spaces.", "Indent with spaces."),
    (
        "mapping values are not allowed",
        "a value with a colon in it has to be quoted.",
        'Write it in quotes, such as title: "One: two".',
    ),
    ("expected a single document", "a second document begins here.", "Keep one document in a file."),
    ("block end", "the indentation does not fit the lines above.", "Align it with its neighbours."),
    ("unexpected end of stream", "a quote is opened and never closed.", "Close the quote."),
    ("could not find expected ':'", "a key has no colon after it.", "Write it as key: value."),
    ("expected ',' or", "a list or mapping in brackets is not closed.", "Close it, or add the comma."),
    ("cannot start any token", "a value begins with a character YAML reserves.", "Put the value in quotes."),
)


def read_text(path: Path, shown: str) -> str:
    """The text of a UTF-8 file, or of a UTF-16 file with a byte order mark, with `\\n` line ends.

    Anything else is refused with its line rather than guessed at: a wrong guess would be heard hours later.
    """
    return _decoded(read_file_bytes(path, shown), path, shown)


def read_any_text(path: Path, shown: str) -> tuple[str, list[Problem]]:
    """The text of a script, in whatever encoding, with `\n` line ends, and a note where the encoding is a guess.

    What is no UTF-8 is read as UTF-16 where every other byte is zero, else as Windows-1252, which has the curly quotes
    that Latin-1 lacks. Bytes that are no text in any of them are refused.
    """
    data = read_file_bytes(path, shown)
    try:
        text = _decoded(data, path, shown)
    except RequestError:
        guess = guess_text(data)
        if guess is None and data[:2] not in UTF16_BOMS and is_binary(data):
            raise RequestError(
                Problem(shown, "this is no text file.", "Name one with the words of a script.")
            ) from None
        if guess is None:
            raise
    else:
        what = "this is UTF-16 text, and is read as that."
        is_utf16 = data[:2] in UTF16_BOMS
        return text, [Problem(f"{shown}:1", what, "Nothing has to be done.")] if is_utf16 else []
    text, encoding = guess
    line, excerpt = excerpt_of(text)
    what = f'this is not UTF-8 text, and is read as {encoding} ("{excerpt}").'
    return text, [Problem(f"{shown}:{line}", what, "If that is wrong, save the file as UTF-8.")]


def _conversion(path: Path) -> str:
    return f"Save the file as UTF-8, for example: iconv -f cp1252 -t utf-8 {path.name} > new{path.suffix}"


def _decoded(data: bytes, path: Path, shown: str) -> str:
    if data[:2] in UTF16_BOMS:
        encoding, skip = UTF16_BOMS[data[:2]], 2
    else:
        encoding, skip = "utf-8", len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    body = data[skip:]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body[: error.start].decode(encoding, "replace").count("\n") + 1
        name = encoding.removesuffix("-le").removesuffix("-be").upper()
        what = f"this is not {name} text (byte {error.start + skip} does not decode)."
        raise RequestError(Problem(f"{shown}:{line}", what, _conversion(path))) from None
    text = with_line_ends(text)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        what = "there is a NUL byte, so this is not a text file, or it is UTF-16 without a byte order mark."
        raise RequestError(Problem(f"{shown}:{line}", what, "Save the file as UTF-8."))
    return text


def read_file_bytes(path: Path, shown: str) -> bytes:
    """What is in a file. Raises `RequestError`."""
    try:
        return read_bytes(path)
    except FileNotFoundError:
        problem = Problem(shown, "there is no such file.", siblings(path))
    except IsADirectoryError:
        problem = Problem(shown, "this is a folder.", "Name a file in it.")
    except PermissionError:
        problem = Problem(shown, "the file may not be read.", f"Allow it, for example: chmod u+r {path.name}")
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        problem = Problem(
            shown, f"the file cannot be read ({getattr(error, 'strerror', None) or error}).", "Check the path."
        )
    raise RequestError(problem)


def siblings(path: Path) -> str:
    """What the writer may have meant: the files of the same kind in the same folder."""
    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix == path.suffix and p.is_file()]
    except PermissionError:
        return f"Its folder may not be read; allow it, for example: chmod u+rx {path.parent.absolute().name}"
    except OSError:
        return "Its folder does not exist either; check the path."
    return did_you_mean(path.name, names, lambda name: Path(name).stem) if names else "Check the path."


@dataclass(frozen=True)
class Located:
    """YAML data (dict, list, str or None all the way down) and the 1-based line of each value."""

    data: Any
    lines: dict[YamlPath, int]
    shown: str
    places: dict[YamlPath, tuple[int, int]] = field(default_factory=dict)  # where each scalar begins and ends
    keys: dict[YamlPath, tuple[int, int]] = field(default_factory=dict)  # and each key

    def where(self, *path: str | int) -> str:
        """The place of the value at `path`, or of the nearest value around it: `manifests/dune.yaml:14`.

        It is the file alone where nothing of it is written anywhere.
        """
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.shown}:{self.lines[path]}" if path in self.lines else self.shown


def read_yaml(text: str, shown: str) -> Located:
    """YAML (or JSON) with every scalar as it is written, so that `language: no` stays the string "no".

    An unquoted empty value, `~` or `null` is None. Aliases, custom tags, duplicate keys and keys that are not
    plain text are refused, all of them at once.
    """
    if text.lstrip()[:1] in ("{", "["):
        text = text.replace("\t", " ")  # JSON may be indented with tabs, which YAML's scanner does not take
    reading = _Reading(shown)
    try:
        data = reading.run(text)
    except yaml.MarkedYAMLError as error:
        raise RequestError(_syntax_problem(error, shown)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        what = f"the character U+{int(error.character):04X} cannot stand in a YAML file."
        raise RequestError(Problem(f"{shown}:{line}", what, "Remove it.")) from None
    except RecursionError:
        problem = Problem(shown, "the lists or mappings are nested too deep.", "Nest them less.")
        raise RequestError(problem) from None
    except (ValueError, OverflowError):  # PyYAML lets chr() fail on escapes such as "\UFFFFFFFF"
        what = "a backslash escape names a character that does not exist."
        raise RequestError(Problem(shown, what, "Correct it, or use single quotes.")) from None
    raise_if_any(reading.problems)
    return Located(data, reading.lines, shown, reading.places, reading.keys)


def _syntax_problem(error: yaml.MarkedYAMLError, shown: str) -> Problem:
    message = f"{error.context or ''} {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    if error.context_mark and ("end of stream" in message or "stream end" in message):
        mark = error.context_mark  # the line that opened the quote, not the end of the file
    where = f"{shown}:{mark.line + 1 if mark else 1}"
    if "mapping values" in message and mark and mark.column > _LONGEST_KEY:
        what = f"what stands before the colon is {mark.column:,} characters long."
        return Problem(where, what, f"YAML takes {_LONGEST_KEY:,} at most: make it shorter.")
    for sign, what, fix in _SYNTAX_HINTS:
        if sign in message:
            return Problem(where, what, fix)
    what = f"this is not valid YAML ({' '.join((error.problem or 'unreadable').split())})."
    return Problem(where, what, "Check the indentation and the quotes here and on the line above.")


class _Loader(yaml.SafeLoader):
    """Composes nodes; an alias becomes an empty scalar, so that nothing can be multiplied by reference."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.alias_lines: list[int] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call] # the stubs leave this one out
            self.alias_lines.append(event.start_mark.line + 1)
            return yaml.ScalarNode(f"{_TAG_PREFIX}null", "", event.start_mark, event.end_mark)
        return super().compose_node(parent, index)


@dataclass
class _Reading:
    """One pass over the node tree, collecting lines and problems."""

    shown: str
    lines: dict[YamlPath, int] = field(default_factory=dict)
    places: dict[YamlPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[YamlPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def run(self, text: str) -> Data:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        self.lines[()] = 1
        for line in loader.alias_lines:
            self._problem(line, "an alias (*name) is used.", "Write the value out.")
        return None if node is None else self._value(node, ())

    def _problem(self, line: int, what: str, fix: str) -> None:
        self.problems.append(Problem(f"{self.shown}:{line}", what, fix))

    def _value(self, node: yaml.Node, path: YamlPath) -> Data:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if node.tag not in _PLAIN_TAGS:
            tag = node.tag.replace(_TAG_PREFIX, "!!")
            self._problem(line, f"the tag {tag} is not known here.", "Remove it.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style is None and node.tag == f"{_TAG_PREFIX}null":
            return None
        self.places[path] = (node.start_mark.index, node.end_mark.index)
        return self._string(node.value, line)

    def _string(self, value: str, line: int) -> str:
        if value.isprintable():
            return value
        if controls := sorted({char for char in value if unicodedata.category(char) == "Cc"} - set("\t\n\r")):
            what = f"an escape is the control character U+{ord(controls[0]):04X}."
            self._problem(line, what, "Remove it.")
            return ""
        try:  # JSON writes an emoji as two escapes, which PyYAML leaves as two halves
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self._problem(line, "an escape is half of a surrogate pair.", "Write the character itself.")
            return ""

    def _mapping(self, node: yaml.MappingNode, path: YamlPath) -> dict[str, Data]:
        mapping: dict[str, Data] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _PLAIN_TAGS:
                self._problem(line, "a key is not plain text.", "Write it as key: value.")
                continue
            key = self._string(key_node.value, line)
            if key in mapping:
                first = self.lines[*path, key]
                self._problem(line, f'"{key}" stands here twice.', f"Keep one; the first is on line {first}.")
                continue
            self.lines[*path, key] = line
            self.keys[*path, key] = (key_node.start_mark.index, key_node.end_mark.index)
            mapping[key] = self._value(value_node, (*path, key))
        return mapping


def plain_problems(error: ValidationError, located: Located, model: type[BaseModel]) -> list[Problem]:
    """A problem for each error that `model` has raised on `located`, in the order of the file."""
    details = error.errors()
    wrong_inside = {detail["loc"][:end] for detail in details for end in range(1, len(detail["loc"]))}
    problems = [
        (located.lines.get(_known(detail["loc"], located), 0), _problem(detail, located, model))
        for detail in details
        # A list whose only item is wrong is too short for pydantic as well; that is no news.
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
    name = ".".join(part for part in path if isinstance(part, str)) or "the file"
    value = detail["input"]
    match detail["type"]:
        case "missing":
            return Problem(where, f'no "{name}".', f'Add a line "{path[-1]}: …".')
        case "extra_forbidden":
            return Problem(where, f'unknown key "{path[-1]}".', did_you_mean(str(path[-1]), _keys(model, path[:-1])))
        case "literal_error":
            allowed = [word.strip("'") for word in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return Problem(where, f'"{value}" is no {name}.', did_you_mean(str(value), allowed))
        case "value_error" if isinstance(error := detail["ctx"]["error"], InvalidValueError):
            return error.at(where)
        case "string_type":
            kind = "a list" if isinstance(value, list) else "keys" if isinstance(value, dict) else "nothing"
            return Problem(where, f'"{name}" must be text, not {kind}.', "Write it on one line.")
        case "model_type" | "dict_type":
            return Problem(where, f'"{name}" must hold "key: value" lines.', "See the examples in docs/.")
        case kind:
            shown = f" (it is {value[:40]!r})" if isinstance(value, str) else ""
            what = f'"{name}"{shown} {expected(kind, detail.get("ctx", {}))}.'
            return Problem(where, what, "Give another value, or take the line out to have the default.")


def expected(kind: str, bounds: Mapping[str, Any]) -> str:
    """What a value has to be for which pydantic has raised an error of this `kind`; `bounds` are its context."""
    match kind:
        case "greater_than_equal":
            return f"has to be at least {bounds['ge']:g}"
        case "greater_than":
            return f"has to be more than {bounds['gt']:g}"
        case "less_than_equal":
            return f"has to be at most {bounds['le']:g}"
        case "less_than":
            return f"has to be less than {bounds['lt']:g}"
        case "string_too_short" | "too_short":
            return "must not be empty"
        case "string_too_long":
            return f"has to be at most {bounds['max_length']} characters long"
        case _ if kind.startswith("int_"):
            return "has to be a whole number"
        case _ if kind.startswith(("float_", "finite_")):
            return "has to be a number"
        case _ if kind.startswith("bool_"):
            return "has to be true or false"
        case _ if kind.startswith(("tuple_", "list_")):
            return "has to be a list"
    return "cannot be used"


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
