"""Kokoro behind the door, on the published network: the same bytes whatever else is said, and understood."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.engines import (
    KOKORO_VOICES,
    DraftVoice,
    Failed,
    KokoroVoice,
    Line,
    Machine,
    Rendered,
    Request,
    Voice,
    open_engine,
)
from pipeline.engines.kokoro.engine import KokoroEngine
from pipeline.engines.kokoro.weights import KokoroFiles, locate_kokoro
from pipeline.errors import EngineError
from pipeline.settings import bundled_voices
from pipeline.source.voices import load_library
from tests.support.commands import MakeJob, run_podcast
from tests.support.listening import transcribe, word_errors, words

ANN = Voice("ann", DraftVoice(), kokoro=KokoroVoice("af_heart"))
BOB = Voice("bob", DraftVoice(), kokoro=KokoroVoice("bm_george", speed=1.2))
# Six chunks, short enough for a test.
SCRIPT = "# One\n\n" + "\n\n---\n\n".join(
    f"**{name}:** {text}"
    for name, text in (
        ("Ann", "The lamp is lit."),
        ("Bob", "Is it? I saw nothing."),
        ("Ann", "Look again."),
        ("Bob", "Now I see it."),
        ("Ann", "So it goes."),
        ("Bob", "And so do we."),
    )
)

FETCH = "Run: podcast weights fetch kokoro"
ANEW = "podcast weights fetch kokoro brings it"


def _request(key: str, *lines: tuple[Voice, str]) -> Request:
    return Request(key, tuple(Line(voice, text) for voice, text in lines), "en", 1)


@pytest.fixture(scope="module")
def engine(kokoro_weights: Path) -> KokoroEngine:
    """One that stays loaded."""
    return KokoroEngine(locate_kokoro(str(kokoro_weights)))


def _spoken(engine: KokoroEngine, request: Request) -> Rendered:
    (rendered,) = engine.render([request])
    assert isinstance(rendered, Rendered), rendered
    return rendered


def test_a_take_is_the_same_bytes_alone_and_after_others(kokoro_weights: Path, engine: KokoroEngine) -> None:
    """In this process, and in one that has said nothing before."""
    request = _request("k", (ANN, "The lamp is lit."))
    after_others = list(engine.render([_request("a", (BOB, "Something else first?")), request]))[1]
    assert isinstance(after_others, Rendered)
    program = (
        "import sys; from pipeline.engines import *\n"
        f"engine = open_engine('kokoro', machine=Machine(kokoro={str(kokoro_weights)!r}))\n"
        "voice = Voice('ann', DraftVoice(), kokoro=KokoroVoice('af_heart'))\n"
        "(take,) = engine.render([Request('k', (Line(voice, 'The lamp is lit.'),), 'en', 1)])\n"
        "sys.stdout.buffer.write(take.pcm.tobytes())"
    )
    alone = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert alone == after_others.pcm.tobytes()


@pytest.mark.slow
def test_two_workers_make_the_takes_of_one(kokoro_weights: Path, make_job: MakeJob, tmp_path: Path) -> None:
    """Byte for byte, under the same keys."""
    manifest = make_job(SCRIPT, engine="kokoro", cast={"Ann": "ada", "Bob": "grace"}, deliver=["podcast"])
    takes = []
    for workers in ("cpu:1x1", "cpu:2x1"):
        out = tmp_path / workers.replace(":", "-")
        command = ("render", manifest, "--device", workers, "--out", out)
        result = run_podcast(*command, cwd=tmp_path, env={"PODCAST_KOKORO": str(kokoro_weights)})
        assert result.returncode == 0, result.stderr
        takes.append({file.name: file.read_bytes() for file in out.glob("*/takes/*.flac")})
    assert len(takes[0]) == 6
    assert takes[0] == takes[1]


def test_a_chunk_of_two_speakers_knows_when_each_is_heard(engine: KokoroEngine) -> None:
    """Spans lie in order, inside the take, and each begins and ends with its words."""
    rendered = _spoken(engine, _request("k", (ANN, "One two three."), (BOB, "Four five six.")))
    assert rendered.spans is not None
    first, second = rendered.spans
    length_s = len(rendered.pcm) / engine.sample_rate_hz
    assert 0 == first.start_s < first.end_s < second.start_s < second.end_s == pytest.approx(length_s)
    assert np.abs(rendered.pcm).max() <= 1


def test_speech_is_understood_and_ipa_is_said(engine: KokoroEngine, whisper: Path) -> None:
    """Every word, by a recogniser; what stands in IPA is heard as what it means."""
    rate_hz = engine.sample_rate_hz
    text = "The evening was calm, and a light wind moved over the fields."
    for voice in (ANN, BOB):
        recognized = transcribe(whisper, _spoken(engine, _request("k", (voice, text))).pcm, rate_hz)
        assert word_errors(words(text), words(recognized)) == 0, recognized
    with_ipa = _spoken(engine, _request("k", (ANN, "We saw the /ˈmaʊntɪnz/ and a /ˈɹɪvəɹ/.")))
    recognized = transcribe(whisper, with_ipa.pcm, rate_hz)
    assert words(recognized) == words("We saw the mountains and a river.")


@pytest.mark.slow
@pytest.mark.speech
def test_a_line_that_is_too_long_for_the_network_loses_nothing(engine: KokoroEngine, whisper: Path) -> None:
    """It is spoken in parts: its first, middle and last words are heard."""
    names = "apples, oranges, lemons, bananas, cherries, onions, carrots, potatoes"
    text = f"Zebra crossing. {' '.join(f'We have {names}.' for _ in range(7))} Monday morning."
    recognized = words(transcribe(whisper, _spoken(engine, _request("k", (ANN, text))).pcm, engine.sample_rate_hz))
    assert recognized[:2] == ["zebra", "crossing"]
    assert recognized[-2:] == ["monday", "morning"]
    assert recognized.count("lemons") == 7


def test_what_cannot_be_said_fails_alone(engine: KokoroEngine) -> None:
    """The other requests are rendered."""
    first, second = engine.render([_request("a", (ANN, "/ʘ/")), _request("b", (ANN, "Yes."))])
    assert isinstance(first, Failed)
    assert first.reason == 'the IPA /ʘ/ has "ʘ", which Kokoro does not know.'
    assert isinstance(second, Rendered)


def test_voice_and_speed_are_what_a_voice_is_known_by(engine: KokoroEngine) -> None:
    """With the content of the voice's file, and none of it twice."""
    voices = [KokoroVoice(name) for name in KOKORO_VOICES] + [KokoroVoice(speed=0.9)]
    known = [engine.identity(dataclasses.replace(ANN, kokoro=voice)) for voice in voices]
    assert len({tuple(entry.items()) for entry in known}) == len(voices)
    assert len({entry["sha256"] for entry in known}) == len(KOKORO_VOICES)
    assert engine.identity(ANN) == engine.identity(dataclasses.replace(BOB, kokoro=ANN.kokoro))


