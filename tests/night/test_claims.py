"""Claims: a manifest moves with all it names, nothing of it is lost, and of several watchers one gets it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import Problem
from pipeline.night.claims import Outcome
from tests.support.processes import WAIT_S, until
from tests.support.shop import REPORT, Running, Shop


def test_a_manifest_moves_to_done_with_all_it_names(shop: Shop) -> None:
    """A manifest, its script, cover and voices end in done/ with the report, and nothing stays behind."""
    (shop.inbox / "cover.jpg").write_bytes(b"picture")
    (shop.inbox / "voices" / "ann").mkdir(parents=True)
    (shop.inbox / "voices" / "ann" / "voice.yaml").write_text("description: Ann\n")
    shop.drop("one", cover="cover.jpg")

    assert shop.drain() == [Outcome("one", REPORT)]

    assert shop.files() == [
        "done/one/cover.jpg",
        "done/one/one.md",
        "done/one/one.report.json",
        "done/one/one.report.md",
        "done/one/one.yaml",
        "done/one/voices/ann/voice.yaml",
    ]
    assert list((shop.folder / "running").iterdir()) == []
    assert json.loads((shop.folder / "done/one/one.report.json").read_text())["status"] == "done"
    assert shop.finished == [Outcome("one", REPORT)]


def test_two_manifests_share_a_script(shop: Shop) -> None:
    """A script stays in the inbox until the last manifest that names it is through."""
    shop.drop("one", "Shared", script="both.md")
    shop.drop("two", None, script="both.md")
    left: list[bool] = []
    shop.during = lambda _manifest: left.append((shop.inbox / "both.md").exists())
    shop.drain()
    assert shop.rendered == [("one.yaml", "Shared"), ("two.yaml", "Shared")]
    assert left == [True, True]
    assert shop.files("inbox") == []
    assert [(shop.folder / f"done/{name}/both.md").read_text() for name in ("one", "two")] == ["Shared"] * 2


def test_three_weeks_of_one_file_name_are_three_folders(shop: Shop) -> None:
    """A script or cover of the same name replaces none of another production's; one that is mended replaces its own."""
    for week in ("first", "second", "third"):
        (shop.inbox / "cover.jpg").write_text(week)
        shop.drop("one", f"The {week} week.", title=week, cover="cover.jpg")
        shop.drain()
    (shop.inbox / "cover.jpg").write_text("better")
    shop.drop("one", "The second week, mended.", title="second", cover="cover.jpg")
    shop.drain()
    folders = sorted((shop.folder / "done").iterdir())
    assert [folder.name for folder in folders] == ["one", "one 2", "one 3"]
    assert [(folder / "one.md").read_text() for folder in folders] == [
        "The first week.", "The second week, mended.", "The third week.",
    ]  # fmt: skip
    assert [(folder / "cover.jpg").read_text() for folder in folders] == ["first", "better", "third"]
    assert shop.files("inbox") == []
    assert list((shop.folder / "running").iterdir()) == []


def test_a_manifest_nobody_can_read_is_lost_to_no_other(shop: Shop) -> None:
    """Nor does a job whose name is that of another's second folder share it."""
    (shop.inbox / "one.yaml").write_text('title: "open')
    shop.drain()
    shop.drop("one", "Words of another.", title="Another")
    shop.drop("one 2", "Words of one 2.", title="One 2", script="one.md")
    shop.drain()
    (shop.inbox / "one.yaml").write_text("[broken otherwise")
    shop.drain()
    assert (shop.folder / "failed/one/one.yaml").read_text() == 'title: "open'
    assert (shop.folder / "failed/one 2/one.yaml").read_text() == "[broken otherwise"
    titles = {
        path.parent.name: json.loads(path.read_text())["title"] for path in (shop.folder / "done").glob("*/*.yaml")
    }
    assert titles == {"one": "Another", "one 2": "One 2"}


