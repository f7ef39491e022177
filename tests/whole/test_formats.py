"""Ten pages in every format, word for word against what a careful reader says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.jobs.job import open_job
from pipeline.settings import Settings
from tests.support import manuscript, scene
from tests.support.books import read_file

FORMATS: list[tuple[str, Callable[[], str | bytes]]] = [
    ("a.epub", lambda: manuscript.epub(3)),
    ("b.epub", lambda: manuscript.epub(2)),
    ("a.html", manuscript.html),
    ("a.md", manuscript.markdown),
    ("a.docx", manuscript.word),
    ("a.odt", manuscript.opendocument),
    ("a.fb2", manuscript.fictionbook),
]
SPOKEN: list[tuple[str, Callable[[], str | bytes]]] = [
    ("a.fountain", manuscript.fountain),
    ("a.srt", lambda: manuscript.cues("srt")),
    ("a.vtt", lambda: manuscript.cues("vtt")),
    ("a.json", manuscript.podcasting),
]


def test_it_is_of_ten_pages() -> None:
    assert sum(len(text.split()) for _who, text in manuscript.lines()) > 2500


@pytest.mark.parametrize(("name", "write"), FORMATS, ids=[name for name, _write in FORMATS])
def test_a_book_is_said_word_for_word(name: str, write: Callable[[], str | bytes], tmp_path: Path) -> None:
    content = write()
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    script = read_file(tmp_path / name, "audiobook", cast=("Ann", "Bob"))
    said = [(turn.speaker, turn.text) for chapter in script.chapters for turn in chapter.turns]
    assert said == manuscript.spoken("audiobook")
    assert [chapter.title for chapter in script.chapters] == [text for who, text in manuscript.lines() if who == "#"]
    scenes = [turn for chapter in script.chapters for turn in chapter.turns if turn.border == "scene"]
    assert len(scenes) == 4


@pytest.mark.parametrize(("name", "write"), SPOKEN, ids=[name for name, _write in SPOKEN])
def test_a_dialogue_is_said_word_for_word(name: str, write: Callable[[], str | bytes], tmp_path: Path) -> None:
    content = write()
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    script = read_file(tmp_path / name, "podcast", cast=("Ann", "Bob"))
    said = [(turn.speaker, turn.text) for chapter in script.chapters for turn in chapter.turns]
    assert said == manuscript.spoken("screenplay")


def test_one_scene_has_the_same_takes_in_every_format(tmp_path: Path) -> None:
    """Key for key: whoever changes the format renders nothing again."""
    keys: dict[str, list[str]] = {}
    for name, content in scene.FORMATS.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        manifest = tmp_path / f"{name.replace('.', '-')}.yaml"
        script = {"title": "The Late Bus", "author": "", "kind": "podcast", "language": "en"}
        manifest.write_text(json.dumps({**script, "script": name, "cast": {"Ann": "ada", "Bob Lee": "ben"}}))
        keys[name] = [plan.key for plan in open_job(manifest, Settings(output=tmp_path / "output")).takes]
    assert keys["scene.md"]
    assert {name: other for name, other in keys.items() if other != keys["scene.md"]} == {}
