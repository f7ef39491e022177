"""Who speaks, what is left out, and what there is to decide."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import yaml

from tests.support.books import PIXEL, Book
from tests.support.commands import run_podcast

SCRIPT = """\
---
title: Maps
---

# Maps

**Ann:** Hello. \\[door song 00:00:40\\] See https://www.x.org/a now.

**Bob:** Hi [laughs] emo-
tional [angry] yes. Привет.

**Tip one:** put socks.

## Later

**Ann:** Bye.
"""


def write(folder: Path, text: str = SCRIPT, **keys: object) -> None:
    (folder / "job.md").write_text(text, encoding="utf-8")
    (folder / "job.yaml").write_text(yaml.safe_dump({"title": "Maps", "script": "job.md"} | keys))


def test_check_tells_on_one_screen_who_speaks_and_what_is_left_out(tmp_path: Path) -> None:
    """Problems go to stderr; notes are part of the report, and no failure."""
    write(tmp_path)
    done = run_podcast("check", "job.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) < 30
    assert "Ann         2 turns  5 words" in done.stdout
    assert "cue            1  job.md:7: [door song 00:00:40" in done.stdout
    assert "[laughs] → (laughs)" in done.stdout
    assert "not said by the engine draft in 1 turn: job.md:9: (laughs) Привет." in done.stdout
    assert 'note: job.md:12: "Tip one:" is read as text' in done.stdout
    assert not (tmp_path / "output").exists()


def test_check_tells_where_numbers_have_no_words(tmp_path: Path) -> None:
    """Only where the script has some, and the language has none."""
    note = "there are no words for its numbers"
    for text, language, is_told in (
        ("**Ann:** 5.", "zh", True),
        ("**Ann:** 五", "zh", False),
        ("**Ann:** 5.", "de", False),
    ):
        write(tmp_path, text, language=language)
        assert (note in run_podcast("check", "job.yaml", cwd=tmp_path).stdout) is is_told


def test_check_tells_machines_all_of_it(tmp_path: Path) -> None:
    write(tmp_path)
    report = json.loads(run_podcast("check", "job.yaml", "--json", "--dropped", cwd=tmp_path).stdout)
    ann, bob = report["speakers"]
    assert (ann["name"], ann["turns"], ann["words"], ann["first"]["where"]) == ("Ann", 2, 5, "job.md:7")
    assert (bob["voice"] is not None, bob["default"]) == (True, True)
    assert report["left_out"]["label"]["count"] == 3
    assert report["left_out"]["direction"]["places"] == [{"where": "job.md:10", "text": "[angry]"}]
    assert report["replaced"]["hyphen"]["places"][0]["spoken"] == "emotional"
    assert report["unspoken"] == [{"where": "job.md:9", "speaker": "Bob", "text": "(laughs) Привет."}]
    assert [chapter["title"] for chapter in report["chapters"]] == ["Maps"]
    (ledger,) = report["ledgers"]
    assert "".join(ledger["text"][entry["start"] : entry["end"]] for entry in ledger["entries"]) == SCRIPT


def test_dropped_marks_the_source(tmp_path: Path) -> None:
    write(tmp_path)
    shown = run_podcast("check", "job.yaml", "--dropped", cwd=tmp_path).stdout
    assert "[-# Maps-]" in shown
    assert "[-**Ann:** -]Hello." in shown
    assert "Hi [-[laughs]-]{+(laughs)+} [-emo--]" in shown
    assert "tional-]{+emotional+} [-[angry]-] yes." in shown


def test_check_shows_what_it_can_beside_errors(tmp_path: Path) -> None:
    """All of them, and it exits with 2."""
    write(tmp_path, SCRIPT + "\n```\nmore\n", cast={"Ann": "nobody"})
    done = run_podcast("check", "job.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "2 turns" in done.stdout
    assert "never closed" in done.stderr
    assert 'no voice "nobody"' in done.stderr
    assert run_podcast("check", "nothing.yaml", cwd=tmp_path).returncode == 2


def test_the_manifest_says_otherwise(tmp_path: Path) -> None:
    """What a note advises works."""
    script = {"file": "job.md", "chapters_at": 2}
    write(tmp_path, script=script, speakers=["Tip one"], not_speakers=["Bob"], aliases={"Anna": ["ANN"]})
    report = json.loads(run_podcast("check", "job.yaml", "--json", cwd=tmp_path).stdout)
    assert [speaker["name"] for speaker in report["speakers"]] == ["Anna", "Tip one"]
    assert [chapter["title"] for chapter in report["chapters"]] == ["Maps", "Later"]
    write(tmp_path, script={"file": "job.md", "labels": "none"})
    report = json.loads(run_podcast("check", "job.yaml", "--json", cwd=tmp_path).stdout)
    assert [speaker["name"] for speaker in report["speakers"]] == ["Narrator"]
    write(tmp_path, script={"file": "job.md", "labels": "boldly"})
    done = run_podcast("check", "job.yaml", cwd=tmp_path)
    assert (done.returncode, 'Known: "' in done.stderr or "Did you mean" in done.stderr) == (2, True)


def test_edits_are_made_and_listed(tmp_path: Path) -> None:
    """Those of the file beside the manifest, by every command; what is wrong with them stops it."""
    write(tmp_path)
    (tmp_path / "job.edits.yaml").write_text('- {old: "Bye", new: "Good night", note: softer}\n- {old: yes, new: ""}\n')
    done = run_podcast("check", "job.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert "job.md:16  Bye → Good night" in done.stdout
    assert "job.md:10  yes → (taken out)" in done.stdout
    report = json.loads(run_podcast("check", "job.yaml", "--json", cwd=tmp_path).stdout)
    assert report["edits"][0] == {
        "number": 1,
        "edit": "job.edits.yaml:1",
        "where": "job.md:16",
        "old": "Bye",
        "new": "Good night",
        "note": "softer",
    }
    assert report["left_out"]["edit"]["count"] == 2
    assert "Bye-]Good night." in run_podcast("check", "job.yaml", "--dropped", cwd=tmp_path).stdout
    assert "Good night." in run_podcast("plan", "job.yaml", "--json", cwd=tmp_path).stdout
    (tmp_path / "job.edits.yaml").write_text("- {old: Ann, new: x, fiel: y}\n")
    done = run_podcast("check", "job.yaml", cwd=tmp_path)
    assert (done.returncode, 'unknown key "fiel". Did you mean "file"?' in done.stderr) == (2, True)


def test_a_wrong_edit_hides_no_other(tmp_path: Path) -> None:
    """What is wrong with the one, and that the words of the other stand several times, is told at once."""
    (tmp_path / "job.md").write_text("The cat saw the cat.\n")
    (tmp_path / "job.edits.yaml").write_text("- {old: dog, new: cow, at: a cat}\n- {old: cat, new: dog}\n")
    done = run_podcast("check", "job.md", cwd=tmp_path)
    assert done.returncode == 2
    assert 'job.edits.yaml:1: the words of "at" do not contain those of "old".' in done.stderr
    assert 'job.edits.yaml:2: "cat" stands 2 times' in done.stderr


def test_a_cover_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    path = Book({"a.xhtml": "<h2>One</h2><p>Text.</p>"}, cover=PIXEL).write(tmp_path / "book.epub")
    data = path.read_bytes()
    with zipfile.ZipFile(path) as package:
        at = package.getinfo("OEBPS/cover.png").header_offset + 60
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    done = run_podcast("check", "book.epub", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: book.epub: the EPUB file is damaged or incomplete (OEBPS/cover.png" in done.stdout


def test_each_word_that_cannot_be_spoken_is_named(tmp_path: Path) -> None:
    """Up to three of a turn."""
    (tmp_path / "show.md").write_text(
        "So 世界 met Київ.\n\nThen 世界, Київ, Ελλάδα, Москва and Київ.\n", encoding="utf-8"
    )
    (tmp_path / "show.yaml").write_text("title: x\nscript: show.md\n")
    notes = run_podcast("check", "show.yaml", cwd=tmp_path).stdout
    assert '"世界", "Київ" cannot be spoken in language "en" and are left out' in notes
    assert '"世界", "Київ", "Ελλάδα" and 1 more cannot be spoken' in notes