@pytest.mark.parametrize("what", ["inbox script", "running manifest", "running folder"])
def test_files_are_removed_while_they_are_rendered(shop: Shop, what: str) -> None:
    """Whatever somebody takes away meanwhile, the render goes on, its outcome is told, and the watcher lives."""
    shop.drop("one")

    def remove(manifest: Path) -> None:
        if what == "inbox script":
            (shop.inbox / "one.md").unlink()
        elif what == "running manifest":
            manifest.unlink()
        else:
            for path in manifest.parent.iterdir():
                path.unlink()
            manifest.parent.rmdir()

    shop.during = remove
    outcome, *_others = shop.drain()  # the script, where it is left behind
    assert outcome.error == ""
    assert "done/one/one.report.json" in shop.files()
    assert ("done/one/one.yaml" in shop.files()) == (what == "inbox script")
    assert list((shop.folder / "running").iterdir()) == []
    shop.during = lambda _manifest: None
    shop.drop("two")
    shop.drain()
    assert "done/two/two.yaml" in shop.files()


def test_work_in_flight_is_taken_up_at_the_next_start(shop: Shop) -> None:
    """What a stopped watcher was rendering stays in running/, and the next one takes it up first."""
    running = Running(shop.watcher())

    def stopped(_manifest: Path) -> None:
        running.stop.wait(WAIT_S)
        raise RuntimeError("stopped")

    shop.during = stopped
    shop.drop("one", "Long")
    with running:
        until(lambda: shop.rendered)
    assert shop.finished == []
    assert shop.files("running") == ["one/.lock", "one/one.md", "one/one.yaml"]

    (shop.inbox / "one.md").unlink()  # the copy is what counts
    shop.during = lambda _manifest: None
    shop.drain()
    assert shop.rendered == [("one.yaml", "Long")] * 2
    assert "done/one/one.yaml" in shop.files()
    assert shop.said == ["one: taken up where it was left."]


@pytest.mark.parametrize("moved", [True, False])
def test_a_partial_job_fails_and_its_success_clears_failed(shop: Shop, moved: bool) -> None:
    """A job that is not all done goes to failed/ with its report; once it succeeds nothing of that is left."""
    (shop.inbox / "shared.md").write_text("Of another.")
    shop.drop("other", None, script=["shared.md", "gone.md"])
    shop.drain()
    shop.status = "partial"
    shop.problems = [Problem("one.md:1", "take 3 is silent.", "Listen.")]
    shop.drop("one")
    (outcome,) = shop.drain()
    assert outcome.error == "one.md:1: take 3 is silent. Listen."
    assert shop.files("failed") == [
        "one/one.error.txt", "one/one.md", "one/one.report.json", "one/one.report.md", "one/one.yaml",
        "other/other.error.txt", "other/other.yaml", "other/shared.md",
    ]  # fmt: skip
    for name in ("one.md", "one.yaml"):
        (Path.replace if moved else shutil.copyfile)(shop.folder / "failed/one" / name, shop.inbox / name)
    shop.status = "done"
    assert [outcome.error for outcome in shop.drain()] == [""]
    assert shop.files("failed") == ["other/other.error.txt", "other/other.yaml", "other/shared.md"]
    assert shop.files("done/one") == ["one.md", "one.report.json", "one.report.md", "one.yaml"]


def test_what_cannot_be_delivered_is_not_rendered_again(shop: Shop) -> None:
    """Where done/ does not take the job it is told, and delivered later without another render."""
    (shop.folder / "done/one/one.yaml").mkdir(parents=True)
    shop.drop("one")
    with Running(shop.watcher(patience_s=0.01)):
        until(lambda: shop.said)
        assert "It stays in running/ and is tried again." in shop.said[0]
        (shop.folder / "done/one/one.yaml").rmdir()
        until(lambda: shop.finished)
    assert len(shop.rendered) == 1
    assert "done/one/one.yaml" in shop.files()


# Several processes

