"""Chunks are started in the hours of the window, and at no other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.engines import Engine, Failed, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.errors import InvalidValueError
from pipeline.jobs.bulk import Bulk, render_jobs
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.report import Report
from pipeline.jobs.stages import no_bars
from pipeline.jobs.status import Board
from pipeline.settings import Settings
from pipeline.window import Admission, Window, parse_window
from tests.support.commands import MakeJob


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("23:00-06:30", Window(1380, 390)),
        ("9:00-17:00", Window(540, 1020)),
        (" 22:15 – 05:45 ", Window(1335, 345)),
        ("24:00-06:00", Window(0, 360)),
        ("18:00-24:00", Window(1080, 0)),
    ],
)
def test_windows_as_people_write_them(text: str, window: Window) -> None:
    """With or without a leading zero, also until midnight."""
    assert parse_window(text) == window


@pytest.mark.parametrize(
    "text",
    ["", "night", "23:00", "23-06", "25:00-06:00", "23:60-06:00", "24:30-6:00", "9:00-9:00", "0:00-24:00", "x" * 99],
)
def test_what_is_no_window_is_told_with_a_next_step(text: str) -> None:
    """What is wrong, and what to do."""
    with pytest.raises(InvalidValueError, match=r"is no window|is empty") as caught:
        parse_window(text)
    assert len(caught.value.what) < 100
    assert "23:00-06:30" in caught.value.next_step


@pytest.mark.parametrize(
    ("window", "now", "wait_s"),
    [
        ("23:00-06:30", "2026-11-26T22:59:59", 1),
        ("23:00-06:30", "2026-11-26T23:00:00", 0),
        ("23:00-06:30", "2026-11-27T06:29:59", 0),
        ("23:00-06:30", "2026-11-27T06:30:00", 16.5 * 3600),
        ("23:00-06:30", "2026-12-31T23:59:59", 0),
        ("09:00-17:00", "2026-11-26T08:00:00", 3600),
        ("09:00-17:00", "2026-11-26T17:00:00", 16 * 3600),
        ("18:00-24:00", "2026-11-26T23:59:59", 0),
        ("18:00-24:00", "2026-11-27T00:00:00", 18 * 3600),
        ("02:15-02:45", "2026-03-29T03:00:00", 23.25 * 3600),  # a window that a night of summer time leaves out
    ],
)
def test_how_long_it_is_until_a_window_opens(window: str, now: str, wait_s: float) -> None:
    """Its first minute belongs to it, its last does not."""
    assert parse_window(window).wait_s(datetime.fromisoformat(now)) == wait_s


_minutes = st.integers(0, 24 * 60 - 1)
_windows = st.tuples(_minutes, _minutes).filter(lambda ends: ends[0] != ends[1]).map(lambda ends: Window(*ends))
_times = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1))


@given(_windows)
def test_a_window_reads_as_it_is_written(window: Window) -> None:
    """Whatever its hours."""
    assert parse_window(str(window)) == window


@given(_windows, _times)
def test_it_is_waited_for_exactly_outside(window: Window, now: datetime) -> None:
    """Never for a day or longer, and what is waited for is its first moment, wherever the clock was before."""
    minute = now.hour * 60 + now.minute
    if window.start < window.end:
        inside = window.start <= minute < window.end
    else:
        inside = minute >= window.start or minute < window.end
    wait_s = window.wait_s(now)
    assert (wait_s == 0) == inside
    assert 0 <= wait_s < 24 * 3600
    opens = now + timedelta(seconds=wait_s)
    assert window.wait_s(opens) == 0
    if not inside:
        assert (opens.hour * 60 + opens.minute, opens.second) == (window.start, 0)
        assert window.wait_s(opens - timedelta(microseconds=1)) > 0


def test_without_a_window_chunks_may_always_be_started() -> None:
    """Whatever the time."""
    assert Admission(clock=lambda: datetime.min).wait_s() == 0


@given(_windows, st.lists(_times, max_size=20))
def test_those_who_wait_are_told_once_when_a_window_closes(window: Window, times: list[datetime]) -> None:
    """And at every look, when it opens."""
    calls: list[tuple[datetime, bool]] = []
    clock = iter(times)
    admission = Admission(window, clock=lambda: next(clock), on_closed=lambda *call: calls.append(call))
    expected, was_closed = [], False
    for now in times:
        wait_s = admission.wait_s()
        assert wait_s == window.wait_s(now)
        if wait_s:
            expected.append((now + timedelta(seconds=wait_s), not was_closed))
        was_closed = wait_s > 0
    assert calls == expected


def test_a_window_is_text_in_settings_manifests_and_json() -> None:
    """Whatever else is given is refused."""
    adapter = TypeAdapter(Window)
    window = adapter.validate_python("23:00-6:30")
    assert window == adapter.validate_python(window) == Window(1380, 390)
    assert adapter.dump_json(window) == b'"23:00-06:30"'
    for wrong in (2300, ["23:00", "06:30"], None):
        with pytest.raises(ValidationError, match="valid string"):
            adapter.validate_python(wrong)


class _Clock:
    """Shows 23:00, until it is moved; `then` are the times it shows first."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, 23)
        self.then: list[datetime] = []

    def __call__(self) -> datetime:
        if self.then:
            self.now = self.then.pop(0)
        return self.now


