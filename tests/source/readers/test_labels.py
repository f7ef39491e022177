"""Who speaks, in every form in which people write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.source.readers.markdown import parse_markdown
from pipeline.source.script import Kind, Reading, Script

FORMS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[2] / "data" / "labels.yaml").read_text("utf-8"))


def read(text: str, kind: Kind = "podcast", **reading: Any) -> Script:
    return parse_markdown(text, "s.md", title="Job", reading=Reading(kind, **reading))


def said(script: Script) -> list[tuple[str | None, str]]:
    return [(turn.speaker, turn.text) for chapter in script.chapters for turn in chapter.turns]


def notes(script: Script) -> list[str]:
    return [f"{note.where.partition(':')[2]}: {note.what}" for note in script.warnings]


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
     "### {n} {t}\n\n{l}", "**{n} {t}:** {l}", "{n} {t}: {l}", "{t}\n{n}: {l}", "**{n} {t}** - {l}", "[{n}] {t}: {l}"],
)  # fmt: skip
def test_names_with_times_around_them(pattern: str, kind: Kind) -> None:
    for time in TIMES.values():
        for short in (True, False):
            text = dialogue(pattern, time, short=short)
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


def test_what_may_be_a_label_is_told_of_in_one_note() -> None:
    text = (
        "**Ann:** Hi.\n\n**Bob:** Yo.\n\nMan in the back: Hurrah!\n\n**Ann** goes on.\n\n[Bob] too.\n\n"
        "**Ann:** So.\n\nthe king: I come.\n\n**Bob** - well.\n\n**Bob:** Bye."
    )
    (note,) = notes(read(text))
    assert note == (
        "5: 5 paragraphs with what may be a label, and read as text: Man in the back: (line 5), **Ann** (line 7), "
        "[Bob] (line 9), the king: (line 13), **Bob** - (line 15)."
    )
    assert notes(read(text, labels="none")) == []


def test_many_labels_of_nobody_are_told_of_in_one_note() -> None:
    text = "**Ann:** a\n\n**Bob:** b\n\n**Ann:** c\n\n**Bob:** d\n\n" + "".join(
        f"**Tip on {n}:** x\n\n" for n in "qrst"
    )
    note, end = notes(read(text))
    assert end == "11: the last 3 paragraphs bear no name, and are spoken by whoever spoke before."
    assert note.startswith('9: 4 labels are read as text, as none is a name that comes back: "Tip on q:" (line 9), ')


def test_a_form_that_is_given_is_the_only_one_and_its_advice_says_so() -> None:
    script = read("**Ann:** a\n\nBob: b\n\n**Ann:** c", labels="plain")
    assert [speaker for speaker, _text in said(script)] == [None, "Bob", "Bob"]
    assert any("speakers:" in note.next for note in script.warnings)
    assert all("take labels: out of it" in note.next for note in script.warnings if "speakers:" in note.next)


def test_a_short_name_of_two_people_is_told_of() -> None:
    script = read("**Ann Lee:** a\n\n**Ann Roe:** b\n\n**Ann:** c\n\n**Ann Lee:** d\n\n**Ann Roe:** e")
    assert '5: "Ann" may be Ann Lee or Ann Roe, and is taken for somebody else.' in notes(script)


@pytest.mark.parametrize(
    "text", ["Moscow. It snowed.", "Love — it was that.", "Psalm 23: The Lord.", "We've done it: we won."]
)
def test_what_comes_back_in_a_third_of_a_book_is_no_dialogue(text: str) -> None:
    prose = "It was late that night.\n\nThe rain went on.\n\nNobody came.\n\n"
    other = text.replace("Moscow", "Paris").replace("Love", "Hate").replace("23", "24")
    assert {speaker for speaker, _text in said(read(f"{prose}{text}\n\n{other}\n\n" * 2, "audiobook"))} == {None}


def test_tables_need_no_rule_and_their_titles_are_nobody() -> None:
    rows = "| Ann | Hello. |\n| Bob | Day. |\n| Ann | Bye. |\n"
    turns = [("Ann", "Hello."), ("Bob", "Day."), ("Ann", "Bye.")]
    for table in (rows, f"| Who | Line |\n|---|---|\n{rows}", f"| Name | Text |\n{rows}"):
        assert said(read(table)) == turns
    hosts = "| Host | Hello. |\n| Guest | Day. |\n| Host | Bye. |\n| Guest | Bye. |\n"
    assert [speaker for speaker, _text in said(read(hosts))] == ["Host", "Guest", "Host", "Guest"]


@pytest.mark.parametrize(
    "text",
    [
        'Said he: "It left."',
        "Dear Ann:",
        "In 1912:",
        "Note: the door is open.",
        "**Tip one:** put socks in them.",
        "**Rome:** a city.",
        "Let me see: four times five.",
        "The duke says: so it is.",
        "He is - as they say - late.",
        "[He] left.",
        "THE END.",
    ],
)
def test_prose_of_an_audiobook_names_nobody(text: str) -> None:
    """Not even where it comes back, but for what looks like a name."""
    prose = f"It was late, and nobody came to the door.\n\n{text}\n\nNobody at all, the whole night long."
    for again in (prose,) if "Rome" in text else (prose, f"{prose}\n\n{text}"):
        assert {speaker for speaker, _text in said(read(again, "audiobook"))} == {None}


def test_a_name_that_stands_once_counts_where_its_form_does() -> None:
    text = "Ann: Any questions?\n\nBob: Over there.\n\nVisitor: How old is it?\n\nAnn: A hundred.\n\nBob: At least."
    script = read(text, "audiobook")
    assert [speaker for speaker, _text in said(script)] == ["Ann", "Bob", "Visitor", "Ann", "Bob"]
    assert notes(script) == ["5: these speak once: Visitor."]
    assert said(read(text, not_speakers=("Visitor",)))[2] == ("Bob", "Visitor: How old is it?")


def test_the_producer_has_the_last_word() -> None:
    text = "**Ann:** Hi.\n\n**Tip one:** socks.\n\n**Ann:** Bye."
    assert said(read(text, cast=("Tip one",)))[1] == ("Tip one", "socks.")
    assert said(read(text, not_speakers=("Ann",)))[0] == (None, "Ann: Hi.")
    assert [speaker for speaker, _text in said(read(text, labels="none"))] == [None, None, None]
    assert said(read("Ann - Hi.\n\nSo it goes.\n\nWell.", labels="dash"))[0] == ("Ann", "Hi.")
    assert said(read("ANN: Hi.\n\nann lee: Bye.", cast=("Ann",), aliases={"ann lee": "Ann"})) == [
        ("Ann", "Hi."),
        ("Ann", "Bye."),
    ]


def test_a_label_that_is_none_is_told_of_with_its_line_and_what_to_write() -> None:
    (note,) = read("**Ann:** Hi.\n\n**Tip one:** socks.\n\n**Ann:** Bye.").warnings
    assert str(note) == (
        's.md:3: "Tip one:" is read as text, as it is no name that comes back. '
        "If it is a speaker, write speakers: [Tip one] in the manifest."
    )


def test_one_person_under_two_names_is_one_speaker() -> None:
    script = read("**Ann Lee:** a\n\n**Ann:** b\n\n**BOB:** c\n\n**Bob:** d", "audiobook")
    assert [speaker for speaker, _text in said(script)] == ["Ann Lee", "Ann Lee", "Bob", "Bob"]
    assert notes(script) == [
        '5: "BOB" and "Bob" are taken for one speaker, Bob.',
        '3: "Ann" is taken for Ann Lee.',
    ]
    two = read("**Ann Lee:** a\n\n**Ann Roe:** b\n\n**Ann:** c\n\n**Ann Lee:** d\n\n**Ann Roe:** e")
    assert [speaker for speaker, _text in said(two)] == ["Ann Lee", "Ann Roe", "Ann", "Ann Lee", "Ann Roe"]


def test_two_at_once_are_told_of() -> None:
    script = read("Ann: a\n\nBob: b\n\nANN AND BOB: c\n\nAnn: d\n\nBob: e")
    assert said(script)[2] == ("ANN AND BOB", "c")
    assert '5: "ANN AND BOB" is spoken by one voice.' in notes(script)


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


def test_lines_of_metadata_before_the_first_speaker_are_text() -> None:
    text = "**Campaign:** Fens\n\n**Players Present:** two\n\n" + "**Ann:** a\n\n**Bob:** b\n\n" * 2
    assert [speaker for speaker, _text in said(read(text))] == [None, None, "Ann", "Bob", "Ann", "Bob"]


def test_a_list_of_terms_is_no_dialogue() -> None:
    text = "Some words.\n\n- **Docker:** a tool.\n- **Kamal:** another.\n\nThat is all, and it is enough."
    assert {speaker for speaker, _text in said(read(text))} == {None}


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


@pytest.mark.parametrize(
    "text",
    [
        "<h2>Attendees</h2>\nAda and Ben.\n\n<h2>Closing</h2>\nDone.",
        "2020-04-02: Josh believes it.\n\n2020-04-02: Nothing new.\n\n2020-04-02: We went on.",
        "Proposal 1: use C.\n\nIt is the same.\n\nProposal 3: use an ABI.\n\nProposal 1: no.\n\nProposal 3: yes.",
        "5m: Intro\n\n10m: Talk\n\n5m: Questions\n\n10m: End",
    ],
)
def test_headings_dates_and_items_speak_nothing(text: str) -> None:
    assert {speaker for speaker, _text in said(read(text))} == {None}


def test_persons_of_a_play_and_stage_directions_speak_nothing() -> None:
    text = (
        "DRAMATIS PERSONAE\n\nALONSO, King\nBOATSWAIN\nMARINERS\n\nMIRANDA, Daughter\n\nACT 1\n\nBOATSWAIN.\nHere!\n\n"
        "_Exit ALONSO_\n\nSo.\n\nALONSO.\nHave care.\n\nBOATSWAIN.\nHeigh!\n\nALONSO.\nWhere?"
    )
    turns = [turn for turn in said(read(text, "audiobook")) if turn[0]]
    assert turns == [
        ("BOATSWAIN", "Here!"),
        ("BOATSWAIN", "So."),
        ("ALONSO", "Have care."),
        ("BOATSWAIN", "Heigh!"),
        ("ALONSO", "Where?"),
    ]


def test_a_name_that_stands_in_another_form_alone_is_text() -> None:
    text = "**Esel:** a\n\n**Bileam:** b\n\n> *Type:* aor\n\n**Esel:** c\n\n**Bileam:** d\n\n> *Type:* mayim"
    assert {speaker for speaker, _text in said(read(text))} == {"Esel", "Bileam"}


def test_speakers_by_their_place_alone_are_told_of() -> None:
    text = "Silence. Nothing moved.\n\nDarkness. He waited.\n\n" * 2
    (note,) = notes(read(text, "audiobook"))
    assert note == "1: Silence, Darkness are taken for speakers by where they stand (form: stop)."
    assert notes(read(text, "audiobook", cast=("Silence",))) == notes(read(text, labels="none")) == []


def test_a_name_within_a_line_of_a_book_is_no_label() -> None:
    text = "Marlowe: that was the name. He knew it.\n\nHe read it again. Marlowe: so it was.\n\nThe end came."
    assert {speaker for speaker, _text in said(read(text, "audiobook"))} == {None}


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


def test_questions_and_answers_of_a_court() -> None:
    talk = "THE COURT: Go on.\n\nMR. FOX: Yes.\n\n"
    text = talk * 3 + "Q.  Where were you?\n\nA.  At home.\n\n" * 3 + talk
    assert {speaker for speaker, _text in said(read(text))} == {"THE COURT", "MR. FOX", "Q", "A"}


def test_names_without_marks_on_lines_of_their_own() -> None:
    text = "Ann\nHi there.\n\nBob\nHow are you?\n\nAnn\nFine, thanks.\n\nBob\nGood to hear."
    assert [speaker for speaker, _text in said(read(text))] == ["Ann", "Bob", "Ann", "Bob"]
    verse = "The River\nflows down the hill\n\nThe Hill\nstands by the river"
    assert {speaker for speaker, _text in said(read(verse))} == {None}


def test_paragraphs_without_a_name_at_the_end_are_told_of() -> None:
    text = "**Ann:** a\n\n**Bob:** b\n\n**Ann:** c\n\nd\n\nThanks.\n\nMusic by x.\n\nBye."
    assert "9: the last 3 paragraphs bear no name, and are spoken by whoever spoke before." in notes(read(text))


def test_the_short_name_of_the_cast_is_meant_by_the_long_one() -> None:
    script = read("Ann Lee: a\n\nBob: b\n\nAnn: c\n\nBob: d", cast=("Ann", "Bob"))
    assert [speaker for speaker, _text in said(script)] == ["Ann", "Bob", "Ann", "Bob"]
    assert '1: "Ann Lee" is taken for Ann.' in notes(script)


def test_who_is_no_speaker_does_not_change_how_others_are_read() -> None:
    text = "Ann 0:01\nHi there.\n\nBob 0:04\nYes.\n\nAnn 0:07\nSo.\n\nBob 0:09\nNo."
    assert ("Bob", "Yes.") in said(read(text, not_speakers=("Ann",)))