def test_every_voice_that_ships_has_one_of_its_own(engine: KokoroEngine) -> None:
    """Of its gender, British where it is from Britain."""
    entries = load_library([bundled_voices()]).values()
    assert engine.check("en-gb", [entry.voice for entry in entries]) == []
    names = [entry.voice.kokoro.voice for entry in entries]
    assert len(set(names)) == len(names)
    for entry in entries:
        name = entry.voice.kokoro.voice
        assert name[1] == ("f" if entry.gender == "female" else "m")
        assert entry.accent not in ("British", "Scottish") or name[0] == "b"


def test_other_languages_are_refused_before_weights_are_asked_for(tmp_path: Path) -> None:
    """At the line or the option that names them; a language that is only the script's own word gives way to English."""
    (tmp_path / "job.md").write_text("# Eins\n\nGuten Tag.\n")
    (tmp_path / "job.yaml").write_text("title: Eins\nscript: job.md\nengine: kokoro\nlanguage: de\n")
    refused = 'the engine kokoro speaks only "en", not "de". Choose another language or engine.\n'
    env = {"PODCAST_KOKORO": "nobody/has-this"}
    for command in ("check", "plan", "render"):
        result = run_podcast(command, "job.yaml", cwd=tmp_path, env=env)
        assert (result.returncode, result.stderr) == (2, f"job.yaml:4: {refused}")
    said = run_podcast("say", "Ja.", "--engine", "kokoro", "--language", "de", "--out", "x.wav", cwd=tmp_path, env=env)
    assert (said.returncode, said.stderr) == (2, f"--language: {refused}")
    shown = run_podcast("say", "Ja.", "--engine", "kokoro", "--language", "de", "--show", cwd=tmp_path, env=env)
    assert (shown.returncode, shown.stdout, shown.stderr) == (2, "", f"--language: {refused}")
    (tmp_path / "own.md").write_text("---\nlanguage: de\n---\n\n# Eins\n\nGuten Tag.\n")
    own = run_podcast("plan", "own.md", "--engine", "kokoro", cwd=tmp_path, env=env)
    assert "nobody/has-this" in own.stderr
    assert "speaks only" not in own.stderr


def test_a_sample_of_a_voice_is_in_the_voice_of_kokoro(kokoro_weights: Path, tmp_path: Path) -> None:
    """With the weights that the setting names; the doctor speaks with them too."""
    env = {"PODCAST_KOKORO": str(kokoro_weights)}
    for command in (("voices", "--say", "ada", "So."), ("say", "So.", "--voice", "ada", "--out", "said.wav")):
        result = run_podcast(*command, "--engine", "kokoro", cwd=tmp_path, env=env)
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "ada.wav").read_bytes() == (tmp_path / "said.wav").read_bytes()
    findings = run_podcast("doctor", cwd=tmp_path, env=env).stdout
    assert "ok       kokoro engine: kokoro/1/6e742170d309016e/kokoro-onnx-" in findings


