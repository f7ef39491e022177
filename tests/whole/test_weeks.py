"""Three weeks of one file name, by every way in: three episodes, and three sources, are there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from pipeline.workspace import Workspace, job_name
from tests.support.commands import PODCAST, run_podcast
from tests.support.processes import WAIT_S, until
from tests.support.served import Served
from tests.support.wrong_requests import Podcast

WEEKS = ("one", "two", "three")


def write_week(folder: Path, week: str) -> Path:
    """`episode.yaml` of a week; the script and the manifest have the names of the week before."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.md").write_text(f"**Ann:** This is week {week} of a show that never says a thing twice.\n")
    manifest = folder / "episode.yaml"
    part = folder / "part"
    part.write_text(f"title: Week {week}\nauthor: Ann\nscript: script.md\ndeliver: [podcast]\n")
    return part.replace(manifest)


def assert_all_are_there(output: Path, reports: list[Path]) -> None:
    """Every week's episode, with its own words beside it, and its report."""
    assert len(set(reports)) == 3
    for week, path in zip(WEEKS, reports, strict=True):
        report = json.loads(path.read_text())
        assert (report["title"], report["status"], report["removed"]) == (f"Week {week}", "done", [])
        (deliverable,) = report["deliverables"]
        sound = output / "episode" / deliverable["path"]
        assert sound.name == f"Week {week}.mp3"
        assert sound.stat().st_size > 1000
        assert f"This is week {week}" in sound.with_suffix(".srt").read_text()


def reports_in(output: Path) -> list[Path]:
    """The reports of the three weeks: the first lies in the folder that all share."""
    return [output / "episode/report.json", *(output / "episode" / f"Week {week}/report.json" for week in WEEKS[1:])]


@pytest.mark.parametrize("is_archived", [False, True])
def test_rendered_by_hand(is_archived: bool, tmp_path: Path, podcast: Podcast) -> None:
    """From one folder, each over the last, or after that was put away."""
    for week in WEEKS:
        ended = podcast("render", write_week(tmp_path / "this week", week))
        assert ended.code == 0, ended.err
        if is_archived:
            (tmp_path / "this week").rename(tmp_path / f"week {week}")
    assert_all_are_there(tmp_path / "output", reports_in(tmp_path / "output"))


def assert_sources_are_there(done: Path) -> None:
    for week in WEEKS:
        (place,) = (path.parent for path in done.glob("*/episode.yaml") if f"title: Week {week}\n" in path.read_text())
        assert f"week {week} of" in (place / "script.md").read_text()


@pytest.mark.slow
def test_dropped_where_watch_looks(tmp_path: Path) -> None:
    """Into one inbox."""
    for week in WEEKS:
        write_week(tmp_path / "night/inbox", week)
        ended = run_podcast("watch", "night", "--once", cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        if week == "one":  # what is done may be put away, too
            (tmp_path / "night/done/episode").rename(tmp_path / "week one")
    (tmp_path / "week one").rename(tmp_path / "night/done/episode 3")
    assert_all_are_there(tmp_path / "output", reports_in(tmp_path / "output"))
    assert_sources_are_there(tmp_path / "night/done")


@pytest.mark.slow
def test_a_drop_waits_for_whoever_has_its_job(tmp_path: Path) -> None:
    """It is queued, and does not fail."""
    manifest = write_week(tmp_path / "night/inbox", "one")
    workspace = Workspace(tmp_path / "output", job_name(manifest))
    with workspace.lock():
        command: list[str | Path] = [PODCAST, "watch", "night", "--once"]
        watching = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        assert watching.stderr is not None
        waits = f"process {os.getpid()} on {socket.gethostname()} is rendering this job. It is waited for."
        assert any(waits in line for line in watching.stderr)
        assert watching.poll() is None
    watching.communicate(timeout=WAIT_S)
    assert watching.returncode == 0
    assert (tmp_path / "night/done/episode/episode.yaml").is_file()


@pytest.mark.slow
def test_the_digest_is_written_by_several_at_once(tmp_path: Path) -> None:
    """Each of them says that it is done, and one of theirs is there, whole."""
    assert run_podcast("render", write_week(tmp_path, "one"), cwd=tmp_path).returncode == 0
    digests = [subprocess.Popen([PODCAST, "digest"], cwd=tmp_path, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [digest.wait(WAIT_S) for digest in digests] == [0, 0, 0, 0]
    assert json.loads((tmp_path / "output/digest.json").read_text())["counts"]["done"] == 1
    assert (tmp_path / "output/digest.html").read_text().endswith("</html>\n")


def drop(served: Served, week: str) -> None:
    write_week(served.folder / "night/inbox", week)
    source = f"title: Week {week}\n"
    manifests = served.folder.glob
    until(
        lambda: any(source in path.read_text() for path in manifests("night/done/*/episode.yaml")),
        served.said.read_text,
    )
    until(lambda: not list((served.folder / "night/inbox").iterdir()), served.said.read_text)


def run_again(served: Served, week: str) -> None:
    manifest = write_week(served.folder / "manifests", week)
    ended = served.prefect("deployment", "run", "podcast/render", "--param", f"manifest={manifest}", "--watch")
    assert ended.returncode == 0, ended.stdout + ended.stderr + served.said.read_text()


@pytest.mark.slow
def test_served(served: Served) -> None:
    """Into the inbox that `podcast serve` looks after, then the first again, as a run of the deployment."""
    for week in WEEKS:
        drop(served, week)
    assert_all_are_there(served.folder / "output", reports_in(served.folder / "output"))
    run_again(served, WEEKS[0])
    assert_all_are_there(served.folder / "output", reports_in(served.folder / "output"))
    assert_sources_are_there(served.folder / "night/done")
