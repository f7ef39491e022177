"""The morning digest tells what became of the night's jobs, and first of all what needs a person."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Problem
from pipeline.jobs.job import open_job
from pipeline.jobs.report import Gap, Report
from pipeline.jobs.stages import Conditions, render_job
from pipeline.night.digest import Digest, Disk, Failure, JobNight, latest_digest, make_digest
from pipeline.night.inbox import Inbox
from pipeline.night.page import digest_html, digest_markdown, write_digest
from pipeline.settings import Settings
from pipeline.takes.outcome import DeviceWork, Ear
from pipeline.workspace import Folders
from tests.support.commands import MakeJob

ZONE = timezone(timedelta(hours=1))
NOW = datetime(2026, 1, 31, 7, 0, tzinfo=ZONE)
SINCE = NOW - timedelta(days=1)
OLD: dict[str, Any] = {
    "title": "A book",
    "status": "done",
    "takes": {"total": 4, "rendered": 4, "reused": 0, "failed": 0},
    "audio_s": 600.0,
    "wall_s": 60.0,
    "speed_x": 10.0,
    "voices": {},
    "chapters": [],
    "deliverables": [],
    "problems": [],
}
WHOLE: dict[str, Any] = OLD | {
    "deliverables": [{"path": "1.mp3"}],
    "problems": [{"where": "a", "what": "b", "next": "c"}],
    "devices": {"cpu": {"takes": 1, "audio_s": 1.0, "work_s": 1.0}},
    "gaps": [{"chapter": 1, "at_s": 1.0, "text": "a", "why": "b"}],
    "ears": [{"take": "a", "where": "b", "text": "c", "faults": ["d"]}],
    "finished_at": NOW.isoformat(),
}
ODD = [10**4000, 1e308, "\ud800", "0001-01-01"]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(ODD)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def put(output: Path, name: str, hours_ago: float = 1, **changes: Any) -> Path:
    """A job's folder with a report; the folder."""
    folder = output / name
    (folder / "takes").mkdir(parents=True, exist_ok=True)
    finished = (NOW - timedelta(hours=hours_ago)).isoformat()
    report = OLD | {"job": name, "finished_at": finished} | changes
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def fail(folder: Path, name: str, text: str, hours_ago: float = 1) -> None:
    """What the drop folder leaves of a manifest it refused."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / name / f"{name}.error.txt"
    path.write_text(text)
    then = (NOW - timedelta(hours=hours_ago)).timestamp()
    os.utime(path, (then, then))


def digest(output: Path, **more: Any) -> Digest:
    """The digest of the last day."""
    return make_digest(output, since=SINCE, now=NOW, **more)


def test_jobs_are_told_apart_by_what_they_need(tmp_path: Path) -> None:
    """Done, to be looked at, and failed; the verdict counts them."""
    ear = {"take": "takes/a.flac", "where": "x.md:3", "text": "Hello.", "faults": ["too long"]}
    put(tmp_path, "done")
    put(tmp_path, "unspoken", unspoken=2)
    put(tmp_path, "flagged", ears=[ear])
    put(tmp_path, "partial", status="partial", gaps=[{"chapter": 2, "at_s": 61.5, "text": "Hi.", "why": "it died."}])
    put(tmp_path, "failed", status="failed")
    fail(tmp_path / "dropped", "refused", "refused.yaml:3: no voice.")
    made = digest(tmp_path, failed_folders=[tmp_path / "dropped"], waiting=["next"])
    verdicts = {job.name: job.verdict for job in made.jobs}
    assert verdicts.pop("done") == "done"
    assert verdicts.pop("failed") == "failed"
    assert verdicts == dict.fromkeys(("flagged", "unspoken", "partial"), "look")
    assert made.verdict == "1 of 6 jobs done, 3 need you, 2 failed, 1 waiting"
    assert made.counts == {"jobs": 6, "done": 1, "look": 3, "failed": 2, "waiting": 1}


@pytest.mark.parametrize(
    ("done", "failed", "verdict"),
    [
        (0, 0, "No jobs ran"),
        (1, 0, "1 job done"),
        (3, 0, "All 3 jobs done"),
        (0, 1, "0 of 1 job done, 1 failed"),
        (2, 1, "2 of 3 jobs done, 1 failed"),
    ],
)
def test_verdicts(tmp_path: Path, done: int, failed: int, verdict: str) -> None:
    """In one line, as one would say it."""
    for number in range(done + failed):
        put(tmp_path, f"job-{number}", status="done" if number < done else "failed")
    assert digest(tmp_path).verdict == verdict


@settings(max_examples=30)
@given(st.lists(st.integers(-50, 50), max_size=6, unique=True))
def test_a_job_is_in_exactly_one_day(hours: list[int]) -> None:
    """Digests that follow one another miss no job, and tell none twice."""
    told = []
    with TemporaryDirectory() as folder:
        output = Path(folder)
        for hour in hours:
            put(output, f"job{hour}", hour)
        for day in range(-3, 4):
            now = NOW + timedelta(days=day)
            told += [job.name for job in make_digest(output, since=now - timedelta(days=1), now=now).jobs]
    assert sorted(told) == sorted(f"job{hour}" for hour in hours)


def test_old_reports_go_by_the_time_of_their_file(tmp_path: Path) -> None:
    """They say neither when they were finished nor on which devices."""
    for name, hours in (("yesterday", 30), ("tonight", 2)):
        folder = put(tmp_path, name)
        (folder / "report.json").write_text(json.dumps(OLD | {"job": name}))
        then = (NOW - timedelta(hours=hours)).timestamp()
        os.utime(folder / "report.json", (then, then))
    made = digest(tmp_path)
    assert [job.name for job in made.jobs] == ["tonight"]
    assert made.rendered_s == 600
    assert made.devices == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"done"',
        "{}",
        json.dumps(WHOLE | {"status": "fine"}),
        json.dumps(WHOLE | {"title": 3}),
        json.dumps(WHOLE | {"audio_s": "NaN"}),
        json.dumps(WHOLE | {"finished_at": "yesterday"}),
        json.dumps(WHOLE | {"ears": [1]}),
        json.dumps(WHOLE | {"devices": []}),
        json.dumps(WHOLE | {"devices": {"cpu": {"audio_s": 1e300}}}),
        json.dumps(WHOLE | {"devices": {"cpu": {"takes": 10**4000}}}),
        json.dumps(WHOLE | {"wall_s": 1e300, "speed_x": 1e300}),
        json.dumps(WHOLE | {"gaps": [{"chapter": 1, "at_s": float("inf")}]}),
        json.dumps(WHOLE | {"finished_at": "0001-01-01T00:00:00+05:00"}),
        json.dumps(WHOLE | {"title": "\ud800"}),
        "[" * 100_000,
    ],
)
def test_foreign_reports_are_passed_over(tmp_path: Path, text: str) -> None:
    """Damaged ones too; the others are told."""
    (put(tmp_path, "foreign") / "report.json").write_text(text)
    put(tmp_path, "ours")
    assert [job.name for job in digest(tmp_path).jobs] == ["ours"]


def _damaged(data: st.DataObject, value: Any) -> Any:
    """`value`, or some part of it, replaced by any JSON."""
    if not isinstance(value, list | dict) or not value or data.draw(st.booleans()):
        return data.draw(JSON)
    keys = range(len(value)) if isinstance(value, list) else sorted(value)
    changed = value.copy()
    key = data.draw(st.sampled_from(keys))
    changed[key] = _damaged(data, value[key])
    return changed


@settings(max_examples=150)
@given(st.data())
def test_no_report_ends_the_digest(data: st.DataObject) -> None:
    """Whatever stands in two of them; the one that is whole is told."""
    with TemporaryDirectory() as folder:
        output = Path(folder)
        for name in ("a", "b"):
            key = data.draw(st.sampled_from(sorted(WHOLE)))
            text = json.dumps(WHOLE | {key: _damaged(data, WHOLE[key])})
            (put(output, name) / "report.json").write_text(text)
        put(output, "ours")
        made = digest(output)
        assert "ours" in [job.name for job in made.jobs]
        write_digest(output, made)
        assert digest_markdown(made)


def test_devices_add_up(tmp_path: Path) -> None:
    """What each made in all jobs, and how fast; work in this process is told as such."""
    for name in ("one", "two"):
        devices = {"cuda:0": {"takes": 3, "audio_s": 100.0, "work_s": 10.0, "speed_x": 10.0}}
        put(tmp_path, name, devices=devices | {"": {"takes": 1, "audio_s": 5.0, "work_s": 10.0}})
    made = digest(tmp_path)
    assert made.devices == {"cuda:0": DeviceWork(6, 200.0, 20.0), "here": DeviceWork(2, 10.0, 20.0)}
    assert made.devices["cuda:0"].speed_x == 10.0
    assert made.rendered_s == 210


def test_disk_is_counted_by_kind(tmp_path: Path) -> None:
    """Of every job that is there, whenever it ran; links lead elsewhere."""
    for name, hours in (("new", 1), ("old", 100)):
        folder = put(tmp_path, name, hours)
        for part, size in (("takes/a.flac", 10), ("voices/v.flac", 5), ("chapters/1.flac", 7), ("acx/A/T/1.mp3", 3)):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).write_bytes(bytes(size))
    report = (tmp_path / "new/report.json").stat().st_size
    (tmp_path / "link").symlink_to(tmp_path / "new")
    made = digest(tmp_path)
    assert [(job.name, job.disk) for job in made.jobs] == [("new", Disk(15, 7, 3 + report))]
    assert (made.disk.takes, made.disk.chapters) == (30, 14)
    assert made.free_bytes > 0


def test_a_run_is_told_once(tmp_path: Path) -> None:
    """A partial job has a report and an error text; of a done one a newer error tells besides: it may be another's."""
    output, dropped = tmp_path / "output", tmp_path / "failed"
    put(output, "partial", 2, status="partial")
    fail(dropped, "partial", "partial: 1 of 2 chapters", 1.9)
    put(output, "mended", 2)
    fail(dropped, "mended", "of the first try", 3)
    put(output, "broken", 3)
    fail(dropped, "broken", "broken.yaml:1: cannot be read", 2)
    fail(dropped, "long-ago", "forgotten", 48)
    made = digest(output, failed_folders=[dropped])
    assert {job.name for job in made.jobs} == {"partial", "mended", "broken"}
    assert [(failure.name, failure.text) for failure in made.failures] == [("broken", "broken.yaml:1: cannot be read")]


