"""Readers: one file for each format a script may have.

In: the paths of script files. Out: one `Script` with its ledger and every problem in them at once.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.errors import Problem, RequestError
from pipeline.source.documents import read_any_text
from pipeline.source.ledger import Ledger
from pipeline.source.readers.markdown import parse_markdown
from pipeline.source.readers.yaml import parse_yaml
from pipeline.source.script import Chapter, Reading, Script
from pipeline.source.spoken.text import has_speech, spoken

MARKDOWN_SUFFIXES = (".md", ".markdown", ".txt")
YAML_SUFFIXES = (".yaml", ".yml", ".json")
BOOK_SUFFIXES = (".epub", ".fb2")  # a file alone of these is an audiobook
SCRIPT_SUFFIXES = (
    *MARKDOWN_SUFFIXES,
    *YAML_SUFFIXES,
    *BOOK_SUFFIXES,
    *(".html", ".htm", ".xhtml", ".docx", ".odt", ".rtf", ".fountain", ".spmd", ".srt", ".vtt"),
)
_CONVERSIONS = {  # of what nothing here can read, into what can be read
    ".pdf": ("text", "pdftotext -layout {0}.pdf {0}.txt"),
    ".doc": ("a DOCX", "soffice --convert-to docx {0}.doc"),
    ".mobi": ("an EPUB", "ebook-convert {0}.mobi {0}.epub (Calibre)"),
    ".azw": ("an EPUB", "ebook-convert {0}.azw {0}.epub (Calibre)"),
    ".azw3": ("an EPUB", "ebook-convert {0}.azw3 {0}.epub (Calibre)"),
    ".kfx": ("an EPUB", "ebook-convert {0}.kfx {0}.epub (Calibre)"),
}


def load_script(paths: Sequence[tuple[Path, str]], readings: Sequence[Reading], *, title: str) -> Script:
    """The script in one or more files, each a path and its name to show, and how it is read.

    What is wrong with a file stands in the script's `problems`; the others are read all the same.
    """
    chapters: list[Chapter] = []
    warnings: list[Problem] = []
    problems: list[Problem] = []
    ledgers: list[Ledger] = []
    turns = 0
    for (path, shown), reading in zip(paths, readings, strict=True):
        name = titled(path.stem) if len(paths) > 1 else title
        try:
            script = _load_file(path, shown, name, reading)
        except RequestError as error:
            problems += error.problems
            continue
        chapters += script.chapters
        warnings += script.warnings
        ledgers += (ledger.moved(turns) for ledger in script.ledgers)
        turns += sum(len(chapter.turns) for chapter in script.chapters)
        problems += (*script.problems, *_silent_chapters(script, shown))
    if not paths:
        problems.append(Problem("script", "there are no script files.", "Name at least one."))
    return Script(tuple(chapters), tuple(warnings), tuple(ledgers), tuple(problems))


def is_script(path: Path) -> bool:
    """Whether it can be one, by its suffix."""
    return path.suffix.lower() in SCRIPT_SUFFIXES


def conversion(path: Path, shown: str) -> Problem | None:
    """Why a book or document is no script, and what makes one of it; None for all other files, by their suffix."""
    suffix = path.suffix.lower()
    if suffix not in _CONVERSIONS:
        return None
    target, command = _CONVERSIONS[suffix]
    hint = f"Make {target} of it, for example: {command.format(shlex.quote(path.stem))}"
    return Problem(shown, f'a "{suffix}" file cannot be read.', hint)


def _load_file(path: Path, shown: str, title: str, reading: Reading) -> Script:
    suffix = path.suffix.lower()
    if (problem := conversion(path, shown)) is not None:
        raise RequestError(problem)
    if suffix not in MARKDOWN_SUFFIXES + YAML_SUFFIXES:
        accepted = ", ".join(MARKDOWN_SUFFIXES + YAML_SUFFIXES)
        what = f'a "{suffix}" file cannot be a script.' if suffix else "the file's name has no suffix."
        raise RequestError(Problem(shown, what, f"Use one of {accepted}."))
    text, warnings = read_any_text(path, shown)
    if suffix in YAML_SUFFIXES:
        script = parse_yaml(text, shown, title=title, reading=reading)
    else:
        script = parse_markdown(text, shown, title=title, reading=reading, plain_text=suffix == ".txt")
    return replace(script, warnings=(*warnings, *script.warnings))


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


def titled(stem: str) -> str:
    """A title from a file's name: "02_the-storm" is "The storm"."""
    named = re.sub(r"^\d+[\s._-]+", "", stem)
    named = " ".join(re.split(r"[\s_-]+", named)).strip() or stem
    return named[:1].upper() + named[1:]
