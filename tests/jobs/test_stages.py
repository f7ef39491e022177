"""Whose a job's folder is: nothing finished is removed or replaced by another title, and a title is known anywhere."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Problem, RequestError, StorageError
from pipeline.files import write_record
from pipeline.jobs.clean import find_unused, remove
from pipeline.jobs.job import Job, open_job, referred_names
from pipeline.jobs.report import Report, read_report
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings
from pipeline.source.presets import PRESETS
from pipeline.workspace import workspaces
from tests.support.commands import MakeJob

Render = Callable[..., tuple[Job, Report]]
FIRST, SECOND, THIRD = (f"# One\n\n**Ann:** This is week {week} of the show." for week in ("one", "two", "three"))


@pytest.fixture
def render(make_job: MakeJob, settings: Settings) -> Render:
    """Renders a job and gives it back with its report."""

    def run(script: str, **keys: Any) -> tuple[Job, Report]:
        job = open_job(make_job(script, **{"deliver": ["flac"]} | keys), settings, engine="tone")
        return job, render_job(job, Conditions(jobs=1))

    return run


def finished(settings: Settings) -> dict[Path, str]:
    """Every file that may be delivered, with its hash."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for preset in ("flac", "wav")
        for path in settings.output.rglob(f"{preset}/*/*/*.*")
    }


def test_three_weeks_of_one_file_name_are_three_episodes(render: Render, settings: Settings) -> None:
    """Each new title leaves the finished ones as they are, with their reports; takes are shared."""
    before: dict[Path, str] = {}
    for title, script in (("Week 1", FIRST), ("Week 2", SECOND), ("Week 3", THIRD)):
        job, report = render(script, title=title)
        assert report.status == "done"
        now = finished(settings)
        assert before.items() < now.items()
        assert len(now) - len(before) == 6  # the sound, and what lies beside it
        before = now
        found = read_report(open_job(job.owner, settings, engine="tone").workspace.report)
        assert found is not None
        assert found.deliverables == report.deliverables
    assert list(workspaces(settings.output)) == ["job", "job/Week 2", "job/Week 3"]
    assert len(list((settings.output / "job/takes").glob("*.flac"))) == 3


def test_a_corrected_title_renders_nothing_again(render: Render, settings: Settings) -> None:
    """Nor a corrected author, series or part: takes are named by their content."""
    render(FIRST, title="Wek 1")
    for keys in ({"title": "Week 1"}, {"title": "Week 1", "author": "Ann"}, {"title": "Week 1", "part": "2"}):
        job, report = render(FIRST, **keys)
        assert report.takes.rendered == 0
        assert all((job.workspace.root / item.path).is_file() for item in report.deliverables)
    assert len(workspaces(settings.output)) == 4


def test_the_same_title_from_another_folder_goes_on(render: Render, settings: Settings, tmp_path: Path) -> None:
    """With a script that has been edited, too."""
    job, first = render(FIRST)
    shutil.copytree(job.owner.parent, elsewhere := tmp_path / "elsewhere", ignore=shutil.ignore_patterns("output"))
    script = elsewhere / "job.md"
    script.write_text(script.read_text() + "\n\n---\n\n**Ann:** And goodbye.")
    again = render_job(open_job(elsewhere / "job.yaml", settings, engine="tone"), Conditions(jobs=1))
    assert again.takes.reused == first.takes.total
    assert list(workspaces(settings.output)) == ["job"]


def test_another_script_does_not_replace_a_finished_file(render: Render, settings: Settings) -> None:
    """Under the same title it is refused; with a part, or once the file is gone, it is rendered."""
    job, report = render(FIRST)
    before = finished(settings)
    with pytest.raises(RequestError, match=r"job\.yaml:1: .* is finished, with .* Add part: or another title"):
        render(SECOND)
    assert finished(settings) == before
    assert render(SECOND, part="2")[1].status == "done"
    assert finished(settings).items() > before.items()
    for item in report.deliverables:
        (job.workspace.root / item.path).unlink()
    assert render(SECOND)[1].status == "done"


