"""Nightly window: the hours in which new chunks may be started, and who asks for them while a job runs.

In: `23:00-06:30`, local time. Out: how long to wait. Every answer is computed from the clock as it is now, so a clock
that jumps, or a night of 23 hours, needs no special care.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import CoreSchema, core_schema

from pipeline.errors import InvalidValueError, StoppedError

_FORM = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-4]):([0-5]\d)")
_DAY = 24 * 60  # minutes
_LOOK_S = 1.0  # between two looks at the clock


@dataclass(frozen=True)
class Window:
    """From `start` until `end`, in minutes after midnight; `end` lies in the next day where it is not later.

    In settings, YAML and JSON it is written as `parse_window` reads it.
    """

    start: int
    end: int

    def __str__(self) -> str:
        return "-".join(f"{minutes // 60:02d}:{minutes % 60:02d}" for minutes in (self.start, self.end))

    def wait_s(self, now: datetime) -> float:
        """Seconds from `now` (local time) until chunks may be started; 0.0 inside the window."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        length = (self.end - self.start) % _DAY
        opens = midnight + timedelta(minutes=self.start)
        for day in (-1, 0):
            opened = opens + timedelta(days=day)
            if opened <= now < opened + timedelta(minutes=length):
                return 0.0
        return (opens - now if opens > now else opens + timedelta(days=1) - now).total_seconds()

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        """Pydantic reads text, with `parse_window`, or takes a `Window` as it is; it writes text."""
        text = core_schema.no_info_after_validator_function(parse_window, core_schema.str_schema())
        return core_schema.no_info_wrap_validator_function(
            lambda value, parse: value if isinstance(value, cls) else parse(value),
            text,
            serialization=core_schema.to_string_ser_schema(),
        )


def parse_window(text: str) -> Window:
    """`23:00-06:30` as a window. Raises `InvalidValueError`."""
    match = _FORM.fullmatch(text.strip())
    times = (match.group(1, 2), match.group(3, 4)) if match else ()
    ends = [int(hours) * 60 + int(minutes) for hours, minutes in times]
    if not ends or max(ends) > _DAY:
        raise InvalidValueError(f'"{text[:40]}" is no window of time.', "Write one such as 23:00-06:30.")
    start, end = (minutes % _DAY for minutes in ends)
    if start == end:
        hint = "Write one such as 23:00-06:30, or leave it out."
        raise InvalidValueError(f'"{text[:40]}" is empty, or the whole day.', hint)
    return Window(start, end)


class Admission:
    """Whether a job may start chunks now, and whether it should stop: one for each job, for all its stages.

    `stop` is set by other threads. `on_closed` is called at every look while `window` is closed: with the time it
    opens, and whether this is the first look since it closed.
    """

    def __init__(
        self,
        window: Window | None = None,
        *,
        clock: Callable[[], datetime] = datetime.now,
        on_closed: Callable[[datetime, bool], None] = lambda _opens, _is_first: None,
    ) -> None:
        self.stop = threading.Event()
        self.slept_s = 0.0  # in `wait`
        self._window = window
        self._clock = clock
        self._on_closed = on_closed
        self._is_closed = False

    def wait_s(self) -> float:
        """Seconds until chunks may be started; 0.0: now."""
        now = self._clock()
        seconds = self._window.wait_s(now) if self._window is not None else 0.0
        was_closed, self._is_closed = self._is_closed, seconds > 0
        if self._is_closed:
            self._on_closed(now + timedelta(seconds=seconds), not was_closed)
        return seconds

    def wait(self) -> None:
        """Sleep until chunks may be started. Raises `StoppedError`."""
        while (seconds := self.wait_s()) > 0:
            begun = time.monotonic()
            stopped = self.stop.wait(min(seconds, _LOOK_S))  # no longer, as clocks jump
            self.slept_s += time.monotonic() - begun
            if stopped:
                raise StoppedError

    def raise_if_stopped(self) -> None:
        """Raise `StoppedError` if nobody waits for this job any more."""
        if self.stop.is_set():
            raise StoppedError


ALWAYS = Admission()  # no window, and nobody stops it
