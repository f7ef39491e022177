"""Benchmarks: how long a book takes to read and to plan in each format, each run a process of its own."""

from __future__ import annotations

import random
import statistics
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pipeline.bench.line import CommandRun, machine, run_command, sentences
from pipeline.jobs.stages import OnProgress

_CHAPTERS = 40
_PARAGRAPH_WORDS = 60
_CONTAINER = (
    '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
_XHTML = (
    '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><head><title/></head>'
    "<body>{0}</body></html>"
)
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"

Chapters = Sequence[tuple[str, Sequence[str]]]  # titles and paragraphs


def bench_scripts(words: int, runs: int, on_progress: OnProgress) -> dict[str, Any]:
    """Read and plan a book of `words` words in each format, and return one JSON object."""
    chapters = list(_chapters(words))
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="podcast-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        files = [_epub(folder, chapters), _html(folder, chapters), _docx(folder, chapters), _markdown(folder, chapters)]
        for number, file in enumerate(files):
            on_progress("scripts", number, len(files))
            results.append(_measured(folder, file, runs))
        on_progress("scripts", len(files), len(files))
    return {"machine": machine(), "runs": runs, "words": words, "formats": results}


def _measured(folder: Path, file: Path, runs: int) -> dict[str, Any]:
    def run(command: str) -> list[CommandRun]:
        return [run_command(folder, command, file, "--json", "--engine", "draft") for _ in range(runs)]

    checks, plans = run("check"), run("plan")
    return {
        "format": file.suffix.removeprefix("."),
        "bytes": file.stat().st_size,
        "check_s": round(statistics.median(one.wall_s for one in checks), 2),
        "plan_s": round(statistics.median(one.wall_s for one in plans), 2),
        "peak_mb": round(max(one.peak_mb for one in (*checks, *plans))),
    }


def table(results: dict[str, Any]) -> str:
    """The results as a table for a terminal, with the goal."""
    machine = results["machine"]
    lines = [
        f"{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}; medians of {results['runs']} runs",
        f"a book of {results['words']:,} words (goal: a plan in 15 s and 1000 MB)",
    ]
    for one in results["formats"]:
        times = f"check {one['check_s']:5.1f} s  plan {one['plan_s']:5.1f} s"
        lines.append(f"{one['format']:<5} {one['bytes'] / 1e6:5.2f} MB  {times}  {one['peak_mb']} MB")
    return "\n".join(lines)


def _chapters(words: int) -> Iterator[tuple[str, list[str]]]:
    dice = random.Random(0)  # noqa: S311 - only has to be the same every time
    for number in range(1, _CHAPTERS + 1):
        count = max(words // _CHAPTERS // _PARAGRAPH_WORDS, 1)
        yield f"Chapter {number}", [" ".join(sentences(dice, _PARAGRAPH_WORDS)) for _ in range(count)]


def _markdown(folder: Path, chapters: Chapters) -> Path:
    path = folder / "book.md"
    path.write_text("\n\n".join(f"# {title}\n\n" + "\n\n".join(paragraphs) for title, paragraphs in chapters))
    return path


def _as_html(title: str, paragraphs: Sequence[str]) -> str:
    return f"<h2>{title}</h2>\n" + "\n".join(f"<p>{escape(text)}</p>" for text in paragraphs)


def _html(folder: Path, chapters: Chapters) -> Path:
    path = folder / "book.html"
    body = "\n".join(_as_html(*chapter) for chapter in chapters)
    path.write_text(f"<!DOCTYPE html><html><head><title>Book</title></head><body>{body}</body></html>")
    return path


def _epub(folder: Path, chapters: Chapters) -> Path:
    path = folder / "book.epub"
    names = [f"c{number}.xhtml" for number in range(len(chapters))]
    kind = 'media-type="application/xhtml+xml"'
    items = "".join(f'<item id="i{n}" href="{name}" {kind}/>' for n, name in enumerate(names))
    links = "".join(f'<li><a href="{n}">{title}</a></li>' for n, (title, _text) in zip(names, chapters, strict=True))
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<dc:title>Book</dc:title><dc:language>en</dc:language></metadata><manifest>"
        f'{items}<item id="nav" href="nav.xhtml" {kind} properties="nav"/></manifest>'
        f"<spine>{''.join(f'<itemref idref={chr(34)}i{n}{chr(34)}/>' for n in range(len(names)))}</spine></package>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("META-INF/container.xml", _CONTAINER)
        package.writestr("book.opf", opf)
        package.writestr("nav.xhtml", _XHTML.format(f'<nav epub:type="toc"><ol>{links}</ol></nav>'))
        for name, chapter in zip(names, chapters, strict=True):
            package.writestr(name, _XHTML.format(_as_html(*chapter)))
    return path


def _docx(folder: Path, chapters: Chapters) -> Path:
    path = folder / "book.docx"
    heading = '<w:pPr><w:outlineLvl w:val="0"/></w:pPr>'
    body = "".join(
        f"<w:p>{heading}<w:r><w:t>{title}</w:t></w:r></w:p>"
        + "".join(f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>" for text in paragraphs)
        for title, paragraphs in chapters
    )
    relation = f'<Relationship Id="r1" Type="{_OFFICE_DOCUMENT}" Target="word/document.xml"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("_rels/.rels", f'<Relationships xmlns="{_RELATIONS}">{relation}</Relationships>')
        package.writestr("word/document.xml", f'<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>')
    return path