def test_another_script_goes_on_where_it_replaces_nothing(render: Render, settings: Settings) -> None:
    """By another preset, under the same title: what was finished stays, until it is cleaned away."""
    render(FIRST, deliver=["flac"])
    before = finished(settings)
    assert render(SECOND, deliver=["wav"])[1].status == "done"
    assert before.items() < finished(settings).items()


def test_each_finished_file_is_kept_from_other_scripts(render: Render, settings: Settings) -> None:
    """Whatever was rendered under its title since; and whoever made it may make it again."""
    render(FIRST, deliver=["flac"])
    render(SECOND, deliver=["wav"])
    before = finished(settings)
    for script, presets in ((SECOND, ["wav", "flac"]), (SECOND, ["flac"]), (FIRST, ["wav"])):
        with pytest.raises(RequestError, match=r"has no line of this one \(.*/A test/.*\.(flac|wav)\)"):
            render(script, deliver=presets)
    assert finished(settings) == before
    for script, preset in ((FIRST, "flac"), (SECOND, "wav")):
        assert render(script, deliver=[preset])[1].takes.rendered == 0
    assert finished(settings) == before


@pytest.mark.parametrize("presets", [["flac"], ["wav", "flac"]])
def test_a_finished_file_is_kept_though_its_record_is_lost(
    presets: list[str], render: Render, settings: Settings
) -> None:
    """What it says stands in the transcript beside it."""
    job, _report = render(FIRST, deliver=["flac"])
    before = finished(settings)
    render(SECOND, deliver=["wav"])
    job.workspace.deliverables.write_text("garbage")
    with pytest.raises(RequestError, match="has no line of this one"):
        render(SECOND, deliver=presets)
    assert finished(settings).items() >= before.items()
    assert render(FIRST, deliver=["flac"])[1].takes.rendered == 0


def test_an_altered_record_hands_nothing_over(render: Render, settings: Settings) -> None:
    """It has a checksum; the report says whose the files are."""
    job, _report = render(FIRST, title="One")
    before = finished(settings)
    job.workspace.record.write_text(job.workspace.record.read_text().replace("One", "Two"))
    assert render(FIRST, title="Two")[1].status == "done"
    assert finished(settings).items() > before.items()


