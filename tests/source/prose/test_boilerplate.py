"""What a file holds beside its text is left out, and told of; nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.script import Reading, Script
from tests.support.readings import parse_markdown


def read(text: str, cast: tuple[str, ...] = (), *, plain_text: bool = False) -> Script:
    return parse_markdown(text, "s.md", title="Job", reading=Reading(cast=cast), plain_text=plain_text)


def said(script: Script) -> list[str]:
    return [turn.text for chapter in script.chapters for turn in chapter.turns]


def left_out(script: Script) -> list[tuple[str, str]]:
    return [(one.reason, one.text) for one in script.ledgers[0].passages() if one.words is None]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('+++\ntitle = "Maps"\n+++\n', "front matter"),
        ("---\ntitle: Maps\ntags: [a]\n---\n", "front matter"),
        ("title:  Intro\nID: 1\n\n", "front matter"),
        ("% Maps\n% Ann Lee\n\n", "front matter"),
        ("{% include x %}\n\n", "template"),
        ("{{< youtube id >}}\n\n", "template"),
        ("{#id .unnumbered}\n\n", "markup"),
        ("::: {.chapter}\n", "markup"),
        ("\\newpage\n\n", "markup"),
        ("@page-break\n\n", "markup"),
        ("<!-- a\nb -->\n\n", "comment"),
        ("%% hidden\nwords %%\n\n", "comment"),
        ("[//]: # (a comment)\n\n", "comment"),
        ("```py\n# int a;\n```\n\n", "code"),
        ("> ```\n> # int a;\n> ```\n\n", "code"),
        ("<script>\nvar a;\n\nb\n</script>\n\n", "code"),
        ("<style>p {color: red}</style>\n\n", "code"),
        ("[Illustration: a map]\n\n", "picture"),
        ("[Footnote 1: of two\nlines]\n\n", "footnote"),
        ("[Pg 12]\n\n", "page number"),
        ("[Transcriber's Note: as printed]\n\n", "boilerplate"),
        ("[TOC]\n\n", "markup"),
        ("## Table of Contents\n\n- [One](#one)\n- [Two](#two)\n\n", "contents"),
        ("CONTENTS\n\nI. The Map  3\nII. The Ship  9\n\n", "contents"),
        ("[ep]: {{ page.url }}\n\n", "link target"),
    ],
)
def test_boilerplate_has_a_reason(source: str, reason: str) -> None:
    script = read(f"{source}It went on from there, for a long while and to the end.\n")
    assert said(script) == ["It went on from there, for a long while and to the end."]
    assert {other for other, _text in left_out(script)} - {"markup", "template"} <= {reason}
    assert reason in {other for other, _text in left_out(script)}


def test_dialogue_between_scene_breaks_is_no_front_matter() -> None:
    text = "---\nAnn: Good morning.\nBen: Thanks.\n---\n"
    for script in (read(text, ("Ann", "Ben")), read(text)):
        turns = [(turn.speaker, turn.text) for turn in script.chapters[0].turns]
        assert turns == [("Ann", "Good morning."), ("Ben", "Thanks.")]


def test_doubtful_front_matter_is_told_of() -> None:
    (note,) = read("---\nsounds: rain\n---\n\nHello.").warnings
    assert (note.where, "front matter" in note.what) == ("s.md:1", True)


def test_a_fence_that_is_never_closed_is_an_error_and_what_follows_is_read() -> None:
    script = read("One.\n\n```\nTwo.\n\n# Next\n\nThree.")
    assert said(script) == ["One.", "Two.", "Three."]
    (problem,) = script.problems
    assert (problem.where, "never closed" in problem.what) == ("s.md:3", True)


def test_tildes_between_empty_lines_are_a_scene_break() -> None:
    script = read("One.\n\n~~~\n\nTwo.\n\n~~~\n\n# Next\n\nThree.")
    assert [[(turn.text, turn.border) for turn in chapter.turns] for chapter in script.chapters] == [
        [("One.", "chapter"), ("Two.", "scene")],
        [("Three.", "chapter")],
    ]


GUTENBERG = """\
The Project Gutenberg eBook of Maps

Title: Maps
Author: Ann Lee

*** START OF THE PROJECT GUTENBERG EBOOK MAPS ***

Produced by two people and
the proofreaders

MAPS

by Ann Lee

CONTENTS

CHAPTER I. The Sea
CHAPTER II. The Land

CHAPTER I.

The Sea

It was _dark_ and =cold=.[1] They went.

[Footnote 1: In winter.]

CHAPTER II. The Land

They came back, [Pg 7] all of them.

Transcriber's Notes:

A comma was added.

*** END OF THE PROJECT GUTENBERG EBOOK MAPS ***

Updated editions will replace the previous one.
"""


def test_a_book_of_project_gutenberg() -> None:
    script = read(GUTENBERG, plain_text=True)
    assert [(chapter.title, [turn.text for turn in chapter.turns]) for chapter in script.chapters] == [
        ("Job", ["MAPS", "by Ann Lee"]),
        ("CHAPTER I.", ["The Sea", "It was dark and cold. They went."]),
        ("CHAPTER II. The Land", ["They came back, all of them."]),
    ]
    reasons = {reason for reason, _text in left_out(script)}
    assert reasons == {"boilerplate", "contents", "footnote", "page number", "chapter title"}


REMARKS = (
    *("%% a remark", "%%", "{% and later", "%} ends", "{{ open", "}} end", "^[this is a", "that ends]"),
    *("[Note: Ann is here", "Transcriber's notes are what I love."),
    *("End of Project Gutenberg is what I said.", "+++", ";;;", "---", "Contents", "[^1]: A source."),
    *("*(softly) I never (she sighs)", "<script>", "[Footnote 1: open", "title: x", "<!-- x -->", "$$", "[["),
    *("{He said this in braces.}", "[Map of the world]", "<Bob>", "</v>", "List<String>", "~~~"),
    *("Table of Contents", "%%%"),
)


@given(st.lists(st.sampled_from(REMARKS), max_size=12), st.booleans())
def test_what_somebody_says_is_never_boilerplate(remarks: list[str], is_plain: bool) -> None:
    """Whatever stands in the paragraphs between, opened or closed."""
    lines = [f"{'Ann' if number % 2 else 'Bob'}: word{number} goes on." for number in range(len(remarks) + 4)]
    text = "\n\n".join(line for pair in zip(lines, remarks, strict=False) for line in pair)
    text = "\n\n".join([text, *lines[len(remarks) :]])
    spoken = " ".join(said(read(text, plain_text=is_plain)))
    assert [number for number in range(len(lines)) if f"word{number} goes on." not in spoken] == []


@pytest.mark.parametrize(
    "text",
    [
        "+++\nAnn: Hello.\n\nBob: Hi there.\n+++\n\nAnn: Back.\n\nBob: Yes.",
        "---\nTitle: The great war.\nAnn: Hello.\nBob: Hi there.\n---\nAnn: Back.\nBob: Yes.",
        "Title: x\nAuthor: y\nAnn: Hello.\nBob: Hi there.\n\nAnn: Back.\n\nBob: Yes.",
        "Ann: Hello.\n\n[^1]: A source.\nBob: Hi there.\nAnn: Back.\nBob: Yes.",
    ],
)
def test_dialogue_at_the_edge_of_metadata_is_spoken(text: str) -> None:
    spoken = " ".join(said(read(text)))
    assert all(words in spoken for words in ("Hello.", "Hi there.", "Back.", "Yes."))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line",
    [
        "[00:01] " * 60,
        "Ann " + "(00:01) " * 60 + "x",
        "Word" + " " * 20_000 + "word.",
        "\n\n".join(f"Name{chr(97 + n % 26)}{n}: said." for n in range(4000)),
        "^[" * 20_000,
        "[" * 20_000,
        "CONTENTS\n" * 4000,
    ],
    ids=["stamps", "stamps after a name", "spaces", "names", "notes", "brackets", "contents"],
)
def test_no_line_takes_for_ever(line: str) -> None:
    """A pattern that could read it in many ways would not end in an hour."""
    assert read(f"Ann: Hello.\n\nBob: Hi.\n\n{line}").ledgers


def test_a_hidden_block_of_several_paragraphs_is_a_comment_but_not_what_somebody_says() -> None:
    assert said(read("One.\n\n%%\nhidden a\n\nhidden b\n%%\n\nTwo.")) == ["One.", "Two."]
    assert "More." in said(read("Ann: One.\n\n%%\n\nAnn: More.\n\n%%\n\nBob: Two.\n\nBob: Yes."))


def test_the_name_of_a_block_is_markup() -> None:
    script = read("So it was. ^a1b2c3\n\nTwo ^2 is four ^abc here.")
    assert said(script) == ["So it was.", "Two ^2 is four ^abc here."]


def test_two_acts_or_three_without_text_are_contents() -> None:
    script = read("ACT I. A room\n\nACT II. A garden\n\nACT III. A room\n\nFIRST ACT\n\nHello.", plain_text=True)
    assert [(chapter.title, len(chapter.turns)) for chapter in script.chapters] == [("FIRST ACT", 1)]


def test_a_book_above_its_first_chapter_is_part_of_its_title() -> None:
    text = "BOOK ONE\n\nChapter 1\n\nIt was.\n\nChapter 2\n\nIt is.\n\nBOOK TWO\n\nChapter 1\n\nEnd."
    titles = [chapter.title for chapter in read(text, plain_text=True).chapters]
    assert titles == ["BOOK ONE. Chapter 1", "Chapter 2", "BOOK TWO. Chapter 1"]


@pytest.mark.parametrize(
    "text",
    [
        "<script>a " * 9000,
        "~~~x\n" * 9000,
        "> ~~~x\n" * 9000,
        "[^1]: a\n" + "\n" * 30000 + "  x",
        "^[" * 9000,
        "%%x\n" * 9000,
    ],
    ids=["script", "fence", "quoted fence", "footnote", "inline note", "comment"],
)
def test_what_is_opened_thousands_of_times_and_never_closed_is_read(text: str) -> None:
    assert said(read(f"Ann: Hello.\n\nAnn: Bye.\n\n{text}\n"))[0] == "Hello."


TALK = "Ann: So it is.\n\nBob: Indeed.\n\nAnn: Well.\n\nBob: Bye."


@pytest.mark.parametrize(
    "text",
    [
        f"---\n- Ann: Hello there.\n- Bob: Hi.\n---\n\n{TALK}",
        f"date: x\nBob: We begin now\n\n{TALK}",
        f"Ann: He said ten %% of it. And\nBob: fifty %% of it.\n\n{TALK}",
        f"Ann: Write ^[this\nBob: Why?\nAnn: Because] ok.\n\n{TALK}",
        f"Ann: [Note: see\nBob: fine.\nAnn: ok] good.\n\n{TALK}",
        f"Ann: Hm {{{{ x\nBob: Hi.\nAnn: y }}}} yes.\n\n{TALK}",
        f"Ann: Hi <svg>\nBob: mine </svg> ok.\n\n{TALK}",
        f"Ann: Hi <!-- a\n\nBob: mine --> ok.\n\n{TALK}",
        f"Ann: I read it.\nTranscriber's note: see\nBob: Hi.\n\n{TALK}",
        f"End of the Project Gutenberg's reign.\n\nBob: Ha.\n\n{TALK}",
        f"[^1]: A note.\n    Bob: indented speech.\n\n{TALK}",
        f"Bob: I am here, listen\n===\n\n{TALK}",
        f"Contents\n\nBob: Hello there\n\n{TALK}",
        "[Ann]: Hello.\n\n[Bob]: www.example.org\n\n[Ann]: http://foo.com (the best)\n\n[Bob]: Yes.",
        "Contents\n\n**Ann** - short\n\n**Bob** - short too\n\n**Ann** - x\n\n**Bob** - y",
        "Contents\n\n[Ann] Hello there\n\n[Bob] Hi\n\n[Ann] x\n\n[Bob] y",
        "Contents\n\nÉmile: Hello\n\nBob: Hi\n\nÉmile: x\n\nBob: y",
        "Contents\n\nANN\n\nHello there\n\nBOB\n\nYes\n\nANN\n\nNo\n\nBOB\n\nYes",
        "Ann: Hi.\n\nStory Bob: Hello.\n\nAnn: So.\n\nStory Bob: Yes.\n\nAnn: Well.",
    ],
)
@pytest.mark.parametrize("plain_text", [True, False])
def test_no_rule_takes_what_somebody_says(text: str, *, plain_text: bool) -> None:
    script = read(text, plain_text=plain_text)
    speakers = [turn.speaker for chapter in script.chapters for turn in chapter.turns]
    assert sum(str(speaker).lower().endswith("bob") for speaker in speakers) == text.lower().count("bob")


def test_voices_of_speakers_below_a_title_are_front_matter() -> None:
    text = "---\ntitle: Maps\nann: am_adam\nbob: bf_emma\n---\n" + TALK.replace("Ann", "ann").replace("Bob", "bob")
    assert said(read(text)) == ["So it is.", "Indeed.", "Well.", "Bye."]


@pytest.mark.parametrize(
    "text", ["{goodbye}", "@hello-there", "{.x y words}", "+++\nx = 1\nAnd words\n+++", "Act Now!"]
)
def test_words_in_signs_are_no_markup(text: str) -> None:
    assert [
        word
        for word in ("goodbye", "hello-there", "words", "Act Now!")
        if word in " ".join(said(read(f"{text}\n\nEnd.")))
    ]


def test_texts_of_notes_go_with_their_marks() -> None:
    text = (
        "A lantern.[1] And then.[2]\n\n[1] Lanterns were rationed\nafter 1911.\n\n[2] So they were.\n\n[9] Not a note."
    )
    text += "\n\nEnd."
    assert said(read(text)) == ["A lantern. And then.", "Not a note.", "End."]


def test_numbers_alone_are_pages_where_they_count_up_and_chapters_from_one() -> None:
    assert said(read("One.\n\n87\n\nTwo.\n\n- 88 -\n\nThree.\n\nPage 89\n\nFour.")) == [
        "One.",
        "Two.",
        "Three.",
        "Four.",
    ]
    chapters = read("1\n\nText a.\n\n2\n\nText b.\n\n3\n\nText c.", plain_text=True).chapters
    assert [chapter.title for chapter in chapters] == ["1", "2", "3"]


@pytest.mark.parametrize("entries", ["Chapter 1 ..... 3\nChapter 2 ..... 9", "Chapter 1\nChapter 2"])
def test_contents_end_where_the_first_chapter_begins(entries: str) -> None:
    text = f"CONTENTS\n\n{entries}\n\nChapter 1\n\nText.\n\nChapter 2\n\nMore."
    assert [chapter.title for chapter in read(text, plain_text=True).chapters] == ["Chapter 1", "Chapter 2"]


def test_front_matter_that_is_never_closed_ends_with_its_lines() -> None:
    assert said(read("---\ntitle: X\ntags: y\n\nHello.\n\nBye.")) == ["Hello.", "Bye."]


@pytest.mark.parametrize(
    "text",
    [
        "Language: it is what makes us human, and so I begin.\n\nAnd so on.",
        "Date: today, said Ann.\nSummary: we won.\n\nSo.",
        'He read it aloud.\n\nContents\n\nOne knife\n\nTwo forks\n\n"Is that all?" he asked\n\nNobody spoke.',
        "In this talk:\n\nPart One: the sea\n\nPart Two: the land\n\nPart Three: the sky\n\nLet us begin.",
        "1914\n\nThe war.\n\n1916\n\nIt went on.\n\n1918\n\nIt ended.",
    ],
)
def test_sentences_and_lists_of_a_text_are_read(text: str) -> None:
    script = read(text)
    titles = [chapter.title for chapter in script.chapters]
    assert all(line in " ".join(titles + said(script)) for line in text.split("\n") if line)


def test_line_numbers_of_a_poem_are_left_out() -> None:
    text = (
        "April is cruel, breeding\nLilacs out of the land, mixing\nMemory, stirring               10\nDull roots.\n\n"
    )
    text += "Summer surprised us\nComing over                20\nWith rain."
    assert not any(char.isdigit() for char in " ".join(said(read(text))))


def test_titles_of_chapters_may_follow_their_numbers() -> None:
    text = "Chapter 1 PETER BREAKS THROUGH\n\nAll.\n\nChapter 2 THE SHADOW\n\nx.\n\nChapter 3 COME AWAY\n\ny."
    assert len(read(text, plain_text=True).chapters) == 3


def test_a_transcriber_s_list_of_pages_is_left_out_as_a_whole() -> None:
    """No page that comes back is anybody who speaks."""
    list_of_pages = "Page 217: changed it to in\n\nPage 217: added a quotation mark\n\nPage 245: removed another\n"
    end = "*** END OF THE PROJECT GUTENBERG EBOOK FOO ***\n"
    start = "*** START OF THE PROJECT GUTENBERG EBOOK FOO ***"
    prose = "\n\n".join(f"He came on day {at} and went." for at in range(40))
    book = f"{start}\n\n{prose}\n\nTranscriber's Notes\n\n{list_of_pages}\n{end}"
    script = parse_markdown(book, "s.txt", title="Job", reading=Reading("podcast"), plain_text=True)
    spoken = [turn.text for chapter in script.chapters for turn in chapter.turns]
    assert len(spoken) == 40
    assert {turn.speaker for chapter in script.chapters for turn in chapter.turns} == {None}
