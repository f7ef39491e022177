"""Which files of a drop folder are jobs: manifests, and scripts that nobody names."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from pipeline.night.listing import ALONE, jobs_of_claim, list_jobs
from pipeline.source.readers import SCRIPT_SUFFIXES, YAML_SUFFIXES
from tests.support.processes import WAIT_S, until
from tests.support.shop import Running, Shop

TURNS = "- Ann: Hello.\n"


@pytest.mark.parametrize("suffix", SCRIPT_SUFFIXES)
def test_a_script_alone_is_a_job(shop: Shop, suffix: str) -> None:
    """Of every format: it is rendered, moved with its edits and voices, and rendered again when it comes again."""
    text = json.dumps([{"Ann": "Hello."}]) if suffix in YAML_SUFFIXES else "Hello."
    (shop.inbox / "voices/ann").mkdir(parents=True)
    (shop.inbox / "voices/ann/voice.yaml").write_text("description: Ann\n")
    names = [f"one{suffix}", "one.edits.yaml"]
    during: list[list[str]] = []
    shop.during = lambda manifest: during.append(sorted(path.name for path in manifest.parent.glob("[!.]*")))
    for _time in range(2):
        for name in names:
            (shop.inbox / name).write_text(text)
        assert [outcome.error for outcome in shop.drain()] == [""]
    assert during == [sorted((*names, "voices")), sorted(names)]
    visible = [name for name in shop.files() if not Path(name).name.startswith(".")]
    assert sorted(visible) == sorted(
        f"done/one/{name}" for name in (*names, "one.report.json", "one.report.md", "voices/ann/voice.yaml")
    )
    assert list((shop.folder / "running").iterdir()) == []


def test_a_script_waits_for_its_manifest(shop: Shop) -> None:
    """As long as anything that is not complete, and is its companion when that has come."""
    (shop.inbox / "one.md").write_text("Hello.")
    with Running(shop.watcher(patience_s=WAIT_S)):
        until(lambda: [drop for drop in shop.waiting() if drop.is_alone])
        time.sleep(0.3)
        assert shop.rendered == []
        (shop.inbox / "m.yaml").write_text(json.dumps({"title": "A test", "script": "one.md"}))
        until(lambda: shop.finished)
    assert shop.rendered == [("m.yaml", "Hello.")]
    assert shop.files("inbox") == []


def test_a_book_that_cannot_be_read_is_refused_at_once(shop: Shop) -> None:
    """Nothing that comes yet makes a script of it, as of one that waits for its manifest."""
    (shop.inbox / "one.pdf").write_bytes(b"%PDF")
    with Running(shop.watcher(patience_s=WAIT_S)):
        until(lambda: shop.finished)
    assert 'a ".pdf" file cannot be read' in shop.error("one")
    (shop.inbox / "two.pdf").write_bytes(b"%PDF")
    shop.drain()
    assert not any("is waited for" in line for line in shop.said)


def test_whoever_waits_for_the_end_is_told_what_for(shop: Shop) -> None:
    (shop.inbox / "one.md").write_text("Hello.")
    shop.drain()
    assert "one: no manifest names one.md. That may come yet, and is waited for." in shop.said


def test_the_script_of_a_claimed_manifest_is_no_job(shop: Shop) -> None:
    """While it is rendered, for however long, and when its watcher has died before it could tidy up."""
    shop.drop("m", "Hello.", script="one.md")
    seen: list[list[str]] = []
    shop.during = lambda _manifest: seen.append([drop.place for drop in shop.waiting()])
    shop.drain()
    assert seen == [[]]

    (shop.inbox / "one.md").write_text("Hello.")
    left = shop.folder / "running/one"
    left.mkdir(parents=True)
    (left / "one.md").write_text("Hello.")  # a copy; the manifest is in done/ by now
    (shop.folder / "done/one").mkdir()
    (shop.folder / "done/one/one.md").write_text("Hello.")
    assert jobs_of_claim(left, {}).jobs == {}
    assert shop.waiting() == []
    shop.drain()
    assert len(shop.rendered) == 1
    assert shop.files("inbox") == shop.files("running") == []


def test_work_on_a_script_alone_is_taken_up(shop: Shop) -> None:
    """Where a killed watcher left it, by the name that was noted."""
    left = shop.folder / "running/one"
    left.mkdir(parents=True)
    (left / "one.md").write_text("Hello.")
    (left / ALONE).write_text("one.md")
    shop.drain()
    assert shop.rendered == [("one.md", "Hello.")]
    assert "one: taken up where it was left." in shop.said
    assert shop.files("running") == []


def test_a_script_alone_that_fails_is_dropped_again(shop: Shop) -> None:
    """Alone, as the folder that it failed in, or with a manifest."""
    (shop.inbox / "one.pdf").write_bytes(b"%PDF")
    for name in ("two.md", "three.md", "four.md"):
        (shop.inbox / name).write_text("Hello.")
    shop.status = "partial"
    shop.drain()
    shop.rendered.clear()
    assert shop.error("one").startswith('one.pdf: a ".pdf" file cannot be read. Make text of it')
    shop.status = "done"
    (shop.folder / "failed/two").rename(shop.inbox / "two")
    (shop.folder / "failed/one").rename(shop.inbox / "one")
    (shop.inbox / "one/one.pdf").rename(shop.inbox / "one/one.txt")
    (shop.folder / "failed/three/three.md").rename(shop.inbox / "three.md")
    shop.drop("four", "Hello.", title="Four")
    shop.drain()
    assert {name for name, _text in shop.rendered} == {"one.txt", "two.md", "three.md", "four.yaml"}
    assert {"done/one/one.txt", "done/two/two.md", "done/three/three.md", "done/four/four.md"} < set(shop.files())
    assert shop.files("failed") == []
    assert shop.files("inbox") == shop.files("running") == []
    assert not list((shop.folder / "done").rglob("*.error.txt"))


def test_a_folder_with_one_script_is_a_job(shop: Shop) -> None:
    """With all that lies in it; read-me files and results are no scripts."""
    folder = shop.inbox / "any name"
    folder.mkdir()
    for name in ("book.md", "README.md", "book.error.txt", "book.edits.yaml", "notes.txt"):
        (folder / name).write_text("Hello.")
    with Running(shop.watcher(patience_s=0.5)):
        until(lambda: shop.finished)
    assert shop.rendered == [("book.md", "Hello.")]
    assert {"done/book/book.md", "done/book/README.md", "done/book/book.edits.yaml"} < set(shop.files())
    assert shop.files("inbox") == shop.files("running") == []


def test_scripts_of_one_name_are_told_of(shop: Shop) -> None:
    """And none of them replaces another: a manifest goes first, and a book that cannot be read is in nobody's way."""
    for name in ("book.md", "book.txt", "show.md", "pair.md", "pair.pdf"):
        (shop.inbox / name).write_text("Hello.")
    shop.drop("show", "Named.", script="named.md")
    said_before_the_end: list[str] = []
    shop.during = lambda _manifest: said_before_the_end.extend(shop.said)
    shop.drain()
    assert shop.rendered[0] == ("show.yaml", "Named.")
    assert set(shop.rendered[1:]) == {("pair.md", "Hello."), ("show.md", "Hello.")}  # which came after the manifest
    assert "inbox/book.md: another job is called so, too (book.txt). Rename one of them." in shop.said
    told = "inbox/show.md: another job is called so, too (show.yaml). Rename it, or name it in that manifest."
    assert told in said_before_the_end
    assert shop.files("inbox") == ["book.md", "book.txt"]
    assert (shop.folder / "failed/pair/pair.pdf").is_file()
    assert (shop.folder / "done/show/show.yaml").is_file()
    assert (shop.folder / "done/show 2/show.md").is_file()


