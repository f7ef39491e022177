"""Readers: one file for each format a script may have.

In: the paths of script files. Out: one `Script` with its ledger and every problem in them at once.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.errors import Problem, RequestError
from pipeline.source.documents import read_any_text
from pipeline.source.edits import Edit, Edits, place_edits
from pipeline.source.ledger import Change, Ledger
from pipeline.source.ledger import Source as Source
from pipeline.source.readers.edited import apply_edits
from pipeline.source.readers.epub.book import read_book
from pipeline.source.readers.fountain import fountain_rendition
from pipeline.source.readers.html import read_docx, read_html, read_office
from pipeline.source.readers.markdown import markdown_rendition, text_rendition
from pipeline.source.readers.subtitles import subtitles_rendition
from pipeline.source.readers.transcripts import json_rendition, refuse_large_json
from pipeline.source.readers.yaml import parse_yaml
from pipeline.source.rendition import Rendition, read_rendition
from pipeline.source.script import Chapter, Reading, Script
from pipeline.source.spoken.text import has_speech, spoken

YAML_SUFFIXES = (".yaml", ".yml", ".json")
EPUB_SUFFIXES = (".epub", ".kepub")  # the second is Kobo's name of the same
BOOK_SUFFIXES = (*EPUB_SUFFIXES, ".fb2")  # a file alone of these is an audiobook
_TO_EPUB = "Make an EPUB of it, for example: ebook-convert {0}{1} {0}.epub (Calibre)"
_SLIDES = "Make text of it: soffice --convert-to pdf {0}{1}, then pdftotext -layout {0}.pdf {0}.txt"
_UNPACK = "Unpack it, and name the file in it."
_CONVERSIONS = {  # what to do with what nothing here can read, by its suffix
    ".pdf": "Make text of it, for example: pdftotext -layout {0}.pdf {0}.txt",
    ".djvu": "Make text of it, for example: djvutxt {0}.djvu {0}.txt",
    **dict.fromkeys((".doc", ".wpd", ".wps"), "Make a DOCX of it, for example: soffice --convert-to docx {0}{1}"),
    ".pages": "Make an EPUB or DOCX of it: File, Export To, in Pages.",
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".kfx", ".azw4", ".prc", ".pdb", ".lit", ".lrf", ".chm"), _TO_EPUB),
    **dict.fromkeys((".zip", ".7z", ".rar", ".tar", ".gz", ".xz", ".bz2"), _UNPACK),
    **dict.fromkeys((".ass", ".ssa", ".sub", ".lrc"), "Make an SRT of it, for example: ffmpeg -i {0}{1} {0}.srt"),
    **dict.fromkeys((".sbv", ".ttml", ".dfxp"), "Make an SRT of it: Save as, in Subtitle Edit."),
    ".fdx": "Make a Fountain file of it in Highland or Fade In, or export it as text from Final Draft.",
    **dict.fromkeys((".ppt", ".pptx", ".odp"), _SLIDES),
    **dict.fromkeys((".mhtml", ".mht"), "Open it in a browser and save it as HTML."),
    **dict.fromkeys((".tex", ".rst"), "Make HTML of it, for example: pandoc --standalone {0}{1} -o {0}.html"),
    **dict.fromkeys((".adoc", ".asciidoc"), "Make HTML of it, for example: asciidoctor {0}{1}"),
    **dict.fromkeys((".cbz", ".cbr"), "It holds pictures of pages: have their text recognised, and name that."),
}


TEXT_READERS: dict[str, Callable[[str, str, Reading], Rendition]] = {
    **dict.fromkeys((".md", ".markdown"), markdown_rendition),
    ".txt": text_rendition,
    **dict.fromkeys((".fountain", ".spmd"), fountain_rendition),
    **dict.fromkeys((".srt", ".vtt"), subtitles_rendition),
}
"""Who reads the text of a file into a rendition, by the file's suffix."""

FILE_READERS: dict[str, Callable[[Path, str, Reading], Rendition]] = {
    **dict.fromkeys(EPUB_SUFFIXES, read_book),
    **dict.fromkeys((".html", ".htm", ".xhtml"), read_html),
    ".docx": lambda path, shown, _reading: read_docx(path, shown),
    **dict.fromkeys((".odt", ".fb2", ".rtf"), lambda path, shown, _reading: read_office(path, shown)),
}
"""Who reads a file that is no text."""

