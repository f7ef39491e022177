"""DOCX: what is read of it, and that all of it is in the tree."""

from __future__ import annotations

import io
import resource
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.errors import RequestError
from pipeline.source.readers.docx import docx_tree
from pipeline.source.script import Metadata
from pipeline.source.word.inline import LEFT_OUT, PLACE
from tests.support.docx_trees import body_of, deleted, hidden, inserted, marked, tree_of
from tests.support.office_files import (
    docx,
    docx_parts,
    field,
    item,
    paragraph,
    part,
    run,
    table,
    text_box,
    text_of_part,
)
from tests.support.packages import encrypted, zipped

NOTE_MARK = '<w:r><w:rPr><w:rStyle w:val="Funotenzeichen"/></w:rPr><w:footnoteReference w:id="2"/></w:r>'
NOTES = part("footnotes", f'<w:footnote w:id="2">{paragraph("Eine ", run("Note", "<w:b/>"), ".")}</w:footnote>')
COMMENTS = part("comments", f'<w:comment w:id="0" w:author="Bo">{paragraph("Besser so?")}</w:comment>')
HEADER = part("hdr", paragraph("Der Sturm – Seite ", field(" PAGE ", run("3"))))
CHART = (
    '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"><c:v>Umsatz</c:v></c:chartSpace>'
)


def test_a_document_of_a_german_word() -> None:
    """Ids of styles are German there, and names of built-in styles are not."""
    assert body_of(
        paragraph("Der Sturm", style="Titel"),
        paragraph("Ein Stück", style="Untertitel"),
        paragraph(run("Erstes ", "<w:b/>"), "Kapitel", style="berschrift1"),
        paragraph(run("Ann", "<w:b/>"), run(":", "<w:b/>"), " Guten ", run("Tag", '<w:rStyle w:val="Fett"/>'), "."),
        paragraph("Zweiter Teil", style="berschrift2"),
        paragraph("Drittes", style="Kapitel"),
        paragraph("Sag ", run("nie", '<w:rStyle w:val="Hervorhebung"/>'), run(" wieder", "<w:i/>"), ".", style="Fehlt"),
        paragraph("Laut", run(" leise", '<w:b w:val="0"/>'), style="Sprecher"),
        paragraph("Außen", properties='<w:outlineLvl w:val="2"/>'),
        paragraph("", style="berschrift1"),
    ) == (
        '<h1 class="title">Der Sturm</h1><p class="subtitle">Ein Stück</p><h1><b>Erstes </b>Kapitel</h1>'
        "<p><b>Ann:</b> Guten <b>Tag</b>.</p><h2>Zweiter Teil</h2><h1>Drittes</h1>"
        "<p>Sag <i>nie wieder</i>.</p><p><b><i>Laut</i></b><i> leise</i></p><h3>Außen</h3><p/>"
    )


def test_notes_comments_and_headers_are_kept_apart() -> None:
    own_mark = '<w:r><w:footnoteReference w:customMarkFollows="1" w:id="3"/><w:t>*</w:t></w:r>'
    parts = {"word/footnotes.xml": NOTES, "word/comments.xml": COMMENTS, "word/header1.xml": HEADER}
    tree = tree_of(
        paragraph("Wort", NOTE_MARK, " und", own_mark, run("1", '<w:rStyle w:val="Funotenzeichen"/>'), " mehr."),
        parts=parts,
    )
    sections = tree.findall("body/section")
    assert [(one.get(PLACE), one.get(LEFT_OUT)) for one in sections] == [
        ("b.docx:footnotes", "footnote"),
        ("b.docx:comments", "comment"),
        ("b.docx:header1", "boilerplate"),
    ]
    places = [[one.get(PLACE) for one in section.iter("p")] for section in sections]
    assert places == [["b.docx:footnotes:1"], ["b.docx:comments:1"], ["b.docx:header1:1"]]
    assert "[page number: 3]" in marked(tree.findall("body/section/p")[-1])
    assert marked(tree.findall("body/p")[0]) == "<p>Wort und[footnote: *1] mehr.</p>"


