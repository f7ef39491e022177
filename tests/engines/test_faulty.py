"""The faulty engine: each fault goes with its cure and with nothing else, and what has none is left alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines import (
    DEFAULT_SOUND,
    REMEDIES,
    TRAITS,
    DraftVoice,
    Line,
    Machine,
    Rendered,
    Request,
    Voice,
    open_engine,
)
from pipeline.engines.cluster import local_cluster
from pipeline.engines.crew import join_crew
from pipeline.engines.devices import Worker
from pipeline.engines.faulty import COOL, PLAN_VARIABLE, PlannedFault, read_plan
from pipeline.engines.plants import KINDS
from pipeline.engines.pool import Pool
from pipeline.errors import EngineError
from pipeline.jobs.job import open_job
from pipeline.settings import Settings
from tests.support.commands import MakeJob

ANN, BOB = Voice("ann", DraftVoice("f2")), Voice("bob", DraftVoice("m3"))
CALM = "The evening was calm, and a light wind moved over the fields. Nobody said a word about the day behind us."
FIRST, SECOND = CALM.split(". ")
PROMPTED = replace(ANN, prompt=Path("a.flac"), prompt_sha256="aa", transcript="The first take.")


def request(text: str = CALM, voice: Voice = ANN, **changes: Any) -> Request:
    return replace(Request("k", (Line(voice, text),), "en", 1), **changes)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that names the faults."""
    monkeypatch.setenv(PLAN_VARIABLE, str(tmp_path / "faults.json"))
    return tmp_path / "faults.json"


def write(plan: Path, *faults: Mapping[str, Any]) -> None:
    plan.write_text(json.dumps({"faults": faults}))


def one(engine: str, wanted: Request) -> Rendered:
    (rendered,) = open_engine(engine).render([wanted])
    assert isinstance(rendered, Rendered)
    return rendered


def is_spoiled(wanted: Request) -> bool:
    """Whether the take differs from that of the engine beneath."""
    return one("faulty", wanted).pcm.tobytes() != one("draft", wanted).pcm.tobytes()


def other_seeds(wanted: Request) -> list[Request]:
    return [replace(wanted, seed=seed) for seed in range(12)]


COOLER, WITH_PROMPT, IN_PARTS = (
    replace(request(), temperature=0.7),
    request(voice=PROMPTED),
    [request(f"{FIRST}."), request(SECOND)],
)


def test_a_take_without_a_fault_is_that_of_the_engine_beneath(plan: Path) -> None:
    """To the last byte, with the places of its lines, beside others that have some."""
    write(plan, {"text": FIRST, "kind": "music", "cure": "never"})
    two = Request("k", (Line(ANN, "So it is."), Line(BOB, "The evening is calm, and a light wind moves.")), "en", 7)
    bare, faulty = open_engine("draft"), open_engine("faulty")
    expected, made, spoiled = [*bare.render([two]), *faulty.render([two, request()])]
    assert isinstance(expected, Rendered)
    assert isinstance(made, Rendered)
    assert isinstance(spoiled, Rendered)
    assert made.pcm.tobytes() == expected.pcm.tobytes()
    assert made.spans == expected.spans is not None
    assert spoiled.spans is None
    assert faulty.identity(ANN) == bare.identity(ANN)
    assert faulty.check("xx", [ANN]) == bare.check("xx", [ANN]) != []


@pytest.mark.parametrize("kind", KINDS)
def test_a_take_has_the_fault_of_the_plan(plan: Path, kind: str) -> None:
    """Every kind there is, the same for the same request, and a little different for another seed."""
    write(plan, {"text": FIRST, "kind": kind, "cure": "never"})
    assert is_spoiled(request())
    assert one("faulty", request()).pcm.tobytes() == one("faulty", request(key="other")).pcm.tobytes()
    if kind != "empty":
        bob = request(voice=BOB)  # espeak-ng's own sound of it has nothing of the seed
        assert len({one("faulty", wanted).pcm.tobytes() for wanted in other_seeds(bob)}) > 1


def test_a_fault_that_another_seed_cures(plan: Path) -> None:
    """The seeds that the plan names are bad, or about half of all, always the same; nothing else helps."""
    fault = {"text": FIRST, "kind": "clipped", "cure": "seed"}
    write(plan, fault | {"bad": [1, str(2**64 - 1)]})
    for seed, bad in ((1, True), (2, False), (2**64 - 1, True)):
        assert is_spoiled(request(seed=seed)) is bad
    assert all(map(is_spoiled, (COOLER, WITH_PROMPT, IN_PARTS[0])))
    write(plan, fault)
    by_hash = [is_spoiled(wanted) for wanted in other_seeds(request())]
    assert {True, False} == set(by_hash)
    assert by_hash == [is_spoiled(wanted) for wanted in other_seeds(request(temperature=0.5))]