def test_a_run_that_fails_leaves_what_lies_beside_a_file_as_well(
    render: Render, make_job: MakeJob, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transcripts, chapters and cover belong to the sound."""
    render(FIRST)
    before = finished(settings)

    def break_down(*_arguments: object, **_options: object) -> None:
        raise StorageError(Problem("disk", "it is full."))

    monkeypatch.setattr("pipeline.deliver.export._encode", break_down)
    with pytest.raises(StorageError):
        render(FIRST + " And more.\n\n" + FIRST.split("\n\n")[1])
    assert finished(settings) == before


@pytest.mark.parametrize("name", ["takes", "chapters", "voices", "flac", "flac/Unknown author", ".lock"])
@pytest.mark.parametrize("kind", ["file", "pipe", "link", "folder"])
def test_what_stands_in_the_place_of_a_folder_or_the_lock_is_set_aside(
    name: str, kind: str, render: Render, settings: Settings
) -> None:
    """And the job goes on."""
    place = settings.output / "job" / name
    place.parent.mkdir(parents=True)
    match kind:
        case "file":
            place.write_text("mine")
        case "pipe":
            os.mkfifo(place)
        case "link":
            place.symlink_to("nowhere")
        case "folder":
            place.mkdir()
    job, report = render(FIRST)
    assert report.status == "done"
    assert all((job.workspace.root / item.path).is_file() for item in report.deliverables)


def test_no_title_has_the_folder_of_a_preset(render: Render, settings: Settings) -> None:
    """Which another title may ask for one day."""
    render(FIRST)
    for preset in PRESETS:
        assert render(SECOND, title=preset)[1].job.startswith(f"job/{preset} (")


def test_what_another_manifest_of_the_title_delivers_is_not_left_over(render: Render, settings: Settings) -> None:
    """As long as that is there."""

    def keys_of(manifest: Path, engine: str) -> set[str]:
        return referred_names(open_job(manifest, settings, engine=engine))

    job, _report = render(FIRST, deliver=["flac"])
    shutil.copytree(job.owner.parent, elsewhere := settings.output.parent / "elsewhere", ignore=lambda *_: ["output"])
    render(FIRST, deliver=["wav"])
    assert find_unused(settings.output, keys_of).jobs
    other = open_job(elsewhere / "job.yaml", settings, engine="tone")
    render_job(other, Conditions(jobs=1))
    assert find_unused(settings.output, keys_of).jobs == ()
    (elsewhere / "job.yaml").write_text(other.owner.read_text().replace("flac", "wav"))
    render_job(open_job(elsewhere / "job.yaml", settings, engine="tone"), Conditions(jobs=1))
    (found,) = find_unused(settings.output, keys_of).jobs
    assert {file.path.parts[-4] for file in found.files} == {"flac"}


@pytest.mark.parametrize("damage", ["garbage", "{}", "[]", None])
@pytest.mark.parametrize("keys", [{"part": "2"}, {"author": "Ann"}, {"series": "Mondays"}, {}])
def test_a_lost_record_hands_nothing_over(
    damage: str | None, keys: dict[str, str], render: Render, settings: Settings
) -> None:
    """Neither to another production of that title, nor to another script of the same; its own goes on."""
    job, _report = render(FIRST, part="1")
    before = finished(settings)
    job.workspace.record.unlink()
    if damage is not None:
        job.workspace.record.write_text(damage)
    if keys:
        assert render(SECOND, **keys)[1].status == "done"
    else:
        with pytest.raises(RequestError, match="is finished, with a script that has no line of this one"):
            render(SECOND, part="1")
    assert finished(settings).items() >= before.items()
    again, report = render(FIRST, part="1")
    assert report.takes.rendered == 0
    assert again.workspace.home == job.workspace.home


@pytest.mark.parametrize("name", ["digest.html", "Digest.JSON", "logs", "Auditions", "CON", "nul", "aux.part"])
def test_manifests_of_any_name_have_a_folder(name: str, render: Render, settings: Settings) -> None:
    """Beside what else lies in the output folder, and with a name that every system takes."""
    job, report = render(FIRST, name=name)
    assert report.status == "done"
    assert job.workspace.root == settings.output / f"_{name}"


def test_names_that_differ_in_case_alone_keep_apart_where_case_says_nothing(render: Render, settings: Settings) -> None:
    """Of manifests and of titles. A link stands for a file system that takes both names for one."""
    render(FIRST, name="ep", title="One")
    (settings.output / "EP").symlink_to("ep")
    render(SECOND, name="EP", title="Two")
    before = finished(settings)
    (settings.output / "ep/TWO").symlink_to("Two")
    job, report = render(THIRD, name="EP", title="TWO")
    assert report.status == "done"
    assert job.workspace.root == settings.output / "EP"
    assert before.items() < finished(settings).items()
    assert render(SECOND, name="ep", title="Two")[1].takes.rendered == 0
    assert len(workspaces(settings.output)) == 3


@pytest.mark.parametrize(
    "title",
    ["takes", "Chapters", "flac", "voices", "job.json", "report.json", "a.damaged", ".lock", "CON", "../../up", "/"],
)
def test_titles_that_are_names_of_something_else_get_a_folder_all_the_same(
    render: Render, settings: Settings, title: str
) -> None:
    """Within the job's folder, and apart from what it holds."""
    render(FIRST, title="Week 1")
    before = finished(settings)
    job, report = render(SECOND, title=title)
    assert report.status == "done"
    assert before.items() < finished(settings).items()
    home = open_job(job.owner, settings, engine="tone").workspace.home
    assert home.parent == settings.output / "job"
    assert render(SECOND, title=title)[1].takes.rendered == 0


def test_an_output_folder_that_moves_costs_nothing(render: Render, settings: Settings, tmp_path: Path) -> None:
    """Nothing in it says where it lies."""
    job, _report = render(FIRST, title="Week 1")
    render(SECOND, title="Week 2")
    moved = settings.model_copy(update={"output": tmp_path / "another disk"})
    settings.output.rename(moved.output)
    before = finished(moved)
    times = {path: path.stat().st_mtime_ns for path in before if path.suffix == ".flac"}
    report = render_job(open_job(job.owner, moved, engine="tone"), Conditions(jobs=1))
    assert report.takes.rendered == 0
    assert finished(moved) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_what_earlier_titles_and_presets_have_left_goes_only_when_asked(render: Render, settings: Settings) -> None:
    """`podcast clean` lists it, and removes it with --delete."""

    def keys_of(manifest: Path, engine: str) -> set[str]:
        return referred_names(open_job(manifest, settings, engine=engine))

    render(FIRST, title="Wek 1", deliver=["wav", "flac"])
    render(FIRST, title="Wek 1", deliver=["flac"])
    wav = {path for path in finished(settings) if "wav" in path.parts}
    assert {file.path for job in find_unused(settings.output, keys_of).jobs for file in job.files} == wav
    flac = set(finished(settings)) - wav
    render(FIRST, title="Week 1", deliver=["flac"])
    kept = set(finished(settings)) - wav - flac
    found = find_unused(settings.output, keys_of)
    assert {file.path for job in found.jobs for file in job.files} == wav | flac
    assert set(finished(settings)) == wav | flac | kept
    remove(found, keys_of)
    assert set(finished(settings)) == kept


def test_chapters_that_are_not_ours_stay(render: Render, settings: Settings, tmp_path: Path) -> None:
    """What a person put beside them, and whatever a link leads to."""
    job, _report = render(FIRST)
    (job.workspace.chapters / "notes.txt").write_text("mine")
    (job.workspace.chapters / "other.json").write_text("{}")
    render(FIRST + " Once more.\n\n" + FIRST.split("\n\n")[1], title="A test")
    assert (job.workspace.chapters / "notes.txt").read_text() == "mine"
    assert (job.workspace.chapters / "other.json").exists()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "diary.txt").write_text("mine")
    (settings.output / "linked").mkdir()
    (settings.output / "linked/chapters").symlink_to(precious)
    render(FIRST, name="linked")
    assert (precious / "diary.txt").read_text() == "mine"


