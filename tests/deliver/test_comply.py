"""Each limit is judged on its own, on what other people's files hold."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio import Pcm
from pipeline.audio.loudness import amplitude
from pipeline.deliver.comply import FileChecks, comply, files_problems, length_s
from pipeline.deliver.profiles import PROFILES, Profile
from tests.support.sounds import save

RATE = 44_100


def _voice(db: float = -20, head_s: float = 0.75, tail_s: float = 2, floor_db: float = -70, seconds: float = 3) -> Pcm:
    """A tone of that level in soft noise, for about as long as a word takes to say ten times."""
    frames = round((head_s + seconds + tail_s) * RATE)
    pcm = amplitude(floor_db) * np.random.default_rng(0).standard_normal(frames)
    start, end = round(head_s * RATE), round((head_s + seconds) * RATE)
    pcm[start:end] += amplitude(db) * np.sqrt(2) * np.sin(2 * np.pi * 300 * np.arange(end - start) / RATE)
    voice: Pcm = pcm.astype(np.float32)
    return voice


def _failing(result: FileChecks) -> list[str]:
    assert result.ok == all(row.ok for row in result.checks)
    return [row.name for row in result.checks if not row.ok]


def _acx(tmp_path: Path, pcm: Pcm, rate: int = RATE, kbps: int = 192) -> FileChecks:
    (result,) = comply([save(tmp_path / "a.mp3", "mp3", pcm, rate=rate, kbps=kbps)], PROFILES["acx"])
    return result


def test_a_good_file_meets_acx(tmp_path: Path) -> None:
    """Every limit with its value and its source, once each."""
    result = _acx(tmp_path, _voice(db=-17))
    assert not _failing(result)
    assert all(row.source and row.limit for row in result.checks if row.name != "tags")
    names = [row.name for row in result.checks]
    assert names[:9] == "level true_peak noise_floor head tail format sample_rate channels bit_rate_mode".split()
    assert names[9:] == "bit_rate length tags cover chapters missing".split()


@pytest.mark.parametrize(
    ("pcm", "failing"),
    [
        (_voice(db=-22), ["level"]),
        (_voice(db=-14), ["level"]),
        (_voice(db=-17, floor_db=-58), ["noise_floor"]),
        (_voice(db=-17, head_s=0.3), ["head"]),
        (_voice(db=-17, head_s=1.2), ["head"]),
        (_voice(db=-17, tail_s=0.7), ["tail"]),
        (_voice(db=-18, tail_s=6, seconds=8), ["tail"]),
    ],
)
def test_each_limit_of_acx_fails_alone(tmp_path: Path, pcm: Pcm, failing: list[str]) -> None:
    assert _failing(_acx(tmp_path, pcm)) == failing


def test_it_tells_how_far_it_has_come(tmp_path: Path) -> None:
    """In seconds of sound, which are those of the files together."""
    paths = [save(tmp_path / f"{name}.flac", "flac", _voice(seconds=seconds)) for name, seconds in (("a", 3), ("b", 9))]
    steps: list[float] = []
    comply(paths, PROFILES["apple"], steps.append)
    assert len(steps) > 2
    assert sum(steps) == pytest.approx(length_s([*paths, tmp_path / "gone.flac"])) == pytest.approx(17.5)


def test_peak_rate_and_coding_fail_too(tmp_path: Path) -> None:
    loud = _voice(db=-17)
    loud[2 * RATE : 2 * RATE + 100] *= 8
    assert _failing(_acx(tmp_path, loud)) == ["true_peak"]
    assert _failing(_acx(tmp_path, _voice(db=-17), kbps=128)) == ["bit_rate"]
    assert _failing(_acx(tmp_path, _voice(db=-17, head_s=0.8), rate=48_000)) == ["sample_rate"]
    path = tmp_path / "vbr.mp3"
    soundfile.write(path, _voice(db=-17), RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0)
    (result,) = comply([path], PROFILES["acx"])
    assert "bit_rate_mode" in _failing(result)


def test_mono_counts_three_more_where_a_stereo_sum_is_meant(tmp_path: Path) -> None:
    """-19 in one channel is -16 in two, and the row says so."""
    mono = _voice(db=-18.5)
    both = np.stack([mono, mono], axis=1)
    for name, pcm in (("mono", mono), ("both", both)):
        soundfile.write(tmp_path / f"{name}.flac", pcm, RATE, subtype="PCM_24")
    one, two = comply([tmp_path / "mono.flac", tmp_path / "both.flac"], PROFILES["master"])
    assert one.checks[0].value == pytest.approx(two.checks[0].value, abs=0.02)
    assert "mono counts +3 LU" in (one.checks[0].limit or "")
    assert "mono" not in (two.checks[0].limit or "")
    (plain,) = comply([tmp_path / "mono.flac"], PROFILES["ebu-r128"])
    assert plain.checks[0].value == pytest.approx(float(one.checks[0].value or 0) - 3.01, abs=0.02)


def test_files_of_one_book_have_as_many_channels(tmp_path: Path) -> None:
    mono = _voice()
    for name, pcm in (("a", mono), ("b", mono), ("c", np.stack([mono, mono], axis=1))):
        soundfile.write(tmp_path / f"{name}.wav", pcm, RATE)
    results = comply([tmp_path / f"{name}.wav" for name in "abc"], PROFILES["acx"])
    assert ["same_channels" in _failing(result) for result in results] == [False, False, True]


def test_tags_cover_and_chapters_are_judged(tmp_path: Path) -> None:
    own = Profile.model_validate(
        {
            "profile": "own",
            "source": "nobody",
            "tags": {"required": ["title"]},
            "cover": {"required": True},
            "chapters": {"min": 1},
        }
    )
    (result,) = comply([save(tmp_path / "a.flac", "flac", _voice())], own)
    assert _failing(result) == ["tags", "cover", "chapters"]
    assert {row.name: row.source for row in result.checks if row.limit}["cover"] == "nobody"


@pytest.mark.parametrize("format", ["mp3", "m4b", "wav", "flac"])
def test_a_file_that_breaks_off_fails(tmp_path: Path, format: str) -> None:
    """Whatever is left of it, wherever its head still says how long it was."""
    path = save(tmp_path / f"a.{format}", format, _voice())  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    (result,) = comply([path], PROFILES["apple"])
    assert {"readable", "missing"} & set(_failing(result))


def test_silence_and_next_to_nothing_are_measured(tmp_path: Path) -> None:
    """No level, no crash."""
    for name, pcm in (("silence", np.zeros(RATE)), ("short", np.ones(441) / 2), ("none", np.zeros(0))):
        soundfile.write(tmp_path / f"{name}.wav", pcm, RATE)
        (result,) = comply([tmp_path / f"{name}.wav"], PROFILES["ebu-r128"])
        assert _failing(result)[:1] == ["level"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_numbers_fail(tmp_path: Path, value: float) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(1000, value), RATE, subtype="FLOAT")
    (result,) = comply([tmp_path / "a.wav"], PROFILES["apple"])
    assert _failing(result) == ["readable"]


def test_what_is_no_sound_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    """All of it at once, a pipe without waiting for it."""
    (tmp_path / "text.mp3").write_text("Hello. " * 100)
    (tmp_path / "empty.mp3").touch()
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.flac")
    soundfile.write(tmp_path / "slow.wav", np.zeros(100), 100)
    names = {
        "text.mp3": "no sound",
        "empty.mp3": "is empty",
        "folder.wav": "a folder",
        "pipe.flac": "cannot be read",
        "slow.wav": "100 Hz",
        "none.mp3": "no such file",
    }
    problems = files_problems([tmp_path / name for name in names])
    assert [Path(problem.where).name for problem in problems] == list(names)
    for problem, words in zip(problems, names.values(), strict=True):
        assert words in problem.what
        assert problem.next