def test_the_bad_ones_among_all_seeds_are_half() -> None:
    fault = PlannedFault(CALM, "music", "seed")
    assert 900 < sum(fault.spoils(request(seed=seed)) for seed in range(2000)) < 1100


def test_a_fault_that_only_a_low_temperature_cures(plan: Path) -> None:
    """No other seed, prompt or part of the text, nor a temperature that is as high as before."""
    write(plan, {"text": FIRST, "kind": "music", "cure": "temperature"})
    assert not is_spoiled(COOLER)
    assert not is_spoiled(request(temperature=0.0))
    assert is_spoiled(request(temperature=COOL))
    assert all(map(is_spoiled, (*other_seeds(request()), WITH_PROMPT, IN_PARTS[0])))


def test_a_fault_that_only_another_prompt_cures(plan: Path) -> None:
    """One in place of none, or in place of the one that the plan names; of any voice that speaks."""
    write(plan, {"text": FIRST, "kind": "wrong_voice", "cure": "prompt"})
    assert not is_spoiled(WITH_PROMPT)
    assert not is_spoiled(replace(WITH_PROMPT, lines=(*WITH_PROMPT.lines, Line(BOB, "And so?"))))
    assert all(map(is_spoiled, (*other_seeds(request()), COOLER, IN_PARTS[0])))
    write(plan, {"text": FIRST, "kind": "wrong_voice", "cure": "prompt", "bad": ["aa"]})
    assert is_spoiled(WITH_PROMPT)
    assert not is_spoiled(request(voice=replace(PROMPTED, prompt_sha256="bb")))


def test_a_fault_that_only_a_cut_cures(plan: Path) -> None:
    """Where the whole text is no longer spoken at a time; punctuation, case and lines are nothing to it."""
    write(plan, {"text": CALM, "kind": "fast", "cure": "split"})
    assert not any(map(is_spoiled, IN_PARTS))
    in_two_lines = replace(request(), lines=(Line(ANN, FIRST.upper()), Line(BOB, SECOND + " And so on.")))
    assert all(map(is_spoiled, (*other_seeds(request()), COOLER, WITH_PROMPT, in_two_lines)))


def test_a_fault_that_nothing_cures(plan: Path) -> None:
    """It stays with the part of the text that begins with its words."""
    write(plan, {"text": CALM, "kind": "drone", "cure": "never"})
    assert all(map(is_spoiled, (*other_seeds(COOLER), WITH_PROMPT, IN_PARTS[0])))
    assert not is_spoiled(IN_PARTS[1])


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["never", "split"]))
def test_words_are_found_whole_and_wherever_they_stand(before: str, after: str, cure: Any) -> None:
    """Among any others, but not as a part of longer ones."""
    fault = PlannedFault("Calm, it was!", "music", cure)
    assert fault.spoils(request(f"{before} calm it WAS. {after}"))
    assert not fault.spoils(request("Calm, it wasn."))
    assert not fault.spoils(request("Becalm it was."))


def test_the_seeds_of_first_attempts_can_be_named_when_they_are_known(
    plan: Path, make_job: MakeJob, settings: Settings
) -> None:
    """They do not change the keys that they come from; any other change of the plan does."""
    fault = {"text": FIRST, "kind": "clipped", "cure": "seed"}
    write(plan, fault)
    script = f"**Ann:** {CALM}\n\n---\n\n**Ann:** So it is, and so it will be when we come back in the morning.\n"
    job = open_job(make_job(script), settings, engine="faulty")
    seeds = [take.request.seed for take in job.takes]
    write(plan, fault | {"bad": seeds})
    again = open_job(make_job(script), settings, engine="faulty")
    assert [take.request for take in again.takes] == [take.request for take in job.takes]
    assert [is_spoiled(take.request) for take in again.takes] == [True, False]
    assert not is_spoiled(replace(again.takes[0].request, seed=seeds[0] ^ 1))
    write(plan, fault | {"cure": "never"})
    assert not {take.key for take in open_job(make_job(script), settings, engine="faulty").takes} & {
        take.key for take in job.takes
    }


