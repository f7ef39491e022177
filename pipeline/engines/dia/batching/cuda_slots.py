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
from pipeline.engines.dia.network.attention_cuda import BLOCK, PoolBatch, Store, steady_tile
from pipeline.engines.dia.network.linear import FP8
from pipeline.engines.dia.network.model import Model

_NEVER = 2**40  # a row that no take has
_STEPS_UNSEEN = 16  # an end is noticed so late at most, and costs so many steps of one slot


@dataclass(frozen=True)
class _State:
    """What each of the S slots is at. The conditional lane's text has `text` tokens."""

    grid: Tensor  # `[S, rows, C]`, delayed; what is not given is filled in
    uniforms: Tensor  # `[S, rows, C]`
    row: Tensor  # `[S]`, the next one to read
    first: Tensor  # `[S]`, the first row that is not given in the first codebook
    cap: Tensor  # `[S]`, the row in which the take ends at the latest
    end: Tensor  # `[S]`, the row in which the first codebook has EOS, or `_NEVER`
    active: Tensor  # `[S]`
    broken: Tensor  # `[S]`
    text: Tensor  # `[S]`

    @classmethod
    def empty(cls, slots: int, rows: int, codebooks: int, device: torch.device) -> _State:
        """No slot has a take; what they read in vain is one row of zeros and a text of one token."""
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
        )

    def tensors(self) -> list[Tensor]:
        """All of them."""
        return [getattr(self, field.name) for field in fields(self)]


@dataclass(frozen=True)
class Shape:
    """What a graph is captured for: so many slots, blocks of rows and of text, with or without unconditional lanes."""

    slots: int
    blocks: int
    text_blocks: int
    guided: bool


