"""What was approved stands where it stood through every edit but one of its own words, voice or engine."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.jobs.job import Job, open_job
from pipeline.jobs.retake import approve, named_takes
from pipeline.jobs.stages import Conditions, render_all_takes
from pipeline.settings import Settings
from pipeline.source.decisions import decisions_file
from pipeline.takes.borders import plan_name, write_borders
from pipeline.takes.decided import speech_of
from pipeline.takes.plan import PlannedTake
from pipeline.takes.splits import Splitter
from tests.support.commands import MakeJob

LONG = "and the rain went on and on over the roofs of the town"
BREAK = "\n\n---\n\n"
LINES = (
    f"**Ann:** It was late, {LONG}.",
    "**Ben:** Yes.",
    f"**Ann:** So they waited, {LONG}.",
    "**Ben:** Yes.",
    f"**Ann:** And they went home, {LONG}.",
)
YES = "**Ben:** Yes."


class Show:
    """A rendered job, and what becomes of it when its script is another."""

    def __init__(self, make_job: MakeJob, settings: Settings) -> None:
        self._make_job, self._settings = make_job, settings

    def open(self, lines: Sequence[str], *, fresh: bool = False, engine: str = "tone", **keys: object) -> Job:
        """The job with this script."""
        manifest = self._make_job(BREAK.join(lines) + "\n", deliver=["flac"], **keys)
        job = open_job(manifest, self._settings, engine=engine, fresh=fresh)
        job.workspace.create()
        return job

    def render(self, lines: Sequence[str], **keys: object) -> Job:
        """The same, with all its takes."""
        job = self.open(lines, **keys)  # type: ignore[arg-type]
        render_all_takes(job, Conditions(jobs=1))
        return job

    def approve(self, job: Job, *indices: int) -> list[str]:
        """Decide that takes stand, by their files; returns their keys."""
        keys = [job.takes[index].key for index in indices]
        approve(job, named_takes(job, [f"takes/{key}.flac" for key in keys]))
        return keys


@pytest.fixture
def show(make_job: MakeJob, settings: Settings) -> Show:
    return Show(make_job, settings)


def approved(job: Job) -> dict[int, str]:
    """The keys of the takes that stand by approval, by their index in the book."""
    return {index: take.approved for index, take in enumerate(job.takes) if take.approved}


def lost(job: Job) -> list[str]:
    """What is told of takes that are lost."""
    return [note.what for note in job.warnings if " lost by this edit." in note.what]


@pytest.mark.parametrize("own", [1, 3])
@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("fresh", [False, True])
def test_the_same_words_said_elsewhere_take_no_approved_take_over(show: Show, own: int, at: int, fresh: bool) -> None:
    """Wherever they are put in, also right beside it: one place has the take, and the others have keys of their own."""
    job = show.render(LINES)
    (stands,) = show.approve(job, own)
    edited = [*LINES[:at], YES, *LINES[at:]]
    after = show.open(edited, fresh=fresh)
    ((place, key),) = approved(after).items()
    beside = {own, own + 1} if at in (own, own + 1) else {own + (at <= own)}
    assert (place in beside, key) == (True, stands)
    others = [take.key for index, take in enumerate(after.takes) if index != place]
    assert stands not in others
    assert len(set(others)) == len(edited) - 1
    assert lost(after) == []
    again = render_all_takes(after, Conditions(jobs=1))
    assert again.takes[after.takes[place].key].key == stands


@given(st.data())
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_approved_takes_survive_any_edits_of_the_others(show: Show, data: st.DataObject) -> None:
    """Lines that come, go and change, one after another, with the plan kept, lost or another's."""
    lines = [f"**{'Ann' if number % 2 else 'Ben'}:** Number {number} is here, {LONG}." for number in range(7)]
    for path in show.open(lines).manifest.path.parent.glob("*.decisions.yaml"):
        path.unlink()
    job = show.render(lines)
    chosen = data.draw(st.sets(st.integers(0, 6), min_size=1, max_size=3))
    stands = dict(zip(sorted(chosen), show.approve(job, *sorted(chosen)), strict=True))
    texts = {job.takes[index].text: key for index, key in stands.items()}
    dice = random.Random(data.draw(st.integers(0, 2**32)))
    for _edit in range(3):
        at = dice.randrange(len(lines))
        is_free = all(text not in lines[at] for text in texts)
        match dice.choice(["insert", "change", "delete", "seed"]):
            case "insert":
                lines.insert(at, f"**{dice.choice(['Ann', 'Ben'])}:** {dice.random()} is new, {LONG}.")
            case "change" if is_free:
                lines[at] = f"**{dice.choice(['Ann', 'Ben'])}:** {dice.random()} is other, {LONG}."
            case "delete" if is_free:
                del lines[at]
        after = show.open(lines, fresh=dice.random() < 0.3, seed=dice.randrange(3))
        assert {after.takes[index].text: key for index, key in approved(after).items()} == texts
        assert lost(after) == []
        write_borders(after.workspace, plan_name(after.traits, "en"), [take.chunk for take in after.takes])


def _words(show: Show) -> Job:
    return show.open([LINES[0].replace("late", "early"), *LINES[1:]])


