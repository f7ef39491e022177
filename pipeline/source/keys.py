"""Keys: what a manifest's file holds before it is checked; a script alone has those of a manifest that names it.

In: a path. Out: the keys with their lines, and what the first script says of itself where they are silent.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import Problem, RequestError, printable
from pipeline.files import is_inside
from pipeline.source.decisions import DECISIONS_ENDING
from pipeline.source.documents import Located, read_any_text, read_text, read_yaml
from pipeline.source.edits import EDITS_ENDING
from pipeline.source.languages import is_language_tag, short_code
from pipeline.source.readers import BOOK_SUFFIXES, YAML_SUFFIXES, conversion, is_script, is_transcript, titled
from pipeline.source.readers.metadata import read_metadata
from pipeline.source.script import Metadata
from pipeline.workspace import LEXICON

LONGEST_TITLE = 500  # characters
LEXICON_SUFFIXES = (".yaml", ".yml")
BESIDE = {EDITS_ENDING: "edits", DECISIONS_ENDING: "decisions"}  # what lies beside a manifest, by how its name goes on


def read_keys(path: Path) -> tuple[Located, dict[str, Any], tuple[Problem, ...]]:
    """What is written in `path`; that, and what its script says of itself; what of the latter cannot be used.

    Raises `RequestError` where the file can be read neither as YAML nor as a script.
    """
    if not is_writable(path.name):
        raise RequestError(Problem(printable(str(path)), "its name is no UTF-8.", "Rename the file."))
    located, is_alone = _read(path)
    data = {key: value for key, value in located.data.items() if value is not None}
    notes = _add_metadata(data, path, is_alone=is_alone)
    return located, data, notes


def is_writable(name: str) -> bool:
    """Whether a file's name can be written down: not one with bytes that are no UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in name)


def is_lexicon(path: Path) -> bool:
    """Whether YAML of this name holds words that are said otherwise: a lexicon, or one of a folder of them."""
    names = (path.stem.lower(), path.absolute().parent.name)
    return path.suffix.lower() in LEXICON_SUFFIXES and LEXICON in names


def is_yaml_script(data: Any) -> bool:
    """Whether YAML or JSON holds a script: a list of turns, or chapters, turns or segments by that name."""
    if isinstance(data, list):
        return bool(data) and all(
            isinstance(one, dict) and ("turns" in one or not {"title", "script"} & set(one)) for one in data
        )
    return isinstance(data, dict) and "script" not in data and bool({"chapters", "turns", "segments"} & data.keys())


def foreign_language(where: str, code: str) -> Problem:
    """That a language which a script gives for itself is not used."""
    what = f'its language is given as "{code}", which is not spoken here, so it is read as English.'
    return Problem(where, what, 'If that is wrong, give a manifest with "language:".')


def _read(path: Path) -> tuple[Located, bool]:
    """The keys in a manifest; for a script, those that a manifest of it alone would have, and that it is one."""
    for ending, what in BESIDE.items():
        if path.name.endswith(ending):
            hint = f"Name the manifest, {path.name.removesuffix(ending)}.yaml."
            raise RequestError(Problem(str(path), f"these are {what}, and no manifest.", hint))
    if is_lexicon(path):
        what = "this is a lexicon, and no manifest."
        raise RequestError(Problem(str(path), what, "Name the manifest; what lies beside it is read with it."))
    if os.path.isfile(path):  # noqa: PTH113 - it raises nothing
        if (problem := conversion(path, str(path))) is not None:
            raise RequestError(problem)
        if (is_script(path) and path.suffix.lower() not in YAML_SUFFIXES) or is_transcript(path):
            return _keys_of_script(path), True
        if path.suffix.lower() not in YAML_SUFFIXES:
            read_any_text(path, str(path))  # which refuses what is no text, whatever it is called
    located = read_yaml(read_text(path, str(path)), str(path))
    if is_yaml_script(located.data):
        return _keys_of_script(path), True
    if not isinstance(located.data, dict):
        hint = 'It needs at least "title:" and "script:".'
        raise RequestError(Problem(f"{path}:1", 'a manifest holds "key: value" lines.', hint))
    return located, False


def _keys_of_script(path: Path) -> Located:
    return Located({"script": {"file": path.name}}, {}, str(path))


def _add_metadata(data: dict[str, Any], path: Path, *, is_alone: bool) -> tuple[Problem, ...]:
    """Add what the first script says of itself, where `data` is silent; returns what of that cannot be used.

    Nothing is read outside the manifest's folder, whatever may be rendered: a title must not depend on that. A script
    that is not there may have a title: that there is none is no problem until it has come.
    """
    named = data.get("script")
    named = named[0] if isinstance(named, list) and named else named
    named = named.get("file") if isinstance(named, Mapping) else named
    if not isinstance(named, str) or not named.strip():
        return ()
    script = path.parent / named.strip()
    if script.suffix.lower() in BOOK_SUFFIXES:
        data.setdefault("kind", "audiobook")
        data.setdefault("deliver", ["m4b"])
    metadata = read_metadata(script) if is_alone or is_inside(script, path.parent) else Metadata()
    texts = {name: _clean(text) for name, text in vars(metadata).items()}
    texts["title"] = texts["title"][:LONGEST_TITLE].strip()
    if is_alone and not texts["title"]:
        texts["title"] = _clean(titled(path.stem)) or "Untitled"
    notes: list[Problem] = []
    if (code := short_code(texts.pop("language"))) and "language" not in data:
        if is_language_tag(code):
            data["language"] = code
        else:
            notes.append(foreign_language(str(script), code))
    for name, text in texts.items():
        if text:
            data.setdefault(name, text)
    if not os.path.exists(script):  # noqa: PTH110 - it raises nothing
        data.setdefault("title", "untitled")
    return tuple(notes)


def _clean(text: str) -> str:
    """Without characters that can stand in no YAML file."""
    return "".join(
        " " if unicodedata.category(char) in ("Cc", "Cs", "Cn") and char != "\n" else char for char in text
    ).strip()
