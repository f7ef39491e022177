"""What numba's own Python does not reach: single instructions, vectors and raw addresses, as LLVM's IR.

Addresses are int64 in the kernels and pointers only here.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

I8, I16, I32, I64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
F32 = ir.FloatType()
POINTER = I8.as_pointer()
VOID = ir.VoidType()


def function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """The intrinsic of LLVM called `name`."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def fused(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z of fp32 numbers or vectors, rounded once where the CPU has an instruction for it, else twice."""
    kind = f"v{x.type.count}f32" if isinstance(x.type, ir.VectorType) else "f32"
    return builder.call(function(builder, f"llvm.fmuladd.{kind}", x.type, [x.type] * 3), [x, y, z])


def number(value: int) -> Any:
    """An int64 constant."""
    return ir.Constant(I64, value)


def byte(value: int) -> Any:
    """An int8 constant."""
    return ir.Constant(I8, value)


def pointer(builder: Any, address: Any) -> Any:
    """The int64 `address` as a pointer."""
    return builder.inttoptr(address, POINTER)


@intrinsic
def claim(_context: Any, block: Any) -> Any:
    """The number of the next piece of work, counted in the int64 at address `block`."""

    def generate(_target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        counter = builder.inttoptr(values[0], I64.as_pointer())
        return builder.atomic_rmw("add", counter, ir.Constant(I64, 1), "monotonic")

    return types.int64(types.int64), generate


@intrinsic
def at(_context: Any, address: Any) -> Any:
    """The int64 `address` as the pointer that `carray` takes."""

    def generate(target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], target.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate
