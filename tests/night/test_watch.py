"""Watch: what is dropped is rendered once, moved whole, and never lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pipeline.errors import EngineError, Problem, RequestError, StorageError
from pipeline.jobs.job import open_job
from pipeline.jobs.report import Report
from pipeline.jobs.stages import Conditions, render_job
from pipeline.jobs.status import Board
from pipeline.night.claims import Outcome
from pipeline.night.inbox import Drop, Inbox
from pipeline.night.watch import DropFolder, Watcher, watch
from pipeline.settings import Settings
from pipeline.window import parse_window
from pipeline.workspace import Folders

if TYPE_CHECKING:
    from tests.support.commands import SCRIPT
    from tests.support.processes import WAIT_S, until
else:  # pytest puts this folder on the path, and some packages install a `tests` of their own
    from tests.support.commands import SCRIPT
    from tests.support.processes import WAIT_S, until

REPORT = Report(job="one", title="A test", status="done", audio_s=0, wall_s=0, speed_x=0)


@dataclass
class Shop:
    """A drop folder, and a watcher whose renders say what they read."""

    folder: Path
    rendered: list[tuple[str, str]] = field(default_factory=list)  # manifest, its script as it was read
    said: list[str] = field(default_factory=list)
    finished: list[Outcome] = field(default_factory=list)
    during: Callable[[Path], object] = lambda _manifest: None
    status: Literal["done", "partial"] = "done"
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox.mkdir(parents=True)

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    def drop(self, name: str, text: str | None = "Hello.", *, script: str | list[str] = "", **keys: Any) -> Path:
        """Put a manifest into the inbox, after its script where that has a text."""
        named = script or f"{name.partition('.')[0]}.md"
        if text is not None:
            (self.inbox / str(named)).write_text(text)
        manifest = self.inbox / (name if "." in name else f"{name}.yaml")
        manifest.write_text(json.dumps({"title": "A test", "script": named} | keys))
        return manifest

    def render(self, manifest: Path, done: Path) -> Report:
        """Stands where a job is rendered."""
        assert done.parent == self.folder / "done"
        assert manifest.name == done.name
        named = json.loads(manifest.read_text())["script"]
        self.rendered.append((manifest.name, (manifest.parent / named).read_text()))
        self.during(manifest)
        return REPORT.model_copy(update={"status": self.status, "problems": tuple(self.problems)})

    def drops(self, **options: Any) -> DropFolder:
        """With what a watcher is given."""
        output, window = self.folder.parent / "output", options.pop("window", None)
        settings = Settings(output=output, voices=(), jobs=1, window=window)
        options = {"at_once": 1, "settle_s": 0.03, "patience_s": 0.3} | options
        return DropFolder(self.folder, settings, self.said.append, **options)

    def watcher(self, **options: Any) -> Watcher:
        return Watcher(self.drops(**options), self.render, self.finished.append)

    def drain(self, **options: Any) -> list[Outcome]:
        return self.watcher(**options).run(threading.Event(), once=True)

    def waiting(self) -> list[Drop]:
        """What lies in the inbox, the next one first."""
        return list(Inbox(Folders(self.folder)).look(0.0).drops)

    def files(self, *where: str) -> list[str]:
        root = self.folder.joinpath(*where)
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    def error(self, name: str) -> str:
        return (self.folder / "failed" / f"{name}.error.txt").read_text()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "drop")


class Running:
    """A watcher that runs in a thread while the block lasts."""

    def __init__(self, watcher: Watcher) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=watcher.run, args=(self.stop,))

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


def test_a_manifest_moves_to_done_with_all_it_names(shop: Shop) -> None:
    """A manifest, its script, cover and voices end in done/ with the report, and nothing stays behind."""
    (shop.inbox / "cover.jpg").write_bytes(b"picture")
    (shop.inbox / "voices" / "ann").mkdir(parents=True)
    (shop.inbox / "voices" / "ann" / "voice.yaml").write_text("description: Ann\n")
    shop.drop("one", cover="cover.jpg")

    assert shop.drain() == [Outcome("one", REPORT)]

    assert shop.files() == [
        "done/cover.jpg",
        "done/one.md",
        "done/one.report.json",
        "done/one.report.md",
        "done/one.yaml",
        "done/voices/ann/voice.yaml",
    ]
    assert list((shop.folder / "running").iterdir()) == []
    assert json.loads((shop.folder / "done" / "one.report.json").read_text())["status"] == "done"
    assert shop.finished == [Outcome("one", REPORT)]


def test_a_script_may_come_after_its_manifest(shop: Shop) -> None:
    """A manifest waits for the script it names, and is rendered when that has come."""
    shop.drop("one", None)
    with Running(shop.watcher(patience_s=WAIT_S)):
        until(lambda: [drop.problems for drop in shop.waiting()])
        (shop.inbox / "one.md").write_text("Late.")
        until(lambda: shop.finished)
    assert shop.rendered == [("one.yaml", "Late.")]
    assert "done/one.yaml" in shop.files()


def test_a_manifest_that_stays_wrong_fails_with_all_its_problems(shop: Shop) -> None:
    """What has not been mended in time goes to failed/ with its companions, a line for each problem, and what to do."""
    (shop.inbox / "here.md").write_text("Hello.")
    shop.drop("one", None, script=["here.md", "gone.md"], cover="no.jpg", seed="many")
    shop.drain()
    assert shop.rendered == []
    assert shop.files() == ["failed/here.md", "failed/one.error.txt", "failed/one.yaml"]
    problems, mend = shop.error("one").split("\n\n")
    assert len(problems.splitlines()) == 3
    assert all(line.startswith("one.yaml:1: ") for line in problems.splitlines())
    assert 'there is no file "gone.md".' in problems
    assert 'there is no file "no.jpg".' in problems
    assert mend == "Mend it and drop it into inbox/ again.\n"


def test_broken_yaml_is_told_with_its_line(shop: Shop) -> None:
    """A manifest that is no YAML fails with the line that is wrong."""
    (shop.inbox / "one.yaml").write_text("script: one.md\ntitle: One: two\n")
    shop.drain()
    assert shop.error("one").startswith("one.yaml:2: a value with a colon in it has to be quoted.")


def test_a_half_copied_script_is_rendered_again(shop: Shop) -> None:
    """A script that grows while it is rendered is rendered whole before the job is done."""
    shop.drop("one", "Half")
    shop.during = lambda _manifest: (shop.inbox / "one.md").write_text("Half and half.")
    shop.drain()
    assert shop.rendered == [("one.yaml", "Half"), ("one.yaml", "Half and half.")]
    assert (shop.folder / "done" / "one.md").read_text() == "Half and half."
    assert shop.files("inbox") == []


def test_a_half_copied_script_that_is_wrong_gets_its_time(shop: Shop) -> None:
    """A request that is found wrong while a part of it is on its way is rendered when that has come."""
    shop.drop("one", "Half")

    def check(manifest: Path) -> None:
        if "whole" not in (manifest.parent / "one.md").read_text():
            raise RequestError(Problem(f"{manifest.parent / 'one.md'}:1", "this is half.", "Finish it."))

    shop.during = check
    with Running(shop.watcher(patience_s=WAIT_S)):
        until(lambda: shop.rendered)
        (shop.inbox / "one.md").write_text("The whole.")
        until(lambda: shop.finished)
    assert [outcome.error for outcome in shop.finished] == [""]

    shop.drop("one", "Half for ever")
    (outcome,) = shop.drain()
    assert outcome.error == "one.md:1: this is half. Finish it."
    assert shop.error("one").startswith("one.md:1: this is half. Finish it.\n")


def test_a_later_manifest_keeps_its_own_script(shop: Shop) -> None:
    """A script that a later manifest brings under the same name is not taken for a change of the earlier one's."""
    shop.drop("one", "First", script="script.md")

    def bring(manifest: Path) -> None:
        if manifest.name == "one.yaml":
            shop.drop("two", "Second", script="script.md")

    shop.during = bring
    shop.drain()
    assert shop.rendered == [("one.yaml", "First"), ("two.yaml", "Second")]
    assert shop.files("inbox") == []


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
    assert (shop.folder / "done" / "both.md").read_text() == "Shared"


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
    (outcome,) = shop.drain()
    assert outcome.error == ""
    assert "done/one.report.json" in shop.files()
    assert ("done/one.yaml" in shop.files()) == (what == "inbox script")
    assert list((shop.folder / "running").iterdir()) == []
    shop.during = lambda _manifest: None
    shop.drop("two")
    shop.drain()
    assert "done/two.yaml" in shop.files()


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
    assert "done/one.yaml" in shop.files()
    assert shop.said == ["one: taken up where it was left."]


