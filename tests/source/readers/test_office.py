"""ODT, FB2 and RTF, read by pandoc."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lxml import etree

from pipeline.errors import RequestError
from pipeline.source.readers.office import office_tree
from pipeline.source.script import Metadata
from pipeline.source.word.inline import LEFT_OUT, PLACE
from tests.support.office_files import fb2, odt
from tests.support.packages import encrypted, zipped


def read(folder: Path, data: bytes, kind: str) -> tuple[etree._Element, Metadata, list[str]]:
    """The tree, without namespaces, and the warnings in words."""
    path = folder / f"b.{kind}"
    path.write_bytes(data)
    tree, metadata, warnings = office_tree(path, f"b.{kind}")
    for element in tree.iter("{*}*"):
        element.tag = etree.QName(element).localname
    return tree, metadata, [str(warning) for warning in warnings]


def lines(tree: etree._Element) -> list[str]:
    """Each block of text with its element, and with the reason where it is left out."""
    shown: list[str] = []
    for element in tree.iter("h1", "h2", "p", "li", "td"):
        text = "".join(map(str, element.itertext())).strip()
        outer = [one.get(LEFT_OUT) for one in (element, *element.iterancestors()) if one.get(LEFT_OUT)]
        if text and element.find("p") is None:
            shown.append(f"{outer[0] if outer else element.tag}: {text}")
    return shown


def refusal(folder: Path, data: bytes, kind: str) -> str:
    with pytest.raises(RequestError) as caught:
        read(folder, data, kind)
    return str(caught.value)


def test_odt(tmp_path: Path) -> None:
    """What pandoc does not hand on stands at the end, left out, and of what may be missed a warning tells."""
    tree, metadata, warnings = read(
        tmp_path,
        odt(
            "<text:tracked-changes><text:changed-region><text:deletion><text:p>gestrichen</text:p></text:deletion>"
            "</text:changed-region></text:tracked-changes>",
            '<text:h text:outline-level="1">Kapitel eins</text:h>',
            '<text:p><text:span text:style-name="T1">Ann:</text:span> Hallo<text:s/>W<text:span>elt</text:span>.'
            "<office:annotation><dc:creator>Bo</dc:creator><text:p>Hallo, ein Kommentar</text:p></office:annotation>"
            "</text:p>",
            "<text:p>Vor <draw:frame><draw:text-box><text:p>Im Kasten</text:p></draw:text-box></draw:frame>"
            "nach</text:p>",
            "<text:list><text:list-item><text:p>eins</text:p></text:list-item></text:list>",
            "<table:table><table:table-row><table:table-cell><text:p>c1</text:p></table:table-cell></table:table-row>"
            "</table:table>",
            "<text:table-of-content><text:index-body><text:p>Kapitel eins</text:p></text:index-body>"
            "</text:table-of-content>",
        ),
        "odt",
    )
    assert metadata == Metadata("Der Sturm", "Ann Lee", "de-DE")
    assert lines(tree) == [
        "h1: Kapitel eins",
        "p: Ann: Hallo Welt.",
        "p: Vor nach",
        "li: eins",
        "td: c1",
        "struck out: gestrichen",
        "comment: Hallo, ein Kommentar",
        "comment: Bo",
        "hidden: Im Kasten",
        "contents: Kapitel eins",
        "front matter: Der Sturm Ann Lee de-DE",
    ]
    assert [one.text for one in tree.iter("strong")] == ["Ann:"]
    assert warnings == [
        "b.odt: pandoc, which reads this format, does not hand on all of it: Im Kasten. Save it as DOCX and use that."
    ]
    places = {one.text: one.get(PLACE) for one in tree.iter("h1", "td")}
    assert places == {"Kapitel eins": "b.odt:1", "c1": "b.odt:5"}


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251", "utf-16"])
def test_fb2(tmp_path: Path, encoding: str) -> None:
    """Also in the encoding of most Russian books."""
    section = "<section><title><p>Глава</p></title><p>Привет, <strong>мир</strong>.</p></section>"
    table = "<section><p>x</p><table><tr><td>ячейка</td></tr></table></section>"
    tree, metadata, warnings = read(tmp_path, fb2(section, table, encoding=encoding), "fb2")
    assert metadata == Metadata("Буря", "Ann Lee", "ru")
    assert lines(tree) == [
        "front matter: Буря",
        "front matter: Ann Lee",
        "h2: Глава",
        "p: Привет, мир.",
        "p: x",
        "hidden: ячейка",
        "front matter: ru",
    ]
    assert "does not hand on all of it: ячейка." in warnings[0]


def test_rtf(tmp_path: Path) -> None:
    info = rb"{\info{\title The Storm}{\author Ann}}"
    text = rb"\pard Hello \b bold\b0, caf\'e9 \u8212? x\u8212?y \{a\\b0, c\}\par "
    tree, metadata, warnings = read(tmp_path, rb"{\rtf1\ansi\ansicpg1252" + info + text + b"}", "rtf")
    assert metadata == Metadata("The Storm", "Ann")
    assert lines(tree)[-1] == "p: Hello bold, café — x—y {a\\b0, c}"
    assert "b.rtf: headers, hidden text and text boxes of an RTF file are not handed on" in warnings[0]


def test_what_is_none_of_them(tmp_path: Path) -> None:
    assert "this is no RTF file" in refusal(tmp_path, b"PK words", "rtf")
    assert "this is no FB2 file" in refusal(tmp_path, b"<html/>", "fb2")
    assert "not well-formed" in refusal(tmp_path, b"<FictionBook>", "fb2")
    assert "this is no OpenDocument file" in refusal(tmp_path, b"words", "odt")
    assert "there is no content.xml" in refusal(tmp_path, zipped({"a": "b"}), "odt")
    assert "damaged or incomplete" in refusal(tmp_path, odt()[:-50], "odt")
    assert "pandoc cannot read it" in refusal(tmp_path, b"{\\rtf1" + b"{" * 1000, "rtf")
    with pytest.raises(RequestError, match="no such file"):
        office_tree(tmp_path / "missing.odt", "missing.odt")


def test_hostile_files(tmp_path: Path) -> None:
    assert "protected by a password" in refusal(tmp_path, encrypted(odt()), "odt")
    manifest = {"META-INF/manifest.xml": "<manifest><file-entry><encryption-data/></file-entry></manifest>"}
    assert "protected by a password" in refusal(tmp_path, odt(parts=manifest), "odt")
    assert "times its size: a zip bomb" in refusal(tmp_path, odt(parts={"Pictures/a.png": bytes(90_000_000)}), "odt")
    bomb = b'<!DOCTYPE a [<!ENTITY x "y">]><FictionBook>&x;</FictionBook>'
    assert 'the entity "&x;" is declared by the file itself' in refusal(tmp_path, bomb, "fb2")


def test_nothing_is_read_but_the_file(tmp_path: Path) -> None:
    """Pandoc runs in its sandbox."""
    (tmp_path / "secret.txt").write_text("secret")
    field = rb'{\rtf1 a {\field{\*\fldinst INCLUDETEXT "%s"}{\fldrslt shown}} b\par }'
    tree, _metadata, _warnings = read(tmp_path, field % str(tmp_path / "secret.txt").encode(), "rtf")
    assert "secret" not in "".join(lines(tree))


def test_without_pandoc_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypandoc", None)
    assert refusal(tmp_path, odt(), "odt") == (
        "b.odt: this format is read by pandoc, which is not installed. "
        "Install it with: .venv/bin/pip install --editable '.[office]', or save the file as DOCX."
    )
