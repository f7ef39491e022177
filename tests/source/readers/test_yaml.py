"""Scripts in YAML and JSON, and what is wrong with them."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.readers.yaml import parse_yaml
from pipeline.source.script import Kind, Reading, Script, speakers
from tests.support.odd_sources import lost_words


def from_yaml(text: str, kind: Kind = "podcast") -> Script:
    return parse_yaml(text, "s.yaml", title="Job", reading=Reading(kind))


def problems(text: str) -> list[str]:
    with pytest.raises(RequestError) as caught:
        from_yaml(text)
    return [str(problem) for problem in caught.value.problems]


YAML = """\
chapters:
  - title: One
    turns:
      - speaker: Ann
        text: |
          Hello *there*. [laughs]

          Note: a second paragraph.
        voice: ann-angry
      - {text: "Bye.", pause_s: 1.5}
  - turns:
      - text: "[S1] a [S2] b [pause 2s]"
"""


def test_a_yaml_script() -> None:
    script = from_yaml(YAML)
    one, two = script.chapters
    assert (one.title, two.title, two.end_pause_s) == ("One", "Chapter 2", 2)
    assert [(t.speaker, t.text, t.border, t.pause_s, t.voice) for t in one.turns] == [
        ("Ann", "Hello there. (laughs)", "chapter", None, "ann-angry"),
        ("Ann", "Note: a second paragraph.", "paragraph", None, "ann-angry"),
        (None, "Bye.", "turn", 1.5, None),
    ]
    assert [t.where for t in one.turns] == ["s.yaml:5", "s.yaml:5", "s.yaml:10"]
    assert speakers(script) == ["Ann", "S1", "S2"]


@pytest.mark.parametrize(
    "text", ["turns: [{text: a}]", "[{turns: [{text: a}]}]", '{"chapters": [{"turns": [{"text": "a"}]}]}']
)
def test_the_three_forms_of_a_yaml_script(text: str) -> None:
    (chapter,) = from_yaml(text, "audiobook").chapters
    assert (chapter.title, [turn.text for turn in chapter.turns]) == ("Job", ["a"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chapter: []", 's.yaml:1: "chapter" is not known here. Did you mean "chapters"?'),
        ("turns:\n- txt: a", 's.yaml:2: "txt" is not known here. Did you mean "text"?'),
        ("turns:\n- speaker: Ann", "s.yaml:2: the turn has no text. Give it one, or remove the turn."),
        (
            "turns:\n- text: a\n  pause_s: 61",
            's.yaml:3: "pause_s" has to be a number of seconds from 0 to 60.',
        ),
        (
            "turns:\n- text: a\n  pause_s: nan",
            's.yaml:3: "pause_s" has to be a number of seconds from 0 to 60.',
        ),
        ("turns:\n- text: [a]", 's.yaml:2: "text" is not text.'),
        ("turns:\n- text: a\n  voice: ''", 's.yaml:3: "voice" is empty.'),
        ("turns:\n- a", "s.yaml:2: this is no mapping in the turns."),
        ("turns: a", "s.yaml:1: there is no list of turns here."),
        ("just text", "s.yaml:1: there is no list of chapters here."),
        (
            "turns:\n- {speaker: A, text: '[S1] b'}",
            "s.yaml:2: the text names [S1], and the turn has a speaker.",
        ),
    ],
)
def test_yaml_problems_name_their_line(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_all_yaml_problems_are_told_at_once() -> None:
    assert len(problems("chapters:\n- titel: x\n  turns:\n  - {}\n  - text: a\n    pause_s: x\n- 5\n")) == 4


@given(
    st.one_of(
        st.text(max_size=60),
        st.recursive(st.none() | st.text(max_size=5), st.lists, max_leaves=5).map(json.dumps),
    )
)
def test_any_yaml_is_a_script_or_refused(text: str) -> None:
    try:
        from_yaml(text)
    except RequestError as error:
        assert error.problems


WRITTEN = ["a", "word", "don't", 'say "x"', "\\", "é", "😀", "  ", "\n", "\n\n", "x:y", "#no", "end. "]
WRITTEN += ["\xa0", "\u3000b", "\u2028", "\u200b"]


@given(
    st.lists(st.sampled_from(WRITTEN), min_size=1),
    st.sampled_from(["'", '"', "|", ">", None]),
    st.sampled_from([10, 20, 80]),
    st.booleans(),
)
def test_every_character_of_a_value_has_its_place_in_the_file(
    words: list[str], style: str | None, width: int, unicode: bool
) -> None:
    value = f"x {' '.join(words)}"
    text = yaml.dump([{"text": value}], default_style=style, width=width, allow_unicode=unicode)
    script = from_yaml(text)
    assert lost_words(script, text) == ""
    (ledger,) = script.ledgers
    assert all(ledger.text[e.start : e.end] in value for e in ledger.entries if e.turn is not None and e.words is None)


def test_tags_anchors_and_escaped_spaces_have_their_place() -> None:
    script = from_yaml("- Ann: !!str &a  # why\n    plain words\n")
    assert lost_words(script, script.ledgers[0].text) == ""
    script = from_yaml('- Ann: !!str "tagged text"\n- Bob: !!str &c |\n    block text\n- Ann: " lead \n   \\ trail"\n')
    (ledger,) = script.ledgers
    spoken = [ledger.text[entry.start : entry.end] for entry in ledger.entries if entry.turn is not None]
    assert spoken == ["tagged text", "block text", "lead", "\\ ", "trail"]


@pytest.mark.parametrize("nothing", ['""', "~", "", "'  '"])
def test_a_turn_that_says_nothing_is_refused(nothing: str) -> None:
    assert problems(f"- Ann: {nothing}\n- Bob: Hi.\n") == [
        's.yaml:1: "Ann" says nothing here. Write a text, or remove the turn.'
    ]