@pytest.mark.parametrize("poll", [False, True])
def test_a_running_watcher_notices_what_comes(shop: Shop, poll: bool) -> None:
    """With the system's events or by polling, a manifest is found that is renamed into the folder."""
    with Running(shop.watcher(poll=poll)):
        until((shop.folder / "failed").is_dir)
        shop.drop("one.yaml.part").rename(shop.inbox / "one.yaml")
        until(lambda: shop.finished)
    assert shop.finished[0].name == "one"


def test_the_same_manifest_twice(shop: Shop) -> None:
    """A manifest dropped again, also while it is being rendered, is rendered again and replaces what is in done/."""
    shop.drop("one", "First")

    def again(_manifest: Path) -> None:
        if len(shop.rendered) == 1:
            shop.drop("one", "Second")

    shop.during = again
    assert [outcome.error for outcome in shop.drain()] == ["", ""]
    assert shop.rendered == [("one.yaml", "First"), ("one.yaml", "Second")]
    assert (shop.folder / "done" / "one.md").read_text() == "Second"
    shop.drop("one", "Second")
    assert [outcome.error for outcome in shop.drain()] == [""]
    assert shop.files() == ["done/one.md", "done/one.report.json", "done/one.report.md", "done/one.yaml"]


def test_names_that_differ_only_in_their_extension(shop: Shop) -> None:
    """Two manifests of one job are rendered one after the other, however many may run at once."""
    shop.drop("one.yaml", "Both", script="both.md")
    shop.drop("one.yml", None, script="both.md")
    busy: list[Path] = []

    def alone(manifest: Path) -> None:
        busy.append(manifest)
        assert len(busy) == 1
        busy.remove(manifest)

    shop.during = alone
    assert [outcome.error for outcome in shop.drain(at_once=2)] == ["", ""]
    assert {"done/one.yaml", "done/one.yml"} < set(shop.files())


