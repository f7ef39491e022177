"""A script alone is as good as a manifest that names it, and says of itself what a manifest leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import RequestError
from pipeline.jobs.request import read_request
from pipeline.settings import Settings
from pipeline.source.keys import is_yaml_script
from pipeline.source.manifest import load_manifest
from pipeline.source.readers import SCRIPT_SUFFIXES, YAML_SUFFIXES

FRONT = "---\ntitle: The Storm\nauthor: Ann Lee\nlanguage: de\ndescription: |\n  Wind.\n  Rain.\n---\n\nEs weht.\n"


@pytest.mark.parametrize("suffix", SCRIPT_SUFFIXES)
def test_a_script_alone_is_a_manifest(tmp_path: Path, suffix: str) -> None:
    """Of every format; a book is an audiobook in one file, all else a podcast. Its places are the file itself."""
    path = tmp_path / f"02_the-storm{suffix.upper()}"
    path.write_text("- Ann: It blows.\n" if suffix in YAML_SUFFIXES else "Ann: It blows.\n", encoding="utf-8")
    manifest, problems = load_manifest(path)
    assert problems == []
    assert (manifest.title, manifest.author, manifest.language) == ("The storm", "", "en")
    is_book = suffix in (".epub", ".kepub", ".fb2")
    assert manifest.kind == ("audiobook" if is_book else "podcast")
    assert [preset.preset for preset in manifest.deliver] == (["m4b"] if is_book else ["podcast", "m4b"])
    assert [manifest.file(script.file) for script in manifest.script] == [path]
    assert manifest.where("language") == manifest.where("cast", "Ann") == str(path)


def test_a_script_says_of_itself_what_a_manifest_leaves_out(tmp_path: Path) -> None:
    """Of several files the first; what the manifest says goes before it."""
    (tmp_path / "one.md").write_text(FRONT)
    (tmp_path / "two.md").write_text(FRONT.replace("Storm", "Calm"))
    path = tmp_path / "m.yaml"
    for script in ("one.md", "{file: one.md}", "[one.md, two.md]", "[{file: one.md, labels: none}, two.md]"):
        path.write_text(f"script: {script}\nauthor: Bo\n")
        manifest, problems = load_manifest(path)
        assert problems == []
        assert (manifest.title, manifest.author, manifest.language) == ("The Storm", "Bo", "de")
        assert manifest.description == "Wind.\nRain."
    path.write_text("title: Mine\nscript: one.md\nlanguage: en\nauthor:\ndescription: ''\n")
    manifest, problems = load_manifest(path)
    assert problems == []
    assert (manifest.title, manifest.author, manifest.language, manifest.description) == ("Mine", "Ann Lee", "en", "")


def test_a_title_is_missed_only_once_the_script_is_there(tmp_path: Path) -> None:
    """It may have one; that it is not there is told by whoever reads it."""
    path = tmp_path / "m.yaml"
    path.write_text("script: one.md\n")
    assert load_manifest(path)[1] == []
    (tmp_path / "one.md").write_text("Hello.")
    assert [str(problem) for problem in load_manifest(path)[1]] == [f'{path}:1: no "title". Add a line "title: …".']
    (tmp_path / "one.md").write_text(FRONT)
    assert load_manifest(path)[1] == []


def test_nothing_is_read_outside_the_folder(tmp_path: Path) -> None:
    """Not even where it may be rendered: a job's title must not depend on that."""
    (tmp_path / "in").mkdir()
    (tmp_path / "one.md").write_text(FRONT)
    (tmp_path / "in/link.md").symlink_to(tmp_path / "one.md")
    path = tmp_path / "in/m.yaml"
    for script in ("../one.md", "link.md"):
        path.write_text(f"script: {script}\n")
        assert 'no "title"' in str(load_manifest(path, allow_outside=True)[1][0])
    manifest, problems = load_manifest(tmp_path / "in/link.md")  # which was named itself
    assert (manifest.title, problems) == ("The Storm", [])


@pytest.mark.parametrize("code", ["klingon", "tlh", "e", "en us"])
def test_a_language_that_nobody_speaks_is_noted(tmp_path: Path, settings: Settings, code: str) -> None:
    """And the script read as English; one that the manifest itself names is a problem, as ever."""
    script = tmp_path / "one.md"
    script.write_text(f"---\ntitle: The Storm\nlanguage: {code}\n---\n\nHello.\n")
    request = read_request(script, settings)
    assert request.problems == ()
    assert request.manifest.language == "en"
    assert [str(note) for note in request.warnings if f'"{code}"' in note.what] == [
        f'{script}: its language is given as "{code}", which is not spoken here, so it is read as English. '
        'If that is wrong, give a manifest with "language:".'
    ]
    (tmp_path / "m.yaml").write_text(f"script: one.md\nlanguage: {code}\n")
    assert any(
        "language" in problem.what or "speak" in problem.what
        for problem in read_request(tmp_path / "m.yaml", settings).problems
    )


def test_what_cannot_stand_in_a_manifest_is_mended(tmp_path: Path) -> None:
    """Titles of any length, control characters, codes with an underscore."""
    script = tmp_path / "one.md"
    script.write_text(f"---\ntitle: {'x' * 600}\nlanguage: en_GB\n---\n\nHello.\n")
    manifest, problems = load_manifest(script)
    assert problems == []
    assert (manifest.title, manifest.language) == ("x" * 500, "en-GB")
    named = tmp_path / "a\u009fb.txt"
    named.write_text("Hello.")
    assert load_manifest(named)[0].title == "A b"


def test_what_cannot_be_read_tells_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "book.azw3").write_bytes(b"BOOKMOBI")
    with pytest.raises(RequestError, match=r"ebook-convert book.azw3 book.epub"):
        load_manifest(tmp_path / "book.azw3")
    (tmp_path / "picture.xyz").write_bytes(bytes(range(256)))
    with pytest.raises(RequestError, match=r"picture\.xyz: this is no text file\. Name one"):
        load_manifest(tmp_path / "picture.xyz")
    with pytest.raises(RequestError, match="there is no such file"):
        load_manifest(tmp_path / "gone.epub")


def test_scripts_in_yaml() -> None:
    """Lists of turns or chapters, or either by its name."""
    turns = [{"Ann": "Hello."}]
    scripts: list[object] = [turns, [{"title": "One", "turns": turns}], {"turns": turns}, {"chapters": []}]
    assert all(map(is_yaml_script, scripts))
    assert not any(
        map(is_yaml_script, ([], ["x"], [{"title": "T"}, {"script": "x"}], {"script": "x", "turns": []}, "x", {}))
    )
