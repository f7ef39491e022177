"""Faults: damage, interruption, a full disk and kill -9 cost only what was not finished, and change no byte."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from PIL import Image

from pipeline.jobs.job import open_job
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings, bundled_voices

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.support.commands import PODCAST, MakeJob, run_podcast
    from tests.support.processes import WAIT_S, until
else:  # pytest puts this folder on the path, and some packages install a `tests` of their own
    from tests.support.commands import PODCAST, MakeJob, run_podcast
    from tests.support.processes import WAIT_S, until

STOPPED = re.compile(r"job: stopped; (\d+) of (\d+) takes are finished and kept\. Run the same command to go on\.")
WORDS = "The machine speaks slowly about rivers and towns while morning light falls over every house".lower()


def prose(words: int, chapters: int = 1, seed: int = 1) -> str:
    """A script of about so many words: two speakers and a narrator, the same for the same seed."""
    draw, words_there = random.Random(seed), WORDS.split()
    parts = []
    for chapter in range(chapters):
        parts.append(f"# Chapter {chapter + 1}")
        said = 0
        while said < words / chapters:
            line = [draw.choice(words_there) for _word in range(draw.randint(8, 20))]
            said += len(line)
            parts.append(draw.choice(("**Ann:** ", "**Bob:** ")) + " ".join(line).capitalize() + ".")
    return "\n\n".join(parts) + "\n"


def scenes(count: int) -> str:
    """A script of so many takes, each of them short: nothing is packed together across a scene break."""
    return "# One\n\n" + "\n\n---\n\n".join(f"Scene {number} is about rivers." for number in range(count)) + "\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made(job: Path) -> dict[str, str]:
    """Hashes of everything a render makes that must not depend on how it came about.

    Left out: what tells of the run itself (its times are never the same twice), and what was set aside as damaged.
    """
    aside = ("job.json", "report.json", "report.md", "deliverables.json", ".lock")
    return {
        path.relative_to(job).as_posix(): sha256(path)
        for path in sorted(job.rglob("*"))
        if path.is_file()
        and path.relative_to(job).as_posix() not in aside
        and not (path.parent.name == "takes" and path.suffix != ".flac")
    }


def sounds(job: Path) -> dict[str, tuple[int, str]]:
    """Modification time and hash of takes, chapters and audio deliverables."""
    suffixes = (".flac", ".mp3", ".m4b", ".wav")
    files = [
        path
        for path in job.rglob("*")
        if path.is_file() and (path.suffix in suffixes or path.parent.name in ("takes", "chapters"))
    ]
    return {path.relative_to(job).as_posix(): (path.stat().st_mtime_ns, sha256(path)) for path in files}


def finished_takes(job: Path) -> dict[str, tuple[int, str, int, str]]:
    """Time and bytes of both files of every take that is complete."""
    return {
        record.stem: (record.stat().st_mtime_ns, sha256(record), sound.stat().st_mtime_ns, sha256(sound))
        for record in job.glob("takes/[!.]*.json")
        if record.is_file() and (sound := record.with_suffix(".flac")).is_file()
    }


def temporaries(job: Path) -> list[Path]:
    return [path for path in job.rglob("*") if ".tmp" in path.name or path.name == ".lock.json"]


def takes_of(job: Path) -> dict[str, int]:
    """The report's count of takes."""
    report = json.loads((job / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "done", report["problems"]
    found: dict[str, int] = report["takes"]
    return found


def render(folder: Path, out: str = "output", engine: str = "tone", *more: str) -> Path:
    """Render job.yaml to its end and return the job's folder."""
    ended = run_podcast("render", "job.yaml", "--engine", engine, "--out", out, *more, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    return folder / out / "job"


def render_here(folder: Path, out: str = "output", engine: str = "tone") -> Path:
    """Render job.yaml to its end in this process, which has everything loaded, and return the job's folder."""
    settings = Settings(output=folder / out, voices=(bundled_voices(),), jobs=2)
    job = open_job(folder / "job.yaml", settings, engine=engine)
    render_job(job, Conditions(jobs=settings.jobs))
    return job.workspace.root


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Begin a render in a session of its own, in which Ctrl-C means what it means in a terminal."""
    return subprocess.Popen(
        [PODCAST, "render", "job.yaml", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until `what` is true, and fail if the process ends or nothing comes."""

    def lives() -> None:
        assert process.poll() is None, f"it ended too early: {process.communicate()[1]}"

    until(what, lives, look_s=0.002)


def more_takes(job: Path, there: int) -> bool:
    return len(list(job.glob("takes/[!.]*.json"))) > there


def end(process: subprocess.Popen[str]) -> None:
    """Kill what may be left of a process."""
    if process.poll() is None:
        process.kill()
    process.communicate()


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
@pytest.mark.parametrize("damage", [cut, flip, empty, remove, make_folder, garble])
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


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', None])
def test_a_damaged_record_of_deliverables_does_no_harm(content: str | None, whole: Path, copy: Path) -> None:
    """A deliverables.json that is empty, garbled or gone costs time at most: all files come out the same."""
    job = copy / "output" / "job"
    for name in ("deliverables.json", "job.json", "report.json"):
        (job / name).unlink(missing_ok=True)
        if content is not None:
            (job / name).write_text(content)

    render_here(copy)

    assert takes_of(job)["rendered"] == 0
    assert made(job) == made(whole / "output" / "job")


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


def test_a_job_is_rendered_by_one_process_at_a_time(tmp_path: Path, make_job: MakeJob) -> None:
    """A second render of a running job ends with exit code 2 and names the process that has it."""
    make_job(prose(4000))
    job = tmp_path / "output" / "job"
    first = start(tmp_path)
    try:
        wait_for((job / ".lock.json").exists, first)

        second = run_podcast("render", "job.yaml", "--json", cwd=tmp_path)

        assert first.poll() is None, "the first run is not long enough for this test"
        assert second.returncode == 2, second.stderr
        assert second.stdout == ""
        assert f"process {first.pid} on {socket.gethostname()} is rendering this job." in second.stderr
        assert len(second.stderr.splitlines()) == 1
        elsewhere = run_podcast("plan", "job.yaml", cwd=tmp_path)
        assert elsewhere.returncode == 0  # a plan needs no lock
    finally:
        first.kill()
        first.communicate()

    make_job(prose(60))
    render(tmp_path, "output", "draft")  # the lock went with its process
    assert temporaries(job) == []


@pytest.mark.parametrize(
    ("engine", "number"), [("draft", signal.SIGINT), ("draft", signal.SIGTERM), ("tone", signal.SIGINT)]
)
def test_a_stop_while_takes_are_made(engine: str, number: signal.Signals, tmp_path: Path, make_job: MakeJob) -> None:
    """Ctrl-C or SIGTERM, whenever it comes, ends with 130 and tells how many takes are kept; then it goes on."""
    make_job(scenes(120), deliver=["flac"], pauses={"scene_s": 0})
    reference = made(render_here(tmp_path, "reference", engine))
    total = takes_of(tmp_path / "reference" / "job")["total"]
    job = tmp_path / "output" / "job"
    draw = random.Random(3)
    for stop in range(5):
        process = start(tmp_path, "--engine", engine)
        try:
            there = len(finished_takes(job))
            wait_for(partial(more_takes, job, there), process)
            time.sleep(draw.uniform(0, 0.03))  # anywhere in a take
            process.send_signal(number)
            _out, told = process.communicate(timeout=WAIT_S)
        finally:
            end(process)
        assert process.returncode == 130, f"stop {stop} was not heeded: {told}"
        assert "Traceback" not in told
        found = STOPPED.search(told)
        assert found, told
        assert int(found[1]) == len(finished_takes(job))
        assert int(found[2]) == total
        assert temporaries(job) == []

    kept = finished_takes(job)
    render(tmp_path, "output", engine)
    assert takes_of(job)["reused"] == len(kept) >= 5
    assert {key: value for key, value in finished_takes(job).items() if key in kept} == kept
    assert made(job) == reference
    assert temporaries(job) == []


@pytest.mark.parametrize(
    ("preset", "number"),
    [("podcast", signal.SIGINT), ("podcast", signal.SIGTERM), ("m4b", signal.SIGINT), ("flac", signal.SIGINT)],
)
def test_a_stop_while_files_are_encoded(preset: str, number: signal.Signals, tmp_path: Path, make_job: MakeJob) -> None:
    """Ctrl-C or SIGTERM in the middle of encoding ends with 130, leaves no part of a file, and loses no take."""
    make_job(prose(250), deliver=[preset])
    reference = made(render_here(tmp_path, "reference"))
    job = tmp_path / "output" / "job"
    process = start(tmp_path, "--engine", "tone")
    try:
        wait_for(lambda: list(job.glob(f"{preset}/*/*/.*.tmp.{'mp3' if preset == 'podcast' else preset}")), process)
        process.send_signal(number)
        _out, told = process.communicate(timeout=WAIT_S)
    finally:
        end(process)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    found = STOPPED.search(told)
    assert found, told
    assert found[1] == found[2]
    assert temporaries(job) == []

    render_here(tmp_path)
    assert takes_of(job)["rendered"] == 0
    assert made(job) == reference


def test_a_stop_before_anything_has_begun(tmp_path: Path, make_job: MakeJob) -> None:
    """Ctrl-C while the command is still reading and checking ends with 130 and without a traceback."""
    make_job(prose(20_000, chapters=20), deliver=["wav"])
    for delay_s in (0.4, 0.7, 1.0, 1.3):
        process = start(tmp_path, "--engine", "tone")
        try:
            time.sleep(delay_s)
            process.send_signal(signal.SIGINT)
            _out, told = process.communicate(timeout=WAIT_S)
        finally:
            end(process)
        assert process.returncode == 130, told
        assert "Traceback" not in told


# A full disk.


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small file system in memory, or changes the limits of the one that is mounted."""
    place = tmp_path / "disk"
    place.mkdir()

    def limit(options: str) -> Path:
        again = "remount," if place.is_mount() else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{again}{options}", "tmpfs", str(place)]
        if sys.platform != "linux" or shutil.which("mount") is None:
            pytest.skip("there is no tmpfs to mount here")
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            pytest.skip(f"mounting a small disk is not permitted here: {ended.stderr.strip()}")
        return place

    yield limit
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


def make_job_with_cover(folder: Path, preset: str) -> None:
    """A job whose cover is a good part of its deliverable, so that tagging needs room of its own."""
    picture = BytesIO()
    Image.effect_noise((500, 500), 100).save(picture, format="PNG")
    (folder / "cover.png").write_bytes(picture.getvalue())
    (folder / "job.md").write_text(prose(50, chapters=2))
    (folder / "job.yaml").write_text(
        f"title: A test\nscript: job.md\ncover: cover.png\ndeliver: [{{preset: {preset}, files: one}}]\n"
    )


def assert_told_that_the_disk_is_full(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert "the disk is full." in line
    assert "Make room or choose another folder with --out, then run the same command again" in line
    assert ended.stdout == ""


def fill_then_make_room(folder: Path, disk: Callable[[str], Path], limit: str, reference: dict[str, str]) -> int:
    """Run into the limit, twice; then make room, finish, and see that nothing was lost. Returns the takes kept."""
    job = folder / "disk" / "job"
    shutil.rmtree(job)
    disk(limit)
    ended = run_podcast(
        "render", "job.yaml", "--engine", "tone", "--out", "disk", "--json", "--no-disk-check", cwd=folder
    )
    assert_told_that_the_disk_is_full(ended)
    assert [path for path in temporaries(job) if path.suffix in (".flac", ".mp3", ".m4b", ".wav")] == []
    kept = finished_takes(job)

    disk("size=200m,nr_inodes=1000")
    render_here(folder, "disk")

    assert takes_of(job)["reused"] == len(kept), limit
    assert {key: value for key, value in finished_takes(job).items() if key in kept} == kept
    assert made(job) == reference, limit
    assert temporaries(job) == []
    return len(kept)


def test_the_disk_is_full_before_the_deliverables(tmp_path: Path, disk: Callable[[str], Path]) -> None:
    """Where the disk fills up with takes or chapters, the message says so, and with more room the rest is made."""
    make_job_with_cover(tmp_path, "podcast")
    disk("size=200m,nr_inodes=1000")
    job = render_here(tmp_path, "disk")
    reference, total = made(job), takes_of(job)["total"]
    page = os.sysconf("SC_PAGE_SIZE")
    board = 3 * page  # of `podcast status`, while the command runs
    takes, chapters = used_by(job / "takes") + board, used_by(job / "chapters")

    kept = [
        fill_then_make_room(tmp_path, disk, f"size={size}", reference)
        for size in (
            page,
            page * 4,
            takes - board - page,
            takes + page * 2,
            takes + chapters // 2,
            takes + chapters - page,
        )
    ]

    assert kept[0] == 0
    assert 0 < kept[2] < total
    assert kept[3:] == [total] * 3


@pytest.mark.parametrize("preset", ["podcast", "m4b", "wav", "flac"])
def test_the_disk_is_full_among_the_deliverables(preset: str, tmp_path: Path, disk: Callable[[str], Path]) -> None:
    """Where the disk fills up while a file is encoded or tagged, the message says so, and no take is lost."""
    make_job_with_cover(tmp_path, preset)
    place = disk("size=200m,nr_inodes=1000")
    job = render_here(tmp_path, "disk")
    reference, total = made(job), takes_of(job)["total"]
    (sound,) = (path for path in job.glob("*/*/*/A test.*") if path.suffix in (".mp3", ".m4b", ".wav", ".flac"))
    before = shutil.disk_usage(place).used - sound.stat().st_size
    for part in (0.02, 0.3, 0.5, 0.7, 0.9, 0.98):
        limit = before + round(sound.stat().st_size * part)
        assert fill_then_make_room(tmp_path, disk, f"size={limit}", reference) == total


def used_by(folder: Path) -> int:
    """Bytes of a folder's files as a file system counts them."""
    return sum(path.stat().st_blocks * 512 for path in folder.iterdir())


def test_a_disk_that_takes_no_more_files(tmp_path: Path, disk: Callable[[str], Path]) -> None:
    """A file system that has run out of inodes is told of as a full disk, wherever that happens."""
    make_job_with_cover(tmp_path, "podcast")
    disk("size=200m,nr_inodes=1000")
    job = render_here(tmp_path, "disk")
    reference = made(job)
    files = sum(1 for _path in (tmp_path / "disk").rglob("*"))
    for inodes in range(5, files - 2, 2):
        fill_then_make_room(tmp_path, disk, f"size=200m,nr_inodes={inodes}", reference)


def test_a_disk_that_becomes_read_only(tmp_path: Path, disk: Callable[[str], Path]) -> None:
    """A file system that is read-only is told of, with code 1, for a new job as for one with work left."""
    make_job_with_cover(tmp_path, "podcast")
    disk("size=200m")
    job = render(tmp_path, "disk")
    kept = finished_takes(job)
    (tmp_path / "job.md").write_text(prose(70, chapters=2, seed=2))
    for name in ("job", "other"):
        (tmp_path / f"{name}.yaml").write_text((tmp_path / "job.yaml").read_text())
        disk("size=200m,ro")
        ended = run_podcast("render", f"{name}.yaml", "--engine", "tone", "--out", "disk", cwd=tmp_path)
        assert ended.returncode == 1, ended.stderr
        assert "Traceback" not in ended.stderr
        assert "the file system is read-only." in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
    disk("size=200m,rw")
    render(tmp_path, "disk")
    assert {key: value for key, value in finished_takes(job).items() if key in kept} == kept


# kill -9


def processes_of(session: int) -> list[psutil.Process]:
    """Live processes of a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


KILLS = 50


def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path, make_job: MakeJob) -> None:
    """Killed at 50 random moments, a job renders no finished take again and ends in the same bytes as undisturbed."""
    make_job(prose(160, chapters=4), deliver=["podcast", "m4b"])
    job = tmp_path / "output" / "job"
    begun = time.monotonic()
    reference = made(render(tmp_path, "reference", "draft"))
    whole_s = time.monotonic() - begun
    begun = time.monotonic()
    render(tmp_path, "reference", "draft")
    idle_s = time.monotonic() - begun  # what a run takes that has nothing to do
    draw = random.Random(9)
    kills = completed = 0
    stages: set[str] = set()
    while kills < KILLS or completed < 3:
        kept = finished_takes(job)
        process = start(tmp_path)
        try:
            # Most of a run's first part is imports: there is little to break, so most kills come after it.
            early = draw.random() < 0.05
            delay_s = draw.uniform(0, idle_s) if early else draw.uniform(idle_s * 0.6, whole_s)
            try:
                process.wait(delay_s)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            told = process.communicate(timeout=WAIT_S)[1]
        finally:
            end(process)
        assert processes_of(process.pid) == []
        after = finished_takes(job)
        assert {key: after[key] for key in kept} == kept, "a finished take was touched"
        if process.returncode == -signal.SIGKILL:
            stages.add("takes" if len(after) < len(reference_takes(reference)) else "after takes")
            continue
        assert process.returncode == 0, told
        completed += 1
        takes = takes_of(job)
        assert takes["reused"] >= len(kept)
        assert made(job) == reference
        assert temporaries(job) == []
        shutil.rmtree(job)
    assert stages == {"takes", "after takes"}


def reference_takes(reference: dict[str, str]) -> list[str]:
    return [name for name in reference if name.startswith("takes/")]
