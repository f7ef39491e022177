"""A tiny Dia that keeps a record of what it is asked for, requests for it, and a way to run them."""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from pipeline.engines.dia import loader
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.scheduler import Generated, GenerationRequest, Scheduler
from pipeline.engines.dia.batching.slots import EagerSlot, EagerStepper
from pipeline.engines.dia.devices import cpu_features
from pipeline.engines.dia.kernels.matmul import tiers
from pipeline.engines.dia.network.attention import Lane, Text
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights import packed
from pipeline.engines.dia.weights.config import DiaConfig, parse_config
from tests.support import tiny_dia

_TINY = tiny_dia.config_dict(encoder={"num_hidden_layers": 1}, decoder={"num_hidden_layers": 2})
CONFIG = parse_config(_TINY, "tiny")
LAST = max(CONFIG.delays)  # rows from the first codebook's end to the last one's
USUAL = Sampling()
UNGUIDED = Sampling(cfg_scale=0)
QUICK = replace(CONFIG, delays=(0, 3, 1, 2, 2, 0, 1, 3, 1))  # a take is done 3 rows after its end, not 15
V1_CONFIG = replace(CONFIG, network="v1")
V1 = Sampling(temperature=1.3, top_k=35, from_guided=True)
UNREAD = b" without its text"
TEMPERATURES = (None, 0.0, 0.7, None, 1.2, 2.4)  # of takes of one batch

Fault = Callable[[str, int], None]
NO_MEMORY: list[Callable[[], Exception]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 2 bytes."),
    MemoryError,
]


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def weights(dtype: torch.dtype, eos_bias: float) -> Mapping[str, Tensor]:
    """The tiny network's tensors, the norms in float32. With `eos_bias` 2 most takes end before 60 frames."""
    state = tiny_dia.make_state(_TINY, eos_bias=eos_bias)
    return {name: tensor if "norm" in name else tensor.to(dtype) for name, tensor in state.items()}


@functools.cache
def tiny(dtype: torch.dtype = torch.float32, eos_bias: float = 2.0, config: DiaConfig = CONFIG) -> Model:
    """The tiny network as it is."""
    return Model(config, dict(weights(dtype, eos_bias)))


@functools.cache
def fused(precision: str, tier: str | None, eos_bias: float = 2.0, config: DiaConfig = CONFIG) -> Model:
    """The tiny network as it is on a CPU: products, attention and all else in the kernels of `tier`."""
    state: dict[str, Any] = dict(weights(torch.float32 if precision == "int8" else torch.bfloat16, eos_bias))
    if precision == "int8":
        state = packed.quantize(state.items())
    products = functools.partial(loader.product, tier=tier)
    return Model(config, state, products, loader.attention(config, precision, tier), loader.functions(tier))


def usable_tiers() -> list[str | None]:
    """The tiers of kernels that this CPU has, and torch alone."""
    return [*tiers(cpu_features()), None]


class Watched(Model):
    """The tiny network with a record of what it is asked for, and a place for faults.

    Lanes go by the bytes of their text; an unconditional one by those of the text read last, and `UNREAD`. `fault` is
    called first with a method's name and how often it has been called; `spoil` may change the logits `[L, C, V]` of the
    named lanes.
    """

    def __init__(self, dtype: torch.dtype = torch.float32, eos_bias: float = 2.0, config: DiaConfig = CONFIG) -> None:
        self.calls: Counter[str] = Counter()
        self.fault: Fault = lambda _method, _call: None
        self.spoil: Callable[[list[bytes], Tensor], Tensor] = lambda _names, logits: logits
        self.read_by: defaultdict[bytes, list[Tensor]] = defaultdict(list)  # rows `[n, C]`
        self.logits_of: defaultdict[bytes, list[Tensor]] = defaultdict(list)  # `[C, V]`
        self.reading = b""  # the latest text
        self.batch: list[bytes] = []  # the lanes of the latest step
        self.batches: list[list[bytes]] = []  # those of each step that logits were wanted of
        self.lanes: list[weakref.ref[Lane]] = []
        self._names: weakref.WeakKeyDictionary[Lane, bytes] = weakref.WeakKeyDictionary()
        super().__init__(config, dict(weights(dtype, eos_bias)))
        self.calls.clear()

    def prefill_text(self, tokens: Tensor) -> Text:
        """Remember whose text it is."""
        self.reading = bytes(tokens.tolist())
        self._enter("prefill_text")
        return super().prefill_text(tokens)

    def lane(self, text: Text | None, capacity: int) -> Lane:
        """Remember the lane for as long as somebody has it."""
        self._enter("lane")
        lane = super().lane(text, capacity)
        self.lanes.append(weakref.ref(lane))
        self._names[lane] = self.reading if text is not None else self.reading + UNREAD
        return lane

    def step(self, lanes: Sequence[Lane], codes: Tensor) -> Tensor:
        """Remember which lanes read what."""
        shared = lanes[0].text is None  # the reading of a prompt that all takes share
        self.batch = [UNREAD] if shared else [self._names[lane] for lane in lanes]
        for name, rows in zip(self.batch, codes, strict=True):
            self.read_by[name].append(rows)
        self._enter("step")
        return super().step(lanes, codes)

    def logits(self, hidden: Tensor) -> Tensor:
        """Remember what the lanes of the step before gave."""
        self._enter("logits")
        logits = super().logits(hidden)
        self.batches.append(self.batch)
        for name, row in zip(self.batch, logits, strict=True):
            self.logits_of[name].append(row)
        return self.spoil(self.batch, logits)

    def _enter(self, method: str) -> None:
        self.calls[method] += 1
        self.fault(method, self.calls[method])


