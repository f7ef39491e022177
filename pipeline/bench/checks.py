"""How many planted faults the checks find, how often they cry wolf, and how fast they are: `podcast bench checks`.

In: engines that are here. Out: recall by kind and false alarms by check, with Clopper-Pearson intervals, and the speed
of the checks. No take that is judged is one that the limits were chosen on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from scipy.stats import beta
from threadpoolctl import threadpool_limits

from pipeline.audio import Pcm
from pipeline.bench.line import machine, sentences
from pipeline.checks.limits import LEAST_BYTES
from pipeline.checks.repeats import repeated_bytes
from pipeline.checks.signal import Measured, measure
from pipeline.checks.statistics import VoiceStatistics, compare, statistics
from pipeline.checks.verdicts import judge
from pipeline.engines import TRAITS, Engine, Line, Rendered, Request, Voice
from pipeline.engines.plants import KINDS, plant
from pipeline.errors import EngineError, Problem
from pipeline.jobs.stages import OnProgress

LEARNT = 80  # takes of an engine that its voices' statistics come from
_FIRST = {"draft": 10_000}  # number of an engine's first take, or 0: the limits were chosen on others
_TWO_SPEAKERS_EVERY = 5  # takes
_WORDS = (4, 17)
_PACE = TRAITS["dia"].seconds_per_byte  # both engines speak as fast as people do, but do not promise it
_CHECKS = {  # that are there for a kind of fault, where it is not the one of its name alone; all ask for one remedy
    "too_short": ("too_short", "rate"),
    "too_long": ("too_long", "runaway", "rate"),
    "runaway": ("runaway", "too_long"),
    "fast": ("rate", "too_short"),
    "slow": ("rate", "too_long", "runaway"),
    "wrong_voice": ("pitch",),
}
_COMPARED = frozenset({"level", "fast", "slow", "wrong_voice"})  # with other takes of the voice
_JUMP_S = 2.5  # in less there is no 0.8 s of sound on either side
_CONFIDENCE = 0.95
_SPEED_S, _SPEED_RUNS, _SPEED_RATES_HZ = 10, 15, (24_000, 44_100)


@dataclass(frozen=True)
class _CleanTake:
    """A take without a fault, and what it says."""

    voices: tuple[str, ...]
    text: str
    pcm: Pcm
    sample_rate_hz: int

    def measured(self, kind: str | None = None, seed: int = 0) -> Measured:
        """As it is, or with a fault of `kind` in it."""
        pcm = plant(kind, self.pcm, self.sample_rate_hz, seed) if kind else self.pcm
        return measure(pcm, self.sample_rate_hz, len(self.text.encode()), repeated_bytes(self.text))

    def may_have(self, kind: str) -> bool:
        """Whether a check is there for such a fault in it: docs/checks.md says why not always."""
        if kind == "jump":
            return len(self.pcm) >= _JUMP_S * self.sample_rate_hz
        return kind not in _COMPARED or (len(self.voices) == 1 and len(self.text.encode()) >= LEAST_BYTES)


def requests(voices: Sequence[Voice], numbers: range) -> Iterator[Request]:
    """Takes of one voice after another, now and then of two, each of a few sentences nobody has said before."""
    for number in numbers:
        dice = random.Random(number)  # noqa: S311 - only has to be the same every time
        speakers = [voices[number % len(voices)]]
        if number % _TWO_SPEAKERS_EVERY == 0:
            speakers.append(voices[(number + 1) % len(voices)])
        lines = [Line(voice, " ".join(sentences(dice, dice.randint(*_WORDS) // len(speakers)))) for voice in speakers]
        yield Request(f"take-{number}", tuple(lines), "en", number)


def bench_checks(
    engines: Mapping[str, tuple[Engine, Sequence[Voice]]], takes: int, cases: int, on_progress: OnProgress
) -> dict[str, Any]:
    """Plant `cases` faults of each kind into takes of each engine, and judge `takes` clean ones; one JSON object.

    An engine comes with the voices it speaks with, two at least. No `cases`: only the speed of the checks. Raises
    `EngineError` where an engine fails to speak.
    """
    engines = engines if cases else {}
    total = 1 + len(engines) * (LEARNT + takes + cases * len(KINDS))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        on_progress("checks", done, total)

    speeds = _speeds()
    step()
    results = [
        {"engine": name, **_of_engine(_spoken(engine, voices, _FIRST.get(name, 0), LEARNT + takes, step), cases, step)}
        for name, (engine, voices) in engines.items()
    ]
    return {"machine": machine(), "times_real_time": speeds, "engines": results}


def _spoken(engine: Engine, voices: Sequence[Voice], first: int, count: int, step: Any) -> list[_CleanTake]:
    takes = []
    for result in engine.render(requests(voices, range(first, first + count))):
        if not isinstance(result, Rendered):
            raise EngineError(Problem("podcast bench checks", result.reason, result.next))
        lines = result.request.lines
        text = " ".join(line.text for line in lines)
        takes.append(_CleanTake(tuple(line.voice.name for line in lines), text, result.pcm, engine.sample_rate_hz))
        step()
    return takes


def _of_engine(takes: Sequence[_CleanTake], cases: int, step: Any) -> dict[str, Any]:
    """What is found in takes as they are, but for the first, which say how voices sound, and with faults in them."""
    usual = statistics(("+".join(take.voices), take.measured()) for take in takes[:LEARNT])
    clean = takes[LEARNT:]

    def verdicts(take: _CleanTake, kind: str | None = None, seed: int = 0) -> dict[str, str]:
        measured = take.measured(kind, seed)
        own = usual.get("+".join(take.voices), VoiceStatistics(0))
        return {finding.check: finding.verdict for finding in (*judge(measured, _PACE), *compare(measured, own))}

    as_they_are = [verdicts(take) for take in clean]
    kinds = []
    for kind in KINDS:
        checks = _CHECKS.get(kind, (kind,))
        suited = [take for take in clean if take.may_have(kind)] or clean
        judged = []
        for number in range(cases):
            judged.append(verdicts(suited[number % len(suited)], kind, number))
            step()
        kinds.append(
            {
                "kind": kind,
                "checks": checks,
                "found": _share([_says("bad", one, checks) for one in judged]),
                "unsure": sum(_says("unsure", one, checks) and not _says("bad", one, checks) for one in judged),
                "by_any": _share([_says("bad", one, one) for one in judged]),
                "false_alarms": _share([_says("bad", one, checks) for one in as_they_are]),
            }
        )
    alarms, doubts = (_share([_says(verdict, one, one) for one in as_they_are]) for verdict in ("bad", "unsure"))
    return {"takes": len(clean), "false_alarms": alarms, "doubts": doubts, "kinds": kinds}


def _says(verdict: str, verdicts: Mapping[str, str], checks: Iterable[str]) -> bool:
    return any(verdicts.get(check) == verdict for check in checks)


def _share(flags: Sequence[bool]) -> dict[str, Any]:
    count, of = sum(flags), len(flags)
    low, high = interval(count, of)
    return {"count": count, "of": of, "share": round(count / of, 4), "low": round(low, 4), "high": round(high, 4)}


def interval(count: int, of: int) -> tuple[float, float]:
    """The exact interval of a share of 95 % confidence (Clopper and Pearson, Biometrika 26, 1934)."""
    tail = (1 - _CONFIDENCE) / 2
    low = float(beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, of - count)) if count < of else 1.0
    return low, high


def _speeds() -> dict[str, int]:
    """Seconds of sound that a second of one thread measures and judges, by sample rate in Hz; the quickest run."""
    dice = np.random.default_rng(1)
    speeds = {}
    for rate_hz in _SPEED_RATES_HZ:
        # What is sounded makes no difference, but a pause or two does: syllables of noise.
        syllables = soxr.resample(dice.normal(0, 0.1, _SPEED_S * 8000), 8000, rate_hz).astype(np.float32)
        pcm = syllables * np.abs(np.sin(np.arange(len(syllables)) * (8 / rate_hz), dtype=np.float32))
        with threadpool_limits(1):
            runs_s = []
            for _ in range(_SPEED_RUNS):
                begun_s = time.process_time()
                judge(measure(pcm, rate_hz, 15 * _SPEED_S), _PACE)
                runs_s.append(time.process_time() - begun_s)
        speeds[str(rate_hz)] = round(_SPEED_S / min(runs_s))
    return speeds


def table(results: Mapping[str, Any]) -> str:
    """The results in Markdown."""
    speeds = " and ".join(f"{speed} at {int(rate) / 1000:g} kHz" for rate, speed in results["times_real_time"].items())
    lines = [f"The checks take in a take of 10 s at so many times real time, on one thread: {speeds}."]
    for one in results["engines"]:
        alarms, doubts = (f"{one[name]['count']}, {_percent(one[name])}" for name in ("false_alarms", "doubts"))
        lines += [
            "",
            f"Of {one['takes']} clean takes of {one['engine']}, called bad: {alarms}. Unsure: {doubts}.",
            "",
            f"| planted in {one['engine']} | checks | found by these | by any | their alarms in clean takes |",
            "|---|---|---|---|---|",
        ]
        for row in one["kinds"]:
            shares = " | ".join(_counted(row[name]) for name in ("found", "by_any", "false_alarms"))
            checks = ", ".join(f"`{check}`" for check in row["checks"])
            lines.append(f"| {row['kind']} | {checks} | {shares} |")
    return "\n".join(lines)


def _counted(share: Mapping[str, Any]) -> str:
    return f"{share['count']} of {share['of']}, {_percent(share)}"


def _percent(share: Mapping[str, Any]) -> str:
    return f"{100 * share['share']:.1f} % ({100 * share['low']:.1f} to {100 * share['high']:.1f})"