@dataclass(eq=False)
class CudaSlot(Decoding):
    """A request; what its `lanes` have read moves into the static KV cache when there is a place for it."""

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
        self._kept_as = FP8 if fp8 else self._dtype
        self._graphs = model.device.type == "cuda" if graphs is None else graphs
        self._delay = torch.tensor(model.config.delays, device=model.device)
        self._number = torch.arange(0, device=model.device)
        self._seats: dict[int, CudaSlot] = {}  # by their numbers in the static KV cache
        self._release()

    def reset(self) -> None:
        """As `Stepper.reset`."""
        for slot in list(self._seats.values()):
            self._leave(slot, spoilt=True)

    def _release(self) -> None:
        """Give the KV cache back, and forget who was in it."""
        decoder, device = self.model.config.decoder, self.model.device
        self._captured: dict[Shape, torch.cuda.CUDAGraph] = {}
        self._seats.clear()
        self._state = _State.empty(0, 0, len(self.model.config.delays), device)
        sides = 2 if self._sampling.cfg_scale > 0 else 1
        size, cross_size = decoder.head_dim, decoder.cross_head_dim
        self._heard = Store(decoder.layers, decoder.kv_heads, size, sides, self._kept_as, device)
        self._texts = Store(decoder.layers, decoder.cross_kv_heads, cross_size, 1, self._kept_as, device)

    # Places in the static KV cache

    @memory_errors()
    def prefill(self, request: GenerationRequest) -> CudaSlot:
        """As `Stepper.prefill`, outside the graphs."""
        return CudaSlot(request, self.model.config, lanes=self._prefill.lanes(request))

    @memory_errors()
    @torch.inference_mode()
    def allocate(self, slot: CudaSlot, slots: int) -> None:
        """Copy what the slot's lanes have read into a static KV cache of at least so many slots."""
        cond = slot.lanes[0]
        assert cond is not None
        assert cond.text is not None
        text, rows = cond.text, len(slot.grid)
        self._reserve(slots, _up(rows, BLOCK), _up(text.length, BLOCK))
        number = next(number for number in range(slots) if number not in self._seats)
        for side, lane in enumerate(slot.lanes):
            if lane is not None:
                self._heard.put(number, side, lane.cache, lane.length)
        self._texts.put(number, 0, text.cache, text.length)
        state = self._state
        state.grid[number, :rows] = self._prefill.codes(slot.grid)
        state.uniforms[number, :rows] = torch.from_numpy(slot.uniforms).to(self.model.device)
        state.row[number] = slot.row
        state.first[number] = slot.first
        state.cap[number] = slot.cap
        state.end[number] = _NEVER
        state.text[number] = text.length
        state.broken[number] = False
        state.active[number] = True
        slot.lanes = ()
        self._seats[number] = slot

    def _reserve(self, slots: int, rows: int, text: int) -> None:
        """Have room for so many slots, rows and tokens of text. Only an empty cache shrinks, and is given up first."""
        rows, text = max(rows, self._heard.capacity), max(text, self._texts.capacity)
        roomy = self._heard.slots >= slots if self._seats else self._heard.slots == slots
        if roomy and (rows, text) == (self._heard.capacity, self._texts.capacity):
            return
        if not self._seats:
            self._release()
        self._resize(slots, rows, text)

    def _resize(self, slots: int, rows: int, text: int) -> None:
        """Move into a cache of another size; where there is too little memory for both, all is as it was."""
        self._compact()
        device = self.model.device
        state = _State.empty(slots, rows, len(self.model.config.delays), device)
        heard, texts = self._heard.resized(slots, rows), self._texts.resized(slots, text)
        kept = min(slots, self._heard.slots)
        for new, old in zip(state.tensors(), self._state.tensors(), strict=True):
            (new[:kept, : old.shape[1]] if old.ndim > 1 else new[:kept]).copy_(old[:kept])
        self._state, self._heard, self._texts = state, heard, texts
        self._number = torch.arange(2 * slots, device=device)
        decoder, buckets = self.model.config.decoder, _buckets(slots)
        together = tuple(sides * count for count in buckets for sides in range(1, heard.sides + 1))
        types = (self._dtype, self._kept_as, str(device))
        self._tile = steady_tile(together, decoder.heads, decoder.kv_heads, decoder.head_dim, *types)
        cross = (decoder.cross_heads, decoder.cross_kv_heads, decoder.cross_head_dim)
        self._text_tile = steady_tile(buckets, *cross, *types)
        self._captured.clear()

    def _compact(self) -> None:
        """Let the slots in use have the lowest numbers."""
        free = (number for number in range(len(self._seats)) if number not in self._seats)
        for source in [number for number in self._seats if number >= len(self._seats)]:
            target, slot = next(free), self._seats[source]
            self._heard.move(source, target, slot.row)
            self._texts.move(source, target, len(slot.request.text))
            for tensor in self._state.tensors():
                tensor[target] = tensor[source]
            self._vacate(source)
            self._seats[target] = slot

    def _vacate(self, number: int) -> None:
        """Let the slot read its first row again and again."""
        del self._seats[number]
        self._state.active[number] = False
        self._state.row[number] = 0
        self._state.text[number] = 1

    @torch.inference_mode()
    def _leave(self, slot: CudaSlot, *, spoilt: bool) -> None:
        """Vacate the slot's place; `spoilt`: there may be a NaN among its keys and values."""
        number = next(number for number, other in self._seats.items() if other is slot)
        self._vacate(number)
        if spoilt:
            self._heard.clear(number)
            self._texts.clear(number)

    # Decode steps

    @memory_errors()
    def decode(self, active: Sequence[CudaSlot]) -> int:
        """So many decode steps that an end that is known is met, and no other goes long unseen."""
        assert len(active) == len(self._seats)
        try:
            with torch.inference_mode(), _on(self.model.device):
                self._compact()
                count = min(_STEPS_UNSEEN, *(slot.steps_left for slot in active))
                shape = self._shape(count)
                for _ in range(count):
                    self._run(shape)
                self._look()
        except (RuntimeError, MemoryError):
            self._release()  # it is half changed
            raise
        return count

    def _shape(self, count: int) -> Shape:
        """What the next `count` steps need."""
        slots = self._seats.values()
        unguided = self._cfg_frames is not None and all(slot.frames >= self._cfg_frames for slot in slots)
        return Shape(
            slots=next(bucket for bucket in _buckets(self._heard.slots) if bucket >= len(slots)),
            blocks=-(-(max(slot.row for slot in slots) + count) // BLOCK),
            text_blocks=-(-max(len(slot.request.text) for slot in slots) // BLOCK),
            guided=self._heard.sides > 1 and not unguided,
        )

    def _run(self, shape: Shape) -> None:
        """Take a step: the first of its shape as it is, while CUDA loads kernels, the others from a graph."""
        if shape in self._captured:
            self._captured[shape].replay()
            return
        self._step(shape)
        if self._graphs:
            self._captured[shape] = self._capture(shape)

    def _capture(self, shape: Shape) -> torch.cuda.CUDAGraph:
        """Note a step down without taking it."""
        memory = next((graph.pool() for graph in self._captured.values()), None)  # no two of them run at a time
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=memory, capture_error_mode="thread_local"):
                self._step(shape)
        except RuntimeError as error:
            if isinstance(error.__context__, torch.OutOfMemoryError):  # leaving the capture then fails, too
                raise error.__context__ from None
            raise
        return graph

    def _look(self) -> None:
        """Read what has become of the slots."""
        state = self._state
        progress = torch.stack([state.row, state.end, state.broken.long()], dim=1)[: len(self._seats)].tolist()
        for number, slot in self._seats.items():
            slot.row, end, broken = progress[number]
            slot.end, slot.finite = None if end == _NEVER else end, not broken
            if slot.finite and slot.end is not None and slot.steps_left == 0:
                slot.grid = state.grid[number, : len(slot.grid)].cpu().numpy()

    def finish(self, slot: CudaSlot) -> Generated | None:
        """As `Stepper.finish`."""
        result = slot.result()
        if result is not None:
            self._leave(slot, spoilt=not slot.finite)
        return result

    # One step, by nothing but tensor operations whose shapes depend on `shape` alone

    def _step(self, shape: Shape) -> None:
        """Read a row of each slot, fill in the next. Conditional lanes lie in the pool from the last slot on."""
        state, model, count = self._state, self.model, shape.slots
        row = state.row[:count]
        codes = state.grid[self._number[:count], row]
        if shape.guided:
            places, codes = torch.cat([row.flip(0), row]), torch.cat([codes.flip(0), codes])
        else:
            places, codes = row.flip(0), codes.flip(0)
        batch = PoolBatch(
            plain=self._plain,
            heard=self._heard,
            texts=self._texts,
            slots=count,
            guided=shape.guided,
            places=places,
            lanes=self._number[: len(places)],
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
        uniform = self._state.uniforms[self._number[slots], row]
        tokens, finite = sample(cond, uncond, self._sampling, eos, uniform), _finite(cond)
        if uncond is not None:
            spoilt = ~_finite(uncond)
            if self._cfg_frames is not None:
                guided = row - self._state.first[slots] + 1 < self._cfg_frames
                spoilt &= guided
                unguided = sample(cond, None, self._sampling, eos, uniform)
                tokens = torch.where(guided[:, None], tokens, unguided)
            finite &= ~spoilt
        return tokens, finite

    def _fill_in(self, tokens: Tensor, finite: Tensor, count: int) -> None:
        """Put the drawn `tokens` `[B, C]` into the rows after those that were read, by the rules for a take's end."""
        config, state, number = self.model.config, self._state, self._number[:count]
        row, end, active = state.row[:count], state.end[:count], state.active[:count]
        following = row + 1
        ends = (end == _NEVER) & ((following == state.cap[:count]) | (tokens[:, 0] == config.eos))
        end = torch.where(active & ends, following, end)
        there = state.grid[number, following]
        tokens = torch.where(there == FREE, tokens, there)
        last, here = end[:, None] + self._delay, following[:, None]
        tokens = torch.where(here == last, config.eos, torch.where(here > last, config.pad, tokens))
        state.grid[number, following] = tokens  # of a take that has ended it is a row that nothing reads
        state.end[:count] = end
        state.row[:count] = row + active
        state.broken[:count] |= active & ~finite
        state.active[:count] = active & finite & (following < end + max(config.delays) - 1)


def _finite(logits: Tensor) -> Tensor:
    return logits.isfinite().all(-1).all(-1)


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _buckets(limit: int) -> tuple[int, ...]:
    """The numbers of slots that graphs are captured for: powers of two, and all of them."""
    return (*(1 << power for power in range((limit - 1).bit_length())), limit)


def _on(device: torch.device) -> contextlib.AbstractContextManager[object]:
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
