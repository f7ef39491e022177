"""Books in EPUB of the tests' own making, and what a careful reader would say of them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.source.ledger import Ledger
from pipeline.source.readers import load_script
from pipeline.source.readers.package import Package
from pipeline.source.script import Reading, Script

XHTML = (
    '<?xml version="1.0" encoding="utf-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml" '
    'xmlns:epub="http://www.idpf.org/2007/ops" xml:lang="en"><head><title>{title}</title></head>\n'
    "<body{attributes}>{body}</body></html>"
)
CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000000030001"
    "5c0ff7a40000000049454e44ae426082"
)
Entry = tuple[str, str]  # a title in the contents, and where it leads to; one that begins with ">" is a level deeper


@dataclass
class Book:
    """An EPUB: documents by name, in the order of the spine; without `toc` it has no contents."""

    documents: dict[str, str]  # bodies, or whole documents
    toc: Sequence[Entry] = ()
    version: int = 3
    title: str = "The Lighthouse"
    author: str = "Jo March"
    language: str = "en"
    description: str = ""
    cover: bytes | None = None
    guide: Mapping[str, str] = field(default_factory=dict)  # EPUB 2: a document by its type
    landmarks: Mapping[str, str] = field(default_factory=dict)
    non_linear: Sequence[str] = ()
    extra: Mapping[str, bytes | str] = field(default_factory=dict)
    spine: str | None = None  # instead of its own
    nav_in_spine: bool = False

    def write(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
            package.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
            for name, data in self.members().items():
                package.writestr(name, data)
        return path

    def members(self) -> dict[str, bytes | str]:
        members: dict[str, bytes | str] = {"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": self._opf()}
        for name, body in self.documents.items():
            members[f"OEBPS/{name}"] = body if body.startswith("<?xml") else document(body)
        if self.toc and self.version == 3:
            members["OEBPS/nav.xhtml"] = document(self._nav(), title="Contents")
        if self.toc and self.version == 2:
            members["OEBPS/toc.ncx"] = self._ncx()
        if self.cover is not None:
            members["OEBPS/cover.png"] = self.cover
        return members | dict(self.extra)

    def _opf(self) -> str:
        items = [
            f'<item id="d{i}" href="{name}" media-type="application/xhtml+xml"/>'
            for i, name in enumerate(self.documents)
        ]
        order = [
            f'<itemref idref="d{i}"{" linear=" + chr(34) + "no" + chr(34) if name in self.non_linear else ""}/>'
            for i, name in enumerate(self.documents)
        ]
        if self.toc and self.version == 3:
            items.append('<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>')
            order += ['<itemref idref="nav"/>'] if self.nav_in_spine else []
        if self.toc and self.version == 2:
            items.append('<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>')
        if self.cover is not None:
            items.append('<item id="cover" href="cover.png" media-type="image/png" properties="cover-image"/>')
        guide = "".join(f'<reference type="{kind}" href="{name}"/>' for kind, name in self.guide.items())
        spine = f"<spine{' toc=' + chr(34) + 'ncx' + chr(34) if self.version == 2 else ''}>{''.join(order)}</spine>"
        return (
            f'<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="{self.version}.0">'
            '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:title>{self.title}</dc:title><dc:creator>{self.author}</dc:creator>"
            f"<dc:language>{self.language}</dc:language><dc:description>{self.description}</dc:description></metadata>"
            f"<manifest>{''.join(items)}</manifest>{self.spine or spine}<guide>{guide}</guide></package>"
        )

    def _nav(self) -> str:
        marks = "".join(
            f'<li><a epub:type="{kind}" href="{name}">{kind}</a></li>' for kind, name in self.landmarks.items()
        )
        landmarks = f'<nav epub:type="landmarks"><ol>{marks}</ol></nav>' if marks else ""
        return f'<nav epub:type="toc"><h2>Contents</h2>{_nested(self.toc)}</nav>{landmarks}'

    def _ncx(self) -> str:
        points = _nested(
            self.toc, "<navPoint><navLabel><text>{0}</text></navLabel><content src='{1}'/>", "</navPoint>", "", ""
        )
        return f'<?xml version="1.0"?><ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>'


def _nested(
    toc: Sequence[Entry],
    opening: str = '<li><a href="{1}">{0}</a>',
    closing: str = "</li>",
    begin: str = "<ol>",
    end: str = "</ol>",
) -> str:
    text, at = begin, 0
    while at < len(toc):
        below = at + 1
        while below < len(toc) and toc[below][0].startswith(">"):
            below += 1
        inner = [(title[1:], target) for title, target in toc[at + 1 : below]]
        text += opening.format(*toc[at]) + (_nested(inner, opening, closing, begin, end) if inner else "") + closing
        at = below
    return text + end


def document(body: str, *, title: str = "", attributes: str = "") -> str:
    return XHTML.format(title=title, body=body, attributes=attributes and f" {attributes}")


def read_file(path: Path, kind: Any = "audiobook", *, title: str = "The Lighthouse", **reading: Any) -> Script:
    return load_script([(path, path.name)], [Reading(kind, **reading)], title=title)


def read_html(folder: Path, body: str, kind: Any = "podcast", **reading: Any) -> Script:
    path = folder / "page.html"
    path.write_text(f"<!DOCTYPE html><html><head><title>T</title></head><body>\n{body}\n</body></html>", "utf-8")
    return read_file(path, kind, **reading)


def spoken_lines(script: Script) -> list[str]:
    return [f"{turn.speaker}: {turn.text}" if turn.speaker else turn.text for c in script.chapters for turn in c.turns]


def titles(script: Script) -> list[str]:
    return [chapter.title for chapter in script.chapters]


def lost_nodes(path: Path, ledger: Ledger) -> list[str]:
    """The texts of the package's documents that do not stand in the ledger, in order; it should be none."""
    lost: list[str] = []
    lines = ledger.text.split("\n")
    with Package.open(path, path.name, "EPUB") as package:
        for name in package.names:
            if not name.endswith((".xhtml", ".html", ".ncx", ".svg", ".opf")):
                continue
            root = package.parse(name)
            begin = f"{ledger.shown}:{name}:"
            written = "".join(
                "".join(line.split()) for line, at in zip(lines, ledger.places, strict=True) if at.startswith(begin)
            )
            wanted = "".join("".join(map(str, root.itertext())).split())
            if (missing := not_in_order(wanted, written)) is not None:
                lost.append(f"{name}: {missing}")
    return lost


def not_in_order(wanted: str, written: str) -> str | None:
    """Where `wanted` stops to stand in `written`, which may have more; None where it does."""
    at = 0
    for index, char in enumerate(wanted):
        at = written.find(char, at) + 1
        if not at:
            return wanted[index : index + 40]
    return None
