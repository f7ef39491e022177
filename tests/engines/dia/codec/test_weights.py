"""Files of the codec: both formats, and all that is wrong with others."""

from __future__ import annotations

import importlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.engines.dia.codec.codec import HOP, Codec, load_codec
from tests.support import tiny_dac
from tests.support.dac_fixtures import codes_of, noise, problems


@pytest.mark.slow
def test_what_transformers_saves_is_read(folder: Path, codec: Codec, tmp_path: Path) -> None:
    transformers = importlib.import_module("transformers")
    transformers.DacModel.from_pretrained(folder).save_pretrained(tmp_path)
    np.testing.assert_array_equal(load_codec(tmp_path).decode(codes_of(20)), codec.decode(codes_of(20)))


def test_every_format_makes_the_same_network(package: Path, folder: Path, tmp_path: Path) -> None:
    newer = tiny_dac.write_package(tmp_path / "newer.pth", parametrizations=True)
    networks = [load_codec(path)._network for path in (package, package.parent, folder, newer)]
    first = networks[0].state_dict()
    assert len(first) == 223
    assert not any("weight_" in name for name in first)
    for network in networks[1:]:
        state = network.state_dict()
        assert list(state) == list(first)
        assert all(torch.equal(state[name], first[name]) for name in first)


def test_the_package_itself_computes_the_same(package: Path, codec: Codec) -> None:
    from pipeline.engines.dia.codec.dac_import import dac_class

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its own weight norm
        theirs = dac_class().load(package).eval()
    codes = codes_of(40)
    with torch.inference_mode():
        latent = theirs.quantizer.from_codes(torch.from_numpy(codes.astype(np.int64)).T[None])[0]
        decoded = theirs.decode(latent)[0, 0].numpy()
        encoded = theirs.encode(torch.from_numpy(noise(40 * HOP))[None, None])[1][0].T.numpy()
    np.testing.assert_allclose(codec.decode(codes), decoded, atol=1e-5)
    np.testing.assert_array_equal(codec.encode(noise(40 * HOP)), encoded)


def test_the_file_may_go_once_it_is_loaded(folder: Path, package: Path, codec: Codec, tmp_path: Path) -> None:
    """Nothing of the network stays mapped to a file that somebody may replace under a running job."""
    expected = codec.decode(codes_of(5))
    for source in (folder / "model.safetensors", package):
        shutil.copy(folder / "config.json", tmp_path)
        file = Path(shutil.copy(source, tmp_path))
        loaded = load_codec(file)
        with file.open("r+b") as content:
            content.write(b"\xff" * file.stat().st_size)
        np.testing.assert_array_equal(loaded.decode(codes_of(5)), expected)


def test_where_there_is_no_file(tmp_path: Path, package: Path) -> None:
    assert "no such file or folder" in problems(tmp_path / "nowhere")
    assert "neither model.safetensors nor a .pth file" in problems(tmp_path)
    for name in ("a.pth", "b.pth"):
        shutil.copy(package, tmp_path / name)
    assert "a.pth, b.pth" in problems(tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 0.5, 0.999])
def test_a_truncated_file_is_named(package: Path, folder: Path, tmp_path: Path, kept: float) -> None:
    shutil.copy(folder / "config.json", tmp_path)
    for source in (package, folder / "model.safetensors"):
        content = source.read_bytes()
        file = tmp_path / source.name
        file.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
        assert str(file) in problems(file)


def test_a_pickle_of_more_than_tensors_is_refused(tmp_path: Path) -> None:
    """Loading it would run it."""
    torch.save({"state_dict": {}, "metadata": {"kwargs": Path("code")}}, tmp_path / "weights.pth")
    assert "refused for safety" in problems(tmp_path)


@pytest.mark.parametrize("content", [[], {"state_dict": {}}, {"state_dict": {}, "metadata": {"kwargs": 5}}])
def test_a_file_of_something_else_is_told(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "weights.pth")
    assert 'holds no "state_dict" and "metadata"' in problems(tmp_path)


def test_missing_and_mismatched_tensors_are_named(package: Path, folder: Path, tmp_path: Path) -> None:
    content = torch.load(package, weights_only=True)
    del content["state_dict"]["decoder.model.2.block.3.block.1.weight_g"]
    content["state_dict"]["encoder.block.6.bias"] = torch.zeros(3)
    torch.save(content, tmp_path / "broken.pth")
    told = problems(tmp_path / "broken.pth")
    assert "broken.pth: has no tensor decoder.model.2.block.3.block.1.weight_g." in told
    assert "tensor encoder.block.6.bias is torch.float32 [3] and should be floats [64]" in told

    state = load_file(folder / "model.safetensors")
    del state["encoder.conv1.bias"], state["encoder.conv1.weight"]
    state["decoder.block.1.res_unit2.conv1.bias"] = torch.zeros(8, dtype=torch.int8)
    save_file(state, tmp_path / "model.safetensors")
    shutil.copy(folder / "config.json", tmp_path)
    told = problems(tmp_path)
    assert "has no tensor encoder.conv1.bias (and 1 more)" in told
    assert "tensor decoder.block.1.res_unit2.conv1.bias is torch.int8 [8] and should be floats [8]" in told


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("sampling_rate", 24_000, "sampling_rate is 24000, and Dia's codec has 44100"),
        ("n_codebooks", 12, "n_codebooks is 12, and Dia's codec has 9"),
        ("codebook_size", 2048, "codebook_size is 2048, and Dia's codec has 1024"),
        ("downsampling_ratios", [2, 4, 5, 8], "downsampling_ratios is [2, 4, 5, 8], and Dia's codec has [2, 4, 8, 8]"),
        ("encoder_hidden_size", None, "encoder_hidden_size is None, and Dia's codec has a whole number from 1"),
        ("decoder_hidden_size", 8, "decoder_hidden_size is 8, and Dia's codec has a whole number from 16"),
        ("codebook_dim", 10**12, "codebook_dim is 1000000000000"),
        ("model_type", "encodec", 'has "model_type": "encodec", not "dac"'),
    ],
)
def test_another_codec_is_refused(folder: Path, tmp_path: Path, key: str, value: Any, told: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {key: value}))
    shutil.copy(folder / "model.safetensors", tmp_path)
    assert f"config.json: {told}" in problems(tmp_path)


def test_the_packages_other_models_are_refused_with_all_that_is_wrong(package: Path, tmp_path: Path) -> None:
    content = torch.load(package, weights_only=True)
    content["metadata"]["kwargs"] |= {"sample_rate": 16_000, "n_codebooks": 12, "encoder_rates": [2, 4, 5, 8]}
    torch.save(content, tmp_path / "weights_16khz.pth")
    told = problems(tmp_path)
    assert all(word in told for word in ("sample_rate is 16000", "n_codebooks is 12", "encoder_rates is [2, 4, 5, 8]"))


def test_a_width_that_is_not_the_files_is_told_with_both_shapes(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"decoder_hidden_size": 64}))
    shutil.copy(folder / "model.safetensors", tmp_path)
    assert "tensor decoder.conv1.bias is torch.float32 [32] and should be floats [64] (and" in problems(tmp_path)


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_configuration_that_is_none_is_told(folder: Path, tmp_path: Path, text: str | None) -> None:
    shutil.copy(folder / "model.safetensors", tmp_path)
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert "config.json: " in problems(tmp_path)
