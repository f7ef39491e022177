"""Styles and numbering: what the names of styles and lists in a DOCX mean.

In: `styles.xml` and `numbering.xml`. Out: for the id of a style, its heading level, role and toggles, following what it
is based on; for a list and level, whether items bear numbers. Ids are in the language of the program that wrote them
("berschrift1"), names of built-in styles always in English ("heading 1").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from pipeline.source.ledger import Reason
from pipeline.source.word.names import attribute, child_of, is_on, name_of, value_of

TOGGLES = {"w:b": "bold", "w:i": "italic", "w:vanish": "hidden", "w:strike": "struck", "w:dstrike": "struck"}
_WORDS_OF_ID = re.compile(r"(?<=[a-z])(?=[A-Z\d])|(?<=[A-Z])(?=\d|[A-Z][a-z])")
_HEADING = re.compile(r"heading ?([1-9])")
_CONTENTS = re.compile(r"toc( \d|heading| heading)|index( \d| heading)|table of (figures|authorities)|toa heading")
_ROLES: Mapping[str, Reason] = {
    "footnote reference": "footnote",
    "endnote reference": "footnote",
    "page number": "page number",
}
_CODE = re.compile(
    r"(?:source |inline |program |block |html )?code(?: (?:char|block|text|inline|\w))?|verbatim(?: char)?|literal"
    r"|(?:html )?preformatted(?: text)?|html (?:sample|keyboard)|source text"
)
_ITEM_NUMBER = re.compile(r"[(\[]?%\d[.)\]:]?")
_BODY_LEVEL = 9  # of outlines: "body text"


@dataclass(frozen=True)
class Style:
    """One style as it is written, without what it is based on."""

    name: str  # in lower case
    based_on: str | None
    toggles: Mapping[str, bool]
    outline: int | None = None
    listed: tuple[str, int] | None = None  # the list and level whose item a paragraph is


@dataclass
class Styles:
    """All styles of a document by their ids."""

    by_id: Mapping[str, Style] = field(default_factory=dict)
    default: str | None = None  # of paragraphs that name none
    language: str = ""
    _toggles: dict[tuple[str | None, str], bool] = field(default_factory=dict)

    def chain(self, identifier: str | None) -> Iterator[Style]:
        """A style and those it is based on, each once, even if they go round in a circle.

        One that the document does not define is the built-in style of its id: "Heading1" is "heading 1".
        """
        seen: set[str] = set()
        while identifier is not None and identifier not in seen:
            seen.add(identifier)
            style = self.by_id.get(identifier) or Style(_WORDS_OF_ID.sub(" ", identifier).lower(), None, {})
            yield style
            identifier = style.based_on

    def toggle(self, identifier: str | None, name: str) -> bool:
        """Whether a style is "bold", "italic", "hidden" or "struck"."""
        key = (identifier, name)
        if key not in self._toggles:
            set_in = (style.toggles[name] for style in self.chain(identifier) if name in style.toggles)
            self._toggles[key] = next(set_in, False)
        return self._toggles[key]

    def heading_level(self, identifier: str | None) -> int:
        """1 to 9 for a heading's style, else 0."""
        for style in self.chain(identifier):
            if style.outline is not None:
                return style.outline + 1 if style.outline < _BODY_LEVEL else 0
            if match := _HEADING.fullmatch(style.name):
                return int(match[1])
        return 0

    def is_named(self, identifier: str | None, name: str) -> bool:
        """Whether a style bears that name, or is based on one that does."""
        return any(style.name == name for style in self.chain(identifier))

    def is_code(self, identifier: str | None) -> bool:
        """Whether what bears this style is code, in which signs are what they are."""
        return any(_CODE.fullmatch(style.name) for style in self.chain(identifier))

    def listed(self, identifier: str | None) -> tuple[str, int] | None:
        """The list and level of a style's paragraphs."""
        return next((style.listed for style in self.chain(identifier) if style.listed is not None), None)

    def left_out(self, identifier: str | None) -> Reason | None:
        """Why what bears this style is not read: it is in a table of contents, or the mark of a note."""
        for style in self.chain(identifier):
            if _CONTENTS.fullmatch(style.name):
                return "contents"
            if style.name in _ROLES:
                return _ROLES[style.name]
        return None


