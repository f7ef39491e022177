"""`podcast lexicon`: what is doubted, what is changed, and samples of it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import run_podcast


def show(folder: Path, **files: str) -> Path:
    """A manifest with a script of two lines, and further YAML."""
    (folder / "show.md").write_text("**Ann:** So Nguyen met Siobhan at NASA.\n\n**Bob:** Nguyens and 8675309.\n")
    for name, text in ({"show": "title: x\nscript: show.md\n"} | files).items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / "show.yaml"


def test_check_tells_what_is_doubted_and_what_entries_change(tmp_path: Path) -> None:
    show(tmp_path, lexicon="Nguyen: win\nfoo: bar\nSiobhan: /ʃɪˈvɔːn/\n")
    result = run_podcast("lexicon", "check", "show.yaml", cwd=tmp_path)
    assert (result.returncode, "Traceback" in result.stderr) == (0, False)
    for line in ("Siobhan  1  show.md:1", "NASA      1  show.md:1", "foo              lexicon.yaml:2"):
        assert line in result.stdout
    assert 'note: lexicon.yaml:3: "Siobhan" is said as it is written' in result.stderr
    report = json.loads(run_podcast("lexicon", "check", "show.yaml", "--json", cwd=tmp_path).stdout)
    assert "3 entries in lexicons" in result.stdout.splitlines()[0]
    assert result.stdout.splitlines()[-1].startswith("Siobhan        1  the engine draft takes no IPA")
    assert report["words"][0] == {"kind": "name", "word": "Siobhan", "count": 1, "first": "show.md:1"}
    assert report["entries"][0] == {
        "where": "lexicon.yaml:1",
        "word": "Nguyen",
        "say": "win",
        "ipa": None,
        "count": 2,
        "first": "show.md:1",
        "not_used": None,
    }
    assert [(entry["count"], entry["not_used"]) for entry in report["entries"]] == [
        (2, None),
        (0, None),
        (1, "the engine draft takes no IPA, and there is no say:"),
    ]


def test_check_refuses_what_is_wrong(tmp_path: Path) -> None:
    show(tmp_path, lexicon="Nguyen: {sya: win}\nfoo: 4\n")
    result = run_podcast("lexicon", "check", "show.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "lexicon.yaml:1" in result.stderr
    assert "lexicon.yaml:2" in result.stderr
    result = run_podcast("lexicon", "check", "lexicon.yaml", cwd=tmp_path)
    assert (result.returncode, "this is a lexicon, and no manifest" in result.stderr) == (2, True)


def test_check_says_for_which_language_it_knows_no_words(tmp_path: Path) -> None:
    show(tmp_path, show="title: x\nscript: show.md\nlanguage: pl\n")
    result = run_podcast("lexicon", "check", "show.yaml", cwd=tmp_path)
    assert 'show.yaml:3: there is no list of words in "pl"' in result.stderr


def test_try_makes_a_sample_for_each_voice(tmp_path: Path) -> None:
    show(tmp_path)
    result = run_podcast("lexicon", "try", "Nguyen", "--as", "win", cwd=tmp_path)
    files = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert files == [f"output/lexicon/Nguyen - {voice}.wav" for voice in ("ada", "ben", "clara")]
    assert all((tmp_path / file).stat().st_size > 10_000 for file in files)
    options = ["--manifest", "show.yaml", "--out", "x", "--in", "So Nguyen came.", "--json"]
    report = json.loads(run_podcast("lexicon", "try", "Nguyen", "--as", "win", *options, cwd=tmp_path).stdout)
    plan = json.loads(run_podcast("plan", "show.yaml", "--json", cwd=tmp_path).stdout)
    voices = {plan["narrator"], *(speaker["voice"] for speaker in plan["speakers"])}
    assert {file["voice"] for file in report["files"]} == voices
    same = run_podcast("say", "So win came.", "--out", "same.wav", cwd=tmp_path)
    assert same.returncode == 0
    assert (tmp_path / "x/Nguyen - ada.wav").read_bytes() == (tmp_path / "same.wav").read_bytes()


def test_try_refuses_what_cannot_be_said(tmp_path: Path) -> None:
    for arguments, what in (
        (["--as", "/wɪn/"], "the engine draft takes no IPA"),
        (["--as", "w1n"], "cannot stand in a respelling"),
        (["--as", ""], "there is nothing to say"),
        (["--as", "win", "--in", "Nobody."], "does not stand in this text"),
        (["--as", "win", "--voice", "adda"], 'Did you mean "ada"?'),
    ):
        result = run_podcast("lexicon", "try", "Nguyen", *arguments, cwd=tmp_path)
        assert (result.returncode, what in result.stderr) == (2, True), result.stderr
    nameless = run_podcast("lexicon", "try", "", "--as", "win", cwd=tmp_path)
    assert (nameless.returncode, nameless.stderr.startswith('WORD: "" has no letter')) == (2, True), nameless.stderr
    assert not list(tmp_path.rglob("*.wav"))
