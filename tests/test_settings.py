"""Settings come from options, else from the environment, else from defaults; what is wrong is told where it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.engines import DiaSound, Machine
from pipeline.errors import RequestError
from pipeline.settings import Settings, bundled_voices, load_settings, usable_cores
from pipeline.window import Window
from tests.support.commands import REPOSITORY

VARIABLES = {f"PODCAST_{name.upper()}": name for name in Settings.model_fields}


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder of its own, with none of the variables."""
    monkeypatch.chdir(tmp_path)
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_everything_has_a_default() -> None:
    """Voices are looked for in the working folder, and among those that ship."""
    settings = load_settings()
    assert settings.output == Path("output")
    assert settings.voices == (Path("voices"), bundled_voices())
    assert settings.jobs == usable_cores()
    others = settings.model_dump(exclude={"output", "voices", "jobs"})
    assert set(others.values()) == {None}


def test_nothing_but_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of variables, and an empty variable is none."""
    Path(".env").write_text("PODCAST_SLOTS=7\n")
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")
    assert load_settings() == Settings()
    assert load_settings().slots is None


def test_options_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are None were not given."""
    monkeypatch.setenv("PODCAST_SLOTS", "3")
    monkeypatch.setenv("PODCAST_WINDOW", "9:00-17:00")
    monkeypatch.setenv("PODCAST_VOICES", os.pathsep.join(["mine", "/theirs"]))
    settings = load_settings(window="23:00-6:30", slots=None, jobs="2")
    assert (settings.slots, settings.window, settings.jobs) == (3, Window(1380, 390), 2)
    assert settings.voices == (Path("mine"), Path("/theirs"), Path("voices"), bundled_voices())


@pytest.mark.parametrize(
    ("variables", "problems"),
    [
        ({"SLOTS": "x"}, 'PODCAST_SLOTS: "x" is no whole number above 0. Set it to one, or unset it.'),
        ({"SLOTS": "0"}, 'PODCAST_SLOTS: "0" is no whole number above 0. Set it to one, or unset it.'),
        ({"JOBS": "1.5"}, 'PODCAST_JOBS: "1.5" is no whole number above 0. Set it to one, or unset it.'),
        ({"KERNELS": "quick"}, 'PODCAST_KERNELS: "quick" is unknown. Set it to one of: amx, vnni, plain, torch.'),
        ({"WINDOW": "night"}, 'PODCAST_WINDOW: "night" is no window of time. Write one such as 23:00-06:30.'),
        (
            {"WINDOW": "7", "SLOTS": "-1"},
            'PODCAST_SLOTS: "-1" is no whole number above 0. Set it to one, or unset it.\n'
            'PODCAST_WINDOW: "7" is no window of time. Write one such as 23:00-06:30.',
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_variable(
    variables: dict[str, str], problems: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, with what to do."""
    for name, value in variables.items():
        monkeypatch.setenv(f"PODCAST_{name}", value)
    with pytest.raises(RequestError) as caught:
        load_settings()
    assert str(caught.value) == problems


def test_what_is_wrong_is_told_at_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the variable is right."""
    monkeypatch.setenv("PODCAST_JOBS", "2")
    with pytest.raises(RequestError, match=r'^--jobs: "many" is no whole number above 0\.'):
        load_settings(jobs="many")
    with pytest.raises(RequestError, match=r'^--window: "5" cannot be used\. Set it to another value'):
        load_settings(window=5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "output": "here/output",
            "voices": (Path("mine"), Path("/theirs")),
            "jobs": 3,
            "weights": "weights",
            "codec": "owner/codec@main",
            "device": "cuda:0,cuda:1",
            "codec_device": "cpu",
            "slots": 5,
            "kernels": "plain",
            "takes": "s3://b/p",
            "cluster": "tcp://127.0.0.1:8786",
            "window": "23:00-06:30",
        },
    ],
)
def test_another_process_in_another_folder_loads_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    """Whatever was given as an option here."""
    Path("weights").mkdir()
    settings = load_settings(**options)
    environment = settings.environment()
    assert environment.keys() <= VARIABLES.keys()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = "from pipeline.settings import load_settings; print(load_settings().model_dump_json())"
    loaded = Settings.model_validate_json(
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | environment | {"PYTHONPATH": str(REPOSITORY)},
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    whole = {
        "output": settings.output.absolute(),
        "voices": tuple(dict.fromkeys((*map(Path.absolute, settings.voices), Path("voices"), bundled_voices()))),
        "weights": settings.weights and str(Path(settings.weights).absolute()),
    }
    assert loaded == settings.model_copy(update=whole)


def test_of_the_machine_dia_has_its_part() -> None:
    """With the first of several devices; how it speaks is not of the machine."""
    settings = load_settings(device="cpu:2x4,cuda:0", slots=5, weights="owner/weights", kernels="vnni")
    assert Machine.of(settings) == Machine(weights="owner/weights", device="cpu", slots=5, kernels="vnni")
    assert not {*Machine.__dataclass_fields__} & {*DiaSound.__dataclass_fields__}


def test_every_setting_is_described() -> None:
    """The descriptions are what `--help` shows."""
    assert all(field.description for field in Settings.model_fields.values())
