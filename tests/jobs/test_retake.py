"""What a person decides of takes: again, with another voice or seed, several to choose from, or that one stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import RequestError
from pipeline.jobs.disk import estimate
from pipeline.jobs.job import Job, open_job, referred_names
from pipeline.jobs.retake import approve, named_takes, retake, withdraw
from pipeline.jobs.stages import Conditions, render_job
from pipeline.jobs.verify import verify_takes
from pipeline.settings import Settings
from pipeline.source.decisions import decisions_file
from pipeline.takes.plan import explain, missing_attempts
from tests.support.commands import MakeJob

LONG = "and the rain went on and on over the roofs of the town, until nobody could remember when it had begun"
SCRIPT = f"""**Ann:** It was late, {LONG}.

---

**Ben:** Yes.

---

**Ann:** So they waited, {LONG}.

---

**Ben:** Yes.
"""


@pytest.fixture
def manifest(make_job: MakeJob, settings: Settings) -> Path:
    """Of a job that was rendered: four takes, two of which say the same."""
    path = make_job(SCRIPT, deliver=["flac"])
    render_job(open_job(path, settings, engine="tone"), Conditions(jobs=1))
    return path


def opened(manifest: Path, settings: Settings, **options: object) -> Job:
    return open_job(manifest, settings, **{"engine": "tone", **options})  # type: ignore[arg-type]


def keys(job: Job) -> list[str]:
    """The takes that stand, by approval or as planned."""
    return [take.approved or take.key for take in job.takes]


def test_lines_and_takes_are_named_in_several_ways(manifest: Path, settings: Settings) -> None:
    """By line, by file and line, by the file of a take; a line within a turn is the turn's."""
    job = opened(manifest, settings)
    for name in ("5", "job.md:5", job.takes[1].where, f"takes/{job.takes[1].key}.flac", job.takes[1].key):
        assert [take.index for take in named_takes(job, [name])] == [1]
    assert [take.index for take in named_takes(job, ["13", "1", "13"])] == [0, 3]
    with pytest.raises(RequestError) as error:
        named_takes(job, ["999", "somewhere", "0" * 32, "other.md:5", "0"])
    assert len(error.value.problems) == 5


def test_a_line_that_is_made_again_is_another_take_and_no_other_changes(manifest: Path, settings: Settings) -> None:
    """Each time anew, the same seed again too; the plan says why."""
    job = opened(manifest, settings)
    seen = [keys(job)]
    for seed, why in ((None, "retake"), (7, "seed, retake"), (None, "retake"), (7, "seed, retake")):
        retake(job, named_takes(job, ["5"]), seed=seed, by="Ann")
        job = opened(manifest, settings)
        assert [reason for _plan, _action, reason in explain(job.takes, job.store)][1] == why
        assert [one == other for one, other in zip(keys(job), seen[0], strict=True)] == [True, False, True, True]
        seen.append(keys(job))
    assert len({tuple(one) for one in seen}) == 5
    report = render_job(job, Conditions(jobs=1))
    assert (report.takes.rendered, report.takes.reused) == (1, 3)
    assert withdraw(job, named_takes(job, ["5"])) == 1
    assert keys(opened(manifest, settings)) == seen[0]


def test_a_line_gets_another_voice(manifest: Path, settings: Settings) -> None:
    """It alone."""
    job = opened(manifest, settings)
    retake(job, named_takes(job, ["5"]), voice="grace")
    assert [line.voice.name for take in opened(manifest, settings).takes for line in take.request.lines][1] == "grace"
    assert keys(opened(manifest, settings))[3] == keys(job)[3]


def test_a_voice_that_there_is_not_is_told_with_the_line_of_the_decision(manifest: Path, settings: Settings) -> None:
    """As the file may be written by hand, or a voice be gone."""
    job = opened(manifest, settings)
    retake(job, named_takes(job, ["5"]), voice="grace")
    path = decisions_file(manifest)
    path.write_text(path.read_text().replace("grace", "grcae"))
    with pytest.raises(RequestError, match=r'job\.decisions\.yaml:2: no voice "grcae" .* Did you mean "grace"\?'):
        opened(manifest, settings)


