"""What a document declares of its encoding, and what its bytes say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.encodings import decode_document, excerpt_of, guess_text, windows_1252, words_of

QUOTED = "“It’s late” – he said…"


def declared(label: str, text: str, encoding: str) -> bytes:
    return f'<?xml version="1.0" encoding="{label}"?>\n<p>'.encode() + text.encode(encoding) + b"</p>"


@pytest.mark.parametrize("label", ["iso-8859-1", "ISO_8859-1:1987", "latin1", "l1", "us-ascii", "x-cp1252", "cp819"])
def test_latin_1_means_windows_1252_as_in_browsers(label: str) -> None:
    for data in (
        declared(label, QUOTED, "cp1252"),
        f"<html><meta charset='{label}'><p>".encode() + QUOTED.encode("cp1252"),
    ):
        text, note = decode_document(data)
        assert QUOTED in text
        assert note is None


@pytest.mark.parametrize(
    ("label", "encoding", "words"),
    [
        ("shift_jis", "cp932", "①山路を登りながら"),
        ("gb2312", "gb18030", "朱镕基说话"),
        ("euc-kr", "cp949", "똠방각하"),
        ("iso-8859-9", "cp1254", "“Işık” – dedi"),
        ("koi8-r", "koi8-r", "Это было давно"),
        ("gbk", "gbk", "联通"),  # which happens to look like UTF-8 to some
    ],
)
def test_names_mean_what_browsers_take_them_for(label: str, encoding: str, words: str) -> None:
    text, note = decode_document(declared(label, words, encoding))
    assert words in text
    assert note is None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (declared("utf-8", QUOTED, "cp1252"), 'it declares the encoding "utf-8", which it is not in, and is read as W'),
        (declared("koi-99", QUOTED, "cp1252"), 'it declares the encoding "koi-99", which is not known, and is read as'),
        (declared("rot13", QUOTED, "utf-8"), 'it declares the encoding "rot13", which is not known, and is read as U'),
        (declared("iso-8859-1", QUOTED, "utf-8"), "which it is not in, and is read as UTF-8"),
        (declared("windows-1251", QUOTED, "utf-8"), "which it is not in, and is read as UTF-8"),
        (b"<p>\n" + QUOTED.encode("cp1252"), "this is not UTF-8 text, and is read as Windows-1252 (“It’s late”"),
    ],
)
def test_an_encoding_that_is_a_guess_is_told(data: bytes, told: str) -> None:
    text, note = decode_document(data)
    assert QUOTED in text
    assert note is not None
    assert note.line == 2
    assert told.replace("(“", '("“') in note.what


def test_bytes_that_no_mark_of_theirs_allows_are_told() -> None:
    text, note = decode_document(b"\xef\xbb\xbf<p>\na \xff b</p>")
    assert (text, note and note.line) == ("<p>\na \ufffd b</p>", 2)


def test_a_byte_that_windows_1252_lacks_costs_no_quotes() -> None:
    text = f"{QUOTED}\x81 and so on, and so on, and so on."
    data = QUOTED.encode("cp1252") + text[len(QUOTED) :].encode("latin-1")
    assert windows_1252(data) == text
    assert guess_text(data) == (text, "windows-1252")


def test_what_is_shown_of_a_guess_lies_on_its_line() -> None:
    assert excerpt_of("00:01:02,000 --> 00:01:05,000\nDas Café war zu.") == (2, "Das Café war zu.")
    assert excerpt_of("one\nIt was in the long summer of Käse und Brot") == (2, "summer of Käse und Brot")


def test_control_characters_are_no_white_space() -> None:
    assert words_of(" a\x85b  c \x1c\n") == ["a\x85b", "c", "\x1c"]
    assert words_of(" a\u2028b\xa0\n") == ["a", "b"]


@given(st.binary(max_size=40))
def test_any_bytes_decode(data: bytes) -> None:
    assert "\r" not in decode_document(data)[0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_need_no_byte_order_mark(encoding: str) -> None:
    assert decode_document("<p>Night…</p>".encode(encoding)) == ("<p>Night…</p>", None)
