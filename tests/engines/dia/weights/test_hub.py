"""Against a hub that runs on loopback, as a user with a home of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pipeline.engines.dia.weights.config import read_config
from pipeline.engines.dia.weights.hub import DEFAULT_CODEC, DEFAULT_DIA, locate
from pipeline.engines.dia.weights.tensors import load_weights
from pipeline.errors import EngineError
from tests.support import tiny_dia
from tests.support.loopback_hub import Hub, User, running_hub

DIA = "someone/Tiny-Dia"
CONFIG = tiny_dia.config_dict(decoder={"vocab_size": 1027, "num_channels": 1}, delay_pattern=[0])
STATE = tiny_dia.make_state(CONFIG)
FIRST, SECOND = "1" * 40, "2" * 40  # commits
LARGE = 24 << 20  # huggingface_hub hands a download on in pieces of 10 MiB


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders to push: `shards` (beside them a pickle and a page about it), `one`, `pickle`, `v1`, `codec`."""
    root = tmp_path_factory.mktemp("folders")
    shards = tiny_dia.write_transformers(root / "shards", CONFIG, STATE, shards=2)
    (shards / "pytorch_model.bin").write_bytes(b"not needed")
    (shards / "README.md").write_text("not needed")
    tiny_dia.write_transformers(root / "one", CONFIG, tiny_dia.make_state(CONFIG, seed=1))
    tiny_dia.write_nari(root / "pickle", CONFIG, STATE)
    tiny_dia.write_v1(root / "v1", CONFIG, STATE)
    (root / "codec").mkdir()
    (root / "codec" / "config.json").write_text('{"model_type": "dac"}')
    (root / "codec" / "model.safetensors").write_bytes(b"weights of a codec")
    return root


@pytest.fixture
def hub(folders: Path) -> Iterator[Hub]:
    """A running hub with `DIA` in it."""
    with running_hub() as running:
        running.add(DIA, FIRST, folders / "shards")
        yield running


@pytest.fixture
def user(hub: Hub, tmp_path: Path) -> Iterator[User]:
    """Somebody at that hub."""
    with User(tmp_path / "home", HF_ENDPOINT=hub.url) as running:
        yield running


def test_what_was_fetched_is_located_without_the_hub(hub: Hub, user: User, tmp_path: Path) -> None:
    folder = user.fetch(DIA)
    needed = ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert sorted(file.name for file in folder.iterdir()) == [*needed, "model.safetensors.index.json"]
    assert len(hub.downloads()) == 2
    assert "model-00001-of-00002.safetensors: 100%" in user.stderr.read_text()
    before = len(hub.log)
    with User(tmp_path / "home", HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1") as offline:
        assert offline.locate(DIA) == folder
        assert offline.error("fetch", DIA).startswith(f"{DIA}: cannot be fetched: HF_HUB_OFFLINE is set.")
    assert len(hub.log) == before
    loaded = load_weights(folder, read_config(folder), torch.float32, "cpu")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in STATE.items())


def test_nothing_is_downloaded_twice(hub: Hub, user: User) -> None:
    folder = user.fetch(DIA)
    assert user.fetch(DIA) == folder
    assert len(hub.downloads()) == 2


@pytest.mark.parametrize(("name", "file"), [("pickle", "pytorch_model.bin"), ("v1", "dia-v0_1.pth")])
def test_pickles_are_fetched_where_there_is_nothing_else(
    name: str, file: str, hub: Hub, user: User, folders: Path
) -> None:
    hub.add(f"someone/{name}", SECOND, folders / name)
    hub.repositories[f"someone/{name}"][SECOND]["onnx/model.safetensors"] = b"of another program"
    folder = user.fetch(f"someone/{name}")
    assert sorted(found.name for found in folder.iterdir()) == ["config.json", file]
    assert (folder / file).read_bytes() == (folders / name / file).read_bytes()


