"""The Dia engine from the command to the files, on tiny weights in the real formats."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from pipeline.engines import AUDITION, DiaSound, Failed, Line, Machine, Rendered, Request, Voice, open_engine
from pipeline.engines.dia.batching.text import compose, tokens
from pipeline.errors import EngineError, RequestError
from pipeline.jobs.job import Job, open_job
from pipeline.jobs.report import Report
from pipeline.jobs.stages import Conditions, render_job
from pipeline.settings import Settings, bundled_voices
from pipeline.source.voices import load_library
from pipeline.takes.choices import read_choice
from pipeline.takes.plan import explain
from tests.support.commands import PODCAST, REPOSITORY, MakeJob, run_podcast
from tests.support.faults import take_records
from tests.support.tiny_weights import write_weights

HOP = 512
SHORT = "**Ann:** The lamp is lit before the ships come home, and nobody on the quay says a word about it.\n\n"
BOTH = SHORT + "**Bob:** Nobody has to. Everybody can see the light, and what it means to those who are out there.\n\n"
BRIEF = {"max_seconds": 1}
LONG = f"# One\n\n{BOTH * 2}# Two\n\n{BOTH}"


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the real shape and format, a few megabytes."""
    return write_weights(tmp_path_factory.mktemp("dia"))


@pytest.fixture
def dia(settings: Settings, weights: Path) -> Settings:
    """Settings of a machine that has the weights."""
    return settings.model_copy(update={"weights": str(weights)})


def render(make_job: MakeJob, settings: Settings, script: str = SHORT, **keys: Any) -> tuple[Job, Report]:
    job = open_job(make_job(script, engine="dia", dia=BRIEF, **keys), settings)
    return job, render_job(job, Conditions(jobs=2))


def sounds(folder: Path) -> dict[str, bytes]:
    """Every take, audition, chapter and deliverable of the job in `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".flac", ".mp3", ".m4b"})
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_the_quickstart_renders_and_is_found_finished(tmp_path: Path) -> None:
    """All its files, by the command, on nothing but a folder of weights; the second time nothing is made."""
    manifest = tmp_path / "quickstart.yaml"
    for name in ("quickstart.md", "quickstart.jpg"):
        shutil.copy(REPOSITORY / "manifests" / name, tmp_path)
    # Random weights speak noise, again and again.
    manifest.write_text((REPOSITORY / "manifests" / manifest.name).read_text() + "checks: {retakes: 0}\n")
    weights = write_weights(tmp_path / "weights", eos_bias=3.0)
    command = ("render", manifest, "--engine", "dia", "--weights", weights, "--json")
    first = run_podcast(*command, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout)
    assert report["takes"]["rendered"] == report["takes"]["total"] > 10
    job = tmp_path / "output" / "quickstart"
    assert {item["preset"] for item in report["deliverables"]} == {"podcast", "m4b"}
    assert all((job / item["path"]).stat().st_size for item in report["deliverables"])
    assert len(list((job / "voices").glob("*.flac"))) == 2, "one audition for each of the two voices"
    again = run_podcast(*command, cwd=tmp_path)
    assert json.loads(again.stdout)["takes"]["reused"] == report["takes"]["total"]


@pytest.mark.slow
def test_takes_are_the_same_bytes_elsewhere_and_after_losing_some(
    make_job: MakeJob, dia: Settings, tmp_path: Path
) -> None:
    """One by one or together, in another folder, and after half of them and an audition are gone."""
    job, report = render(make_job, dia, LONG)
    assert report.status == "done", report.problems
    whole = sounds(job.workspace.root)
    alone = dia.model_copy(update={"output": tmp_path / "elsewhere", "slots": 1})
    assert sounds(render(make_job, alone, LONG)[0].workspace.root) == whole
    for lost in [*sorted(job.workspace.takes.glob("*.flac"))[::2], *job.workspace.voices.glob("*.json")]:
        lost.unlink()
    assert sounds(render(make_job, dia, LONG)[0].workspace.root) == whole


@pytest.mark.slow
def test_a_doubtful_take_is_tried_again_and_named(make_job: MakeJob, dia: Settings) -> None:
    """Tiny weights say nothing, and stop long before their text could be over."""
    job, report = render(make_job, dia, checks={"retakes": 1})
    choice = read_choice(job.workspace.takes, job.takes[0].key)
    assert choice is not None
    assert len(choice.attempts) == 2 or choice.split
    assert report.status == "done"
    assert report.retaken
    told = [problem.what for problem in report.problems]
    assert any("of the time its text takes" in what for what in told)
    assert any("a prompt needs 3 to 10 s" in what for what in told), "of the audition"


def test_settings_and_weights_are_part_of_a_take(make_job: MakeJob, dia: Settings, tmp_path: Path) -> None:
    """Another value of any setting makes other takes, and `plan` says that it was the engine's."""
    job, _report = render(make_job, dia)
    keys = {plan.key for plan in job.takes}
    for changed in ({"cfg_scale": 2.0}, {"temperature": 1.0}, {"top_p": 0.9}, {"top_k": 30}, {"cfg_frames": 9},
                    {"max_seconds": 1.6}, {"precision": "fp32"}):  # fmt: skip
        other = open_job(make_job(SHORT, engine="dia", dia=BRIEF | changed), dia)
        assert not keys & {plan.key for plan in other.takes}, changed
        assert {reason for _plan, _action, reason in explain(other.takes, job.store)} == {"engine"}
    others = dia.model_copy(update={"weights": str(write_weights(tmp_path / "other", seed=1))})
    assert not keys & {plan.key for plan in open_job(make_job(SHORT, engine="dia", dia=BRIEF), others).takes}
    elsewhere = dia.model_copy(update={"device": "cpu", "slots": 3})
    assert keys == {plan.key for plan in open_job(make_job(SHORT, engine="dia", dia=BRIEF), elsewhere).takes}


