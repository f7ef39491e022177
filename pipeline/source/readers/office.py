"""ODT, FB2 and RTF, which pandoc reads, as a tree of HTML.

In: a file. Out: the tree, what the document says of itself, and what pandoc has not handed on. Pandoc drops text boxes,
comments and more without a word, so all words of an ODT or FB2 are counted, and those that are missing stand at the
end, left out.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from pipeline.errors import Problem, RequestError
from pipeline.source.documents import read_file_bytes
from pipeline.source.hypertext.elements import text_of
from pipeline.source.ledger import Reason
from pipeline.source.pandoc import convert
from pipeline.source.readers.markup import MAX_XML_BYTES, parse_markup
from pipeline.source.readers.package import Package
from pipeline.source.script import Metadata
from pipeline.source.word.inline import LEFT_OUT, PLACE

_WORD = re.compile(r"[^\W_]+")
_CONTROL = re.compile(rb"\\(?:([A-Za-z]+-?\d+) ?|[^A-Za-z])", re.DOTALL)
_PARAGRAPHS = frozenset("p h v subtitle text-author td th".split())  # of ODT and of FB2
# No space stands around these, in ODT, FB2 and HTML.
_INLINE = frozenset("a strong emphasis style sub sup strikethrough code span bookmark em del u".split())
_UNREAD: Mapping[str, Reason] = {  # what pandoc does not hand on, or what is none of the text
    "annotation": "comment",
    "tracked-changes": "struck out",
    **dict.fromkeys(
        "table-of-content illustration-index table-index object-index user-index alphabetical-index".split(), "contents"
    ),
    "page-number": "page number",
    "page-count": "page number",
    "note-citation": "footnote",
    "text-box": "hidden",
    "description": "front matter",
    "binary": "picture",
}
_BESIDE: Mapping[str, Reason] = {
    "styles.xml": "boilerplate",
    "meta.xml": "front matter",
}  # headers and footers; properties
_OF_FB2 = (("title", "book-title"), ("language", "lang"), ("description", "annotation"))
_BLOCKS = frozenset("p h1 h2 h3 h4 h5 h6 pre li td th dt dd div".split())
_METADATA = {"title": "title", "creator": "author", "language": "language", "description": "description"}


@dataclass(frozen=True)
class _Passage:
    """A paragraph of the file's own XML, and why it may be missing from the tree."""

    text: str
    reason: Reason | None


_Prepared = tuple[bytes, list[_Passage], Metadata, list[Problem]]


def office_tree(path: Path, shown: str) -> tuple[etree._Element, Metadata, list[Problem]]:
    """The tree of an `.odt`, `.fb2` or `.rtf` file. Raises `RequestError` for what is none, or has no pandoc."""
    kind, data, passages, metadata, warnings = _prepared(path, shown)
    tree, mended = parse_markup(convert(data, kind, shown), shown)
    warnings = [*warnings, *mended]
    metadata = _filled(metadata, tree)
    _clean(tree, shown)
    warnings += _add_missing(tree, passages, shown)
    if kind == "rtf":
        what = "headers, hidden text and text boxes of an RTF file are not handed on by pandoc, which reads it."
        warnings.append(Problem(shown, what, "If something is missing, save it as DOCX and use that."))
    return tree, metadata, warnings


def read_office_metadata(path: Path, shown: str) -> Metadata:
    """What such a file says of itself, without pandoc. Raises `RequestError`."""
    return _prepared(path, shown)[3]


def _prepared(path: Path, shown: str) -> tuple[str, bytes, list[_Passage], Metadata, list[Problem]]:
    """The kind of a file, what pandoc is to be given of it, and what to tell of that."""
    kind = path.suffix.lower().removeprefix(".")
    prepare: Mapping[str, Callable[[bytes, str], _Prepared]] = {
        "odt": _prepared_odt,
        "fb2": _prepared_fb2,
        "rtf": _prepared_rtf,
    }
    return kind, *prepare[kind](read_file_bytes(path, shown), shown)


def _prepared_odt(data: bytes, shown: str) -> _Prepared:
    with Package.of_bytes(data, shown, "OpenDocument") as package:
        for name in package.names:  # pandoc unpacks them without a limit
            package.read(name)
        manifest = package.find("META-INF/manifest.xml")
        if manifest is not None and any(True for _ in package.parse(manifest).iter("{*}encryption-data")):
            raise RequestError(Problem(shown, "the file is protected by a password.", "Save it without one."))
        values: dict[str, str] = {}
        if (meta := package.find("meta.xml")) is not None:
            for element in package.parse(meta).iter("{*}*"):
                key = _METADATA.get(etree.QName(element).localname)
                if key is not None and element.text:
                    values.setdefault(key, " ".join(element.text.split()))
        passages = list(_passages(package.parse("content.xml", mend=False)))
        for name, reason in _BESIDE.items():
            if package.find(name) is not None:
                passages += (_Passage(one.text, reason) for one in _passages(package.parse(name)))
        return data, passages, Metadata(**values), package.warnings


