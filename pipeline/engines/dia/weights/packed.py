"""Weights in int8: made of others, written as a file that is mapped and not read, and found again.

A folder of packed weights holds config.json and model.safetensors, whose tensors are those the kernels use: merged
products as `Int8Weight`, in three tensors each, and everything else in bf16 (norms in float32).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.engines.dia.kernels.packing import BLOCK, STEP, Int8Weight
from pipeline.engines.dia.weights.config import CONFIG_NAME, DiaConfig, read_config
from pipeline.engines.dia.weights.fingerprint import PACKED, fingerprint, packed_metadata
from pipeline.engines.dia.weights.tensors import config_as, expected_shapes, is_part, merge, read_weights, write_folder
from pipeline.errors import EngineError, Problem
from pipeline.files import cache_folder

_log = logging.getLogger(__name__)

State = dict[str, Any]  # of tensors, and of `Int8Weight` for products

# The decoder's kinds of products, by the end of their merged names.
_DECODER = {
    "self_attention.qkv.weight": "self_qkv",
    "self_attention.o_proj.weight": "self_o",
    "cross_attention.q_proj.weight": "cross_q",
    "cross_attention.kv.weight": "cross_kv",
    "cross_attention.o_proj.weight": "cross_o",
    "mlp.gate_up_proj.weight": "gate_up",
    "mlp.down_proj.weight": "down",
    "logits_dense.weight": "logits",
}
KINDS = ("encoder", *_DECODER.values())
# The head is 1.5 % of a step, and nothing comes after it that could even out its error.
KEPT = frozenset({"logits"})
_ALIGNMENT = 64  # bytes: a tile's rows should not straddle two cache lines
_PARTS = ("packed", "scale", "compensation")  # of an `Int8Weight`; the rest of it is in the configuration
_AGAIN = "Convert the weights again."


def kind(name: str) -> str | None:
    """The kind of the product whose weight has the merged `name`; None for what is no product."""
    if "embed" in name or name.endswith("norm.weight"):
        return None
    if name.startswith("encoder."):
        return "encoder"
    return next(kind for end, kind in _DECODER.items() if name.endswith(end))


def quantize(tensors: Iterable[tuple[str, Tensor]], kept: Collection[str] = KEPT) -> State:
    """`tensors` by their canonical names, merged and rounded to int8 as they come.

    `kept` are the kinds, or the names of single products, that stay bf16.
    """
    state: State = {}
    for name, weight in merged(tensors):
        kept_as_it_is = kind(name) is None or kind(name) in kept or name in kept
        state[name] = as_bf16(name, weight) if kept_as_it_is else Int8Weight.pack(weight)
    return state


def merged(tensors: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """`tensors` by their canonical names, as `merge` makes one of several, each as soon as it is whole."""
    parts: State = {}
    for name, tensor in tensors:
        parts[name] = tensor
        merge(parts)
        for whole in [name for name in parts if not is_part(name)]:
            yield whole, parts.pop(whole)


def as_bf16(name: str, tensor: Tensor) -> Tensor:
    """The tensor called `name` as it is where it is not rounded to int8."""
    return tensor if name.endswith("norm.weight") else tensor.to(torch.bfloat16)


def save(out: Path, state: State, source: Path, notes: Mapping[str, Any] | None = None) -> Path:
    """Write `state` to a new folder `out`, with the configuration of the weights in the folder `source`.

    `notes` go into the file's metadata, as JSON. Raises `EngineError` where `out` exists or cannot be written.
    """
    named: dict[str, Tensor] = {}
    for name, weight in state.items():
        if isinstance(weight, Int8Weight):
            named |= {f"{name}.{part}": getattr(weight, part) for part in _PARTS}
        else:
            named[name] = weight.contiguous()
    config = config_as("int8", (source / CONFIG_NAME).read_bytes(), read_config(source))
    metadata = {"format": PACKED, "told": json.dumps(notes or {})}
    return write_folder(out, named, config, metadata, _ALIGNMENT)


def convert(folder: Path, out: Path, kept: Collection[str] = KEPT) -> Path:
    """Write the weights in `folder` to a new folder `out` in int8, but for those `kept`.

    Raises `EngineError` where weights cannot be read, are int8 already, or `out` exists or cannot be written.
    """
    if packed_metadata(folder) is not None:
        raise EngineError(Problem(str(folder), "holds int8 weights already.", "Name the weights they were made of."))
    if out.exists():  # told before all is read
        raise EngineError(Problem(str(out), "exists already.", "Name a folder that does not exist."))
    return save(out, quantize(read_weights(folder, read_config(folder), torch.float32, "cpu"), kept), folder)


def load(folder: Path, config: DiaConfig) -> State:
    """The packed weights in `folder`, mapped: memory is taken as they are first used, and shared with other processes.

    Raises `EngineError` where they are damaged or are not those of `config`.
    """
    file = folder / "model.safetensors"
    expected: State = {name: torch.empty(shape, device="meta") for name, shape in expected_shapes(config).items()}
    merge(expected)
    shapes = {name: tuple(weight.shape) for name, weight in expected.items()}
    state: State = {}
    try:
        with safe_open(file, framework="pt") as stored:
            names = set(stored.keys())
            for name, shape in shapes.items():
                if f"{name}.packed" in names:
                    packed, scale, compensation = (stored.get_tensor(f"{name}.{part}") for part in _PARTS)
                    state[name] = Int8Weight(packed, scale, compensation, inputs=shape[1])
                elif name in names:
                    state[name] = stored.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise EngineError(Problem(str(file), f"cannot be read: {error}.", _AGAIN)) from None
    wrong = sorted(name for name, shape in shapes.items() if name not in state or _shape(state[name]) != shape)
    if wrong:
        what = f"holds other weights than {CONFIG_NAME} says: {', '.join(wrong[:4])}."
        raise EngineError(Problem(str(file), what, _AGAIN))
    return state


def _shape(weight: Tensor | Int8Weight) -> tuple[int, ...]:
    """Of a packed weight as far as its tensors tell: channels and inputs are filled up."""
    if isinstance(weight, Tensor):
        return tuple(weight.shape)
    panels, words, channels, numbers = weight.packed.shape
    filled = (-weight.outputs % BLOCK + weight.outputs, -weight.inputs % STEP + weight.inputs)
    return (weight.outputs, weight.inputs) if (panels * channels, words * numbers) == filled else (0, 0)


def as_float(state: State, dtype: torch.dtype) -> State:
    """`state` with what is no int8 in `dtype`, where that is not bf16 as it is in the file."""
    return {
        name: weight if isinstance(weight, Int8Weight) or name.endswith("norm.weight") else weight.to(dtype)
        for name, weight in state.items()
    }


def unpacked(state: State, dtype: torch.dtype, device: torch.device) -> State:
    """`state` as tensors of `dtype` on `device`, for what multiplies no int8."""

    def tensor(name: str, weight: Any) -> Tensor:
        if isinstance(weight, Int8Weight):
            return (weight.unpack().to(device, torch.float32) * weight.scale.to(device)[:, None]).to(dtype)
        moved: Tensor = weight.to(device, torch.float32 if name.endswith("norm.weight") else dtype)
        return moved

    return {name: tensor(name, weight) for name, weight in state.items()}


def prepare(folder: Path) -> Path:
    """A folder of packed weights for those in `folder`: itself, or one in the user's cache, made the first time.

    Raises `EngineError` where weights cannot be read, and where there is no room for the packed ones.
    """
    if packed_metadata(folder) is not None:
        return folder
    rounded = cache_folder() / "int8" / fingerprint(folder)[:24]
    if not rounded.exists():
        _log.warning("rounding the weights to int8, once: they are kept in %s", rounded)
        try:
            convert(folder, rounded)
        except EngineError:
            if not rounded.exists():  # another process may have been quicker
                raise
    return rounded
