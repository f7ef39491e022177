"""Several devices as one engine: requests go to the workers of a Dask cluster, and come back as they finish.

In: requests, pulled only as fast as the workers' slots take them. Out: the same as from any engine, and the same bytes
whatever the number of workers. A chunk that kills its worker is found by halving those it may have been, and given up
after it has killed some alone. Dask decides which worker speaks what and starts dead ones again. Jobs that share a
cluster share it evenly; those of a higher priority go first, in Dask's queue and in each worker's own.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distributed import Client, Future, Semaphore
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from distributed.utils import silence_logging_cmgr

from pipeline.engines import DiaOptions, Engine, Failed, Rendered, Request, Voice
from pipeline.engines.cluster import Answer, Order, check_address, configured, is_loopback, reason, speak
from pipeline.errors import EngineError, Problem, StoppedError
from pipeline.workspace import file_hash

_log = logging.getLogger(__name__)
_AHEAD = 6  # requests that wait at a worker, so that a free slot never waits for the network
_TOGETHER = 2  # deaths among others before a chunk is a suspect
_ALONE = 4  # deaths alone before it is given up
_LOOK_S = 1.0
_NO_WORKER_S = 300.0  # without any worker, before that is an error
_RETURN_S = 120.0  # for a scheduler to come back


class Crew:
    """The workers of a cluster, for all the jobs of this process."""

    def __init__(self, client: Client, address: str, *, same_machine: bool) -> None:
        self.client = client
        self.address = address
        self.same_machine = same_machine  # workers see the same files
        self.stop = threading.Event()
        self._clip_names: dict[Path, str] = {}
        self._clips: dict[str, Path] = {}
        self._slots: dict[str, int] = {}
        self._held: Mapping[str, int] = {}
        self._looked = 0.0
        self._opening = threading.Lock()
        self._leaving = threading.Lock()

    def held(self) -> Mapping[str, int]:
        """The most takes each worker may have at a time, by its name; as it was within the last second."""
        if time.monotonic() - self._looked > _LOOK_S:
            told = self.client.scheduler_info(n_workers=-1)["workers"].values()
            self._held = {str(worker["name"]): int(worker["nthreads"]) for worker in told}
            self._looked = time.monotonic()
        return self._held

    def room(self, guess: int) -> int:
        """How many takes may be on their way for one job; `guess` are the slots of workers that have not told."""
        told = [(held, self._slots.get(name, guess)) for name, held in self.held().items()]
        return sum(min(held, slots + max(_AHEAD, slots // 8)) for held, slots in told)

    def learn(self, device: str, slots: int) -> None:
        """Remember how many takes a worker makes at once."""
        self._slots[device] = slots

    def leave_out(self, device: str, problems: Sequence[Problem]) -> None:
        """Do without a worker that cannot open the engine. Raises `EngineError` where it is the last."""
        with self._leaving:
            self._looked = 0.0
            if device not in self.held():
                return  # another of its orders has said so
            if len(self.held()) == 1:
                raise EngineError(*problems)
            for problem in problems:
                _log.warning("%s is left out: %s", device, problem)
            with suppress(Exception):
                self.client.retire_workers(names=[device])
            self._looked = 0.0

    def portable(self, request: Request) -> Request:
        """The request with its clips named by their content, as workers elsewhere keep them."""
        return replace(request, lines=tuple(replace(line, voice=self._portable(line.voice)) for line in request.lines))

    def _portable(self, voice: Voice) -> Voice:
        if voice.prompt is None:
            return voice
        if voice.prompt not in self._clip_names:
            name = f"{file_hash(voice.prompt)}{voice.prompt.suffix}"
            self._clip_names[voice.prompt] = name
            self._clips[name] = voice.prompt
        return replace(voice, prompt=Path(self._clip_names[voice.prompt]))

    def read_clips(self, names: Iterable[str]) -> dict[str, bytes]:
        """The clips of those names."""
        return {name: self._clips[name].read_bytes() for name in names}

    def reopen(self, lost: Client) -> None:
        """A connection in place of `lost`, unless there is one already. Raises `EngineError` without a scheduler."""
        with self._opening:
            if self.client is not lost:
                return
            _log.warning("the scheduler at %s does not answer; waiting for it", self.address)
            with suppress(Exception):
                lost.close(timeout=1)
            deadline = time.monotonic() + _RETURN_S
            while True:
                try:
                    self.client = connect(self.address, timeout_s=5)
                    return
                except EngineError:
                    if self.stop.is_set() or time.monotonic() > deadline:
                        raise
                    time.sleep(_LOOK_S)


def connect(address: str, timeout_s: float = 30) -> Client:
    """A client of the scheduler at `address`. Raises `EngineError` where there is none."""
    try:
        return Client(address, timeout=timeout_s, set_as_default=False)
    except (OSError, ValueError, RuntimeError, CommClosedError) as error:
        what = f"no Dask scheduler answers ({reason(error)})."
        hint = "Start it, then run the same command again: finished takes are kept."
        raise EngineError(Problem(address, what, hint)) from None


@contextmanager
def join_crew(address: str) -> Iterator[Crew]:
    """The workers of the cluster at `address`.

    Raises `EngineError` where no scheduler answers, and `RequestError` for what cannot be the address of one.
    """
    check_address(address, "client")
    with configured(address), silence_logging_cmgr(logging.CRITICAL), crew_of(connect(address), address) as crew:
        try:
            yield crew
        finally:
            with suppress(Exception):
                crew.client.close(timeout=2)


@contextmanager
def crew_of(client: Client, address: str | None = None) -> Iterator[Crew]:
    """The workers that `client` is connected to; on this machine they see the same files."""
    assert client.scheduler is not None
    address = address or str(client.scheduler.address)
    crew = Crew(client, address, same_machine=is_loopback(address))
    try:
        yield crew
    finally:
        crew.stop.set()


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
        futures: list[Future[Answer]] = self._crew.client.map(
            speak, orders, key=keys, priority=self._priority, pure=False, batch_size=len(orders)
        )
        return futures


class _Run:
    """One `render` of a pool."""

    def __init__(self, pool: Pool, crew: Crew, incoming: Iterator[Request]) -> None:
        self._pool, self._crew, self._incoming = pool, crew, incoming
        self._more = True  # the last time it was asked, `incoming` had something
        self._finished: queue.SimpleQueue[Future[Answer]] = queue.SimpleQueue()
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
            except (FutureCancelledError, CommClosedError, TimeoutError, OSError) as error:
                _log.warning("the connection to %s is lost: %s", self._crew.address, error)
                self._land()
                self._crew.reopen(client)

    def cancel(self) -> None:
        """Forget what is still on its way."""
        futures = [future for _errand, future in self._flying.values()]
        self._land()
        if futures:
            with suppress(Exception):
                self._crew.client.cancel(futures)

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
                future.add_done_callback(self._finished.put)

    def _next(self) -> Iterator[Rendered | Failed]:
        """What the next future that is done has brought; nothing, if none is within a second."""
        try:
            future = self._finished.get(timeout=_LOOK_S)
        except queue.Empty:
            self._look()
            return
        key = str(future.key)
        if key not in self._flying:
            return
        errand, _future = self._flying[key]
        try:
            answer: Answer = future.result()
        except KilledWorker:
            self._flying.pop(key)
            self._died(errand, "its worker died of it.")
        except (FutureCancelledError, CommClosedError, TimeoutError):
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
