"""Nightly window: the hours in which new chunks may be started.

In: `23:00-06:30`, local time. Out: how long to wait. Every answer is computed from the clock as it is now, so a clock
that jumps, or a night of 23 hours, needs no special care.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

_FORM = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-4]):([0-5]\d)")
_DAY = 24 * 60


@dataclass(frozen=True)
class Window:
    """From `start` until `end`, in minutes after midnight; `end` lies in the next day where it is not later."""

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


def parse_window(text: str) -> Window:
    """`23:00-06:30` as a window. Raises `ValueError`, what is wrong and what to do in two lines."""
    found = _FORM.fullmatch(text.strip())
    minutes = [int(hours) * 60 + int(rest) for hours, rest in (found.group(1, 2), found.group(3, 4))] if found else []
    if not found or max(minutes) > _DAY:
        raise ValueError(f'"{text[:40]}" is no window of time.\nWrite one such as 23:00-06:30.')
    start, end = (each % _DAY for each in minutes)
    if start == end:
        raise ValueError(f'"{text[:40]}" is empty, or the whole day.\nWrite one such as 23:00-06:30, or leave it out.')
    return Window(start, end)


def first_window(*texts: str | None) -> Window | None:
    """The window of the first text there is: that of a run comes before that of a manifest. Raises `ValueError`."""
    return next((parse_window(text) for text in texts if text), None)


Admission = Callable[[], float]  # seconds until chunks may be started again; 0.0: now


def always() -> float:
    """There is no window: chunks may be started now."""
    return 0.0


def admission(window: Window | None, clock: Callable[[], datetime] = datetime.now) -> Admission:
    """Asks `window`; without one chunks may always be started."""
    return always if window is None else lambda: window.wait_s(clock())
