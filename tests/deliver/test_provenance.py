"""What lies beside a file says where its sound comes from, and stays in step with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.audio import flac
from pipeline.audio.flac import pcm_hash, quantize
from pipeline.deliver.provenance import STATEMENT, versions
from pipeline.deliver.record import DeliveryRecord
from pipeline.files import file_hash, read_record, write_record
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.report import Report
from pipeline.jobs.retake import named_takes, retake
from pipeline.jobs.stages import render_job
from pipeline.settings import Settings
from tests.support.commands import MakeJob


def _render(make_job: MakeJob, settings: Settings, *script: str, **keys: Any) -> tuple[Job, Report]:
    job = open_job(make_job(*script, **({"deliver": ["podcast"]} | keys)), settings, engine="tone")
    report = render_job(job)
    assert report.status == "done", report.problems
    return job, report


def _files(job: Job, report: Report) -> list[Path]:
    return [job.workspace.root / item.path for item in report.deliverables]


def _said(sound: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(sound.with_suffix(".provenance.json").read_text(encoding="utf-8"))
    return value


def test_it_says_what_the_file_is_made_of(make_job: MakeJob, settings: Settings) -> None:
    """Engine, voices with their consent, seeds, versions, and hashes that can be checked against what lies there."""
    job, report = _render(make_job, settings, cast={"Ann": "ben"}, seed=7)
    (sound,) = _files(job, report)
    said = _said(sound)
    assert (said["synthetic"], said["statement"]) == (True, STATEMENT)
    assert said["file"] == {"name": sound.name, "sha256": file_hash(sound), "preset": "podcast"}
    assert said["engine"] == {"name": "tone", "fingerprint": job.engine.fingerprint}
    assert said["seed"] == 7
    assert said["made_with"] == dict(versions())
    voices = {voice["voice"]: voice for voice in said["voices"]}
    assert voices["ben"]["speakers"] == ["Ann"]
    assert voices["ben"]["consent"] == job.library["ben"].consent
    assert sorted(name for voice in voices.values() for name in voice["speakers"]) == ["Ann", "Bob"]
    for chapter, path in zip(said["chapters"], sorted(job.workspace.chapters.glob("*.flac")), strict=True):
        assert chapter["pcm_sha256"] == pcm_hash(quantize(flac.read(path)))
    takes = [take for chapter in said["chapters"] for take in chapter["takes"]]
    assert [take["key"] for take in takes] == [plan.key for plan in job.takes]
    for take, plan in zip(takes, job.takes, strict=True):
        assert take["pcm_sha256"] == pcm_hash(quantize(flac.read(job.workspace.takes / f"{plan.key}.flac")))
        assert (take["attempt"], int(take["seed"], 16)) == (0, plan.request.seed)


def test_it_names_the_voice_that_is_heard(make_job: MakeJob, settings: Settings) -> None:
    """Also where somebody had one line made again with another one than the script's."""
    job, _report = _render(make_job, settings, "**Ann:** One line of it.\n\n---\n\n**Bob:** And another one.")
    retake(job, named_takes(job, ["1"]), voice="grace")
    again, report = _render(make_job, settings, "**Ann:** One line of it.\n\n---\n\n**Bob:** And another one.")
    voices = {voice["voice"]: voice["speakers"] for voice in _said(_files(again, report)[0])["voices"]}
    assert voices["grace"] == ["Ann"]
    assert len(voices) == 2


def test_it_names_no_path_of_the_machine(make_job: MakeJob, settings: Settings, tmp_path: Path) -> None:
    """Neither of the job nor of a voice that has a recording."""
    voice = tmp_path / "voices" / "eve"
    voice.mkdir(parents=True)
    shutil.copy(next(Path(folder) for folder in settings.voices) / "ada" / "voice.yaml", voice / "voice.yaml")
    clip = voice / "clip.flac"
    clip.write_bytes(flac.encode(quantize(np.zeros(44_100, np.float32)), 44_100))
    with (voice / "voice.yaml").open("a") as file:
        file.write("\nprompt: clip.flac\ntranscript: Nothing at all.\n")
    job, report = _render(make_job, settings, cast={"Ann": "eve"})
    text = _files(job, report)[0].with_suffix(".provenance.json").read_text(encoding="utf-8")
    assert (file_hash(clip) or "no hash") in text
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text


def test_a_file_that_stands_keeps_the_versions_it_was_made_with(
    make_job: MakeJob, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was damaged or taken away beside it is written again, with the same bytes."""
    job, report = _render(make_job, settings)
    beside = _files(job, report)[0].with_suffix(".provenance.json")
    before = beside.read_bytes()
    beside.write_text("{")
    monkeypatch.setattr("pipeline.deliver.export.versions", lambda: {"podcast-pipeline": "9"})
    _render(make_job, settings)
    assert beside.read_bytes() == before
    record = read_record(job.workspace.deliverables, dict)
    assert record is not None
    for file in record["files"].values():
        del file["made_with"]
    write_record(job.workspace.deliverables, record)  # of an older version
    _render(make_job, settings)
    assert json.loads(beside.read_text()) == json.loads(before) | {"made_with": {}}


def test_an_edit_changes_it_with_the_file(make_job: MakeJob, settings: Settings) -> None:
    job, report = _render(make_job, settings, "**Ann:** One line of it.\n\n**Bob:** And another one.")
    (sound,) = _files(job, report)
    before = _said(sound)
    _render(make_job, settings, "**Ann:** One line of it.\n\n**Bob:** And quite another one.")
    after = _said(sound)
    assert after["file"]["sha256"] == file_hash(sound) != before["file"]["sha256"]
    assert after["chapters"] != before["chapters"]


def test_it_goes_with_the_file(make_job: MakeJob, settings: Settings) -> None:
    """A renamed chapter leaves none behind, and that of a preset that nobody asks for is listed to be cleaned."""
    job, report = _render(make_job, settings, "# Old\n\n**Ann:** It is short.", deliver=["wav"], kind="audiobook")
    old = _files(job, report)[0].with_suffix(".provenance.json")
    assert old.is_file()
    _job, again = _render(make_job, settings, "# New\n\n**Ann:** It is short.", deliver=["wav"], kind="audiobook")
    assert not old.exists()
    assert old.relative_to(job.workspace.root).as_posix() in again.removed
    new = _files(job, again)[0].with_suffix(".provenance.json")
    _render(make_job, settings, "# New\n\n**Ann:** It is short.", deliver=["flac"], kind="audiobook")
    assert new.is_file()
    assert new in DeliveryRecord(job.workspace).leftovers()
