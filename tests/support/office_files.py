"""Files of Office programs for tests: the parts of a DOCX as Word writes them, put together by hand."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from tests.support.packages import zipped

_OFFICE = "http://schemas.openxmlformats.org"
SPACES = (
    f'xmlns:w="{_OFFICE}/wordprocessingml/2006/main" xmlns:r="{_OFFICE}/officeDocument/2006/relationships" '
    f'xmlns:m="{_OFFICE}/officeDocument/2006/math" xmlns:a="{_OFFICE}/drawingml/2006/main" '
    f'xmlns:wp="{_OFFICE}/drawingml/2006/wordprocessingDrawing" '
    f'xmlns:mc="{_OFFICE}/markup-compatibility/2006" xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_RELATIONS = f'xmlns="{_OFFICE}/package/2006/relationships"'

STYLES = """
<w:docDefaults><w:rPrDefault><w:rPr><w:lang w:val="de-DE"/></w:rPr></w:rPrDefault></w:docDefaults>
<w:latentStyles w:count="2"><w:lsdException w:name="heading 1"/></w:latentStyles>
<w:style w:type="paragraph" w:default="1" w:styleId="Standard"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/><w:basedOn w:val="Standard"/>
  <w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/><w:basedOn w:val="berschrift1"/>
  <w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:type="paragraph" w:customStyle="1" w:styleId="Kapitel"><w:name w:val="Kapitel"/>
  <w:basedOn w:val="berschrift1"/></w:style>
<w:style w:type="paragraph" w:styleId="Titel"><w:name w:val="Title"/><w:basedOn w:val="Standard"/></w:style>
<w:style w:type="paragraph" w:styleId="Untertitel"><w:name w:val="Subtitle"/><w:basedOn w:val="Standard"/></w:style>
<w:style w:type="paragraph" w:styleId="Verzeichnis1"><w:name w:val="toc 1"/><w:basedOn w:val="Standard"/></w:style>
<w:style w:type="paragraph" w:styleId="Inhaltsverzeichnisberschrift"><w:name w:val="TOC Heading"/>
  <w:basedOn w:val="berschrift1"/><w:pPr><w:outlineLvl w:val="9"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Sprecher"><w:name w:val="Sprecher"/><w:rPr><w:b/><w:i/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Aufzhlung"><w:name w:val="List Bullet"/>
  <w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr></w:style>
<w:style w:type="character" w:styleId="Fett"><w:name w:val="Strong"/><w:rPr><w:b/></w:rPr></w:style>
<w:style w:type="character" w:styleId="Hervorhebung"><w:name w:val="Emphasis"/><w:rPr><w:i/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Quelltext"><w:name w:val="Code"/></w:style>
<w:style w:type="character" w:styleId="StarkeBetonung"><w:name w:val="x"/><w:basedOn w:val="Fett"/></w:style>
<w:style w:type="character" w:styleId="Funotenzeichen"><w:name w:val="footnote reference"/>
  <w:rPr><w:vertAlign w:val="superscript"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Kreis1"><w:name w:val="a"/><w:basedOn w:val="Kreis2"/></w:style>
<w:style w:type="paragraph" w:styleId="Kreis2"><w:name w:val="b"/><w:basedOn w:val="Kreis1"/></w:style>
"""
NUMBERING = """
<w:abstractNum w:abstractNumId="0">
  <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
  <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="1">
  <w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="·"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="2">
  <w:lvl w:ilvl="0"><w:numFmt w:val="none"/><w:lvlText w:val=""/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="2"/></w:num>
<w:num w:numId="4"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:lvl w:ilvl="0"><w:start w:val="7"/>
  <w:numFmt w:val="decimal"/><w:lvlText w:val="%1)"/></w:lvl></w:lvlOverride></w:num>
