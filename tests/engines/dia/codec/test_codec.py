from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from pipeline.audio import Pcm
from pipeline.engines.dia.codec.codec import HOP, OVERLAP, WINDOW, Codec, _windows, load_codec
from pipeline.errors import EngineError
from tests.support import tiny_dac

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dac.write_package(tmp_path_factory.mktemp("package") / "weights.pth")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dac.write_transformers(tmp_path_factory.mktemp("transformers"))


@pytest.fixture(scope="session")
def codec(package: Path) -> Codec:
    return load_codec(package)


def codes_of(frames: int, seed: int = 1) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(0, 1024, (frames, 9)).astype(np.int16)


def noise(samples: int) -> Pcm:
    return np.random.default_rng(2).normal(0, 0.1, samples).astype(np.float32)


def reference(codes: NDArray[np.int16], seed: int = 0) -> Pcm:
    weights = tiny_dac.make(seed)
    return tiny_dac.decode(weights.transformers, torch.from_numpy(codes.astype(np.int64))).numpy()


def problems(path: Path, **options: Any) -> str:
    with pytest.raises(EngineError) as caught:
        load_codec(path, **options)
    assert all(problem.where and problem.what and problem.next for problem in caught.value.problems)
    return str(caught.value)


# The package


def test_the_package_imports_whatever_torch_is_built_for_and_transformers_after_it() -> None:
    """torchaudio stays the real one, for other libraries; what somebody's failed import of it left does no harm."""
    pytest.importorskip("transformers")
    program = """
try:
    import torchaudio
except (ImportError, OSError, RuntimeError):
    pass
from pipeline.engines.dia.codec.dac_import import dac_class, import_torchaudio
made = dac_class()
import torch, torchaudio
from transformers import DacModel
import_torchaudio()
decibels = torchaudio.functional.amplitude_to_DB(torch.tensor([100.0]), 10, 1e-10, 0)
print(made.__name__, DacModel.__name__, float(decibels))
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.stdout.split() == ["DAC", "DacModel", "20.0"], done.stderr


def test_a_missing_package_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    monkeypatch.setitem(sys.modules, "dac.model.dac", None)
    assert "descript-audio-codec: cannot be imported" in problems(package)


# Decoding


def test_sound_is_as_loud_as_speech_and_equal_to_the_plain_arithmetic(codec: Codec) -> None:
    for frames in (1, 2, OVERLAP, 150):
        codes = codes_of(frames)
        pcm = codec.decode(codes)
        assert pcm.shape == (frames * HOP,)
        assert pcm.dtype == np.float32
        np.testing.assert_allclose(pcm, reference(codes), atol=1e-5)
    assert 0.05 < np.sqrt(np.mean(pcm**2)) < 0.3


@pytest.mark.parametrize("seed", range(3))
def test_every_seed_makes_an_audible_codec_of_its_own(tmp_path: Path, seed: int) -> None:
    pcm = load_codec(tiny_dac.write_transformers(tmp_path, seed)).decode(codes_of(90))
    assert 0.05 < np.sqrt(np.mean(pcm**2)) < 0.3
    assert pcm.std() > 0.05
    np.testing.assert_allclose(pcm, reference(codes_of(90), seed), atol=1e-5)


@hypothesis_settings(max_examples=5)
@given(frames=st.integers(WINDOW, 3 * WINDOW + 2 * OVERLAP))
def test_windows_sound_as_the_whole(codec: Codec, frames: int) -> None:
    """The reference decodes all frames at once; kernels round differently for other lengths, and nothing else does."""
    codes = codes_of(frames, frames)
    np.testing.assert_allclose(codec.decode(codes), reference(codes), atol=1e-5)


@given(frames=st.integers(0, 5000))
def test_windows_keep_every_frame_once_with_its_context(frames: int) -> None:
    windows = list(_windows(frames))
    kept = [frame for window in windows for frame in range(window.first, window.last)]
    assert kept == list(range(frames))
    for window in windows:
        assert window.start == 0 or window.first - window.start >= OVERLAP
        assert window.stop == frames or window.stop - window.last >= OVERLAP
        assert window.stop - window.start == min(frames, WINDOW + 2 * OVERLAP)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_codes_give_the_same_bits_whatever_was_decoded_before(package: Path, dtype: torch.dtype) -> None:
    codes = codes_of(2 * WINDOW + 5)
    codec = load_codec(package, dtype=dtype)
    first = codec.decode(codes)
    for frames in (3, WINDOW, 2 * WINDOW + 6):
        codec.decode(codes_of(frames))
        np.testing.assert_array_equal(codec.decode(codes), first)
    np.testing.assert_array_equal(load_codec(package, dtype=dtype).decode(torch.from_numpy(codes)), first)


def test_a_frame_is_heard_no_further_than_the_overlap(codec: Codec) -> None:
    codes = codes_of(50)
    other = codes.copy()
    other[25] = (other[25] + 1) % 1024
    changed = np.flatnonzero(codec.decode(codes) != codec.decode(other)) // HOP
    assert 25 - OVERLAP <= changed.min() < 25 < changed.max() <= 25 + OVERLAP


def test_no_codes_are_no_sound(codec: Codec) -> None:
    assert codec.decode(codes_of(0)).shape == (0,)
    assert codec.encode(noise(0)).shape == (0, 9)


@pytest.mark.parametrize("code", [-1, 1024, 1026])
def test_codes_that_are_none_are_refused(codec: Codec, code: int) -> None:
    codes = codes_of(4)
    codes[2, 8] = code
    with pytest.raises(ValueError, match=f"code {code} of frame 2, codebook 8"):
        codec.decode(codes)


@pytest.mark.parametrize("codes", [codes_of(4).T, codes_of(4)[0], codes_of(4).astype(np.float32)])
def test_other_shapes_and_kinds_of_codes_are_refused(codec: Codec, codes: Any) -> None:
    with pytest.raises(ValueError, match="codes must be whole numbers"):
        codec.decode(codes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("frames", [0, 1, WINDOW, 2 * WINDOW + 30])
def test_pieces_are_the_sound_bit_for_bit(package: Path, dtype: torch.dtype, frames: int) -> None:
    codec = load_codec(package, dtype=dtype)
    pieces = list(codec.pieces(codes_of(frames)))
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.float32), *pieces]), codec.decode(codes_of(frames)))


def test_between_two_pieces_other_work_is_as_it_was(codec: Codec) -> None:
    codes, other = codes_of(2 * WINDOW), codes_of(300, seed=5)
    expected, expected_other = codec.decode(codes), codec.decode(other)
    changing, heard = codes.copy(), []
    for piece in codec.pieces(changing):
        changing[:] = 0
        heard.append(piece)
        assert not torch.is_inference_mode_enabled()
        np.testing.assert_array_equal(codec.decode(other), expected_other)
    np.testing.assert_array_equal(np.concatenate(heard), expected)


def test_pieces_of_wrong_codes_are_refused_at_once(codec: Codec) -> None:
    with pytest.raises(ValueError, match="codes must be whole numbers"):
        codec.pieces(codes_of(4).T)


# Encoding


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (511, 1), (512, 1), (513, 2), (5120, 10), (44_100, 87)])
def test_a_frame_for_every_hop_begun(codec: Codec, samples: int, frames: int) -> None:
    codes = codec.encode(noise(samples))
    assert codes.shape == (frames, 9)
    assert codes.dtype == np.int16
    assert 0 <= codes.min() <= codes.max() < 1024


def test_what_is_missing_of_the_last_frame_is_silence(codec: Codec) -> None:
    pcm = noise(1000)
    np.testing.assert_array_equal(codec.encode(pcm), codec.encode(np.pad(pcm, (0, 24))))


@pytest.mark.parametrize("pcm", [noise(4).reshape(2, 2), np.zeros(4, np.int16), np.array([0, np.nan], np.float32)])
def test_what_is_no_sound_is_refused(codec: Codec, pcm: Any) -> None:
    with pytest.raises(ValueError, match="sound must be"):
        codec.encode(pcm)


# Against transformers


def test_transformers_computes_the_same(folder: Path, codec: Codec) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.DacModel.from_pretrained(folder).eval()
    pcm, codes = noise(100 * HOP), codes_of(100)
    with torch.inference_mode():
        encoded = theirs.encode(torch.from_numpy(pcm)[None, None]).audio_codes[0].T.numpy()
        decoded = theirs.decode(audio_codes=torch.from_numpy(codes.astype(np.int64)).T[None]).audio_values[0].numpy()
    np.testing.assert_array_equal(codec.encode(pcm), encoded)
    assert len(np.unique(encoded)) > 100
    np.testing.assert_allclose(codec.decode(codes), decoded, atol=1e-5)


def test_what_transformers_saves_is_read(folder: Path, codec: Codec, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    transformers.DacModel.from_pretrained(folder).save_pretrained(tmp_path)
    np.testing.assert_array_equal(load_codec(tmp_path).decode(codes_of(20)), codec.decode(codes_of(20)))


# Loading


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


def test_the_device_is_the_codecs_own_affair(package: Path, codec: Codec) -> None:
    for device in ("cpu", torch.device("cpu")):
        pcm = load_codec(package, device).decode(codes_of(5))
        np.testing.assert_array_equal(pcm, codec.decode(codes_of(5)))
    if torch.cuda.is_available():
        there = load_codec(package, "cuda")
        np.testing.assert_allclose(there.decode(codes_of(200)), codec.decode(codes_of(200)), atol=1e-4)
        np.testing.assert_array_equal(there.decode(codes_of(200)), there.decode(codes_of(200)))


@pytest.mark.parametrize("device", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_there_is_told(package: Path, device: str) -> None:
    assert f"codec device {device}: cannot be used" in problems(package, device=device)


# Files that are none


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


# The maker of tiny weights


def test_the_script_writes_what_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [tiny_dac.__file__, str(tmp_path / "one"), "--format", "package", "--seed", "3"]
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    monkeypatch.setattr(sys, "argv", [tiny_dac.__file__, str(tmp_path / "two"), "--seed", "3"])
    tiny_dac.main()
    for folder in ("one", "two"):
        pcm = load_codec(tmp_path / folder).decode(codes_of(8))
        np.testing.assert_allclose(pcm, reference(codes_of(8), 3), atol=1e-5)
