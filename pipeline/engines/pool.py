"""Several devices as one engine: requests go to the workers of a Dask cluster, and come back as they finish.

In: requests, pulled only as fast as the workers' slots take them. Out: the same as from any engine, and the same bytes
whatever the number of workers. A chunk that kills its worker is found by halving those it may have been, and given up
after it has killed some alone. Dask decides which worker speaks what and starts dead ones again. Jobs that share a
cluster share it evenly; those of a higher priority go first, in Dask's queue and in each worker's own.
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

from pipeline.engines import DiaOptions, Engine, Failed, Rendered, Request, Voice
from pipeline.engines.cluster import Answer, Order, speak
from pipeline.engines.crew import Crew
from pipeline.errors import EngineError, Problem, StoppedError

_log = logging.getLogger(__name__)
_TOGETHER = 2  # deaths among others before a chunk is a suspect
_ALONE = 4  # deaths alone before it is given up
_LOOK_S = 1.0
_LOST = (FutureCancelledError, futures.CancelledError, CommClosedError, TimeoutError)  # the connection
_NO_WORKER_S = 300.0  # without any worker, before that is an error


@dataclass
class _Errand:
    """A request on its way, and what has happened to it."""

    request: Request
    deaths: int = 0
    alone: int = 0
    clips: Mapping[str, bytes] | None = None
    reason: str = ""


class Pool:
    """An engine that speaks with the workers of a crew. `door` is the same engine here, which is never loaded."""

    def __init__(self, name: str, door: Engine, options: DiaOptions, crew: Crew, priority: int = 0) -> None:
        self._name, self._door, self._crew, self._priority = name, door, crew, priority
        if not crew.same_machine:  # others have their weights elsewhere
            options = replace(options, weights=None, codec=None)
        self._options = replace(options, device=None, codec_device=None)
        self.sample_rate_hz = door.sample_rate_hz
        self.fingerprint = door.fingerprint

    @property
    def slots(self) -> int:
        """Takes that may be on their way at once."""
        return self._crew.room(self._door.slots)

    def identity(self, voice: Voice) -> Mapping[str, Any]:
        """As the engine has it."""
        return self._door.identity(voice)

    def check(self, language: str, voices: Iterable[Voice]) -> list[str]:
        """As the engine has it."""
        return self._door.check(language, voices)

    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Speak every request exactly once, in the order they finish. Raises `EngineError` where no worker is left."""
        run = _Run(self, self._crew, iter(requests))
        try:
            yield from run.results()
        finally:
            run.cancel()

    def order(self, errand: _Errand) -> Order:
        """What is sent to a worker."""
        if self._crew.same_machine:
            return Order(self._name, self._options, self.fingerprint, errand.request, None, self._priority)
        request = self._crew.portable(errand.request)
        return Order(self._name, self._options, self.fingerprint, request, errand.clips or {}, self._priority)

    def submit(self, errands: Sequence[_Errand]) -> list[Future[Answer]]:
        """Send a batch."""
        keys = [f"take-{uuid.uuid4().hex}" for _errand in errands]
        orders = [self.order(errand) for errand in errands]
        sent: list[Future[Answer]] = self._crew.client.map(
            speak, orders, key=keys, priority=self._priority, pure=False, batch_size=len(orders)
        )
        return sent


