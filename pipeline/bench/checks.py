"""How many planted faults the checks find, and how often they cry wolf: `podcast bench checks`.

In: engines that are here. Out: recall by kind and false alarms by check, with Clopper-Pearson intervals, and how fast
the checks are. No take of it is one that the limits were chosen on.
"""

from __future__ import annotations

import random
import statistics as averages
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import beta

from pipeline.audio import Pcm
from pipeline.bench.line import machine, sentences
from pipeline.checks.repeats import repeated_bytes
from pipeline.checks.signal import measure
from pipeline.checks.statistics import VoiceStatistics, compare, statistics
from pipeline.checks.verdicts import Finding, judge
from pipeline.engines import Engine, Line, Rendered, Request, Voice
from pipeline.engines.plants import KINDS, plant
from pipeline.errors import EngineError, Problem
from pipeline.jobs.stages import OnProgress

LEARNT = 100  # takes of an engine that its voices' statistics are made of
_TWO_SPEAKERS_EVERY = 5  # takes
_WORDS = (4, 17)
_FIRST = 10_000  # number of a take: the limits were chosen on others
_CHECKS_OF = {  # those that a kind may be found by, where its name is not the check's
    "fast": {"rate", "too_short"},
    "slow": {"rate", "too_long", "runaway"},
    "wrong_voice": {"pitch"},
    "too_short": {"too_short", "rate"},
    "too_long": {"too_long", "runaway", "rate"},
    "runaway": {"runaway", "too_long"},
}
_LEVEL = 0.95  # of the intervals
_RUNS = 15


def requests(voices: Sequence[Voice], numbers: range) -> Iterator[Request]:
    """Takes of one voice after another, now and then of two, each of a few sentences nobody has said before."""
    for number in numbers:
        dice = random.Random(number)  # noqa: S311 - only has to be the same every time
        speakers = [voices[number % len(voices)]]
        if number % _TWO_SPEAKERS_EVERY == 0:
            speakers.append(voices[(number + 1) % len(voices)])
        lines = [Line(voice, " ".join(sentences(dice, dice.randint(*_WORDS) // len(speakers)))) for voice in speakers]
        yield Request(f"take-{number}", tuple(lines), "en", number)


@dataclass(frozen=True)
class _CleanTake:
    """A take without a fault, and what it says."""

    voices: str
    text: str
    pcm: Pcm
    sample_rate_hz: int

    def measured(self, pcm: Pcm) -> dict[str, float]:
        """What the checks measure of `pcm` in its place."""
        return measure(pcm, self.sample_rate_hz, len(self.text.encode()), repeated_bytes(self.text))


def bench_checks(
    engines: Mapping[str, tuple[Engine, Sequence[Voice], tuple[float, float] | None]],
    takes: int,
    cases: int,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Plant `cases` faults of each kind into takes of each engine, and judge `takes` clean ones; one JSON object.

    An engine comes with the voices it speaks with, two at least, and the seconds that a byte may last.
    """
    total = len(engines) * (LEARNT + takes + cases * len(KINDS))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        on_progress("checks", done, total)

    results = []
    speeds: list[float] = []
    for name, (engine, voices, seconds_per_byte) in engines.items():
        learnt = list(_clean(engine, voices, range(_FIRST, _FIRST + LEARNT), step))
        own = statistics((one.voices, one.measured(one.pcm)) for one in learnt)
        held_out = range(_FIRST + LEARNT, _FIRST + LEARNT + takes)
        clean = list(_clean(engine, voices, held_out, step))
        speeds += [_times_real_time(one) for one in clean[:_RUNS]]
        alarms = [_bad(one, one.pcm, own, seconds_per_byte) for one in clean]
        planted = KINDS if cases else ()
        kinds = [_kind(kind, clean, cases, own, seconds_per_byte, step) for kind in planted]
        wrong = sum(map(bool, alarms))
        checks = sorted({check for bad in alarms for check in bad})
        by_check = {check: sum(check in bad for bad in alarms) for check in checks}
        results.append({"engine": name, **_share("false_alarms", wrong, takes), "by_check": by_check, "kinds": kinds})
    return {"machine": machine(), "times_real_time": round(averages.median(speeds)), "engines": results}


def _clean(engine: Engine, voices: Sequence[Voice], numbers: range, step: Any) -> Iterator[_CleanTake]:
    for result in engine.render(requests(voices, numbers)):
        if not isinstance(result, Rendered):
            raise EngineError(Problem("podcast bench checks", result.reason, result.next))
        names = " + ".join(sorted({line.voice.name for line in result.request.lines}))
        text = " ".join(line.text for line in result.request.lines)
        yield _CleanTake(names, text, result.pcm, engine.sample_rate_hz)
        step()


def _kind(
    kind: str,
    clean: Sequence[_CleanTake],
    cases: int,
    own: Mapping[str, VoiceStatistics],
    seconds_per_byte: tuple[float, float] | None,
    step: Any,
) -> dict[str, Any]:
    """How often a kind of fault is found at all, and by a check of its own."""
    hits = named = 0
    for number in range(cases):
        take = clean[number % len(clean)]
        bad = _bad(take, plant(kind, take.pcm, take.sample_rate_hz, number), own, seconds_per_byte)
        hits += bool(bad)
        named += bool(bad & _CHECKS_OF.get(kind, {kind}))
        step()
    return {"kind": kind, **_share("found", hits, cases), "by_its_own": named}


def _bad(
    take: _CleanTake, pcm: Pcm, own: Mapping[str, VoiceStatistics], seconds_per_byte: tuple[float, float] | None
) -> set[str]:
    """The checks that a sound in the place of a take does not pass."""
    values = take.measured(pcm)
    findings: Iterable[Finding] = judge(values, seconds_per_byte)
    if take.voices in own:
        findings = (*findings, *compare(values, own[take.voices]))
    return {finding.check for finding in findings if finding.verdict == "bad"}


def _times_real_time(take: _CleanTake) -> float:
    begun = time.perf_counter()
    take.measured(take.pcm)
    return len(take.pcm) / take.sample_rate_hz / (time.perf_counter() - begun)


def _share(name: str, count: int, of: int) -> dict[str, Any]:
    low, high = interval(count, of)
    return {name: count, "of": of, "share": round(count / of, 4), "low": round(low, 4), "high": round(high, 4)}


def interval(count: int, of: int) -> tuple[float, float]:
    """The exact interval of a share of 95 % confidence (Clopper and Pearson, 1934)."""
    tail = (1 - _LEVEL) / 2
    low = float(beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, of - count)) if count < of else 1.0
    return low, high


def table(results: Mapping[str, Any]) -> str:
    """The results in Markdown."""
    lines = [f"The checks take a take in at {results['times_real_time']} times real time (one thread, median).", ""]
    for one in results["engines"]:
        by_check = ", ".join(f"{check} {count}" for check, count in one["by_check"].items()) or "none"
        alarms = f"{one['false_alarms']} of {one['of']} called bad, {_percent(one)}: {by_check}."
        lines += [f"Clean takes of {one['engine']}: {alarms}", ""]
        if not one["kinds"]:
            continue
        lines += [
            f"| planted in {one['engine']} | found | share, 95 % interval | by a check of its own |",
            "|---|---|---|---|",
            *(
                f"| {row['kind']} | {row['found']} of {row['of']} | {_percent(row)} | {row['by_its_own']} |"
                for row in one["kinds"]
            ),
            "",
        ]
    return "\n".join(lines).rstrip()


def _percent(row: Mapping[str, Any]) -> str:
    return f"{100 * row['share']:.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