def test_problems_that_are_told_already_are_not_told_again(tmp_path: Path) -> None:
    """The report says which of its problems an ear or a gap stands for; of an older one all are told."""
    flagged = {"where": "x.md:3", "what": 'the best take of "Hello." is too long.', "next": "Listen."}
    other = {"where": "acx/1.mp3", "what": "misses its limit for level.", "next": "See its levels."}
    put(tmp_path, "new", problems=[flagged, other], other_problems=[other])
    put(tmp_path, "old", problems=[flagged, other])
    assert {job.name: job.problems for job in digest(tmp_path).jobs} == {
        "new": (Problem(**other),),
        "old": (Problem(**flagged), Problem(**other)),
    }


@pytest.mark.parametrize("take", ["../../secret.flac", "/etc/passwd", "takes/gone.flac", "takes", "a\0b", "x" * 5000])
def test_only_the_jobs_own_files_are_linked(tmp_path: Path, take: str) -> None:
    """A report that names another gets no link to it."""
    (tmp_path / "secret.flac").touch()
    put(tmp_path / "output", "job", ears=[{"take": take}], deliverables=[{"path": take}])
    (job,) = digest(tmp_path / "output").jobs
    assert job.ears[0].take == ""
    assert job.files == ()


class _Page(HTMLParser):
    """Notes every element, link and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "!doctype"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert {name for name, _value in attrs} <= {
            *("lang", "charset", "name", "content", "class", "href", "src", "controls", "preload")
        }

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


SNEAKY = """<script>alert(1)</script>"' onload='x & &amp; | ]( \\ javascript:"""
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30) | st.just(SNEAKY)


