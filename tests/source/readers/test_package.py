"""Zip packages: what is in them, and which of them are refused."""

from __future__ import annotations

import io
import resource
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.readers.package import MAX_MEMBERS, Package, resolve
from tests.support.packages import encrypted, zipped

PARTS = {"mimetype": "application/epub+zip", "OEBPS/Text/Ä.xhtml": "<p>Hi &mdash; you.</p>", "OEBPS/": ""}


def opened(data: bytes) -> Package:
    return Package.of_bytes(data, "b.epub", "EPUB")


def refusal(data: bytes, member: str = "") -> str:
    """What is said of a package on opening it, or on reading a member of it."""
    with pytest.raises(RequestError) as caught, opened(data) as package:
        package.read(member)
    return str(caught.value)


def test_members_are_found_by_name_whatever_their_case(tmp_path: Path) -> None:
    path = tmp_path / "b.epub"
    path.write_bytes(zipped(PARTS))
    with Package.open(path, "b.epub", "EPUB") as package:
        assert package.names == ("mimetype", "OEBPS/Text/Ä.xhtml")
        assert package.find("oebps/text/a\u0308.XHTML") == "OEBPS/Text/Ä.xhtml"
        assert package.read("mimetype") == b"application/epub+zip"
        assert package.parse("OEBPS/Text/Ä.xhtml").text == "Hi — you."
        assert package.warnings == []
    with pytest.raises(RequestError, match=r"b\.epub: there is no OEBPS/x in it, which every EPUB file has"):
        package.read("OEBPS/x")


def test_names_in_utf8_without_the_flag_and_with_backslashes() -> None:
    """Some programs write both."""
    data = zipped({"Texte/Ä.xhtml": "x"})
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(sign)
        data = data[: start + at] + b"\0\0" + data[start + at + 2 :]
    assert opened(data).names == ("Texte/Ä.xhtml",)
    assert opened(data.replace(b"Texte/", b"Texte\\")).read("Texte/Ä.xhtml") == b"x"


def test_what_is_mended_is_told() -> None:
    with opened(zipped({"a.xhtml": "<html xmlns='urn:x'><body><p>One<p>Two"})) as package:
        assert list(package.parse("a.xhtml").itertext()) == ["One", "Two"]
        assert "b.epub:a.xhtml:1: this is not well-formed XML" in str(package.warnings[0])
        with pytest.raises(RequestError, match="not well-formed"):
            package.parse("a.xhtml", mend=False)


def test_what_is_alike_is_told_once() -> None:
    parts = {f"{name}.xhtml": f"<p>Na {name}\xefve</p>".encode("latin-1") for name in "abc"}
    with opened(zipped(parts)) as package:
        for name in package.names:
            package.parse(name)
        assert list(map(str, package.warnings)) == [
            'b.epub:a.xhtml:1: this is not UTF-8 text, and is read as Windows-1252 ("<p>Na aïve</p>") '
            "(and 2 documents more). If that is wrong, save it as UTF-8."
        ]


def test_files_of_other_kinds() -> None:
    assert refusal(b"") == "b.epub: the file is empty. Name another one."
    assert refusal(b"%PDF-1.7") == "b.epub: this is no EPUB file. Export or save it as EPUB."
    assert "with a password, or of an Office program from before 2007" in refusal(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9
    )
    assert "protected by a password" in refusal(encrypted(zipped(PARTS)))


def test_every_truncation_is_refused() -> None:
    """Wherever a download broke off, the message says so."""
    data = zipped(PARTS)
    for length in range(8, len(data)):
        assert "damaged or incomplete" in refusal(data[:length], "mimetype"), length


def test_bytes_that_changed_are_told() -> None:
    data = bytearray(zipped({"a": "words " * 50}, stored=True))
    data[60] ^= 1
    assert "damaged or incomplete (a: Bad CRC-32" in refusal(bytes(data), "a")


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=8))
def test_no_damage_ends_in_a_traceback(place: int, noise: bytes) -> None:
    """Each member is read as it was, or the package is refused."""
    data = bytearray(zipped({"a.xml": "<a>words</a>", "b/c.xml": "<c/>" * 20}))
    place %= len(data)
    data[place : place + len(noise)] = noise
    try:
        with opened(bytes(data)) as package:
            for name in package.names:
                package.parse(name)
    except RequestError as error:
        assert str(error).startswith("b.epub")


def test_zip_bombs_are_refused_before_they_are_unpacked() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "would unpack to 50 MB, 1,028 times its size" in refusal(zipped({"a": bytes(50_000_000)}), "a")
    many = zipped({f"a{n}": bytes(9_900_000) for n in range(31)})
    with pytest.raises(RequestError, match="a30 would unpack to 10 MB"), opened(many) as package:
        for name in package.names:
            package.read(name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_member_that_lies_about_its_size_yields_no_more_than_it_says() -> None:
    data = bytearray(zipped({"a": bytes(50_000_000)}))
    for sign, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.find(sign) + at, 1000)
    assert "damaged or incomplete" in refusal(bytes(data), "a")


def test_too_many_members() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        for number in range(MAX_MEMBERS + 1):
            package.writestr(f"{number}", "")
    assert "it has 20001 members" in refusal(file.getvalue())
    data = bytearray(zipped(PARTS))
    struct.pack_into("<I", data, data.rfind(b"PK\x05\x06") + 12, 90_000_000)
    assert "more members than any EPUB has" in refusal(bytes(data))


@pytest.mark.parametrize("name", ["../a", "a/../../b", "..\\a", "/../a"])
def test_members_outside_of_the_package_are_refused(name: str) -> None:
    assert "would lie outside of the package" in refusal(zipped({name: "x"}))


def test_members_of_one_name() -> None:
    """The same twice is one; two that differ are refused, since each program would take another."""
    for second, names in (("one", ("a",)), ("two", None)):
        file = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as package:
            warnings.simplefilter("ignore")
            package.writestr("a", "one")
            package.writestr("./a", second)
        if names:
            assert opened(file.getvalue()).names == names
        else:
            assert 'two members that differ are both named "a"' in refusal(file.getvalue())


@pytest.mark.parametrize(
    ("base", "href", "name"),
    [
        ("OEBPS/text/a.xhtml", "../img/b%20c.png", "OEBPS/img/b c.png"),
        ("OEBPS/a.opf", "text/%C3%84.xhtml", "OEBPS/text/Ä.xhtml"),
        ("OEBPS/a.opf", "text\\b.xhtml", "OEBPS/text/b.xhtml"),
        ("word/document.xml", "/word/styles.xml", "word/styles.xml"),
        ("a.xhtml", "", "a.xhtml"),
        ("a/b.xhtml", "./c//d.xhtml", "a/c/d.xhtml"),
        ("a/b.xhtml", "../../c", None),
        ("a/b.xhtml", "%2e%2e/%2e%2e/c", None),
        ("a/b.xhtml", "/../c", None),
        ("a/b.xhtml", "..", None),
        ("a/b.xhtml", "https://example.org/a", None),
        ("a/b.xhtml", "//example.org/a", None),
        ("a/b.xhtml", "file:///etc/passwd", None),
        ("a/b.xhtml", "C%3A/x", None),
        ("a/b.xhtml", "c%00d", None),
    ],
)
def test_hrefs(base: str, href: str, name: str | None) -> None:
    assert resolve(base, href) == name


@given(st.text("ab./\\%25e:", max_size=12))
def test_no_href_leads_out_of_the_package(href: str) -> None:
    name = resolve("x/y", href)
    assert name is None or (name and not name.startswith(("/", "..")) and "\\" not in name)