def requests(
    count: int,
    *,
    longest: int = 40,
    seed: int = 0,
    prompts: Sequence[int] = (0, 1, 7, 20),
    temperatures: Sequence[float | None] = (None,),
) -> list[GenerationRequest]:
    """`count` requests, no two of the same text; `prompts` are the lengths there may be, with one prompt of each.

    They have the `temperatures` in turn.
    """
    rng = np.random.default_rng(seed)
    voices = [rng.integers(0, 1024, (length, 9)).astype(np.int16) for length in prompts]
    return [
        GenerationRequest(
            key=f"take {number}",
            text=np.append(rng.integers(1, 256, rng.integers(1, 60)), number + 1),
            prompt=voices[rng.integers(len(voices))],
            seed=int(rng.integers(2**64, dtype=np.uint64)),
            max_frames=int(rng.integers(1, longest + 1)),
            temperature=temperatures[number % len(temperatures)],
        )
        for number in range(count)
    ]


def by_key(generated: Iterable[Generated]) -> dict[str, Generated]:
    """Results by their keys, of which none may come twice."""
    made = list(generated)
    assert len({one.key for one in made}) == len(made)
    return {one.key: one for one in made}


def eager(
    model: Model, sampling: Sampling, limit: int, cfg_frames: int | None = None, room: int | None = None
) -> Scheduler[EagerSlot]:
    """The scheduler of a CPU."""
    return Scheduler(EagerStepper(model, sampling, cfg_frames), limit, room)


def run(
    model: Model,
    wanted: Sequence[GenerationRequest],
    limit: int,
    sampling: Sampling = USUAL,
    cfg_frames: int | None = None,
) -> dict[str, Generated]:
    """What becomes of each request."""
    made = by_key(eager(model, sampling, limit, cfg_frames).generate(iter(wanted)))
    assert made.keys() == {request.key for request in wanted}
    return made


def alone(
    model: Model, wanted: Sequence[GenerationRequest], sampling: Sampling = USUAL, cfg_frames: int | None = None
) -> dict[str, Generated]:
    """What becomes of each request where there is no other."""
    return {request.key: run(model, [request], 1, sampling, cfg_frames)[request.key] for request in wanted}


def same(left: Generated, right: Generated) -> bool:
    """Whether two results are equal in everything, code for code."""
    return (
        np.array_equal(left.codes, right.codes)
        and left.codes.dtype == right.codes.dtype
        and (left.key, left.reason, left.retry) == (right.key, right.reason, right.retry)
    )


def equal(left: dict[str, Generated], right: dict[str, Generated]) -> bool:
    """Whether all results are the same."""
    return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)


def shortage(*calls: tuple[str, int], error: Callable[[], Exception] = NO_MEMORY[0]) -> Fault:
    """Raises in each of `calls`: a method's name and the how manieth call of it."""

    def fault(method: str, call: int) -> None:
        if (method, call) in calls:
            raise error()

    return fault


prompted = st.builds(
    GenerationRequest,
    key=st.just(""),
    text=st.lists(st.integers(1, 255), min_size=1, max_size=40).map(lambda text: np.array(text, np.int64)),
    prompt=st.sampled_from([request.prompt for request in requests(20)]),
    seed=st.integers(0, 2**64 - 1),
    max_frames=st.integers(1, 9),
    temperature=st.sampled_from([None, None, 0.0, 0.4, 2.5]),
)
jobs = st.lists(prompted, max_size=6).map(
    lambda wanted: [replace(request, key=f"take {number}") for number, request in enumerate(wanted)]
)