@given(st.data())
def test_every_text_is_escaped(data: st.DataObject) -> None:
    """Whatever titles, texts, names and paths hold, the page has the same elements and shows them as they are."""

    def word() -> str:
        return data.draw(words)

    report = Report(
        title=f"T{word()}",
        status=data.draw(st.sampled_from(["done", "partial", "failed"])),
        audio_s=60.0,
        wall_s=10.0,
        speed_x=3.0,
        gaps=(Gap(1, 1.0, word(), word()),),
        problems=(Problem(word(), word(), word()),),
    )
    night = JobNight(
        name="job",
        report=report,
        finished_at=NOW,
        ears=(Ear(f"job/{word()}", word(), word(), (word(),)), Ear("", word(), word(), ())),
        summary=f"job/{word()}",
        files=(f"job/{word()}x",),
        disk=Disk(1, 2, 3),
    )
    failure = Failure(word(), NOW, word())
    made = Digest(SINCE, NOW, (night,), (failure,), (word(),), {word(): DeviceWork(1, 1.0, 1.0)}, Disk(1, 2, 3), 10**9)
    page = _Page(digest_html(made))
    assert not page.open
    assert not {"script", "iframe", "img", "object", "link", "form"} & set(page.tags)
    assert all(re.fullmatch(r"job/[\w%./~-]*", link, re.ASCII) for link in page.links)
    assert [unquote(link) for link in page.links] == [night.summary, night.ears[0].take, *night.files]
    for text in (report.title, night.ears[0].text, report.gaps[0].why, report.problems[0].what, failure.text):
        assert text in page.text
    assert "<script" not in digest_markdown(made)


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    """No scripts, no fonts or styles from elsewhere; it suits a phone and the dark."""
    put(tmp_path, "job")
    page = digest_html(digest(tmp_path))
    assert "http" not in page
    assert "@import" not in page
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_what_needs_a_person_comes_first(tmp_path: Path) -> None:
    """The verdict, what failed, what is to be heard, and then the rest."""
    put(tmp_path, "done", title="Finished")
    put(tmp_path, "look", title="Flagged", ears=[{"take": "takes/a.flac", "faults": ["clipped"], "text": "Said."}])
    (tmp_path / "look/takes/a.flac").touch()
    fail(tmp_path / "failed", "refused", "why it was")
    text = digest_html(digest(tmp_path, failed_folders=[tmp_path / "failed"], waiting=["later"]))
    order = ["1 of 3 jobs done", "why it was", "Flagged", "look/takes/a.flac", "later", "Finished", "Disk"]
    assert sorted(order, key=lambda part: text.index(part, text.index("<h1>"))) == order


