from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engines.dia.weights.fingerprint import choose_files, fingerprint, weight_files
from pipeline.errors import EngineError
from tests.support import tiny_dia

CONFIG = tiny_dia.config_dict(decoder={"vocab_size": 1027, "num_channels": 1}, delay_pattern=[0])
STATE = tiny_dia.make_state(CONFIG)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights in two files and an index."""
    return tiny_dia.write_transformers(tmp_path / "weights", CONFIG, STATE, shards=2)


def flip_last_byte(file: Path) -> None:
    """Change `file` but neither its size nor its times."""
    status = file.stat()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_the_content_and_nothing_else_makes_a_fingerprint(folder: Path, tmp_path: Path) -> None:
    first = fingerprint(folder)
    assert len(first) == 64
    assert fingerprint(shutil.copytree(folder, tmp_path / "copy")) == first
    (folder / "README.md").write_text("not read")
    (folder / "pytorch_model.bin").write_bytes(b"not read")
    assert fingerprint(folder) == first


@pytest.mark.parametrize("name", ["config.json", *(f"model-0000{n}-of-00002.safetensors" for n in (1, 2))])
def test_a_change_in_any_file_that_is_read_changes_the_fingerprint(name: str, folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    with (other / name).open("ab") as file:
        file.write(b" ")
    assert fingerprint(other) != fingerprint(folder)


def test_a_file_that_has_not_changed_is_not_hashed_again(folder: Path, cache: Path) -> None:
    first = fingerprint(folder)
    flip_last_byte(folder / "model-00002-of-00002.safetensors")
    assert fingerprint(folder) == first
    shutil.rmtree(cache)
    assert fingerprint(folder) != first


def test_a_file_that_is_linked_is_known_by_what_it_links_to(folder: Path, tmp_path: Path) -> None:
    """As in the cache of huggingface_hub, where every snapshot links to the same blobs."""
    first = fingerprint(folder)
    linked = tmp_path / "linked"
    linked.mkdir()
    for file in folder.iterdir():
        (linked / file.name).symlink_to(file)
    flip_last_byte(folder / "model-00002-of-00002.safetensors")
    assert fingerprint(linked) == first


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"a": 1}'])
def test_a_broken_cache_is_no_cache(content: bytes, folder: Path, cache: Path) -> None:
    first = fingerprint(folder)
    [kept] = (cache / "podcast-pipeline").iterdir()
    kept.write_bytes(content)
    assert fingerprint(folder) == first
    flip_last_byte(folder / "model-00002-of-00002.safetensors")
    assert fingerprint(folder) == first  # it was written again


def test_values_in_the_cache_that_are_no_hashes_are_ignored(folder: Path, cache: Path) -> None:
    first = fingerprint(folder)
    [kept] = (cache / "podcast-pipeline").iterdir()
    kept.write_text(json.dumps(dict.fromkeys(json.loads(kept.read_text()), 5)))
    assert fingerprint(folder) == first


def test_a_cache_that_cannot_be_written_is_no_matter(folder: Path, cache: Path) -> None:
    cache.touch()  # a file where the folder belongs
    assert fingerprint(folder) == fingerprint(folder)


def test_a_single_file_has_a_fingerprint_too(folder: Path) -> None:
    one, two = (fingerprint(folder / f"model-0000{n}-of-00002.safetensors") for n in (1, 2))
    assert one != two
    (folder / "config.json").write_text("{}")
    assert fingerprint(folder / "model-00001-of-00002.safetensors") == one


def test_a_folder_that_needs_no_configuration_has_a_fingerprint(tmp_path: Path) -> None:
    """descript-audio-codec's weights are a pickle and nothing else."""
    (tmp_path / "weights.pth").write_bytes(b"a")
    first = fingerprint(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert fingerprint(tmp_path) != first


def test_neither_tensors_nor_the_hub_are_loaded(folder: Path) -> None:
    """Weights are found, read about and fingerprinted for a plan, which must answer at once."""
    code = (
        "import sys; from pathlib import Path; from pipeline.engines.dia.weights import config, fingerprint, hub;"
        "folder = hub.locate(sys.argv[1], 'dia'); config.read_config(folder); print(fingerprint.fingerprint(folder));"
        "print([name for name in ('torch', 'safetensors', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [fingerprint(folder), "[]"]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (
            [
                "model-2.safetensors",
                "model-1.safetensors",
                "model.safetensors.index.json",
                "pytorch_model.bin",
                "a.pth",
            ],
            ["model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors"],
        ),
        (["a.safetensors", "model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["dia-v0_1.safetensors", "dia-v0_1.pth"], ["dia-v0_1.safetensors"]),
        (["pytorch_model.bin", "dia-v0_1.pth"], ["pytorch_model.bin"]),
        (["dia-v0_1.pth", "config.json", "README.md"], ["dia-v0_1.pth"]),
    ],
)
def test_one_kind_of_weights_is_chosen(names: list[str], chosen: list[str]) -> None:
    assert choose_files(names, "here") == chosen


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["config.json", "model.gguf"], "here: there are no weights: no model.safetensors.index.json, "),
        (["a.safetensors", "b.safetensors", "c.pth"], "nothing tells which are meant: a.safetensors, b.safetensors."),
        (["b.pth", "a.pth"], "nothing tells which are meant: a.pth, b.pth."),
    ],
)
def test_no_weights_or_too_many_are_told(names: list[str], said: str) -> None:
    with pytest.raises(EngineError) as caught:
        choose_files(names, "here")
    [problem] = caught.value.problems
    assert said in str(problem)
    assert problem.next


def test_every_shard_that_is_missing_is_told(folder: Path) -> None:
    assert [file.name for file in weight_files(folder)] == [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for file in weight_files(folder):
        file.unlink()
    with pytest.raises(EngineError) as caught:
        fingerprint(folder)
    assert [problem.where for problem in caught.value.problems] == [
        str(folder / f"model-0000{n}-of-00002.safetensors") for n in (1, 2)
    ]
    assert "is missing; model.safetensors.index.json names it." in caught.value.problems[0].what


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', '{"weight_map": {"a": "../../etc/passwd"}}'],
)
def test_an_index_that_is_none_is_told(content: str, folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    index.write_text(content)
    with pytest.raises(EngineError) as caught:
        weight_files(folder)
    assert str(caught.value) == f"{index}: is no index of weight files. Fetch the weights again."


def test_a_link_to_nowhere_is_told(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors.index.json").unlink()
    for file in folder.iterdir():
        file.unlink()
    (folder / "model.safetensors").symlink_to(folder / "gone")
    with pytest.raises(EngineError, match=r"model\.safetensors: cannot be read: No such file"):
        fingerprint(folder)
