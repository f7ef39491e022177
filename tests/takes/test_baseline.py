"""How voices speak is kept from the first takes on, whatever is edited later."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.checks.limits import LEAST_TAKES
from pipeline.checks.signal import measure
from pipeline.checks.verdicts import finding
from pipeline.files import read_json
from pipeline.jobs.job import Job, open_job
from pipeline.settings import Settings
from pipeline.takes.baseline import Baseline, baselines, voices_of
from pipeline.takes.choices import JudgedAttempt
from pipeline.takes.plan import PlannedTake
from tests.support.commands import MakeJob
from tests.support.speech import RATE_HZ, SENTENCE, WOMAN, speech

Standing = list[tuple[PlannedTake, JudgedAttempt]]
MEASURED = measure(speech((WOMAN, SENTENCE)), RATE_HZ, len(SENTENCE))
LINE = "It was late, and the rain went on and on over the roofs of the town."


def standing(plans: Sequence[PlannedTake], dice: random.Random) -> Standing:
    """For each an attempt that lasts 5 s, at a level of its own."""
    rows = []
    for plan in plans:
        measured = MEASURED | {"level_db": dice.uniform(-25, -15)}
        rows.append((plan, JudgedAttempt(0, "first", plan.key, "hash", 5.0, measured).judged([])))
    return rows


@pytest.fixture
def plans(make_job: MakeJob, settings: Settings) -> tuple[PlannedTake, ...]:
    """Ten takes of Ann, ten of Ben, and one of the two together."""
    turns = [f"**{name}:** Number {number}. {LINE}" for number in range(10) for name in ("Ann", "Ben")]
    both = "**Ann:** And so they went to bed.\n\n**Ben:** So they did."
    return open_job(make_job("\n\n---\n\n".join([*turns, both]) + "\n"), settings, engine="tone").takes


def names(plans: Sequence[PlannedTake]) -> list[str]:
    """Of the voices, in the order in which they speak."""
    return list(dict.fromkeys(map(voices_of, plans)))


def test_voices_that_speak_together_are_apart_from_those_that_speak_alone(plans: tuple[PlannedTake, ...]) -> None:
    """Whoever begins."""
    ann, ben, both = names(plans)
    assert both == " + ".join(sorted([ann, ben]))
    by_voice = baselines(standing(plans, random.Random(1)))
    assert {name: one.statistics.takes for name, one in by_voice.items()} == {ann: 10, ben: 10, both: 1}
    assert by_voice[both].best == ""  # whose prompt would it be?
    assert by_voice[both].statistics.level is None  # one take tells nothing
    assert by_voice[ann].statistics.level is not None


def test_what_is_there_stays_and_only_new_voices_are_added(plans: tuple[PlannedTake, ...], tmp_path: Path) -> None:
    """Also in a later run, and whatever its takes are like."""
    path, (ann, ben, _both) = tmp_path / "checks.json", names(plans)
    all_takes = standing(plans, random.Random(1))
    first = [row for row in all_takes if voices_of(row[0]) == ann]
    Baseline(path, "plan").add(first, plans)
    kept, written = Baseline(path, "plan").of(ann), path.read_bytes()
    assert kept == baselines(first)[ann]
    edited = [(plan, replace(one, measured=dict(one.measured) | {"level_db": -5.0})) for plan, one in first]
    Baseline(path, "plan").add(edited, plans)
    assert path.read_bytes() == written
    later = Baseline(path, "plan")
    later.add([*edited, *(row for row in all_takes if voices_of(row[0]) == ben)], plans)
    for baseline in (later, Baseline(path, "plan")):
        assert baseline.of(ann) == kept
        assert baseline.of(ben) == baselines(all_takes)[ben]
    later.replace(edited, plans)
    for baseline in (later, Baseline(path, "plan")):
        assert (baseline.of(ann), baseline.of(ben)) == (baselines(edited)[ann], None)
    assert kept != later.of(ann)


def test_a_voice_of_few_takes_is_compared_once_there_are_more(plans: tuple[PlannedTake, ...], tmp_path: Path) -> None:
    """What was known of it stays; while the job has no more chunks than before, it is as if no take had been added."""
    path, (ann, *_others) = tmp_path / "checks.json", names(plans)
    rows = [row for row in standing(plans, random.Random(1)) if voices_of(row[0]) == ann]
    few, most = rows[: LEAST_TAKES - 1], rows[:LEAST_TAKES]
    Baseline(path, "plan").add(few, [plan for plan, _one in most])
    written = path.read_bytes()
    Baseline(path, "plan").add(most, [plan for plan, _one in most])  # a retake was good, and the run was killed
    assert path.read_bytes() == written
    sparse = Baseline(path, "plan").of(ann)
    assert sparse is not None
    assert (sparse.statistics.takes, sparse.statistics.level) == (LEAST_TAKES - 1, None)
    Baseline(path, "plan").add(rows, [plan for plan, _one in rows])
    complete = Baseline(path, "plan").of(ann)
    assert complete is not None
    assert complete.statistics == baselines(rows)[ann].statistics
    louder = [(plan, replace(one, measured=dict(one.measured) | {"level_db": -5.0})) for plan, one in rows]
    Baseline(path, "plan").add(louder, [*(plan for plan, _one in rows), *plans])
    assert Baseline(path, "plan").of(ann) == complete


def test_plans_have_their_own(plans: tuple[PlannedTake, ...], tmp_path: Path) -> None:
    """Another engine, another language: what one adds leaves the other alone."""
    path, (ann, *_others) = tmp_path / "checks.json", names(plans)
    Baseline(path, "tone").add(standing(plans, random.Random(1)), plans)
    tone = Baseline(path, "tone").of(ann)
    assert Baseline(path, "draft").of(ann) is None
    Baseline(path, "draft").add(standing(plans, random.Random(2)), plans)
    assert Baseline(path, "tone").of(ann) == tone != Baseline(path, "draft").of(ann)


@given(st.integers(0, 2**32), st.integers(0, 2**32))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_takes_does_not_count(plans: tuple[PlannedTake, ...], seed: int, order: int) -> None:
    """For statistics; the best of equal takes is the first in the order of the book, in which they always come."""
    rows = standing(plans, random.Random(seed))
    shuffled = random.Random(order).sample(rows, len(rows))
    with TemporaryDirectory() as folder:
        baseline = Baseline(Path(folder) / "checks.json", "plan")
        baseline.add(rows, plans)
        other = Baseline(Path(folder) / "other.json", "plan")
        other.add(shuffled, plans)
        for name in names(plans):
            one, two = baseline.of(name), other.of(name)
            assert one is not None
            assert two is not None
            assert one.statistics == two.statistics


def test_the_best_take_is_sound_of_one_voice_and_of_a_length_for_a_prompt(plans: tuple[PlannedTake, ...]) -> None:
    """Of those the highest score, of equal ones the shortest, and of those the first in the book."""
    ann = names(plans)[0]
    mine = [plan for plan in plans if voices_of(plan) == ann]
    rows = standing(mine, random.Random(1))

    def best(changes: dict[int, JudgedAttempt]) -> int | None:
        changed = [(plan, changes.get(index, one)) for index, (plan, one) in enumerate(rows)]
        key = baselines(changed)[ann].best
        return next((index for index, plan in enumerate(mine) if plan.key == key), None)

    attempts = [one for _plan, one in rows]
    doubt = finding("noise", 0.8, "has noise", 1.0)
    assert doubt.verdict == "unsure"
    assert best({}) == 0
    assert best({0: attempts[0].judged([doubt])}) == 1
    assert best({0: attempts[0].judged([finding("clipped", 0.5, "clips")])}) == 1
    assert best({0: replace(attempts[0], audio_s=3.9), 1: replace(attempts[1], audio_s=12.1)}) == 2
    assert best({2: replace(attempts[2], audio_s=4.5)}) == 2
    assert best({index: replace(one, audio_s=20.0) for index, one in enumerate(attempts)}) is None


def test_takes_with_faults_are_no_measure(plans: tuple[PlannedTake, ...]) -> None:
    """Nor is what came to nothing: a voice with too few sound takes has no usual level."""
    ann = names(plans)[0]
    rows = [row for row in standing(plans, random.Random(1)) if voices_of(row[0]) == ann]
    faulty = finding("clipped", 0.5, "clips")
    sound = rows[:LEAST_TAKES]
    assert baselines([*sound, *((plan, one.judged([faulty])) for plan, one in rows[LEAST_TAKES:])]) == baselines(sound)
    assert baselines([*sound, *((plan, replace(one, measured={})) for plan, one in rows[LEAST_TAKES:])]) == baselines(
        sound
    )
    assert baselines(sound)[ann].statistics.level is not None
    assert baselines(sound[1:])[ann].statistics.level is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"plans": 5}', '{"plans": {"plan": {"ada": {"best": 7}}}}', "\udcff"])
def test_a_damaged_record_counts_as_none(plans: tuple[PlannedTake, ...], tmp_path: Path, text: str) -> None:
    """What stands gives new statistics, and the file is whole again."""
    path, ann = tmp_path / "checks.json", names(plans)[0]
    path.write_bytes(text.encode(errors="surrogateescape"))
    baseline = Baseline(path, "plan")
    assert baseline.of(ann) is None
    assert [problem.where for problem in baseline.notes] == ["checks.json"]
    baseline.add(standing(plans, random.Random(1)), plans)
    assert (tmp_path / "checks.json.damaged").read_bytes() == text.encode(errors="surrogateescape")
    baseline.replace(standing(plans, random.Random(2)), plans)  # of which nothing is damaged
    assert (tmp_path / "checks.json.damaged").read_bytes() == text.encode(errors="surrogateescape")
    assert Baseline(path, "plan").notes == []
    assert Baseline(path, "plan").of(ann) == baseline.of(ann) is not None
    assert read_json(path)["plans"].keys() == {"plan"}


def test_without_takes_nothing_is_written(tmp_path: Path, job: Job) -> None:
    """Nor where all have faults."""
    path = tmp_path / "checks.json"
    Baseline(path, "plan").add([], job.takes)
    faulty = [
        (plan, one.judged([finding("clipped", 0.5, "clips")])) for plan, one in standing(job.takes, random.Random())
    ]
    Baseline(path, "plan").add(faulty, job.takes)
    assert not path.exists()
