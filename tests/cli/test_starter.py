"""A first job."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import yaml

from tests.support.books import Book
from tests.support.commands import run_podcast


def test_a_starter_renders_as_it_is(tmp_path: Path) -> None:
    """And every key it shows is a real one."""
    assert run_podcast("new", "shows/my-show", cwd=tmp_path).returncode == 0
    manifest = tmp_path / "shows/my-show.yaml"
    result = run_podcast("render", manifest, "--engine", "tone", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["title"] == "My show"
    shown = "\n".join(
        line.removeprefix("# ") for line in manifest.read_text().splitlines() if not line.startswith("# Only")
    )
    shown = shown.split("\n", 1)[1].replace("cover: cover.jpg", "# no cover")
    assert yaml.safe_load(shown)["pauses"]["scene_s"] == 1.5
    (tmp_path / "shows/all.yaml").write_text(shown)
    everything = run_podcast("plan", tmp_path / "shows/all.yaml", cwd=tmp_path)
    assert everything.returncode == 0, everything.stderr
    again = run_podcast("new", "shows/my-show", cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_the_next_command_can_be_pasted(tmp_path: Path) -> None:
    """Also where the name has a space."""
    answer = run_podcast("new", "My Show's", cwd=tmp_path)
    following = answer.stderr.splitlines()[-1].removeprefix("Next: podcast ")
    assert run_podcast(*shlex.split(following), "--engine", "tone", cwd=tmp_path).returncode == 0


def test_a_manifest_of_a_script_renders_as_the_script_alone(tmp_path: Path) -> None:
    """With what the script says of itself and the voices that its speakers have; every key it shows is a real one."""
    text = "---\ntitle: 'The \\ \"Storm\"'\nauthor: Jo Reed\nlanguage: en-gb\ndescription: |\n  Wind.\n  Rain.\n---\n\n"
    text += "**Ann:** It blows.\n\n**Dr. No:** It does.\n\n**Ann:** Still.\n\n**#Who?:** Me.\n\n**#Who?:** And me.\n"
    (tmp_path / "my book.md").write_text(text)
    alone = json.loads(run_podcast("plan", "my book.md", "--json", cwd=tmp_path).stdout)
    answer = run_podcast("new", "my book.md", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    manifest = tmp_path / "my book.yaml"
    data = yaml.safe_load(manifest.read_text())
    assert data | {"cast": 0} == {
        "title": 'The \\ "Storm"', "script": "my book.md", "author": "Jo Reed", "language": "en-gb",
        "description": "Wind.\nRain.", "cast": 0,
    }  # fmt: skip
    assert {"Ann", "Dr. No"} <= set(data["cast"])
    following = shlex.split(answer.stderr.splitlines()[-1].removeprefix("Next: podcast render "))
    planned = json.loads(run_podcast("plan", *following, "--json", cwd=tmp_path).stdout)
    assert [chunk["key"] for chunk in planned["chunks"]] == [chunk["key"] for chunk in alone["chunks"]]
    assert planned["title"] == alone["title"]
    again = run_podcast("new", "my book.md", cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_only_of_a_script_that_is_there_a_manifest_is_written(tmp_path: Path) -> None:
    """And never over the script, or over another manifest."""
    (tmp_path / "turns.yml").write_text("- Ann: Hello.\n")
    (tmp_path / "show.yaml").write_text("- Ann: Hello.\n")
    (tmp_path / "job.yml").write_text("title: T\nscript: turns.yml\n")
    assert run_podcast("new", "turns.yml", cwd=tmp_path).returncode == 0
    assert yaml.safe_load((tmp_path / "turns.yaml").read_text())["cast"].keys() == {"Ann"}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for name, why in (
        ("show.yaml", "is there already"),
        ("job.yml", "is there already"),
        ("turns.yml", "is there already"),
        ("gone.md", "there is no such file"),
        ("gone.epub", "there is no such file"),
        ("lexicon", "is the name of a lexicon"),
    ):
        refused = run_podcast("new", name, cwd=tmp_path)
        assert refused.returncode == 2
        assert why in refused.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_narrator_of_a_book_is_written_and_another_manifest_of_it_is_told_of(tmp_path: Path) -> None:
    Book({"a.xhtml": "<h2>One</h2><p>Text.</p>"}).write(tmp_path / "book.epub")
    alone = json.loads(run_podcast("plan", "book.epub", "--json", cwd=tmp_path).stdout)
    (tmp_path / "other.yaml").write_text("title: Other\nscript: book.epub\n")
    answer = run_podcast("new", "book.epub", cwd=tmp_path)
    assert answer.returncode == 0
    assert "note: book.yaml: book.epub is named by other.yaml too" in answer.stderr
    assert yaml.safe_load((tmp_path / "book.yaml").read_text())["narrator"] == "ada"
    planned = json.loads(run_podcast("plan", "book.yaml", "--json", cwd=tmp_path).stdout)
    assert [chunk["key"] for chunk in planned["chunks"]] == [chunk["key"] for chunk in alone["chunks"]]
