"""The inbox: which manifests lie there, in which order, and since when each has been as it is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pipeline.night.inbox import Inbox
from pipeline.workspace import Folders
from tests.support.processes import WAIT_S, until
from tests.support.shop import Running, Shop


def test_the_higher_priority_goes_first(shop: Shop) -> None:
    """What waits is taken by priority, then in the order in which it came."""
    for number, name in enumerate(("late", "early", "urgent")):
        manifest = shop.drop(name, priority=9 if name == "urgent" else 0)
        os.utime(manifest, (1000 - number, 1000 - number))
    assert [drop.name for drop in shop.waiting()] == ["urgent", "early", "late"]
    shop.drain()
    assert [name for name, _text in shop.rendered] == ["urgent.yaml", "early.yaml", "late.yaml"]


def test_what_is_no_job_is_left_alone(shop: Shop) -> None:
    """Hidden and half-written files, read-me files, results, edits of nobody, lists and JSON that are no scripts."""
    names = [".one.yaml", ".one.yaml.X8f3Qa", "two.yaml.part", "three.yaml~", "four.yaml.crdownload", ".five.md"]
    names += [
        "six.md.part",
        "README.md",
        "readme.de.txt",
        "LICENSE.txt",
        "notes.txt",
        "seven.error.txt",
        "x.edits.yaml",
        "x.decisions.yaml",
    ]
    names += ["eight.report.md", "eight.report.json", "nine.json", "ten.yml", "cover.jpg"]
    for name in names:
        (shop.inbox / name).write_text("[1, 2]" if name in ("nine.json", "ten.yml") else "title: x\nscript: x.md\n")
    (shop.inbox / "folder.yaml").mkdir()
    (shop.inbox / "folder.md").mkdir()
    assert shop.waiting() == []
    assert shop.drain() == []
    assert len(shop.files("inbox")) == len(names)


def test_a_script_in_yaml_that_a_manifest_names_is_no_job(shop: Shop) -> None:
    (shop.inbox / "chapters.yaml").write_text("chapters: [{turns: [{text: Hello}]}]\n")
    shop.drop("five", None, script="chapters.yaml")
    assert [outcome.name for outcome in shop.drain()] == ["five"]
    assert "done/five/chapters.yaml" in shop.files()


def test_nothing_outside_the_folder_is_taken(shop: Shop, tmp_path: Path) -> None:
    """A path or link that leaves the inbox fails its manifest, and what it leads to is neither read nor moved."""
    secret = tmp_path / "secret.md"
    secret.write_text("Secret.")
    (shop.inbox / "link.md").symlink_to(secret)
    (shop.inbox / "linked.yaml").symlink_to(tmp_path / "manifest.yaml")
    (tmp_path / "manifest.yaml").write_text('{"title": "x", "script": "one.md"}')
    for name, script in (("up", "../../secret.md"), ("whole", str(secret)), ("link", "link.md")):
        shop.drop(name, None, script=script)
    errors = {outcome.name: outcome.error for outcome in shop.drain()}
    assert all("is outside the manifest's folder." in errors[name] for name in ("up", "whole", "link"))
    assert "the manifest is a link." in errors["linked"]
    assert shop.rendered == []
    assert [path for path in (shop.folder / "failed").rglob("*.md") if not path.is_symlink()] == []

    shop.drop("whole", None, script=str(secret))
    assert [outcome.error for outcome in shop.drain(allow_outside=True)] == [""]
    assert secret.read_text() == "Secret."


@pytest.mark.parametrize("kind", ["edits", "decisions"])
def test_what_lies_beside_a_manifest_goes_along_with_it(shop: Shop, tmp_path: Path, kind: str) -> None:
    """They are no manifest themselves, whatever is wrong in them, and a link that leaves the inbox fails the job."""
    for name, text in (("one", "- {old: x, new: y}"), ("two", "title: x\nscript: two.md\n")):
        shop.drop(name)
        (shop.inbox / f"{name}.{kind}.yaml").write_text(text)
    shop.drop("three")
    (tmp_path / "other.yaml").write_text("- {old: x, new: y}")
    (shop.inbox / f"three.{kind}.yaml").symlink_to(tmp_path / "other.yaml")
    assert [drop.name for drop in shop.waiting()] == ["one", "two", "three"]
    errors = {outcome.name: outcome.error for outcome in shop.drain()}
    assert (errors["one"], f"the {kind} are outside" in errors["three"]) == ("", True)
    assert {f"done/one/one.{kind}.yaml", f"done/two/two.{kind}.yaml"} <= set(shop.files())


def test_lexicons_go_along_with_every_job(shop: Shop) -> None:
    """They are no manifests themselves, whatever is in them, nor is their folder a job."""
    (shop.inbox / "lexicon").mkdir()
    for name in ("lexicon.yaml", "lexicon/all.yml"):
        (shop.inbox / name).write_text("title: x\nscript: one.md\n")
    assert (shop.waiting(), shop.drain(), shop.said) == ([], [], [])
    for name in ("one", "two"):
        shop.drop(name)
    (shop.inbox / "three" / "lexicon").mkdir(parents=True)
    for name in ("three/lexicon/own.yaml", "three/show.md"):
        (shop.inbox / name).write_text("Word: said")
    assert [outcome.error for outcome in shop.drain()] == ["", "", ""]
    files = set(shop.files())
    assert {f"done/{name}/lexicon.yaml" for name in ("one", "two")} <= files
    assert {"done/one/lexicon/all.yml", "done/two/lexicon/all.yml", "done/show/lexicon/own.yaml"} <= files


# Settling

Step = tuple[str, float]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 3)),
        st.tuples(st.just("script"), st.floats(-1e9, 4e9)),
        st.tuples(st.just("manifest"), st.floats(-1e9, 4e9)),
        st.tuples(st.just("look"), st.just(0.0)),
    ),
    max_size=40,
)


@examples(max_examples=80)
@given(steps)
def test_only_what_lies_still_is_taken(tmp_path_factory: pytest.TempPathFactory, walk: list[Step]) -> None:
    """Whatever the files' times say, nothing is ready that changed of late, and all is that has been seen unchanged."""
    shop = Shop(tmp_path_factory.mktemp("settle") / "drop")
    files = {"manifest": shop.drop("one"), "script": shop.inbox / "one.md"}
    inbox, settle_s = Inbox(Folders(shop.folder)), 2.0
    now = changed = 1000.0
    seen: float | None = None  # the first look since the last change
    for what, value in [*walk, ("look", 0.0), ("wait", settle_s), ("look", 0.0)]:
        if what == "wait":
            now += value
        elif what == "look":
            seen = now if seen is None else seen
            (drop,) = inbox.look(now).drops
            if drop.ready(settle_s, patience_s=60):
                assert now - changed >= settle_s
            if now - seen >= settle_s:
                assert drop.ready(settle_s, patience_s=60)
        else:
            with files[what].open("a") as file:
                file.write("\n")
            os.utime(files[what], (value, value))
            changed, seen = now, None