def test_a_manifest_that_is_wrong_takes_the_scripts_along_that_stand_in_it(shop: Shop) -> None:
    """Nobody wants them rendered without it."""
    for name in ("one.md", "two.md", "other.md"):
        (shop.inbox / name).write_text("Hello.")
    (shop.inbox / "a.yaml").write_text("script: one.md\ntitle: One: two\n")
    (shop.inbox / "b.yaml").write_text("title: B\nscripts: two.md # not another.md\n")
    shop.drain()
    assert shop.rendered == [("other.md", "Hello.")]
    assert {"failed/a/one.md", "failed/b/two.md"} < set(shop.files())
    assert shop.files("inbox") == []


def test_a_title_may_come_with_the_script(shop: Shop) -> None:
    """A manifest without one is read again when its script has changed."""
    manifest = shop.inbox / "m.yaml"
    manifest.write_text('{"script": "one.md"}')
    (shop.inbox / "one.md").write_text("---\n")  # half of it
    (file,) = (before := list_jobs(shop.inbox, {})).jobs.values()
    assert [problem.what for problem in file.problems] == ['no "title".']
    (shop.inbox / "one.md").write_text("---\ntitle: The Storm\n---\nHello.")
    (file,) = list_jobs(shop.inbox, before.files).jobs.values()
    assert file.problems == ()
    shop.drain()
    assert [name for name, _text in shop.rendered] == ["m.yaml"]


def test_a_file_is_read_again_only_where_it_has_changed(shop: Shop) -> None:
    path = shop.inbox / "one.yaml"
    path.write_text(TURNS)
    before = list_jobs(shop.inbox, {})
    assert list_jobs(shop.inbox, before.files).files[path] is before.files[path]
    os.utime(path, (1, 1))
    assert list_jobs(shop.inbox, before.files).files[path] is not before.files[path]


def test_links_are_no_scripts(shop: Shop, tmp_path: Path) -> None:
    """They stay, and that is told."""
    (tmp_path / "secret.md").write_text("Secret.")
    (shop.inbox / "link.md").symlink_to(tmp_path / "secret.md")
    assert shop.drain() == []
    assert shop.said == ["inbox/link.md: the script is a link. Drop the file itself."]
    assert shop.files("inbox") == ["link.md"]
