"""DAC's activation x + sin²(αx) / α on bf16 samples: every number is read once, computed in float32 and written once.

torch needs a pass over memory for each operation, which took as long as all convolutions together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from pipeline.engines.dia.kernels.llvm import F32, I16, I32, claim, function
from pipeline.engines.dia.kernels.parallel import Kernel

LANES = 16  # numbers computed at once; other widths are LLVM's affair
_PIECE = 16_384  # numbers a thread computes between two looks at the counter: 32 kB read and as much written
# sin²(πr) for r in -1/2..1/2 as r²(c₁ + r²(c₂ + ...)), by least squares at Chebyshev's points; 5e-7 off at most.
_SINE = (9.86952175, -32.4650358, 42.642276, -29.4211071, 10.5731689)


@intrinsic
def _snake(_context: Any, x: Any, y: Any, scale: Any, inverse: Any) -> Any:
    """Write `LANES` numbers at address `y` from those at `x`; `scale` is α/π and `inverse` 1/α, in float32."""

    def generate(_target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        short, whole, real = (ir.VectorType(kind, LANES) for kind in (I16, I32, F32))

        def load(address: Any, kind: Any) -> Any:
            return builder.load(builder.inttoptr(address, kind.as_pointer()), align=2)

        def bits(number: int) -> Any:
            return ir.Constant(whole, [number] * LANES)

        def multiply_add(a: Any, b: Any, c: Any) -> Any:
            return builder.call(function(builder, f"llvm.fmuladd.v{LANES}f32", real, [real] * 3), [a, b, c])

        wide = builder.shl(builder.zext(load(values[0], short), whole), bits(16))
        number = builder.bitcast(wide, real)
        turns = builder.fmul(number, load(values[2], real))
        nearest = builder.call(function(builder, f"llvm.rint.v{LANES}f32", real, [real]), [turns])
        turns = builder.fsub(turns, nearest)
        square = builder.fmul(turns, turns)
        sine = ir.Constant(real, [_SINE[-1]] * LANES)
        for coefficient in _SINE[-2::-1]:
            sine = multiply_add(sine, square, ir.Constant(real, [coefficient] * LANES))
        sine = builder.fmul(sine, square)
        result = builder.bitcast(multiply_add(sine, load(values[3], real), number), whole)
        even = builder.and_(builder.lshr(result, bits(16)), bits(1))  # to the nearest, and of two to the even one
        result = builder.lshr(builder.add(result, builder.add(even, bits(0x7FFF))), bits(16))
        builder.store(builder.trunc(result, short), builder.inttoptr(values[1], short.as_pointer()), align=2)
        return ir.Constant(I32, 0)

    return types.int32(types.int64, types.int64, types.int64, types.int64), generate


def _rows(block: Any) -> None:
    arguments = carray(block, 7, np.int64)
    x, y, rows, channels, scale, inverse = arguments[1:]
    each = max(_PIECE // channels, 1)
    while True:
        first = claim(arguments.ctypes.data) * each
        if first >= rows:
            break
        for row in range(first, min(first + each, rows)):
            at = 2 * row * channels
            for channel in range(0, channels, LANES):
                _snake(x + at + 2 * channel, y + at + 2 * channel, scale + 4 * channel, inverse + 4 * channel)


_kernel = Kernel(_rows)


def snake(x: int, y: int, rows: int, channels: int, scale: int, inverse: int) -> None:
    """Activate bf16 numbers `[rows, channels]` at address `x` into those at `y`, which may be the same.

    `scale` and `inverse` are addresses of α/π and 1/α, float32 `[channels]`. `channels` is a multiple of `LANES`.
    """
    _kernel(x, y, rows, channels, scale, inverse)
