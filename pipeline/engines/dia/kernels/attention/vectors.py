"""The two loops of attention, in vectors of 16: scores of a tile of tokens, and sums of its values.

Keys are words of 32 bits, `[blocks, words, 16]`: a word holds four int8 or two bf16 of one of the block's 16 tokens, so
that a vector has one lane for each token and no sum crosses lanes. Values in bf16 are `[tokens, size]`; in int8 they
are words of four tokens, `[tokens / 4, size]`, for the same reason. Query heads share what is loaded, four at a time.

No instruction of a CPU is named here: LLVM makes what the CPU has of all this. `vnni` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pipeline.engines.dia.kernels import llvm

LANES = 16
LINE = 64  # bytes of a cache line, and of a vector of words
HEADS = 4  # queries that share what is loaded
GROUP = 4  # tokens whose values in int8 share a word
TILE = 64  # tokens at a time

FLOATS, WORDS = ir.VectorType(llvm.F32, LANES), ir.VectorType(llvm.I32, LANES)
_HALVES = ir.VectorType(llvm.I16, LANES)
Variables = list[list[Any]]


@dataclass(frozen=True)
class Code:
    """Emits vector code. Bases are pointers, offsets are int64 values of LLVM's, in bytes."""

    builder: Any

    def load(self, base: Any, offset: Any, kind: Any) -> Any:
        """What is there, a number or vector of `kind`."""
        return self.builder.load(self._pointer(base, offset, kind), align=1)

    def store(self, value: Any, base: Any, offset: Any) -> None:
        """Write a number or vector there."""
        self.builder.store(value, self._pointer(base, offset, value.type), align=1)

    def spread(self, base: Any, offset: Any, kind: Any) -> Any:
        """The one number of `kind` there, in all lanes."""
        return self.splat(self.load(base, offset, kind))

    def splat(self, value: Any) -> Any:
        """`value` in all lanes."""
        undefined = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.Constant(llvm.I32, 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(WORDS, [0] * LANES))

    def prefetch(self, base: Any, offset: Any) -> None:
        """Begin to read the cache line there."""
        arguments = [llvm.POINTER, llvm.I32, llvm.I32, llvm.I32]
        called = llvm.function(self.builder, "llvm.prefetch.p0", llvm.VOID, arguments)
        flags = [ir.Constant(llvm.I32, flag) for flag in (0, 2, 1)]  # to read, into the second nearest cache, data
        self.builder.call(called, [self.moved(base, offset), *flags])

    def offset(self, number: int, *products: tuple[Any, int]) -> Any:
        """`number` and the sum of `products` of an int64 value and a number."""
        total: Any = llvm.number(number)
        for value, factor in products:
            total = self.builder.add(total, self.builder.mul(value, llvm.number(factor)))
        return total

    def variables(self, kind: Any, rows: int, columns: int) -> Variables:
        """Variables `[rows][columns]`, which LLVM keeps in registers, set to zero."""
        variables = [[cgutils.alloca_once(self.builder, kind) for _ in range(columns)] for _ in range(rows)]
        for variable in (variable for row in variables for variable in row):
            self.builder.store(ir.Constant(kind, None), variable)
        return variables

    def places(self, variables: Variables, size: Any) -> Iterator[tuple[int, Any, Any]]:
        """Each of `[rows][columns]` variables: its row, itself, and where it is in fp32 rows of `size` numbers."""
        for index, row in enumerate(variables):
            for column, variable in enumerate(row):
                yield index, variable, self.offset(4 * LANES * column, (size, 4 * index))

    def moved(self, base: Any, offset: Any) -> Any:
        """The pointer `offset` bytes after `base`."""
        return self.builder.gep(base, [offset], source_etype=llvm.I8)

    def shares(self, count: Any, most: int) -> Iterator[tuple[int, Any]]:
        """A loop over `count` in shares of `most` and one over the rest, singly: the size and the start of a share."""
        whole = self.builder.udiv(count, llvm.number(most))
        with cgutils.for_range(self.builder, whole) as loop:
            yield most, self.builder.mul(loop.index, llvm.number(most))
        if most > 1:
            with cgutils.for_range(self.builder, count, self.builder.mul(whole, llvm.number(most))) as loop:
                yield 1, loop.index

    def _pointer(self, base: Any, offset: Any, kind: Any) -> Any:
        return self.builder.bitcast(self.moved(base, offset), kind.as_pointer())