"""
CORE = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Der  Sturm</dc:title><dc:creator>Ann Lee</dc:creator>'
    "<cp:keywords>Meer</cp:keywords><dc:description>Ein Stück.</dc:description></cp:coreProperties>"
)


def run(text: str, properties: str = "") -> str:
    """A `w:r`."""
    properties = f"<w:rPr>{properties}</w:rPr>" if properties else ""
    return f'<w:r w:rsidR="00AB12CD">{properties}<w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*content: str, style: str = "", properties: str = "") -> str:
    """A `w:p` of runs; what holds no tag is the text of one."""
    runs = "".join(part if part.startswith("<") else run(part) for part in content)
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{properties}</w:pPr>{runs}</w:p>" if named + properties else f"<w:p>{runs}</w:p>"


def item(text: str, number: int, level: int = 0) -> str:
    """A paragraph of a list."""
    return paragraph(text, properties=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def field(code: str, result: str, *, unended: bool = False) -> str:
    """A complex field, its instruction cut in two as Word likes to do."""
    half = len(code) // 2
    begin = '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
    codes = "".join(f"<w:r><w:instrText>{part}</w:instrText></w:r>" for part in (code[:half], code[half:]))
    end = "" if unended else '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    separate = '<w:r><w:fldChar w:fldCharType="separate"/></w:r>' if result else ""
    return f"{begin}{codes}{separate}{result}{end}"


def table(*rows: tuple[str, ...], properties: str = "") -> str:
    """A `w:tbl`; cells are blocks."""
    lines = ("".join(f"<w:tc><w:tcPr/>{cell}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl><w:tblPr/>" + "".join(f"<w:tr>{properties}{line}</w:tr>" for line in lines) + "</w:tbl>"


def text_box(*blocks: str, fallback: tuple[str, ...] | None = None, alternative: str = "A box") -> str:
    """A run with a text box, for programs that know Word 2010's shapes and for others."""
    content, old = "".join(blocks), "".join(blocks if fallback is None else fallback)
    return (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:anchor>'
        "<wp:positionH><wp:posOffset>1270</wp:posOffset></wp:positionH>"
        f'<wp:docPr id="1" name="Textfeld 1" descr="{alternative}"/>'
        f"<a:graphic><a:graphicData><wps:wsp><wps:txbx><w:txbxContent>{content}</w:txbxContent></wps:txbx></wps:wsp>"
        "</a:graphicData></a:graphic></wp:anchor></w:drawing></mc:Choice><mc:Fallback><w:pict>"
        f'<v:shape alt="{alternative}"><v:textbox><w:txbxContent>{old}</w:txbxContent></v:textbox></v:shape>'
        "</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )


def part(root: str, content: str) -> str:
    """The XML of a part whose root is `w:root`."""
    return f"{_DECLARATION}<w:{root} {SPACES}>{content}</w:{root}>"


def docx_parts(
    *body: str, parts: Mapping[str, str | bytes] | None = None, links: Mapping[str, str] | None = None
) -> dict[str, str | bytes]:
    """The members of a DOCX with that body, with more `parts`, and hyperlinks by their ids."""
    targets = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/officeDocument/2006/relationships/hyperlink" Target="{target}"'
        ' TargetMode="External"/>'
        for key, target in (links or {}).items()
    )
    for kind in ("styles", "numbering"):
        targets += (
            f'<Relationship Id="r{kind}" Type="{_OFFICE}/officeDocument/2006/relationships/{kind}"'
            f' Target="{kind}.xml"/>'
        )
    return {
        "[Content_Types].xml": f'{_DECLARATION}<Types xmlns="{_OFFICE}/package/2006/content-types"/>',
        "_rels/.rels": f'{_DECLARATION}<Relationships {_RELATIONS}><Relationship Id="rId1" Type="{_OFFICE}/'
        'officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/><Relationship Id="rId2"'
        f' Type="{_OFFICE}/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/>'
        "</Relationships>",
        "docProps/core.xml": _DECLARATION + CORE,
        "word/document.xml": part("document", f"<w:body>{''.join(body)}<w:sectPr/></w:body>"),
        "word/_rels/document.xml.rels": f"{_DECLARATION}<Relationships {_RELATIONS}>{targets}</Relationships>",
        "word/styles.xml": part("styles", STYLES),
        "word/numbering.xml": part("numbering", NUMBERING),
        **(parts or {}),
    }


def docx(*body: str, parts: Mapping[str, str | bytes] | None = None, links: Mapping[str, str] | None = None) -> bytes:
    """A DOCX with that body."""
    return zipped(docx_parts(*body, parts=parts, links=links))


_LIFTED = "txbxContent"
_SIGNS = {"noBreakHyphen": "\u2011", "softHyphen": "\u00ad"}


def text_of_part(data: bytes) -> str:
    """All that a part of a DOCX says, without white space: its text nodes in order, a text box after its paragraph.

    Written without the code that it tests, for parts that are nested as deep as people nest them.
    """
    words: list[str] = []

    def visit(element: etree._Element, boxes: list[etree._Element]) -> None:
        name = etree.QName(element).localname
        own = [] if name == "p" else boxes
        words.append(_SIGNS.get(name) or element.get("descr" if name == "docPr" else "alt") or "")
        words.append(element.text or "")
        for child in element:
            if isinstance(child, etree._Comment):
                pass
            elif etree.QName(child).localname == _LIFTED:
                own.append(child)
            else:
                visit(child, own)
            words.append(child.tail or "")
        for box in own if name == "p" else ():
            visit(box, [])

    visit(etree.fromstring(data), [])
    return "".join("".join(words).split())


_ODT_SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
    for name, space in {
        "office": "office",
        "text": "text",
        "style": "style",
        "fo": "xsl-fo-compatible",
        "meta": "meta",
        "draw": "drawing",
        "table": "table",
    }.items()
)


def odt(*body: str, parts: Mapping[str, str | bytes] | None = None) -> bytes:
    """An ODT with that body, as LibreOffice writes it; the style "T1" is bold."""
    dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    bold = (
        '<style:style style:name="T1" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>'
    )
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {_ODT_SPACES} {dc}><office:automatic-styles>{bold}"
            f"</office:automatic-styles><office:body><office:text>{''.join(body)}</office:text></office:body>"
            "</office:document-content>",
            "styles.xml": f"<office:document-styles {_ODT_SPACES}><office:styles/></office:document-styles>",
            "meta.xml": f"<office:document-meta {_ODT_SPACES} {dc}><office:meta><dc:title>Der Sturm</dc:title>"
            "<dc:creator>Ann Lee</dc:creator><dc:language>de-DE</dc:language></office:meta></office:document-meta>",
            "META-INF/manifest.xml": "<manifest/>",
            **(parts or {}),
        }
    )


def fb2(*sections: str, description: str = "", encoding: str = "utf-8") -> bytes:
    """An FB2 with those sections in its body."""
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"'
        ' xmlns:l="http://www.w3.org/1999/xlink"><description><title-info><author><first-name>Ann</first-name>'
        f"<last-name>Lee</last-name></author><book-title>Буря</book-title><lang>ru</lang>{description}</title-info>"
        f"</description><body>{''.join(sections)}</body></FictionBook>"
    )
    return text.encode(encoding)