def test_another_format_keeps_what_lies_beside_it(render: Render, settings: Settings) -> None:
    """Transcripts bear the same names, whatever the format of the sound."""
    render(FIRST, deliver=[{"preset": "flac"}])
    before = {path.suffix for path in finished(settings)}
    _job, report = render(FIRST, deliver=[{"preset": "flac", "format": "wav"}])
    assert [Path(name).suffix for name in report.removed] == [".flac"]
    assert {path.suffix for path in finished(settings)} == (before - {".flac"}) | {".wav"}


def test_damaged_records_do_not_hand_a_title_over(render: Render, settings: Settings) -> None:
    """Where nobody can say whose the finished files are, they are nobody else's."""
    job, _report = render(FIRST, title="One")
    before = finished(settings)
    for path in (job.workspace.record, job.workspace.report):
        path.write_text("[]")
    render(SECOND, title="Two")
    assert finished(settings).items() > before.items()


def test_a_record_without_sound_paths_cleans_nothing(render: Render, settings: Settings) -> None:
    """Whatever stands where the manifests should be, no take that is in use is called unused."""
    job, _report = render(FIRST)

    def keys_of(manifest: Path, engine: str) -> set[str]:
        return referred_names(open_job(manifest, settings, engine=engine))

    for manifests in (str(job.owner), 5, {"a": 1}, ["\0"], ["relative.yaml"], [5]):
        write_record(job.workspace.record, {"manifests": manifests})
        cleaning = find_unused(settings.output, keys_of)
        assert cleaning.jobs == ()
        assert "cannot be read" in str(cleaning.skipped[0])
