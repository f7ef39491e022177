from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.source.script import Chapter, Kind, Script, load_script, parse_markdown, parse_yaml, speakers


def from_yaml(text: str, kind: Kind = "podcast") -> Script:
    return parse_yaml(text, "s.yaml", title="Job", kind=kind, cast=())


def problems(text: str) -> list[str]:
    with pytest.raises(RequestError) as caught:
        from_yaml(text)
    return [str(problem) for problem in caught.value.problems]


def placeless(script: Script) -> list[Chapter]:
    return [
        replace(chapter, where="", turns=tuple(replace(turn, where="") for turn in chapter.turns))
        for chapter in script.chapters
    ]


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


WORD = st.sampled_from(
    ["one", "Two,", "three.", "(laughs)", "Well, note: x", "*four*", "é", "[sic]", "12:30", "[pause 1s]"]
)
PARAGRAPH = st.one_of(st.lists(WORD, min_size=1, max_size=5).map(" ".join), st.just("---"), st.just("*(door)*"))
TURN = st.tuples(st.sampled_from(["Ann", "Bob", None]), PARAGRAPH, st.sampled_from([None, "0.5", "2"]))
CHAPTER = st.tuples(st.sampled_from(["One", "The *end*", "Part: two"]), st.lists(TURN, max_size=5))


def as_markdown(chapters: list[tuple[str, list[tuple[str | None, str, str | None]]]]) -> str:
    lines: list[str] = []
    for title, turns in chapters:
        lines.append(f"# {title}")
        for speaker, text, pause_s in turns:
            lines += [f"[pause {pause_s}s]"] if pause_s else []
            is_block = text in ("---", "*(door)*")
            lines.append(text if speaker is None or is_block else f"**{speaker}:** {text}")
    return "\n\n".join(lines)


def as_yaml(chapters: list[tuple[str, list[tuple[str | None, str, str | None]]]]) -> str:
    return json.dumps(
        [
            {
                "title": title,
                "turns": [{"speaker": s, "text": text, "pause_s": p} for s, text, p in turns],
            }
            for title, turns in chapters
        ]
    )


@given(st.lists(CHAPTER, min_size=1, max_size=3), st.sampled_from(["podcast", "audiobook"]))
def test_both_formats_say_the_same(
    chapters: list[tuple[str, list[tuple[str | None, str, str | None]]]], kind: Kind
) -> None:
    if kind == "podcast":  # there a paragraph without a label is the last speaker's, so every turn names one
        chapters = [(title, [(s or "Ann", text, p) for s, text, p in turns]) for title, turns in chapters]
    markdown = parse_markdown(as_markdown(chapters), "s.md", title="Job", kind=kind, cast=())
    yaml = parse_yaml(as_yaml(chapters), "s.json", title="Job", kind=kind, cast=())
    assert placeless(markdown) == placeless(yaml)


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


def load(folder: Path, files: dict[str, str], kind: Kind = "podcast") -> Script:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return load_script([(folder / name, name) for name in files], title="Job", kind=kind, cast=["Ann"])


def test_files_follow_one_another(tmp_path: Path) -> None:
    files = {"01_the-storm.md": "Ann: a", "02.txt": "# Two\n\nb", "three.yml": "turns: [{text: c}]"}
    script = load(tmp_path, files)
    assert [chapter.title for chapter in script.chapters] == ["The storm", "Two", "Three"]
    assert speakers(script) == ["Ann"]


def test_one_file_is_titled_by_the_job(tmp_path: Path) -> None:
    assert load(tmp_path, {"x.md": "a"}).chapters[0].title == "Job"


def test_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    files = {
        "a.md": "# Silent\n\n*(wind)*\n\n# Heard\n\nx",
        "b.yaml": "turn: []",
        "c.docx": "x",
        "d.md": "\n",
        "e.md": "# T\n\n**Ann:** [laughs]",
    }
    with pytest.raises(RequestError) as caught:
        load(tmp_path, files)
    assert [str(problem).split(". ")[0] for problem in caught.value.problems] == [
        'a.md:1: the chapter "Silent" has nothing to say',
        'b.yaml:1: "turn" is not known here',
        "b.yaml:1: there is no list of chapters here",
        'c.docx: a ".docx" file cannot be a script',
        "d.md: there is nothing to say in this file",
        'e.md:1: the chapter "T" has nothing to say',
    ]


def test_a_part_title_is_enough_for_an_audiobook(tmp_path: Path) -> None:
    script = load(tmp_path, {"a.md": "# Part One\n\n# Chapter 1\n\nText."}, "audiobook")
    assert [len(chapter.turns) for chapter in script.chapters] == [1, 2]


def test_no_files_are_refused() -> None:
    with pytest.raises(RequestError, match="no script files"):
        load_script([], title="Job", kind="podcast", cast=())


@given(st.binary())
def test_any_bytes_are_a_script_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for name in ("bytes.md", "bytes.yaml"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(data)
        try:
            load_script([(path, name)], title="Job", kind="audiobook", cast=())
        except RequestError as error:
            assert error.problems