def test_files_that_are_no_voices_or_no_model_are_told(tmp_path: Path) -> None:
    """The voices beforehand, the model when it is loaded."""
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "af_heart.bin").write_bytes(b"short")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    engine = open_engine("kokoro", machine=Machine(kokoro=str(tmp_path)))
    problems = engine.check("en", [ANN, BOB])
    assert problems == [
        f'voice "ann": {tmp_path}/voices/af_heart.bin is no voice of Kokoro; {ANEW}',
        f'voice "bob": there is no file {tmp_path}/voices/bm_george.bin; {ANEW}',
    ]
    (tmp_path / "voices" / "af_heart.bin").write_bytes(np.tile(np.array([0.2, -0.2], np.float32), 510 * 128).tobytes())
    (failed,) = engine.render([_request("a", (ANN, "Yes."))])
    assert isinstance(failed, Failed)
    assert failed.reason.startswith(f"{tmp_path}/model.onnx: is no model that onnxruntime reads: ")
    assert failed.next == FETCH


@pytest.mark.parametrize(
    ("value", "count"), [(np.nan, 1), (np.inf, 1), (1e30, 1), (0.0, 256), (1e-40, None), (3.0, None)]
)
def test_a_voice_whose_numbers_are_none_is_told_before_it_speaks(
    value: float, count: int | None, kokoro_weights: Path, tmp_path: Path
) -> None:
    """The network would not come to an end with it, or make a noise; a worker refuses it too, unasked."""
    damaged = _copy(kokoro_weights, tmp_path)
    voice = damaged / "voices" / "af_heart.bin"
    numbers = np.fromfile(voice, "<f4")
    numbers[7 * 256 :][:count] = value
    voice.write_bytes(numbers.tobytes())
    engine = open_engine("kokoro", machine=Machine(kokoro=str(damaged)))
    assert engine.check("en", [ANN, BOB]) == [f'voice "ann": {voice} is a damaged voice of Kokoro; {ANEW}']
    first, second = engine.render([_request("a", (ANN, "Yes.")), _request("b", (BOB, "Yes."))])
    assert isinstance(first, Failed)
    assert (first.reason, first.next) == (f"{voice}: is a damaged voice of Kokoro.", FETCH)
    assert isinstance(second, Rendered)


def _damage(model: Path) -> bytes:
    """A model that loads, of whose numbers some are none: the scale of a weight is stored right behind the name."""
    nan = np.float32(np.nan).tobytes()
    changed, times = re.subn(
        rb"(weight_scale\x4a\x04).{4}", lambda match: match[1] + nan, model.read_bytes(), flags=re.DOTALL
    )
    assert times
    return changed


@pytest.mark.parametrize("damage", ["changed", "half", "empty", "no model"])
def test_a_damaged_model_speaks_nothing(damage: str, kokoro_weights: Path, tmp_path: Path) -> None:
    """Whatever the damage, the file is named, and how another one comes here."""
    whole = kokoro_weights / "model.onnx"
    contents = {
        "changed": _damage(whole),
        "half": whole.read_bytes()[: whole.stat().st_size // 2],
        "empty": b"",
        "no model": b"no model",
    }
    model = tmp_path / "model.onnx"
    model.write_bytes(contents[damage])
    engine = KokoroEngine(KokoroFiles(model, kokoro_weights / "voices"))
    (failed,) = engine.render([_request("a", (ANN, "All is well my friend."))])
    assert isinstance(failed, Failed)
    assert failed.reason.startswith(f"{model}: is ")
    assert failed.next == FETCH


def test_a_damaged_model_is_told_by_the_commands(kokoro_weights: Path, tmp_path: Path, make_job: MakeJob) -> None:
    """With what to do about it, which is not another text, and without a file or a warning of numpy's."""
    damaged = _copy(kokoro_weights, tmp_path)
    model = damaged / "model.onnx"
    model.write_bytes(_damage(model))
    env = {"PODCAST_KOKORO": str(damaged)}
    said = run_podcast("say", "All is well.", "--engine", "kokoro", "--out", "x.wav", cwd=tmp_path, env=env)
    assert said.returncode == 1
    last = said.stderr.splitlines()[-1]  # on a busy machine one before it says that this takes a while
    assert last == f"say: {model}: is damaged: what it makes of this text is no sound. {FETCH}"
    assert "Warning" not in said.stderr
    assert not (tmp_path / "x.wav").exists()
    job = make_job("# One\n\nAll is well.\n", engine="kokoro", deliver=["podcast"])
    rendered = run_podcast("render", job, "--out", tmp_path / "out", cwd=tmp_path, env=env)
    assert rendered.returncode == 1
    assert f"was not rendered: {model}: is damaged: what it makes of this text is no sound. {FETCH}" in rendered.stderr
    assert "Change the text" not in rendered.stderr


def _copy(weights: Path, folder: Path) -> Path:
    shutil.copytree(weights, folder / "damaged")
    return folder / "damaged"


def test_without_weights_nothing_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next step is one command."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match="podcast weights fetch kokoro"):
        open_engine("kokoro", machine=Machine(kokoro="nobody/has-this"))
