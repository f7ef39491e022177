"""Takes are judged and made again to the same end, whatever happens meanwhile: order, workers, kills, edits."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines import TRAITS, Failed, Remedy, Rendered, Request
from pipeline.engines.tone import ToneEngine
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.stages import Conditions, render_all_takes
from pipeline.settings import Settings
from tests.takes.test_render import with_fate

WORDS = "some words that are said in a quiet voice while the rain goes on and on outside".split()


class _Faulty(ToneEngine):
    """Clips what has certain words, unless its seed is good; in an order of its own, and dies at last."""

    def __init__(self, share: float, slots: int, order: int, dies_after: int | None) -> None:
        self.share, self.slots = share, slots
        self.order = random.Random(order)
        self.dies_after = dies_after

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        pulling = iter(requests)
        active: list[Request] = []
        while True:
            active += islice(pulling, self.slots - len(active))
            if not active:
                return
            if self.dies_after == 0:
                raise KeyboardInterrupt
            self.dies_after = None if self.dies_after is None else self.dies_after - 1
            yield self._speak(active.pop(self.order.randrange(len(active))))

    def _speak(self, request: Request) -> Rendered:
        (rendered,) = super().render([request])
        assert isinstance(rendered, Rendered)
        text = " ".join(line.text for line in request.lines)
        draw = int(hashlib.sha256(f"{text} {request.seed}".encode()).hexdigest()[:8], 16) / 2**32
        stubborn = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32 < self.share / 2
        return replace(rendered, pcm=with_fate(rendered.pcm, "clipped" if stubborn or draw < self.share else "good"))


def _script(dice: random.Random) -> str:
    turns = []
    for _turn in range(dice.randint(2, 6)):
        sentences = (
            " ".join(dice.choices(WORDS, k=dice.randint(2, 14))).capitalize() for _ in range(dice.randint(1, 5))
        )
        turns.append(f"**{dice.choice(['Ann', 'Ben', 'Cleo'])}:** {'. '.join(sentences)}.")
    return "\n\n".join(turns) + "\n"


def _open(folder: Path, remedies: frozenset[Remedy]) -> Job:
    machine = Settings(output=folder / "output", voices=(Path("voices").absolute(),), jobs=1)
    job = open_job(folder / "job.yaml", machine, engine="tone")
    traits = replace(TRAITS["tone"], remedies=remedies)
    return replace(job, traits=traits, planner=replace(job.planner, traits=traits))


def _state(job: Job) -> dict[str, object]:
    """What stands, and all that is on record of it."""
    root = job.workspace.root
    records = {path.name: path.read_text() for path in (*root.glob("takes/*.choice.json"), *root.glob("ch*s.json"))}
    hashes = {
        path.stem: json.loads(path.read_text())["pcm_sha256"]
        for path in root.glob("takes/*.json")
        if "." not in path.stem
    }
    return {"records": records, "hashes": hashes}


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.4, 0.8, 1.0]),
    remedies=st.sampled_from([frozenset({"seed", "split"}), frozenset({"split"})]),
    slots=st.integers(1, 5),
    order=st.integers(0, 2**32),
    kills=st.lists(st.integers(0, 8), max_size=5),
)
def test_the_same_takes_stand_whatever_the_order_and_however_often_it_is_killed(
    seed: int, share: float, remedies: frozenset[Remedy], slots: int, order: int, kills: list[int]
) -> None:
    """With the same attempts, choices, splits and statistics, byte for byte; another run renders nothing more."""
    script = _script(random.Random(seed))
    states = []
    for engines in (
        [_Faulty(share, 1, 0, None)],
        [
            *(_Faulty(share, slots, order + number, kill) for number, kill in enumerate(kills)),
            _Faulty(share, slots, order, None),
        ],
    ):
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "job.md").write_text(script)
            (folder / "job.yaml").write_text("title: A job\nscript: job.md\n")
            for engine in engines:
                job = replace(_open(folder, remedies), engine=engine)
                job.workspace.create()
                try:
                    done = render_all_takes(job, Conditions(jobs=1))
                except KeyboardInterrupt:
                    continue
            states.append(_state(job))
            again = _open(folder, remedies)
            assert [take.key for take in again.takes] == [take.key for take in done.planned]
            dead = replace(again, engine=_Faulty(share, 1, 0, 0))
            assert render_all_takes(dead, Conditions(jobs=1)).takes == done.takes
            assert _state(job) == states[-1]
    assert states[0] == states[1]