WATCHER = """
import os, sys, threading, time
from pathlib import Path
from pipeline.jobs.report import Report
from pipeline.night.watcher import DropFolder, Watcher
from pipeline.settings import Settings

folder, log, busy_s = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def render(manifest, done):
    mark = log.with_name(manifest.name + ".busy")
    with log.open("a") as file:
        try:
            os.kill(int(mark.read_text()), 0)
            file.write(f"clash {manifest.name} {os.getpid()}\\n")
        except (OSError, ValueError):
            file.write(f"begun {manifest.name} {os.getpid()}\\n")
    mark.write_text(str(os.getpid()))
    assert manifest.suffix == ".txt" or (manifest.parent / "shared.md").read_text() == "Shared."
    time.sleep(busy_s)
    mark.unlink()
    return Report(title="A test", status="done", audio_s=0, wall_s=0, speed_x=0)

settings = Settings(output=folder / "output", voices=(), jobs=1)
watcher = Watcher(DropFolder(folder, settings, print, at_once=2, settle_s=0.05, patience_s=1), render)
log.with_name(f"ready-{os.getpid()}").touch()
while not log.with_name("go").exists():
    time.sleep(0.01)
watcher.run(threading.Event(), once=True)
"""


def start(shop: Shop, log: Path, busy_s: float) -> subprocess.Popen[str]:
    """Begin a watcher in a process of its own."""
    command = [sys.executable, "-c", WATCHER, str(shop.folder), str(log), str(busy_s)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def let_go(log: Path, *watchers: subprocess.Popen[str]) -> None:
    """Let them begin at the same time."""

    def alive() -> None:
        assert [watcher.poll() for watcher in watchers] == [None] * len(watchers)

    until(lambda: len(list(log.parent.glob("ready-*"))) == len(watchers), alive)
    log.with_name("go").touch()


def end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        told = process.communicate(timeout=WAIT_S)[1]
        assert process.returncode == 0, told


def begun(log: Path) -> list[tuple[str, str]]:
    """The manifest and the process of every render, none of which may meet another."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    assert [line for line in lines if line[0] == "clash"] == []
    return [(name, pid) for _what, name, pid in lines]


def drop_all(shop: Shop, count: int) -> set[str]:
    """So many manifests that share a script, and half as many scripts alone, every other in a folder; all at once."""
    scripts = [Path(f"job{n:03d}.txt" if n % 2 else f"job{n:03d}/job{n:03d}.txt") for n in range(count, count * 3 // 2)]
    for path in scripts:
        (shop.inbox / path).parent.mkdir(exist_ok=True)
        (shop.inbox / path).write_text("Alone.")
    manifests = [shop.drop(f"job{n:03d}", None if n else "Shared.", script="shared.md") for n in range(count)]
    return {path.name for path in (*scripts, *manifests)}


def assert_all_done(shop: Shop, manifests: set[str]) -> None:
    assert shop.files("inbox") == []
    assert list((shop.folder / "running").iterdir()) == []
    assert {Path(name).name for name in shop.files("done") if name.endswith((".yaml", ".txt"))} == manifests
    assert shop.files("failed") == []


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_two_watchers_render_nothing_twice(shop: Shop, tmp_path: Path, count: int) -> None:
    """Of two processes that watch one folder each takes a part, and every manifest is rendered exactly once."""
    manifests, log = drop_all(shop, count), tmp_path / "log"
    two = start(shop, log, 0.01), start(shop, log, 0.01)
    let_go(log, *two)
    end(*two)
    assert sorted(name for name, _pid in begun(log)) == sorted(manifests)
    assert len({pid for _name, pid in begun(log)}) == 2
    assert_all_done(shop, manifests)


@pytest.mark.slow
def test_a_watcher_is_killed_and_nothing_is_lost(shop: Shop, tmp_path: Path) -> None:
    """After kill -9 of one of two watchers every manifest is done, and only what it had in hand is begun again."""
    manifests, log = drop_all(shop, 200), tmp_path / "log"
    victim, other = start(shop, log, 0.02), start(shop, log, 0.02)
    let_go(log, victim, other)
    until(lambda: sum(pid == str(victim.pid) for _name, pid in begun(log)) > 10)
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=WAIT_S)
    end(start(shop, log, 0.02), other)
    renders = begun(log)
    assert {name for name, _pid in renders} == manifests
    names = [name for name, _pid in renders]
    twice = {name for name in names if names.count(name) > 1}
    first = dict(reversed(renders))
    assert len(twice) <= 2
    assert {first[name] for name in twice} <= {str(victim.pid)}
    assert_all_done(shop, manifests)