def test_a_folder_with_a_manifest_is_a_job(shop: Shop) -> None:
    """With all that lies in it, whatever of the same name lies beside it or in another folder."""
    for folder, text in (("first", "One."), ("second", "Two.")):
        (shop.inbox / folder / "parts").mkdir(parents=True)
        (shop.inbox / folder / "notes.txt").write_text("Mine.")
        (shop.inbox / folder / "parts/script.md").write_text(text)
        (shop.inbox / folder / f"{folder}.yaml").write_text('{"title": "A test", "script": "parts/script.md"}')
    (shop.inbox / "parts").mkdir()
    (shop.inbox / "parts/script.md").write_text("Another.")
    shop.drop("third", None, script="parts/script.md")
    shop.drain()
    assert sorted(shop.rendered) == [("first.yaml", "One."), ("second.yaml", "Two."), ("third.yaml", "Another.")]
    assert (shop.folder / "done/first/parts/script.md").read_text() == "One."
    assert (shop.folder / "done/second/notes.txt").read_text() == "Mine."
    assert shop.files("inbox") == shop.files("running") == []
    assert not [said for said in shop.said if "inbox/" in said or "taken up" in said]


def test_a_folder_that_is_no_job_is_told_of(shop: Shop, tmp_path: Path) -> None:
    """Once, and it stays; a folder whose files a manifest names is none of those."""
    for folder, manifests in (
        ("two", ("a.yaml", "b.yaml")),
        ("none", ()),
        ("texts", ("other.md",)),
        ("deep/er", ("c.yaml",)),
        ("voices/mine", ()),
    ):
        (shop.inbox / folder).mkdir(parents=True)
        (shop.inbox / folder / ("picture.jpg" if folder == "none" else "text.md")).write_text("Words.")
        for name in manifests:
            (shop.inbox / folder / name).write_text('{"title": "A test", "script": "text.md"}')
    (tmp_path / "elsewhere").mkdir()
    (shop.inbox / "link").symlink_to(tmp_path / "elsewhere")
    before = shop.files("inbox")
    shop.drain()
    shop.drain()
    hint = "Drop one manifest, or a folder with one and all that it names."
    none = "it holds no manifest, and none beside it names a file in it."
    assert sorted(set(shop.said)) == [
        f"inbox/deep: {none} {hint}",
        "inbox/link: the folder is a link. Drop the folder itself.",
        f"inbox/none: {none} {hint}",
        f"inbox/texts: {none} Of 2 scripts each needs a folder of its own.",
        f"inbox/two: it holds 2 manifests. {hint}",
    ]
    assert shop.files("inbox") == before


