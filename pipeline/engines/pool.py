"""Several devices as one engine: requests go to the workers of a Dask cluster, and come back as they finish.

In: requests, pulled only as fast as the workers' slots take them. Out: the same as from any engine, and the same bytes
whatever the number of workers. A request that kills its worker is found by bisection of those in flight, and given up
after it has killed some alone. Dask decides which worker speaks what and restarts dead ones. Jobs that share a cluster
share it evenly; those of a higher priority go first, in Dask's queue and in each worker's own.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from distributed import Future, Semaphore
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from pipeline.engines import DiaSound, Engine, Failed, Machine, Rendered, Request, Voice
from pipeline.engines.cluster import Answer, EngineSpec, WorkerRequest, speak
from pipeline.engines.crew import Crew
from pipeline.errors import EngineError, Problem, StoppedError

_log = logging.getLogger(__name__)
_DEATHS_AMONG_OTHERS = 2  # before a request is a suspect
_DEATHS_ALONE = 4  # before it is given up
_LOOK_S = 1.0
_LOST = (FutureCancelledError, futures.CancelledError, CommClosedError, TimeoutError)  # the connection
_NO_WORKER_S = 300.0  # without any worker, before that is an error


@dataclass
class _Pending:
    """A request that has no result yet, and how often its worker died of it."""

    request: Request
    deaths: int = 0
    deaths_alone: int = 0
    clips: Mapping[str, bytes] | None = None  # voice prompts that the worker lacked
    reason: str = ""


class Pool:
    """An engine that speaks with the workers of a crew.

    `unloaded` is the same engine in this process, asked for all but sound; `sound` and `machine` are what it was opened
    with.
    """

    def __init__(
        self, name: str, unloaded: Engine, sound: DiaSound, machine: Machine, crew: Crew, priority: int = 0
    ) -> None:
        self._unloaded, self._crew, self._priority = unloaded, crew, priority
        files = (machine.weights, machine.codec, machine.kokoro) if crew.same_machine else ()
        self._spec = EngineSpec(name, sound, unloaded.fingerprint, *files)
        self.sample_rate_hz = unloaded.sample_rate_hz
        self.fingerprint = unloaded.fingerprint

    @property
    def slots(self) -> int:
        """How many requests may be in flight at once."""
        return self._crew.room(self._unloaded.slots)

    def identity(self, voice: Voice) -> Mapping[str, Any]:
        """The part of `voice` that can change a sample."""
        return self._unloaded.identity(voice)

    def check(self, language: str, voices: Iterable[Voice]) -> list[str]:
        """What stands in the way of speaking."""
        return self._unloaded.check(language, voices)

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak every request exactly once, in the order they finish. Raises `EngineError` where no worker is left."""
        run = _Run(self, self._crew, iter(requests))
        try:
            yield from run.results()
        finally:
            run.cancel()

    def submit(self, batch: Sequence[_Pending]) -> list[Future[Answer]]:
        """Send requests to the workers, and get a future for each."""
        keys = [f"take-{uuid.uuid4().hex}" for _pending in batch]
        requests = [self._worker_request(pending) for pending in batch]
        sent: list[Future[Answer]] = self._crew.client.map(
            speak, requests, key=keys, priority=self._priority, pure=False, batch_size=len(requests)
        )
        return sent

    def _worker_request(self, pending: _Pending) -> WorkerRequest:
        if self._crew.same_machine:
            return WorkerRequest(self._spec, pending.request, None, self._priority)
        request = self._crew.portable(pending.request)
        return WorkerRequest(self._spec, request, pending.clips or {}, self._priority)