def test_a_take_with_another_voice_is_approved_with_it(manifest: Path, settings: Settings) -> None:
    """It stands, and is no take of the same words that the other voice says by the script."""
    job = opened(manifest, settings)
    retake(job, named_takes(job, ["5"]), voice="grace")
    render_job(opened(manifest, settings), Conditions(jobs=1))
    for _twice in range(2):
        job = opened(manifest, settings)
        stands = keys(job)
        approve(job, named_takes(job, ["5"]))
        job = opened(manifest, settings)
        assert (keys(job), job.takes[1].approved, job.warnings) == (stands, stands[1], ())
        assert job.takes[1].request.lines[0].voice.name == "grace"
        assert verify_takes(job, job.takes, job.engine).is_good
    manifest.with_suffix(".md").write_text(f"{SCRIPT}\n---\n\n**Grace:** Yes.\n")
    manifest.write_text(manifest.read_text().replace("{", '{"cast": {"Grace": "grace"}, ', 1))
    job = opened(manifest, settings)
    assert [take.text for take in job.takes if take.request.lines[0].voice.name == "grace"] == ["Yes.", "Yes."]
    assert len({take.key for take in job.takes} | set(keys(job))) == len(job.takes) + 1
    report = render_job(job, Conditions(jobs=1))
    assert (report.takes.total, report.takes.rendered) == (5, 1)
    assert withdraw(job, named_takes(job, ["5"])) == 1
    assert opened(manifest, settings).takes[1].request.lines[0].voice.name != "grace"


def test_so_many_takes_to_choose_from(manifest: Path, settings: Settings) -> None:
    """The first is there, and plan and disk know of the others; one of them is chosen by its file, and stands."""
    job = opened(manifest, settings)
    retake(job, named_takes(job, ["5"]), alternatives=3)
    job = opened(manifest, settings)
    before = job.store.keys()
    assert [missing_attempts(plan, before, job.store) for plan in job.takes] == [0, 2, 0, 0]
    assert [reason for _plan, _action, reason in explain(job.takes, job.store)][1] == "takes"
    assert estimate(job).takes > 0
    render_job(job, Conditions(jobs=1))
    assert {action for _plan, action, _reason in explain(job.takes, job.store)} == {"reuse"}
    assert estimate(job).takes == 0
    more = job.store.keys() - before
    assert len(more) == 2
    chosen = sorted(more)[1]
    approve(job, named_takes(job, [f"takes/{chosen}.flac"]))
    assert keys(opened(manifest, settings))[1] == chosen
    assert render_job(opened(manifest, settings), Conditions(jobs=1)).takes.rendered == 0
    (job.store.folder / f"{chosen}.flac").unlink()
    job = opened(manifest, settings)
    told = [problem.next for problem in render_job(job, Conditions(jobs=1)).problems if "approved" in problem.what]
    assert told == ["Another stands in its place: listen, and approve that one."]
    assert verify_takes(job, job.takes, job.engine).is_good


def test_an_approved_take_keeps_its_place_through_edits(manifest: Path, settings: Settings) -> None:
    """The same word said before it, its neighbours changed, the plan lost, another seed: it is no other's."""
    job = opened(manifest, settings)
    approve(job, named_takes(job, ["13"]), by="Ann")
    stands = keys(job)[3]
    script = manifest.with_suffix(".md")
    for edited in (
        SCRIPT.replace("**Ben:** Yes.", "**Ben:** Yes.\n\n---\n\n**Ann:** What?\n\n---\n\n**Ben:** Yes.", 1),
        SCRIPT.replace("So they waited", "So she waited"),
        SCRIPT.replace("It was late", "It was early"),
        SCRIPT.replace("---\n\n**Ben:** Yes.\n\n---\n\n", "---\n\n", 1),
        SCRIPT + f"\n---\n\n**Ann:** And then, {LONG}.\n",
    ):
        script.write_text(edited)
        for fresh in (False, True):
            job = opened(manifest, settings, fresh=fresh)
            (approved,) = [take for take in job.takes if take.approved]
            assert (approved.text, approved.approved) == ("Yes.", stands)
            assert keys(job).count(stands) == 1
            assert not [note for note in job.warnings if "lost" in note.what]
    script.write_text(SCRIPT)
    manifest.write_text(manifest.read_text().replace("{", '{"seed": 5, ', 1))
    job = opened(manifest, settings)
    assert keys(job)[3] == stands
    assert render_job(job, Conditions(jobs=1)).takes.reused == 1
    assert stands in referred_names(job, rejected=False)


