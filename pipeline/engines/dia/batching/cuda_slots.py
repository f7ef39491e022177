"""The stepper for CUDA: static slots in one KV cache, of which a decode step is one CUDA graph.

What a step needs to know of a slot lies in tensors on the device, and what `Decoding.fill` does on the host is done by
tensor operations, so that a step can be captured and replayed. The host looks only every so many steps for slots that
have ended; a slot without a request, or whose take has ended, computes what nothing reads. Prefill is that of
`slots.py`, outside the graph. The slots in use are the first ones, and a graph is for a power of two of them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from pipeline.engines.dia.batching.decoding import Decoding
from pipeline.engines.dia.batching.delay import FREE
from pipeline.engines.dia.batching.prefill import Prefill, memory_errors
from pipeline.engines.dia.batching.sampling import Sampling, sample
from pipeline.engines.dia.batching.scheduler import Generated, GenerationRequest
from pipeline.engines.dia.network.attention import Lane, PlainAttention
from pipeline.engines.dia.network.attention_cuda import BLOCK, StaticBatch, StaticCache, steady_tile
from pipeline.engines.dia.network.linear import FP8
from pipeline.engines.dia.network.model import Model

_NEVER = 2**40  # a row that no take has
_STEPS_UNSEEN = 16  # an end is noticed so late at most, and costs so many steps of one slot


@dataclass(frozen=True)
class _SlotState:
    """`Decoding` of S slots as tensors on the device, and the length of each slot's text and its temperature."""

    grid: Tensor  # `[S, rows, C]`
    uniforms: Tensor  # `[S, rows, C]`
    row: Tensor  # `[S]`, as all that follow
    first: Tensor
    cap: Tensor
    end: Tensor  # `_NEVER` where there is none yet
    active: Tensor  # whether its row goes on
    broken: Tensor  # whether any logit was not finite
    text: Tensor  # tokens
    temperature: Tensor  # float32

    @classmethod
    def empty(cls, slots: int, rows: int, codebooks: int, device: torch.device) -> _SlotState:
        """No slot is in use; what they read in vain is one row of zeros and a text of one token."""
        cells = (slots, rows, codebooks)
        return cls(
            grid=torch.zeros(cells, dtype=torch.long, device=device),
            uniforms=torch.zeros(cells, device=device),
            row=torch.zeros(slots, dtype=torch.long, device=device),
            first=torch.zeros(slots, dtype=torch.long, device=device),
            cap=torch.zeros(slots, dtype=torch.long, device=device),
            end=torch.zeros(slots, dtype=torch.long, device=device),
            active=torch.zeros(slots, dtype=torch.bool, device=device),
            broken=torch.zeros(slots, dtype=torch.bool, device=device),
            text=torch.ones(slots, dtype=torch.long, device=device),
            temperature=torch.ones(slots, device=device),
        )

    def tensors(self) -> list[Tensor]:
        """In the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]


@dataclass(frozen=True)
class StepShape:
    """What a graph is captured for: so many slots, blocks of rows and of text, with or without unconditional lanes."""

    slots: int
    blocks: int
    text_blocks: int
    guided: bool


@dataclass(eq=False)
class CudaSlot(Decoding):
    """A request; the KV cache of its `lanes` moves into the static one when it is allocated a place there."""

    lanes: tuple[Lane | None, ...] = field(kw_only=True)  # the conditional one, then the unconditional one


class CudaStepper:
    """A `Stepper` with static slots in one KV cache, whose decode steps are replayed from CUDA graphs.

    The cache has room for as many slots as the scheduler allows, of the longest rows and texts there have been, and
    grows with a longer one. With `fp8` it keeps keys and values in fp8, in half the memory. `graphs` says whether steps
    are captured: on CUDA, unless said otherwise. Raises `TypeError` where the model's attention is not the plain one.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        cfg_frames: int | None = None,
        *,
        fp8: bool = False,
        graphs: bool | None = None,
    ) -> None:
        if not isinstance(model.attention, PlainAttention):
            raise TypeError("the static KV cache takes over what plain attention has read")
        self.model = model
        self._sampling = sampling
        self._cfg_frames = cfg_frames
        self._prefill = Prefill(model, guided=sampling.cfg_scale > 0)
        self.kv_bytes = self._prefill.kv_bytes
        self.trim = self._prefill.clear
        self._plain = model.attention
        self._dtype = model.lane(None, 0).cache[0].dtype
        self._kv_dtype = FP8 if fp8 else self._dtype
        self._captures = model.device.type == "cuda" if graphs is None else graphs
        self._delay = torch.tensor(model.config.delays, device=model.device)
        self._indices = torch.arange(0, device=model.device)
        self._slots: dict[int, CudaSlot] = {}  # by their numbers in the static KV cache
        self._release()

    def reset(self) -> None:
        """As `Stepper.reset`."""
        for slot in list(self._slots.values()):
            self._free(slot, clear=True)

    def _release(self) -> None:
        """Give the KV cache back, and forget who was in it."""
        decoder, device = self.model.config.decoder, self.model.device
        self._graph_of: dict[StepShape, torch.cuda.CUDAGraph] = {}
        self._slots.clear()
        self._state = _SlotState.empty(0, 0, len(self.model.config.delays), device)
        sides = 2 if self._sampling.cfg_scale > 0 else 1
        size, cross_size = decoder.head_dim, decoder.cross_head_dim
        self._self_cache = StaticCache(decoder.layers, decoder.kv_heads, size, sides, self._kv_dtype, device)
        self._cross_cache = StaticCache(decoder.layers, decoder.cross_kv_heads, cross_size, 1, self._kv_dtype, device)

    # Places in the static KV cache

    @memory_errors()
    def prefill(self, request: GenerationRequest) -> CudaSlot:
        """As `Stepper.prefill`, outside the graphs."""
        return CudaSlot(request, self.model.config, lanes=self._prefill.lanes(request))

    @memory_errors()
    @torch.inference_mode()
    def allocate(self, slot: CudaSlot, slots: int) -> None:
        """Move the slot's lanes into a static KV cache of at least so many slots."""
        cond = slot.lanes[0]
        assert cond is not None
        assert cond.text is not None
        text, rows = cond.text, len(slot.grid)
        self._reserve(slots, _round_up(rows, BLOCK), _round_up(text.length, BLOCK))
        number = next(number for number in range(slots) if number not in self._slots)
        for side, lane in enumerate(slot.lanes):
            if lane is not None:
                self._self_cache.put(number, side, lane.cache, lane.length)
        self._cross_cache.put(number, 0, text.cache, text.length)
        state = self._state
        state.grid[number, :rows] = self._prefill.codes(slot.grid)
        state.uniforms[number, :rows] = torch.from_numpy(slot.uniforms).to(self.model.device)
        state.row[number] = slot.row
        state.first[number] = slot.first
        state.cap[number] = slot.cap
        state.end[number] = _NEVER
        state.text[number] = text.length
        state.temperature[number] = self._sampling.temperature_of(slot.request.temperature)
        state.broken[number] = False
        state.active[number] = True
        slot.lanes = ()
        self._slots[number] = slot

    def _reserve(self, slots: int, rows: int, text: int) -> None:
        """Have room for so many slots, rows and tokens of text. Only an empty cache shrinks, and is given up first."""
        rows, text = max(rows, self._self_cache.capacity), max(text, self._cross_cache.capacity)
        roomy = self._self_cache.slots >= slots if self._slots else self._self_cache.slots == slots
        if roomy and (rows, text) == (self._self_cache.capacity, self._cross_cache.capacity):
            return
        if not self._slots:
            self._release()
        self._resize(slots, rows, text)

    def _resize(self, slots: int, rows: int, text: int) -> None:
        """Move into a cache of another size; where there is too little memory for both, all is as it was."""
        self._compact()
        device = self.model.device
        state = _SlotState.empty(slots, rows, len(self.model.config.delays), device)
        self_cache, cross_cache = self._self_cache.resized(slots, rows), self._cross_cache.resized(slots, text)
        kept = min(slots, self._self_cache.slots)
        for new, old in zip(state.tensors(), self._state.tensors(), strict=True):
            (new[:kept, : old.shape[1]] if old.ndim > 1 else new[:kept]).copy_(old[:kept])
        self._state, self._self_cache, self._cross_cache = state, self_cache, cross_cache
        self._indices = torch.arange(2 * slots, device=device)
        decoder, buckets = self.model.config.decoder, _buckets(slots)
        together = tuple(sides * count for count in buckets for sides in range(1, self_cache.sides + 1))
        types = (self._dtype, self._kv_dtype, str(device))
        self._tile = steady_tile(together, decoder.heads, decoder.kv_heads, decoder.head_dim, *types)
        cross = (decoder.cross_heads, decoder.cross_kv_heads, decoder.cross_head_dim)
        self._text_tile = steady_tile(buckets, *cross, *types)
        self._graph_of.clear()

    def _compact(self) -> None:
        """Let the slots in use have the lowest numbers."""
        free = (number for number in range(len(self._slots)) if number not in self._slots)
        for source in [number for number in self._slots if number >= len(self._slots)]:
            target, slot = next(free), self._slots[source]
            self._self_cache.move(source, target, slot.row)
            self._cross_cache.move(source, target, len(slot.request.text))
            for tensor in self._state.tensors():
                tensor[target] = tensor[source]
            self._vacate(source)
            self._slots[target] = slot

    def _vacate(self, number: int) -> None:
        """Let the slot read its first row again and again."""
        del self._slots[number]
        self._state.active[number] = False
        self._state.row[number] = 0
        self._state.text[number] = 1

    @torch.inference_mode()
    def _free(self, slot: CudaSlot, *, clear: bool) -> None:
        """Vacate the slot's place; `clear`: there may be a NaN among its keys and values."""
        number = next(number for number, other in self._slots.items() if other is slot)
        self._vacate(number)
        if clear:
            self._self_cache.clear(number)
            self._cross_cache.clear(number)

    # Decode steps

    @memory_errors()
    def decode(self, active: Sequence[CudaSlot]) -> int:
        """So many decode steps that an end that is known is met, and no other goes long unseen."""
        assert len(active) == len(self._slots)
        try:
            with torch.inference_mode(), _on_device(self.model.device):
                self._compact()
                count = min(_STEPS_UNSEEN, *(slot.steps_left for slot in active))
                shape = self._shape(count)
                for _ in range(count):
                    self._run(shape)
                self._read_back()
        except (RuntimeError, MemoryError):
            self._release()  # it is half changed
            raise
        return count

    def _shape(self, count: int) -> StepShape:
        """What the next `count` steps need."""
        slots = self._slots.values()
        unguided = self._cfg_frames is not None and all(slot.frames >= self._cfg_frames for slot in slots)
        return StepShape(
            slots=next(bucket for bucket in _buckets(self._self_cache.slots) if bucket >= len(slots)),
            blocks=-(-(max(slot.row for slot in slots) + count) // BLOCK),
            text_blocks=-(-max(len(slot.request.text) for slot in slots) // BLOCK),
            guided=self._self_cache.sides > 1 and not unguided,
        )

    def _run(self, shape: StepShape) -> None:
        """Take a step: the first of its shape as it is, while CUDA loads kernels, the others from a graph."""
        if shape in self._graph_of:
            self._graph_of[shape].replay()
            return
        self._step(shape)
        if self._captures:
            self._graph_of[shape] = self._capture(shape)

    def _capture(self, shape: StepShape) -> torch.cuda.CUDAGraph:
        """Capture a step without taking it."""
        memory = next((graph.pool() for graph in self._graph_of.values()), None)  # no two of them run at a time
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=memory, capture_error_mode="thread_local"):
                self._step(shape)
        except RuntimeError as error:
            if isinstance(error.__context__, torch.OutOfMemoryError):  # leaving the capture then fails, too
                raise error.__context__ from None
            raise
        return graph

    def _read_back(self) -> None:
        """Bring rows, ends and finished grids from the device to the slots."""
        state = self._state
        progress = torch.stack([state.row, state.end, state.broken.long()], dim=1)[: len(self._slots)].tolist()
        for number, slot in self._slots.items():
            slot.row, end, broken = progress[number]
            slot.end, slot.finite = None if end == _NEVER else end, not broken
            if slot.finite and slot.end is not None and slot.steps_left == 0:
                slot.grid = state.grid[number, : len(slot.grid)].cpu().numpy()

    def finish(self, slot: CudaSlot) -> Generated | None:
        """As `Stepper.finish`."""
        result = slot.result()
        if result is not None:
            self._free(slot, clear=not slot.finite)
        return result

    # One step, by nothing but tensor operations whose shapes depend on `shape` alone

    def _step(self, shape: StepShape) -> None:
        """Read a row of each slot, fill in the next. Conditional lanes come first, from the last slot to the first."""
        state, model, count = self._state, self.model, shape.slots
        row = state.row[:count]
        codes = state.grid[self._indices[:count], row]
        if shape.guided:
            positions, codes = torch.cat([row.flip(0), row]), torch.cat([codes.flip(0), codes])
        else:
            positions, codes = row.flip(0), codes.flip(0)
        batch = StaticBatch(
            plain=self._plain,
            self_cache=self._self_cache,
            cross_cache=self._cross_cache,
            slots=count,
            guided=shape.guided,
            positions=positions,
            lanes=self._indices[: len(positions)],
            text_lengths=state.text[:count].flip(0),
            blocks=shape.blocks,
            text_blocks=shape.text_blocks,
            tile=self._tile,
            text_tile=self._text_tile,
            dtype=self._dtype,
        )
        x = model.embed(codes)
        for index in range(model.config.decoder.layers):
            x = model.layer(index, x, batch, count)
        logits = model.logits(x)
        tokens, finite = self._draw(logits[:count].flip(0), logits[count:] if shape.guided else None, row)
        self._fill_in(tokens, finite, count)

    def _draw(self, cond: Tensor, uncond: Tensor | None, row: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `[B, C]` from logits `[B, C, V]`, and whether those were finite, `[B]`."""
        eos, slots = self.model.config.eos, slice(len(cond))
        uniform, temperature = self._state.uniforms[self._indices[slots], row], self._state.temperature[slots]
        tokens, finite = sample(cond, uncond, self._sampling, eos, uniform, temperature), _finite(cond)
        if uncond is not None:
            broken = ~_finite(uncond)
            if self._cfg_frames is not None:
                guided = row - self._state.first[slots] + 1 < self._cfg_frames
                broken &= guided
                unguided = sample(cond, None, self._sampling, eos, uniform, temperature)
                tokens = torch.where(guided[:, None], tokens, unguided)
            finite &= ~broken
        return tokens, finite

    def _fill_in(self, tokens: Tensor, finite: Tensor, count: int) -> None:
        """`Decoding.fill` for the first `count` slots and their `tokens` `[B, C]`, as tensor operations."""
        config, state, number = self.model.config, self._state, self._indices[:count]
        row, end, active = state.row[:count], state.end[:count], state.active[:count]
        following = row + 1
        ends = (end == _NEVER) & ((following == state.cap[:count]) | (tokens[:, 0] == config.eos))
        end = torch.where(active & ends, following, end)
        given = state.grid[number, following]
        tokens = torch.where(given == FREE, tokens, given)
        last, this = end[:, None] + self._delay, following[:, None]
        tokens = torch.where(this == last, config.eos, torch.where(this > last, config.pad, tokens))
        state.grid[number, following] = tokens  # of a take that has ended it is a row that nothing reads
        state.end[:count] = end
        state.row[:count] = row + active
        state.broken[:count] |= active & ~finite
        state.active[:count] = active & finite & (following < end + max(config.delays) - 1)


def _finite(logits: Tensor) -> Tensor:
    return logits.isfinite().all(-1).all(-1)


def _round_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _buckets(limit: int) -> tuple[int, ...]:
    """The numbers of slots that graphs are captured for: powers of two, and `limit`."""
    return (*(1 << power for power in range((limit - 1).bit_length())), limit)


def _on_device(device: torch.device) -> contextlib.AbstractContextManager[object]:
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


@functools.cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


@contextlib.contextmanager
def on_stream(device: torch.device) -> Iterator[None]:
    """What is computed on `device` within does not wait for steps in flight, nor they for it; it is done at the end.

    For the codec, in a thread of its own: CUDA has a second stream for it. Elsewhere nothing changes.
    """
    if device.type != "cuda":
        yield
        return
    stream = _stream(device)
    with torch.cuda.stream(stream):
        yield
    stream.synchronize()
