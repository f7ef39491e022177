"""Readers: one file for each format a script may have.

In: the paths of script files. Out: one `Script`, or every problem in them at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from pipeline.errors import Problem, RequestError, raise_if_any
from pipeline.source.documents import read_text
from pipeline.source.readers.markdown import parse_markdown
from pipeline.source.readers.yaml import parse_yaml
from pipeline.source.script import Chapter, Kind, Script
from pipeline.source.spoken.text import has_speech, spoken

MARKDOWN_SUFFIXES = (".md", ".markdown", ".txt")
YAML_SUFFIXES = (".yaml", ".yml", ".json")


def load_script(paths: Sequence[tuple[Path, str]], *, title: str, kind: Kind, cast: Collection[str]) -> Script:
    """The script in one or more files, each a path and its name to show. Raises `RequestError` with all problems."""
    chapters: list[Chapter] = []
    warnings: list[Problem] = []
    problems: list[Problem] = []
    for path, shown in paths:
        name = _titled(path.stem) if len(paths) > 1 else title
        try:
            script = _load_file(path, shown, name, kind, cast)
        except RequestError as error:
            problems += error.problems
            continue
        chapters += script.chapters
        warnings += script.warnings
        problems += _silent_chapters(script, shown)
    if not paths:
        problems.append(Problem("script", "there are no script files.", "Name at least one."))
    raise_if_any(problems)
    return Script(tuple(chapters), tuple(warnings))


def is_script(path: Path) -> bool:
    """Whether it can be one, by its suffix."""
    return path.suffix.lower() in MARKDOWN_SUFFIXES + YAML_SUFFIXES


def _load_file(path: Path, shown: str, title: str, kind: Kind, cast: Collection[str]) -> Script:
    suffix = path.suffix.lower()
    if not is_script(path):
        accepted = ", ".join(MARKDOWN_SUFFIXES + YAML_SUFFIXES)
        what = f'a "{suffix}" file cannot be a script.' if suffix else "the file's name has no suffix."
        raise RequestError(Problem(shown, what, f"Use one of {accepted}."))
    parse = parse_yaml if suffix in YAML_SUFFIXES else parse_markdown
    return parse(read_text(path, shown), shown, title=title, kind=kind, cast=cast)


def _silent_chapters(script: Script, shown: str) -> list[Problem]:
    """A chapter that would be rendered to nothing is an error: its file would be silent."""
    silent = [
        Problem(
            chapter.where,
            f'the chapter "{chapter.title}" has nothing to say.',
            "Write text under its heading, or remove the heading.",
        )
        for chapter in script.chapters
        if not any(has_speech(spoken(turn.text, tags=False)) for turn in chapter.turns)
    ]
    if not script.chapters:
        silent.append(Problem(shown, "there is nothing to say in this file.", "Write some text in it."))
    return silent


def _titled(stem: str) -> str:
    """A chapter title from a file's name: "02_the-storm" is "The storm"."""
    named = re.sub(r"^\d+[\s._-]+", "", stem)
    named = " ".join(re.split(r"[\s_-]+", named)).strip() or stem
    return named[:1].upper() + named[1:]
