"""Text of a DOCX: which is read, and as what."""

from __future__ import annotations

from tests.support.docx_trees import body_of, deleted, inserted
from tests.support.office_files import field, paragraph, run, table, text_box


def test_toggles_of_styles() -> None:
    """Bold in the style of the paragraph and in that of the characters is not bold, as Word has it."""
    assert body_of(paragraph(run("a", '<w:rStyle w:val="StarkeBetonung"/>'), "b", style="Sprecher")) == (
        "<p><i>a</i><b><i>b</i></b></p>"
    )
    assert body_of(paragraph("x", style="Kreis1")) == "<p>x</p>"


def test_code_is_told_by_its_style() -> None:
    """So that brackets in it are what they are."""
    assert body_of(paragraph("a(&amp;[2, 3]);", style="Quelltext")) == "<p><code>a(&[2, 3]);</code></p>"


def test_tracked_changes_read_as_accepted() -> None:
    assert body_of(paragraph("Sie ", deleted("ging"), inserted("lief"), " los.")) == (
        "<p>Sie [struck out: ging]lief los.</p>"
    )
    assert body_of(paragraph(run("Ann", "<w:b/>"), deleted("e"), run(":", "<w:b/>"), " Hallo")) == (
        "<p><b>Ann[struck out: e]:</b> Hallo</p>"
    )
    assert (
        body_of(
            paragraph(f'<w:moveFrom w:id="3">{run("hin")}</w:moveFrom>', "und "),
            paragraph(f'<w:moveTo w:id="4">{run("hin")}</w:moveTo>'),
            table((paragraph("weg"),), properties='<w:trPr><w:del w:id="5"/></w:trPr>'),
        )
        == "<p>[struck out: hin]und </p><p>hin</p><table><tr>[struck out: weg]</tr></table>"
    )


def test_a_paragraph_whose_end_is_deleted_goes_on() -> None:
    mark = '<w:rPr><w:del w:id="9" w:author="Bo"/></w:rPr>'
    assert (
        body_of(
            paragraph("Erste Hälfte, ", properties=mark),
            paragraph(deleted("ganz weg"), properties=mark),
            paragraph("zweite Hälfte."),
            paragraph("Neu."),
        )
        == "<p>Erste Hälfte, [struck out: ganz weg]zweite Hälfte.</p><p>Neu.</p>"
    )
    assert body_of(paragraph("Ende", properties=mark)) == "<p>Ende</p>"


def test_a_dropped_capital_belongs_to_its_word() -> None:
    """Word sets it in a paragraph of its own, which a frame makes large."""
    frame = '<w:framePr w:dropCap="drop" w:lines="3"/>'
    assert body_of(paragraph("E", properties=frame), paragraph("s war einmal.")) == "<p>Es war einmal.</p>"


def test_fields() -> None:
    sign = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'.format
    code = "<w:r><w:instrText>{}</w:instrText></w:r>".format
    nested = (
        sign("begin")
        + code("IF ")
        + field("PAGE", run("1"))
        + code(" = 1")
        + sign("separate")
        + run("erste")
        + sign("end")
    )
    assert body_of(
        paragraph("Siehe ", field(' HYPERLINK "https://example.org" ', run("hier")), "."),
        paragraph(
            "Seite ", field("PAGE", run("7")), " von ", f'<w:fldSimple w:instr=" NUMPAGES ">{run("9")}</w:fldSimple>'
        ),
        paragraph("Meer", field(' XE "Meer" ', ""), "."),
        paragraph("Der ", nested, " Satz"),
        paragraph("offen ", field(" TOC ", run("weiter"), unended=True)),
        paragraph("und alles danach"),
    ) == (
        '<p>Siehe [hidden:  HYPERLINK "https://example.org" ]hier.</p>'
        "<p>Seite [hidden: PAGE][page number: 7] von [page number: 9]</p>"
        '<p>Meer[hidden:  XE "Meer" ].</p>'
        "<p>Der [hidden: IF PAGE1 = 1]erste Satz</p>"
        "<p>offen [hidden:  TOC ]weiter</p><p>und alles danach</p>"
    )