def _voice(show: Show) -> Job:
    return show.open(LINES, cast={"Ann": "iris"})


def _engine(show: Show) -> Job:
    return show.open(LINES, engine="draft")


def _language(show: Show) -> Job:
    return show.open(LINES, language="de")


@pytest.mark.parametrize(("edit", "count"), [(_words, 1), (_voice, 2), (_engine, 3), (_language, 3)])
def test_what_is_given_up_is_told_before_anything_is_rendered(
    show: Show, edit: Callable[[Show], Job], count: int
) -> None:
    """With the number of them, where the first was decided, and each with its reason; undone, all stand again."""
    job = show.render(LINES)
    show.approve(job, 0, 2, 3)
    before = approved(show.open(LINES))
    assert len(before) == 3
    after = edit(show)
    assert len(approved(after)) == 3 - count
    assert lost(after) == [f"{count} approved {'take is' if count == 1 else 'takes are'} lost by this edit."]
    file = str(decisions_file(after.manifest.path))
    told = [note for note in after.warnings if note.where.startswith(f"{file}:")]
    assert len(told) == 1 + count
    assert told[0].where == f"{file}:2"
    again = show.open(LINES)
    assert (approved(again), lost(again)) == (before, [])


def test_another_seed_or_title_gives_nothing_up(show: Show) -> None:
    """What stands was made with the seed that it has."""
    job = show.render(LINES)
    stands = show.approve(job, 1, 2)
    for keys in ({"seed": 7}, {"title": "Another"}, {"pauses": {"turn_s": 2}}):
        after = show.open(LINES, **keys)
        assert [*approved(after).values()] == stands
        assert lost(after) == []


def halves_of(job: Job, index: int, share: float) -> Sequence[PlannedTake]:
    """The two that a take of a job is cut into for its faults, as the next plan has them."""
    keep = partial(write_borders, job.workspace, plan_name(job.traits, job.manifest.language))
    return Splitter(job.planner, job.normalizer, job.takes, job.split_texts, keep).split(job.takes[index], share, 1)


TWO = f"**Ann:** They walked on, {LONG}. Then they went home, {LONG}."


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("text", "plans"), [(TWO, ["kept", "fresh", "lost", "damaged"]), (LINES[0], ["kept"])], ids=["sentence", "clause"]
)
def test_half_a_take_is_approved_as_a_whole_one_is(show: Show, text: str, plans: list[str], number: int) -> None:
    """Where it ends with a sentence the plan need not be there for it."""
    lines = [text, *LINES[1:]]
    half = halves_of(show.open(lines), 0, 0.5)[number]
    job = show.render(lines)
    assert job.takes[number].key == half.key
    show.approve(job, number)
    for plan in plans:
        edited = [*lines[:2], f"**Ben:** What do you say, {LONG}?", *lines[2:]]
        chunks = job.workspace.chunks
        kept = chunks.read_bytes()
        if plan == "lost":
            chunks.unlink()
        elif plan == "damaged":
            chunks.write_text("{")
        after = show.open(edited, fresh=plan == "fresh")
        assert approved(after) == {number: half.key}
        assert after.takes[number].text == half.text
        assert lost(after) == []
        chunks.write_bytes(kept)


SPOKEN_NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()


def test_a_plan_of_somebody_else_moves_no_approved_take(show: Show) -> None:
    """Such as one that was made before the take was approved, with other borders."""
    text = " ".join(f"The lamp number {number} is lit." for number in SPOKEN_NUMBERS)
    job = show.render([f"**Ann:** {text}"])
    assert len(job.takes) == 2
    (stands,) = show.approve(job, 0)
    (piece,) = job.takes[0].chunk.pieces
    others = [
        replace(
            job.takes[0].chunk, pieces=(replace(piece, spoken=f"The lamp number {name} is lit."),), after_break=False
        )
        for name in SPOKEN_NUMBERS
    ]
    write_borders(job.workspace, plan_name(job.traits, "en"), others)
    after = show.open([f"**Ann:** {text}"])
    assert approved(after) == {0: stands}
    assert after.takes[0].text == job.takes[0].text
    assert len(after.takes) > 2


def test_what_a_take_says_is_neither_its_seed_nor_its_number(show: Show) -> None:
    """Two that say the same are told apart by their keys alone; other words or another voice are other speech."""
    job = show.open(LINES)
    first, second = job.takes[1], job.takes[3]
    assert first.key != second.key
    assert speech_of(first) == speech_of(second) == speech_of(show.open(LINES, seed=3).takes[1])
    other = show.open(LINES, cast={"Ben": "leo"})
    assert len({speech_of(take) for take in (first, job.takes[0], other.takes[1])}) == 3


def test_an_approval_is_kept_beside_the_manifest_and_not_in_the_output(show: Show) -> None:
    """A lost output folder loses the sound, and the decision is told of and waits."""
    job = show.render(LINES)
    (stands,) = show.approve(job, 1)
    assert Path(decisions_file(job.manifest.path)).is_file()
    for path in job.workspace.takes.iterdir():
        path.unlink()
    after = show.open(LINES)
    done = render_all_takes(after, Conditions(jobs=1))
    assert [note.where for note in done.notes] == [after.takes[1].where]
    assert approved(show.open(LINES)) == {1: stands}
