"""Encodings: the bytes of a text or a document as text, by what they declare and by what they are.

In: bytes. Out: text with `\\n` line ends, and a note where the encoding is a guess. Knows no formats.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import NamedTuple

UTF16_BOMS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    *UTF16_BOMS.items(),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
# What is declared in ASCII is none of the first, and the others are no encodings of documents.
_NO_ENCODING = re.compile(
    r"(?:utf|ucs|iso-10646-ucs)[-_]?(?:16|32|2|4|7)|u16|u32|u7|.*escape|idna|punycode|undefined|.*codec"
)
_DECLARED = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([A-Za-z][\w.:-]*)["']""")
_META = re.compile(rb"""<meta\b[^>]*?\bcharset\s*=\s*["']?([A-Za-z][\w.:-]*)""", re.IGNORECASE)
_WINDOWS_1252 = "windows-1252"
# What these names mean in documents, as the Encoding Standard of WHATWG has it (4.2), by Python's names of them.
_MEANT = {
    **dict.fromkeys(("iso8859-1", "ascii", "cp1252"), _WINDOWS_1252),
    "iso8859-9": "cp1254",
    **dict.fromkeys(("iso8859-11", "tis-620"), "cp874"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
WINDOWS_CHARACTERS = {code: char for code in range(0x80, 0xA0) if (char := bytes([code]).decode("cp1252", "ignore"))}
"""The characters that Windows-1252 has in the place of control characters, by their codes."""

_UPPER_HALF = bytes(range(0xC0, 0x100))
_NO_TEXT = bytes((*range(1, 9), *range(14, 27), *range(28, 32), 127))
_COMMON = "\n ,.。，、：:" + "aeinst"  # characters by which the order of UTF-16's bytes is told
_AROUND = 12  # characters that are shown around the first that is no ASCII
_WORDS = re.compile(r"[\S\x1c-\x1f\x85]+")
_CONTROL_SPACE = re.compile(r"[\x1c-\x1f\x85]")


class Note(NamedTuple):
    """On which line something is to be told of a text, and what."""

    line: int
    what: str


def windows_1252(data: bytes) -> str:
    """Bytes in Windows-1252; the five that it does not have are the control characters that browsers make of them."""
    return data.decode("latin-1").translate(WINDOWS_CHARACTERS)


def with_line_ends(text: str) -> str:
    """A text with `\\n` for every line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def words_of(text: str) -> list[str]:
    """The words between white space; unlike `str.split`, control characters are none."""
    return _WORDS.findall(text) if _CONTROL_SPACE.search(text) else text.split()


def decode_document(data: bytes) -> tuple[str, Note | None]:
    """The text of an XML or HTML file: by its byte order mark or declaration, else UTF-8, else Windows-1252.

    What is declared counts unless the bytes deny it, of which a note tells.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            text = with_line_ends(data.decode(encoding, "replace").removeprefix("\ufeff"))
            line = text.count("\n", 0, text.find("\ufffd")) + 1
            is_broken = not _decodes(data, encoding)
            what = f'bytes in it that are no {encoding.upper()} are read as "\ufffd".'
            return text, Note(line, what) if is_broken else None
    match = _DECLARED.match(data) or _META.search(data, 0, 2000)
    declared = match[1].decode("ascii").lower() if match else ""
    wanted = _meant(declared) or "utf-8"
    has_one_byte = len(_UPPER_HALF.decode(wanted, "replace")) == len(_UPPER_HALF)  # for each character
    if _decodes(data, "utf-8") and (has_one_byte or not _decodes(data, wanted)):
        used, text = "utf-8", data.decode("utf-8")  # which nothing is by chance
    elif wanted != _WINDOWS_1252 and _decodes(data, wanted):
        used, text = wanted, data.decode(wanted)
    else:
        used, text = _WINDOWS_1252, windows_1252(data)
    text = with_line_ends(text)
    return text, _note(text, declared, wanted, used)


def _note(text: str, declared: str, wanted: str, used: str) -> Note | None:
    is_plain = not declared or bool(_meant(declared)) or _NO_ENCODING.match(declared) is not None
    if text.isascii() or (used == wanted and is_plain):
        return None
    line, excerpt = excerpt_of(text)
    shown = "UTF-8" if used == "utf-8" else "Windows-1252" if used == _WINDOWS_1252 else used
    if not declared:
        why = "this is not UTF-8 text,"
    elif _meant(declared):
        why = f'it declares the encoding "{declared}", which it is not in,'
    else:
        why = f'it declares the encoding "{declared[:40]}", which is not known,'
    return Note(line, f'{why} and is read as {shown} ("{excerpt}").')


def _meant(label: str) -> str:
    """The encoding that a label means in a document, "" where it means none."""
    if not label or _NO_ENCODING.match(label):
        return ""
    for name in (label, label.removeprefix("x-")):
        try:
            known = codecs.lookup(name).name
            "".encode(known)  # else it is none of text, such as "rot13"
        except (LookupError, UnicodeError):
            continue
        return _MEANT.get(known, known)
    return ""


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def excerpt_of(text: str) -> tuple[int, str]:
    """The line of the first character that is no ASCII, counted from 1, and the words of that line around it."""
    odd = next((index for index, char in enumerate(text) if not char.isascii()), 0)
    begin, end = text.rfind("\n", 0, odd) + 1, text.find("\n", odd)
    end = len(text) if end < 0 else end
    first, last = max(odd - _AROUND, begin), min(odd + _AROUND, end)
    if first > begin and " " in text[first:odd]:
        first = text.index(" ", first) + 1
    return text.count("\n", 0, odd) + 1, text[first:last].strip()


def guess_text(data: bytes) -> tuple[str, str] | None:
    """What is no UTF-8 as text, and the encoding by which it is: UTF-16 or Windows-1252; None where it is no text."""
    if b"\0" in data:
        texts = {name: data.decode(name, "replace") for name in UTF16_BOMS.values()}
        signs = {name: sum(map(text.count, _COMMON)) for name, text in texts.items()}
        likely = max(signs, key=lambda name: signs[name])
        if 2 * signs[likely] <= 3 * min(signs.values()) or not _decodes(data, likely):
            return None
        text, encoding = texts[likely], likely
    elif data[:2] in UTF16_BOMS or is_binary(data):
        return None
    else:
        text, encoding = windows_1252(data), _WINDOWS_1252
    return (with_line_ends(text), encoding) if _is_text(text) else None


def is_binary(data: bytes) -> bool:
    """Whether more than one byte of a hundred is a control character."""
    return sum(data.count(code) for code in _NO_TEXT) > len(data) // 100


def _is_text(text: str) -> bool:
    """Whether hardly anything in it is no character of a language: a picture read as UTF-16 is full of that."""
    odd = sum(unicodedata.category(char) in ("Cn", "Co", "Cs", "Cc") and char not in "\t\n\r\f" for char in text[:4000])
    return "\0" not in text and 50 * odd <= len(text[:4000])
