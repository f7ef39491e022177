"""Fields: what Word computes and shows, such as a page number or a table of contents.

In: the instructions of fields as they begin, change over to their result, and end. Out: why the text at this place is
not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from pipeline.source.ledger import Reason
from pipeline.source.word.names import attribute

_BY_WORD: Mapping[str, Reason] = {
    **dict.fromkeys("PAGE NUMPAGES SECTIONPAGES SECTION PAGEREF".split(), "page number"),
    **dict.fromkeys("TOC INDEX TOA RD".split(), "contents"),
    **dict.fromkeys("XE TC TA PRIVATE".split(), "hidden"),
    **dict.fromkeys("NOTEREF FTNREF".split(), "footnote"),
}


def reason_of_field(code: str) -> Reason | None:
    """Why the result of a field is not read, by the first word of its instruction."""
    return _BY_WORD.get((code.split() or [""])[0].upper())


@dataclass
class _Field:
    code: list[str] = field(default_factory=list)
    is_code: bool = True
    reason: Reason | None = None


@dataclass
class Fields:
    """The fields that are open at a place, the outermost first."""

    _open: list[_Field] = field(default_factory=list)

    @property
    def reason(self) -> Reason | None:
        """Why what stands here is not read."""
        for one in self._open:
            if one.is_code or one.reason is not None:
                return "hidden" if one.is_code else one.reason
        return None

    def add_code(self, text: str) -> None:
        """A piece of the innermost field's instruction."""
        if self._open:
            self._open[-1].code.append(text)

    def take(self, what: str | None) -> None:
        """What a `w:fldChar` says: "begin", "separate" or "end"."""
        if what == "begin":
            self._open.append(_Field())
        elif what == "separate" and self._open:
            last = self._open[-1]
            last.is_code, last.reason = False, reason_of_field("".join(last.code))
        elif what == "end" and self._open:
            self._open.pop()


def unclosed_fields(root: etree._Element) -> frozenset[etree._Element]:
    """The beginnings of fields that never end: taken for fields, they would swallow the rest of the document."""
    begins: list[etree._Element] = []
    for element in root.iter("{*}fldChar"):
        kind = attribute(element, "fldCharType")
        if kind == "begin":
            begins.append(element)
        elif kind == "end" and begins:
            begins.pop()
    return frozenset(begins)
