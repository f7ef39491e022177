"""What is said of HTML: each pair is a piece of a page and what a careful reader would say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.books import read_html, spoken_lines

PAIRS: list[tuple[str, list[str]]] = [
    ("<p>One.</p><p>Two.</p>", ["One.", "Two."]),
    ("<p>One\n  line\twrapped.</p>", ["One line wrapped."]),
    ("<p>a<b>b</b>c, <i>d</i> e.</p>", ["abc, d e."]),
    ("<p><b>Bold </b>and<i> italic</i>.</p>", ["Bold and italic."]),
    ("<p><b><i>Both</i></b> end.</p>", ["Both end."]),
    ("<p>Tom &amp; Jerry &lt;3 &copy; &mdash; &nbsp;so.</p>", ["Tom & Jerry <3 © — so."]),
    ("<p>A literal *star* and _line_ and 2*3*4.</p>", ["A literal star and line and 2*3*4."]),
    ("<p># 5 Main Street, [1984] and > that.</p>", ["# 5 Main Street, 1984 and > that."]),
    ("<p>1984. That was it.</p>", ["1984. That was it."]),
    ("<p>&lt;script> is a word.</p>", ["<script> is a word."]),
    ("<p>a | b | c</p><p>x | y | z</p>", ["a | b | c", "x | y | z"]),
    ("<p>{{ braces }} and {% signs %}.</p>", ["{{ braces }} and {% signs %}."]),
    ("<div>Bare text <p>and a paragraph</p> and a tail.</div>", ["Bare text", "and a paragraph", "and a tail."]),
    (
        "<p>x<sup>2</sup> and 10<sup>-3</sup> and H<sub>2</sub>O, the 21<sup>st</sup>.</p>",
        ["x² and 10⁻³ and H2O, the 21st."],
    ),
    ("<p>A fact<sup>1</sup> and another.<sup>[2]</sup></p>", ["A fact and another."]),
    ('<p>A word<a href="#n1" id="r1">1</a>.</p><p id="n1"><a href="#r1">1</a> The note.</p>', ["A word."]),
    (
        '<p>A<a href="#fn1"><sup>*</sup></a> b.</p><p>More.</p><h3>Notes</h3><ol><li id="fn1"><p>n.</p>'
        '<p>m. <a href="#x">↩</a></p></li></ol>',
        ["A b.", "More."],
    ),
    ('<p>See <a href="#later">the note</a>.</p><p id="later">This is read.</p>', ["See the note.", "This is read."]),
    ('<p><span class="pagenum">[12]</span>The text goes<span class="pageno">13</span> on.</p>', ["The text goes on."]),
    ('<p><span class="dropcap">T</span>he dog. <span class="small">HE</span> ran.</p>', ["The dog. HE ran."]),
    ('<p><span class="dropcap">T</span> HE STORM came.</p>', ["THE STORM came."]),
    ('<p><span class="dropcap">A</span> storm came.</p>', ["A storm came."]),
    ('<p><span class="dropcap">“T</span>he storm.”</p>', ["“The storm.”"]),
    ('<div class="dropcap">O</div><p>nce more.</p>', ["O", "nce more."]),
    ('<p><img src="t.png" alt="T"/>he dog.</p>', ["The dog."]),
    ('<p>Text.</p><p><img src="a.png" alt="A picture of a dog"/></p>', ["Text."]),
    ('<figure><img src="a.png" alt="x"/><figcaption>Plate 1</figcaption></figure><p>Text.</p>', ["Text."]),
    (
        "<figure><pre>Line one.\nLine two.</pre><figcaption>Said aloud.</figcaption></figure>",
        ["Line one, Line two.".replace("one, ", "one. "), "Said aloud."],
    ),
    ("<p><ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rt>ji</rt></ruby> it is.</p>", ["漢字 it is."]),
    ("<p>He said <q>so</q> twice.</p>", ["He said “so” twice."]),
    ("<p>Old <s>word</s> <del>gone</del> <ins>new</ins> text.</p>", ["Old new text."]),
    ("<p>Seen.</p><p hidden>Not seen.</p><p style='display: none'>Nor this.</p>", ["Seen."]),
    ("<script>var x = 1;</script><style>p {}</style><p>Text.</p><noscript>No.</noscript>", ["Text."]),
    ("<!-- a comment --><p>Text<!-- within --> goes on.</p>", ["Text goes on."]),
    ("<ul><li>One</li><li>Two <b>bold</b></li></ul>", ["One", "Two bold"]),
    ("<ol><li>One</li><li>Two</li></ol>", ["1. One", "2. Two"]),
    ("<ol start='4'><li>Four</li><li><p>Five</p><p>and more</p></li></ol>", ["4. Four", "5. Five", "and more"]),
    ("<dl><dt>Word</dt><dd>Its meaning.</dd></dl>", ["Word", "Its meaning."]),
    ("<blockquote>Quoted.</blockquote><p>Text.</p>", ["Quoted.", "Text."]),
    ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td></td></tr></table>", ["A, B", "1"]),
    ("<table><tr><td><p>One.</p><p>Two.</p></td><td><p>Three.</p></td></tr></table>", ["One.", "Two.", "Three."]),
    ("<p>So it goes<br/>And goes<br/>And ends.</p>", ["So it goes, And goes, And ends."]),
    ("<p>He will<br/>take the wall.</p>", ["He will take the wall."]),
    ("<p><span>one line</span><br/><span>and another</span></p>", ["one line, and another"]),
    ("<p>Red<br/>Blue<br/><br/>Green<br/>Gold</p>", ["Red, Blue", "Green, Gold"]),
    (
        '<p>See p. <a href="#page9">9</a>.</p><p><a class="pagebreak" id="page9" title="9"></a>Read.</p>',
        ["See p. 9.", "Read."],
    ),
    (
        '<p>See <a href="#s">section</a> <a href="#t">12</a>.</p><p id="t">The text.</p>',
        ["See section 12.", "The text."],
    ),
    (
        '<p>It is <a href="#a">brackets (1)</a>, <a href="#b">hyphens (2)</a>, <a href="#c">dividing marks (3)</a> that'
        " no line should begin with.</p>",
        ["It is brackets (1), hyphens (2), dividing marks (3) that no line should begin with."],
    ),
    (
        "<h2>Books</h2><p><a href='#a'>The First Book</a></p><p><br/></p><p><a href='#b'>The Second</a></p>"
        "<p><a href='#c'>The Third</a></p><p>Text.</p>",
        ["Text."],
    ),
    (
        '<p>A<sup><a href="#n1">1</a></sup> b<sup><a href="#n2">2</a></sup>.</p><div class="nota"><p id="n1">One.</p>'
        '<p>More.</p></div><div class="nota"><p id="n2">Two.</p><p>More.</p></div>',
        ["A b."],
    ),
    ("<ol><li><p>One</p></li><li><p>Two</p></li></ol>", ["1. One", "2. Two"]),
    ("<p>Write <code>groceries[1]</code> for that.</p>", ["Write groceries[1] for that."]),
    ("<pre><code>[1] = one,\n[2] = two</code></pre><p>It ends.</p>", ["[1] = one, [2] = two", "It ends."]),
    (
        "<p>He spoke of taking roles [<i>role-taking</i>]. So it is.</p>",
        ["He spoke of taking roles role-taking. So it is."],
    ),
    (
        "<p>It was late. [The hope of it was belied.] So he left.</p>",
        ["It was late. The hope of it was belied. So he left."],
    ),
    (
        "<div class='stanza'><p>Of man’s first</p><p>disobedience,</p><p>the fruit.</p></div>",
        ["Of man’s first, disobedience, the fruit."],
    ),
    (
        "<div class='poem'><div class='stanza'><div>One line</div><div>two lines</div></div>"
        "<div class='stanza'><div>Red</div><div>blue</div></div></div>",
        ["One line, two lines", "Red, blue"],
    ),
    ("<div class='poem'><p>One line<br/>two lines</p><p>Red<br/>blue</p></div>", ["One line, two lines", "Red, blue"]),
    ("<p>Come soon.</p><footer><p>Yours, Ann</p></footer>", ["Come soon.", "Yours, Ann"]),
    ("<nav><a href='x'>Home</a></nav><p>Text.</p>", ["Text."]),
    (
        "<p>Louis XIV<sup>e</sup>, <sup>1</sup>/<sub>2</sub> mile, M<sup>c</sup>Donald.</p>",
        ["Louis XIVe, 1/2 mile, McDonald."],
    ),
    (
        '<p>Turn to <a href="#s3">[3]</a>.</p><div id="s3"><h2>3</h2><p>You board.</p></div>',
        ["Turn to 3.", "You board."],
    ),
    ('<p>By <a href="#e1">(1)</a> it holds.</p><p id="e1">a = b</p>', ["By (1) it holds.", "a = b"]),
    (
        '<p>A<a epub:type="noteref" href="#f1">1</a> b.</p><aside epub:type="footnote" id="f1">n</aside>'
        '<p>The story.</p><p>C<a epub:type="noteref" href="#f2">2</a> d.</p>'
        '<aside epub:type="footnote" id="f2">m</aside>',
        ["A b.", "The story.", "C d."],
    ),
    (
        "<div><p>A<sup><a href='#n1'>1</a></sup>.</p><h2>Notes</h2><p id='n1'>1. A.</p><p id='n2'>2. B.</p></div>",
        ["A.", "2. B."],
    ),
    (
        "<p><a href='#b'>If you board the ship, turn to page two.</a></p><p><a href='#c'>If you stay at home, turn to"
        " three.</a></p><p><a href='#d'>If you run, turn to the last page.</a></p>",
        [
            "If you board the ship, turn to page two.",
            "If you stay at home, turn to three.",
            "If you run, turn to the last page.",
        ],
    ),
    ("<h3>Contents</h3><p>“No.”</p><p>“Yes.”</p><p>“Why?”</p><h2>Two</h2><p>a</p>", ["“No.”", "“Yes.”", "“Why?”", "a"]),
    ("<h2>Contents</h2><p>The Sea</p><p>A Storm 12</p><h2>The Sea</h2><p>a</p><h2>A Storm</h2><p>b</p>", ["a", "b"]),
    ("<div class='pagebreak'><h2>One</h2><p>The chapter goes on and on.</p></div>", ["The chapter goes on and on."]),
    ("<div class='col-lg-8'><p>First of it.</p><p>Second of it.</p></div>", ["First of it.", "Second of it."]),
    ('<p>The <a epub:type="glossref" href="#g">mitochondria</a> are small.</p>', ["The mitochondria are small."]),
    ('<p><span class="dropcap">“I</span> went.</p>', ["“I went."]),
    ("<ol><li value='7'>Seven</li></ol><ol type='a'><li>A thing</li></ol>", ["7. Seven", "A thing"]),
    (
        "".join(
            f"<p><span class='smcap'>{day}</span>. Rain.</p><p>More.</p><p>And more.</p>"
            for day in ("Monday", "Friday") * 2
        ),
        ["Monday. Rain.", "More.", "And more.", "Friday. Rain.", "More.", "And more."] * 2,
    ),
    ("<p>Text.</p><footer>© The site</footer>", ["Text."]),
    ("<header>Site</header><main><p>Text.</p></main><aside>Ads</aside>", ["Text."]),
    ("<div><p>Menu</p></div><article><h1>T</h1><p>Text.</p></article>", ["Text."]),
    ("<p>Call <a href='https://x.org/a'>us</a> at https://x.org/a now.</p>", ["Call us at https://x.org/a now."]),
    ("<p>He waits. [door slams] (whispering) So. <i>sighs</i> Yes.</p>", ["He waits. (whispering) So. (sighs) Yes."]),
    ("<p>one<p>two<p>three", ["one", "two", "three"]),
    ("<p>a &unknown; b</p>", ["a &unknown; b"]),
    ("<button>Play</button><p>Text.</p><select><option>A</option></select>", ["Text."]),
    ("<p>soft&shy;ly, zero&#8203;width.</p>", ["softly, zero\u200bwidth."]),
]


@pytest.mark.parametrize(("page", "lines"), PAIRS, ids=[page[:60] for page, _lines in PAIRS])
def test_a_piece_of_a_page(page: str, lines: list[str], tmp_path: Path) -> None:
    script = read_html(tmp_path, page)
    assert spoken_lines(script) == lines
    assert [e for e in script.ledgers[0].entries if e.reason == "unread"] == []


_OF_THE_WHOLE = ("<main", "<article", "href=", "<sup", "<footer", "<h2", "<h3")


def test_all_of_them_on_one_page_are_said_as_each_alone(tmp_path: Path) -> None:
    alone = [
        pair
        for pair in PAIRS
        if not any(sign in pair[0] for sign in ("<main", "<article", "href=", "<sup", "<footer", "<h2", "<h3"))
    ]
    page = "".join(f"<div>{part}</div>" for part, _lines in alone)
    lines = [line for _part, lines in alone for line in lines]
    assert spoken_lines(read_html(tmp_path, page)) == lines


@pytest.mark.parametrize(
    ("page", "turns"),
    [
        (
            "<p><b>Ann:</b> Hi.</p><p><b>Bob:</b> Hello.</p><p><b>Ann:</b> Bye.</p>",
            ["Ann: Hi.", "Bob: Hello.", "Ann: Bye."],
        ),
        (
            "<p class='speaker'>Roper.</p><p>Hi.</p><p class='speaker'>Nodding.</p><p>Yes.</p>"
            "<p class='speaker'>Roper.</p><p>Bye.</p>",
            ["Roper: Hi.", "Nodding: Yes.", "Roper: Bye."],
        ),
        (
            "<p><span class='speaker'>The Boy (pulling the dart out of the beam).</span> Hi.</p>"
            "<p><span class='speaker'>Ann.</span> Yes.</p><p><span class='speaker'>The Boy.</span> No.</p>",
            ["The Boy: Hi.", "Ann: Yes.", "The Boy: No."],
        ),
        (
            "".join(
                f"<p><span class='speaker'>{n}</span> Hi.</p>" for n in ("Mrs. Peachum.", "Filch.", "Mrs. Peachum.")
            ),
            ["Mrs. Peachum: Hi.", "Filch: Hi.", "Mrs. Peachum: Hi."],
        ),
        (
            "<p><span class='speaker'>Ann</span>: Hi.</p><p><b class='speaker'>Bob</b> – Yes.</p>"
            "<p class='speaker'>Ann</p><p>Bye.</p>",
            ["Ann: Hi.", "Bob: Yes.", "Ann: Bye."],
        ),
        (
            "".join(
                f"<p><span class='smcap'>{n}</span>.&nbsp; Hi.</p>" for n in ("lord goring", "mabel", "phipps") * 3
            ),
            ["lord goring: Hi.", "mabel: Hi.", "phipps: Hi."] * 3,
        ),
        ("<p>Ann: Hi.<br>Bob: Hello.<br>Ann: Bye.</p>", ["Ann: Hi.", "Bob: Hello.", "Ann: Bye."]),
        (
            "<p><strong>Ann</strong>: Hi.</p><p><strong>Bob</strong>: Yes.</p><p><strong>Ann</strong>: Bye.</p>",
            ["Ann: Hi.", "Bob: Yes.", "Ann: Bye."],
        ),
        (
            "<dl><dt>ANN</dt><dd>Hi.</dd><dt>BOB</dt><dd>Yes.</dd><dt>ANN</dt><dd>Bye.</dd></dl>",
            ["ANN: Hi.", "BOB: Yes.", "ANN: Bye."],
        ),
        (
            "<table><tr><td>Ann</td><td>Hi.</td></tr><tr><td>Bob</td><td>Yes.</td></tr><tr><td>Ann</td><td>Bye.</td></tr></table>",
            ["Ann: Hi.", "Bob: Yes.", "Ann: Bye."],
        ),
        (
            "<p>[00:12] <b>Ann:</b> Hi.</p><p>[00:15] <b>Bob:</b> Yes.</p><p>[00:19] <b>Ann:</b> Bye.</p>",
            ["Ann: Hi.", "Bob: Yes.", "Ann: Bye."],
        ),
        (
            "<p><b>Ann:</b> <i>(quietly)</i> Hi.</p><p><i>(He leaves.)</i></p>"
            "<p><b>Bob:</b> Yes.</p><p><b>Ann:</b> No.</p>",
            ["Ann: Hi.", "Bob: Yes.", "Ann: No."],
        ),
    ],
)
def test_labels_in_a_page(page: str, turns: list[str], tmp_path: Path) -> None:
    assert spoken_lines(read_html(tmp_path, page)) == turns


def test_headings_of_a_page_begin_chapters_as_those_of_markdown_do(tmp_path: Path) -> None:
    page = "<h1>The Book</h1><h2>One<br/>The Storm</h2><p>a</p><h2>Two</h2><p>b</p><h3>Below</h3><p>c</p>"
    script = read_html(tmp_path, page, "audiobook")
    assert [chapter.title for chapter in script.chapters] == ["One. The Storm", "Two"]
    assert spoken_lines(script) == ["One. The Storm", "a", "Two", "b", "Below", "c"]


@pytest.mark.parametrize("rule", ["<hr>", "<p>* * *</p>", "<p>⁂</p>", "<p class='tb'>&nbsp;</p>", "<p>#</p>"])
def test_scene_breaks(rule: str, tmp_path: Path) -> None:
    script = read_html(tmp_path, f"<p>One.</p>{rule}<p>Two.</p>")
    assert [turn.border for turn in script.chapters[0].turns] == ["chapter", "scene"]


def test_an_empty_paragraph_is_a_scene_break_where_it_is_rare(tmp_path: Path) -> None:
    words = [f"<p>Line {number}.</p>" for number in range(30)]
    rare = read_html(tmp_path, "".join(words[:15]) + "<p>&nbsp;</p>" + "".join(words[15:]))
    often = read_html(tmp_path, "<p>&nbsp;</p>".join(words))
    assert [turn.border for turn in rare.chapters[0].turns].count("scene") == 1
    assert [turn.border for turn in often.chapters[0].turns].count("scene") == 0


def test_places_are_the_lines_of_the_file(tmp_path: Path) -> None:
    script = read_html(tmp_path, "<p>One.</p>\n\n\n<p>Two.</p>")
    assert [turn.where for turn in script.chapters[0].turns] == ["page.html:2", "page.html:5"]


def test_deep_nesting_ends_with_a_message_or_the_text(tmp_path: Path) -> None:
    script = read_html(tmp_path, "<div>" * 1000 + "Deep." + "</div>" * 1000)
    assert spoken_lines(script) == ["Deep."]


def test_the_caption_of_a_picture_in_a_box_is_left_out(tmp_path: Path) -> None:
    """As that of a figure is; what is called a caption beside no picture is read."""
    box = "<div class='figcenter'><img src='a.jpg' alt='A cat'/><span class='caption'>The cat.</span></div>"
    script = read_html(tmp_path, f"{box}<p>One.</p><div><span class='caption'>Two.</span></div>")
    assert spoken_lines(script) == ["One.", "Two."]


def test_a_control_character_that_python_takes_for_white_space_is_accounted_for(tmp_path: Path) -> None:
    (ledger,) = read_html(tmp_path, "<p>One\x85two</p><p>\x85</p><p hidden=''>\x85</p>").ledgers
    assert ledger.text.count("\x85") == 3
    assert [entry.rule for entry in ledger.entries if entry.words == " "] == ["control character"]


def test_a_power_is_accounted_for(tmp_path: Path) -> None:
    script = read_html(tmp_path, "<p>So 10<sup>6</sup>, (a+b)<sup>2</sup>, 2<sup><i>x</i></sup>, 2<sup>n</sup>.</p>")
    assert spoken_lines(script) == ["So 10⁶, (a+b)², 2^x, 2ⁿ."]
    (ledger,) = script.ledgers
    powers = [(ledger.text[one.start : one.end], one.words) for one in ledger.entries if one.rule == "power"]
    assert powers == [("6", "⁶"), ("2", "²"), ("x", "^x"), ("n", "ⁿ")]
    assert "^" not in ledger.text


def test_what_is_struck_out_and_what_browsers_need_have_reasons_of_their_own(tmp_path: Path) -> None:
    (ledger,) = read_html(tmp_path, "<p>Yes <del>no</del> <s>nay</s> <strike>nope</strike> indeed.</p>").ledgers
    reasons = {passage.text: passage.reason for passage in ledger.passages()}
    assert reasons == {"T": "head", "no nay nope": "struck out"}
