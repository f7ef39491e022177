"""One line, spoken."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import PODCAST, run_podcast


def test_say_speaks_a_line(tmp_path: Path) -> None:
    """The same bytes every time; a bad ending or text is refused."""
    for name in ("x.wav", "y.wav"):
        assert run_podcast("say", "Hello there.", "--out", name, "--voice", "ben", cwd=tmp_path).returncode == 0
    assert (tmp_path / "x.wav").read_bytes() == (tmp_path / "y.wav").read_bytes()
    for arguments in (
        ["Hi.", "--out", "x.mp3"],
        ["...", "--out", "z.wav"],
        ["Hi.", "--out", "z.wav", "--engine", "dia"],
    ):
        result = run_podcast("say", *arguments, cwd=tmp_path)
        assert result.returncode in (1, 2)
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "z.wav").exists()


@pytest.mark.parametrize("name", ["x.wav", "x.flac"])
def test_what_the_disk_refuses_is_told(name: str, tmp_path: Path) -> None:
    """In the system's own words, and no part of a file is left."""
    text = "The evening was calm, and a light wind moved over the fields. " * 4
    limited = f"ulimit -f 20; exec {PODCAST} say {text!r} --out {name}"
    result = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"{name}: File too large. ")
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_say_shows_what_would_be_said(tmp_path: Path) -> None:
    """With a lexicon, a language and the tags of an engine whose weights are not here."""
    (tmp_path / "words.yaml").write_text("Nguyen: win\n")
    text = "“Nguyen”  (laughs) мир"
    for options, said in (
        (["--lexicon", "words.yaml"], '"win"'),
        (["--lexicon", "words.yaml", "--language", "ru"], '"win" мир'),
        (["--engine", "dia"], '"Nguyen" (laughs)'),
    ):
        result = run_podcast("say", "--show", text, *options, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout == f"display  “Nguyen” (laughs) мир\nspoken   {said}\n"
    report = json.loads(run_podcast("say", "--show", "--json", text, "--lexicon", "words.yaml", cwd=tmp_path).stdout)
    assert report["pairs"][0] == {"display": "“Nguyen”", "spoken": '"win"'}
    result = run_podcast("say", text, cwd=tmp_path)
    assert (result.returncode, "neither --out nor --show" in result.stderr) == (2, True)


def test_say_speaks_with_a_lexicon(tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text("Nguyen: win\n")
    run_podcast("say", "Mr Nguyen.", "--out", "x.wav", "--lexicon", "words.yaml", cwd=tmp_path)
    run_podcast("say", "Mr win.", "--out", "y.wav", cwd=tmp_path)
    assert (tmp_path / "x.wav").read_bytes() == (tmp_path / "y.wav").read_bytes()
    what = 'there is no file or folder "nowhere.yaml". Check the path.\n'
    for options, env, where in (
        (["--lexicon", "nowhere.yaml"], {}, "--lexicon"),
        ([], {"PODCAST_LEXICON": "nowhere.yaml"}, "PODCAST_LEXICON"),
    ):
        result = run_podcast("say", "Hi.", "--show", *options, cwd=tmp_path, env=env)
        assert (result.returncode, result.stderr) == (2, f"{where}: {what}")


def test_an_entry_that_an_engine_cannot_use_is_told_of(tmp_path: Path) -> None:
    """Its word is shown as it is said, which is not what its lexicon wants."""
    (tmp_path / "l.yaml").write_text("Dodo: /doʊdoʊ/\nEmu: /imju/\n")
    shown = run_podcast("say", "The Dodo.", "--show", "--lexicon", "l.yaml", cwd=tmp_path)
    assert "spoken   The Dodo." in shown.stdout
    assert 'l.yaml:1: "Dodo" is said as it is written: the engine draft takes no IPA' in shown.stderr
    assert "Emu" not in shown.stderr


def test_a_language_is_a_tag_and_may_have_no_rules(tmp_path: Path) -> None:
    """What is no tag is refused wherever it may be given; a tag without words for its numbers and signs is told of."""
    for command in (("say", "Hi.", "--show"), ("lexicon", "try", "Hi", "--as", "ho")):
        result = run_podcast(*command, "--language", "../etc", cwd=tmp_path)
        refused = '--language: "../etc" is no language code. Write one such as en, en-GB or de.\n'
        assert (result.returncode, result.stdout, result.stderr) == (2, "", refused)
    shown = run_podcast("say", "Hi & 5.", "--show", "--language", "xx", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, "display  Hi & 5.\nspoken   Hi 5.\n")
    assert 'signs in "xx": there are no words for 1 (&), and they are left out.' in shown.stderr
    assert shown.stderr.startswith('note: --language: numbers in "xx": there are no words for its numbers')


def test_what_is_shown_sends_nothing_to_the_terminal_but_text(tmp_path: Path) -> None:
    """Escapes that would colour it, name its window or turn its letters round are written out."""
    ended = run_podcast("say", "--show", "a \x1b]0;title\x07 \u202eb", cwd=tmp_path)
    assert ended.stdout.splitlines()[0] == "display  a \\x1b]0;title\\x07 \\u202eb"
    assert all(line.isprintable() for line in ended.stdout.splitlines())
