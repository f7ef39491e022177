"""Recordings become voices, and what cannot be cloned well is refused with reasons."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from pipeline.audio import Format, Pcm
from pipeline.audio.codecs import open_writer
from pipeline.audio.loudness import rms_db
from pipeline.engines import DraftVoice, Line, Rendered, Request, Voice, open_engine
from pipeline.errors import RequestError, StorageError
from pipeline.settings import bundled_voices
from pipeline.source.prompts import SAMPLE_RATE_HZ, AddedVoice, add_voice, check_prompt, prompt_problems
from pipeline.source.voices import load_library
from tests.support.commands import run_podcast

TEXT = "This is my voice, which I lend to a machine, so that it may read to you whatever you like to hear."
CONSENT = "Recorded by Ada Example, who agreed on 2026-01-31."
RATE_HZ = 22_050  # of the draft engine

Add = Callable[..., AddedVoice]


@pytest.fixture(scope="module")
def speech() -> Pcm:
    """TEXT, about six seconds of it."""
    voice = Voice("someone", DraftVoice())
    (spoken,) = open_engine("draft").render([Request("k", (Line(voice, TEXT),), "en", 0)])
    assert isinstance(spoken, Rendered)
    return spoken.pcm


@pytest.fixture
def clip(speech: Pcm, tmp_path: Path) -> Path:
    """The speech as a file, with silence on both sides."""
    return _wav(tmp_path / "clip.wav", np.pad(speech, (RATE_HZ // 2, RATE_HZ)))


@pytest.fixture
def add(tmp_path: Path, clip: Path) -> Add:
    """Adds the voice "mine" from the clip, but for what the test wants otherwise."""

    def call(name: str = "mine", recording: Path = clip, **other: object) -> AddedVoice:
        given = {"transcript": TEXT, "consent": CONSENT, "voices": tmp_path / "voices"} | other
        return add_voice(name, recording, **given)  # type: ignore[arg-type]

    return call


def _wav(path: Path, pcm: Pcm, rate_hz: int = RATE_HZ) -> Path:
    soundfile.write(path, pcm, rate_hz, subtype="FLOAT")
    return path


def _tone(seconds: float, level: float = 0.1, rate_hz: int = RATE_HZ) -> Pcm:
    """Words of half a second, with gaps between them; sound from the first to the last sample."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    loud = level * np.where((at % 0.6 < 0.5) | (at > seconds - 0.1), 1, 0.001)
    return (loud * np.cos(2 * np.pi * 200 * at)).astype(np.float32)


def test_a_recording_becomes_a_voice(add: Add, speech: Pcm, tmp_path: Path) -> None:
    """Trimmed, at 44,100 Hz in 24 bits, at the level prompts have, and fit to be used."""
    added = add(description="Ada: at her desk")
    entry = load_library([tmp_path / "voices", bundled_voices()])["mine"]
    assert (entry.description, entry.consent, entry.folder) == ("Ada: at her desk", CONSENT, added.folder)
    assert entry.voice.transcript == TEXT
    assert entry.voice.prompt == tmp_path / "voices/mine/prompt.flac"
    assert prompt_problems(entry.voice, "here") == []
    info = soundfile.info(entry.voice.prompt)
    assert (info.format, info.subtype, info.channels, info.samplerate) == ("FLAC", "PCM_24", 1, 44_100)
    assert len(speech) / RATE_HZ - 0.5 < info.duration <= len(speech) / RATE_HZ + 0.05
    assert info.duration == pytest.approx(added.audio_s)
    pcm, _rate = soundfile.read(entry.voice.prompt, dtype="float32")
    assert rms_db(pcm) == pytest.approx(-20, abs=0.01) or np.abs(pcm).max() == pytest.approx(10 ** (-3 / 20))
    assert added.warnings == ()
    written = (added.folder / "voice.yaml").read_text()
    assert written.startswith(f"description: 'Ada: at her desk'\nconsent: {CONSENT}\nprompt: prompt.flac\ntranscript: ")
    assert {path.name for path in added.folder.iterdir()} == {"voice.yaml", "prompt.flac"}


