"""DOCX: a document of Word, as a tree of HTML in which every text node of the package stands.

In: the bytes of a file. Out: the tree, what the document says of itself, and what could not be read. What a reader
would not say aloud bears `{urn:podcast}left-out`, each block `{urn:podcast}place`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace

from lxml import etree

from pipeline.errors import Problem, RequestError
from pipeline.source.hypertext.elements import text_of
from pipeline.source.ledger import Reason
from pipeline.source.readers.package import Package, resolve
from pipeline.source.script import Metadata
from pipeline.source.word.inline import LEFT_OUT, PLACE
from pipeline.source.word.names import name_of
from pipeline.source.word.styles import Numbering, Styles, read_numbering, read_styles
from pipeline.source.word.walk import PartWalk

_BY_ROOT: Mapping[str, Reason] = {
    "w:comments": "comment",
    "w:footnotes": "footnote",
    "w:endnotes": "footnote",
    "w:hdr": "boilerplate",
    "w:ftr": "boilerplate",
    "c:chartSpace": "picture",
    "dgm:dataModel": "picture",
    "dgm:drawing": "picture",
}
_OTHERS = {"mimetype": "an EPUB or OpenDocument", "xl/workbook.xml": "an Excel", "ppt/presentation.xml": "a slides"}
_EMBEDDED = (".docx", ".docm", ".doc", ".rtf", ".odt", ".mht", ".html", ".htm", ".txt")
_METADATA = {"dc:title": "title", "dc:creator": "author", "dc:language": "language", "dc:description": "description"}


def docx_tree(data: bytes, shown: str) -> tuple[etree._Element, Metadata, list[Problem]]:
    """The tree, what the document says of itself, and warnings. Raises `RequestError` for what is no DOCX."""
    with Package.of_bytes(data, shown, "DOCX") as package:
        main = _main_part(package, shown)
        links = _relations(package, main)
        styles = read_styles(_related(package, links, "styles"))
        numbering = read_numbering(_related(package, links, "numbering"))
        html = etree.Element("html")
        head, body = etree.SubElement(html, "head"), etree.SubElement(html, "body")
        warnings: list[Problem] = []
        properties = next(iter(_targets(package, _relations(package, ""), "core-properties")), None)
        properties = properties or package.find("docProps/core.xml")
        metadata = _read_properties(package, properties, head, shown)
        for name in (main, *(name for name in package.names if name not in (main, properties))):
            root = _part(package, name, mend=name != main)
            if root is None:
                continue
            targets = {key: target for key, (_kind, target, _is_external) in _relations(package, name).items()}
            if name == main:
                walk = PartWalk(shown, styles, numbering, targets)
                walk.read(root, body)
            else:
                walk = _read_beside(root, name, shown, styles, numbering, targets, body)
            warnings += walk.warnings
        warnings += package.warnings
        warnings += _embedded(package, shown)
    return html, _completed(metadata, styles, body), warnings


def _read_beside(
    root: etree._Element,
    name: str,
    shown: str,
    styles: Styles,
    numbering: Numbering,
    targets: Mapping[str, str],
    body: etree._Element,
) -> PartWalk:
    """Put what stands in another part behind the document: none of it is read."""
    place = f"{shown}:{posixpath.splitext(name)[0].removeprefix('word/')}"
    reason = _BY_ROOT.get(name_of(root), "hidden")
    section = etree.SubElement(body, "section", {PLACE: place, LEFT_OUT: reason})
    walk = PartWalk(place, styles, numbering, targets)
    walk.read(root, section)
    if not len(section):
        body.remove(section)
    return walk


def _main_part(package: Package, shown: str) -> str:
    names = [*_targets(package, _relations(package, ""), "officeDocument"), "word/document.xml"]
    name = next((member for one in names if (member := package.find(one)) is not None), None)
    if name is None:
        kinds = {
            "mimetype": "an EPUB or OpenDocument",
            "xl/workbook.xml": "an Excel",
            "ppt/presentation.xml": "a slides",
        }
        kind = next((kind for sign, kind in kinds.items() if package.find(sign)), "a zip")
        raise RequestError(Problem(shown, f"this is {kind} file and no DOCX.", "Save it as DOCX in Word."))
    return name


def _part(package: Package, name: str, *, mend: bool) -> etree._Element | None:
    """The root of a part that is XML and has text, without comments and instructions, which are no text of the part."""
    if not name.lower().endswith((".xml", ".rels", ".vml")):
        return None
    if mend and not package.read(name).strip():  # an empty file beside the document harms nobody
        return None
    root = package.parse(name, mend=mend)
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    return root


_Relations = dict[str, tuple[str, str, bool]]  # by id: kind, target (a member or an address), whether it is outside


def _relations(package: Package, name: str) -> _Relations:
    """The relationships of a part; those of the package itself for ""."""
    folder, base = posixpath.split(name)
    member = package.find(posixpath.join(folder, "_rels", f"{base}.rels"))
    relations: _Relations = {}
    for element in package.parse(member, mend=False).iter("{*}Relationship") if member is not None else ():
        identifier, target = element.get("Id") or "", element.get("Target") or ""
        is_external = element.get("TargetMode") == "External"
        inside = None if is_external else resolve(name, target.partition("#")[0])
        kind = (element.get("Type") or "").rpartition("/")[2]
        if is_external or inside is not None:
            relations[identifier] = (kind, target if is_external else inside or "", is_external)
    return relations


def _targets(package: Package, relations: _Relations, kind: str) -> Iterator[str]:
    """The parts of a kind that are there."""
    for one, target, is_external in relations.values():
        if one == kind and not is_external and (member := package.find(target)) is not None:
            yield member


def _related(package: Package, relations: _Relations, kind: str) -> etree._Element | None:
    name = next(_targets(package, relations, kind), None)
    return None if name is None else _part(package, name, mend=False)


def _read_properties(package: Package, name: str | None, head: etree._Element, shown: str) -> Metadata:
    """What the core properties say; all of their text goes into the head, the title as its `title`."""
    values: dict[str, str] = {}
    root = None if name is None else _part(package, name, mend=True)
    for element in root.iter("{*}*") if root is not None else ():
        key = _METADATA.get(name_of(element), "")
        for text, tag in ((element.text, "title" if key == "title" else "p"), (element.tail, "p")):
            if text and text.strip():
                kept = etree.SubElement(head, tag, {LEFT_OUT: "hidden", PLACE: f"{shown}:core"})
                kept.text = text
        if key and key not in values:
            values[key] = " ".join((element.text or "").split())
    if len(head):
        head.set(LEFT_OUT, "front matter")  # and nothing that only browsers need
    if head.find("title") is None:
        etree.SubElement(head, "title")
    return Metadata(**values)


def _completed(metadata: Metadata, styles: Styles, body: etree._Element) -> Metadata:
    """With the title that stands in the document, which is truer than that of a template, and its language."""
    titles = (one for one in body.iterchildren("h1") if one.get("class") == "title")
    title = next((" ".join(text_of(one).split()) for one in titles), "") or metadata.title
    return replace(metadata, title=title, language=metadata.language or styles.language)


def _embedded(package: Package, shown: str) -> Iterator[Problem]:
    """Tell of documents within the document, which are no XML parts of it."""
    names = [
        name for name in package.names if name.lower().endswith((".docx", ".doc", ".rtf", ".odt", ".mht", ".html"))
    ]
    if names:
        what = f"files within this document are not read: {', '.join(names[:3])}{' …' if len(names) > 3 else ''}."
        yield Problem(shown, what, "Copy what is to be read into the document.")