class _Run:
    """One `render` of a pool."""

    def __init__(self, pool: Pool, crew: Crew, incoming: Iterator[Request]) -> None:
        self._pool, self._crew, self._incoming = pool, crew, incoming
        self._has_more = True  # the last time it was asked, `incoming` had something
        self._finished: queue.SimpleQueue[tuple[str, futures.Future[Answer]]] = queue.SimpleQueue()
        self._in_flight: dict[str, tuple[_Pending, Future[Answer]]] = {}  # by the future's key
        self._retries: deque[_Pending] = deque()
        self._suspects: list[_Pending] = []  # sent when nothing else is in flight
        self._groups: deque[list[_Pending]] = deque()  # of suspects, each to be sent alone
        self._quarantine: _Quarantine | None = None
        self._had_worker = time.monotonic()

    def results(self) -> Iterator[Rendered | Failed]:
        """Every request's result, in the order they finish."""
        while True:
            client = self._crew.client
            try:
                self._fill()
                if not (self._in_flight or self._retries or self._suspects or self._groups or self._has_more):
                    return
                yield from self._next()
            except (*_LOST, OSError) as error:
                _log.warning("the connection to %s is lost: %s", self._crew.address, error)
                self._take_back()
                self._crew.reconnect(client)

    def cancel(self) -> None:
        """Forget what is still in flight."""
        in_flight = [future for _pending, future in self._in_flight.values()]
        self._take_back()
        if in_flight:
            with suppress(Exception):
                self._crew.client.cancel(in_flight)

    def _take_back(self) -> None:
        """Put all that is in flight up for a retry, blaming nobody."""
        self._retries.extend(pending for pending, _future in self._in_flight.values())
        self._in_flight.clear()
        if self._quarantine is not None:
            self._retries.extend(self._quarantine.dead)
            self._end_quarantine()

    def _fill(self) -> None:
        """Send what there is room for: those that lost their worker first, then new ones; suspects when alone."""
        if self._quarantine is not None:
            return
        if self._suspects or self._groups:
            if not self._in_flight:
                self._send_suspects()
            return
        room = self._pool.slots - len(self._in_flight)
        batch: list[_Pending] = []
        while len(batch) < room and (pending := self._take()) is not None:
            batch.append(pending)
        self._send(batch)

    def _take(self) -> _Pending | None:
        if self._retries:
            return self._retries.popleft()
        request = next(self._incoming, None)
        self._has_more = request is not None
        return None if request is None else _Pending(request)

    def _send(self, batch: Sequence[_Pending]) -> None:
        if batch:
            for pending, future in zip(batch, self._pool.submit(batch), strict=True):
                self._in_flight[str(future.key)] = (pending, future)
                self._fetch(future)

    def _fetch(self, future: Future[Answer]) -> None:
        """Have the answer put into `_finished` when it arrives, so that no thread waits for a worker that hangs."""
        client = future.client
        gathered = asyncio.run_coroutine_threadsafe(client.gather(future, asynchronous=True), client.loop.asyncio_loop)
        gathered.add_done_callback(lambda done: self._finished.put((str(future.key), done)))

    def _next(self) -> Iterator[Rendered | Failed]:
        """What the next answer amounts to; nothing, if none arrives within a second."""
        try:
            key, done = self._finished.get(timeout=_LOOK_S)
        except queue.Empty:
            self._check_workers()
            return
        if key not in self._in_flight:
            return
        pending, _future = self._in_flight[key]
        try:
            answer = done.result()
        except KilledWorker:
            self._in_flight.pop(key)
            self._died(pending, "its worker died of it.")
        except _LOST:
            raise
        except Exception as error:  # whatever broke the engine
            self._in_flight.pop(key)
            self._died(pending, f"the engine broke: {type(error).__name__}: {error}")
        else:
            self._in_flight.pop(key)
            yield from self._answered(pending, answer)
        if self._quarantine is not None and not self._in_flight:
            yield from self._judge()

    def _answered(self, pending: _Pending, answer: Answer) -> Iterator[Rendered | Failed]:
        self._crew.learn(answer.device, answer.slots)
        if answer.result is not None:
            yield replace(answer.result, request=pending.request)
            return
        if answer.missing:
            try:
                pending.clips = self._crew.read_clips(answer.missing)
            except (OSError, KeyError) as error:
                yield Failed(pending.request, f"a voice prompt cannot be read: {error}.")
                return
        self._retries.appendleft(pending)
        if answer.refusal:
            self._crew.leave_out(answer.device, answer.refusal)

    def _check_workers(self) -> None:
        """Raise `StoppedError` after a stop, and `EngineError` when there has been no worker for long."""
        if self._crew.stop.is_set():
            raise StoppedError
        if self._crew.capacities():
            self._had_worker = time.monotonic()
        elif time.monotonic() - self._had_worker > _NO_WORKER_S:
            what = f"there has been no worker for {_NO_WORKER_S / 60:.0f} minutes."
            hint = "Start one (podcast worker), then run the same command again: finished takes are kept."
            raise EngineError(Problem(self._crew.address, what, hint))

    # Who kills workers?

    def _died(self, pending: _Pending, reason: str) -> None:
        pending.reason = reason
        if self._quarantine is not None:
            self._quarantine.dead.append(pending)
            return
        pending.deaths += 1
        _log.info("%s (%d): %s", pending.request.key, pending.deaths, reason)
        if pending.deaths < _DEATHS_AMONG_OTHERS:
            self._retries.append(pending)
        else:
            self._suspects.append(pending)

    def _send_suspects(self) -> None:
        """Send one group of suspects, unless another client of the cluster does: the one to blame must be in it."""
        if self._suspects:
            self._groups.append(self._suspects)
            self._suspects = []
        with self._crew.client.as_current():
            lease = Semaphore(max_leases=1, name="podcast-suspects")
        if not lease.acquire(timeout=_LOOK_S):
            return
        group = self._groups.popleft()
        self._quarantine = _Quarantine(lease, len(group))
        self._send(group)

    def _judge(self) -> Iterator[Failed]:
        """When a group has come back: halve those that died; one that was alone is to blame."""
        assert self._quarantine is not None
        dead, size = self._quarantine.dead, self._quarantine.size
        self._end_quarantine()
        if size == 1 and dead:
            (pending,) = dead
            pending.deaths_alone += 1
            if pending.deaths_alone == _DEATHS_ALONE:
                yield Failed(pending.request, pending.reason)
                return
        half = len(dead) // 2
        self._groups.extendleft(group for group in (dead[half:], dead[:half]) if group)

    def _end_quarantine(self) -> None:
        assert self._quarantine is not None
        with suppress(Exception):  # it lapses by itself
            self._quarantine.lease.release()
        self._quarantine = None


@dataclass
class _Quarantine:
    """A group of suspects in flight with nobody else in the cluster, and those of them whose worker died."""

    lease: Semaphore
    size: int
    dead: list[_Pending] = field(default_factory=list)