@intrinsic
def fetch(_context: Any, first: Any, lines: Any) -> Any:
    """Begin to read a number of cache lines from the address `first` on."""

    def generate(target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        code = Code(builder)
        with cgutils.for_range(builder, values[1]) as loop:
            code.prefetch(llvm.pointer(builder, values[0]), code.offset(0, (loop.index, LINE)))
        return target.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _constant(word: int) -> Any:
    return ir.Constant(WORDS, [word] * LANES)


def _parts_of_int8(builder: Any, word: Any) -> list[Any]:
    bytes_of = [builder.and_(builder.lshr(word, _constant(shift)), _constant(255)) for shift in (0, 8, 16, 24)]
    return [builder.uitofp(byte, FLOATS) for byte in bytes_of]


def _parts_of_bf16(builder: Any, word: Any) -> list[Any]:
    halves = builder.shl(word, _constant(16)), builder.and_(word, _constant(-65536))
    return [builder.bitcast(half, FLOATS) for half in halves]


_PARTS: dict[str, tuple[int, Callable[[Any, Any], list[Any]]]] = {
    "int8": (4, _parts_of_int8),
    "bf16": (2, _parts_of_bf16),
}


def scores(kind: str, blocks: int) -> Any:
    """Dots of queries with the keys of some blocks of 16 tokens, in fp32.

    `kind` is that of the keys: "int8" (u8) or "bf16"; `blocks` blocks at a time are kept in registers. Arguments, all
    int64: addresses of the keys, of the queries (fp32 `[heads, size]`) and of what is written (fp32 `[heads, TILE]`);
    heads, blocks, size.
    """
    count, parts = _PARTS[kind]

    def step(code: Code, words: list[Any], query: Any, totals: Variables, size: Any) -> None:
        numbers = [parts(code.builder, word) for word in words]
        for head, row in enumerate(totals):
            for part in range(count):
                factor = code.spread(query, code.offset(4 * part, (size, 4 * head)), llvm.F32)
                for number, total in zip(numbers, row, strict=True):
                    code.builder.store(llvm.fused(code.builder, factor, number[part], code.builder.load(total)), total)

    return scores_by(step, FLOATS, count, 4, blocks)


def scores_by(step: Callable[..., None], kind: Any, count: int, query_bytes: int, most: int) -> Any:
    """`scores` where `step` adds to totals of `kind` the dots of words with the queries' numbers, `count` in each."""

    def some(code: Code, heads: int, blocks: int, keys: Any, query: Any, out: Any, size: Any) -> None:
        builder = code.builder
        totals = code.variables(kind, heads, blocks)
        words = builder.udiv(size, llvm.number(count))
        with cgutils.for_range(builder, words) as loop:
            places = [code.offset(0, (loop.index, 64), (words, 64 * block)) for block in range(blocks)]
            numbers = code.moved(query, code.offset(0, (loop.index, count * query_bytes)))
            step(code, [code.load(keys, place, WORDS) for place in places], numbers, totals, size)
        for head, row in enumerate(totals):
            for block, total in enumerate(row):
                dots = builder.load(total) if kind == FLOATS else builder.sitofp(builder.load(total), FLOATS)
                code.store(dots, out, llvm.number(4 * (TILE * head + LANES * block)))

    @intrinsic
    def dot_products(_context: Any, keys: Any, query: Any, out: Any, heads: Any, blocks: Any, size: Any) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, values: Any) -> Any:
            code = Code(builder)
            keys, query, out = (llvm.pointer(builder, value) for value in values[:3])
            heads, blocks, size = values[3:]
            for head_count, head in code.shares(heads, HEADS):
                for block_count, block in code.shares(blocks, most):
                    first_key = code.moved(
                        keys, builder.mul(block, builder.udiv(builder.mul(size, llvm.number(64)), llvm.number(count)))
                    )
                    first_query = code.moved(query, builder.mul(builder.mul(head, size), llvm.number(query_bytes)))
                    first = code.moved(out, code.offset(0, (head, 4 * TILE), (block, 4 * LANES)))
                    some(code, head_count, block_count, first_key, first_query, first, size)
            return target.get_dummy_value()

        return types.void(*[types.int64] * 6), generate

    return dot_products


