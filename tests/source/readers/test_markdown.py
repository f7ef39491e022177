from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.prose.inline import plain
from pipeline.source.script import Reading, Script, Turn
from tests.support.readings import parse_markdown

Said = tuple[str | None, str]


def parse(text: str, kind: Literal["podcast", "audiobook"] = "podcast", cast: tuple[str, ...] = ()) -> Script:
    return parse_markdown(text, "s.md", title="Job", reading=Reading(kind, cast=cast))


def turns(script: Script) -> list[Turn]:
    return [turn for chapter in script.chapters for turn in chapter.turns]


def said(script: Script) -> list[Said]:
    return [(turn.speaker, turn.text) for turn in turns(script)]


TRANSCRIPT = """\
---
title: Episode 7
guest: Jo
---

**Adam Smith:** Hello… and *welcome*! \\[laughs\\] We are \\[01:33\\] live \\[crosstalk\\], I think.

As I was saying, see [the notes](https://example.org/a:b).

**Jo O'Neill:** \\[00:07:12\\] Thanks. \\[unintelligible\\] It's a \\[sic\\] pleasure.

**Break:** \\[15:33\\]

**Adam Smith:** \\[laughs\\]
"""


def test_a_podcast_transcript() -> None:
    script = parse(TRANSCRIPT)
    assert said(script) == [
        ("Adam Smith", "Hello… and welcome! (laughs) We are live, I think."),
        ("Adam Smith", "As I was saying, see the notes."),
        ("Jo O'Neill", "Thanks. It's a pleasure."),
        ("Adam Smith", "(laughs)"),
    ]
    assert [turn.border for turn in turns(script)] == ["chapter", "paragraph", "turn", "turn"]
    assert [turn.where for turn in turns(script)] == ["s.md:6", "s.md:8", "s.md:10", "s.md:14"]
    assert script.warnings == ()


def test_plain_dialogue_and_prose_with_colons() -> None:
    text = "Ann: Hi there.\nBob: Hello.\nAnn: It is 12:30.\nBob: See http://x.org now.\n\nNote: this is once.\n"
    assert said(parse(text)) == [
        ("Ann", "Hi there."),
        ("Bob", "Hello."),
        ("Ann", "It is 12:30."),
        ("Bob", "See http://x.org now."),
        ("Bob", "Note: this is once."),
    ]
    assert said(parse("Note: this is once.", "audiobook")) == [(None, "Note: this is once.")]


def test_audiobook_prose() -> None:
    text = "# The *Storm*\n\nIt was late,\ndark.\n\n**Ann:** Who's there?\n\nNobody.\n\n***\n\nMorning.\n"
    script = parse(text, "audiobook", ("Ann",))
    assert script.chapters[0].title == "The Storm"
    assert [(t.speaker, t.text, t.border) for t in turns(script)] == [
        (None, "The Storm", "chapter"),
        (None, "It was late, dark.", "heading"),
        ("Ann", "Who's there?", "turn"),
        (None, "Nobody.", "turn"),
        (None, "Morning.", "scene"),
    ]