@pytest.mark.parametrize("format", ["mp3", "m4b", "wav", "flac"])
def test_any_sound_file_will_do(add: Add, speech: Pcm, tmp_path: Path, format: Format) -> None:
    """Whatever its name says."""
    path = tmp_path / "recording.bin"
    with open_writer(path, format, RATE_HZ, 64) as writer:
        writer.write(speech)
    assert add(recording=path).audio_s == pytest.approx(len(speech) / RATE_HZ, abs=0.5)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("seconds", [3, 10])
def test_the_shortest_and_the_longest_prompt_pass_twice(add: Add, tmp_path: Path, rate_hz: int, seconds: int) -> None:
    """As given and as stored, whatever resampling does to the last sample; two channels become one."""
    pcm = np.stack([_tone(seconds, rate_hz=rate_hz)] * 2, axis=1)
    add(recording=_wav(tmp_path / "exact.wav", pcm, rate_hz), transcript="word " * 3 * seconds)
    voice = load_library([tmp_path / "voices"])["mine"].voice
    assert prompt_problems(voice, "here") == []
    assert voice.prompt is not None
    assert soundfile.info(voice.prompt).frames == pytest.approx(seconds * SAMPLE_RATE_HZ, abs=1)


def test_a_loud_recording_keeps_its_shape_below_the_peak(add: Add, tmp_path: Path) -> None:
    """Three clicks in quiet words: no more than scaled, and never to above -3 dBFS."""
    pcm = _tone(5, 0.02)
    pcm[[20_000, 40_000, 60_000]] = 0.9
    add(recording=_wav(tmp_path / "clicks.wav", pcm, RATE_HZ))
    stored, _rate = soundfile.read(tmp_path / "voices/mine/prompt.flac", dtype="float32")
    assert np.abs(stored).max() == pytest.approx(10 ** (-3 / 20), abs=1e-4)


@pytest.mark.parametrize(
    ("pcm", "transcript", "what"),
    [
        (_tone(0), TEXT, "there is no sound"),
        (_tone(5) * 0, TEXT, "there is no sound"),
        (_tone(5, 0.0005), TEXT, "there is no sound"),
        (_tone(2.9), TEXT[:30], "2.9 s of sound, and a prompt needs 3 to 10 s. Record more."),
        (_tone(10.2), TEXT, "10.2 s of sound, and a prompt needs 3 to 10 s. Cut the clip, and its transcript"),
        (_tone(121), TEXT, "longer than 120 s"),
        (_tone(5, 2).clip(-1, 1), TEXT, "it is clipped: "),
        (_tone(5, 0.01), TEXT, "it is too quiet: -44 dB RMS"),
        (np.concatenate([[0.99], _tone(5, 0.0165)]), TEXT, "it is too quiet: -42 dB RMS"),  # once the click is lowered
        (np.where(np.arange(5 * RATE_HZ) == 9, np.nan, _tone(5)), TEXT, "no numbers"),
        (_tone(5), "", "it has no transcript. Give the exact words"),
        (_tone(5), " \n ", "it has no transcript"),
        (_tone(5), "Too few words.", "14 bytes cannot be the exact words of 5.0 s"),
        (_tone(5), TEXT * 2, f"{2 * len(TEXT)} bytes cannot be the exact words of 5.0 s"),
    ],
)
def test_a_clip_that_cannot_be_cloned_is_refused(
    add: Add, tmp_path: Path, pcm: Pcm, transcript: str, what: str
) -> None:
    """With its name and the reason, and nothing is written."""
    with pytest.raises(RequestError) as error:
        add(recording=_wav(tmp_path / "bad.wav", pcm), transcript=transcript)
    (problem,) = map(str, error.value.problems)
    assert problem.startswith(f"{tmp_path / 'bad.wav'}: ")
    assert what in problem
    assert not (tmp_path / "voices").exists()


def test_noise_is_warned_of(add: Add, speech: Pcm, tmp_path: Path) -> None:
    """It is cloned with the voice, but whether it matters is for ears to tell."""
    hiss = np.random.default_rng(1).normal(0, 0.05, len(speech))
    (warning,) = add(recording=_wav(tmp_path / "noisy.wav", (speech + hiss).astype(np.float32))).warnings
    assert "dB below the speech" in warning.what