def test_metadata() -> None:
    tree, metadata, warnings = docx_tree(docx(paragraph("x")), "b.docx")
    assert metadata == Metadata("Der Sturm", "Ann Lee", "de-DE", "Ein Stück.")
    assert [one.text for one in tree.findall("head/*")] == ["Der  Sturm", "Ann Lee", "Meer", "Ein Stück."]
    assert warnings == []


EVERYTHING = docx_parts(
    paragraph("Titel", style="Titel"),
    paragraph(
        "Vor ", text_box(paragraph("Kasten ", deleted("alt")), paragraph("zwei")), "nach", NOTE_MARK, deleted("weg")
    ),
    paragraph(field(' TOC \\o "1-3" ', f"{run('Eins')}</w:p><w:p>{run('Zwei')}"), field(' XE "a" ', "")),
    table((paragraph("c1"), table((paragraph("tief"),)) + paragraph()), (paragraph("c3"), paragraph())),
    item("eins", 1),
    item("zwei", 1, 1),
    "<w:sdt><w:sdtPr><w:text/></w:sdtPr><w:sdtContent>" + paragraph("Feld") + "</w:sdtContent></w:sdt>",
    paragraph("<w:r><w:t>a</w:t><w:noBreakHyphen/><w:t>b</w:t></w:r>", inserted("neu"), run("leer", "<w:vanish/>")),
    paragraph(properties='<w:rPr><w:del w:id="1"/></w:rPr>'),
    paragraph("Schluss", "<m:oMath><m:r><m:t>x</m:t></m:r></m:oMath>"),
    "lose",
    parts={
        "word/footnotes.xml": NOTES,
        "word/endnotes.xml": NOTES.replace("footnote", "endnote"),
        "word/comments.xml": COMMENTS,
        "word/header1.xml": HEADER,
        "word/footer1.xml": HEADER.replace("hdr", "ftr"),
        "word/glossary/document.xml": part("glossaryDocument", paragraph("Baustein", text_box(paragraph("b")))),
        "word/charts/chart1.xml": CHART,
        "docProps/app.xml": '<Properties xmlns="urn:a"><Application>Word</Application></Properties>',
        "customXml/item2.xml": "",
        "customXml/item1.xml": "<b>eigen<c/>e <!--c--> Daten</b>".encode("utf-16"),
    },
)


def test_every_text_node_of_every_part_is_in_the_tree_once_and_in_order() -> None:
    """The law of the ledger, over all parts; only white space between elements is no text."""
    tree, _metadata, _warnings = docx_tree(zipped(EVERYTHING), "b.docx")
    blocks = tree.findall("body/*")
    sections = {(one.get(PLACE) or "").removeprefix("b.docx:"): one for one in blocks if one.tag == "section"}
    texts = {"core": _text(tree.findall("head")), "main": _text([one for one in blocks if one.tag != "section"])}
    seen = 0
    for name, data in EVERYTHING.items():
        expected = text_of_part(data if isinstance(data, bytes) else data.encode()) if data else ""
        stem = name.removeprefix("word/").rpartition(".")[0]
        written = {"word/document.xml": "main", "docProps/core.xml": "core"}.get(name, stem)
        if written in sections:
            assert _text([sections.pop(written)]) == expected, name
        else:
            assert texts.pop(written, "") == expected, name
        seen += bool(expected)
    assert (sections, texts, seen) == ({}, {}, 11)


def _text(elements: list[etree._Element]) -> str:
    return "".join("".join(str(text) for one in elements for text in one.itertext()).split())


