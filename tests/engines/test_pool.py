"""Several worker processes are one engine: the same bytes, nothing lost, nobody idle."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.engines import (
    DEFAULT_SOUND,
    THIS_MACHINE,
    DraftVoice,
    Failed,
    Rendered,
    Request,
    Voice,
    open_engine,
    pool,
)
from pipeline.engines.cluster import local_cluster
from pipeline.engines.crew import Crew, join_crew
from pipeline.engines.devices import Worker
from pipeline.engines.pool import Pool
from pipeline.engines.tone import ToneEngine
from pipeline.errors import EngineError
from tests.support.engine_doubles import ANN, Doubles, here, request
from tests.support.processes import until

pytestmark = pytest.mark.slow

BOB = Voice("bob", DraftVoice("m3", rate_wpm=150, pitch=30))


@contextmanager
def _crew(*names: str) -> Iterator[Crew]:
    """Workers of those names, of one thread each."""
    with local_cluster([Worker(name, "cpu", 1) for name in names]) as address, join_crew(address) as crew:
        yield crew


@contextmanager
def _doubles(*names: str) -> Iterator[Crew]:
    """The same, with the engine of `engine_doubles` in place of the tone engine."""
    with _crew(*names) as crew:
        crew.client.register_plugin(Doubles())
        yield crew


@pytest.fixture(scope="module")
def two() -> Iterator[Crew]:
    with _crew("a", "b") as crew:
        yield crew


@pytest.fixture(scope="module")
def doubles() -> Iterator[Crew]:
    with _doubles("a", "b") as crew:
        yield crew


def _pool(crew: Crew, engine: str = "tone", priority: int = 0) -> Pool:
    return Pool(engine, open_engine(engine), DEFAULT_SOUND, THIS_MACHINE, crew, priority)


def _sounds(results: Iterator[Rendered | Failed]) -> dict[str, bytes]:
    """What was heard, by key; every key once."""
    sounds: dict[str, bytes] = {}
    for result in results:
        assert isinstance(result, Rendered), result
        assert result.request.key not in sounds
        sounds[result.request.key] = result.pcm.tobytes()
    return sounds


def _chunks(count: int, words: int = 5) -> list[Request]:
    return [request(number, f"Number {number} " + "word " * (number % words)) for number in range(count)]


# The same as any engine


@pytest.mark.parametrize("engine", ["tone", "draft"])
def test_workers_make_the_bytes_that_this_process_makes(two: Crew, engine: str) -> None:
    """Whichever of them speaks what, and in whatever order it is done."""
    requests = [
        request(number, f"This is sentence {number}.", seed=number, voice=(ANN, BOB)[number % 2])
        for number in range(40)
    ]
    expected = _sounds(open_engine(engine).render(requests))
    results = list(_pool(two, engine).render(requests))
    assert _sounds(iter(results)) == expected
    assert {result.device for result in results if isinstance(result, Rendered)} == {"a", "b"}


def test_one_worker_makes_them_too(two: Crew) -> None:
    """The number of workers changes nothing."""
    requests = _chunks(30)
    with _crew("alone") as crew:
        assert _sounds(_pool(crew).render(requests)) == _sounds(_pool(two).render(requests))


@hypothesis_settings(max_examples=15)
@given(st.lists(st.integers(1, 6), max_size=40), st.integers(0, 40))
def test_every_request_comes_back_once(two: Crew, words: list[int], again: int) -> None:
    """Also one that is asked for a second time, under the same key, when the first is done."""
    requests = [request(number, "word " * count, seed=number) for number, count in enumerate(words)]
    more = requests[:again]
    done: Counter[str] = Counter()

    class Queue(Iterator[Request]):
        def __init__(self) -> None:
            self.waiting = list(requests)

        def __next__(self) -> Request:
            if not self.waiting:
                raise StopIteration
            return self.waiting.pop(0)

    queue = Queue()
    for result in _pool(two).render(queue):
        assert isinstance(result, Rendered)
        done[result.request.key] += 1
        if result.request in more and done[result.request.key] == 1:
            queue.waiting.insert(0, result.request)
    assert done == Counter(one.key for one in (*requests, *more))


def test_requests_are_pulled_as_fast_as_they_are_spoken(two: Crew) -> None:
    """Never more are on their way than there is room for, and it is never more than what the workers hold."""
    speaker, pulled, done, most = _pool(two), 0, 0, 0
    _sounds(speaker.render(_chunks(4)))  # now it is known how much a worker does at once

    def incoming() -> Iterator[Request]:
        nonlocal pulled, most
        for one in _chunks(150):
            pulled += 1
            most = max(most, pulled - done)
            assert pulled - done <= speaker.slots
            yield one

    for _result in speaker.render(incoming()):
        done += 1
    assert done == 150
    assert most == speaker.slots < sum(two.capacities().values())


def test_a_chunk_that_fails_fails_alone(two: Crew) -> None:
    """The reason is the engine's, and the request the one that was given."""
    wrong = Request("wrong", request("x", "Hello.").lines, "xx", 1)
    results = {r.request.key: r for r in _pool(two, "draft").render([*_chunks(5), wrong])}
    assert len(results) == 6
    failed = results.pop("wrong")
    assert isinstance(failed, Failed)
    assert "xx" in failed.reason
    assert failed.request is wrong
    assert all(isinstance(result, Rendered) for result in results.values())


