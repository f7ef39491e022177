"""Script files: several become one script, and all their problems are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.deliver.transcript import Cue, to_json, to_srt, to_vtt
from pipeline.errors import RequestError
from pipeline.source.keys import read_keys
from pipeline.source.readers import load_script
from pipeline.source.script import Kind, Reading, Script, speakers
from tests.support.books import read_html
from tests.support.scene import FORMATS, READING, TURNS, spoken_turns


def load(folder: Path, files: dict[str, str], kind: Kind = "podcast") -> Script:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    paths = [(folder / name, name) for name in files]
    return load_script(paths, [Reading(kind, cast=("Ann",))] * len(paths), title="Job")


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
        "c.xlsx": "x",
        "d.md": "\n",
        "e.md": "# T\n\n**Ann:** [laughs]",
    }
    assert [str(problem).split(". ")[0] for problem in load(tmp_path, files).problems] == [
        'a.md:1: the chapter "Silent" has nothing to say',
        'b.yaml:1: "turn" is not known here',
        "b.yaml:1: there is no list of chapters here",
        'c.xlsx: a ".xlsx" file cannot be a script',
        "d.md: there is nothing to say in this file",
        'e.md:1: the chapter "T" has nothing to say',
    ]


def test_a_part_title_is_enough_for_an_audiobook(tmp_path: Path) -> None:
    script = load(tmp_path, {"a.md": "# Part One\n\n# Chapter 1\n\nText."}, "audiobook")
    assert [len(chapter.turns) for chapter in script.chapters] == [1, 2]


def test_no_files_are_refused() -> None:
    (problem,) = load_script([], [], title="Job").problems
    assert "no script files" in problem.what


@given(st.binary())
def test_any_bytes_are_a_script_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for name in ("bytes.md", "bytes.yaml"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(data)
        script = load_script([(path, name)], [Reading("audiobook")], title="Job")
        assert script.problems or any(chapter.turns for chapter in script.chapters)


@pytest.mark.parametrize("name", FORMATS)
def test_a_scene_has_the_same_turns_in_every_format(name: str, tmp_path: Path) -> None:
    """So that its takes have the same keys."""
    content = FORMATS[name]
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    script = load_script([(tmp_path / name, name)], [READING], title="Job")
    assert script.problems == ()
    assert spoken_turns(script) == TURNS


def test_a_scene_that_was_rendered_is_read_again(tmp_path: Path) -> None:
    """Of the transcripts that are delivered with it; only silences are as long as they are heard."""
    cues = [
        Cue(20.0 * number, 20.0 * number + 15, name or "Narrator", text)
        for number, (name, text, _border) in enumerate(TURNS)
    ]
    for name, text in (("a.vtt", to_vtt(cues)), ("a.srt", to_srt(cues)), ("a.json", to_json(cues))):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert spoken_turns(load_script([(tmp_path / name, name)], [READING], title="Job")) == TURNS, name


def test_a_note_is_told_once(tmp_path: Path) -> None:
    table = "<table><tr><td>a</td><td>b</td></tr></table>"
    script = read_html(tmp_path, f"<p>One.</p>{table}<p>Two.</p>{table}")
    assert [note.what for note in script.warnings] == ["a table begins here and is read cell by cell."]


CONVERTED = {
    "fdx": "Fountain",
    "tex": "pandoc --standalone 'My file'.tex -o 'My file'.html",
    "rst": "pandoc",
    "adoc": "asciidoctor",
    "mhtml": "browser",
    "azw4": "ebook-convert",
    "pptx": "pdftotext",
    "odp": "soffice",
    "ass": "ffmpeg -i 'My file'.ass 'My file'.srt",
    "sub": "ffmpeg",
    "lrc": "ffmpeg",
    "sbv": "Subtitle Edit",
    "ttml": "Subtitle Edit",
}


@pytest.mark.parametrize("suffix", CONVERTED)
def test_what_cannot_be_read_is_refused_with_what_makes_it_readable(suffix: str, tmp_path: Path) -> None:
    """As a script that a manifest names, and as a job of its own."""
    path = tmp_path / f"My file.{suffix}"
    path.write_text("[Script Info]\nTitle: A file\n", encoding="utf-8")
    (problem,) = load_script([(path, path.name)], [Reading()], title="Job").problems
    assert problem.what == f'a ".{suffix}" file cannot be read.'
    assert CONVERTED[suffix] in problem.next
    with pytest.raises(RequestError) as refused:
        read_keys(path)
    assert [one.next for one in refused.value.problems] == [problem.next]