def test_another_prompt_is_another_take(plan: Path) -> None:
    write(plan)
    engine = open_engine("faulty")
    assert engine.identity(PROMPTED) == {**engine.identity(ANN), "prompt": "aa", "transcript": "The first take."}
    assert TRAITS["faulty"].remedies == TRAITS["faulty-kokoro"].remedies == REMEDIES


@pytest.mark.slow
def test_four_workers_make_the_bytes_of_one(plan: Path) -> None:
    """Which are those of this process: a worker knows nothing but the request and the plan."""
    cures = ("seed", "temperature", "prompt", "split", "never")
    texts = [f"Sentence {cure} is said by the {cure} worker, whoever that may be." for cure in (*cures, "other")]
    write(plan, *({"text": text, "kind": "music", "cure": cure} for text, cure in zip(texts, cures, strict=False)))
    wanted = [
        request(text, key=f"{text} {seed} {temperature}", seed=seed, temperature=temperature)
        for text in texts
        for seed in range(3)
        for temperature in (None, 0.5)
    ]
    expected = {each.key: one("faulty", each).pcm.tobytes() for each in wanted}
    bare = {each.key: one("draft", each).pcm.tobytes() for each in wanted}
    spoiled = {text for text in texts for key in expected if key.startswith(text) and expected[key] != bare[key]}
    assert spoiled == set(texts[:-1])
    for count in (1, 4):
        workers = [Worker(f"w{number}", "cpu", 1) for number in range(count)]
        with local_cluster(workers) as address, join_crew(address) as crew:
            pool = Pool("faulty", open_engine("faulty"), DEFAULT_SOUND, Machine(), crew)
            results = list(pool.render(wanted))
        made = {result.request.key: result.pcm.tobytes() for result in results if isinstance(result, Rendered)}
        assert made == expected
        assert len({result.device for result in results if isinstance(result, Rendered)}) == count


@pytest.mark.slow
def test_kokoro_may_lie_beneath(plan: Path, kokoro_weights: Path) -> None:
    write(plan, {"text": "The lamp is lit.", "kind": "clipped", "cure": "temperature"})
    machine = Machine(kokoro=str(kokoro_weights))
    wanted = [request("The lamp is lit."), request("The lamp is lit.", temperature=0.5, key="cool")]
    bare, cool = open_engine("kokoro", machine=machine), open_engine("faulty-kokoro", machine=machine)
    spoken, (spoiled, mended) = next(iter(bare.render(wanted))), cool.render(wanted)
    assert isinstance(spoken, Rendered)
    assert isinstance(spoiled, Rendered)
    assert isinstance(mended, Rendered)
    assert np.array_equal(mended.pcm, spoken.pcm)
    assert not np.array_equal(spoiled.pcm, spoken.pcm)
    assert bare.fingerprint in cool.fingerprint


# Plans that are none


def test_a_plan_there_has_to_be(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"faults\.json: there is no plan"):
        open_engine("faulty")
    plan.write_text("[")
    with pytest.raises(EngineError, match=r"faults\.json: there is no plan"):
        read_plan(plan)
    monkeypatch.delenv(PLAN_VARIABLE)
    with pytest.raises(EngineError, match="PODCAST_FAULTS: the engine faulty needs a plan"):
        open_engine("faulty-kokoro", machine=Machine(kokoro="nowhere"))


def test_all_that_is_wrong_with_a_plan_is_told_at_once(plan: Path) -> None:
    right = {"text": CALM, "kind": "music", "cure": "seed"}
    wrong: list[tuple[Any, str]] = [
        ("music", "fault 2: it has no text"),
        (right | {"text": "?!"}, "fault 3: it has no text"),
        (right | {"kind": "musik"}, 'fault 4: its kind "musik" is unknown. Did you mean "music"?'),
        (right | {"cure": ["seed"]}, "fault 5: its cure"),
        (right | {"curse": 1}, 'fault 6: it has an unknown key "curse"'),
        (right | {"bad": "ab"}, "fault 7: its bad is no list"),
        (right | {"bad": [True]}, "fault 8: its bad is no list"),
    ]
    write(plan, right, *(entry for entry, _told in wrong))
    with pytest.raises(EngineError) as error:
        read_plan(plan)
    assert len(error.value.problems) == len(wrong)
    for problem, (_entry, what) in zip(error.value.problems, wrong, strict=True):
        assert what in str(problem)
