"""Continuous batching for GPUs: a static pool of slots, of which one step is one CUDA graph.

What a step needs to know of a take lies in tensors on the device, and all that `Slots` does on the host in each step is
done by tensor operations, so that a step can be captured and replayed. The host looks only every so many steps for
takes that have ended; a slot without a take, or whose take has ended, computes what nothing reads. Prompts are read
as in `Slots`, outside the graph. The slots in use are the first ones, and a graph is for a power of two of them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pipeline.engines.dia.batching.delay import FREE
from pipeline.engines.dia.batching.sampling import Sampling, sample
from pipeline.engines.dia.batching.slots import Generated, Prompted, Slots, _raise_unless_memory, _Slot
from pipeline.engines.dia.network.attention import PlainAttention
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


class Pool(Slots):
    """Generates takes as `Slots` does, up to `limit` at a time; for one `generate` at a time.

    The pool has room for `limit` takes of the longest rows and texts there have been, and grows with a longer one. With
    `fp8` it keeps keys and values in fp8, in half the memory. `graphs` says whether steps are captured: on CUDA, unless
    said otherwise. The model's attention must be the plain one.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        limit: int,
        cfg_frames: int | None = None,
        *,
        fp8: bool = False,
        graphs: bool | None = None,
    ) -> None:
        super().__init__(model, sampling, limit, cfg_frames)
        if not isinstance(model.attention, PlainAttention):
            raise TypeError("a pool takes over what plain attention has read")
        self._plain = model.attention
        self._dtype = model.lane(None, 0).cache[0].dtype
        self._kept_as = FP8 if fp8 else self._dtype
        self._graphs = model.device.type == "cuda" if graphs is None else graphs
        self._delay = torch.tensor(self._delays, device=model.device)
        self._number = torch.arange(0, device=model.device)
        self._seats: dict[int, _Slot] = {}  # by their numbers in the pool
        self._release()

    def generate(self, requests: Iterable[Prompted]) -> Iterator[Generated]:
        """Each request exactly once, in the order they finish; the next is pulled only when a slot is free."""
        for slot in list(self._seats.values()):  # of a stream that was not read to its end
            self._leave(slot, spoilt=True)
        yield from super().generate(requests)

    def _release(self) -> None:
        """Give the pool's memory back, and forget who was in it."""
        decoder, device = self._model.config.decoder, self._model.device
        self._captured: dict[Shape, torch.cuda.CUDAGraph] = {}
        self._seats.clear()
        self._state = _State.empty(0, 0, len(self._delays), device)
        sides = 2 if self._sampling.cfg_scale > 0 else 1
        size, cross_size = decoder.head_dim, decoder.cross_head_dim
        self._heard = Store(decoder.layers, decoder.kv_heads, size, sides, self._kept_as, device)
        self._texts = Store(decoder.layers, decoder.cross_kv_heads, cross_size, 1, self._kept_as, device)

    # Places in the pool

    @torch.inference_mode()
    def _admit(self, request: Prompted) -> _Slot:
        """Read the prompt as ever, and copy what was read into the pool."""
        slot = super()._admit(request)
        assert slot.cond.text is not None
        self._reserve(_up(len(slot.grid), BLOCK), _up(slot.cond.text.length, BLOCK))
        number = next(number for number in range(self.limit) if number not in self._seats)
        for side, lane in enumerate((slot.cond, slot.uncond)):
            if lane is not None:
                self._heard.put(number, side, lane.cache, lane.length)
                lane.cache = ()
        self._texts.put(number, 0, slot.cond.text.cache, slot.cond.text.length)
        state, rows = self._state, len(slot.grid)
        state.grid[number, :rows] = self._codes(slot.grid)
        state.uniforms[number, :rows] = torch.from_numpy(slot.uniforms).to(self._model.device)
        state.row[number] = slot.row
        state.first[number] = slot.first
        state.cap[number] = _cap(slot)
        state.end[number] = _NEVER
        state.text[number] = slot.cond.text.length
        state.broken[number] = False
        state.active[number] = True
        slot.cond.text = None
        self._seats[number] = slot
        return slot

    def _reserve(self, rows: int, text: int) -> None:
        """Have room for `limit` takes, and for so many rows and so much text. An empty pool may shrink the limit."""
        rows, text = max(rows, self._heard.capacity), max(text, self._texts.capacity)
        roomy = self._heard.slots >= self.limit if self._seats else self._heard.slots == self.limit
        if roomy and (rows, text) == (self._heard.capacity, self._texts.capacity):
            return
        while True:
            if not self._seats:
                self._release()
            try:
                self._resize(rows, text)
                return
            except (RuntimeError, MemoryError) as error:
                _raise_unless_memory(error)
                if self._seats or self.limit == 1:
                    raise
                self._shrink(self.limit // 2)

    def _resize(self, rows: int, text: int) -> None:
        """Move into a pool of another size; where there is too little memory for both, all is as it was."""
        self._compact()
        device = self._model.device
        state = _State.empty(self.limit, rows, len(self._delays), device)
        heard, texts = self._heard.resized(self.limit, rows), self._texts.resized(self.limit, text)
        kept = min(self.limit, self._heard.slots)
        for new, old in zip(state.tensors(), self._state.tensors(), strict=True):
            (new[:kept, : old.shape[1]] if old.ndim > 1 else new[:kept]).copy_(old[:kept])
        self._state, self._heard, self._texts = state, heard, texts
        self._number = torch.arange(2 * self.limit, device=device)
        decoder, buckets = self._model.config.decoder, _buckets(self.limit)
        together = tuple(sides * slots for slots in buckets for sides in range(1, heard.sides + 1))
        types = (self._dtype, self._kept_as, str(device))
        self._tile = steady_tile(together, decoder.heads, decoder.kv_heads, decoder.head_dim, *types)
        cross = (decoder.cross_heads, decoder.cross_kv_heads, decoder.cross_head_dim)
        self._text_tile = steady_tile(buckets, *cross, *types)
        self._captured.clear()

    def _compact(self) -> None:
        """Let the takes have the lowest numbers."""
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
    def _leave(self, slot: _Slot, *, spoilt: bool) -> None:
        """Vacate the take's slot; `spoilt`: there may be a NaN among its keys and values."""
        number = next(number for number, other in self._seats.items() if other is slot)
        self._vacate(number)
        if spoilt:
            self._heard.clear(number)
            self._texts.clear(number)

    # Steps

    def _advance(self, active: Sequence[_Slot]) -> set[str]:
        """So many steps that an end that is known is met, and no other goes long unseen."""
        assert len(active) == len(self._seats)
        try:
            with torch.inference_mode(), _on(self._model.device):
                self._compact()
                count = min(_STEPS_UNSEEN, *(_left(slot, max(self._delays)) for slot in active))
                shape = self._shape(count)
                for _ in range(count):
                    self._run(shape)
                self.steps += count
                return self._look()
        except (RuntimeError, MemoryError):
            self._release()  # it is half changed
            raise

    def _shape(self, count: int) -> Shape:
        """What the next `count` steps need."""
        slots = self._seats.values()
        unguided = self._cfg_frames is not None and all(slot.row - slot.first + 1 >= self._cfg_frames for slot in slots)
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

    def _look(self) -> set[str]:
        """Read what has become of the slots. Returns the keys of those that came to no numbers."""
        state, broken = self._state, set()
        told = torch.stack([state.row, state.end, state.broken.long()], dim=1)[: len(self._seats)].tolist()
        for number, slot in self._seats.items():
            row, end, spoilt = told[number]
            self.slot_steps += row - slot.row
            slot.row, slot.end = row, None if end == _NEVER else end
            if spoilt:
                broken.add(slot.request.key)
            elif slot.end is not None and _left(slot, max(self._delays)) == 0:
                slot.grid = state.grid[number, : len(slot.grid)].cpu().numpy()
        return broken

    def _finished(self, slot: _Slot, broken: set[str]) -> Generated | None:
        """What the slot has made, if it is done; it is free then."""
        made = super()._finished(slot, broken)
        if made is not None:
            self._leave(slot, spoilt=bool(made.reason))
        return made

    # One step, by nothing but tensor operations whose shapes depend on `shape` alone

    def _step(self, shape: Shape) -> None:
        """Read a row of each slot, fill in the next. Conditional lanes lie in the pool from the last slot on."""
        state, model, count = self._state, self._model, shape.slots
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
        eos, slots = self._model.config.eos, slice(len(cond))
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
        config, state, number = self._model.config, self._state, self._number[:count]
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
        state.active[:count] = active & finite & (following < end + max(self._delays) - 1)


def _left(slot: _Slot, delay: int) -> int:
    """Steps until the last codebook, delayed by `delay`, has caught up; as many as there may be."""
    return (_cap(slot) if slot.end is None else slot.end) + delay - 1 - slot.row


def _cap(slot: _Slot) -> int:
    """The row in which the take ends at the latest."""
    return slot.first + slot.request.max_frames


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