def test_as_many_at_once_as_asked(shop: Shop) -> None:
    """Two manifests are rendered at the same time where two may be, and never three."""
    together, busy, most = threading.Barrier(2), [0], [0]
    lock = threading.Lock()

    def meet(_manifest: Path) -> None:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        together.wait(WAIT_S)
        with lock:
            busy[0] -= 1

    shop.during = meet
    for number in range(6):
        shop.drop(f"job{number}")
    assert len(shop.drain(at_once=2)) == 6
    assert most == [2]


def test_the_higher_priority_goes_first(shop: Shop) -> None:
    """What waits is taken by priority, then in the order in which it came."""
    for number, name in enumerate(("late", "early", "urgent")):
        manifest = shop.drop(name, priority=9 if name == "urgent" else 0)
        os.utime(manifest, (1000 - number, 1000 - number))
    assert [drop.name for drop in shop.waiting()] == ["urgent", "early", "late"]
    shop.drain()
    assert [name for name, _text in shop.rendered] == ["urgent.yaml", "early.yaml", "late.yaml"]


def test_what_sleeps_holds_no_place(shop: Shop) -> None:
    """A manifest waits in the inbox until its window opens, or that of the watcher, and others go before it."""
    hour = [12]
    options = {"at_once": 1, "now": lambda: datetime(2026, 11, 26, hour[0])}
    shop.drop("night", window="23:00-06:30", priority=9)
    shop.drop("day")
    with Running(shop.watcher(**options)):
        until(lambda: shop.finished)
        assert [outcome.name for outcome in shop.finished] == ["day"]
        assert shop.files("inbox") == ["night.md", "night.yaml"]
        hour[0] = 23
        until(lambda: len(shop.finished) == 2)
        assert shop.finished[1].name == "night"
    shop.drop("night", window="9:00-17:00")
    (outcome,) = shop.drain(window=parse_window("23:00-06:30"), **options)
    assert outcome.name == "night"


