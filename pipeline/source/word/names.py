"""Names of elements and attributes in Office Open XML, of both of its editions.

In: lxml's names. Out: short ones, such as "w:p", "" before what is of no interest here. Word writes the transitional
edition's namespaces, and the strict one's if somebody asks for it (ISO/IEC 29500-1 and -4, annex A).
"""

from __future__ import annotations

from functools import lru_cache

from lxml import etree

_OFFICE = ("http://schemas.openxmlformats.org/", "http://purl.oclc.org/ooxml/")
_W = (f"{_OFFICE[0]}wordprocessingml/2006/main", f"{_OFFICE[1]}wordprocessingml/main")
_R = (f"{_OFFICE[0]}officeDocument/2006/relationships", f"{_OFFICE[1]}officeDocument/relationships")
_PREFIXES = {
    **dict.fromkeys(_W, "w"),
    f"{_OFFICE[0]}officeDocument/2006/math": "m",
    f"{_OFFICE[1]}officeDocument/math": "m",
    f"{_OFFICE[0]}drawingml/2006/main": "a",
    f"{_OFFICE[1]}drawingml/main": "a",
    f"{_OFFICE[0]}drawingml/2006/wordprocessingDrawing": "wp",
    f"{_OFFICE[1]}drawingml/wordprocessingDrawing": "wp",
    f"{_OFFICE[0]}drawingml/2006/chart": "c",
    f"{_OFFICE[0]}drawingml/2006/diagram": "dgm",
    f"{_OFFICE[1]}drawingml/chart": "c",
    f"{_OFFICE[1]}drawingml/diagram": "dgm",
    "http://schemas.microsoft.com/office/drawing/2008/diagram": "dgm",
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
    "http://purl.org/dc/elements/1.1/": "dc",
    "urn:schemas-microsoft-com:vml": "v",
}
OF_TEXT = tuple(f"{{{space}}}t" for space in _W)  # lxml's names of w:t
_FALSE = frozenset(("0", "false", "off", "none"))


@lru_cache(maxsize=4096)
def _short(tag: str) -> str:
    space, _bracket, name = tag.rpartition("}")
    return f"{_PREFIXES.get(space[1:], '')}:{name}"


def name_of(element: etree._Element) -> str:
    """Such as "w:p"; ":p" for one of a namespace that is not known here."""
    return _short(element.tag)


def attribute(element: etree._Element, name: str) -> str | None:
    """The value of the attribute `w:name`."""
    return next((value for space in _W if (value := element.get(f"{{{space}}}{name}")) is not None), None)


def relation_of(element: etree._Element) -> str | None:
    """The value of `r:id`: which relationship of the part is meant."""
    return next((value for space in _R if (value := element.get(f"{{{space}}}id")) is not None), None)


def child_of(element: etree._Element | None, *path: str) -> etree._Element | None:
    """The first child of a name, its first child of the next, and so on."""
    for name in path:
        if element is None:
            return None
        element = next((child for child in element if name_of(child) == name), None)
    return element


def value_of(element: etree._Element | None, *path: str) -> str | None:
    """The attribute `w:val` of what `child_of` returns."""
    child = child_of(element, *path)
    return None if child is None else attribute(child, "val")


def is_on(element: etree._Element) -> bool:
    """Whether a property such as `<w:b/>` is set, and not taken back by `w:val="0"`."""
    return (attribute(element, "val") or "1").lower() not in _FALSE
