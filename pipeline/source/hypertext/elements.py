"""Elements: what an element of HTML, EPUB or Standard Ebooks' vocabulary is, and why it is not read aloud.

In: an element. Out: the reason for which it is left out, or what kind of thing it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice

from lxml import etree

from pipeline.source.ledger import REASONS, Reason

OURS = "urn:podcast"
LEFT_OUT = f"{{{OURS}}}left-out"  # the reason that a reader gives to an element; "" where it is to be read
PLACE = f"{{{OURS}}}place"  # where it stands in the file of that format
SPEAKER = f"{{{OURS}}}speaker"  # it names who speaks, as those around it tell
EPUB_TYPE = "{http://www.idpf.org/2007/ops}type"

BLOCKS = frozenset(
    """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure
    footer form script style template title h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol
    optgroup p pre section summary table tbody td tfoot th thead tr ul
    """.split()
)
_BY_TAG: Mapping[str, Reason] = {
    **dict.fromkeys("script style template noscript object iframe audio video canvas applet embed".split(), "code"),
    **dict.fromkeys("button select datalist textarea meter progress".split(), "hidden"),
    "head": "head",
    "svg": "picture",
    "map": "picture",
    "annotation": "hidden",
    "annotation-xml": "hidden",
    "nav": "contents",
    **dict.fromkeys("del s strike".split(), "struck out"),
    "rt": "ruby",
    "rp": "ruby",
    "rtc": "ruby",
}
_BY_TYPE: Mapping[str, Reason] = {
    **dict.fromkeys("toc toc-brief landmarks page-list pagelist loi lot loa lov index index-group".split(), "contents"),
    **dict.fromkeys("pagebreak".split(), "page number"),
    **dict.fromkeys("noteref backlink".split(), "footnote"),
    **dict.fromkeys("footnote footnotes endnote endnotes rearnote rearnotes".split(), "footnote"),
    **dict.fromkeys(
        "titlepage halftitlepage copyright-page cover imprint seriespage halftitle".split(), "front matter"
    ),
    **dict.fromkeys("colophon imprimatur other-credits contributors errata".split(), "boilerplate"),
    **dict.fromkeys("bibliography".split(), "contents"),
    "stage-direction": "direction",
}
_BY_CLASS: Mapping[str, Reason] = {
    **dict.fromkeys(
        "pagenum pageno pagenumber page-number page_number page-num pagebreak folio linenum lineno lnum".split(),
        "page number",
    ),
    **dict.fromkeys("noteref footnote-ref footnoteref fnanchor endnote-ref fnref footnote-anchor".split(), "footnote"),
    **dict.fromkeys("footnote footnotes endnotes footnotetext footnote-text".split(), "footnote"),
    **dict.fromkeys("pg-boilerplate pgheader pg-header pg-footer".split(), "boilerplate"),
    **dict.fromkeys(
        "transnote transnotes trans-note trans-notes transcribernote transcribernotes".split(), "boilerplate"
    ),
    **dict.fromkeys("transcriber-note transcriber-notes transcriber_note transcriber_notes".split(), "boilerplate"),
    **dict.fromkeys("transcribers-note transcribers-notes mynote".split(), "boilerplate"),
    **dict.fromkeys("mw-editsection sr-only visually-hidden".split(), "hidden"),
}
_OF_TRANSCRIBER = frozenset("tn tns tnote tnotes tnbox".split())  # of a box; columns bear such classes, too
_BY_ID: Mapping[str, Reason] = {"pg-header": "boilerplate", "pg-footer": "boilerplate", "toc": "contents"}
_BODY_TYPES = frozenset("bodymatter frontmatter backmatter chapter part volume".split())
_NOT_SHOWN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_HEADING = re.compile(r"h[1-6]")
_SPEAKER = frozenset("speaker speakername speaker-name character-name char-name persona personnage".split())
_SMALL_CAPITALS = frozenset("smcap smallcaps small-caps smallcap sc small_caps smcaps".split())
_LEAST_OF_PLAY = 0.3  # of its paragraphs bear a name: the days of a diary are fewer
_LONGEST_NAME = 7  # words
_DIRECTION = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
AFTER_NAME = re.compile(r"\s*(?:[(\[][^()\[\]]{1,160}[)\]]\s*)?[.:–—-]+(?=\s|$)")  # a direction, and a sign
_VERSE_TYPES = frozenset("poem verse song hymn lyrics".split())
_VERSE = frozenset("stanza linegroup lg poem poetry verse-group".split())
_PAGE_NUMBER = 16  # characters
_WORD = re.compile(r"[^\W\d_]{4}")


def tag_of(element: etree._Element) -> str:
    """The local name, in lower case; "" for comments and instructions."""
    tag = element.tag
    return _local_name(tag) if isinstance(tag, str) else ""


@lru_cache(1000)
def _local_name(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def text_of(element: etree._Element) -> str:
    """All text in an element."""
    return "".join(map(str, element.itertext()))


def types_of(element: etree._Element) -> list[str]:
    """What `epub:type` and ARIA's `role` tell, without prefixes: `z3998:persona` and `doc-noteref` are in it bare."""
    written = f"{element.get(EPUB_TYPE) or element.get('epub:type') or ''} {element.get('role') or ''}".lower()
    return [word.rpartition(":")[2].removeprefix("doc-") for word in written.split()] if written.strip() else []


