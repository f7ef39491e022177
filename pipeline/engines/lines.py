"""Lines: a take of an engine that speaks one line after another, put together with gaps, with the time of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from pipeline.audio import Pcm
from pipeline.engines import Failed, Line, Rendered, Request, Span
from pipeline.errors import EngineError, Problem


def render_lines(
    requests: Iterable[Request], speak: Callable[[Request, Line], Pcm], sample_rate_hz: int, gap_s: float
) -> Iterator[Rendered | Failed]:
    """Each request in turn; one of whose lines `speak` raises an `EngineError` fails, and the others go on."""
    gap = np.zeros(round(gap_s * sample_rate_hz), np.float32)
    for request in requests:
        started = time.perf_counter()
        parts: list[Pcm] = []
        spans: list[Span] = []
        frames = 0
        try:
            for line in request.lines:
                sound = speak(request, line)
                spans.append(Span(frames / sample_rate_hz, (frames + len(sound)) / sample_rate_hz))
                parts += [sound, gap]
                frames += len(sound) + len(gap)
        except EngineError as error:
            yield _failed(request, error.problems[0])
            continue
        yield Rendered(request, np.concatenate(parts[:-1]), tuple(spans), time.perf_counter() - started)


def _failed(request: Request, problem: Problem) -> Failed:
    """Where a problem has a next step it is that of its place, and not another text."""
    if problem.next:
        return Failed(request, f"{problem.where}: {problem.what}", next=problem.next)
    return Failed(request, problem.what)