_NAMES = """
w:p w:r w:t w:tbl w:tr w:tc w:sdt w:sdtContent w:txbxContent mc:AlternateContent mc:Choice mc:Fallback w:ins w:del
w:hyperlink w:ruby w:rt w:rubyBase w:instrText w:delText w:pPr w:rPr w:drawing m:t w:body w:footnoteReference
""".split()
_PROPERTIES = (
    *(f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end")),
    "<w:pPr><w:rPr><w:del/></w:rPr></w:pPr>",
    '<w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr>',
    '<w:pPr><w:pStyle w:val="berschrift1"/></w:pPr>',
    '<w:fldSimple w:instr="PAGE"/>',
)
ELEMENTS = st.recursive(
    st.sampled_from(("ab", "c", " ", *_PROPERTIES)),
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{''.join(parts)}</{name}>", st.sampled_from(_NAMES), st.lists(inner, max_size=4)
    ),
    max_leaves=40,
)


@given(st.lists(ELEMENTS, max_size=4))
def test_nothing_is_lost_of_elements_in_an_order_that_no_program_writes(body: list[str]) -> None:
    """Whatever stands within what, each of its letters is in the tree once."""
    written = etree.fromstring(part("document", "".join(body)).encode())
    tree = tree_of(parts={"word/document.xml": part("document", "".join(body))})
    blocks = [block for block in tree.findall("body/*") if block.tag != "section"]
    assert sorted(_text(blocks)) == sorted(_text([written]))


RUNS = st.lists(
    st.tuples(
        st.text("ab -\u00e4", min_size=1, max_size=6), st.sampled_from(["", "b", "i", "bi", "del", "ins", "hide"])
    ),
    max_size=6,
)


@given(st.lists(RUNS, max_size=5))
def test_runs_come_back_as_they_were_written(paragraphs: list[list[tuple[str, str]]]) -> None:
    """Each character is read or left out as its run says, and as bold and italic as it says."""
    bodies = []
    for runs in paragraphs:
        written = {"del": deleted, "ins": inserted, "hide": hidden}
        bodies.append(
            paragraph(
                *(
                    written[kind](text) if kind in written else run(text, "".join(f"<w:{sign}/>" for sign in kind))
                    for text, kind in runs
                )
            )
        )
    tree = tree_of(*bodies)
    blocks = tree.findall("body/p")
    assert len(blocks) == len(paragraphs)
    for block, runs in zip(blocks, paragraphs, strict=True):
        assert "".join(map(str, block.itertext())) == "".join(text for text, _kind in runs)
        states = {"del": "x", "hide": "x", "ins": ""}
        wanted = [(char, states.get(kind, kind)) for text, kind in runs for char in text if not char.isspace()]
        assert [pair for pair in _states(block, "") if not pair[0].isspace()] == wanted


def _states(element: etree._Element, state: str) -> list[tuple[str, str]]:
    now = "x" if element.get(LEFT_OUT) else state + (element.tag if element.tag in ("b", "i") else "")
    pairs = [(char, now) for char in element.text or ""]
    for child in element:
        pairs += _states(child, now)
        pairs += [(char, now) for char in child.tail or ""]
    return pairs


def refusal(data: bytes) -> str:
    with pytest.raises(RequestError) as caught:
        docx_tree(data, "b.docx")
    return str(caught.value)


def test_what_is_no_docx() -> None:
    assert "this is an EPUB or OpenDocument file and no DOCX" in refusal(zipped({"mimetype": "application/epub+zip"}))
    assert "this is an Excel file" in refusal(zipped({"xl/workbook.xml": "<a/>"}))
    assert "this is no DOCX file" in refusal(b"{\\rtf1 Hi}")
    assert "with a password, or of an Office program" in refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert "protected by a password" in refusal(encrypted(docx(paragraph("x"))))
    assert "damaged or incomplete" in refusal(docx(paragraph("x"))[:-90])