def test_a_full_disk_is_waited_out(shop: Shop) -> None:
    """Where storage fails the claim is kept, and rendered when there is room again; a scheduled run gives up."""
    room: list[bool] = []

    def full(_manifest: Path) -> None:
        if not room:
            raise StorageError(Problem("output", "the disk is full.", "Make room."))

    shop.during = full
    shop.drop("one")
    (outcome,) = shop.drain(patience_s=0.01)
    assert outcome.error.startswith("output: the disk is full. Make room.\nIt stays in running/")
    assert "running/one/one.yaml" in shop.files()
    assert shop.said == ["one: output: the disk is full. It stays in running/ and is tried again."]
    with Running(shop.watcher(patience_s=0.01)):
        before = len(shop.rendered)
        until(lambda: len(shop.rendered) > before + 8)
        room.append(True)
        until(lambda: len(shop.finished) == 2)
    assert "done/one.yaml" in shop.files()


def test_engines_that_fail_are_tried_three_times_more(shop: Shop) -> None:
    """Where the engines are gone the job is tried again, three times, and fails then."""

    def broken(_manifest: Path) -> None:
        raise EngineError(Problem("cuda:0", "the device is gone.", "Look at it."))

    shop.during = broken
    shop.drop("one")
    (outcome,) = shop.drain(patience_s=0.01)
    assert outcome.error == "cuda:0: the device is gone. Look at it."
    assert len(shop.rendered) == 4
    assert "failed/one.error.txt" in shop.files()


def test_an_error_of_the_program_fails_its_manifest_only(shop: Shop) -> None:
    """An exception nobody foresaw is told in the error text, and the next manifest is rendered."""

    def wrong(manifest: Path) -> None:
        if manifest.name == "one.yaml":
            raise ZeroDivisionError("oops")

    shop.during = wrong
    shop.drop("one")
    shop.drop("two")
    shop.drain()
    assert "an error of the program, not of the manifest (ZeroDivisionError: oops)." in shop.error("one")
    assert "Traceback" in shop.error("one")
    assert "done/two.yaml" in shop.files()


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
        "one.error.txt", "one.md", "one.report.json", "one.report.md", "one.yaml",
        "other.error.txt", "other.yaml", "shared.md",
    ]  # fmt: skip
    for name in ("one.md", "one.yaml"):
        (Path.replace if moved else shutil.copyfile)(shop.folder / "failed" / name, shop.inbox / name)
    shop.status = "done"
    assert [outcome.error for outcome in shop.drain()] == [""]
    assert shop.files("failed") == ["other.error.txt", "other.yaml", "shared.md"]
    assert shop.files("done") == ["one.md", "one.report.json", "one.report.md", "one.yaml"]


def test_what_cannot_be_delivered_is_not_rendered_again(shop: Shop) -> None:
    """Where done/ does not take the job it is told, and delivered later without another render."""
    (shop.folder / "done" / "one.yaml").mkdir(parents=True)
    shop.drop("one")
    with Running(shop.watcher(patience_s=0.01)):
        until(lambda: shop.said)
        assert "It stays in running/ and is tried again." in shop.said[0]
        (shop.folder / "done" / "one.yaml").rmdir()
        until(lambda: shop.finished)
    assert len(shop.rendered) == 1
    assert "done/one.yaml" in shop.files()


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
    assert "done/chapters.yaml" in shop.files()


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


