"""Weights for benchmarks: Dia's and its codec's in their real sizes, with random numbers in them.

Speed does not depend on the numbers, so nothing has to be fetched to know a machine. They lie in the user's cache
folder, in the formats real ones have, and are made once.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from pipeline.engines.dia.codec.dac_import import dac_class
from pipeline.engines.dia.codec.weights import CODEBOOK_SIZE, CODEBOOKS, SAMPLE_RATE_HZ
from pipeline.engines.dia.weights.config import CONFIG_NAME, DiaConfig, parse_config
from pipeline.engines.dia.weights.fingerprint import INDEX_NAME
from pipeline.engines.dia.weights.tensors import expected_shapes
from pipeline.errors import EngineError, Problem
from pipeline.files import atomic_folder, cache_folder
from pipeline.words import size_text

Size = Literal["full", "tiny"]

_HEAD = "logits_dense.weight"
_ROPE = {"rope_type": "default", "rope_theta": 10_000.0}


@dataclass(frozen=True)
class BenchWeights:
    """Folders of a network's weights and of its codec's."""

    dia: Path
    codec: Path


def random_weights(
    size: Size, folder: Path | None = None, on_progress: Callable[[float, float], None] = lambda _done, _total: None
) -> BenchWeights:
    """The random weights of `size` in `folder`, the user's cache unless given; made where they are not there yet.

    `on_progress` is called with the parts that are done, and how many there are. Raises `EngineError` where the disk is
    too small or cannot be written.
    """
    home = (folder or cache_folder() / "bench") / f"{size}-1"  # raise the number where what is made changes
    weights = BenchWeights(home, home / "dac")
    if home.is_dir():
        return weights
    try:
        _check_room(home.parent, size)
        with atomic_folder(home) as temporary:
            (temporary / "dac").mkdir()
            _write_dia(temporary, config_dict(size), on_progress)
            _write_codec(temporary / "dac" / "weights.pth", size)
    except (OSError, SafetensorError) as error:
        if not home.is_dir():  # another process may have been quicker
            what = f"cannot be written: {error}."
            raise EngineError(Problem(str(home), what, "Make room, or set XDG_CACHE_HOME to another folder.")) from None
    return weights


def config_dict(size: Size) -> dict[str, Any]:
    """The config.json of Dia-1.6B-0626, or that of a network of two layers with its vocabularies, channels and delays.

    In transformers' words of today.
    """
    full = size == "full"
    shared = {"norm_eps": 1e-5, "hidden_act": "silu", "rope_parameters": _ROPE, "head_dim": 128 if full else 64}
    encoder = {
        "model_type": "dia_encoder",
        "num_hidden_layers": 12 if full else 1,
        "hidden_size": 1024 if full else 64,
        "num_attention_heads": 16 if full else 1,
        "num_key_value_heads": 16 if full else 1,
        "intermediate_size": 4096 if full else 128,
        "vocab_size": 256,
        "max_position_embeddings": 1024,
    }
    decoder = {
        "model_type": "dia_decoder",
        "num_hidden_layers": 18 if full else 2,
        "hidden_size": 2048 if full else 128,
        "num_attention_heads": 16 if full else 2,
        "num_key_value_heads": 4 if full else 1,
        "cross_num_attention_heads": 16 if full else 2,
        "cross_num_key_value_heads": 16 if full else 2,
        "cross_head_dim": shared["head_dim"],
        "cross_hidden_size": encoder["hidden_size"],
        "intermediate_size": 8192 if full else 128,
        "vocab_size": 1028,
        "num_channels": 9,
        "max_position_embeddings": 3072,
        "bos_token_id": 1026,
        "eos_token_id": 1024,
        "pad_token_id": 1025,
    }
    return {
        "architectures": ["DiaForConditionalGeneration"],
        "model_type": "dia",
        "is_encoder_decoder": True,
        "delay_pattern": [0, 8, 9, 10, 11, 12, 13, 14, 15],
        "norm_eps": 1e-5,
        "dtype": "bfloat16",
        "encoder_config": shared | encoder,
        "decoder_config": shared | decoder,
    }


def random_tensors(config: DiaConfig) -> dict[str, torch.Tensor]:
    """A network's tensors by the names of `expected_shapes`, in float32."""
    numbers = torch.Generator().manual_seed(0)
    return {name: _random(name, shape, config, numbers).float() for name, shape in expected_shapes(config).items()}


