"""Kokoro's files: which are meant, and how they come here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pipeline.engines import KOKORO_VOICES
from pipeline.engines.hub import is_as_fetched
from pipeline.engines.kokoro.weights import DEFAULT_KOKORO, locate_kokoro
from pipeline.errors import EngineError
from tests.support.commands import run_podcast
from tests.support.loopback_hub import Hub, running_hub

FIRST = "1" * 40


def _write(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(file.encode())
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with what the usual repository has, and more."""
    pushed = _write(
        tmp_path / "pushed",
        *(f"voices/{name}.bin" for name in (*KOKORO_VOICES, "jf_alpha")),
        *("onnx/model_quantized.onnx", "onnx/model.onnx", "config.json", "README.md"),
    )
    with running_hub() as running:
        running.add(DEFAULT_KOKORO, FIRST, pushed)
        running.add("someone/kokoro", FIRST, _write(tmp_path / "poor", "onnx/model_quantized.onnx"))
        yield running


def _home(tmp_path: Path, hub: Hub) -> Mapping[str, str]:
    return {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": hub.url,
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "NO_PROXY": "127.0.0.1,localhost",
    }


def test_one_command_fetches_what_is_needed_and_no_more(tmp_path: Path, hub: Hub) -> None:
    """The small model and the English voices; a second time nothing; the list tells where it all is."""
    home = _home(tmp_path, hub)
    assert "weights are not here" in run_podcast("doctor", cwd=tmp_path, env=home).stdout
    fetched = run_podcast("weights", "fetch", "kokoro", cwd=tmp_path, env=home)
    assert fetched.returncode == 0, fetched.stderr
    folder = Path(fetched.stdout.strip())
    assert folder.name == FIRST
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == {"onnx/model_quantized.onnx", *(f"voices/{name}.bin" for name in KOKORO_VOICES)}
    assert all((folder / file).read_bytes() == file.encode() for file in files)
    downloads = len(hub.downloads())
    assert run_podcast("weights", "fetch", "kokoro", cwd=tmp_path, env=home).returncode == 0
    assert len(hub.downloads()) == downloads
    listed = json.loads(run_podcast("weights", "list", "--json", cwd=tmp_path, env=home).stdout)["weights"]
    (row,) = [row for row in listed if row["kind"] == "kokoro"]
    size = sum(len(file) for file in files)
    assert row == {"name": DEFAULT_KOKORO, "path": str(folder), "revision": FIRST, "bytes": size} | {
        "kind": "kokoro",
        "network": "kokoro",
    }
    assert [row["name"] for row in listed].count(DEFAULT_KOKORO) == 1


def test_what_the_repository_lacks_is_told(tmp_path: Path, hub: Hub) -> None:
    """And nothing is fetched; the repository is the one that the setting names."""
    env = dict(_home(tmp_path, hub)) | {"PODCAST_KOKORO": "someone/kokoro"}
    fetched = run_podcast("weights", "fetch", "kokoro", cwd=tmp_path, env=env)
    assert fetched.returncode == 1
    assert "someone/kokoro: the repository lacks voices/af_alloy.bin, voices/af_aoede.bin" in fetched.stderr
    assert hub.downloads() == []
    listed = run_podcast("weights", "list", cwd=tmp_path, env=env).stdout
    assert "someone/kokoro  kokoro  -  not here: podcast weights fetch kokoro" in listed


def test_a_folder_or_a_file_is_its_own_place(tmp_path: Path) -> None:
    """As it lies on the hub, or all in one folder."""
    hub_like = _write(tmp_path / "hub", "onnx/model_quantized.onnx", "onnx/model.onnx", "voices/af_sky.bin")
    flat = _write(tmp_path / "flat", "kokoro-v1.0.int8.onnx", "voices/af_sky.bin")
    files = locate_kokoro(str(hub_like))
    assert (files.model, files.voice("af_sky")) == (
        hub_like / "onnx" / "model_quantized.onnx",
        hub_like / "voices" / "af_sky.bin",
    )
    assert locate_kokoro(str(hub_like / "onnx" / "model.onnx")).voices == hub_like / "voices"
    files = locate_kokoro(str(flat))
    assert (files.model, files.voices) == (flat / "kokoro-v1.0.int8.onnx", flat / "voices")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty", "empty: there is no model: no *.onnx."),
        ("two", "two: there are several models, and nothing tells which is meant: a.onnx, b.onnx. Name the file."),
        ("./emtpy", './emtpy: there is no such folder or file. Did you mean "empty"?'),
        ("owner/name", "owner/name: is no folder here, and was not fetched from the hub. Run: podcast weights fetch"),
        ("~nobody-of-this-name/x", "~nobody-of-this-name/x: is no path: "),
    ],
)
def test_what_is_no_model_is_told(name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next step."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", os.devnull)
    (tmp_path / "empty").mkdir()
    _write(tmp_path / "two", "a.onnx", "b.onnx")
    with pytest.raises(EngineError) as caught:
        locate_kokoro(name)
    assert str(caught.value).startswith(said)


def test_a_file_that_is_damaged_here_is_fetched_again(tmp_path: Path, hub: Hub) -> None:
    """The command that every message of damaged weights names mends them."""
    home = _home(tmp_path, hub)
    folder = Path(run_podcast("weights", "fetch", "kokoro", cwd=tmp_path, env=home).stdout.strip())
    model, voice = folder / "onnx" / "model_quantized.onnx", folder / "voices" / "af_heart.bin"
    whole = model.read_bytes(), voice.read_bytes()
    model.write_bytes(whole[0][::-1])
    voice.write_bytes(whole[1][:3])
    assert not is_as_fetched(model)
    fetched = run_podcast("weights", "fetch", "kokoro", cwd=tmp_path, env=home)
    assert fetched.returncode == 0, fetched.stderr
    assert (model.read_bytes(), voice.read_bytes()) == whole
    assert is_as_fetched(model)
