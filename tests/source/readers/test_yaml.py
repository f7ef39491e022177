"""Scripts in YAML and JSON, and what is wrong with them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.readers.yaml import parse_yaml
from pipeline.source.script import Kind, Reading, Script, speakers


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
