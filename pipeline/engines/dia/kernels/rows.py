"""What is computed row by row between the products: norms and gates, in fp32. A row's bits depend on the row alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import carray, njit
from torch import Tensor

from pipeline.engines.dia.kernels.arithmetic import REORDERED, exponential
from pipeline.engines.dia.kernels.llvm import at, claim
from pipeline.engines.dia.kernels.parallel import Kernel

_MOST = np.float32(88.0)  # what `exponential` takes


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """`x / sqrt(mean(x * x) + eps) * weight` for rows `x` `[M, K]` and `weight` `[K]`, all fp32."""
    x, out = _contiguous(x), torch.empty_like(x)
    if weight.dtype != torch.float32 or weight.shape != x.shape[1:] or not weight.is_contiguous():
        raise ValueError(f"a weight of {tuple(weight.shape)} in {weight.dtype} for rows of {x.shape[1]} in fp32")
    told = np.array([eps], np.float32)
    _norm_kernel(*x.shape, x.data_ptr(), weight.data_ptr(), told.ctypes.data, out.data_ptr())
    return out


def silu_gate(gate_up: Tensor) -> Tensor:
    """`gate * sigmoid(gate) * up` `[M, K]`; gate and up are the halves of the rows of `gate_up` `[M, 2 * K]`, fp32."""
    gate_up = _contiguous(gate_up)
    count, both = gate_up.shape
    out = torch.empty(count, both // 2)
    _gate_kernel(count, both // 2, gate_up.data_ptr(), out.data_ptr())
    return out


def _contiguous(x: Tensor) -> Tensor:
    if x.dtype != torch.float32 or x.dim() != 2:
        raise ValueError(f"{x.dtype} of {tuple(x.shape)} where rows of fp32 are wanted")
    return x.contiguous()


@njit(fastmath=REORDERED, error_model="numpy")
def _mean_square(x: Any) -> Any:
    total = np.float32(0.0)
    for index in range(len(x)):
        total += x[index] * x[index]
    return total / np.float32(len(x))


@njit(error_model="numpy")
def _norm_row(x: Any, weight: Any, eps: Any, out: Any) -> None:
    factor = np.float32(1.0) / np.sqrt(_mean_square(x) + eps)
    for index in range(len(x)):
        out[index] = x[index] * factor * weight[index]


@njit(error_model="numpy")  # Python's would look for zeros, one by one
def _gate_row(gate: Any, up: Any, out: Any) -> None:
    for index in range(len(out)):
        power = _MOST if -gate[index] > _MOST else -gate[index]
        out[index] = gate[index] / (np.float32(1.0) + exponential(power)) * up[index]


def _norm(arguments: Any) -> None:
    """Block: M, K; addresses of x, the weight, eps and what is written."""
    block = carray(arguments, 7, np.int64)
    rows, size = block[1], block[2]
    weight, eps = carray(at(block[4]), size, np.float32), carray(at(block[5]), 1, np.float32)[0]
    row = claim(block.ctypes.data)
    while row < rows:
        x, out = carray(at(block[3]), (rows, size), np.float32), carray(at(block[6]), (rows, size), np.float32)
        _norm_row(x[row], weight, eps, out[row])
        row = claim(block.ctypes.data)


def _gate(arguments: Any) -> None:
    """Block: M, K; addresses of gate and up, and of what is written."""
    block = carray(arguments, 5, np.int64)
    rows, size = block[1], block[2]
    gate_up, out = carray(at(block[3]), (rows, 2, size), np.float32), carray(at(block[4]), (rows, size), np.float32)
    row = claim(block.ctypes.data)
    while row < rows:
        _gate_row(gate_up[row, 0], gate_up[row, 1], out[row])
        row = claim(block.ctypes.data)


_norm_kernel = Kernel(_norm)
_gate_kernel = Kernel(_gate)
