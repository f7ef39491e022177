"""Verify: finished takes are rendered once more, and have to be the same samples.

In: a job, which of its takes, and an engine. Out: a `Verification`. Changes nothing on disk.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pipeline.audio import Pcm, flac
from pipeline.engines import Engine, Failed, Rendered
from pipeline.errors import InvalidValueError, Problem, RequestError, StoppedError, StorageError
from pipeline.files import content_key
from pipeline.jobs.job import Job
from pipeline.jobs.stages import OnProgress
from pipeline.takes.attempts import request_of
from pipeline.takes.auditions import with_stored_prompts
from pipeline.takes.choices import standing_key
from pipeline.takes.plan import PlannedTake, explain
from pipeline.takes.store import Take, TakeStore
from pipeline.threads import in_parallel

_AS_STORED = 1 << 31  # full scale of what `flac.quantize` gives


@dataclass(frozen=True)
class SampleSize:
    """How many of a job's takes are rendered again: a count, or a share of all."""

    count: int | None
    share: float = 0.0

    @classmethod
    def parse(cls, text: str) -> SampleSize:
        """`5%` or `20`. Raises `InvalidValueError`."""
        if (match := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*%", text)) and 0 < float(match[1]) <= 100:
            return cls(None, float(match[1]) / 100)
        if re.fullmatch(r"\d{1,9}", text) and int(text):
            return cls(int(text))
        raise InvalidValueError(f'"{text}" is no sample.', "Give a share, such as 5%, or how many takes, such as 20.")

    def of(self, total: int) -> int:
        """How many of so many takes; one at least."""
        count = math.ceil(self.share * total - 1e-9) if self.count is None else self.count
        return min(max(count, 1), total)


Verdict = Literal["equal", "different", "missing", "not comparable"]
OTHER_VERDICTS: tuple[Verdict, ...] = ("different", "missing", "not comparable")


@dataclass(frozen=True)
class Difference:
    """How a take on disk and its second rendering differ."""

    stored_s: float  # how long each of them lasts
    rendered_s: float
    first_s: float
    largest_db: float | None  # against full scale; None where one only lasts longer

    def __str__(self) -> str:
        """As it stands after the take's name."""
        whats = [f"differs from {self.first_s:.3f} s on"]
        if self.stored_s != self.rendered_s:
            whats.append(f"lasted {self.stored_s:.3f} s and now {self.rendered_s:.3f} s")
        if self.largest_db is not None:
            whats.append(f"by {self.largest_db:.1f} dB at most")
        return f"{', '.join(whats)}."


@dataclass(frozen=True)
class VerifiedTake:
    """What became of one take."""

    where: str  # in the script
    take: str  # its file, relative to the job's folder
    text: str
    verdict: Verdict
    why: str = ""
    difference: Difference | None = None

    @property
    def problem(self) -> Problem:
        """What is to be said of one that is not equal."""
        return Problem(self.where, f"{self.take} {self.why}", _NEXT[self.verdict])


_NEXT: Mapping[Verdict, str] = {
    "equal": "",
    "different": "Look for what has changed: the machine, its libraries or the weights.",
    "missing": "podcast render makes it.",
    "not comparable": "podcast render would make it anew; the engine it was made by can verify it.",
}


@dataclass(frozen=True)
class Verification:
    """The takes of a sample, in the order of the book, and of how many they are."""

    job: str
    of: int
    takes: tuple[VerifiedTake, ...]

    def count(self, verdict: Verdict) -> int:
        """How many takes came out so."""
        return sum(take.verdict == verdict for take in self.takes)

    @property
    def is_good(self) -> bool:
        """Whether some takes could be compared, and all of these are equal, and none is missing."""
        return 0 < self.count("equal") == len(self.takes) - self.count("not comparable")

    def as_dict(self) -> dict[str, Any]:
        """What `podcast verify --json` prints."""
        return {
            "job": self.job,
            "ok": self.is_good,
            "of": self.of,
            "sample": len(self.takes),
            "equal": self.count("equal"),
            "different": self.count("different"),
            "missing": self.count("missing"),
            "not_comparable": self.count("not comparable"),
            "takes": [asdict(take) for take in self.takes],
        }


def sample_takes(job: Job, size: SampleSize, seed: int = 0) -> list[PlannedTake]:
    """The takes to verify, in the order of the book: for a seed always the same, as far as the script is."""
    keys = {plan.key for plan in job.takes}
    drawn = sorted(keys, key=lambda key: content_key({"verify": seed, "take": key}))[: size.of(len(keys))]
    chosen = set(drawn)
    return [plan for plan in job.takes if plan.key in chosen]


def verify_takes(
    job: Job,
    planned: Sequence[PlannedTake],
    engine: Engine,
    on_progress: OnProgress = lambda _stage, _done, _total: None,
    stop: threading.Event | None = None,
) -> Verification:
    """Render finished takes of a job again and compare the samples with those on disk.

    Raises `RequestError` where none of the job's takes is finished, `EngineError` where the engine cannot start, and
    `StoppedError` once `stop` is set.
    """
    store = TakeStore(job.workspace.takes)
    if not store.keys():
        hint = "Render it first; what is verified are its finished takes."
        raise RequestError(Problem(str(job.workspace.root), "nothing of this job is rendered yet.", hint))
    finished = {
        plan.key: take
        for plan in planned
        # Where an approved one is gone, render has another in its place.
        if (take := store.look(plan.approved) or store.look(standing_key(store.folder, plan.key))) is not None
    }
    auditions = TakeStore(job.workspace.voices)
    prompted = with_stored_prompts(
        [plan for plan in planned if plan.key in finished], job.engine, job.traits, auditions, job.manifest.language
    )
    parts = {plan.key: store.parts(finished[plan.key].key) for plan in prompted}
    requests = [request_of(plan, known[0], auditions.folder) for plan in prompted if (known := parts[plan.key])]
    length_s = {plan.key: plan.estimated_s for plan in prompted}
    verified: dict[str, VerifiedTake] = {}
    by_key = {plan.key: plan for plan in planned}

    def render() -> None:
        done_s, total_s = 0.0, sum(length_s.values())
        for result in engine.render(iter(requests)):
            if stop is not None and stop.is_set():
                raise StoppedError
            key = result.request.key
            verified[key] = _compared(by_key[key], result, finished[key], engine.sample_rate_hz)
            done_s += length_s[key]
            on_progress("takes", done_s, total_s)

    # Not in the main thread: there a Ctrl-C may strike inside a callback from C, which can only print and forget it.
    in_parallel(lambda work: work(), [render], 1, stop)
    rest = [plan for plan in planned if plan.key not in verified]
    verified |= _not_rendered(job, rest, finished, store)
    return Verification(job.name, len({plan.key for plan in job.takes}), tuple(verified[plan.key] for plan in planned))


def _verified(
    plan: PlannedTake, verdict: Verdict, why: str = "", difference: Difference | None = None, key: str = ""
) -> VerifiedTake:
    return VerifiedTake(plan.where, f"takes/{key or plan.key}.flac", plan.text, verdict, why, difference)


def _compared(plan: PlannedTake, result: Rendered | Failed, take: Take, sample_rate_hz: int) -> VerifiedTake:
    """What a take is against its second rendering."""
    if isinstance(result, Failed):
        return _verified(plan, "different", f"could not be rendered again: {result.reason}", key=take.key)
    if sample_rate_hz != take.sample_rate_hz:
        return _verified(plan, "different", f"had {take.sample_rate_hz} Hz and now {sample_rate_hz} Hz.", key=take.key)
    samples = flac.quantize(result.pcm)
    if flac.pcm_hash(samples) == take.pcm_sha256:
        return _verified(plan, "equal", key=take.key)
    try:
        difference = _difference(take.read(), samples.astype(np.float32) / np.float32(_AS_STORED), sample_rate_hz)
    except StorageError as error:
        return _verified(plan, "missing", f"cannot be read ({error.problems[0].what.rstrip('.')}).", key=take.key)
    return _verified(plan, "different", str(difference), difference, take.key)


def _difference(stored: Pcm, rendered: Pcm, sample_rate_hz: int) -> Difference:
    common = min(len(stored), len(rendered))
    apart = np.abs(stored[:common] - rendered[:common])
    largest = float(apart.max(initial=0.0))
    return Difference(
        stored_s=round(len(stored) / sample_rate_hz, 3),
        rendered_s=round(len(rendered) / sample_rate_hz, 3),
        first_s=round((int(np.argmax(apart > 0)) if largest > 0 else common) / sample_rate_hz, 3),
        largest_db=round(20 * math.log10(largest), 1) if largest > 0 else None,
    )


def _not_rendered(
    job: Job, planned: Sequence[PlannedTake], finished: Mapping[str, Take], store: TakeStore
) -> dict[str, VerifiedTake]:
    """Why takes could not be rendered again."""
    if not planned:
        return {}
    reasons = {plan.key: reason.split(", ") for plan, _action, reason in explain(job.takes, store)}
    verified = {}
    for plan in planned:
        if plan.key in finished:
            verified[plan.key] = _verified(
                plan, "missing", "cannot be made again: an audition of its voices is gone.", key=finished[plan.key].key
            )
        elif "engine" in reasons[plan.key]:
            why = "is not there, and one of the same words was made by another version of the engine."
            verified[plan.key] = _verified(plan, "not comparable", why)
        else:
            is_there = (store.folder / f"{plan.key}.flac").exists()
            verified[plan.key] = _verified(plan, "missing", "is damaged." if is_there else "is not there.")
    return verified