def _check_room(folder: Path, size: Size) -> None:
    """Raise `EngineError` where `folder`'s disk has no room for weights of `size`."""
    config = parse_config(config_dict(size), CONFIG_NAME)
    count = sum(torch.Size(shape).numel() for shape in expected_shapes(config).values())
    needed = 2 * count + (320_000_000 if size == "full" else 20_000_000)
    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(existing).free
    if free < 1.1 * needed:
        what = f"random weights take {size_text(needed)}, and {size_text(free)} are free."
        raise EngineError(Problem(str(folder), what, "Make room, or set XDG_CACHE_HOME to a folder on another disk."))


def _write_dia(folder: Path, data: dict[str, Any], on_progress: Callable[[float, float], None]) -> None:
    """A file for each layer, so that one layer at a time is in memory, and an index of them."""
    config = parse_config(data, CONFIG_NAME)
    shards = list(_shards(config))
    weight_map: dict[str, str] = {}
    numbers = torch.Generator().manual_seed(0)
    total = 0
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        tensors = {
            stored if stored == _HEAD else f"model.{stored}": _random(stored, shape, config, numbers)
            for stored, shape in shard.items()
        }
        save_file(tensors, folder / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, name)
        total += sum(tensor.nbytes for tensor in tensors.values())
        on_progress(number, len(shards))
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX_NAME).write_text(json.dumps(index), encoding="utf-8")
    (folder / CONFIG_NAME).write_text(json.dumps(data, indent=2), encoding="utf-8")


def _shards(config: DiaConfig) -> Iterator[dict[str, tuple[int, ...]]]:
    """Names and shapes, those of each layer together."""

    def layer(name: str) -> str:
        return ".".join(name.split(".")[:3]) if ".layers." in name else name

    for _layer, names in groupby(expected_shapes(config).items(), key=lambda item: layer(item[0])):
        yield dict(names)


def _random(name: str, shape: tuple[int, ...], config: DiaConfig, numbers: torch.Generator) -> torch.Tensor:
    """Numbers that keep activations at the size they have in a trained network, in bf16."""
    if name.endswith("norm.weight"):
        return torch.ones(shape, dtype=torch.bfloat16)
    tensor = torch.randn(shape, generator=numbers, dtype=torch.bfloat16)
    if "embed" not in name:
        tensor *= shape[1] ** -0.5
    if name == _HEAD:
        tensor[config.eos] = 0.0  # never the likeliest: a take is as long as it is asked to be
    return tensor


def _write_codec(file: Path, size: Size) -> None:
    """A DAC of 44.1 kHz as descript-audio-codec writes it."""
    sizes = {
        "encoder_dim": 64 if size == "full" else 4,
        "encoder_rates": [2, 4, 8, 8],
        "latent_dim": None,
        "decoder_dim": 1536 if size == "full" else 32,
        "decoder_rates": [8, 8, 4, 2],
        "n_codebooks": CODEBOOKS,
        "codebook_size": CODEBOOK_SIZE,
        "codebook_dim": 8,
        "quantizer_dropout": 0.0,
        "sample_rate": SAMPLE_RATE_HZ,
    }
    make = dac_class()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the package's weight norm is torch's older one
        torch.manual_seed(0)
        network = make(**sizes)
    torch.save({"state_dict": network.state_dict(), "metadata": {"kwargs": sizes}}, file)
