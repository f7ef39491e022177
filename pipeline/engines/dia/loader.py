"""A model from a folder of weights, made of the products and the attention that suit a device and a precision."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from pipeline.engines.dia import kernels
from pipeline.engines.dia.devices import DeviceChoice, cpu_features
from pipeline.engines.dia.kernels.packing import Bf16Weight, Int8Weight
from pipeline.engines.dia.network.attention import Attention
from pipeline.engines.dia.network.linear import BY_TORCH, Fp8Linear, Int8Linear, Linear, RowFunctions
from pipeline.engines.dia.network.model import Model, Product
from pipeline.engines.dia.weights import packed
from pipeline.engines.dia.weights.config import DiaConfig
from pipeline.engines.dia.weights.fingerprint import packed_metadata
from pipeline.engines.dia.weights.tensors import load_weights


def load_model(config: DiaConfig, folder: Path, choice: DeviceChoice, most: str | None = None) -> Model:
    """The model whose weights are in `folder`, packed or not. `most` is the quickest tier of kernels it may use.

    fp32 is computed by torch alone: it is what the others are compared with. Raises `EngineError` where weights cannot
    be read.
    """
    on_cpu = choice.device.type == "cpu"
    tier = kernels.tier(cpu_features(), most) if on_cpu and choice.precision != "fp32" else None
    if choice.precision == "int8":
        state = packed.as_float(packed.load(packed.prepare(folder), config), choice.dtype)
    elif packed_metadata(folder) is not None:
        state = packed.unpacked(packed.load(folder, config), choice.dtype, choice.device)
    else:
        state = load_weights(folder, config, choice.dtype, choice.device)
    if choice.precision == "fp8":
        state = in_fp8(state)
    return Model(config, state, partial(product, tier=tier), attention(config, choice.precision, tier), functions(tier))


def in_fp8(state: packed.State) -> packed.State:
    """`state` with products in fp8 but for the head's, each made before the next so that memory holds few of both."""
    return {
        name: Fp8Linear(weight) if packed.kind(name) not in (None, *packed.KEPT) else weight
        for name, weight in packed.merged(_emptied(state))
    }


def _emptied(state: packed.State) -> Iterator[tuple[str, Tensor]]:
    while state:
        name = next(iter(state))
        yield name, state.pop(name)


def product(weight: Tensor | Int8Weight | Fp8Linear, tier: str | None) -> Product:
    """The product of a weight `[out, in]`."""
    if isinstance(weight, Fp8Linear):
        return weight
    if isinstance(weight, Int8Weight):
        return Int8Linear(weight, tier)
    if tier == "amx" and weight.dtype == torch.bfloat16:
        from pipeline.engines.dia.kernels.matmul import bf16_linear  # noqa: PLC0415 - numba may be missing

        return partial(bf16_linear, weight=Bf16Weight.pack(weight))
    return Linear(weight)


def attention(config: DiaConfig, precision: str, tier: str | None) -> Attention | None:
    """Attention in kernels of our own, where there are some; None: the plain one."""
    if tier is None:
        return None
    from pipeline.engines.dia.network.attention_cpu import FusedAttention  # noqa: PLC0415 - numba may be missing

    dtype = torch.int8 if precision == "int8" else torch.bfloat16
    return FusedAttention(config, dtype, tier) if FusedAttention.suits(config) else None


def functions(tier: str | None) -> RowFunctions:
    """What is computed row by row."""
    if tier is None:
        return BY_TORCH
    from pipeline.engines.dia.kernels import rows  # noqa: PLC0415 - numba may be missing

    return RowFunctions(rows.rms_norm, rows.silu_gate)
