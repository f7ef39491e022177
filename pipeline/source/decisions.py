"""Decisions: what people decided of takes, in a file beside the manifest.

In: `<manifest>.decisions.yaml`. Out: a `Decision` for each entry, and what is wrong with others. An entry names its
take by the words, the voices, and the words before and after it. Which chunk that is, `decision_places` finds;
`decision_writing` writes the file.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import Problem, RequestError, did_you_mean
from pipeline.files import is_inside
from pipeline.source.documents import Data, Located, YamlPath, read_text, read_yaml
from pipeline.source.script import MOST_TAKES

Kind = Literal["approve", "retake", "takes"]
KINDS: tuple[Kind, ...] = ("approve", "retake", "takes")

DECISIONS_ENDING = ".decisions.yaml"
_AN_ENTRY = 'Write it as - words: "…", voices: […], and one of approve, retake and takes.'
_TAKE_FILE = re.compile(r"[0-9a-f]{32}\.flac")
_HASH = re.compile(r"[0-9a-f]{32}")
_MOST = 2**63 - 1
# The least and the most that each may be.
_NUMBERS = {"retake": (1, _MOST), "takes": (1, MOST_TAKES), "seed": (0, _MOST), "performance": (0, _MOST)}
_ONLY_WITH: Mapping[str, tuple[Kind, ...]] = {
    "seed": ("retake",),
    "voice": ("retake", "approve"),
    "speech": ("approve",),
    "performance": ("approve",),
}
# A line of an entry as `decision_writing` writes it, or as simple as that.
_WORD = r"[0-9A-Za-z][0-9A-Za-z_.-]*"
_LINE = re.compile(
    rf'(- |  )([a-z]+): ("(?:[^"\\]|\\["\\]|\\u[0-9a-f]{{4}})*"|{_WORD}(?: {_WORD})*|\["[^"\\]+"(?:, "[^"\\]+")*\])'
    r" *(?: #.*)?"
)
_NO_LINE = re.compile(r" *(?:#.*)?")

Wrong = Callable[[str, str, str], None]  # a key, what is wrong with it, and what to do


@dataclass(frozen=True)
class Decision:
    """What somebody decided of the take that says `words` with `voices`, between the words `before` and `after` it.

    One of `approve`, `retake` and `takes` is set.
    """

    number: int  # in its file, from 1
    where: str
    words: str  # as displayed, white space folded; so are `before` and `after`, of at most twelve words
    voices: tuple[str, ...]  # by name, in the order in which they speak
    before: str = ""  # "" at the start of the book
    after: str = ""
    approve: str | None = None  # the file of a take, which stands
    retake: int = 0  # how many times it was asked to be taken again
    seed: int | None = None  # of the retake
    voice: str | None = None  # that speaks the retake, or the approved take, in place of the script's
    takes: int = 0  # so many to choose from
    speech: str = ""  # of the approved take: a hash of all that can change its samples but seed and occurrence
    performance: int | None = None  # of the approved take: which of those with the same words its key says it is
    by: str = ""
    note: str = ""
    on: str = ""

    @property
    def kind(self) -> Kind:
        """What was decided."""
        return "approve" if self.approve is not None else "retake" if self.retake else "takes"

    @property
    def content(self) -> tuple[Any, ...]:
        """All of it but where it stands, as it can be written."""
        values = (getattr(self, key) for key in KEYS)
        return tuple(
            fold(value) if isinstance(value, str) else tuple(map(fold, value)) if isinstance(value, tuple) else value
            for value in values
        )


KEYS = tuple(field.name for field in fields(Decision))[2:]


def decisions_file(manifest: Path) -> Path:
    """Where the decisions on a manifest's takes stand."""
    return manifest.with_name(f"{manifest.stem}{DECISIONS_ENDING}")


def fold(text: str) -> str:
    """A text on one line, single spaces between its words, without characters that can stand in no YAML file."""
    if not text.isprintable():
        text = "".join(char for char in text if char.isspace() or unicodedata.category(char) not in ("Cc", "Cs"))
    return " ".join(text.split())


def load_decisions(path: Path, *, allow_outside: bool = False) -> tuple[tuple[Decision, ...], list[Problem]]:
    """The decisions in a file, and what is wrong with others in it; none where there is no such file.

    Whether voices and takes that it names are there is not checked. Raises `RequestError` for what is no file of
    decisions, and for one that a link leads to outside its folder.
    """
    text = read_decisions_text(path, allow_outside=allow_outside)
    return ((), []) if text is None else decisions_in(text, str(path))


def read_decisions_text(path: Path, *, allow_outside: bool) -> str | None:
    """What stands in a file of decisions; None where there is none. Raises `RequestError` as `load_decisions` does."""
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        raise RequestError(Problem(str(path), "the decisions are no file.", "Put a file there, or take it away."))
    if not allow_outside and not is_inside(path, path.parent):
        what = "these decisions are outside the manifest's folder."
        raise RequestError(Problem(str(path), what, "Move the file there, or allow it with --allow-outside."))
    return read_text(path, str(path))


