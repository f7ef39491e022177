"""Which workers there are: those of a cluster, those of the devices that are named, or what suits this machine.

In: the machine's settings. Out: a `Crew`, the workers as a pool sees them, for as long as a block lasts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from distributed import Client
from distributed.comm.core import CommClosedError
from distributed.utils import silence_logging_cmgr

from pipeline.engines import TRAITS, Machine, Request, Voice, engine_workers
from pipeline.engines.cluster import check_address, configured, is_loopback, local_cluster
from pipeline.engines.devices import Worker, parse_devices, share_cores
from pipeline.errors import EngineError, Problem, reason
from pipeline.files import file_hash
from pipeline.settings import Settings, load_settings

_log = logging.getLogger(__name__)
_AHEAD = 6  # requests that wait at a worker, so that no free slot waits for the network
_LOOK_S = 1.0
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
        self._capacities: Mapping[str, int] = {}
        self._looked = 0.0
        self._reconnecting = threading.Lock()
        self._leaving = threading.Lock()

    def capacities(self) -> Mapping[str, int]:
        """How many takes may be at each worker at a time, by its name; as it was within the last second."""
        if time.monotonic() - self._looked > _LOOK_S:
            workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
            self._capacities = {str(worker["name"]): int(worker["nthreads"]) for worker in workers}
            self._looked = time.monotonic()
        return self._capacities

    def room(self, guess: int) -> int:
        """How many takes of one job may be in flight; `guess` stands for the slots of workers not heard from yet."""
        workers = [(capacity, self._slots.get(name, guess)) for name, capacity in self.capacities().items()]
        return sum(min(capacity, slots + max(_AHEAD, slots // 8)) for capacity, slots in workers)

    def learn(self, device: str, slots: int) -> None:
        """Remember how many takes a worker renders at once."""
        self._slots[device] = slots

    def leave_out(self, device: str, problems: Sequence[Problem]) -> None:
        """Do without a worker that cannot open the engine. Raises `EngineError` where it is the last."""
        with self._leaving:
            self._looked = 0.0
            if device not in self.capacities():
                return  # it has answered another request so before
            if len(self.capacities()) == 1:
                raise EngineError(*problems)
            for problem in problems:
                _log.warning("%s is left out: %s", device, problem)
            with suppress(Exception):
                self.client.retire_workers(names=[device])
            self._looked = 0.0

    def portable(self, request: Request) -> Request:
        """The request with its clips named by their content, as workers on other machines keep them."""
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
        """The bytes of clips, by the names `portable` has given them."""
        return {name: self._clips[name].read_bytes() for name in names}

    def reconnect(self, lost: Client) -> None:
        """Put a new client in place of `lost`, unless it is there already. Raises `EngineError` without a scheduler."""
        with self._reconnecting:
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


class _Client(Client):
    """One that only `close` closes: after a Ctrl-C half way its loop may have ended, and nothing answers any more."""

    def __del__(self) -> None:
        """Wait for nobody."""


def connect(address: str, timeout_s: float = 30) -> Client:
    """A client of the scheduler at `address`. Raises `EngineError` where there is none."""
    try:
        return _Client(address, timeout=timeout_s, set_as_default=False)  # type: ignore[no-untyped-call]
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


def plan_workers(settings: Settings, engines: Collection[str]) -> tuple[Worker, ...]:
    """The workers for jobs of these `engines`. Raises `RequestError` where the settings name no devices.

    Where they name none, what suits the first engine that cares; else one worker for each core.
    """
    if settings.device is not None and settings.device != "auto":
        return parse_devices(settings.device)
    suited = (engine_workers(name, Machine.of(settings)) for name in engines)
    return next(filter(None, suited), None) or share_cores(settings.jobs, threads=1)


@contextmanager
def open_crew(settings: Settings, engines: Collection[str]) -> Iterator[Crew]:
    """Join the cluster the settings name, or start workers that end with the block."""
    if settings.cluster is not None:
        with join_crew(settings.cluster) as crew:
            yield crew
        return
    with local_cluster(plan_workers(settings, engines)) as address, join_crew(address) as crew:
        yield crew


@contextmanager
def address_of_workers() -> Iterator[str]:
    """The scheduler of the cluster that this process's settings name, or of workers started for the block."""
    settings = load_settings()
    if settings.cluster is not None:
        check_address(settings.cluster, "client")
        with configured(settings.cluster):
            yield settings.cluster
        return
    with local_cluster(plan_workers(settings, TRAITS)) as address:
        yield address
