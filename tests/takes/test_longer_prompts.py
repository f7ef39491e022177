"""A longer prompt is the voice's recording, a short pause, and its best take; its transcript says both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio import flac
from pipeline.engines import DraftVoice, Voice
from pipeline.jobs.job import Job
from pipeline.takes.attempts import prompt_path
from pipeline.takes.longer_prompts import followed_by
from pipeline.takes.plan import PlannedTake
from pipeline.takes.render import render_takes

GAP_S = 0.35
RATE_HZ = 22_050


@pytest.fixture
def plan(job: Job) -> PlannedTake:
    """A take of one voice, which is rendered."""
    render_takes(job.takes, job.engine, job.store)
    return next(plan for plan in job.takes if len({line.voice.name for line in plan.request.lines}) == 1)


def recorded(folder: Path, rate_hz: int = RATE_HZ, channels: int = 1) -> Voice:
    """A voice with a recording of two seconds."""
    sound = np.sin(np.arange(2 * rate_hz) * (2 * np.pi * 200 / rate_hz)) * 0.3
    path = folder / f"recorded {rate_hz} {channels}.wav"
    soundfile.write(path, np.stack([sound] * channels, axis=1), rate_hz, subtype="FLOAT")
    return Voice("ann", DraftVoice(), path, "its own", "Two seconds.")


@pytest.mark.parametrize("channels", [1, 2])
def test_the_take_follows_the_recording(job: Job, plan: PlannedTake, tmp_path: Path, channels: int) -> None:
    """Sample by sample, with silence between them; stereo is heard as mono."""
    voice, folder = recorded(tmp_path, channels=channels), job.workspace.voices
    longer = followed_by(voice, plan.key, job.store, folder)
    assert longer is not None
    assert longer.prompt is not None
    sound, rate = soundfile.read(longer.prompt, dtype="float32")
    prompt, _rate = soundfile.read(voice.prompt, dtype="float32", always_2d=True)
    take = job.store.find(plan.key)
    assert take is not None
    gap = np.zeros(round(GAP_S * RATE_HZ), np.float32)
    expected = np.concatenate([prompt.mean(axis=1), gap, take.read()])
    assert rate == RATE_HZ
    assert np.array_equal(flac.quantize(expected), flac.quantize(sound))
    assert longer.prompt_sha256 == flac.pcm_hash(flac.quantize(expected))
    assert longer.prompt == prompt_path(folder, longer.prompt_sha256)
    assert longer.transcript == f"Two seconds. {plan.spoken}"
    assert replace(longer, prompt=None, prompt_sha256="", transcript="") == replace(
        voice, prompt=None, prompt_sha256="", transcript=""
    )


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_a_recording_of_another_rate_lasts_as_long(job: Job, plan: PlannedTake, tmp_path: Path, rate_hz: int) -> None:
    """And has its pitch."""
    longer = followed_by(recorded(tmp_path, rate_hz), plan.key, job.store, job.workspace.voices)
    take = job.store.find(plan.key)
    assert longer is not None
    assert longer.prompt is not None
    assert take is not None
    sound, rate = soundfile.read(longer.prompt, dtype="float32")
    assert rate == RATE_HZ
    assert abs(len(sound) - take.frames - (2 + GAP_S) * RATE_HZ) <= 2
    spectrum = np.abs(np.fft.rfft(sound[: 2 * RATE_HZ]))
    assert np.argmax(spectrum) / 2 == pytest.approx(200, abs=1)


def test_a_voice_without_a_recording_follows_its_take_alone(job: Job, plan: PlannedTake, tmp_path: Path) -> None:
    """The same again is the same file, which is not written twice."""
    voice = plan.request.lines[0].voice
    assert voice.prompt is None
    longer = followed_by(voice, plan.key, job.store, tmp_path)
    take = job.store.find(plan.key)
    assert longer is not None
    assert longer.prompt is not None
    assert take is not None
    assert (longer.prompt_sha256, longer.transcript) == (take.pcm_sha256, plan.spoken)
    before = longer.prompt.stat().st_mtime_ns, longer.prompt.stat().st_ino
    assert followed_by(voice, plan.key, job.store, tmp_path) == longer
    assert (longer.prompt.stat().st_mtime_ns, longer.prompt.stat().st_ino) == before


@pytest.mark.parametrize("lost", ["take", "sound", "recording", "no sound", "a folder"])
def test_there_is_none_where_a_part_is_gone(job: Job, plan: PlannedTake, tmp_path: Path, lost: str) -> None:
    """Or cannot be read: the take is then made again without it. Nothing is written."""
    voice, key = recorded(tmp_path), plan.key
    assert voice.prompt is not None
    match lost:
        case "take":
            key = "0" * 32
        case "sound":
            (job.store.folder / f"{key}.flac").unlink()
        case "recording":
            voice.prompt.unlink()
        case "no sound":
            voice.prompt.write_text("no sound")
        case _:
            voice.prompt.unlink()
            voice.prompt.mkdir()
    assert followed_by(voice, key, job.store, job.workspace.voices) is None
    assert not list(job.workspace.voices.iterdir())


def test_a_prompt_leaves_room_for_what_is_said_behind_it(job: Job, plan: PlannedTake, tmp_path: Path) -> None:
    """There is none where recording, pause and take last longer than they may."""
    voice, take = recorded(tmp_path), job.store.find(plan.key)
    assert take is not None
    length_s = 2 + round(GAP_S * RATE_HZ) / RATE_HZ + take.audio_s
    assert followed_by(voice, plan.key, job.store, job.workspace.voices, length_s - 0.01) is None
    assert not list(job.workspace.voices.iterdir())
    assert followed_by(voice, plan.key, job.store, job.workspace.voices, length_s + 0.001) is not None