def test_files_that_hold_no_sound_are_refused(add: Add, tmp_path: Path) -> None:
    """Each for its own reason."""
    (tmp_path / "notes.wav").write_text("These are my notes, which are no sound.")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "cut.wav").write_bytes(b"RIFF")
    reasons = {"nope.wav": "cannot be read (No such file", ".": "cannot be read (Is a directory"}
    reasons |= dict.fromkeys(("notes.wav", "empty.wav", "cut.wav"), "it is no sound that can be read.")
    for name, reason in reasons.items():
        with pytest.raises(RequestError) as error:
            add(recording=tmp_path / name)
        assert reason in error.value.problems[0].what


def test_a_playlist_is_no_sound(add: Add, speech: Pcm, tmp_path: Path) -> None:
    """It would lead to other files."""
    _wav(tmp_path / "good.wav", speech)
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile good.wav\n")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ngood.wav\n#EXT-X-ENDLIST\n")
    for name in ("list.ffconcat", "list.m3u8"):
        with pytest.raises(RequestError, match="it is no sound that can be read"):
            add(recording=tmp_path / name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../up", "a\\b", "nul", "tab\t", " ada", "a:b", "x" * 300, "\udcff"]
)
def test_a_name_must_do_as_a_folder(add: Add, tmp_path: Path, name: str) -> None:
    """On every system, and inside the folder of voices."""
    with pytest.raises(RequestError, match="name of a folder"):
        add(name)
    assert {path.name for path in tmp_path.iterdir()} == {"clip.wav"}


def test_all_problems_are_told_at_once(add: Add, tmp_path: Path) -> None:
    """Of the name, the words and the sound."""
    with pytest.raises(RequestError) as error:
        add("a/b", _wav(tmp_path / "s.wav", _tone(2, 2).clip(-1, 1)), transcript="", consent=" ", description="\udcff")
    assert [problem.where for problem in error.value.problems] == [
        '"a/b"', "--description", "--consent", *[str(tmp_path / "s.wav")] * 3,
    ]  # fmt: skip
    with pytest.raises(RequestError) as error:
        add("a/b", tmp_path / "nope.wav", consent="")
    assert len(error.value.problems) == 3


def test_a_voice_that_is_there_stays_unless_forced(add: Add, speech: Pcm, tmp_path: Path) -> None:
    """A refused clip changes nothing, forced or not; a folder without voice.yaml is no voice yet."""
    other = _wav(tmp_path / "other.wav", speech[: 4 * RATE_HZ])
    (tmp_path / "voices/mine").mkdir(parents=True)
    (tmp_path / "voices/mine/notes.txt").write_text("Mine.")
    add()
    before = {path: path.read_bytes() for path in (tmp_path / "voices/mine").iterdir()}
    with pytest.raises(RequestError, match="is there already"):
        add(recording=other, transcript=TEXT[:70])
    with pytest.raises(RequestError, match="no transcript"):
        add(recording=other, transcript="", force=True)
    assert {path: path.read_bytes() for path in (tmp_path / "voices/mine").iterdir()} == before
    add(recording=other, transcript=TEXT[:70], force=True)
    voice = load_library([tmp_path / "voices"])["mine"].voice
    assert voice.transcript == TEXT[:70]
    assert voice.prompt is not None
    assert soundfile.info(voice.prompt).duration < 4.1
    add(recording=voice.prompt, transcript=TEXT[:70], force=True)  # its own prompt is as good as another


