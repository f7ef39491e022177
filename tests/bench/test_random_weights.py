"""Random weights in the sizes of Dia's."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.bench.random_weights import BenchWeights, config_dict, random_weights
from pipeline.engines.dia.codec.codec import load_codec
from pipeline.engines.dia.weights.config import parse_config, read_config
from pipeline.engines.dia.weights.tensors import expected_shapes, load_weights
from pipeline.errors import EngineError


def test_random_weights_are_those_of_a_dia(tiny: BenchWeights) -> None:
    """The engine reads them and its codec's; made once, they stay."""
    config = read_config(tiny.dia)
    state = load_weights(tiny.dia, config, torch.bfloat16, "cpu")
    assert state.keys() == expected_shapes(config).keys()
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert not state["logits_dense.weight"][config.eos].any()
    sound = load_codec(tiny.codec).decode(np.zeros((5, 9), np.int64))
    assert np.isfinite(sound).all()
    before = {file: file.stat().st_mtime_ns for file in tiny.dia.rglob("*")}
    assert random_weights("tiny", tiny.dia.parent) == tiny
    assert {file: file.stat().st_mtime_ns for file in tiny.dia.rglob("*")} == before


def test_the_full_network_is_dia() -> None:
    """As many parameters as Dia-1.6B has."""
    config = parse_config(config_dict("full"), "config.json")
    assert sum(torch.Size(shape).numel() for shape in expected_shapes(config).values()) == 1_611_160_576


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is needed and what is free."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=2_000_000_000))
    with pytest.raises(EngineError, match=r"take 3\.5 GB, and 2\.0 GB are free\. Make room"):
        random_weights("full", tmp_path / "deep" / "cache")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be written"):
        random_weights("tiny", tmp_path / "file" / "cache")
