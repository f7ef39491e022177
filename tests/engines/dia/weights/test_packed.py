"""Weights in int8: rounded, written, mapped, and used where they may be."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.engines import DiaSound, Machine
from pipeline.engines.dia.engine import DiaEngine
from pipeline.engines.dia.kernels.packing import Int8Weight
from pipeline.engines.dia.weights import packed
from pipeline.engines.dia.weights.config import read_config
from pipeline.engines.dia.weights.fingerprint import packed_metadata
from pipeline.engines.dia.weights.tensors import load_weights, merge
from pipeline.errors import EngineError
from tests.support import tiny_dac, tiny_dia
from tests.support.commands import run_podcast


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny weights in fp32, with their codec."""
    folder = tmp_path_factory.mktemp("source")
    config = tiny_dia.config_dict(encoder={"max_position_embeddings": 1024}, decoder={"max_position_embeddings": 3072})
    tiny_dia.write_transformers(folder, config, tiny_dia.make_state(config))
    tiny_dac.write_transformers(folder / "dac")
    return folder


@pytest.fixture(scope="module")
def int8(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, packed."""
    folder = packed.convert(source, tmp_path_factory.mktemp("int8") / "weights")
    tiny_dac.write_transformers(folder / "dac")
    return folder


def merged(source: Path) -> dict[str, Tensor]:
    state = load_weights(source, read_config(source), torch.float32, "cpu")
    merge(state)
    return state


def test_every_product_but_the_head_is_rounded_and_nothing_else(source: Path, int8: Path) -> None:
    """To the nearest step of its channel; the head and the embeddings to bf16, norms not at all."""
    state = packed.load(int8, read_config(int8))
    before = merged(source)
    assert state.keys() == before.keys()
    assert {packed.kind(name) for name in state} == {*packed.KINDS, None}
    for name, weight in state.items():
        if isinstance(weight, Int8Weight):
            steps = weight.unpack() * weight.scale[:, None]
            assert ((steps - before[name]).abs() <= weight.scale[:, None] * 0.501).all()
            assert packed.kind(name) not in (None, "logits")
        else:
            assert packed.kind(name) in (None, "logits")
            assert torch.equal(weight, before[name].to(torch.float32 if "norm" in name else torch.bfloat16))


def test_the_file_is_mapped_and_not_read(int8: Path) -> None:
    """The tensors lie where the system has mapped the file."""
    state = packed.load(int8, read_config(int8))
    maps = [
        [int(end, 16) for end in line.split()[0].split("-")]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(str(int8 / "model.safetensors"))
    ]
    weights = [weight for weight in state.values() if isinstance(weight, Int8Weight)]
    assert weights
    for weight in weights:
        assert any(first <= weight.packed.data_ptr() < last for first, last in maps)


def test_weights_of_the_real_widths_are_aligned(tmp_path: Path) -> None:
    """Every tile begins with a cache line."""
    config = tiny_dia.config_dict(
        encoder={"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 128},
        decoder={"hidden_size": 128, "intermediate_size": 256, "cross_hidden_size": 64},
    )
    tiny_dia.write_transformers(tmp_path / "source", config, tiny_dia.make_state(config))
    folder = packed.convert(tmp_path / "source", tmp_path / "int8")
    state = packed.load(folder, read_config(folder))
    assert all(weight.packed.data_ptr() % 64 == 0 for weight in state.values() if isinstance(weight, Int8Weight))


def test_kinds_and_single_products_may_stay(source: Path, tmp_path: Path) -> None:
    """Those that are named, in bf16."""
    name = "decoder.layers.1.self_attention.o_proj.weight"
    folder = packed.convert(source, tmp_path / "kept", {"down", name})
    state = packed.load(folder, read_config(folder))
    stayed = {name for name, weight in state.items() if packed.kind(name) and isinstance(weight, Tensor)}
    assert stayed == {name} | {f"decoder.layers.{layer}.mlp.down_proj.weight" for layer in range(3)}


def test_without_int8_the_numbers_are_used_as_they_are(int8: Path) -> None:
    """Steps times scales, for a GPU."""
    config = read_config(int8)
    state = packed.load(int8, config)
    plain = packed.unpacked(state, torch.float32, torch.device("cpu"))
    for name, weight in state.items():
        expected = weight.unpack() * weight.scale[:, None] if isinstance(weight, Int8Weight) else weight.float()
        assert torch.equal(plain[name], expected)


def test_damaged_and_foreign_weights_are_told(int8: Path, tmp_path: Path) -> None:
    """The file, and what to do."""
    config = read_config(int8)
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "model.safetensors").write_bytes((int8 / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(EngineError, match=r"model\.safetensors: cannot be read.*Convert the weights again"):
        packed.load(cut, config)
    wider = dataclasses.replace(config, decoder=dataclasses.replace(config.decoder, inner=96))
    with pytest.raises(EngineError, match=r"holds other weights than config\.json says: decoder\.layers\.0\.mlp"):
        packed.load(int8, wider)


def test_other_weights_are_rounded_once_and_found_again(
    source: Path, int8: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the user's cache, by their content; packed ones are taken as they are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert packed.prepare(int8) == int8
    made = packed.prepare(source)
    assert made.is_relative_to(tmp_path)
    assert packed_metadata(made) == packed_metadata(int8)
    before = (made / "model.safetensors").stat().st_mtime_ns
    assert packed.prepare(source) == made
    assert (made / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_command_converts(source: Path, tmp_path: Path) -> None:
    """To int8, but for what is to be kept; what it does not know, and what is there already, is refused."""
    out = tmp_path / "out"
    done = run_podcast("weights", "convert", source, out, "--precision", "int8", "--keep", "down", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    state = packed.load(out, read_config(out))
    assert isinstance(state["decoder.layers.0.mlp.down_proj.weight"], Tensor)
    wrong = run_podcast("weights", "convert", source, out, "--precision", "int8", "--keep", "up", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert 'no kind of product "up"' in wrong.stderr
    again = run_podcast("weights", "convert", out, tmp_path / "twice", "--precision", "int8", cwd=tmp_path)
    assert again.returncode != 0
    assert "holds int8 weights already" in again.stderr


# Whether int8 may be used


def calibrated(folder: Path, source: Path, allowed: bool) -> Path:
    state = packed.quantize(load_weights(source, read_config(source), torch.float32, "cpu").items())
    packed.save(folder, state, source, {"calibration": {"allowed": allowed}})
    tiny_dac.write_transformers(folder / "dac")
    return folder


def test_int8_is_used_unasked_only_where_calibration_allows_it(source: Path, int8: Path, tmp_path: Path) -> None:
    """Asked for, it always is; in another precision never."""
    good = calibrated(tmp_path / "good", source, allowed=True)
    bad = calibrated(tmp_path / "bad", source, allowed=False)
    assert DiaEngine(DiaSound(), Machine(weights=str(good))).sound.precision == "int8"
    for folder in (good, bad, int8):
        assert DiaEngine(DiaSound(precision="int8"), Machine(weights=str(folder))).sound.precision == "int8"
        with pytest.raises(EngineError, match=r"cannot be used in bf16\. Use precision: auto or int8"):
            DiaEngine(DiaSound(precision="bf16"), Machine(weights=str(folder)))
    with pytest.raises(EngineError, match=r"without calibration\. Make calibrated ones with: podcast weights"):
        DiaEngine(DiaSound(), Machine(weights=str(int8)))
    with pytest.raises(EngineError, match="whose calibration found them too far off"):
        DiaEngine(DiaSound(), Machine(weights=str(bad)))
    assert DiaEngine(DiaSound(), Machine(weights=str(source))).sound.precision is None


def test_int8_is_part_of_a_take(source: Path, int8: Path) -> None:
    """The same weights in another precision are another voice, as far as takes are concerned."""
    prints = {
        DiaEngine(DiaSound(precision=precision), Machine(weights=str(folder))).fingerprint
        for folder, precision in ((source, "int8"), (source, "bf16"), (int8, "int8"))
    }
    assert len(prints) == 3


def test_what_the_file_says_of_itself_is_read_without_torch(int8: Path, source: Path) -> None:
    """Plans name the weights they would use."""
    metadata = packed_metadata(int8)
    assert metadata is not None
    assert json.loads(metadata["told"]) == {}
    assert packed_metadata(source) is None
    assert re.fullmatch(r" *", metadata.get("_", ""))
