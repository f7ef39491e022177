"""Only what no manifest refers to is removed, and only when that is asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Set
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RequestError
from pipeline.files import write_record
from pipeline.jobs.clean import Cleaning, find_unused, remove
from pipeline.jobs.job import open_job, referred_names
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings, bundled_voices
from pipeline.takes.plan import explain
from pipeline.takes.render import render_takes
from pipeline.workspace import Workspace
from tests.support.commands import MakeJob

LINES = [
    f"**{name}:** {text}" for name in ("Ann", "Bob") for text in ("Hello there.", "It is good to be here.", "Yes.")
]


class Keys:
    """Asks real manifests, as the command does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.asked: list[tuple[str, str]] = []

    def __call__(self, manifest: Path, engine: str) -> Set[str]:
        self.asked.append((manifest.name, engine))
        return referred_names(open_job(manifest, self.settings, engine=engine))


@pytest.fixture
def keys(settings: Settings) -> Keys:
    return Keys(settings)


def render(manifest: Path, settings: Settings, engine: str = "tone") -> Path:
    """Render a job; its folder."""
    job = open_job(manifest, settings, engine=engine)
    render_job(job, Conditions(jobs=1))
    return job.workspace.root


def files(folder: Path) -> set[str]:
    """All there is in a folder but its lock."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {".lock"}


def unused(cleaning: Cleaning) -> set[str]:
    """Names of the files that were found."""
    return {file.path.name for job in cleaning.jobs for file in job.files}


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=6),
    st.lists(st.lists(st.sampled_from(LINES), min_size=1, max_size=6), min_size=1, max_size=2),
)
def test_no_take_that_a_manifest_refers_to_is_removed(now: list[str], before: list[list[str]]) -> None:
    """After any edits a plan says the same as before, and what is left is what it refers to."""
    with TemporaryDirectory() as folder:
        machine = Settings(output=Path(folder) / "output", voices=(bundled_voices(),), jobs=1)
        manifest = Path(folder) / "job.yaml"
        manifest.write_text(json.dumps({"title": "T", "script": "job.md", "deliver": ["podcast"]}))
        for lines in (*before, now):
            (manifest.with_suffix(".md")).write_text("\n\n".join(lines))
            job = open_job(manifest, machine, engine="tone")
            # Takes are all that matters here, and chapters and deliverables take most of the time.
            job.workspace.create()
            render_takes(job.takes, job.engine, job.store)
        write_record(job.workspace.root / "job.json", {"manifest": str(manifest)})
        plan = [(take.key, action, why) for take, action, why in explain(job.takes, job.store)]
        keys = Keys(machine)
        remove(find_unused(machine.output, keys), keys)
        assert [(take.key, action, why) for take, action, why in explain(job.takes, job.store)] == plan
        assert job.store.keys() == {take.key for take in job.takes}


def test_looking_changes_nothing(make_job: MakeJob, settings: Settings, keys: Keys) -> None:
    """And removing leaves chapters, deliverables, reports and whatever else there is."""
    render(make_job("It begins.\n\nSomething old.\n"), settings)
    folder = render(make_job("It begins.\n\nSomething new.\n"), settings)
    (folder / "takes/notes.txt").write_text("mine")
    (folder / "takes/0123.flac").write_text("no take's name")
    before = files(folder)
    found = find_unused(settings.output, keys)
    assert files(folder) == before
    (old,) = {name.split(".")[0] for name in unused(found)}
    assert unused(found) == {f"{old}.flac", f"{old}.json", f"{old}.choice.json"}
    assert found.bytes == sum((folder / "takes" / name).stat().st_size for name in unused(found))
    removed = remove(found, keys)
    assert removed == found
    assert before - files(folder) == {f"takes/{old}{end}" for end in (".flac", ".json", ".choice.json")}
    assert find_unused(settings.output, keys) == Cleaning(())


def test_what_damage_and_crashes_leave_is_removed(make_job: MakeJob, settings: Settings, keys: Keys) -> None:
    """Damaged takes that were set aside, temporary files, and a sound without its JSON."""
    folder = render(make_job(), settings)
    key = "0123456789abcdef" * 2
    left = {f"{key}.flac.damaged", f"{key}.json.damaged", f".{key}.1234.tmp.flac", f"{key}.flac"}
    for name in left:
        (folder / "takes" / name).write_bytes(bytes(10))
    (folder / "voices" / f"{key}.json").write_bytes(bytes(10))
    found = find_unused(settings.output, keys)
    assert unused(found) == left | {f"{key}.json"}
    assert found.bytes == 50
    assert remove(found, keys).bytes == 50
    assert not unused(find_unused(settings.output, keys))


def test_takes_of_every_engine_that_was_used_are_kept(make_job: MakeJob, settings: Settings, keys: Keys) -> None:
    """Whichever engine the manifest names."""
    manifest = make_job("Say it.\n")
    render(manifest, settings, "tone")
    render(manifest, settings, "draft")
    assert find_unused(settings.output, keys) == Cleaning(())
    assert {engine for _manifest, engine in keys.asked} == {"tone", "draft"}


def test_a_take_that_came_back_since_is_kept(make_job: MakeJob, settings: Settings, keys: Keys) -> None:
    """Between looking and removing, somebody undid the edit."""
    first = render(make_job("It begins.\n\nSomething old.\n"), settings)
    render(make_job("It begins.\n\nSomething new.\n"), settings)
    found = find_unused(settings.output, keys)
    assert unused(found)
    before = files(first)
    make_job("It begins.\n\nSomething old.\n")
    assert remove(found, keys).bytes == 0
    assert files(first) == before


def test_a_job_that_runs_is_left_alone(make_job: MakeJob, settings: Settings, keys: Keys) -> None:
    """Whether it ran before looking, or began after."""
    folder = render(make_job("It begins.\n\nSomething old.\n"), settings)
    make_job("It begins.\n\nSomething new.\n")
    found = find_unused(settings.output, keys)
    before = files(folder)
    with Workspace(settings.output, "job").lock():
        while_it_runs = find_unused(settings.output, keys)
        removed = remove(found, keys)
    assert (while_it_runs.jobs, removed.jobs) == ((), ())
    assert "at work" in str(while_it_runs.skipped[0])
    assert "is rendering this job" in str(removed.skipped[0])
    assert files(folder) == before
    assert remove(found, keys) == found


def test_a_manifest_that_is_gone_needs_nothing_and_that_is_said(
    make_job: MakeJob, settings: Settings, keys: Keys
) -> None:
    """All its takes are unused; its deliverables stay."""
    manifest = make_job()
    folder = render(manifest, settings)
    manifest.unlink()
    found = find_unused(settings.output, keys)
    assert len(unused(found)) == len(list((folder / "takes").iterdir()))
    assert str(found.jobs[0].note) == f"{folder}: its manifest {manifest} is gone, so all its takes are unused."
    remove(found, keys)
    assert not list((folder / "takes").iterdir())
    assert list(folder.rglob("*.mp3"))


@pytest.mark.parametrize("case", ["broken", "drive", "moved", "record", "engine"])
def test_a_job_whose_needs_are_not_known_is_left_alone(
    make_job: MakeJob, settings: Settings, keys: Keys, tmp_path: Path, case: str
) -> None:
    """With the reason: its manifest cannot be opened, or found, or nobody knows which it is."""
    drive = tmp_path / "drive/done/job"
    drive.mkdir(parents=True)
    made = make_job()
    manifest = Path(shutil.copy(made, drive))
    shutil.copy(made.with_suffix(".md"), drive)
    folder = render(manifest, settings)
    match case:
        case "broken":
            manifest.write_text("title: [")
            told = "cannot be opened for the engine tone: "
        case "drive":
            shutil.rmtree(drive)
            told = "is not there. Bring it back"
        case "moved":
            (failed := tmp_path / "drive/failed/job").mkdir(parents=True)
            manifest.rename(failed / "job.yaml")
            told = "failed/job/job.yaml. Clean it once that is done."
        case "record":
            (folder / "job.json").write_text("[]")
            told = "its job.json cannot be read"
        case _:
            manifest.with_suffix(".md").unlink()
            told = "cannot be opened for the engine tone: "
    found = find_unused(settings.output, keys)
    assert found.jobs == ()
    (problem,) = found.skipped
    assert problem.where == str(folder)
    assert told in str(problem)


def test_links_are_not_followed(make_job: MakeJob, settings: Settings, keys: Keys, tmp_path: Path) -> None:
    """What they lead to belongs to somebody else."""
    folder = render(make_job(), settings)
    key = "0123456789abcdef" * 2
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    (elsewhere / "takes" / f"{key}.flac").touch()
    (folder / "takes" / f"{key}.flac").symlink_to(elsewhere / "takes" / f"{key}.flac")
    shutil.rmtree(folder / "voices")
    (folder / "voices").symlink_to(elsewhere / "takes")
    (settings.output / "other").symlink_to(elsewhere)
    before = files(elsewhere)
    found = find_unused(settings.output, keys)
    assert found == Cleaning(())
    remove(found, keys)
    assert files(elsewhere) == before


def test_jobs_are_chosen_by_name(make_job: MakeJob, settings: Settings, keys: Keys) -> None:
    """Folders that are no jobs are not looked at; a name that is none is told."""
    for name in ("one", "two"):
        make_job("It begins.\n\nSomething old.\n", name=name)
        render(make_job("It begins.\n\nSomething new.\n", name=name), settings)
        render(make_job("It begins.\n\nSomething else.\n", name=name), settings)
    (settings.output / "auditions").mkdir()
    assert [job.folder.name for job in find_unused(settings.output, keys).jobs] == ["one", "two"]
    assert [job.folder.name for job in find_unused(settings.output, keys, ["two"]).jobs] == ["two"]
    for wrong in ("tow", "auditions", "../one", ""):
        with pytest.raises(RequestError, match="no job"):
            find_unused(settings.output, keys, [wrong])
    assert find_unused(settings.output / "nothing", keys) == Cleaning(())


def test_the_answer_goes_into_json(make_job: MakeJob, settings: Settings, keys: Keys) -> None:
    """Sizes, names within the job, and the reasons."""
    manifest = make_job("Say it.\n")
    folder = render(manifest, settings)
    other = render(make_job("Say it.\n", name="other"), settings)
    manifest.unlink()
    (other / "job.json").write_text("{}")
    told = json.loads(json.dumps(find_unused(settings.output, keys).as_dict()))
    (job,) = told["jobs"]
    assert (job["job"], job["bytes"]) == ("job", told["bytes"])
    assert all((folder / name).is_file() for name in job["files"])
    assert job["note"]["where"] == str(folder)
    assert [problem["where"] for problem in told["skipped"]] == [str(other)]