@pytest.mark.parametrize(
    ("line", "speaker", "text"),
    [
        ("**Ann:** hi", "Ann", "hi"),
        ("**Ann**: hi", "Ann", "hi"),
        ("__Ann:__ hi", "Ann", "hi"),
        ("***Ann:*** hi", "Ann", "hi"),
        ("**speaker_1:** hi", "speaker_1", "hi"),
        ("**Ann** (00:12): hi", "Ann", "hi"),
        ("**Ann (00:12):** hi", "Ann", "hi"),
        ("Cy [00:12]: hi", "Cy", "hi"),
        ("Cy (1:00:12): hi", "Cy", "hi"),
        ("**Ann:** \\[01:33\\] hi", "Ann", "hi"),
        ("[00:12] Cy: hi", "Cy", "hi"),
        ("\\[00:12.500\\] **Ann:** hi", "Ann", "hi"),
        ("> **Ann:** hi", "Ann", "hi"),
        ("- **Ann:** hi", "Ann", "hi"),
        ("**[Ann](https://x.org):** hi", "Ann", "hi"),
        ("Cy:\nhi", "Cy", "hi"),
        ("Cy:\n\nhi", "Cy", "hi"),
        ("Cy: hi\nthere", "Cy", "hi there"),
        ("Bob: hi", None, "Bob: hi"),
        ("http: hi\n\nhttp: hi", None, "http: hi"),
        ("12:30 is late", None, "12:30 is late"),
        ("cy: hi", "Cy", "hi"),
        ("**Bold** start: hi", None, "Bold start: hi"),
        ("Well, then: hi\n\nWell, then: hi", None, "Well, then: hi"),
        ("Dr. Who: hi\n\nDr. Who: hi", "Dr. Who", "hi"),
        ("**Guest:** x\n\nGuest: hi", "Guest", "x"),
        ("[S1] hi", "S1", "hi"),
        ("\\[S2\\] hi", "S2", "hi"),
    ],
)
def test_labels(line: str, speaker: str | None, text: str) -> None:
    assert said(parse(line, cast=("Cy",)))[0] == (speaker, text)
    assert said(parse(line, "audiobook", ("Cy", "Ann", "speaker_1")))[0] == (speaker, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a **b** _c_ `d` snake_case_word", "a b c d snake_case_word"),
        ('[text](http://x.y "t") <https://x.org> https://a_b.org', "text https://x.org https://a_b.org"),
        ("see [text][ref] and [ref]\n\n[ref]: https://x.org 'T'", "see text and ref"),
        ("a ![pic](x.png) b", "a b"),
        ("a <b>c</b>d<br>e", "a cd e"),
        ("AT&amp;T &copy; 1 \\* 2 & 3 < 4", "AT&T © 1 * 2 & 3 < 4"),
        ("one\ntwo  \nthree\\\nfour", "one two three four"),
        ("a[^1] b.[^note]\n\n[^1]: not read\nat all", "a b."),
        ("a <!-- b\nc --> d", "a d"),
        (
            "[laughter] x [applause] [both chuckle] [clears throat]",
            "(laughs) x (applause) (chuckle) (clears throat)",
        ),
        ("(laughs) x", "(laughs) x"),
        ("a \\[music\\] b [inaudible 00:12] c [foreign language], d [1:02:33.5]", "a b c, d"),
        ("[00:01.0 --> 00:02.0] a [he] said [[x]]", "a he said x"),
        ("> quoted\n> lines", "quoted lines"),
        ("cafe\u0301\u00a0x", "café x"),
        ("It was\n1984. Then", "It was 1984. Then"),
        ("*(door)*\n_\\[wind\\]_\na", "a"),
        ("![](a.png)\n\na", "a"),
        ("    indented", "indented"),
        ("#hashtag", "#hashtag"),
    ],
)
def test_inline_markup_becomes_display_text(source: str, text: str) -> None:
    script = parse(source)
    assert [turn.text for turn in turns(script)] == text.split("\n")
    assert script.warnings == ()


@pytest.mark.parametrize("rule", ["---", "***", "___", "* * *", "- - -", "-----", "## Later", "### Later ###"])
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_scene_breaks(rule: str, gap: str) -> None:
    script = parse(f"**Ann:** a{gap}{rule}{gap}b")
    assert [(t.speaker, t.text, t.border) for t in turns(script)] == [
        ("Ann", "a", "chapter"),
        ("Ann", "b", "scene"),
    ]
    script = parse(f"**Ann:** a{gap}{rule}{gap}b", "audiobook", ("Ann",))
    later = [(None, "Later", "scene"), (None, "b", "heading")] if "L" in rule else [(None, "b", "scene")]
    assert [(t.speaker, t.text, t.border) for t in turns(script)] == [("Ann", "a", "chapter"), *later]


def test_chapters_and_what_stands_before_them() -> None:
    script = parse("before\n\n# One #\n\n**Ann:** a\n\nTwo\n===\nb\n\n# Empty\n")
    assert [(c.title, c.where, [t.text for t in c.turns]) for c in script.chapters] == [
        ("Job", "s.md:1", ["before"]),
        ("One", "s.md:3", ["a"]),
        ("Two", "s.md:7", ["b"]),
        ("Empty", "s.md:11", []),
    ]
    assert [t.speaker for t in turns(script)] == [None, "Ann", None]


@pytest.mark.parametrize(
    ("text", "pauses", "end"),
    [
        ("a\n\n[pause 1.5s]\n\nb", [None, 1.5], 0),
        ("a [pause: 500ms] b", [None, 0.5], 0),
        ("a \\[pause 2\\] b [Pause 1 s]", [None, 2], 1),
        ("[pause 1s]\n[pause 2s]\na", [3], 0),
        ("a [pause 1s].", [None], 1),
        ("a\n\n[pause 2]\n\n---\n\nb", [None, 2], 0),
        ("a [long pause] b", [None, 1.5], 0),
    ],
)
def test_pauses(text: str, pauses: list[float | None], end: float) -> None:
    (chapter,) = parse(text).chapters
    assert [turn.pause_s for turn in chapter.turns] == pauses
    assert chapter.end_pause_s == end


@pytest.mark.parametrize(
    ("text", "pause_s"),
    [("[pause 90s] a", 60), ("[pause -1] a", 0), ("[pause 40] [pause 40] a", 60), ("[pause a bit] a", None)],
)
def test_absurd_pauses_are_clamped_with_a_warning(text: str, pause_s: float | None) -> None:
    script = parse("\n" + text)
    assert turns(script)[0].pause_s == pause_s
    assert [warning.where for warning in script.warnings] == ["s.md:2"]


def test_a_pause_in_mid_paragraph_keeps_the_speaker() -> None:
    script = parse("**Ann:** a [pause 1s] b", "audiobook", ("Ann",))
    assert [(t.speaker, t.text, t.border) for t in turns(script)] == [
        ("Ann", "a", "chapter"),
        ("Ann", "b", "paragraph"),
    ]


@pytest.mark.parametrize(
    ("text", "place", "heard"),
    [
        ("a\n\n```py\nx: 1\n# y\n```\nb", "s.md:3", ["a", "b"]),
        ("a\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\nb", "s.md:3", ["a", "x, y", "1, 2", "b"]),
        ("a\nb\x07\x0cc", "s.md:2", ["a b c"]),
        ("a\n\n<!-- b", "s.md:3", ["a", "b"]),
    ],
)
def test_what_is_not_read_as_written_is_warned_of(text: str, place: str, heard: list[str]) -> None:
    script = parse(text)
    assert [turn.text for turn in turns(script)] == heard
    assert [warning.where for warning in script.warnings] == [place]


def test_two_scene_breaks_are_no_front_matter() -> None:
    assert said(parse("---\nHe came: late, and he left\n---\n")) == []
    assert said(parse("---\nHe came, late.\n---\nend")) == [(None, "He came, late."), (None, "end")]


MARKS = """# ~## ~> ~- ~1. ~**Ann:** ~Bob: ~[S1] ~[pause 1s] ~---~===~```~<!--~-->~[^1]: ~
[x]: /u~*(~)*~\\[~\\]~[~]
~(laughs)~\n~\n~\n\n~é ~w ~| a |~|---|"""
LINES = st.sampled_from(MARKS.split("~"))


@given(st.one_of(st.text(), st.lists(LINES, max_size=25).map("".join)))
def test_any_text_parses_into_clean_turns(text: str) -> None:
    for kind in ("podcast", "audiobook"):
        for turn in turns(parse(text, kind, ("Ann",))):
            assert turn.text
            assert turn.text == " ".join(turn.text.split())


@given(st.lists(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1), max_size=8))
def test_words_keep_their_order(paragraphs: list[list[str]]) -> None:
    text = "\n\n".join("\n".join(paragraph) for paragraph in paragraphs)
    heard = [word for turn in turns(parse(text)) for word in turn.text.split()]
    assert heard == [word for paragraph in paragraphs for word in paragraph]


@given(st.text(alphabet="abc ,.!?:;'\"()-é"))
def test_plain_text_does_not_need_the_parser(text: str) -> None:
    assert plain(text) == plain(f"{text}<!-- -->") == " ".join(text.split())