def clip(path: Path, seconds: float = 4.0, level: float = 0.1) -> Path:
    noise = np.random.default_rng(0).standard_normal(round(seconds * 44_100)) * level
    soundfile.write(path, np.clip(noise, -1, 1), 44_100, subtype="PCM_24")
    return path


def voice_folder(folder: Path, name: str, transcript: str = "One two three four five six.", **clip_like: float) -> None:
    (folder / name).mkdir(parents=True)
    clip(folder / name / "prompt.flac", **clip_like)
    body = {"description": "d", "consent": "made by a generator", "prompt": "prompt.flac", "transcript": transcript}
    (folder / name / "voice.yaml").write_text(json.dumps(body))


def test_a_voice_with_a_prompt_needs_no_audition(make_job: MakeJob, dia: Settings, tmp_path: Path) -> None:
    """Its takes depend on the clip and its words, and on nothing else of the voice."""
    voice_folder(tmp_path / "mine", "zoe")
    own = dia.model_copy(update={"voices": (tmp_path / "mine", *dia.voices)})
    job, report = render(make_job, own, cast={"Ann": "zoe"})
    assert report.status == "done"
    assert not list(job.workspace.voices.iterdir())
    before = {plan.key for plan in job.takes}
    described = tmp_path / "mine" / "zoe" / "voice.yaml"
    described.write_text(described.read_text().replace('"d"', '"another"'))
    assert before == {
        plan.key for plan in open_job(make_job(SHORT, engine="dia", cast={"Ann": "zoe"}, dia=BRIEF), own).takes
    }
    described.write_text(described.read_text().replace("six", "seven"))
    other = open_job(make_job(SHORT, engine="dia", cast={"Ann": "zoe"}, dia=BRIEF), own)
    assert not before & {plan.key for plan in other.takes}
    assert {reason for _plan, _action, reason in explain(other.takes, job.store)} == {"voice"}