def test_a_folder_that_cannot_be_used(tmp_path: Path, settings: Settings) -> None:
    """A watcher whose folder is a file says so, and what to do, before it begins."""
    (tmp_path / "drop").write_text("a file")
    watcher = Watcher(DropFolder(tmp_path / "drop", settings, print), lambda _manifest, _done: REPORT)
    with pytest.raises(RequestError, match=r"the drop folder cannot be used \(.*\)\. Make it writable"):
        watcher.run(threading.Event())


def test_real_jobs(shop: Shop, settings: Settings) -> None:
    """A job is rendered once however often it is dropped, and one with an unknown voice says where it is named."""

    def render(manifest: Path, done: Path) -> Report:
        job = open_job(manifest, settings, engine="tone", owner=done)
        return render_job(job, Conditions(jobs=1))

    watcher = Watcher(replace(shop.drops(), settings=settings), render)
    shop.drop("one", SCRIPT)
    shop.drop("two", SCRIPT, cast={"Ann": "nobody"})
    first, wrong = watcher.run(threading.Event(), once=True)
    assert first.report is not None
    assert first.report.takes.rendered == first.report.takes.total > 0
    assert (shop.folder / "done" / "one.report.md").read_text().startswith("# A test: done")
    assert wrong.error.startswith('two.yaml:1: no voice "nobody" in voices/.')

    shop.drop("one", SCRIPT)
    (again,) = watcher.run(threading.Event(), once=True)
    assert again.report is not None
    assert again.report.takes.reused == first.report.takes.total


def test_what_becomes_of_the_folder_is_said_shown_and_summed_up(shop: Shop) -> None:
    """How each manifest ended is said, and stands in the digest; what waits for its window is on the board."""
    shop.drop("one")
    shop.drop("two", None)
    shop.drop("late", window="23:00-06:30")
    drops = shop.drops(now=lambda: datetime(2026, 11, 26, 12))
    board, stop = Board(drops.settings.output), threading.Event()
    thread = threading.Thread(target=watch, args=(drops, shop.render, board, stop))
    thread.start()
    try:
        until(lambda: [job.title for job in board.jobs()] == ["late.yaml"])
        until(lambda: len(shop.said) == 3)
    finally:
        stop.set()
        thread.join(WAIT_S)
    assert shop.said == [
        f"watching {shop.inbox}; stop with Ctrl-C",
        "one: done",
        'two: failed\ntwo.yaml:1: there is no file "two.md". Drop it beside the manifest.',
    ]
    digest = json.loads((drops.settings.output / "digest.json").read_text())
    assert [failure["name"] for failure in digest["failures"]] == ["two"]
    assert digest["waiting"] == ["late.yaml"]


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


# Several processes

WATCHER = """
import os, sys, threading, time
from pathlib import Path
from pipeline.jobs.report import Report
from pipeline.night.watch import DropFolder, Watcher
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
    assert (manifest.parent / "shared.md").read_text() == "Shared."
    time.sleep(busy_s)
    mark.unlink()
    return Report(title="A test", status="done", audio_s=0, wall_s=0, speed_x=0)

settings = Settings(output=folder / "output", voices=(), jobs=1)
watcher = Watcher(DropFolder(folder, settings, print, at_once=2, settle_s=0.05, patience_s=30), render)
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
    """So many manifests that share a script, all there at once."""
    return {shop.drop(f"job{n:03d}", None if n else "Shared.", script="shared.md").name for n in range(count)}


def assert_all_done(shop: Shop, manifests: set[str]) -> None:
    assert shop.files("inbox") == []
    assert list((shop.folder / "running").iterdir()) == []
    assert {name for name in shop.files("done") if name.endswith(".yaml")} == manifests
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
