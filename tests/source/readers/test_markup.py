"""XML and XHTML from files that nobody vouches for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.readers.markup import parse_html, parse_markup


def words(data: str | bytes) -> str:
    root, _warning = parse_markup(data.encode() if isinstance(data, str) else data, "a.xml")
    return "".join(map(str, root.itertext()))


def refusal(data: str, *, mend: bool = True) -> str:
    with pytest.raises(RequestError) as caught:
        parse_markup(data.encode(), "a.xml", mend=mend)
    return str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        "<p>Käse – “gut”</p>".encode(),
        b"\xef\xbb\xbf" + "<p>Käse – “gut”</p>".encode(),
        "<p>Käse – “gut”</p>".encode("utf-16"),
        '<?xml version="1.0" encoding="UTF-16"?><p>Käse – “gut”</p>'.encode("utf-16-be"),
        "<?xml version='1.0' encoding='windows-1252'?>\n<p>Käse – “gut”</p>".encode("cp1252"),
        '<?xml version="1.0" encoding="no-such"?><p>Käse – “gut”</p>'.encode(),
        '<?xml version="1.0" encoding="utf-8"?><p>Käse – “gut”</p>'.encode("cp1252"),
        "<p>Käse – “gut”</p>".encode("cp1252"),
    ],
)
def test_encodings(data: bytes) -> None:
    """What is declared counts unless the bytes deny it."""
    assert words(data) == "Käse – “gut”"


def test_named_characters() -> None:
    doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">\n'
    text = "<p>a&nbsp;b&mdash;c &amp;lt; &lt;i&gt; &LT; AT&T &x &bogus; <![CDATA[&mdash;]]></p>"
    assert words(f"<?xml version='1.0'?>{doctype}{text}") == "a\xa0b—c &lt; <i> < AT&T &x &bogus; &mdash;"


def test_nothing_that_a_dtd_declares_is_expanded() -> None:
    laughs = "".join(f'<!ENTITY l{n} "&l{n - 1};&l{n - 1};">' for n in range(1, 30))
    bomb = f'<!DOCTYPE p [<!ENTITY l0 "]>ha">{laughs}<!-- > ]> -->]>\n<p>&l29;</p>'
    assert 'a.xml:2: the entity "&l29;" is declared by the file itself' in refusal(bomb)
    outside = '<!DOCTYPE p [<!ENTITY f SYSTEM "file:///etc/hostname">]><p>&f;</p>'
    assert 'the entity "&f;" is declared by the file itself' in refusal(outside)
    assert words('<!DOCTYPE p [<!ENTITY % a SYSTEM "file:///etc/hostname"> %a; <!ENTITY unused "x">]><p>ok</p>') == "ok"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<div><p>One<p>Two</div>", "OneTwo"),
        ("<html><head><title/></head><body><a id='x'/>One<b>Two</i> three</body></html>", "OneTwo three"),
        ("<p>One<p><![CDATA[a < b]]>", "Onea < b"),
        ("One <b>two</b>", "One two"),
    ],
)
def test_what_is_not_well_formed_is_read_as_html(text: str, expected: str) -> None:
    root, (warning,) = parse_markup(text.encode(), "a.xml")
    assert "".join(map(str, root.itertext())) == expected
    assert warning.where == "a.xml:1"
    assert "not well-formed" in refusal(text, mend=False)


def test_small_faults_are_no_reason_to_read_it_as_html() -> None:
    """A prefix that nothing declares, and references to control characters."""
    for text in ("<p><x:b>a b</x:b></p>", "<p>a\x0cb</p>", "<p>a&#0;b</p>", "<p>a&#x1F;b</p>", "<p>a&#xD800;b</p>"):
        root, warnings = parse_markup(text.encode(), "a.xml")
        assert ("".join(map(str, root.itertext())), warnings) == ("a b", [])


def test_characters_that_xml_forbids_are_told_of() -> None:
    for parse in (parse_markup, parse_html):
        root, warnings = parse(b"<p>a\0b\n\x01c</p>", "a.xml")
        assert "".join(map(str, root.itertext())) == "a b\n c"
        assert [warning.what for warning in warnings] == [
            "2 characters that XML forbids (the first is U+0000), read as a space."
        ]


def test_numbers_of_windows_characters_are_those_characters() -> None:
    """As HTML has it: `&#146;` is an apostrophe."""
    assert words("<p>it&#146;s &#x97; so&#133;</p>") == "it’s — so…"


@pytest.mark.parametrize(
    "text", ["<!--" * 500_000, "<!---->" * 99 + "x", "<" + "a" * 5_000_000, "<p><a '" * 500_000, "<?" * 500_000]
)
def test_hostile_text_takes_no_longer_than_its_length(text: str) -> None:
    """Each took minutes where a pattern tried every way to match it; the suite's time-out is the limit here."""
    try:
        parse_markup(text.encode(), "a.xml")
    except RequestError as error:
        assert "not well-formed" in str(error)


def test_nesting_and_size() -> None:
    assert "nested too deep" in refusal("<a>" * 10_000 + "</a>" * 10_000, mend=False)
    assert "never closed" in refusal("<p>" + "<b>x" * 10_000)
    assert "too large" in refusal("<a/>" * 5_000_001)
    assert len(words(f"<p>{'x' * 12_000_000}</p>")) == 12_000_000


@given(st.text("<>/&;![]-?ab'\" =CDAT\x0b\n", max_size=60))
def test_no_text_ends_in_a_traceback(text: str) -> None:
    for mend in (True, False):
        try:
            parse_markup(text.encode(), "a.xml", mend=mend)
        except RequestError as error:
            assert str(error).startswith("a.xml")


@pytest.mark.parametrize("encoding", ["undefined", "utf-16", "UTF-32", "idna", "unicode_escape", "utf-7", "nonsense"])
def test_a_declaration_that_cannot_be_true_is_none(encoding: str) -> None:
    data = f'<?xml version="1.0" encoding="{encoding}"?><p>It was a dark night…</p>'.encode()
    assert words(data) == words(data + b" ") == "It was a dark night…"


def test_noise_is_no_text_and_japanese_in_wide_characters_is() -> None:
    assert "encrypted (DRM)" in refusal("<p>" + "\x01\x02word" * 100 + "</p>")
    text = "<p>" + "山路を登りながら、こう考えた。" * 50 + "</p>"
    assert words(text.encode("utf-16")) == text[3:-4]
