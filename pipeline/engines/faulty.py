"""An engine with known faults, to try out what finds and mends them: another engine, whose takes a plan spoils.

In: requests, and the plan of faults in the file that PODCAST_FAULTS names:
`{"faults": [{"text": "The evening was calm.", "kind": "music", "cure": "seed"}]}`. Out: takes of the other engine with
these faults in them. What is spoiled depends on the request and the plan alone, not on when, where or how often it is
spoken: any worker makes the same bytes, also one that was started again.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pipeline import engines
from pipeline.engines import Engine, Failed, Machine, Rendered, Request, Voice
from pipeline.engines.plants import KINDS, plant
from pipeline.errors import EngineError, Problem, did_you_mean
from pipeline.files import content_key, read_json

PLAN_VARIABLE = "PODCAST_FAULTS"
COOL = 1.0  # below this temperature goes what a lower one mends; Dia's own is 1.2
Cure = Literal["seed", "temperature", "prompt", "split", "never"]

_VERSION = 1  # raised whenever this file changes what is spoiled, and how
_WORDS_OF_A_PLACE = 5
_EXAMPLE = '{"faults": [{"text": "The evening was calm.", "kind": "music", "cure": "seed"}]}'


@dataclass(frozen=True)
class PlannedFault:
    """A fault of one of the `KINDS` where `text` is spoken, until it is cured.

    `text` is as engines get it, in its spoken form; case and punctuation are nothing to it. Its first five words are
    the place of the fault: a chunk that has them has the fault, however the rest is cut. Cures:

    - "seed": another seed. Bad ones are those in `bad`, or, where that is empty, about half of all, by a hash.
    - "temperature": one of the request's own, below 1.0.
    - "prompt": a voice in the chunk whose prompt is not in `bad` (SHA-256; "", no prompt at all, where that is empty).
    - "split": a chunk without the whole of `text`.
    - "never": none.
    """

    text: str
    kind: str
    cure: Cure
    bad: frozenset[str] = frozenset()

    def spoils(self, request: Request) -> bool:
        """Whether a take of `request` has this fault."""
        spoken = _words(" ".join(line.text for line in request.lines))
        if _spaced(self._place) not in _spaced(spoken):
            return False
        if self.cure == "seed":
            return str(request.seed) in self.bad if self.bad else self._number(request) % 2 == 0
        if self.cure == "temperature":
            return request.temperature is None or request.temperature >= COOL
        if self.cure == "prompt":
            return all(line.voice.prompt_sha256 in (self.bad or {""}) for line in request.lines)
        return True

    def spoil(self, rendered: Rendered, sample_rate_hz: int) -> Rendered:
        """The take with this fault in it; where its lines lie then is not known."""
        pcm = plant(self.kind, rendered.pcm, sample_rate_hz, self._number(rendered.request))
        return replace(rendered, pcm=pcm, spans=None)

    @functools.cached_property
    def _place(self) -> list[str]:
        """The words by which a request has it."""
        words = _words(self.text)
        return words if self.cure == "split" else words[:_WORDS_OF_A_PLACE]

    def _number(self, request: Request) -> int:
        """A number for this text and the request's seed."""
        return int(content_key([self.text, request.seed])[:16], 16)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _spaced(words: Iterable[str]) -> str:
    """With a space around each, so that none is found within another."""
    return f" {' '.join(words)} "


class FaultyEngine:
    """`inner`, with the faults of a plan in its takes."""

    def __init__(self, inner: Engine, faults: Iterable[PlannedFault]) -> None:
        self._inner, self._faults = inner, tuple(faults)
        self.sample_rate_hz = inner.sample_rate_hz

    @functools.cached_property
    def fingerprint(self) -> str:
        """The inner engine's, and what the plan has but for `bad`.

        A plan that names the first attempts' seeds can be written only when they are known: they come from the keys of
        takes, and those from this.
        """
        plan = content_key([[fault.text, fault.kind, fault.cure] for fault in self._faults])
        return f"faulty/{_VERSION}/{plan[:16]}/{self._inner.fingerprint}"

    @property
    def slots(self) -> int:
        """The inner engine's."""
        return self._inner.slots

    def identity(self, voice: Voice) -> Mapping[str, Any]:
        """The inner engine's, and the prompt, which may cure."""
        prompt = {"prompt": voice.prompt_sha256, "transcript": voice.transcript} if voice.prompt is not None else {}
        return {**self._inner.identity(voice), **prompt}

    def check(self, language: str, voices: Iterable[Voice]) -> list[str]:
        """As the inner engine says."""
        return self._inner.check(language, voices)

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak each request with the inner engine, and spoil what the plan says."""
        for result in self._inner.render(requests):
            spoiled = result
            for fault in self._faults:
                if isinstance(spoiled, Rendered) and fault.spoils(spoiled.request):
                    spoiled = fault.spoil(spoiled, self.sample_rate_hz)
            yield spoiled


def read_plan(path: Path) -> tuple[PlannedFault, ...]:
    """The faults in a file. Raises `EngineError` with a problem for each that is none."""
    plan = read_json(path)
    entries = plan.get("faults") if isinstance(plan, dict) else None
    if not isinstance(entries, list):
        raise EngineError(Problem(str(path), "there is no plan of faults in it.", f"Write one: {_EXAMPLE}"))
    faults: list[PlannedFault] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries, 1):
        try:
            faults.append(_fault(entry))
        except ValueError as error:
            what, hint = error.args
            problems.append(Problem(f"{path}: fault {number}", what, hint))
    if problems:
        raise EngineError(*problems)
    return tuple(faults)


def _fault(entry: Any) -> PlannedFault:
    """Raises `ValueError` with what is wrong and what to do."""
    fields = entry if isinstance(entry, dict) else {}
    text, bad = fields.get("text"), fields.get("bad", [])
    if not isinstance(text, str) or not _words(text):
        raise ValueError("it has no text.", f"Write each as in {_EXAMPLE}")
    for name, known in (("kind", KINDS), ("cure", get_args(Cure))):
        if fields.get(name) not in known:
            hint = did_you_mean(str(fields.get(name)), known) or f"Choose one of: {', '.join(known)}."
            raise ValueError(f'its {name} "{fields.get(name)}" is unknown.', hint)
    if unknown := sorted(fields.keys() - {"text", "kind", "cure", "bad"}):
        raise ValueError(f'it has an unknown key "{unknown[0]}".', "Leave it out.")
    if not isinstance(bad, list) or not all(type(one) in (int, str) for one in bad):
        raise ValueError("its bad is no list.", "Write seeds, or SHA-256 of prompts, between brackets.")
    return PlannedFault(text, fields["kind"], fields["cure"], frozenset(map(str, bad)))


def open_engine(inner: str, machine: Machine) -> Engine:
    """The engine called `inner`, with faults. Raises `EngineError` where there is no plan of them, and as that does."""
    named = os.environ.get(PLAN_VARIABLE)
    if not named:
        what, hint = "the engine faulty needs a plan of faults.", f"Have it name a file such as {_EXAMPLE}"
        raise EngineError(Problem(PLAN_VARIABLE, what, hint))
    return FaultyEngine(engines.open_engine(inner, machine=machine), read_plan(Path(named)))