def test_a_folder_that_is_wrong_fails_whole(shop: Shop) -> None:
    """A link in it that leads elsewhere goes along as a link."""
    (shop.inbox / "one").mkdir()
    (shop.inbox / "one/m.yaml").write_text("title: A\nscript: gone.md\n")
    (shop.inbox / "one/extra.txt").write_text("Mine.")
    secret = shop.folder / "secret.txt"
    secret.write_text("Nobody's business.")
    (shop.inbox / "one/link.txt").symlink_to(secret)
    shop.drain()
    assert shop.error("m").startswith('m.yaml:2: there is no file "gone.md".')
    assert shop.files("failed") == ["m/extra.txt", "m/link.txt", "m/m.error.txt", "m/m.yaml"]
    assert (shop.folder / "failed/m/link.txt").is_symlink()
    assert secret.read_text() == "Nobody's business."


def test_a_folder_is_taken_when_nothing_of_it_changes_any_more(shop: Shop) -> None:
    """While a part of it is still being copied it waits."""
    folder = shop.inbox / "one"
    folder.mkdir()
    (folder / "one.yaml").write_text('{"title": "A test", "script": "one.md"}')
    (folder / "one.md").write_text("Hello.")
    (folder / "cover.jpg.part").write_text("half a picture")
    with Running(shop.watcher(patience_s=WAIT_S)):
        until(lambda: [drop for drop in shop.waiting() if drop.folder])
        time.sleep(0.5)
        assert shop.rendered == []
        (folder / "cover.jpg.part").unlink()
        until(lambda: shop.finished)
    assert shop.rendered == [("one.yaml", "Hello.")]


@pytest.mark.parametrize("name", [".lock", ".whole"])
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_a_folder_may_bring_what_is_called_as_files_of_ours(shop: Shop, tmp_path: Path, name: str, kind: str) -> None:
    """It is told of, and others go on; nothing is made where a link leads, and nothing waits for a pipe."""
    (shop.inbox / "one").mkdir()
    (shop.inbox / "one/one.yaml").write_text('{"title": "A test", "script": "one.md"}')
    (shop.inbox / "one/one.md").write_text("Hello.")
    path = shop.inbox / "one" / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(tmp_path / "victim")
    else:
        path.mkdir()
    shop.drop("other")
    shop.drain()
    assert shop.rendered == [("other.yaml", "Hello.")]
    assert f'inbox/one: it holds something called "{name}", as a file of ours is. Take it out.' in shop.said
    assert not (tmp_path / "victim").exists()
    assert (shop.inbox / "one/one.md").is_file()


def test_all_that_came_in_a_folder_is_in_done(shop: Shop, tmp_path: Path) -> None:
    """Hidden files, the script among them, copies that an editor left, links and pipes."""
    folder = shop.inbox / "one"
    (folder / ".git").mkdir(parents=True)
    for name in (".one.md", ".git/.hidden", ".git/config", "one.md~"):
        (folder / name).write_text("Hello.")
    (folder / "link").symlink_to(tmp_path)
    (folder / ".git/link").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    (folder / "one.yaml").write_text('{"title": "A test", "script": ".one.md"}')
    shop.drain()
    assert shop.rendered == [("one.yaml", "Hello.")]
    done = shop.folder / "done/one"
    for name in (".one.md", ".git/.hidden", ".git/config", "one.md~", "one.yaml"):
        assert (done / name).is_file()
    assert (done / "link").is_symlink()
    assert (done / ".git/link").is_symlink()
    assert (done / "pipe").is_fifo()
    assert tmp_path.is_dir()
    assert shop.files("running") == []


def test_a_manifest_among_the_voices_is_told_of(shop: Shop) -> None:
    """And no other job takes it along."""
    (shop.inbox / "voices/mine").mkdir(parents=True)
    (shop.inbox / "voices/mine/voice.yaml").write_text("description: d")
    (shop.inbox / "voices/show.yaml").write_text('{"title": "A test", "script": "show.md"}')
    shop.drop("other")
    shop.drain()
    assert "inbox/voices: it holds a manifest, and this name is for voices. Drop it under another name." in shop.said
    assert shop.files("inbox") == ["voices/show.yaml"]
    assert (shop.folder / "done/other/voices/mine/voice.yaml").is_file()


def test_what_stands_where_a_job_belongs_is_left(shop: Shop) -> None:
    """The job has the next folder."""
    (shop.folder / "done").mkdir()
    os.mkfifo(shop.folder / "done/one")
    shop.drop("one")
    shop.drain()
    assert (shop.folder / "done/one 2/one.yaml").is_file()
