from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.audio import Pcm
from pipeline.engines.dia.codec import layers as codec_layers
from pipeline.engines.dia.codec.codec import HOP, WINDOW, load_codec
from pipeline.engines.dia.network import onednn
from tests.support import tiny_dac
from tests.support.dac_fixtures import codes_of
from tests.support.dia_fixtures import threads


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A codec with enough channels for the kernels of bf16 in every layer, as the real one has."""
    weights = tiny_dac.make(decoder_dim=256)
    path = tmp_path_factory.mktemp("wide") / "weights.pth"
    torch.save({"state_dict": weights.package, "metadata": {"kwargs": tiny_dac.kwargs(weights)}}, path)
    return path


def decibels(sound: Pcm, other: Pcm) -> float:
    """The level of `sound` over what `other` differs from it by; infinite where that is nothing."""
    noise = np.mean((sound - other).astype(np.float64) ** 2)
    return float(10 * np.log10(np.mean(sound.astype(np.float64) ** 2) / noise)) if noise else math.inf


@pytest.mark.parametrize("made", ["package", "wide"])
def test_bf16_is_heard_as_noise_far_below_the_sound(made: str, request: pytest.FixtureRequest) -> None:
    path, codes = request.getfixturevalue(made), codes_of(WINDOW + 40)
    codec, rough = load_codec(path), load_codec(path, dtype=torch.bfloat16)
    exact, rounded = codec.decode(codes), rough.decode(codes)
    assert 30 < decibels(exact, rounded) < 60
    assert np.abs(exact - rounded).max() < 0.05
    assert rounded.dtype == np.float32
    np.testing.assert_array_equal(rough.encode(exact[:9000]), codec.encode(exact[:9000]))


def test_bf16_without_numba_or_packed_weights_sounds_the_same(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = codes_of(60)
    exact, usual = load_codec(wide).decode(codes), load_codec(wide, dtype=torch.bfloat16).decode(codes)
    monkeypatch.setattr(codec_layers, "kernel", None)
    uncompiled = load_codec(wide, dtype=torch.bfloat16).decode(codes)
    monkeypatch.setattr(onednn, "convolves", lambda: False)
    unpacked = load_codec(wide, dtype=torch.bfloat16).decode(codes)
    for pcm in (uncompiled, unpacked):
        assert decibels(exact, pcm) > 30
        assert decibels(usual, pcm) > 30


@pytest.mark.parametrize("made", ["package", "wide"])
def test_in_bf16_windows_and_threads_change_no_more_than_rounding(made: str, request: pytest.FixtureRequest) -> None:
    """Each window leaves out what its samples do not depend on, and nothing else.

    Where layers are narrower than the real ones, oneDNN may sum in another order at another number of rows or threads.
    """
    codec, codes = load_codec(request.getfixturevalue(made), dtype=torch.bfloat16), codes_of(WINDOW + 30)
    latent = codec._network.quantizer.from_codes(torch.from_numpy(codes.T.astype(np.int64))[None])[0]
    with torch.inference_mode():
        expected = codec._decoder(latent, 0, len(codes)).numpy()
    for count in (1, 2, 3, 5):
        with threads(count), torch.inference_mode():
            pieces = {(0, len(codes)): codec.decode(codes)}
            for begin, end in ((0, 30), (60, 70), (180, len(codes))):
                pieces[begin, end] = codec._decoder(latent, begin, end).numpy()
        for (begin, end), piece in pieces.items():
            whole = expected[begin * HOP : end * HOP]
            assert np.abs(whole - piece).max() < 0.05
            assert np.array_equal(whole, piece) or decibels(whole, piece) > 30


def test_units_computed_in_other_pieces_sound_the_same(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec, codes = load_codec(package, dtype=torch.bfloat16), codes_of(20)
    expected = codec.decode(codes)
    monkeypatch.setattr(codec_layers, "_CACHED", 0)
    for least in (64, 96, 1024):
        monkeypatch.setattr(codec_layers, "_LEAST", least)
        np.testing.assert_array_equal(codec.decode(codes), expected)