def test_many_takes_of_one_job_do_not_bury_the_others(tmp_path: Path) -> None:
    """The first are shown and the others counted."""
    put(tmp_path, "job", ears=[{"take": "x", "text": f"Take {number}."} for number in range(100)])
    page = digest_html(digest(tmp_path))
    assert page.count("<blockquote>") == 30
    assert "and 70 more takes" in page
    assert digest_markdown(digest(tmp_path)).count("listen to") == 30


def test_a_real_night(make_job: MakeJob, settings: Settings) -> None:
    """What a job leaves is read as it is written: its length, its files, its devices."""
    job = open_job(make_job(title="A <night>", deliver=["acx"]), settings, engine="tone")
    report = render_job(job, Conditions(jobs=1))
    drop = settings.output.parent / "drop"
    (drop / "inbox").mkdir(parents=True)
    (drop / "inbox/more.yaml").touch()
    digest = latest_digest(settings.output, Inbox(Folders(drop)))
    assert digest.verdict == "1 job done, 1 waiting"
    assert write_digest(settings.output, digest) == settings.output / "digest.html"
    read: Mapping[str, Any] = json.loads((settings.output / "digest.json").read_text())
    (night,) = read["jobs"]
    assert (night["title"], night["audio_s"], night["status"]) == ("A <night>", report.audio_s, "done")
    assert read["rendered_s"] == night["rendered_s"]
    assert read["rendered_s"] > 0
    assert {settings.output / name for name in night["files"]} == {
        job.workspace.root / item.path for item in report.deliverables
    }
    assert night["disk"]["takes"] == sum(path.stat().st_size for path in job.workspace.takes.iterdir())
    page = _Page((settings.output / "digest.html").read_text())
    assert all((settings.output / unquote(link)).is_file() for link in page.links)
    assert len(page.links) == 3  # the report, and the file of each chapter


def test_an_empty_night_has_a_page_too(tmp_path: Path) -> None:
    """Also where there is no output folder yet."""
    made = digest(tmp_path / "not/yet")
    page = write_digest(tmp_path / "not/yet", made)
    assert "No jobs ran" in page.read_text()
    assert "No jobs ran" in digest_markdown(made)