def _prepared_fb2(data: bytes, shown: str) -> _Prepared:
    """In UTF-8, which pandoc wants, whatever the file declares."""
    root, warnings = parse_markup(data, shown, mend=False)
    if etree.QName(root).localname != "FictionBook":
        raise RequestError(Problem(shown, "this is no FB2 file.", "Export or save it as FB2."))
    passages = list(_passages(root))
    return etree.tostring(root, encoding="utf-8"), passages, _metadata_of_fb2(root), warnings


def _metadata_of_fb2(root: etree._Element) -> Metadata:
    """As FictionBook 2.1 has them in its title-info: an author's names are elements of their own."""
    about = next(root.iter("{*}title-info"), root)
    authors = [" ".join(" ".join(map(str, author.itertext())).split()) for author in about.iterfind("{*}author")]
    texts = {name: " ".join(text_of(one).split()) for name, tag in _OF_FB2 for one in about.iterfind(f"{{*}}{tag}")}
    return Metadata(author=", ".join(filter(None, authors)), **texts)


def _prepared_rtf(data: bytes, shown: str) -> _Prepared:
    data = data.removeprefix(codecs.BOM_UTF8).lstrip()
    if not data.startswith(b"{\\rtf"):
        raise RequestError(Problem(shown, "this is no RTF file.", "Export or save it as RTF."))
    if len(data) > MAX_XML_BYTES:
        raise RequestError(Problem(shown, "it is too large to be read.", "Take its pictures out, or save it as DOCX."))
    # Pandoc 3.9 takes the character after a control word with a number for its delimiter, and drops it: `\\b0, and`.
    return _CONTROL.sub(lambda m: m[0].rstrip(b" ") + b" " if m[1] else m[0], data), [], Metadata(), []


def _passages(root: etree._Element) -> Iterator[_Passage]:
    """The paragraphs of a file's own XML, each without those within it, and at last what stands in none."""
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    texts: list[list[str]] = [[]]
    reasons: list[Reason | None] = [None]
    for event, element in etree.iterwalk(root, events=("start", "end")):
        name = etree.QName(element).localname
        is_passage = name in _PARAGRAPHS or name in _UNREAD
        gap = "" if name in _INLINE else " "
        if event == "start":
            reasons.append(reasons[-1] or _UNREAD.get(name))
            texts += [[]] if is_passage else []
            texts[-1] += (gap, "" if name == "binary" else element.text or "")
        else:
            reason = reasons.pop()
            if is_passage and (text := " ".join("".join(texts.pop()).split())):
                yield _Passage(text, reason)
            texts[-1] += (gap, (element.tail or "") if element is not root else "")
    if rest := " ".join("".join(texts[0]).split()):
        yield _Passage(rest, None)


def _words(tree: etree._Element) -> Counter[str]:
    words: list[str] = []
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        gap = "" if etree.QName(element).localname in _INLINE else " "
        words += (gap, (element.text if event == "start" else element.tail) or "")
    return Counter(_WORD.findall("".join(words)))


def _add_missing(tree: etree._Element, passages: Sequence[_Passage], shown: str) -> list[Problem]:
    """Put the words that are not in the tree at its end, left out, and warn of those that no rule leaves out."""
    left = _words(tree)
    missing: list[tuple[str, Reason]] = []
    for passage in sorted(passages, key=lambda one: one.reason is not None):
        words = _WORD.findall(passage.text)
        lost: list[str] = []
        for word in words:
            left[word] -= 1
            lost += [word] if left[word] < 0 else []
        if lost:
            text = passage.text if len(lost) == len(words) else " ".join(lost)
            missing.append((text, passage.reason or "hidden"))
    body = next(tree.iter("{*}body"), None)
    if body is None or not missing:
        return []
    for text, reason in missing:
        etree.SubElement(body, "p", {PLACE: shown, LEFT_OUT: reason}).text = text
    unread = [text for text, reason in missing if reason == "hidden"]
    if not unread:
        return []
    quoted = "; ".join(text[:40] for text in unread[:3]) + ("; …" if len(unread) > 3 else "")
    what = f"pandoc, which reads this format, does not hand on all of it: {quoted}."
    return [Problem(shown, what, "Save it as DOCX and use that.")]


def _filled(metadata: Metadata, tree: etree._Element) -> Metadata:
    """What the file's own XML says, else the head of pandoc's HTML, which takes the name of the file for a title."""
    head = {one.get("name"): one.get("content") or "" for one in tree.iter("{*}meta")}
    shown = next((one for one in tree.iter("{*}h1") if one.get("class") == "title"), None)
    title = "" if shown is None else " ".join("".join(map(str, shown.itertext())).split())
    return Metadata(
        metadata.title or title, metadata.author or head.get("author", ""), metadata.language, metadata.description
    )


def _clean(tree: etree._Element, shown: str) -> None:
    """Take pandoc's own head out, leave out the metadata that it puts above the text, and number the paragraphs."""
    etree.strip_tags(tree, etree.Comment, etree.ProcessingInstruction)
    for head in tree.iter("{*}head"):
        for child in list(head):
            head.remove(child)
    for header in tree.iter("{*}header"):
        if header.get("id") == "title-block-header":
            header.set(LEFT_OUT, "front matter")
    number = 0
    for element in tree.iter("{*}*"):
        if etree.QName(element).localname in _BLOCKS:
            number += not any(etree.QName(child).localname in _BLOCKS for child in element)
            element.set(PLACE, f"{shown}:{max(number, 1)}")