def decisions_in(text: str, shown: str) -> tuple[tuple[Decision, ...], list[Problem]]:
    """The decisions in the text of a file, which messages call `shown`. Raises `RequestError` as `load_decisions`."""
    simple = read_lines(text, shown)
    located = simple[0] if simple else read_yaml(text, shown)
    if located.data is None:
        return (), []
    if not isinstance(located.data, list):
        raise RequestError(Problem(f"{shown}:1", "this is no list of decisions.", _AN_ENTRY))
    problems: list[Problem] = []
    decisions = [_decision(located, index, problems) for index in range(len(located.data))]
    return tuple(decision for decision in decisions if decision is not None), problems


def read_lines(text: str, shown: str) -> tuple[Located, list[tuple[int, int]]] | None:
    """What `read_yaml` makes of entries with each key and its value on a line, and where each entry begins and ends.

    None for a text that is not as simple as that. PyYAML takes a millisecond for an entry, this a fiftieth of it.
    """
    data: list[dict[str, Data]] = []
    lines: dict[YamlPath, int] = {(): 1}
    spans: list[tuple[int, int]] = []
    at = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.isprintable():
            return None
        if (match := _LINE.fullmatch(line)) is not None:
            dash, key, value = match.groups()
            if dash == "- ":
                lines[len(data),] = number
                data.append({})
                spans.append((at, at))
            if not data or key in data[-1] or (parsed := _value(value)) is None:
                return None
            data[-1][key] = parsed
            lines[len(data) - 1, key] = number
            spans[-1] = spans[-1][0], at + match.end(3)
        elif not _NO_LINE.fullmatch(line):
            return None
        at += len(line) + 1
    return Located(list(data) or None, lines, shown), spans


def _value(value: str) -> Data:
    """A value of `_LINE`; None for one that is left to YAML."""
    if value[0] not in '"[':
        return None if value.casefold() == "null" else value
    parsed: Data = json.loads(value)
    is_odd = "\\u" in value and any(unicodedata.category(char) in ("Cc", "Cs") for char in str(parsed))
    return None if is_odd else parsed


def _decision(located: Located, index: int, problems: list[Problem]) -> Decision | None:
    """One decision; whatever is wrong with it goes to `problems`."""
    data: Any = located.data[index]
    known = len(problems)

    def wrong(key: str, what: str, fix: str) -> None:
        problems.append(Problem(located.where(index, key), what, fix))

    if not isinstance(data, dict):
        problems.append(Problem(located.where(index), "this is no decision.", _AN_ENTRY))
        return None
    for key in data:
        if key not in KEYS:
            wrong(key, f'unknown key "{key}".', did_you_mean(key, KEYS))
    values = {key: value for key, value in data.items() if key in KEYS and value is not None}
    voices = values.pop("voices", None)
    if not isinstance(voices, list) or not voices or not all(isinstance(voice, str) and voice for voice in voices):
        wrong("voices", 'there are no "voices".', "Write the names of those who speak the words, as voices: [ada].")
    for key, value in values.items():
        if not isinstance(value, str):
            wrong(key, f'"{key}" is no text.', "Write it on one line, in quotes.")
    if len(problems) > known:
        return None
    numbers = _numbers(values, wrong)
    texts: dict[str, Any] = {key: fold(value) for key, value in values.items() if key not in _NUMBERS}
    if not texts.get("words"):
        wrong("words", 'there are no "words".', "Write those that the take says.")
    for key, pattern, name in (("approve", _TAKE_FILE, "file of a take"), ("speech", _HASH, "hash of a take")):
        if key in texts and not pattern.fullmatch(texts[key]):
            example = "32 digits of 0 to 9 and a to f" + ", and .flac" * (key == "approve")
            wrong(key, f'"{texts[key]}" is no {name}.', f"It has {example}.")
    _check_kind(values, wrong)
    if "voice" in texts and len(voices) > 1:
        wrong("voice", "these words have several speakers.", "Give the voice in the script, or in cast:.")
    if len(problems) > known:
        return None
    return Decision(index + 1, located.where(index), voices=tuple(map(fold, voices)), **texts, **numbers)


def _numbers(values: Mapping[str, str], wrong: Wrong) -> dict[str, Any]:
    """The numbers of an entry."""
    numbers: dict[str, Any] = {}
    for key, (least, most) in _NUMBERS.items():
        if (text := values.get(key)) is None:
            continue
        if re.fullmatch(r"[0-9]{1,19}", text) and least <= int(text) <= most:
            numbers[key] = int(text)
        else:
            allowed = f"of {least} or more" if most == _MOST else f"from {least} to {most}"
            wrong(key, f'"{key}" is no whole number {allowed}.', "Correct it.")
    return numbers


def _check_kind(values: Mapping[str, str], wrong: Wrong) -> None:
    """See that one thing is decided, and nothing said that belongs to another."""
    kinds = [kind for kind in KINDS if kind in values]
    if not kinds:
        wrong("words", "nothing is decided of it.", "Write one of approve:, retake: and takes:.")
    elif len(kinds) > 1:
        first, *others = kinds
        what = f'"{first}" and {" and ".join(map(_quoted, others))} cannot both be decided of a take.'
        wrong(others[-1], what, "Keep one, or make an entry of each.")
    for key, owners in _ONLY_WITH.items():
        if key in values and kinds and not set(owners) & set(kinds):
            owned = " and ".join(map(_quoted, owners))
            wrong(key, f'"{key}" belongs to {owned}, and this is "{kinds[0]}".', "Take it out.")


def _quoted(key: str) -> str:
    return f'"{key}"'