def read_styles(root: etree._Element | None) -> Styles:
    """The styles in the root of `styles.xml`."""
    by_id: dict[str, Style] = {}
    default = None
    for element in root if root is not None else ():
        identifier = attribute(element, "styleId")
        if name_of(element) != "w:style" or identifier is None:
            continue
        by_id[identifier] = _style(element)
        if attribute(element, "type") == "paragraph" and attribute(element, "default") in ("1", "true", "on"):
            default = identifier
    language = child_of(root, "w:docDefaults", "w:rPrDefault", "w:rPr", "w:lang")
    return Styles(by_id, default, (attribute(language, "val") or "") if language is not None else "")


def _style(element: etree._Element) -> Style:
    paragraph = child_of(element, "w:pPr")
    return Style(
        (value_of(element, "w:name") or "").lower(),
        value_of(element, "w:basedOn"),
        toggles_of(child_of(element, "w:rPr")),
        outline_of(paragraph),
        listed_in(paragraph),
    )


def toggles_of(properties: etree._Element | None) -> dict[str, bool]:
    """What a `w:rPr` itself switches on or off."""
    found_in = properties if properties is not None else ()
    return {TOGGLES[name]: is_on(child) for child in found_in if (name := name_of(child)) in TOGGLES}


def outline_of(properties: etree._Element | None) -> int | None:
    """The outline level that a `w:pPr` names, from 0 for the highest; 9 is body text."""
    level = value_of(properties, "w:outlineLvl")
    return int(level) if level is not None and level.isascii() and level.isdigit() else None


def listed_in(properties: etree._Element | None) -> tuple[str, int] | None:
    """The list and level that a `w:pPr` names; the list "0" is none."""
    number = value_of(properties, "w:numPr", "w:numId")
    level = value_of(properties, "w:numPr", "w:ilvl") or "0"
    if number is None:
        return None
    return number, min(int(level), 8) if level.isascii() and level.isdigit() else 0


@dataclass(frozen=True)
class Numbering:
    """For each list and level that shows something before its items: the first number, or None for a bullet."""

    starts: Mapping[tuple[str, int], int | None] = field(default_factory=dict)


def read_numbering(root: etree._Element | None) -> Numbering:
    """The lists in the root of `numbering.xml`."""
    levels: dict[str, dict[int, int | None]] = {}
    starts: dict[tuple[str, int], int | None] = {}
    for element in root if root is not None else ():
        if name_of(element) == "w:abstractNum":
            levels[attribute(element, "abstractNumId") or ""] = _levels(element)
    for element in root if root is not None else ():
        if name_of(element) == "w:num":
            own = dict(levels.get(value_of(element, "w:abstractNumId") or "", {}))
            for change in element:
                level = child_of(change, "w:lvl")
                if name_of(change) == "w:lvlOverride" and level is not None:
                    own |= _levels(change)
            starts |= {(attribute(element, "numId") or "", level): start for level, start in own.items()}
    return Numbering(starts)


def _levels(holder: etree._Element) -> dict[int, int | None]:
    levels: dict[int, int | None] = {}
    for element in holder:
        number = attribute(element, "ilvl") or ""
        shown, kind = value_of(element, "w:lvlText"), value_of(element, "w:numFmt")
        if name_of(element) != "w:lvl" or not number.isdigit() or kind == "none" or shown == "":
            continue
        start = value_of(element, "w:start") or "1"
        is_number = kind in (None, "decimal") and _ITEM_NUMBER.fullmatch(shown or "") is not None
        levels[int(number)] = int(start) if is_number and re.fullmatch(r"\d{1,6}", start) else None
    return levels
