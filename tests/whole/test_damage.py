"""Damage and edits: whatever is cut, garbled, gone or changed costs only itself, and all comes out the same."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.files import write_record
from tests.support.commands import MakeJob, run_podcast
from tests.support.faults import finished_takes, made, prose, render, render_here, sha256, takes_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished job of 3 chapters on the tone engine, never to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "job.md").write_text(prose(130, chapters=3))
    (folder / "job.yaml").write_text("title: A test\nscript: job.md\ndeliver: [podcast, m4b, flac]\n")
    render(folder)
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, for damage; the claim on the folder goes, as the manifest has moved."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (tmp_path / "output" / "job" / "job.json").unlink()
    return tmp_path


def sounds(job: Path) -> dict[str, tuple[int, str]]:
    """Modification time and hash of takes, chapters and audio deliverables."""
    suffixes = (".flac", ".mp3", ".m4b", ".wav")
    files = [
        path
        for path in job.rglob("*")
        if path.is_file() and (path.suffix in suffixes or path.parent.name in ("takes", "chapters"))
    ]
    return {path.relative_to(job).as_posix(): (path.stat().st_mtime_ns, sha256(path)) for path in files}


def test_a_finished_job_is_left_alone(copy: Path) -> None:
    """A finished job run again renders nothing and touches no take, chapter or audio file."""
    job = copy / "output" / "job"
    before, names = sounds(job), sorted(path for path in job.rglob("*") if path.name != "job.json")

    render(copy)

    takes = takes_of(job)
    assert takes["rendered"] == 0
    assert takes["reused"] == takes["total"] > 3
    assert sounds(job) == before
    assert sorted(path for path in job.rglob("*") if path.name != "job.json") == names


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("in it")


def garble(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def write(text: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_text(text)

    return damage


def make_pipe(path: Path) -> None:
    """Whoever opens it to read waits for ever."""
    path.unlink()
    os.mkfifo(path)


def link_to_folder(path: Path) -> None:
    """Damage it, where what was damaged before is not even a file."""
    (path.parent.parent / "elsewhere").mkdir()
    path.with_name(f"{path.name}.damaged").symlink_to("../elsewhere")
    cut(path)


def seal(content: dict[str, object]) -> Callable[[Path], None]:
    """A record as ours are, checksum and all, of other contents."""
    return lambda path: write_record(path, dict(content))


def drop_key_sealed(path: Path) -> None:
    record = json.loads(path.read_text())
    del record["check"], record["file_sha256"]
    write_record(path, record)


def drop_spans(path: Path) -> None:
    record = json.loads(path.read_text())
    del record["spans"]
    path.write_text(json.dumps(record))


def shift_spans(path: Path) -> None:
    """Change one digit: the JSON stays readable, and the take would be cut in another place."""
    record = json.loads(path.read_text())
    record["spans"] = [[start_s, end_s / 2] for start_s, end_s in record["spans"]]
    path.write_text(json.dumps(record))


def break_types(path: Path) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"frames": "many", "sample_rate_hz": None, "spans": [["a", "b"]]}))


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "sound cut": (".flac", cut),
    "sound altered": (".flac", flip),
    "sound empty": (".flac", empty),
    "sound garbled": (".flac", garble),
    "sound gone": (".flac", remove),
    "sound a folder": (".flac", make_folder),
    "sound a pipe": (".flac", make_pipe),
    "a link in the way": (".flac", link_to_folder),
    "json cut": (".json", cut),
    "json empty": (".json", empty),
    "json garbled": (".json", garble),
    "json gone": (".json", remove),
    "json a folder": (".json", make_folder),
    "json a list": (".json", write("[1, 2]")),
    "json null": (".json", write("null")),
    "json nested": (".json", write("[" * 100_000)),
    "json without spans": (".json", drop_spans),
    "json of wrong types": (".json", break_types),
    "json with other spans": (".json", shift_spans),
    "json a pipe": (".json", make_pipe),
    "json of another kind": (".json", seal({"files": []})),
    "json sealed without a hash": (".json", drop_key_sealed),
    "json sealed with other types": (".json", seal({"parts": 5, "file_sha256": [], "spans": "x"})),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_take_is_rendered_again_and_no_other(name: str, whole: Path, copy: Path) -> None:
    """A take that is damaged in whatever way is noticed, it alone is rendered, and every file comes out the same."""
    job = copy / "output" / "job"
    suffix, damage = DAMAGE[name]
    takes = sorted(job.glob("takes/*.flac"))
    victim = takes[len(takes) // 2].with_suffix(suffix)
    damage(victim)
    for left in job.glob("chapters/*"):  # so that the takes are heard again
        left.unlink()
    others = {key: value for key, value in finished_takes(job).items() if key != victim.stem}

    render_here(copy)

    assert takes_of(job) == {"total": len(takes), "rendered": 1, "reused": len(takes) - 1, "failed": 0}
    assert made(job).items() >= made(whole / "output" / "job").items()
    after = finished_takes(job)
    assert {key: after[key] for key in others} == others
    render_here(copy)
    assert takes_of(job)["rendered"] == 0


@pytest.mark.parametrize("suffix", [".flac", ".json"])
@pytest.mark.parametrize("damage", [cut, flip, empty, remove, make_folder, garble, make_pipe, seal({"x": 1})])
def test_a_damaged_chapter_is_joined_again(
    suffix: str, damage: Callable[[Path], None], whole: Path, copy: Path
) -> None:
    """A chapter that is damaged or gone is joined again from its takes; nothing is rendered, nothing else changes."""
    job = copy / "output" / "job"
    victim = sorted(job.glob(f"chapters/*{suffix}"))[1]
    before = {name: value for name, value in sounds(job).items() if Path(name).stem != victim.stem}
    damage(victim)

    render_here(copy)

    assert takes_of(job)["rendered"] == 0
    assert made(job).items() >= made(whole / "output" / "job").items()
    after = sounds(job)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("name", ["*.mp3", "*.m4b", "01*.flac", "*.vtt", "*.transcript.json"])
@pytest.mark.parametrize("damage", [cut, flip, empty, remove])
def test_a_damaged_deliverable_is_made_again(
    name: str, damage: Callable[[Path], None], whole: Path, copy: Path
) -> None:
    """A deliverable that was altered or deleted is made again, byte for byte; the others are left alone."""
    job = copy / "output" / "job"
    manifest = (copy / "job.yaml").read_text()
    if name == "01*.flac":
        (copy / "job.yaml").write_text(
            manifest.replace("deliver: [podcast, m4b, flac]", "kind: audiobook\ndeliver: [flac]")
        )
        render_here(copy)
    expected = made(job)
    victim = next(path for path in sorted(job.glob(f"*/*/*/{name}")) if path.is_file())
    before = {path: value for path, value in sounds(job).items() if path != victim.relative_to(job).as_posix()}
    damage(victim)

    render_here(copy)

    assert takes_of(job)["rendered"] == 0
    assert made(job) == expected
    after = sounds(job)
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(
    "damage",
    [
        *map(write, ["", "[]", '{"x": 1}', '{"manifests": 5, "engines": 5, "turns": [[]]}', '{"turns": {}}']),
        make_pipe,
        make_folder,
        remove,
    ],
)
def test_a_damaged_record_of_deliverables_does_no_harm(damage: Callable[[Path], None], whole: Path, copy: Path) -> None:
    """A deliverables.json that is empty, garbled or gone costs time at most: all files come out the same."""
    job = copy / "output" / "job"
    for name in ("chunks.json", "deliverables.json", "job.json", "report.json"):
        (job / name).touch()  # `copy` has no job.json
        damage(job / name)

    render_here(copy)

    assert takes_of(job)["rendered"] == 0
    assert made(job).items() >= made(whole / "output" / "job").items()


@pytest.mark.parametrize("files", [[], 5, None, {"podcast/a.mp3": {}}, {"a": {"key": 1}}])
def test_a_record_of_deliverables_with_other_contents_does_no_harm(files: object, whole: Path, copy: Path) -> None:
    """Though its checksum is right."""
    seal({"files": files})(copy / "output" / "job" / "deliverables.json")
    render_here(copy)
    assert made(copy / "output" / "job") == made(whole / "output" / "job")


def test_everything_damaged_at_once(whole: Path, copy: Path) -> None:
    """With every file of a job altered the next run makes it all again, and the result is the same."""
    job = copy / "output" / "job"
    for path in job.rglob("*"):
        if path.is_file() and path.stat().st_size:
            flip(path)

    render_here(copy)

    takes = takes_of(job)
    assert takes["rendered"] == takes["total"]
    assert made(job).items() >= made(whole / "output" / "job").items()


def test_an_edited_line_costs_its_own_chunks(copy: Path) -> None:
    """After an edit only the chunks of that line are rendered, and the plan says beforehand which and why."""
    job = copy / "output" / "job"
    before = finished_takes(job)
    script = (copy / "job.md").read_text()
    lines = script.split("\n")
    edited = [number for number, line in enumerate(lines) if line.startswith("**")][4]
    lines[edited] = "**Ann:** Nobody had foreseen that this very line would be another one today."
    (copy / "job.md").write_text("\n".join(lines))

    planned = run_podcast("plan", "job.yaml", "--engine", "tone", "--json", cwd=copy)

    plan = json.loads(planned.stdout)
    new = [chunk for chunk in plan["chunks"] if chunk["action"] == "render"]
    assert plan["takes"] == {"total": len(plan["chunks"]), "render": len(new), "reuse": len(plan["chunks"]) - len(new)}
    assert 1 <= len(new) <= 3
    assert {chunk["reason"] for chunk in new} == {"text"}
    assert any("Nobody had foreseen" in chunk["text"] for chunk in new)
    render_here(copy)
    takes = takes_of(job)
    assert takes["rendered"] == len(new)
    after = finished_takes(job)
    assert {key: after[key] for key in before} == before  # earlier takes are kept: an edit may be taken back

    (copy / "job.md").write_text(script)
    render_here(copy)
    assert takes_of(job)["rendered"] == 0


@pytest.mark.parametrize(
    ("change", "engine", "reason"),
    [
        ("seed: 7\n", "tone", "seed"),
        ("cast: {Ann: eve}\n", "tone", "voice"),
        ("", "draft", "engine"),
        ("seed: 7\ncast: {Ann: eve}\n", "tone", "voice, seed"),
    ],
)
def test_the_plan_names_what_changed(change: str, engine: str, reason: str, copy: Path) -> None:
    """A change of seed, voice or engine is the reason the plan gives, and it holds for the chunks it concerns."""
    with (copy / "job.yaml").open("a") as manifest:
        manifest.write(change)

    planned = run_podcast("plan", "job.yaml", "--engine", engine, "--json", cwd=copy)

    assert planned.returncode == 0, planned.stderr
    chunks = json.loads(planned.stdout)["chunks"]
    concerned = [chunk for chunk in chunks if "Ann" in chunk["speakers"]] if reason == "voice" else chunks
    assert concerned
    if reason != "voice, seed":
        assert {chunk["reason"] for chunk in concerned} == {reason}
    else:
        assert {chunk["reason"] for chunk in concerned if "Ann" in chunk["speakers"]} == {reason}
        assert {chunk["reason"] for chunk in concerned if "Ann" not in chunk["speakers"]} <= {"seed"}
    assert all(chunk["reason"] == "finished" for chunk in chunks if chunk not in concerned)
    assert all((chunk["action"] == "reuse") == (chunk["reason"] == "finished") for chunk in chunks)


def test_a_new_job_is_new(tmp_path: Path, make_job: MakeJob) -> None:
    """The plan of a job that was never run renders everything as new, and creates nothing."""
    make_job()
    planned = run_podcast("plan", "job.yaml", "--json", cwd=tmp_path)
    assert {chunk["reason"] for chunk in json.loads(planned.stdout)["chunks"]} == {"new"}
    assert not (tmp_path / "output").exists()
