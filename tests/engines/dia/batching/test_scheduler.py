"""The scheduler with a stepper of plain arithmetic: no tensors, no network, and memory that can be counted."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.dia.batching.scheduler import Generated, GenerationRequest, Scheduler

NOTHING = np.zeros((0, 2), np.int16)
NO_MEMORY = "there is not enough memory for it, even alone."


@dataclass(eq=False)
class Slot:
    """A request as arithmetic: each step makes of the state before it the next one."""

    request: GenerationRequest
    row: int = 0
    state: int = 0
    codes: list[int] = field(default_factory=list)

    def step(self) -> None:
        if len(self.codes) < self.request.max_frames:
            self.row += 1
            self.state = (self.state * 31 + self.request.seed) % 1009
            self.codes.append(self.state)

    def result(self) -> Generated | None:
        if len(self.codes) < self.request.max_frames:
            return None
        return Generated(self.request.key, np.repeat(np.array(self.codes, np.int16)[:, None], 2, axis=1))


@dataclass
class Stepper:
    """Takes up to `stride` decode steps at once; `fault` is told each call and how many of its name there were."""

    stride: int = 1
    fault: Callable[[str, int], bool] = lambda _call, _number: False
    memory: int = 10**9  # kv_bytes of all slots in use
    store: int = 10**9  # slots that may be allocated, of which there is memory for all whether in use or not
    calls: Counter[str] = field(default_factory=Counter)
    slots: list[Slot] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)  # keys of the slots of each step
    trims: int = 0

    def reset(self) -> None:
        self.slots.clear()

    def kv_bytes(self, request: GenerationRequest) -> int:
        return request.max_frames

    def prefill(self, request: GenerationRequest) -> Slot:
        self.enter("prefill", request)
        return Slot(request)

    def allocate(self, slot: Slot, slots: int) -> None:
        self.enter("allocate")
        if slots > self.store:
            raise MemoryError
        self.slots.append(slot)

    def decode(self, active: Sequence[Slot]) -> int:
        assert [*active] == self.slots
        try:
            self.enter("decode")
        except MemoryError:
            self.slots.clear()
            raise
        self.batches.append([slot.request.key for slot in active])
        for _ in range(self.stride):
            for slot in active:
                slot.step()
        return self.stride

    def finish(self, slot: Slot) -> Generated | None:
        result = slot.result()
        if result is not None:
            self.slots.remove(slot)
        return result

    def trim(self) -> None:
        self.trims += 1

    def enter(self, call: str, *requests: GenerationRequest) -> None:
        self.calls[call] += 1
        needed = sum(map(self.kv_bytes, [*requests, *(slot.request for slot in self.slots)]))
        if needed > self.memory or self.fault(call, self.calls[call]):
            raise MemoryError


def request(number: int, frames: int, seed: int = 0) -> GenerationRequest:
    return GenerationRequest(f"take {number}", np.ones(1, np.int64), NOTHING, seed, frames)


requests = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 99)), max_size=12).map(
    lambda sizes: [request(number, frames, seed) for number, (frames, seed) in enumerate(sizes)]
)
limits, strides = st.integers(1, 6), st.integers(1, 4)
shortages = st.sets(st.tuples(st.sampled_from(["prefill", "allocate", "decode"]), st.integers(1, 25)), max_size=5)


def alone(one: GenerationRequest) -> Generated:
    """What a request becomes by itself."""
    slot = Slot(one)
    while (result := slot.result()) is None:
        slot.step()
    return result


def same(left: Generated, right: Generated) -> bool:
    return (left.key, left.reason, left.retry) == (right.key, right.reason, right.retry) and np.array_equal(
        left.codes, right.codes
    )


def check(wanted: Sequence[GenerationRequest], results: Sequence[Generated], most_failures: int = 0) -> None:
    """Each request has one result: the one it has alone, but for so many that found no memory."""
    assert Counter(result.key for result in results) == Counter(one.key for one in wanted)
    by_key = {one.key: one for one in wanted}
    failed = [result for result in results if result.reason]
    assert len(failed) <= most_failures
    assert all(same(result, Generated.failed(by_key[result.key], NO_MEMORY)) for result in failed)
    assert all(same(result, alone(by_key[result.key])) for result in results if not result.reason)


@given(requests, limits, strides)
def test_every_request_is_met_once_and_is_what_it_is_alone(
    wanted: list[GenerationRequest], limit: int, stride: int
) -> None:
    """Whatever its batch-mates, the limit, and the steps taken at once; never more at a time than the limit."""
    stepper = Stepper(stride)
    scheduler = Scheduler(stepper, limit)
    check(wanted, list(scheduler.generate(wanted)))
    assert all(len(batch) <= limit for batch in stepper.batches)
    assert not stepper.slots
    assert scheduler.steps == stride * len(stepper.batches)
    assert scheduler.slot_steps == sum(one.max_frames for one in wanted)
    assert scheduler.limit == limit


@given(requests, limits)
def test_no_slot_is_empty_while_a_request_waits(wanted: list[GenerationRequest], limit: int) -> None:
    stepper = Stepper()
    list(Scheduler(stepper, limit).generate(wanted))
    seen: set[str] = set()
    for batch in stepper.batches:
        seen.update(batch)
        assert len(batch) == limit or len(seen) == len(wanted)


@given(requests, limits, strides)
def test_a_request_is_pulled_when_a_slot_is_free(wanted: list[GenerationRequest], limit: int, stride: int) -> None:
    """None ahead of that, and none before somebody reads results."""
    finished = 0

    def incoming() -> Iterator[GenerationRequest]:
        for number, one in enumerate(wanted, 1):
            assert number <= finished + limit
            yield one

    for _result in Scheduler(Stepper(stride), limit).generate(incoming()):
        finished += 1
    assert finished == len(wanted)


def test_nothing_is_pulled_for_who_takes_no_more() -> None:
    """The rest of the requests stays where it is, and what was left in the slots is gone when the next job begins."""
    incoming = iter([request(number, 5 + number) for number in range(9)])
    stepper = Stepper()
    scheduler = Scheduler(stepper, 2)
    stream = scheduler.generate(incoming)
    assert next(incoming).key == "take 0"
    assert next(stream).key == "take 1"
    assert [slot.request.key for slot in stepper.slots] == ["take 2"]
    assert next(incoming).key == "take 3"
    check([request(9, 3)], list(scheduler.generate([request(9, 3)])))


def test_an_iterator_that_had_nothing_is_asked_again() -> None:
    """After each step, as long as something is decoded: what comes late still finds a free slot."""

    class Late(Iterator[GenerationRequest]):
        asked = 0

        def __next__(self) -> GenerationRequest:
            self.asked += 1
            if self.asked not in (1, 4):
                raise StopIteration
            return request(self.asked, 5)

    stepper = Stepper()
    check([request(1, 5), request(4, 5)], list(Scheduler(stepper, 2).generate(Late())))
    assert stepper.batches[:4] == [["take 1"], ["take 1"], ["take 1", "take 4"], ["take 1", "take 4"]]


# Memory


@given(requests, limits, st.integers(0, 30))
def test_requests_share_the_room_there_is(wanted: list[GenerationRequest], limit: int, room: int) -> None:
    """Those decoded together fit; one that does not is decoded alone; and they come in order."""
    stepper = Stepper()
    check(wanted, list(Scheduler(stepper, limit, room).generate(wanted)))
    frames = {one.key: one.max_frames for one in wanted}
    assert all(len(batch) == 1 or sum(frames[key] for key in batch) <= room for batch in stepper.batches)
    assert list(dict.fromkeys(key for batch in stepper.batches for key in batch)) == [one.key for one in wanted]


@given(requests, limits, strides, shortages)
def test_no_request_is_lost_whenever_memory_runs_out(
    wanted: list[GenerationRequest], limit: int, stride: int, calls: set[tuple[str, int]]
) -> None:
    """In any call: each is met once, with the codes it has undisturbed or with a reason, and the limit only shrinks."""
    stepper = Stepper(stride, lambda call, number: (call, number) in calls)
    scheduler = Scheduler(stepper, limit)
    check(wanted, list(scheduler.generate(wanted)), most_failures=len(calls))
    assert 1 <= scheduler.limit <= limit
    assert not stepper.slots


@given(requests, limits, st.integers(9, 30))
def test_the_limit_shrinks_to_what_there_is_memory_for(
    wanted: list[GenerationRequest], limit: int, memory: int
) -> None:
    """Each fits alone, so all are met; and what was tried too often is said once for each time."""
    stepper = Stepper(memory=memory)
    scheduler = Scheduler(stepper, limit)
    check(wanted, list(scheduler.generate(wanted)))
    assert 1 <= scheduler.limit <= limit
    assert stepper.trims <= limit


@given(requests, limits, st.integers(1, 6))
def test_fewer_static_slots_are_tried_before_a_request_is_given_up(
    wanted: list[GenerationRequest], limit: int, store: int
) -> None:
    """Where there is memory for any at all."""
    scheduler = Scheduler(Stepper(store=store), limit)
    check(wanted, list(scheduler.generate(wanted)))
    assert scheduler.limit <= store or not wanted


def test_a_request_too_large_even_alone_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """No other is lost to it, and who comes after it finds as many slots as ever."""
    wanted = [request(0, 3), request(1, 50), request(2, 3), request(3, 3)]
    stepper = Stepper(memory=10)
    scheduler = Scheduler(stepper, 3)
    check(wanted, list(scheduler.generate(wanted)), most_failures=1)
    assert scheduler.limit == 1  # it was tried beside another first
    assert [record.getMessage() for record in caplog.records] == ["out of memory: going on with 1 takes at a time"]
    scheduler.limit = 3
    check([wanted[1]], list(scheduler.generate([wanted[1]])), most_failures=1)
    assert scheduler.limit == 3


def test_any_other_error_ends_the_stream() -> None:
    """It would come again and again."""

    class Broken(Stepper):
        def decode(self, active: Sequence[Slot]) -> int:
            raise RuntimeError(f"{len(active)} matrices cannot be multiplied")

    with pytest.raises(RuntimeError, match="2 matrices"):
        list(Scheduler(Broken(), 2).generate([request(0, 3), request(1, 3)]))


def test_the_scheduler_loads_no_torch() -> None:
    """So that the engine's door may know how many slots there are."""
    code = "import sys, pipeline.engines.dia.batching.scheduler; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