class _Run:
    """One `render` of a pool."""

    def __init__(self, pool: Pool, crew: Crew, incoming: Iterator[Request]) -> None:
        self._pool, self._crew, self._incoming = pool, crew, incoming
        self._more = True  # the last time it was asked, `incoming` had something
        self._finished: queue.SimpleQueue[tuple[str, futures.Future[Answer]]] = queue.SimpleQueue()
        self._flying: dict[str, tuple[_Errand, Future[Answer]]] = {}
        self._again: deque[_Errand] = deque()
        self._suspects: list[_Errand] = []  # what is in the air is waited for, then they fly
        self._groups: deque[list[_Errand]] = deque()  # of suspects, each to fly with nobody else
        self._trial: _Trial | None = None
        self._had_worker = time.monotonic()

    def results(self) -> Iterator[Rendered | Failed]:
        """Everything, as it finishes."""
        while True:
            client = self._crew.client
            try:
                self._fill()
                if not (self._flying or self._again or self._suspects or self._groups or self._more):
                    return
                yield from self._next()
            except (*_LOST, OSError) as error:
                _log.warning("the connection to %s is lost: %s", self._crew.address, error)
                self._land()
                self._crew.reopen(client)

    def cancel(self) -> None:
        """Forget what is still on its way."""
        flying = [future for _errand, future in self._flying.values()]
        self._land()
        if flying:
            with suppress(Exception):
                self._crew.client.cancel(flying)

    def _land(self) -> None:
        """Take back all that is in the air, blaming nobody."""
        self._again.extend(errand for errand, _future in self._flying.values())
        self._flying.clear()
        if self._trial is not None:
            self._again.extend(self._trial.dead)
            self._end_trial()

    def _fill(self) -> None:
        """Send what there is room for: those that lost their worker first, then new ones; suspects when alone."""
        if self._trial is not None:
            return
        if self._suspects or self._groups:
            if not self._flying:
                self._try_group()
            return
        room = self._pool.slots - len(self._flying)
        batch: list[_Errand] = []
        while len(batch) < room and (errand := self._take()) is not None:
            batch.append(errand)
        self._send(batch)

    def _take(self) -> _Errand | None:
        if self._again:
            return self._again.popleft()
        request = next(self._incoming, None)
        self._more = request is not None
        return None if request is None else _Errand(request)

    def _send(self, batch: Sequence[_Errand]) -> None:
        if batch:
            for errand, future in zip(batch, self._pool.submit(batch), strict=True):
                self._flying[str(future.key)] = (errand, future)
                self._fetch(future)

    def _fetch(self, future: Future[Answer]) -> None:
        """Let an answer come as soon as there is one: nobody stands and waits for a worker that has stopped moving."""
        client = future.client
        coming = asyncio.run_coroutine_threadsafe(client.gather(future, asynchronous=True), client.loop.asyncio_loop)
        coming.add_done_callback(lambda come: self._finished.put((str(future.key), come)))

    def _next(self) -> Iterator[Rendered | Failed]:
        """What has come next; nothing, if that takes a second."""
        try:
            key, come = self._finished.get(timeout=_LOOK_S)
        except queue.Empty:
            self._look()
            return
        if key not in self._flying:
            return
        errand, _future = self._flying[key]
        try:
            answer = come.result()
        except KilledWorker:
            self._flying.pop(key)
            self._died(errand, "its worker died of it.")
        except _LOST:
            raise
        except Exception as error:  # whatever broke the engine
            self._flying.pop(key)
            self._died(errand, f"the engine broke: {type(error).__name__}: {error}")
        else:
            self._flying.pop(key)
            yield from self._heard(errand, answer)
        if self._trial is not None and not self._flying:
            yield from self._judge()

    def _heard(self, errand: _Errand, answer: Answer) -> Iterator[Rendered | Failed]:
        self._crew.learn(answer.device, answer.slots)
        if answer.result is not None:
            yield replace(answer.result, request=errand.request)
            return
        if answer.missing:
            try:
                errand.clips = self._crew.read_clips(answer.missing)
            except (OSError, KeyError) as error:
                yield Failed(errand.request, f"a voice prompt cannot be read: {error}.")
                return
        self._again.appendleft(errand)
        if answer.refusal:
            self._crew.leave_out(answer.device, answer.refusal)

    def _look(self) -> None:
        """See that there is still somebody to wait for."""
        if self._crew.stop.is_set():
            raise StoppedError
        if self._crew.held():
            self._had_worker = time.monotonic()
        elif time.monotonic() - self._had_worker > _NO_WORKER_S:
            what = f"there has been no worker for {_NO_WORKER_S / 60:.0f} minutes."
            hint = "Start one (podcast worker), then run the same command again: finished takes are kept."
            raise EngineError(Problem(self._crew.address, what, hint))

    # Who kills workers?

    def _died(self, errand: _Errand, reason: str) -> None:
        errand.reason = reason
        if self._trial is not None:
            self._trial.dead.append(errand)
            return
        errand.deaths += 1
        _log.info("%s (%d): %s", errand.request.key, errand.deaths, reason)
        if errand.deaths < _TOGETHER:
            self._again.append(errand)
        else:
            self._suspects.append(errand)

    def _try_group(self) -> None:
        """Send one group of suspects, if nobody else in the cluster is at that: whoever dies then is among them."""
        if self._suspects:
            self._groups.append(self._suspects)
            self._suspects = []
        with self._crew.client.as_current():
            lease = Semaphore(max_leases=1, name="podcast-suspects")
        if not lease.acquire(timeout=_LOOK_S):
            return
        group = self._groups.popleft()
        self._trial = _Trial(lease, len(group))
        self._send(group)

    def _judge(self) -> Iterator[Failed]:
        """After a group has flown: halve those that died; one that was alone has done it."""
        assert self._trial is not None
        dead, size = self._trial.dead, self._trial.size
        self._end_trial()
        if size == 1 and dead:
            (errand,) = dead
            errand.alone += 1
            if errand.alone == _ALONE:
                yield Failed(errand.request, errand.reason)
                return
        half = len(dead) // 2
        self._groups.extendleft(group for group in (dead[half:], dead[:half]) if group)

    def _end_trial(self) -> None:
        assert self._trial is not None
        with suppress(Exception):  # it lapses by itself
            self._trial.lease.release()
        self._trial = None


@dataclass
class _Trial:
    """A group of suspects in the air, and those of them that died."""

    lease: Semaphore
    size: int
    dead: list[_Errand] = field(default_factory=list)
