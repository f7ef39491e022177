"""Lists, tables and places of a DOCX."""

from __future__ import annotations

from pipeline.source.word.inline import PLACE
from tests.support.docx_trees import body_of, tree_of
from tests.support.office_files import item, paragraph, run, table, text_box


def test_lists() -> None:
    assert body_of(
        item("eins", 1),
        item("mit", 1, 1),
        item("und", 1, 1),
        item("zwei", 1),
        paragraph("Dazwischen"),
        item("drei", 1),
        paragraph("Punkt", style="Aufzhlung"),
        item("sieben", 4),
        item("keine", 3),
        item("unbekannt", 99),
        item("aus", 0),
    ) == (
        "<ol><li>eins<ul><li>mit</li><li>und</li></ul></li><li>zwei</li></ol><p>Dazwischen</p>"
        '<ol start="3"><li>drei</li></ol><ul><li>Punkt</li></ul><ol start="7"><li>sieben</li></ol>'
        "<p>keine</p><p>unbekannt</p><p>aus</p>"
    )


def test_tables() -> None:
    """A cell of one paragraph is a cell of its row, others hold paragraphs."""
    inner = table((paragraph("tief"), paragraph(run("fett", "<w:b/>"))))
    assert body_of(
        table(
            (paragraph("Ann"), paragraph("Hallo.") + paragraph()),
            (paragraph("x") + paragraph("y"), inner + paragraph()),
        )
    ) == (
        "<table><tr><td><span>Ann</span></td><td><span>Hallo.</span></td></tr>"
        "<tr><td><p>x</p><p>y</p></td>"
        "<td><table><tr><td><span>tief</span></td><td><span><b>fett</b></span></td></tr></table></td></tr></table>"
    )


def test_places_are_numbers_of_paragraphs() -> None:
    tree = tree_of(
        paragraph("a", text_box(paragraph("b"))), table((paragraph("c"), paragraph("d"))), item("e", 1), paragraph("f")
    )
    places = {
        (one.text or "").strip(): one.get(PLACE) for one in tree.findall("body//*[@{urn:podcast}place]") if one.text
    }
    assert places == {"a": "b.docx:1", "b": "b.docx:1", "e": "b.docx:4", "f": "b.docx:5"}
    assert [one.get(PLACE) for one in tree.iter("td")] == ["b.docx:2", "b.docx:3"]