def test_hostile_parts() -> None:
    """Each is refused, or read in a time and memory that its length bounds."""
    deep = "<w:sdt><w:sdtContent>" * 5000 + paragraph("x") + "</w:sdtContent></w:sdt>" * 5000
    assert refusal(docx(deep)).startswith("b.docx:word/document.xml: its elements are nested too deep")
    tables = paragraph("x")
    for _ in range(100):
        tables = table((tables,))
    assert "b.docx:1: 256 elements are nested within one another" in refusal(docx(tables))
    boxes = paragraph("x")
    for _ in range(40):
        boxes = paragraph("y", text_box(boxes, fallback=()))
    assert "256 elements are nested" in refusal(docx(boxes))
    entity = '<!DOCTYPE w [<!ENTITY x "ha">]>' + part("document", paragraph("&x;")).partition("?>")[2]
    assert 'b.docx:word/document.xml:2: the entity "&x;"' in refusal(docx(parts={"word/document.xml": entity}))
    assert "not well-formed" in refusal(docx(parts={"word/document.xml": part("document", "<w:p><w:r></w:p>")}))
    assert "not well-formed" in refusal(docx(parts={"word/styles.xml": "<w:styles>"}))
    assert "times its size: a zip bomb" in refusal(docx(parts={"word/document.xml": bytes(150_000_000)}))


def test_long_paragraphs() -> None:
    """Ten megabytes in one run, and a hundred thousand runs of one paragraph."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    runs = (run("a", "<w:b/>" * (number % 2)) for number in range(100_000))
    tree = docx_tree(zipped(docx_parts(paragraph("word " * 2_000_000), paragraph(*runs)), stored=True), "b.docx")[0]
    body = "".join(map(marked, tree))
    assert body.count("word ") == 2_000_000
    assert body.count("<b>a</b>") == 50_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 800_000  # KiB


def test_what_cannot_be_read_is_told() -> None:
    """Files within the document are no text of it."""
    data = docx(
        paragraph("x"), '<w:altChunk r:id="rId5"/>', parts={"word/afchunk.mht": "words"}, links={"rId5": "a.mht"}
    )
    assert [str(one) for one in docx_tree(data, "b.docx")[2]] == [
        "b.docx:1: a.mht is embedded here as a file of its own and is not read. "
        "Open the document in Word and save it again.",
        "b.docx: files within this document are not read: word/afchunk.mht. Copy what is to be read into the document.",
    ]
    tree, _metadata, warnings = docx_tree(
        docx(paragraph("x"), parts={"customXml/item1.xml": "<a>own <b>data"}), "b.docx"
    )
    assert marked(tree.findall("body/section")[0]) == "<section>[hidden: own data]</section>"
    assert "b.docx:customXml/item1.xml:1: this is not well-formed XML" in str(warnings[0])


def test_the_strict_edition() -> None:
    """Word can write ISO's strict edition, whose namespaces are others."""
    parts: dict[str, str | bytes] = {}
    for name, data in docx_parts(paragraph("Eins", style="berschrift1"), paragraph(run("a", "<w:i/>"))).items():
        text = str(data).replace("schemas.openxmlformats.org/", "purl.oclc.org/ooxml/").replace("/2006/main", "/main")
        parts[name] = text.replace("/officeDocument/2006/", "/officeDocument/")
    body = docx_tree(zipped(parts), "b.docx")[0].find("body")
    assert body is not None
    assert "".join(map(marked, body)) == "<h1>Eins</h1><p><i>a</i></p>"


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=4))
def test_no_damage_of_a_part_ends_in_a_traceback(place: int, noise: bytes) -> None:
    data = str(EVERYTHING["word/document.xml"]).encode()
    place %= len(data)
    damaged = data[:place] + noise + data[place + len(noise) :]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        for name, text in {**EVERYTHING, "word/document.xml": damaged}.items():
            package.writestr(name, text)
    try:
        docx_tree(file.getvalue(), "b.docx")
    except RequestError as error:
        assert str(error).startswith("b.docx")
