"""Matrix products of rows with packed weights: in int8, and in bf16 where the CPU has tiles.

A row's bits depend on the row and the weight alone: not on other rows, their number, or the number of threads. In int8
they do not depend on the tier either, because its sums are of integers, and what comes after is one product for each.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from numba.core.registry import cpu_target
from torch import Tensor

from pipeline.engines.dia.kernels.matmul import amx, vectors
from pipeline.engines.dia.kernels.matmul.rows import quantize, round_to_bf16
from pipeline.engines.dia.kernels.packing import BLOCK, STEP, Bf16Weight, Int8Weight, quantize_rows

_NEEDED: Mapping[str, frozenset[str]] = {  # best first, by the names of `devices.cpu_features`
    "amx": frozenset({"amx_int8", "amx_bf16", "avx512f", "avx512_vnni"}),
    "vnni": frozenset({"avx512f", "avx512_vnni"}),
    "plain": frozenset(),
}
_LLVM_NAMES = {"amx_int8": "amx-int8", "amx_bf16": "amx-bf16", "avx512f": "avx512f", "avx512_vnni": "avx512vnni"}

_CHUNK_BYTES = 1 << 20  # of rows at a time: they should stay in the second nearest cache beside the weights
_SHORTEST_CHUNK = 64  # rows
_FEW = 4  # rows: so many are 6 to 9 % quicker in vectors than in tiles, and have the same bits
_SMALL = ((1, 40, 72), (19, 33, 64), (50, 72, 200))  # M, N and K of the products that `check` tries


def tiers(features: frozenset[str]) -> tuple[str, ...]:
    """What this CPU can run, best first: "plain" it always can.

    `features` are what `devices.cpu_features` finds. LLVM has to know of them too, because it ends the process when it
    is given an instruction that it thinks the CPU lacks.
    """
    known = set(cpu_target.target_context.codegen().magic_tuple()[2].split(","))
    usable = {name for name in features if f"+{_LLVM_NAMES.get(name)}" in known}
    return tuple(tier for tier, needed in _NEEDED.items() if needed <= usable and (tier != "amx" or amx.permitted()))


def int8_linear(x: Tensor, weight: Int8Weight, tier: str) -> Tensor:
    """`x @ weight.T`, fp32 `[M, K]` to fp32 `[M, N]`, of rows rounded to int8 as `packing.quantize_rows` does.

    `y[m, n] = float(sum over k of int8 row[m, k] * int8 weight[n, k]) * (row scale[m] * weight scale[n])`. A row with a
    NaN or an infinity is NaN throughout. `tier` is one of `tiers`. Raises ValueError for another type, shape or tier.
    """
    x, y = _prepared(x, weight.inputs, weight.outputs)
    count, size = len(x), weight.inputs + -weight.inputs % STEP
    if not count:
        return y
    rows, scales = torch.empty(_height(count), size, dtype=torch.uint8), torch.empty(count)
    quantize(x.data_ptr(), 4 * x.stride(0), count, weight.inputs, size // STEP, rows.data_ptr(), scales.data_ptr())
    shape = (rows.data_ptr(), count, size, weight.packed.data_ptr(), weight.outputs, y.data_ptr(), _chunk(size))
    factors = (scales.data_ptr(), weight.scale.data_ptr(), weight.compensation.data_ptr())
    if tier == "amx" and count > _FEW:
        amx.int8(*shape, amx.tile_shapes(min(count, 16)).ctypes.data, *factors)
    elif tier in ("amx", "vnni"):
        vectors.vnni(*shape, *factors)
    elif tier == "plain":
        vectors.plain(*shape, *factors)
    else:
        raise ValueError(f"no tier {tier!r}")
    return y


def bf16_linear(x: Tensor, weight: Bf16Weight) -> Tensor:
    """`x @ weight.T`, fp32 `[M, K]` to fp32 `[M, N]`, of rows rounded to bf16 as torch does, added up in fp32.

    For the tier "amx" only. Sums are made in pairs of k, one pair after the other, and numbers too small for a normal
    fp32 count as zero. Raises ValueError for another type or shape.
    """
    x, y = _prepared(x, weight.inputs, weight.outputs)
    count, size = len(x), weight.inputs + -weight.inputs % (STEP // 2)
    if not count:
        return y
    rows = torch.empty(_height(count), size, dtype=torch.bfloat16)
    round_to_bf16(x.data_ptr(), 4 * x.stride(0), count, weight.inputs, 2 * size // STEP, rows.data_ptr())
    shape = (rows.data_ptr(), count, 2 * size, weight.packed.data_ptr(), weight.outputs, y.data_ptr(), _chunk(2 * size))
    amx.bf16(*shape, amx.tile_shapes(min(count, 16)).ctypes.data)
    return y


def check(tier: str) -> str:
    """What is wrong with the products of `tier` on this machine, or "": small ones, whose results are known exactly."""
    generator = torch.Generator().manual_seed(0)
    for count, outputs, inputs in _SMALL:
        x = torch.randint(-3, 4, (count, inputs), generator=generator).float()
        weight = torch.randint(-127, 128, (outputs, inputs), generator=generator).float()
        packed = Int8Weight.pack(weight)
        rows, scales = quantize_rows(x)
        sums = (rows.long() - 128) @ packed.unpack().long().T
        if not torch.equal(int8_linear(x, packed, tier), sums.float() * (scales[:, None] * packed.scale)):
            return f"int8 products of the kernels ({tier}) are wrong on this CPU"
        if tier == "amx" and not torch.equal(bf16_linear(x, Bf16Weight.pack(weight)), x @ weight.T):
            return f"bf16 products of the kernels ({tier}) are wrong on this CPU"
    return ""


def _prepared(x: Tensor, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
    """`x` with rows that are not cut, and memory for the result."""
    if x.dtype != torch.float32 or x.device.type != "cpu" or x.ndim != 2 or x.shape[1] != inputs:
        raise ValueError(f"fp32 [M, {inputs}] on the CPU is multiplied, not {x.dtype} {tuple(x.shape)} on {x.device}")
    return (x if x.stride(1) == 1 else x.contiguous()), torch.empty(len(x), outputs)


def _height(count: int) -> int:
    """Rows to keep memory for: kernels read whole blocks of rows, and drop what they make of those past the end."""
    return count + -count % BLOCK


def _chunk(size: int) -> int:
    """How many rows of `size` bytes to multiply with a block of channels before the next block."""
    return max(_CHUNK_BYTES // size // BLOCK * BLOCK, _SHORTEST_CHUNK)