def test_tables_of_contents() -> None:
    """By their style, by their field, and as the block that Word inserts."""
    block = '<w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
    toc = field(' TOC \\o "1-3" ', f"{run('Eins')}</w:p><w:p>{run('Zwei')}")
    assert body_of(
        paragraph("Inhalt", style="Inhaltsverzeichnisberschrift"),
        paragraph("Eins", "<w:r><w:tab/></w:r>", "5", style="Verzeichnis1"),
        paragraph(toc),
        f"<w:sdt>{block}<w:sdtContent>{paragraph('Drei')}</w:sdtContent></w:sdt>",
        paragraph("Text"),
    ) == (
        "<p>[contents: Inhalt]</p><p>[contents: Eins\t5]</p>"
        '<p>[hidden:  TOC \\o "1-3" ][contents: Eins]</p><p>[contents: Zwei]</p><p>[contents: Drei]</p><p>Text</p>'
    )


def test_text_boxes_stand_behind_their_paragraph() -> None:
    """What newer programs show is read, and the same words for older ones are not."""
    assert body_of(paragraph("Vor ", text_box(paragraph("Im Kasten")), "nach"), paragraph("Ende")) == (
        "<p>Vor [hidden: 1270][picture: A box][hidden: A box]nach</p>"
        "<div><p>Im Kasten</p></div><div>[hidden: Im Kasten]</div><p>Ende</p>"
    )
    old = paragraph("Nur alt")
    assert "<div>[hidden: ]</div><div><p>Nur alt</p></div>" in body_of(
        paragraph("x", text_box(fallback=(old,), alternative=""))
    )
    assert "<p>Innen</p></div>" in body_of(paragraph("x", text_box(paragraph("Mitte", text_box(paragraph("Innen"))))))


def test_hidden_text_controls_and_links() -> None:
    prompt = f"<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{run('Name eingeben')}</w:sdtContent></w:sdt>"
    control = f"<w:sdt><w:sdtPr/><w:sdtContent>{run('Ann')}</w:sdtContent></w:sdt>"
    tag = f'<w:smartTag w:element="place"><w:customXml w:element="b">{run(" geht")}</w:customXml></w:smartTag>'
    link = f'<w:hyperlink r:id="rId9">{run("zum ")}{run("Meer", "<w:b/>")}</w:hyperlink>'
    assert body_of(
        paragraph("Da", run("geheim", "<w:vanish/>"), run("doch", '<w:vanish w:val="false"/>')),
        paragraph(prompt, control, tag, " ", link, "."),
        links={"rId9": "https://example.org/"},
    ) == (
        "<p>Da[hidden: geheim]doch</p>"
        '<p>[hidden: Name eingeben]Ann geht <a href="https://example.org/">zum <b>Meer</b></a>.</p>'
    )


def test_signs() -> None:
    signs = (
        "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t><w:softHyphen/>"
        '<w:t>e</w:t><w:br w:type="page"/><w:t>f</w:t><w:sym w:font="Symbol" w:char="F061"/>'
        '<w:sym w:font="Arial" w:char="2192"/><w:sym w:char="zz"/><w:lastRenderedPageBreak/><w:t>g</w:t></w:r>'
    )
    tabs = '<w:tabs><w:tab w:val="left" w:pos="720"/></w:tabs>'
    assert body_of(paragraph(signs, properties=tabs)) == "<p>a\tb<br/>c\u2011d\u00ade fα→g</p>"
    assert body_of(paragraph(run("H", '<w:caps/><w:vertAlign w:val="superscript"/>'), run("x", "<w:strike/>"))) == (
        "<p><sup>H</sup><s>x</s></p>"
    )
    formula = "<m:oMath><m:r><m:t>E=m</m:t></m:r><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e></m:sSup></m:oMath>"
    assert body_of(paragraph("Es gilt ", formula)) == "<p>Es gilt E=mc</p>"
    ruby = f"<w:r><w:ruby><w:rubyPr/><w:rt>{run('かん')}</w:rt><w:rubyBase>{run('漢')}</w:rubyBase></w:ruby></w:r>"
    assert body_of(paragraph(ruby, ruby)) == "<p>" + "<ruby><rt>かん</rt>漢</ruby>" * 2 + "</p>"


def test_rules() -> None:
    line = '<w:r><w:pict><v:rect o:hr="t" o:hrstd="t"/></w:pict></w:r>'
    border = '<w:pBdr><w:bottom w:val="single"/></w:pBdr>'
    assert body_of(
        paragraph(line), paragraph(properties=border), paragraph("a", properties=border), paragraph("***")
    ) == ("<hr/><hr/><p>a</p><p>***</p>")
