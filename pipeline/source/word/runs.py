"""Runs: what stands in a run of characters besides its text, and the elements of HTML around it.

In: properties of a run, and elements for single signs. Out: elements to wrap its text in, and text.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from pipeline.source.word.inline import Wrap
from pipeline.source.word.names import attribute, name_of

SIGNS = {"w:tab": "\t", "w:ptab": "\t", "w:noBreakHyphen": "\u2011", "w:softHyphen": "\u00ad"}
_RAISED = {"superscript": "sup", "subscript": "sub"}
_WRAPS = {"bold": "b", "italic": "i", "struck": "s"}
# Adobe's Symbol encoding, whose characters Word has at U+F000 and above.
_GREEK = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖαβχδεφγηιϕκλμνοπθρστυϖωξψζ",
        strict=True,
    )
)
_SIGNS_OF_SYMBOL = {0xA3: "≤", 0xA5: "∞", 0xB0: "°", 0xB1: "±", 0xB3: "≥", 0xB4: "×", 0xB8: "÷", 0xB9: "≠", 0xD6: "√"}
_LINE = "{urn:schemas-microsoft-com:office:office}hr"


def run_wraps(toggles: Mapping[str, bool], raised: str | None) -> tuple[Wrap, ...]:
    """The elements around a run, by its toggles and by `w:vertAlign`."""
    tags = [tag for name, tag in _WRAPS.items() if toggles.get(name)]
    return tuple((tag, "") for tag in (*tags, *([_RAISED[raised]] if raised in _RAISED else ())))


def symbol(element: etree._Element) -> str:
    """The character of a `w:sym`; one of a font that is not known here stays at its private place."""
    try:
        code = int(attribute(element, "char") or "", 16)
    except ValueError:
        return ""
    if (attribute(element, "font") or "").lower() == "symbol":
        low = code & 0xFF
        return _SIGNS_OF_SYMBOL.get(low) or _GREEK.get(chr(low), chr(low) if 0x20 <= low < 0x7F else "")
    is_character = 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return chr(code) if is_character else ""


def alternative_text(element: etree._Element) -> str:
    """What stands for a picture, or the words of WordArt."""
    name = name_of(element)
    if name == "wp:docPr":
        texts = [element.get("title"), element.get("descr")]
    elif name.startswith("v:"):
        texts = [element.get("alt"), element.get("string") if name == "v:textpath" else None]
    else:
        return ""
    return " ".join(dict.fromkeys(text for text in texts if text and text.strip()))


def is_line(element: etree._Element) -> bool:
    """Whether it is the horizontal line that Word draws for three dashes."""
    return name_of(element) == "v:rect" and element.get(_LINE) in ("t", "true", "1")