def test_nobody_waits_for_a_pool_that_is_left(two: Crew) -> None:
    """What was on its way is forgotten, and the next render has all the room."""
    rendering = _pool(two).render(iter(_chunks(200)))
    next(rendering)
    rendering.close()  # type: ignore[attr-defined]
    assert len(_sounds(_pool(two).render(_chunks(20)))) == 20


# Shares


def test_two_jobs_share_the_workers(two: Crew) -> None:
    """Each gets all of its own."""
    heard: dict[str, dict[str, bytes]] = {}

    def render(engine: str) -> None:
        heard[engine] = _sounds(_pool(two, engine).render(_chunks(40)))

    jobs = [threading.Thread(target=render, args=(engine,)) for engine in ("tone", "draft")]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    for engine in ("tone", "draft"):
        assert heard[engine] == _sounds(open_engine(engine).render(_chunks(40)))


def test_the_job_with_the_higher_priority_is_done_first() -> None:
    """Although the other has begun: it goes on with what the first leaves."""
    order: list[str] = []

    def render(crew: Crew, name: str, priority: int, count: int) -> None:
        for _result in _pool(crew, priority=priority).render([request(n, "word") for n in range(count)]):
            order.append(name)

    with _doubles("steady a", "steady b") as crew:
        low = threading.Thread(target=render, args=(crew, "low", 0, 150))
        low.start()
        until(lambda: order)
        render(crew, "high", 1, 60)
        while_high = order[order.index("high") : len(order) - order[::-1].index("high")]
        low.join()
    assert Counter(order) == {"low": 150, "high": 60}
    # What was begun before, and what is spoken while more of the high one is on its way. Sharing would give it as much.
    assert Counter(while_high)["low"] < 45


def test_a_fast_worker_takes_more() -> None:
    """One that is fifty times as slow is sent no more than it gets done."""
    with _doubles("quick", "slow") as crew:
        speaker = _pool(crew)
        _sounds(speaker.render([request(n, "one") for n in range(40)]))
        results = list(speaker.render([request(n, "two words") for n in range(100)]))
    taken = Counter(result.device for result in results if isinstance(result, Rendered))
    assert sum(taken.values()) == 100
    assert taken["quick"] >= 2 * taken["slow"] > 0