def _signed_parts(builder: Any, word: Any) -> list[Any]:
    moved = [builder.shl(word, _constant(shift)) if shift else word for shift in (24, 16, 8, 0)]
    return [builder.sitofp(builder.ashr(part, _constant(24)), FLOATS) for part in moved]


def _number_of_bf16(builder: Any, half: Any) -> list[Any]:
    return [builder.bitcast(builder.shl(builder.zext(half, WORDS), _constant(16)), FLOATS)]


_VALUES: dict[str, tuple[int, Any, Callable[[Any, Any], list[Any]]]] = {  # tokens that share a vector, of what
    "int8": (GROUP, WORDS, _signed_parts),
    "bf16": (1, _HALVES, _number_of_bf16),
}


def _some_columns(kind: str, columns: int) -> Callable[..., None]:
    """Emits the loop over the tokens for `columns` columns of values: what `sums` does between loading and storing."""
    span, unit, parts = _VALUES[kind]
    width = LANES * unit.element.width // 8  # bytes of a vector
    vectors = columns // LANES

    def some(code: Code, totals: Variables, values: Any, weights: Any, groups: Any, size: Any, ahead: Any) -> None:
        builder = code.builder
        with cgutils.for_range(builder, groups) as loop:
            group = code.moved(values, code.offset(0, (builder.mul(loop.index, size), width // LANES)))
            for line in range(0, vectors * width, 64):
                code.prefetch(group, builder.add(ahead, llvm.number(line)))
            numbers = [parts(builder, code.load(group, llvm.number(width * index), unit)) for index in range(vectors)]
            for head, row in enumerate(totals):
                for part in range(span):
                    weight = code.spread(
                        weights, code.offset(4 * (TILE * head + part), (loop.index, 4 * span)), llvm.F32
                    )
                    for number, total in zip(numbers, row, strict=True):
                        builder.store(llvm.fused(code.builder, weight, number[part], builder.load(total)), total)

    return some


def sums(kind: str, columns: int) -> Any:
    """Scales sums and adds to them the values of some tokens, each times its weight.

    `kind` is that of the values, "int8" or "bf16"; `columns` columns at a time, a multiple of 16, are kept in
    registers. Arguments, int64 but for one: addresses of the values and of the weights (fp32 `[heads, TILE]`, zeros
    behind the last token); the unit of the weights, an fp32, which is 1 here; addresses of the factors of the sums
    (fp32 `[heads]`) and of the sums (fp32 `[heads, size]`); heads, tokens and size, the latter a multiple of `columns`;
    and how many bytes ahead values are fetched.
    """
    span, unit, _parts = _VALUES[kind]
    width = LANES * unit.element.width // 8  # bytes of a vector
    vectors, some = columns // LANES, _some_columns(kind, columns)

    @intrinsic
    def weighted_sums(
        _context: Any,
        values: Any,
        weights: Any,
        unit: Any,
        factors: Any,
        out: Any,
        heads: Any,
        count: Any,
        size: Any,
        ahead: Any,
    ) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            code = Code(builder)
            values, weights, factors, out = (llvm.pointer(builder, arguments[index]) for index in (0, 1, 3, 4))
            heads, count, size, ahead = arguments[5:]
            groups = builder.udiv(builder.add(count, llvm.number(span - 1)), llvm.number(span))
            for together, head in code.shares(heads, HEADS):
                weights_of = code.moved(weights, code.offset(0, (head, 4 * TILE)))
                factors_of = code.moved(factors, code.offset(0, (head, 4)))
                with cgutils.for_range(builder, builder.udiv(size, llvm.number(columns))) as chunk:
                    totals = code.variables(FLOATS, together, vectors)
                    first = code.offset(0, (builder.mul(head, size), 4), (chunk.index, 4 * columns))
                    for index, total, place in code.places(totals, size):
                        before = code.load(code.moved(out, first), place, FLOATS)
                        factor = code.spread(factors_of, llvm.number(4 * index), llvm.F32)
                        builder.store(builder.fmul(factor, before), total)
                    column = code.moved(values, code.offset(0, (chunk.index, vectors * width)))
                    some(code, totals, column, weights_of, groups, size, ahead)
                    for _index, total, place in code.places(totals, size):
                        code.store(builder.load(total), code.moved(out, first), place)
            return target.get_dummy_value()

        return types.void(types.int64, types.int64, types.float32, *[types.int64] * 6), generate

    return weighted_sums
