"""Who speaks, in every form in which people write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.source.script import Kind
from tests.support.readings import read, said

FORMS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[2] / "data" / "labels.yaml").read_text("utf-8"))


@pytest.mark.parametrize("form", FORMS, ids=[form["text"].splitlines()[0] for form in FORMS])
def test_every_form_is_read(form: dict[str, Any]) -> None:
    """In a podcast, and in an audiobook whose cast has the names."""
    turns = [(speaker, text) for speaker, text in form["turns"]]
    assert said(read(form["text"])) == turns
    names = tuple(dict.fromkeys(speaker for speaker, _text in turns if speaker))
    assert said(read(form["text"], "audiobook", cast=names)) == turns


LINES = ("Good morning.", "Thanks for having me.", "Where do we start?", "At the old bridge.", "So be it.", "Go on.")
CLOCKS = ("00:00:03", "00:00:13", "00:01:23", "00:02:33", "00:03:43", "00:04:53")
TIMES = {"[]": "[{}]", "()": "({})", "bare": "{}", "@": "@{}", "escaped": "\\[{}\\]"}
COLONS = ("**{}:**", "**{}**:", "__{}__:", "*{}:*", "_{}_:", "{}:", "{}：", "[{}]:", "<b>{}:</b>", "🎙️ {}:", "- **{}:**")
OTHERS = ("[{}]", "[{}] -", "{} -", "{} —", "**{}** –", "<v {}>")


def dialogue(pattern: str, time: str = "", *, short: bool = False, between: str = "\n\n") -> str:
    """Six lines of two people; `pattern` says where the name {n}, the time {t} and the words {l} stand."""
    paragraphs: list[str] = []
    for index, (line, clock) in enumerate(zip(LINES, CLOCKS, strict=True)):
        shown = time.format(clock[4:] if short else clock)
        paragraphs.append(pattern.format(n=("Ann", "Bob")[index % 2], t=shown, l=line))
    return between.join(paragraphs) + "\n"


SPOKEN = [(("Ann", "Bob")[index % 2], line) for index, line in enumerate(LINES)]


@pytest.mark.parametrize("style", [*COLONS, *OTHERS])
@pytest.mark.parametrize("kind", ["podcast", "audiobook"])
def test_every_style_with_every_time_in_every_place(style: str, kind: Kind) -> None:
    name = style.format("{n}")
    for between in ("\n\n", "\n"):
        assert said(read(dialogue(f"{name} {{l}}", between=between), kind)) == SPOKEN
    for time in TIMES.values():
        for short in (True, False):
            places = ["{t} " + name + " {l}"] if not name.startswith("- ") else []
            if style in COLONS:
                places += [f"{name} {{t}} {{l}}", f"{name}\n{{t}} {{l}}", f"{name} {{t}}\n{{l}}"]
            elif style[-1] in "-—–":
                places.append(style[:-1].format("{n}") + "{t} " + style[-1] + " {l}")
            for place in places:
                text = dialogue(place, time, short=short)
                assert said(read(text, kind)) == SPOKEN, text


@pytest.mark.parametrize("kind", ["podcast", "audiobook"])
@pytest.mark.parametrize(
    "pattern",
    ["{n} {t}:\n{l}", "{n}  {t}\n{l}", "{n} {t}\n\n{l}", "**{n}** {t}\n{l}", "**{n}** {t} {l}", "{t} **{n}**\n{l}",
     "{t} **{n}** {l}",
     "### {n} {t}\n\n{l}", "**{n} {t}:** {l}", "{n} {t}: {l}", "{t}\n{n}: {l}", "**{n} {t}** - {l}", "[{n}] {t}: {l}"],
)  # fmt: skip
def test_names_with_times_around_them(pattern: str, kind: Kind) -> None:
    for time in TIMES.values():
        for short in (True, False):
            text = dialogue(pattern, time, short=short)
            assert said(read(text, kind)) == SPOKEN, text
            if "\n" not in pattern:
                text = dialogue(pattern, time, short=short, between="\n")
                assert said(read(text, kind)) == SPOKEN, text


@pytest.mark.parametrize(
    "names", [("🦊", "🐻"), ("田中", "鈴木"), ("שרה", "דוד"), ("danny", "mia_b"), ("Guard #1", "Guard #2")]
)
def test_names_need_no_capitals(names: tuple[str, str]) -> None:
    text = "".join(f"{names[index % 2]}: {line}\n\n" for index, line in enumerate(LINES))
    for kind in ("podcast", "audiobook"):
        assert said(read(text, kind)) == [(names[index % 2], line) for index, line in enumerate(LINES)]


def test_nicknames_with_times_count_beside_full_names() -> None:
    text = "0:01\tAnn Lee:\tHi.\n\n0:05\tdanny:\tHello.\n\n0:09\tAnn Lee:\tSo.\n\n0:11\tmia:\tYes.\n\n0:15\tdanny:\tNo."
    assert [speaker for speaker, _text in said(read(text))] == ["Ann Lee", "danny", "Ann Lee", "mia", "danny"]


def test_invisible_characters_make_no_second_person() -> None:
    text = "A\u200bnn: Hi.\n\nBob: Day.\n\nAnn: Bye.\n\n\ufeffBob: Go."
    assert [speaker for speaker, _text in said(read(text))] == ["Ann", "Bob", "Ann", "Bob"]


def test_a_label_between_two_of_another_counts_within_a_line() -> None:
    assert said(read("Ann: Hi. Bob: Hello. Ann: Bye.")) == [("Ann", "Hi."), ("Bob", "Hello."), ("Ann", "Bye.")]


def test_tables_need_no_rule_and_their_titles_are_nobody() -> None:
    rows = "| Ann | Hello. |\n| Bob | Day. |\n| Ann | Bye. |\n"
    turns = [("Ann", "Hello."), ("Bob", "Day."), ("Ann", "Bye.")]
    for table in (rows, f"| Who | Line |\n|---|---|\n{rows}", f"| Name | Text |\n{rows}"):
        assert said(read(table)) == turns
    hosts = "| Host | Hello. |\n| Guest | Day. |\n| Host | Bye. |\n| Guest | Bye. |\n"
    assert [speaker for speaker, _text in said(read(hosts))] == ["Host", "Guest", "Host", "Guest"]


def test_a_time_alone_goes_on_with_the_same_speaker() -> None:
    text = "Ann Lee (00:00:03):\nGood evening.\n\n(00:01:21):\nTonight we look at maps."
    for kind in ("podcast", "audiobook"):
        assert said(read(text, kind)) == [("Ann Lee", "Good evening."), ("Ann Lee", "Tonight we look at maps.")]


def test_a_break_with_nothing_but_times_is_a_cue() -> None:
    text = (
        "**[INTRO - bells fade]**\n\n**Ann:** Hello. \\[door song 00:00:40\\]\n\n**Break:** \\[01:10\\] to \\[02:05\\]"
    )
    assert said(read(text)) == [("Ann", "Hello.")]


def test_a_play_has_speakers_and_no_directions() -> None:
    text = (
        "MARY.\n\n[_Opening the door._] Who is there?\n\nJOHN.\n\nOnly me. (_He laughs._)\n\nMARY.\n\nCome in.\n\nDo."
    )
    turns = [("MARY", "Who is there?"), ("JOHN", "Only me."), ("MARY", "Come in."), ("MARY", "Do.")]
    for kind in ("podcast", "audiobook"):
        assert said(read(text, kind)) == turns


def test_numbers_of_verses_are_no_times() -> None:
    text = "3:16 For God so loved\n\n3:17 For God sent not\n\n3:18 He that believeth\n\n3:19 And this is"
    assert [words for _speaker, words in said(read(text))] == text.split("\n\n")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ann: hi\n\nMay: hello\n\nAnn: how?\n\nMay: fine\n\nAnn: ok\n\nMay: ok", ["Ann", "May"]),
        ("mary ann: hi\njo: hey\nmary ann: so\njo: hey", ["mary ann", "jo"]),
        ("[danny]: hi\n\n[mo]: hey\n\n[danny]: hi\n\n[mo]: hey", ["danny", "mo"]),
        ("@ann: Hi.\n\n@bob: Yes.\n\n@ann: x.\n\n@bob: No.", ["ann", "bob"]),
        ("[10:02] <ann> hello all\n[10:02] <ben> hi\n[10:03] <ann> so\n[10:04] <ben> yes", ["ann", "ben"]),
        ("**\\<fluffy>** hey all  \n**\\<hyc>** hey  \n**\\<fluffy>** so  \n**\\<hyc>** fine", ["fluffy", "hyc"]),
        ("2020-11-02 15:58:54\tada\tHi\n2020-11-02 15:59:10\tben\tHello\n2020-11-02 15:59:30\tada\tSo", ["ada", "ben"]),
        (
            "<p class=irc><cite>ada:</cite> hi</p>\n<p class=irc><cite>ben:</cite> yes</p>\n"
            "<cite>ada:</cite> so\n<cite>ben:</cite> x",
            ["ada", "ben"],
        ),
        ("**Ann:** x\n\n**A. (lead):** y\n\n**Ann:** z\n\n**A.:** u", ["Ann", "A"]),
        (
            "### [00:00] Ann Lee\n\n**English:**\nHi.\n\n### [00:03] Bob Fox\n\n**English:**\nYes.",
            ["Ann Lee", "Bob Fox"],
        ),
        ("**Ann**: Hi.\n\n**Bob**: Yes.\n\n…: And so on.\n\n**Ann**: Bye.", ["Ann", "Bob"]),
    ],
)
def test_names_of_minutes_and_chats(text: str, names: list[str]) -> None:
    assert list(dict.fromkeys(speaker for speaker, _text in said(read(text)))) == names


@pytest.mark.parametrize("kind", ["podcast", "audiobook"])
@pytest.mark.parametrize("name", ["Dr. Smith", "John Q. Public", "J. R. Tolkien", "speaker_00", "St. John"])
@pytest.mark.parametrize("style", ["{}:", "**{}:**", "_{}:_", "**{}** –", "<v {}>", "**{}**\n", "{}  0:05\n", "{} -"])
def test_names_with_stops_and_signs_are_whole(name: str, style: str, kind: Kind) -> None:
    label, other = style.format(name), style.format("Maria")
    text = f"{other} Good evening.\n\n{label} Hello you.\n\n" * 2
    assert said(read(text, kind)) == [("Maria", "Good evening."), (name, "Hello you.")] * 2


@pytest.mark.parametrize(
    "text",
    [
        "Ann: Hello there.\n\nBob: 9:15 works for me.\n\nAnn: 10:30 is the best I can do.\n\nBob: Fine.",
        "**Ann:** (10:30) is the best.\n\n**Bob:** So.",
        "He woke.\n\n10:30\n\nHe slept.",
    ],
)
def test_times_that_are_said_are_no_stamps(text: str) -> None:
    assert "10:30" in " ".join(words for _speaker, words in said(read(text)))


def test_a_play_with_names_above_and_before_what_is_said() -> None:
    text = "MARY.\nHello.\n\nJOHN.\nHi.\n\nANN.\nOk.\n\nMARY. (_Aside._) So.\n\nJOHN.\n(Opening the door.) Well."
    turns = [("MARY", "Hello."), ("JOHN", "Hi."), ("ANN", "Ok."), ("MARY", "So."), ("JOHN", "Well.")]
    assert said(read(text)) == turns


@pytest.mark.parametrize(
    "text",
    [
        "A plan for the day.\n\nBreakfast 7:30\nLunch 12:30\nDinner 19:00\n\nThat was the plan.",
        "6:30 I got up.\n\n7:00 I ate.\n\n8:15 I left.\n\n17:00 I came home.",
        "He looked.\n\n12:30\n\nToo late.\n\n12:45\n\nHe gave up.",
    ],
)
def test_times_of_a_book_are_read(text: str) -> None:
    turns = said(read(text, "audiobook"))
    assert {speaker for speaker, _text in turns} == {None}
    assert "".join(words for _speaker, words in turns).count(":") == text.count(":")


def test_numbers_that_somebody_says_are_no_pages() -> None:
    turns = said(read("**Ann:** Numbers?\n\n**Bob:** Here:\n\n7\n\n8\n\n9\n\n**Ann:** None."))
    assert [words for _speaker, words in turns] == ["Numbers?", "Here:", "7", "8", "9", "None."]


def test_linked_times_are_stamps() -> None:
    text = "* **[00:00](#t=00:00)** Welcome!\n* **[01:57](#t=01:57)** Brought to you."
    assert [words for _speaker, words in said(read(text))] == ["Welcome!", "Brought to you."]


def test_rows_of_a_long_table_are_read_in_time_that_grows_with_them() -> None:
    text = "".join(f"| {('Ann', 'Bob')[index % 2]} | hi {index} |\n" for index in range(5000))
    assert len(said(read(text))) == 5000
