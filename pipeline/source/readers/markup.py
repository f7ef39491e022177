"""Markup: bytes of XML or XHTML from a file that nobody vouches for, as an lxml tree.

No DTD is loaded, no address is visited, no entity is expanded but HTML's named characters. Knows no format.
"""

from __future__ import annotations

import re
from html.entities import html5
from xml.sax.saxutils import escape

from lxml import etree

from pipeline.errors import Problem, RequestError
from pipeline.source.encodings import WINDOWS_CHARACTERS, decode_document
from pipeline.words import counted

MAX_XML_BYTES = 100_000_000
MAX_TAGS = 5_000_000  # a tag of three bytes takes a hundred and more in memory
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*?\?>")
# What holds no references; a named one, a numbered one, and a lone ampersand.
_REFERENCE = re.compile(
    r"<!--(?:.*?-->|.*)|<!\[CDATA\[(?:.*?\]\]>|.*)|<\?(?:.*?\?>|.*)"
    r"|&([A-Za-z_:][\w:.-]*);|&#(?:[xX]([0-9a-fA-F]{1,9})|(\d{1,9}));|&",
    re.DOTALL,
)
_OF_XML = frozenset(("amp", "lt", "gt", "quot", "apos"))
_DECLARED = re.compile(r"<!ENTITY\s+([\w:.-]+)\s")
_CLOSED = re.compile(r"<([A-Za-z][\w:.-]*+)([^<>]*)/>")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.DOTALL)
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_DOCTYPE_START = re.compile(r"(?>\s+|<!--.*?-->|<\?.*?\?>)*+(<!DOCTYPE\b)", re.DOTALL | re.IGNORECASE)
_DOCTYPE_PART = re.compile(r"""<!--(?:.*?-->|.*)|"[^"]*"|'[^']*'|\[|\]|<\?.*?\?>|<!|>""", re.DOTALL)
_NO_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def parse_markup(data: bytes, shown: str, *, mend: bool = True) -> tuple[etree._Element, list[Problem]]:
    """The root element, and what to tell the user: a guessed encoding, lost characters, XML mended by HTML's rules.

    Raises `RequestError` for entities that a DTD of the file's own declares, for what is too large or nested too deep,
    and, with `mend=False`, for XML that is not well-formed.
    """
    text, warnings = _decoded(data, shown)
    if declaration := _DECLARATION.match(text):
        text = text[declaration.end() :]
    if len(data) > MAX_XML_BYTES or text.count("<") > MAX_TAGS:
        what = f"it is too large to be read ({len(data) / 1e6:,.0f} MB)."
        raise RequestError(Problem(shown, what, "Split it into several files."))
    text, declared = _without_doctype(_without_controls(text, shown, warnings))
    text = _with_characters(text, declared, shown)
    parser = _parser()
    try:
        return etree.fromstring(text.encode("utf-8"), parser), warnings
    except etree.XMLSyntaxError as error:
        if all(entry.domain == etree.ErrorDomains.NAMESPACE for entry in parser.error_log):  # a prefix without one
            return etree.fromstring(text.encode("utf-8"), _parser(recover=True)), warnings
        line, why = error.lineno or 1, " ".join(str(error.msg).split())[:120]
    what = f"this is not well-formed XML ({why})"
    if not mend and _is_too_deep(parser):
        raise RequestError(Problem(shown, "its elements are nested too deep.", "Export it again."))
    if not mend:
        raise RequestError(Problem(f"{shown}:{line}", f"{what}.", "Open it in its program and save it again."))
    root = _mended(text, shown)
    if root is None:
        raise RequestError(Problem(shown, f"{what}, and nothing in it can be read.", "Export it again."))
    what = f"{what} and is read as browsers read HTML."
    return root, [*warnings, Problem(f"{shown}:{line}", what, "Look through what is read.")]


def _decoded(data: bytes, shown: str) -> tuple[str, list[Problem]]:
    text, note = decode_document(data)
    fix = "If that is wrong, save it as UTF-8."
    return text, [Problem(f"{shown}:{note.line}", note.what, fix)] if note is not None else []