def test_an_interrupted_download_goes_on_where_it_stopped(hub: Hub, user: User, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.mkdir()
    (large / "config.json").write_text("{}")
    content = os.urandom(1 << 20) * (LARGE >> 20)
    (large / "model.safetensors").write_bytes(content)
    hub.add("someone/large", FIRST, large)
    hub.faults = ["drop", "refuse"]
    error = user.error("fetch", "someone/large")
    assert error == (
        f"someone/large: {hub.url} answered with status 500. "
        "Run the same command again later; it goes on where it stopped."
    )
    assert "was not fetched" in user.error("locate", "someone/large", "dia")
    before = len(hub.downloads())
    folder = user.fetch("someone/large")
    assert [span for _, span in hub.downloads()[before:]] == [f"bytes={20 << 20}-"]
    assert (folder / "model.safetensors").read_bytes() == content
    assert not list((tmp_path / "home").rglob("*.incomplete"))


def test_a_download_that_arrives_damaged_is_thrown_away(hub: Hub, user: User, folders: Path) -> None:
    hub.add(DIA, SECOND, folders / "one")
    hub.faults = ["damage"]
    error = user.error("fetch", DIA)
    assert error == f"{DIA}/model.safetensors: arrived damaged. Run the same command again."
    folder = user.fetch(DIA)
    assert (folder / "model.safetensors").read_bytes() == (folders / "one" / "model.safetensors").read_bytes()


def test_a_part_that_is_larger_than_the_whole_is_thrown_away(
    hub: Hub, user: User, folders: Path, tmp_path: Path
) -> None:
    hub.add(DIA, SECOND, folders / "one")
    content = (folders / "one" / "model.safetensors").read_bytes()
    blobs = tmp_path / "home" / "hf" / "hub" / "models--someone--Tiny-Dia" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{hashlib.sha256(content).hexdigest()}.incomplete").write_bytes(content + b"more")
    assert (user.fetch(DIA) / "model.safetensors").read_bytes() == content


def test_what_is_located_changes_only_when_it_is_fetched(hub: Hub, user: User, folders: Path) -> None:
    first = user.fetch(DIA)
    assert first.name == FIRST
    hub.add(DIA, SECOND, folders / "one")
    assert user.locate(DIA) == first
    second = user.fetch(DIA)
    assert second.name == SECOND
    assert user.locate(DIA) == second


def test_a_download_of_another_program_does_not_change_what_was_fetched(
    hub: Hub, user: User, folders: Path, tmp_path: Path
) -> None:
    first = user.fetch(DIA)
    hub.add(DIA, SECOND, folders / "one")
    code = f"import huggingface_hub as hub; print(hub.hf_hub_download({DIA!r}, 'config.json'))"
    done = subprocess.run([sys.executable, "-c", code], env=user.env, check=True, capture_output=True, text=True)
    assert SECOND in done.stdout
    assert user.locate(DIA) == first


def test_weights_that_another_program_fetched_are_found(user: User, tmp_path: Path) -> None:
    folder = user.fetch(DIA)
    shutil.rmtree(tmp_path / "home" / "data")
    assert user.locate(DIA) == folder
    assert user.locate(f"{DIA}@{FIRST}") == folder


def test_a_revision_is_a_name_of_its_own(hub: Hub, user: User, folders: Path) -> None:
    hub.add(DIA, SECOND, folders / "one")
    assert user.fetch(f"{DIA}@{FIRST}").name == FIRST
    assert user.locate(f"{DIA}@{FIRST}").name == FIRST
    assert "was not fetched" in user.error("locate", DIA, "dia")
    assert user.fetch(DIA).name == SECOND
    assert user.locate(f"{DIA}@{FIRST}").name == FIRST


def test_a_part_of_the_weights_is_not_located(hub: Hub, user: User, folders: Path) -> None:
    hub.add("someone/one", SECOND, folders / "one")
    for name, file in ((DIA, "model-00002-of-00002.safetensors"), ("someone/one", "model.safetensors")):
        (user.fetch(name) / file).resolve().unlink()
        assert user.error("locate", name, "dia") == (
            f"{name}: is no folder here, and was not fetched from the hub. Run: podcast weights fetch {name}"
        )


def test_what_the_hub_refuses_is_told(hub: Hub, user: User, folders: Path) -> None:
    hub.gated.add("someone/gated")
    hub.add("someone/empty", FIRST, folders / "codec")
    del hub.repositories["someone/empty"][FIRST]["model.safetensors"]
    for name, said in (
        ("someone/nothing", f"there is no such repository at {hub.url}, or it is private. Look at its spelling"),
        ("nari-labs/dia-1.6b", f'or it is private. Did you mean "{DEFAULT_DIA}"?'),
        (f"{DIA}@other", f"the repository has no such revision. Look at {hub.url}/{DIA}/commits/main."),
        ("someone/gated", f"asks for its terms to be accepted. Accept them at {hub.url}/someone/gated and log in"),
        ("someone/empty", "there are no weights: no model.safetensors.index.json"),
        ("tiny", "is no hub id. Give owner/name, or owner/name@revision."),
        ("../etc/passwd", "is no hub id."),
    ):
        error = user.error("fetch", name)
        assert error.startswith(f"{name}: ")
        assert said in error


def test_no_hub_at_all_is_told(tmp_path: Path) -> None:
    with User(tmp_path / "home", HF_ENDPOINT="http://127.0.0.1:9") as user:
        assert user.error("locate", DIA, "dia") == (
            f"{DIA}: is no folder here, and was not fetched from the hub. Run: podcast weights fetch {DIA}"
        )
        error = user.error("fetch", DIA)
        assert error.startswith(f"{DIA}: no connection to http://127.0.0.1:9 (")
        assert error.endswith("; the same command goes on where it stopped.")
        assert {name: entry["path"] for name, entry in user.listing().items()} == {
            DEFAULT_DIA: None,
            DEFAULT_CODEC: None,
        }


def test_a_record_that_cannot_be_written_is_told(user: User, tmp_path: Path) -> None:
    (tmp_path / "home" / "data").touch()
    error = user.error("fetch", DIA)
    assert error.startswith(f"{tmp_path / 'home' / 'data' / 'podcast-pipeline' / 'weights.json'}: cannot be written")


def test_the_listing_tells_what_is_here(hub: Hub, user: User, folders: Path, tmp_path: Path) -> None:
    for name, pushed in (("nari-labs/Dia-1.6B", "v1"), (DEFAULT_CODEC, "codec"), ("else/model", "one")):
        hub.add(name, SECOND, folders / pushed)
    hub.repositories["else/model"][SECOND]["config.json"] = b'{"model_type": "llama"}'
    fetched = {name: user.fetch(name) for name in (DIA, "nari-labs/Dia-1.6B", DEFAULT_CODEC, "else/model")}
    record = tmp_path / "home" / "data" / "podcast-pipeline" / "weights.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"gone/dia": FIRST, "else/model": 5}))
    listed = user.listing()
    assert list(listed) == ["gone/dia", "nari-labs/Dia-1.6B", DEFAULT_DIA, DIA, DEFAULT_CODEC]
    size = sum(file.stat().st_size for file in fetched[DIA].iterdir() if "index" not in file.name)
    row = {"name": DIA, "kind": "dia", "path": str(fetched[DIA]), "revision": FIRST, "bytes": size, "network": "0626"}
    assert listed[DIA] == row
    assert listed["nari-labs/Dia-1.6B"]["network"] == "v1"
    assert (listed[DEFAULT_CODEC]["kind"], listed[DEFAULT_CODEC]["network"]) == ("codec", "codec")
    assert listed[DEFAULT_CODEC]["bytes"] == len('{"model_type": "dac"}') + len(b"weights of a codec")
    absent = {"kind": "dia", "path": None, "bytes": 0, "network": "?"}
    assert listed["gone/dia"] == absent | {"name": "gone/dia", "revision": FIRST}
    assert listed[DEFAULT_DIA] == absent | {"name": DEFAULT_DIA, "revision": None}


def test_a_folder_is_its_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "someone" / "Tiny-Dia").mkdir(parents=True)
    codec = tmp_path / "codec.pth"
    codec.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate(DIA, "dia") == Path(DIA)  # before a hub id of the same name
    assert locate(str(tmp_path), "codec") == tmp_path
    assert locate("~/someone", "dia") == tmp_path / "someone"
    assert locate("codec.pth", "codec") == Path("codec.pth")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("codec.pth", "codec.pth: is a file. Name the folder of the weights."),
        ("./weigths", './weigths: there is no such folder. Did you mean "weights"?'),
        (
            "/no/such/place",
            "/no/such/place: there is no such folder. Name a folder of weights, or a hub id: owner/name.",
        ),
    ],
)
def test_a_folder_that_is_not_there_is_told(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "codec.pth").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError) as caught:
        locate(name, "dia")
    assert str(caught.value) == said


@pytest.mark.parametrize("name", ["~nobody-of-this-name/dia", "x" * 5000])
def test_a_name_that_is_no_path_is_told(name: str) -> None:
    with pytest.raises(EngineError) as caught:
        locate(name, "dia")
    [problem] = caught.value.problems
    assert problem.where == name
    assert problem.what.startswith("is no path: ")
    assert problem.next == "Name a folder of weights, or a hub id."