def test_a_folder_that_cannot_be_made_is_told(add: Add, tmp_path: Path) -> None:
    """And which option names another."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="choose another folder with --to"):
        add(voices=tmp_path / "file")


@given(st.text(min_size=1), st.text(min_size=1))
@hypothesis.settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_reads_as_it_was_given(add: Add, tmp_path: Path, consent: str, description: str) -> None:
    """Quotes, colons, "null", emoji: white space alone is tidied."""
    hypothesis.assume(consent.split())
    hypothesis.assume(all(unicodedata.category(char) != "Cc" for char in "".join((consent + description).split())))
    add(consent=consent, description=description, force=True)
    entry = load_library([tmp_path / "voices"])["mine"]
    assert entry.consent == " ".join(consent.split())
    assert entry.description == " ".join(description.split())


@given(st.integers(800, 112_000), st.integers(0, 500), st.sampled_from([0.005, 0.1, 1.5]))
def test_check_prompt_finds_neither_more_nor_less(frames: int, size: int, level: float) -> None:
    """Length, level and transcript, each on its own."""
    seconds = round(frames / 8000, 1)
    found = check_prompt(_tone(frames / 8000, level, 8000).clip(-1, 1), 8000, "a" * size)
    expected = [
        (not 3 <= seconds <= 10, "s of sound"),
        (level > 1, "clipped"),
        (level < 0.01, "too quiet"),
        (not size, "no transcript"),
        (size and not 4 <= size / seconds <= 30, "cannot be the exact words"),
    ]
    wanted = [word for wrong, word in expected if wrong]
    assert len(found) == len(wanted)
    assert all(word in sentence for word, sentence in zip(wanted, found, strict=True))


def test_prompts_of_ones_own_are_looked_at_too(tmp_path: Path, speech: Pcm) -> None:
    """Only when asked to, as reading them takes time; with the place that uses the voice."""
    voice = Voice("mine", DraftVoice(), _wav(tmp_path / "p.wav", speech), "", TEXT)
    assert prompt_problems(voice, "m.yaml:3") == []
    assert prompt_problems(replace(voice, prompt=None), "m.yaml:3") == []
    (wrong,) = prompt_problems(replace(voice, transcript="Hm."), "m.yaml:3")
    assert wrong.where == "m.yaml:3"
    assert wrong.what.startswith('the prompt of the voice "mine": its transcript of 3 bytes')
    (missing,) = prompt_problems(replace(voice, prompt=tmp_path / "q.wav"), "m.yaml:3")
    assert missing.what.startswith('the prompt of the voice "mine": it cannot be read')
    _wav(tmp_path / "p.wav", np.concatenate([speech, speech]))
    assert [problem.next[:12] for problem in prompt_problems(voice, "x")] == ["Cut the clip"]


def test_a_voice_has_the_seed_of_its_file_or_its_name(tmp_path: Path) -> None:
    """The same on every machine; a seed that does not fit is refused."""
    body = "description: x\nconsent: y\n"
    for name, more in {"a": "", "b": "", "c": "seed: 0\n", "d": f"seed: {2**63 - 1}\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "voice.yaml").write_text(body + more)
    seeds = {name: entry.voice.seed for name, entry in load_library([tmp_path]).items()}
    assert (seeds["c"], seeds["d"]) == (0, 2**63 - 1)
    assert (seeds["a"], seeds["b"]) == (188142954181216882, 5957589418432810083)
    for wrong in (-1, 2**63, "x"):
        (tmp_path / "a/voice.yaml").write_text(f"{body}seed: {wrong}\n")
        with pytest.raises(RequestError, match='"seed"'):
            load_library([tmp_path])


def test_the_command_adds_lists_and_speaks(add: Add, clip: Path, tmp_path: Path) -> None:
    """As a user runs it; options may stand on both sides of a text."""
    words = ["--transcript", TEXT, "--consent", CONSENT, "--gender", "male", "--accent", "Welsh"]
    added = run_podcast("voices", "add", "mine", clip, *words, cwd=tmp_path)
    assert added.returncode == 0, added.stderr
    assert "voices/mine/: " in added.stderr
    listed = run_podcast("voices", cwd=tmp_path).stdout
    assert "mine   male    Welsh      recorded   Made from a recording" in listed.splitlines()
    spoken = run_podcast("voices", "--say", "mine", "add", "to this", "--out", "x.wav", cwd=tmp_path)
    assert spoken.returncode == 0, spoken.stderr
    assert soundfile.info(tmp_path / "x.wav").duration > 0.5
    for arguments, said in (
        (["add", "mine", clip, *words], "this voice is there already."),
        (["add", "other", clip, *words[:2]], "--consent"),
        (["add", "other", "nope.wav", *words], "nope.wav: it cannot be read"),
        (["ad", "other", clip], 'no command "ad", and no --say for a text.'),
    ):
        wrong = run_podcast("voices", *arguments, cwd=tmp_path)
        assert wrong.returncode == 2
        assert said in wrong.stderr
        assert "Traceback" not in wrong.stderr