def _without_controls(text: str, shown: str, warnings: list[Problem]) -> str:
    """The text with spaces in place of the characters that no XML may hold, and that no word needs."""
    controls = [match for match in _NO_XML.finditer(text) if match[0] != "\f"]
    if len(controls) > max(len(text) // 100, 20):  # a few are left over from a conversion
        what = "this is no text: it is encrypted (DRM), or broken."
        raise RequestError(Problem(shown, what, "Get it without DRM, or export it again."))
    if controls:
        line, code = text.count("\n", 0, controls[0].start()) + 1, ord(controls[0][0])
        what = f"{counted(len(controls), 'character')} that XML forbids (the first is U+{code:04X}), read as a space."
        warnings.append(Problem(f"{shown}:{line}", what, "Remove them from the file."))
    return _NO_XML.sub(" ", text)


def _parser(*, recover: bool = False) -> etree.XMLParser:
    """Huge trees, since a paragraph may be longer than the ten million bytes that libxml2 takes else."""
    return etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=True, recover=recover)


def _is_too_deep(parser: etree.XMLParser | etree.HTMLParser) -> bool:
    """Whether libxml2 has stopped at its limit, which is 2,048 elements within one another."""
    return any("depth" in entry.message for entry in parser.error_log)


def _mended(text: str, shown: str) -> etree._Element | None:
    """The text as HTML, which knows no `<i/>` and no CDATA; None where nothing is in it."""
    text = _CDATA.sub(lambda m: escape(m[1]), text)
    text = _CLOSED.sub(lambda m: m[0] if m[1].lower() in _VOID else f"<{m[1]}{m[2]}></{m[1]}>", text)
    parser = etree.HTMLParser(recover=True, no_network=True, huge_tree=True, encoding="utf-8")
    try:
        root = etree.fromstring(text.encode("utf-8"), parser)
    except etree.LxmlError:
        return None
    if _is_too_deep(parser):  # the rest has not been read
        what = "elements are opened within one another and never closed, two thousand and more."
        raise RequestError(Problem(shown, what, "Export it again."))
    return root


def _without_doctype(text: str) -> tuple[str, frozenset[str]]:
    """The text with spaces in place of its DOCTYPE, so that lines stay, and the entities that this declares."""
    match = _DOCTYPE_START.match(text)
    if match is None:
        return text, frozenset()
    start = match.start(1)
    end = _doctype_end(text, start)
    doctype = text[start:end]
    return text[:start] + "\n" * doctype.count("\n") + text[end:], frozenset(_DECLARED.findall(doctype))


def _doctype_end(text: str, start: int) -> int:
    """Where a DOCTYPE ends: at the `>` outside of quotes, of comments and of its subset in square brackets."""
    is_subset = False
    for match in _DOCTYPE_PART.finditer(text, start + 2):
        if match[0] in "[]":
            is_subset = match[0] == "["
        elif match[0] == ">" and not is_subset:
            return match.end()
    return len(text)


def _with_characters(text: str, declared: frozenset[str], shown: str) -> str:
    """The text with characters in place of HTML's named entities; one that nothing declares stays as it is written."""

    def character(match: re.Match[str]) -> str:
        name, code = match[1], int(match[2] or "0", 16) or int(match[3] or 0)
        if match[0] == "&":
            return "&amp;"
        if match[0].startswith("&#"):
            if code in WINDOWS_CHARACTERS:
                return WINDOWS_CHARACTERS[code]
            return match[0] if 0 < code < 0x110000 and not _NO_XML.match(chr(code)) else " "
        if name is None or name in _OF_XML:
            return match[0]
        if (char := html5.get(f"{name};")) is not None:
            return escape(char)
        if name in declared:
            line = text.count("\n", 0, match.start()) + 1
            what = f'the entity "&{name};" is declared by the file itself, and such entities are not expanded.'
            raise RequestError(Problem(f"{shown}:{line}", what, "Write out what it stands for."))
        return f"&amp;{name};"

    return _REFERENCE.sub(character, text)


def parse_html(data: bytes, shown: str) -> tuple[etree._Element, list[Problem]]:
    """The root of an HTML file, read as browsers do, and what to tell. Raises `RequestError` where nothing is in it."""
    text, warnings = _decoded(data, shown)
    if _DECLARATION.match(text):
        return parse_markup(data, shown)
    text, declared = _without_doctype(_without_controls(text, shown, warnings))
    if any(f"&{name};" in text for name in declared):
        text = _with_characters(text, declared, shown)  # which refuses it
    root = _mended(text, shown)
    if root is None:
        raise RequestError(Problem(shown, "there is no HTML in it.", "Export it again."))
    return root, warnings
