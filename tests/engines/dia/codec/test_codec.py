from __future__ import annotations

import importlib
import subprocess
import sys
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

from pipeline.audio import Pcm
from pipeline.engines.dia.codec.codec import HOP, OVERLAP, WINDOW, Codec, _windows, load_codec
from tests.support import tiny_dac
from tests.support.dac_fixtures import codes_of, noise, problems

Edit = Callable[[dict[str, Any]], None]


def reference(codes: NDArray[np.int16], seed: int = 0) -> Pcm:
    weights = tiny_dac.make(seed)
    return tiny_dac.decode(weights.transformers, torch.from_numpy(codes.astype(np.int64))).numpy()


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
    transformers = importlib.import_module("transformers")
    theirs = transformers.DacModel.from_pretrained(folder).eval()
    pcm, codes = noise(100 * HOP), codes_of(100)
    with torch.inference_mode():
        encoded = theirs.encode(torch.from_numpy(pcm)[None, None]).audio_codes[0].T.numpy()
        decoded = theirs.decode(audio_codes=torch.from_numpy(codes.astype(np.int64)).T[None]).audio_values[0].numpy()
    np.testing.assert_array_equal(codec.encode(pcm), encoded)
    assert len(np.unique(encoded)) > 100
    np.testing.assert_allclose(codec.decode(codes), decoded, atol=1e-5)


# Devices


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


# The maker of tiny weights


def test_the_script_writes_what_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [tiny_dac.__file__, str(tmp_path / "one"), "--format", "package", "--seed", "3"]
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    monkeypatch.setattr(sys, "argv", [tiny_dac.__file__, str(tmp_path / "two"), "--seed", "3"])
    tiny_dac.main()
    for folder in ("one", "two"):
        pcm = load_codec(tmp_path / folder).decode(codes_of(8))
        np.testing.assert_allclose(pcm, reference(codes_of(8), 3), atol=1e-5)