@pytest.mark.parametrize(
    ("transcript", "like", "told"),
    [
        ("One two three four five six.", {"seconds": 11.0}, "a prompt needs 3 to 10 s"),
        ("One two three four five six.", {"level": 0.0}, "there is no sound in it"),
        ("A" * 200, {}, "cannot be the exact words"),
        ("One, two. " * 40, {"seconds": 10.0}, "more than 330"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(
    make_job: MakeJob, dia: Settings, tmp_path: Path, transcript: str, like: dict[str, float], told: str
) -> None:
    """Before anything is rendered, with the reason."""
    voice_folder(tmp_path / "mine", "zoe", transcript, **like)
    own = dia.model_copy(update={"voices": (tmp_path / "mine", *dia.voices)})
    with pytest.raises(RequestError) as error:
        open_job(make_job(SHORT, engine="dia", cast={"Ann": "zoe"}, dia=BRIEF), own)
    assert told in str(error.value)


def test_another_language_is_warned_of(make_job: MakeJob, dia: Settings) -> None:
    """Dia was made for English."""
    job = open_job(make_job(SHORT, engine="dia", language="de"), dia)
    assert any('may speak "de"' in problem.what for problem in job.warnings)


def test_a_tag_that_is_none_is_warned_of(make_job: MakeJob, dia: Settings) -> None:
    """With the one that may be meant; a bracket of another kind is left alone."""
    text = "**Ann:** (giggling) The lamp (which is red) is lit (whispers) before the ships come. (laughs) (maybe)\n"
    told = [problem for problem in open_job(make_job(text, engine="dia"), dia).warnings if "no tag" in problem.what]
    assert [problem.what.split(" ")[0] for problem in told] == ["(giggling)", "(whispers)"]
    assert told[0].next == "Did you mean (laughs)?"
    assert not [p for p in open_job(make_job(text), dia, engine="draft").warnings if "no tag" in p.what]


def test_weights_that_are_not_there_are_told_with_the_command_that_fetches_them(
    make_job: MakeJob, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is fetched unasked."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    away = settings.model_copy(update={"weights": "somebody/some-dia"})
    with pytest.raises(RequestError, match="podcast weights fetch somebody/some-dia"):
        open_job(make_job(SHORT, engine="dia"), away)


def test_another_model_is_told_before_its_codec_is_looked_for(weights: Path) -> None:
    """Somebody names the codec's folder."""
    with pytest.raises(EngineError, match='"dac"'):
        open_engine("dia", machine=Machine(weights=str(weights / "dac")))


def test_numbers_that_break_down_end_the_take_and_not_the_job(
    make_job: MakeJob, settings: Settings, tmp_path: Path
) -> None:
    """Every take of such weights fails with its reason, and the command still ends in a report."""
    broken = settings.model_copy(update={"weights": str(write_weights(tmp_path / "nan", nan=True))})
    _job, report = render(make_job, broken)
    assert report.status == "failed"
    assert any("no finite numbers" in problem.what for problem in report.problems)


def test_an_unknown_device_is_told_before_anything_is_made(weights: Path) -> None:
    """With those there are."""
    engine = open_engine("dia", machine=Machine(weights=str(weights), device="cuda:7"))
    with pytest.raises(EngineError, match='there is no "cuda:7" here'):
        list(engine.render([]))


def requests(voice: Voice, texts: list[str]) -> list[Request]:
    return [Request(str(number), (Line(voice, text),), "en", number) for number, text in enumerate(texts)]


def test_what_cannot_be_spoken_fails_alone(weights: Path, settings: Settings) -> None:
    """A text of more bytes than the encoder reads, among others that are fine."""
    voice = load_library(settings.voices)["ada"].voice
    engine = open_engine("dia", machine=Machine(weights=str(weights)))
    made = list(engine.render(requests(voice, ["Short enough.", "Far too long. " * 90, "Short as well."])))
    assert sorted(result.request.key for result in made) == ["0", "1", "2"]
    (failed,) = [result for result in made if isinstance(result, Failed)]
    assert failed.request.key == "1"
    assert failed.final
    assert "Dia reads 1024" in failed.reason


def test_a_take_is_as_long_as_its_codes_and_no_longer_than_asked(weights: Path, settings: Settings) -> None:
    """Also on a codec that runs on a device named apart."""
    voice = load_library(settings.voices)["ada"].voice
    request = dataclasses.replace(requests(voice, ["A few words."])[0], max_s=0.1)
    engine = open_engine("dia", machine=Machine(weights=str(weights), device="cpu", codec_device="cpu"))
    (made,) = engine.render([request])
    assert isinstance(made, Rendered)
    assert made.codes is not None
    assert len(made.pcm) == len(made.codes) * HOP
    assert len(made.codes) <= 8


def test_a_request_may_have_its_own_temperature(weights: Path, settings: Settings) -> None:
    """The bytes of an engine with this temperature, whatever it is rendered with; without one, the usual bytes."""
    voice = load_library(settings.voices)["ada"].voice
    plain = [dataclasses.replace(one, max_s=0.4) for one in requests(voice, ["The lamp is lit.", "And so?"] * 3)]
    temperatures = (None, 0.0, 0.7, None, 1.2, 2.4)
    own = [dataclasses.replace(one, temperature=value) for one, value in zip(plain, temperatures, strict=True)]

    def sounds(wanted: list[Request], temperature: float | None, slots: int) -> dict[str, bytes]:
        engine = open_engine("dia", DiaSound(temperature=temperature), Machine(weights=str(weights), slots=slots))
        made = [result for result in engine.render(wanted) if isinstance(result, Rendered)]
        return {rendered.request.key: rendered.pcm.tobytes() for rendered in made}

    together, usual = sounds(own, None, 4), sounds(plain, None, 4)
    assert together == sounds(own[::-1], None, 1)
    assert together.keys() == {one.key for one in plain}
    for one, value in zip(plain, temperatures, strict=True):
        assert together[one.key] == sounds([one], value, 1)[one.key]
        assert (together[one.key] == usual[one.key]) == (value in (None, 1.2))  # 1.2 is the network's


@pytest.mark.slow
def test_say_gives_the_codes_of_a_line(weights: Path, tmp_path: Path) -> None:
    """`--temperature 0` gives the same whatever the seed, and the codes are those of the sound."""
    ada = load_library([bundled_voices()])["ada"].voice
    command = ("say", "[S1] So it is.", "--out", "x.wav", "--engine", "dia", "--weights", weights)
    for seed, precision in enumerate(("fp32", "bf16", "int8"), 1):
        more = ("--temperature", "0", "--codes", "x.npy", "--seed", str(seed), "--precision", precision)
        result = run_podcast(*command, *more, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        codes = np.load(tmp_path / "x.npy")
        assert (codes.dtype, codes.shape[1]) == (np.int16, 9)
        assert soundfile.info(tmp_path / "x.wav").frames == len(codes) * HOP
        loaded = open_engine("dia", DiaSound(temperature=0, precision=precision), Machine(weights=str(weights)))
        (made,) = loaded.render([Request("0", (Line(ada, "[S1] So it is."),), "en", 0)])
        assert isinstance(made, Rendered)
        assert made.codes is not None
        assert np.array_equal(codes, made.codes)
    refused = run_podcast("say", "A line", "--out", "x.wav", "--engine", "draft", "--codes", "x.npy", cwd=tmp_path)
    assert refused.returncode == 2
    assert "sound without codes" in refused.stderr


@pytest.mark.slow
def test_auditions_to_choose_from_become_a_voice(weights: Path, tmp_path: Path) -> None:
    """Several performances of one voice, the first being the one that jobs use."""
    command = ("voices", "audition", "ada", "--takes", "3", "--weights", weights, "--json")
    result = run_podcast(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    made = json.loads(result.stdout)
    assert made["transcript"] == AUDITION
    assert [one["number"] for one in made["auditions"]] == [0, 1, 2]
    sounds = {(tmp_path / one["path"]).read_bytes() for one in made["auditions"]}
    assert len(sounds) == 3


@pytest.mark.slow
def test_converted_weights_speak(weights: Path, make_job: MakeJob, dia: Settings, tmp_path: Path) -> None:
    """The command writes a folder that renders a job like any other."""
    result = run_podcast("weights", "convert", weights, tmp_path / "converted", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    shutil.copytree(weights / "dac", tmp_path / "converted" / "dac")
    moved = dia.model_copy(update={"weights": str(tmp_path / "converted")})
    assert render(make_job, moved)[1].status == "done"


def test_two_voices_are_told_apart_by_tags(settings: Settings) -> None:
    """And the closing tag is of who would come next."""
    library = load_library(settings.voices)
    ada, ben = library["ada"].voice, library["ben"].voice
    text = compose([Line(ada, "Good evening."), Line(ada, "Come in."), Line(ben, "Thank you.")])
    assert text == "[S1] Good evening. Come in. [S2] Thank you. [S1]"
    assert tokens(text)[0] == 1


@pytest.mark.slow
def test_kill_9_costs_only_what_was_not_finished(make_job: MakeJob, weights: Path, tmp_path: Path) -> None:
    """Killed between takes, again and again, the job ends with the bytes of one that was left alone."""
    manifest = make_job(LONG, engine="dia", dia=BRIEF)
    command = ("render", manifest, "--weights", weights, "--device", "cpu", "--out")
    assert run_podcast(*command, tmp_path / "alone", cwd=tmp_path).returncode == 0
    killed = tmp_path / "killed" / "job"
    for least in (1, 3):
        process = subprocess.Popen([PODCAST, *map(str, command), str(tmp_path / "killed")], cwd=tmp_path)
        while process.poll() is None and len(list(killed.glob("*/*.json"))) < 2 * least:
            time.sleep(0.01)
        process.kill()
        process.wait()
    there = {path: path.stat().st_mtime_ns for path in take_records(killed)}
    assert run_podcast(*command, tmp_path / "killed", cwd=tmp_path).returncode == 0
    assert there == {path: path.stat().st_mtime_ns for path in there}, "no finished take is made again"
    wanted = sounds(tmp_path / "alone" / "job")
    assert wanted
    assert sounds(killed) == wanted
