"""The inbox: which manifests lie there, in which order, and since when each has been as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pipeline.night.inbox import Inbox
from pipeline.workspace import Folders
from tests.support.shop import Shop


def test_the_higher_priority_goes_first(shop: Shop) -> None:
    """What waits is taken by priority, then in the order in which it came."""
    for number, name in enumerate(("late", "early", "urgent")):
        manifest = shop.drop(name, priority=9 if name == "urgent" else 0)
        os.utime(manifest, (1000 - number, 1000 - number))
    assert [drop.name for drop in shop.waiting()] == ["urgent", "early", "late"]
    shop.drain()
    assert [name for name, _text in shop.rendered] == ["urgent.yaml", "early.yaml", "late.yaml"]


def test_what_is_no_manifest_is_left_alone(shop: Shop) -> None:
    """Hidden and half-written files and scripts in YAML stay where they are."""
    names = [".one.yaml", ".one.yaml.X8f3Qa", "two.yaml.part", "three.yaml~", "four.yaml.crdownload", "notes.txt"]
    for name in names:
        (shop.inbox / name).write_text("title: x\nscript: x.md\n")
    (shop.inbox / "chapters.yaml").write_text("chapters: [{turns: [{text: Hello}]}]\n")
    (shop.inbox / "list.yml").write_text("- turns: [{text: Hello}]\n")
    (shop.inbox / "folder.yaml").mkdir()
    assert shop.waiting() == []
    assert shop.drain() == []
    assert len(shop.files("inbox")) == len(names) + 2

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
