"""An engine that stays loaded answers everybody, once, with all its slots."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.engines import Engine, Failed, Rendered, Request
from pipeline.engines.resident import Resident, Result
from pipeline.engines.tone import ToneEngine
from tests.support.engine_doubles import Count, Slots, request
from tests.support.processes import WAIT_S


def _words(count: int) -> str:
    return " ".join(["a"] * count)


def _sound(one: Request) -> bytes:
    (rendered,) = ToneEngine().render([one])
    assert isinstance(rendered, Rendered)
    return rendered.pcm.tobytes()


_asked = st.tuples(st.sampled_from(["one", "two", "three"]), st.integers(1, 6), st.integers(-1, 1))


@hypothesis_settings(max_examples=40)
@given(st.lists(st.lists(_asked, max_size=8), min_size=1, max_size=5), st.integers(1, 4), st.sampled_from([0.0, 60.0]))
def test_everyone_gets_their_own_answer_once(
    threads: list[list[tuple[str, int, int]]], slots: int, patience_s: float
) -> None:
    """Whichever threads ask which engines for what, also for the same words under the same key."""
    doubles = {name: Slots(slots) for name in ("one", "two", "three")}
    resident = Resident[str](lambda name: doubles[str(name)], patience_s)
    answers: list[tuple[Request, Future[Result]]] = []
    start = threading.Barrier(len(threads))

    def ask(wanted: list[tuple[str, int, int]]) -> None:
        start.wait()
        for number, (engine, words, priority) in enumerate(wanted):
            one = request(f"{number}", _words(words), seed=number)
            answers.append((one, resident.speak(engine, one, priority)))

    asking = [threading.Thread(target=ask, args=(wanted,)) for wanted in threads]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    for one, answer in answers:
        result = answer.result(WAIT_S)
        assert isinstance(result, Rendered)
        assert result.request is one
        assert result.pcm.tobytes() == _sound(one)
    spoken = sum(len(double.count.spoken) for double in doubles.values())
    assert spoken == len(answers) == sum(len(wanted) for wanted in threads)


class _Gate(Slots):
    """Speaks only once it is let."""

    def __init__(self, slots: int = 1, count: Count | None = None) -> None:
        super().__init__(slots, count=count)
        self.open = threading.Event()
        self.pulled: list[str] = []
        self.has_pulled = threading.Semaphore(0)

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        incoming = iter(requests)

        class Counted(Iterator[Request]):
            def __next__(counted) -> Request:  # noqa: N805 - the engine is self here
                one = next(incoming)
                self.pulled.append(one.lines[0].text)
                self.has_pulled.release()
                return one

        def at_its_time() -> Iterator[Rendered | Failed]:
            for result in super(_Gate, self).render(Counted()):
                assert self.open.wait(WAIT_S)
                yield result

        return at_its_time()


def test_slots_stay_full_across_the_borders_of_batches() -> None:
    """500 requests in uneven batches, each asked for when the one before is half done: 90 % of the slots are busy."""
    double = Slots(8)
    resident = Resident[str](lambda _name: double)
    draw = np.random.default_rng(5)
    over = threading.Semaphore(0)
    asked = 0

    def ask(_half: Future[Result] | None = None) -> None:  # called back in the engine's thread: it cannot run ahead
        nonlocal asked
        batch = [_words(int(draw.integers(10, 60))) for _one in range(min(int(draw.integers(16, 60)), 500 - asked))]
        asked += len(batch)
        for number, text in enumerate(batch):
            answer = resident.speak("double", request(number, text))
            if number == len(batch) // 2:
                answer.add_done_callback(ask)
            answer.add_done_callback(lambda _answer: over.release())

    ask()
    for _answer in range(500):
        assert over.acquire(timeout=WAIT_S)
    assert double.count.busy >= 0.9 * double.slots * double.count.steps
    assert len(double.count.spoken) == 500


def test_requests_are_pulled_only_into_free_slots() -> None:
    """What waits can still be overtaken by something more urgent."""
    double = _Gate(slots=2)
    resident = Resident[str](lambda _name: double)
    answers = [resident.speak("double", request(name, f"{name} speaks")) for name in ("a", "b", "c", "d")]
    for _pull in range(2):
        assert double.has_pulled.acquire(timeout=WAIT_S)
    answers += [resident.speak("double", request("u", "urgent now"), priority=1)]
    assert double.pulled == ["a speaks", "b speaks"]
    double.open.set()
    for answer in answers:
        answer.result(WAIT_S)
    assert double.pulled == ["a speaks", "b speaks", "urgent now", "c speaks", "d speaks"]


def test_an_engine_that_breaks_fails_only_what_it_had() -> None:
    """And is opened anew for the others."""
    opened = []
    gate = _Gate()

    def open_engine(_name: Hashable) -> Engine:
        opened.append(1)
        return gate if len(opened) == 1 else Slots(2)

    resident = Resident[str](open_engine)
    first = resident.speak("double", request("1", "first"))
    assert gate.has_pulled.acquire(timeout=WAIT_S)
    waiting = [resident.speak("double", request(name, text)) for name, text in (("2", "break it"), ("3", "third"))]
    gate.open.set()
    assert isinstance(first.result(WAIT_S), Rendered)
    with pytest.raises(RuntimeError, match="it broke"):
        waiting[0].result(WAIT_S)
    assert isinstance(waiting[1].result(WAIT_S), Rendered)
    assert len(opened) == 2


def test_an_engine_that_does_not_open_fails_all_that_want_it() -> None:
    """The others get what they asked for."""
    gate = _Gate()

    def open_engine(name: Hashable) -> Engine:
        if name == "broken":
            raise OSError("no weights")
        return gate

    resident = Resident[str](open_engine)
    before = resident.speak("whole", request("0", "before"))
    assert gate.has_pulled.acquire(timeout=WAIT_S)
    broken = [resident.speak("broken", request(number, "never")) for number in range(3)]
    after = resident.speak("whole", request("1", "after"))
    gate.open.set()
    for answer in broken:
        with pytest.raises(OSError, match="no weights"):
            answer.result(WAIT_S)
    for answer in (before, after):
        assert isinstance(answer.result(WAIT_S), Rendered)


class _Forgetful(ToneEngine):
    """Pulls everything and speaks every other."""

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        yield from super().render(list(requests)[::2])


def test_an_engine_that_leaves_a_request_out_is_told_of() -> None:
    """Nobody waits for it for ever."""
    gate, forgetful = _Gate(), _Forgetful()
    resident = Resident[str](lambda name: gate if name == "gate" else forgetful)
    resident.speak("gate", request("g", "hold on"))
    assert gate.has_pulled.acquire(timeout=WAIT_S)
    answers = [resident.speak("forgetful", request(number, "one of two")) for number in range(2)]
    gate.open.set()
    assert isinstance(answers[0].result(WAIT_S), Rendered)
    with pytest.raises(RuntimeError, match="left 1 requests unspoken"):
        answers[1].result(WAIT_S)


@pytest.mark.parametrize(("patience_s", "order"), [(0.0, ["a0", "b", "a1", "a2"]), (3600.0, ["a0", "a1", "a2", "b"])])
def test_another_engine_has_its_turn_when_patience_is_at_an_end(patience_s: float, order: list[str]) -> None:
    """Until then the one at work goes on with what is its own, as changing leaves slots empty."""
    count = Count()
    gates = {"a": _Gate(count=count), "b": _Gate(count=count)}
    resident = Resident[str](lambda name: gates[str(name)], patience_s)
    answers = [resident.speak("a", request("0", "a0"))]
    assert gates["a"].has_pulled.acquire(timeout=WAIT_S)
    for engine, text in (("b", "b"), ("a", "a1"), ("a", "a2")):
        answers.append(resident.speak(engine, request(text, text)))
    for gate in gates.values():
        gate.open.set()
    for answer in answers:
        answer.result(WAIT_S)
    assert count.spoken == order


def test_the_slots_of_the_engine_at_work_are_known() -> None:
    """Of another one nothing is known yet."""
    resident = Resident[str](lambda _name: Slots(8))
    assert resident.slots("double") == 1
    resident.speak("double", request("1", "one")).result(WAIT_S)
    assert resident.slots("double") == 8
    assert resident.slots("other") == 1