SCRIPT_SUFFIXES = (*TEXT_READERS, *YAML_SUFFIXES, *FILE_READERS)


def load_script(
    paths: Sequence[tuple[Path, str]], readings: Sequence[Reading], *, title: str, edits: Sequence[Edit] = ()
) -> Script:
    """The script in one or more files, each a path and its name to show, and how it is read, with edits made in them.

    What is wrong with a file stands in the script's `problems`; the others are read all the same.
    """
    chapters: list[Chapter] = []
    warnings: list[Problem] = []
    problems: list[Problem] = []
    ledgers: list[Ledger] = []
    turns = 0
    placed = _place_edits(paths, readings, edits)
    for (path, shown), reading in zip(paths, readings, strict=True):
        name = titled(path.stem) if len(paths) > 1 else title
        try:
            script = _load_file(path, shown, name, reading, placed.changes.get(path, ()))
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
    warnings += placed.warnings
    problems += placed.problems
    return Script(tuple(chapters), tuple(dict.fromkeys(warnings)), tuple(ledgers), tuple(problems), placed.placed)


def _place_edits(paths: Sequence[tuple[Path, str]], readings: Sequence[Reading], edits: Sequence[Edit]) -> Edits:
    """Where edits are to be made in the files, which are read once without them to know what is seen of each."""
    files: list[tuple[Path, Ledger | None]] = []
    for (path, shown), reading in zip(paths, readings, strict=True) if edits else ():
        try:
            rendition = _rendition(path, shown, reading)[0]
            script = None if rendition is None else read_rendition(rendition, title="", reading=reading)
            files.append((path, None if script is None else script.ledgers[0]))
        except RequestError:
            files.append((path, None))
    return place_edits(edits, files)


def is_script(path: Path) -> bool:
    """Whether it can be one, by its suffix."""
    return path.suffix.lower() in SCRIPT_SUFFIXES


def is_transcript(path: Path) -> bool:
    """Whether a file is a transcript in JSON, whoever wrote it; raises nothing."""
    if path.suffix.lower() != ".json":
        return False
    try:
        refuse_large_json(path, str(path))
        return json_rendition(read_any_text(path, str(path))[0], str(path)) is not None
    except RequestError:
        return False


def conversion(path: Path, shown: str) -> Problem | None:
    """Why a book or document is no script, and what makes one of it; None for all other files, by their suffix."""
    suffix = path.suffix.lower()
    if suffix not in _CONVERSIONS:
        return None
    hint = _CONVERSIONS[suffix].format(shlex.quote(path.stem), path.suffix)
    return Problem(shown, f'a "{suffix}" file cannot be read.', hint)


def _load_file(path: Path, shown: str, title: str, reading: Reading, changes: Sequence[Change] = ()) -> Script:
    rendition, text, warnings = _rendition(path, shown, reading)
    if rendition is not None:
        script = read_rendition(apply_edits(rendition, changes), title=title, reading=reading)
    else:
        script = parse_yaml(text, shown, title=title, reading=reading)
    return replace(script, warnings=(*warnings, *script.warnings))


def _rendition(path: Path, shown: str, reading: Reading) -> tuple[Rendition | None, str, list[Problem]]:
    """The text of a file as its format's reader hands it on (None: it is data of a script), and as it is written."""
    suffix = path.suffix.lower()
    if (problem := conversion(path, shown)) is not None:
        raise RequestError(problem)
    if not is_script(path):
        accepted = ", ".join(SCRIPT_SUFFIXES)
        what = f'a "{suffix}" file cannot be a script.' if suffix else "the file's name has no suffix."
        raise RequestError(Problem(shown, what, f"Use one of {accepted}."))
    if suffix in FILE_READERS:
        return FILE_READERS[suffix](path, shown, reading), "", []
    if suffix == ".json":
        refuse_large_json(path, shown)
    text, warnings = read_any_text(path, shown)
    if suffix == ".json":
        return json_rendition(text, shown), text, warnings
    return TEXT_READERS[suffix](text, shown, reading) if suffix in TEXT_READERS else None, text, warnings


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