@pytest.mark.parametrize("change", ["words", "voice", "engine"])
def test_an_approved_take_is_given_up_where_it_says_something_else_and_that_is_told(
    manifest: Path, settings: Settings, change: str
) -> None:
    """Before anything is rendered."""
    job = opened(manifest, settings)
    approved = {take.plan.key for take in named_takes(job, ["1", "5"])}
    approve(job, named_takes(job, ["1", "5"]))
    engine = "tone"
    match change:
        case "words":
            words = SCRIPT.replace("It was late", "It was early").replace("**Ben:** Yes.", "**Ben:** No.")
            manifest.with_suffix(".md").write_text(words)
        case "voice":
            manifest.write_text(manifest.read_text().replace("{", '{"cast": {"Ann": "iris", "Ben": "leo"}, ', 1))
        case "engine":
            engine = "draft"
    job = opened(manifest, settings, engine=engine)
    assert not any(take.approved for take in job.takes)
    told = [note for note in job.warnings if note.what == "2 approved takes are lost by this edit."]
    assert [note.where for note in told] == [f"{decisions_file(manifest)}:2"]
    assert approved < referred_names(job, rejected=False)  # never listed for cleaning: the edit may be undone


def test_an_approved_take_is_not_made_again(manifest: Path, settings: Settings) -> None:
    """Until that is withdrawn; nor is one approved that is not there."""
    job = opened(manifest, settings)
    approve(job, named_takes(job, ["5"]), by="Ann")
    job = opened(manifest, settings)
    with pytest.raises(RequestError, match="was approved by Ann"):
        retake(job, named_takes(job, ["5"]))
    withdraw(job, named_takes(job, ["5"]))
    retake(opened(manifest, settings), named_takes(job, ["5"]))
    with pytest.raises(RequestError, match="not rendered yet"):
        approve(opened(manifest, settings), named_takes(opened(manifest, settings), ["5"]))


def test_an_approved_take_that_is_gone_is_told_and_made_again(manifest: Path, settings: Settings) -> None:
    """Nothing else is lost."""
    job = opened(manifest, settings)
    approve(job, named_takes(job, ["5"]))
    (job.store.folder / f"{keys(job)[1]}.flac").unlink()
    report = render_job(opened(manifest, settings), Conditions(jobs=1))
    assert (report.status, report.takes.rendered) == ("done", 1)
    assert [problem.where for problem in report.problems if "approved" in problem.what] == [job.takes[1].where]


def test_an_engine_that_always_says_the_same_is_asked_for_nothing_else(make_job: MakeJob, settings: Settings) -> None:
    """It would only cost time: that is told of a manifest, and refused to a person."""
    job = open_job(make_job(SCRIPT, takes=3), settings, engine="draft")
    (note,) = [note for note in job.warnings if "the same way every time" in note.what]
    assert note.where.endswith("job.yaml:1")
    for options in ({}, {"seed": 3}, {"alternatives": 2}):
        with pytest.raises(RequestError, match="the same way every time"):
            retake(job, named_takes(job, ["5"]), **options)  # type: ignore[arg-type]
    retake(job, named_takes(job, ["5"]), voice="grace")
    assert not [note for note in open_job(make_job(SCRIPT, takes=3), settings, engine="tone").warnings if note.where]
