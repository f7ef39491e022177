"""Watch: what is dropped is rendered once, moved whole, and never lost."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.errors import EngineError, Problem, RequestError, StorageError
from pipeline.jobs.job import open_job
from pipeline.jobs.report import Report
from pipeline.jobs.stages import Conditions, render_job
from pipeline.jobs.status import Board
from pipeline.night.digest import latest_digest
from pipeline.night.inbox import Inbox
from pipeline.night.watch import showing, watch
from pipeline.night.watcher import DropFolder, Watcher
from pipeline.settings import Settings
from pipeline.window import parse_window
from pipeline.workspace import Folders, Workspace
from tests.support.commands import SCRIPT
from tests.support.processes import WAIT_S, until
from tests.support.shop import REPORT, Running, Shop


def test_a_script_may_come_after_its_manifest(shop: Shop) -> None:
    """A manifest waits for the script it names, and is rendered when that has come."""
    shop.drop("one", None)
    with Running(shop.watcher(patience_s=WAIT_S)):
        until(lambda: [drop.problems for drop in shop.waiting()])
        (shop.inbox / "one.md").write_text("Late.")
        until(lambda: shop.finished)
    assert shop.rendered == [("one.yaml", "Late.")]
    assert "done/one/one.yaml" in shop.files()


def test_a_manifest_that_stays_wrong_fails_with_all_its_problems(shop: Shop) -> None:
    """What has not been mended in time goes to failed/ with its companions, a line for each problem, and what to do."""
    (shop.inbox / "here.md").write_text("Hello.")
    shop.drop("one", None, script=["here.md", "gone.md"], cover="no.jpg", seed="many")
    shop.drain()
    assert shop.rendered == []
    assert shop.files() == ["failed/one/here.md", "failed/one/one.error.txt", "failed/one/one.yaml"]
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
    assert (shop.folder / "done/one/one.md").read_text() == "Half and half."
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
    assert (shop.folder / "done/one/one.md").read_text() == "Second"
    shop.drop("one", "Second")
    assert [outcome.error for outcome in shop.drain()] == [""]
    assert shop.files() == [
        "done/one/one.md",
        "done/one/one.report.json",
        "done/one/one.report.md",
        "done/one/one.yaml",
    ]


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
    assert {"done/one/one.yaml", "done/one/one.yml"} < set(shop.files())


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
    assert "done/one/one.yaml" in shop.files()


def test_engines_that_fail_are_tried_three_times_more(shop: Shop) -> None:
    """Where the engines are gone the job is tried again, three times, and fails then."""

    def broken(_manifest: Path) -> None:
        raise EngineError(Problem("cuda:0", "the device is gone.", "Look at it."))

    shop.during = broken
    shop.drop("one")
    (outcome,) = shop.drain(patience_s=0.01)
    assert outcome.error == "cuda:0: the device is gone. Look at it."
    assert len(shop.rendered) == 4
    assert "failed/one/one.error.txt" in shop.files()


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
    assert "done/two/two.yaml" in shop.files()


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
    assert (shop.folder / "done/one/one.report.md").read_text().startswith("# A test: done")
    assert wrong.error.startswith('two.yaml:1: no voice "nobody" in voices/.')

    shop.drop("one", SCRIPT)
    (again,) = watcher.run(threading.Event(), once=True)
    assert again.report is not None
    assert again.report.takes.reused == first.report.takes.total


def test_a_script_alone_waits_is_rendered_and_summed_up(shop: Shop, settings: Settings) -> None:
    """With a real job: on the board and in the digest, and what it made is known when it comes again."""
    (shop.inbox / "01_my-show.md").write_text(SCRIPT)

    def render(manifest: Path, done: Path) -> Report:
        return render_job(open_job(manifest, settings, engine="tone", owner=done), Conditions(jobs=1))

    drops = replace(shop.drops(), settings=settings)
    board = Board(settings.output)
    assert latest_digest(settings.output, Inbox(Folders(shop.folder))).waiting == ("01_my-show.md",)
    with showing(board, shop.folder, "in the inbox"):
        assert [(job.job, job.title, job.state) for job in board.jobs()] == [("01_my-show", "01_my-show.md", "waits")]
    for reused in (False, True):
        (outcome,) = watch(drops, render, board, threading.Event(), once=True)
        assert outcome.report is not None
        assert outcome.report.title == "My show"
        assert (outcome.report.takes.reused == outcome.report.takes.total) == reused
        (shop.folder / "done/01_my-show/01_my-show.md").rename(shop.inbox / "01_my-show.md")
    assert latest_digest(settings.output).verdict == "1 job done, 1 waiting"
    assert Workspace(settings.output, "01_my-show").manifests == [shop.folder / "done/01_my-show/01_my-show.md"]


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
        until(lambda: len(shop.said) == 4)
    finally:
        stop.set()
        thread.join(WAIT_S)
    assert shop.said == [
        f"watching {shop.inbox}; stop with Ctrl-C",
        'one: done ("A test", 0:00 of audio)',
        "two: failed",
        'two.yaml:1: there is no file "two.md". Drop it beside the manifest.',
    ]
    digest = json.loads((drops.settings.output / "digest.json").read_text())
    assert [failure["name"] for failure in digest["failures"]] == ["two"]
    assert digest["waiting"] == ["late.yaml"]


def test_a_digest_that_cannot_be_written_ends_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it is that nobody foresaw: it is logged, once, and the next job goes on."""

    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("pipeline.night.watch.write_digest", break_down)
    for name in ("one", "two", "three"):
        shop.drop(name)
    drops = shop.drops()
    outcomes = watch(drops, shop.render, Board(drops.settings.output), threading.Event(), once=True)
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    assert [line for line in shop.said if "digest" in line] == ["no digest is written: nobody foresaw this."]
    assert [record.message for record in caplog.records] == ["the digest cannot be written"]


def test_a_digest_tells_of_every_folder_that_was_watched(shop: Shop) -> None:
    """What failed and what waits there, without being told where it is; a folder that is gone is passed over."""
    shop.drop("one", None)
    drops = shop.drops()
    output = drops.settings.output
    watch(drops, shop.render, Board(output), threading.Event(), once=True)
    shop.drop("later")
    assert latest_digest(output).verdict == "0 of 1 job done, 1 failed, 1 waiting"
    shop.folder.rename(shop.folder.with_name("elsewhere"))
    assert latest_digest(output).verdict == "No jobs ran"
    (output / ".drop-folders.json").write_text('[5, "\\u0000", {}]')
    assert latest_digest(output).verdict == "No jobs ran"


def test_a_job_that_waits_keeps_its_own_script(shop: Shop) -> None:
    """Another may come and go with one of the same name meanwhile."""
    tries: list[str] = []

    def fail_twice(manifest: Path) -> None:
        if manifest.name == "one.yaml" and len(tries) < 2:
            tries.append(manifest.name)
            raise StorageError(Problem("disk", "it is full."))

    shop.during = fail_twice
    shop.drop("one", "Mine.", script="script.md")
    with Running(shop.watcher(at_once=2, patience_s=1)):
        until(lambda: tries)
        shop.drop("two", "Theirs.", script="script.md")
        until(lambda: len(shop.finished) == 2)
    assert set(shop.rendered) == {("one.yaml", "Mine."), ("two.yaml", "Theirs.")}
    assert (shop.folder / "done/one/script.md").read_text() == "Mine."
    assert (shop.folder / "done/two/script.md").read_text() == "Theirs."
    assert shop.files("inbox") == []