def classes_of(element: etree._Element) -> list[str]:
    """The names in `class`, in lower case."""
    return (element.get("class") or "").lower().split()


def reason_of(element: etree._Element, *, is_root: bool = False) -> Reason | None:
    """Why an element with all in it is not read aloud, or None where it is."""
    given = element.get(LEFT_OUT)
    if given is not None:
        return given if given in REASONS else None
    tag, types = tag_of(element), types_of(element)
    if tag in _BY_TAG:
        return _BY_TAG[tag]
    if element.get("hidden") is not None or _NOT_SHOWN.search(element.get("style") or ""):
        return "hidden"
    if (tag == "figcaption" or "caption" in classes_of(element)) and _has_picture(element.getparent()):
        return "picture"
    if not _BODY_TYPES.isdisjoint(types) and is_root:
        return None
    for words, reasons in ((types, _BY_TYPE), (classes_of(element), _BY_CLASS)):
        for word in words:
            if word in reasons and (tag not in ("body", "html") or reasons is _BY_TYPE):
                return reasons[word] if _is_worth(reasons[word], element, tag) else None
    if tag in ("div", "section", "aside", "blockquote") and not _OF_TRANSCRIBER.isdisjoint(classes_of(element)):
        return "boilerplate"
    return _BY_ID.get(element.get("id") or "") if tag in ("div", "section", "ul", "ol", "table") else None


def _is_worth(reason: Reason, element: etree._Element, tag: str) -> bool:
    """Whether an element is what it is called: a page's number is short, and the mark of a note is no word."""
    if reason == "page number":
        return len(text_of(element).strip()) < _PAGE_NUMBER
    return reason != "footnote" or tag != "a" or _WORD.search(text_of(element)) is None


def _has_picture(figure: etree._Element | None) -> bool:
    near = islice(figure.iter(), 50) if figure is not None and tag_of(figure) in ("figure", "div", "p") else ()
    return any(tag_of(one) in ("img", "svg", "picture", "image") for one in near)


def heading_level(element: etree._Element) -> int:
    """1 to 6 for a heading, 0 for anything else."""
    tag = tag_of(element)
    if _HEADING.fullmatch(tag):
        return int(tag[1])
    if tag == "hgroup":
        return min((level for child in element if (level := heading_level(child))), default=2)
    level_text = element.get("aria-level") or ""
    return int(level_text) if "heading" in types_of(element) and re.fullmatch("[1-6]", level_text) else 0


def is_persona(element: etree._Element) -> bool:
    """Whether a cell of a play's table names who speaks, as Standard Ebooks writes plays."""
    return tag_of(element) in ("td", "th") and "persona" in types_of(element)


def mark_small_capitals(roots: Sequence[etree._Element]) -> None:
    """Mark names in small capitals at the heads of paragraphs as speakers, where several come back.

    Nearly all of them have to be followed by a sign, else the text tells better who speaks.
    """
    heads: dict[str, list[etree._Element]] = {}
    for root in roots:
        for element in root.iter("{*}span"):
            parent = element.getparent()
            begins = parent is not None and parent[0] is element and not (parent.text or "").strip()
            if begins and not _SMALL_CAPITALS.isdisjoint(classes_of(element)):
                heads.setdefault(" ".join(text_of(element).split()).casefold(), []).append(element)
    often = [element for elements in heads.values() if len(elements) > 2 for element in elements]
    named = [one for elements in heads.values() for one in elements if AFTER_NAME.match(one.tail or "")]
    paragraphs = sum(1 for root in roots for _paragraph in root.iter("{*}p"))
    signed = sum(AFTER_NAME.match(one.tail or "") is not None for one in often)
    if len(often) > _LEAST_OF_PLAY * paragraphs and signed > 0.9 * len(often):
        for element in named:
            element.set(SPEAKER, "")


def is_speaker(element: etree._Element) -> bool:
    """Whether a class says that an element names who speaks."""
    if element.get(SPEAKER) is not None:
        return True
    is_marked = not _SPEAKER.isdisjoint(classes_of(element))
    is_one = tag_of(element) in ("p", "span", "div", "b", "strong", "dt", "cite") and is_marked
    return is_one and 0 < len(name_in(element).split()) < _LONGEST_NAME


def name_in(element: etree._Element) -> str:
    """The name in what names a speaker, without directions in brackets."""
    return " ".join(_DIRECTION.sub(" ", text_of(element)).split()).rstrip(" .:")


def is_verse(element: etree._Element) -> bool:
    """Whether an element is a poem or a stanza, so that the blocks in it are lines of verse."""
    if tag_of(element) in ("body", "html", "article"):
        return False
    return not _VERSE.isdisjoint(classes_of(element)) or not _VERSE_TYPES.isdisjoint(types_of(element))


def is_stanza(block: etree._Element) -> bool:
    """Whether a block within a poem holds lines itself, and is none."""
    return is_verse(block) or any(tag_of(child) in ("br", "p", "div") for child in block)