def test_slots_stay_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As long as chunks of all lengths are to come, every slot of every worker is busy."""
    more = tmp_path / "more"
    monkeypatch.setenv("DOUBLE_SLOTS", "8")
    monkeypatch.setenv("DOUBLE_MORE", str(more))

    def requests() -> Iterator[Request]:
        for number in range(300):
            yield request(number, "a " * (4 + number * 7 % 16))
        more.unlink()

    with _doubles("a", "b") as crew:
        speaker = _pool(crew)
        _sounds(speaker.render(_chunks(30)))  # now it is known how much a worker does at once
        before = crew.client.run(here)
        more.touch()
        for number, result in enumerate(speaker.render(requests())):
            assert isinstance(result, Rendered)
            if number == 250:
                assert more.exists()
                after = crew.client.run(here)
    assert len(before) == 2
    for worker, (_renders, steps, busy) in after.items():
        assert busy - before[worker][2] == 8 * (steps - before[worker][1]) > 0


# Deaths


@pytest.mark.parametrize("workers", [("a",), ("a", "b")])
def test_chunks_that_kill_their_worker_are_given_up(workers: tuple[str, ...]) -> None:
    """Two of sixty do: those alone fail, after they have died alone; one that breaks the engine is treated alike."""
    requests = _chunks(60)
    requests[10] = request(10, "poison in here")
    requests[30] = request(30, "poison again")
    requests[40] = request(40, "break the engine")
    with _doubles(*workers) as crew:
        results = {result.request.key: result for result in _pool(crew).render(requests)}
    assert len(results) == 60
    failed = {key: result.reason for key, result in results.items() if isinstance(result, Failed)}
    assert failed == {
        "10": "its worker died of it.",
        "30": "its worker died of it.",
        "40": "the engine broke: RuntimeError: it broke",
    }


def test_a_chunk_has_its_chances(doubles: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that breaks the engine every time is tried among others, then alone, and then no more."""
    tried: Counter[str] = Counter()
    submit = Pool.submit

    def counting(self: Pool, batch: list[pool._Pending]) -> object:
        tried.update(pending.request.key for pending in batch)
        return submit(self, batch)

    monkeypatch.setattr(Pool, "submit", counting)
    (result,) = _pool(doubles).render([request("bad", "break it")])
    assert isinstance(result, Failed)
    least = pool._DEATHS_AMONG_OTHERS + pool._DEATHS_ALONE
    assert least <= tried["bad"] <= least + 1


def test_what_a_killed_worker_had_comes_again(doubles: Crew) -> None:
    """Two workers are killed in the midst of it: everything comes back once, with the same bytes."""
    requests = _chunks(400, words=30)
    killed = 0
    sounds: dict[str, bytes] = {}
    for result in _pool(doubles).render(requests):
        assert isinstance(result, Rendered), result
        assert result.request.key not in sounds
        sounds[result.request.key] = result.pcm.tobytes()
        if len(sounds) in (20, 200):
            victim = doubles.client.run(os.getpid)
            os.kill(next(iter(victim.values())), signal.SIGKILL)
            killed += 1
    assert killed == 2
    assert sounds == _sounds(ToneEngine().render(requests))


def test_a_worker_that_stands_still_holds_up_nobody(doubles: Crew) -> None:
    """All come that are not its own, and those when it moves again."""
    requests = _chunks(300, words=30)
    speaker = _pool(doubles)
    _sounds(speaker.render(requests[:4]))
    pid = next(iter(doubles.client.run(os.getpid).values()))
    sounds: set[str] = set()
    for result in speaker.render(requests):
        assert isinstance(result, Rendered), result
        sounds.add(result.request.key)
        if len(sounds) == 20:
            os.kill(pid, signal.SIGSTOP)
        if len(sounds) == 300 - speaker.slots:
            assert psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it has been given up meanwhile"
            os.kill(pid, signal.SIGCONT)
    assert len(sounds) == 300


def test_a_worker_that_cannot_open_the_engine_is_left_out() -> None:
    """The others do its part."""
    with _doubles("able", "refuses") as crew:
        results = list(_pool(crew).render(_chunks(100)))
    assert Counter(result.device for result in results if isinstance(result, Rendered)) == {"able": 100}


def test_without_a_worker_that_can_the_reason_is_told() -> None:
    """As the last of them gave it."""
    with _doubles("refuses a", "refuses b") as crew, pytest.raises(EngineError, match="nothing to speak with"):
        list(_pool(crew).render(_chunks(10)))


# Memory


def test_memory_stays_flat() -> None:
    """Chunks leave nothing behind, neither in the workers nor in the process that sends them.

    What leaks does so every time; what a process keeps for itself it takes once or twice.
    """
    with _doubles("a", "b") as crew:
        speaker = _pool(crew)

        def used() -> dict[int, int]:
            pids = (os.getpid(), *crew.client.run(os.getpid).values())
            return {pid: psutil.Process(pid).memory_info().rss for pid in pids}

        readings = [used()]
        for _round in range(4):
            assert sum(isinstance(result, Rendered) for result in speaker.render(iter(_chunks(500, words=60)))) == 500
            readings.append(used())
    for pid in readings[0]:
        megabytes = [reading[pid] / 1e6 for reading in readings]
        assert min(after - before for before, after in pairwise(megabytes)) < 10, megabytes