class _Night(ToneEngine):
    """Two slots; once so many chunks are begun it is seven in the morning, and when those are spoken almost eleven."""

    slots = 2

    def __init__(self, clock: _Clock, before_morning: int) -> None:
        self.clock, self.left = clock, before_morning
        self.begun: list[datetime] = []
        self.ended: list[datetime] = []

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Take two at a time, and move the clock."""
        incoming = iter(requests)
        active: list[Request] = []
        while True:
            while len(active) < self.slots and (one := next(incoming, None)) is not None:
                active.append(one)
                self.begun.append(self.clock.now)
                self.left -= 1
                if self.left == 0:
                    self.clock.now = self.clock.now.replace(hour=7) + timedelta(days=1)
            if not active:
                break
            self.ended.append(self.clock.now)
            yield next(super().render([active.pop(0)]))
        if self.left <= 0:
            almost = self.clock.now.replace(hour=22, minute=59, second=59, microsecond=990_000)
            self.clock.then = [almost, almost, almost + timedelta(milliseconds=10)]


class _Noting(Board):
    """Remembers when jobs slept."""

    def __init__(self, output: Path) -> None:
        super().__init__(output)
        self.notes: list[str] = []

    def sleeps(self, job: str, note: str) -> None:
        """Remember it."""
        self.notes.append(note)
        super().sleeps(job, note)


def test_a_job_goes_on_when_its_window_opens_again(make_job: MakeJob, settings: Settings, tmp_path: Path) -> None:
    """What was begun before it closed is finished, nothing is begun outside it, and nothing is lost."""
    script = "# One\n\n" + "\n\n---\n\n".join(f"Scene {number} is about rivers." for number in range(9)) + "\n"
    job = open_job(make_job(script, window="23:00-06:30"), settings, engine="tone")
    clock = _Clock()
    engine = _Night(clock, before_morning=4)

    def engine_for(_job: Job) -> Engine:
        return engine

    board = _Noting(tmp_path / "output")
    bulk = Bulk(settings, board, engine_for=engine_for, clock=clock)
    ((_job, outcome),) = render_jobs([job], bulk, no_bars)

    assert isinstance(outcome, Report)
    assert outcome.status == "done"
    assert len(engine.begun) == len(engine.ended) == len(job.takes) == 9
    window = parse_window("23:00-06:30")
    assert all(window.wait_s(now) == 0 for now in engine.begun)
    assert [window.wait_s(now) > 0 for now in engine.ended].count(True) == 2  # in flight as the morning came
    assert set(board.notes) == {"until 23:00 (window 23:00-06:30)"}


def test_the_hours_it_slept_are_no_work(make_job: MakeJob, settings: Settings, tmp_path: Path) -> None:
    """The report leaves them out."""
    job = open_job(make_job("# One\n\nHello.\n", window="23:00-06:30"), settings, engine="tone")
    clock, board = _Clock(), _Noting(tmp_path / "output")
    clock.then = [clock.now - timedelta(seconds=1)] * 3 + [clock.now]
    begun = time.monotonic()
    ((_job, outcome),) = render_jobs([job], Bulk(settings, board, clock=clock), no_bars)
    assert isinstance(outcome, Report)
    assert board.notes
    assert outcome.wall_s <= time.monotonic() - begun - 0.99
