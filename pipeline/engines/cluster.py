"""Worker processes, one for each device, each with an engine that stays loaded; Dask starts them and looks after them.

In: devices, or the address of a Dask scheduler. Out: a cluster on loopback for as long as it is needed, or a worker
that joins a cluster. `speak` is what runs inside a worker. Dask's protocol executes pickles: whoever reaches a
scheduler can run code, so nothing here listens beyond loopback unless it is told to, and TLS is Dask's own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed import Nanny, Scheduler, Security, SpecCluster, get_worker
from distributed.core import Status
from distributed.gc import disable_gc_diagnosis
from distributed.utils import LoopRunner

from pipeline.engines import DiaOptions, Engine, Failed, Rendered, Request, open_engine
from pipeline.engines.devices import Worker, visible_gpu
from pipeline.engines.resident import Resident
from pipeline.errors import EngineError, Problem, RequestError
from pipeline.files import atomic_write
from pipeline.settings import load_settings

LOOPBACK = "127.0.0.1"
_REJOIN_S = 2.0
_CLOSE_S = 5.0
_STARTS = 4
_START_S = 60  # for a worker process to load and reach the scheduler
_log = logging.getLogger(__name__)
CONFIG = {
    "distributed.scheduler.allowed-failures": 0,  # the pool finds out who is to blame
    # Dask's own environment holds OpenMP to one thread. Its workers are watched by us, and have nothing to say.
    "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": "65536", "DASK_LOGGING__DISTRIBUTED": "critical"},
    "distributed.scheduler.worker-ttl": "60s",
    # A worker that dies again while it starts must not be given up; its nanny goes on starting it.
    "distributed.deploy.lost-worker-timeout": "365 days",
    "distributed.comm.timeouts.connect": "10s",
}


@dataclass(frozen=True)
class Order:
    """A request, and all that a worker must know to speak it.

    `clips` are voice prompts by the name their voices have here, for workers that see other files; None: they see the
    same.
    """

    engine: str
    options: DiaOptions
    fingerprint: str
    request: Request
    clips: Mapping[str, bytes] | None = None
    priority: int = 0


@dataclass(frozen=True)
class Answer:
    """What a worker made of an order, and how many takes it makes at once.

    Without a result it has not yet got the clips that are `missing`, or cannot open the engine at all (`refusal`).
    """

    device: str
    slots: int
    result: Rendered | Failed | None = None
    missing: frozenset[str] = frozenset()
    refusal: tuple[Problem, ...] = ()


def speak(order: Order) -> Answer:
    """Speak one order; runs in a thread of a worker, beside others. Raises what breaks the engine."""
    process = _this_process()
    device = str(get_worker().name)
    engine = (order.engine, order.options, order.fingerprint)
    request = order.request
    if order.clips is not None:
        if missing := frozenset(process.missing(request, order.clips)):
            return Answer(device, process.resident.slots(engine), missing=missing)
        request = process.local(request)
    try:
        result = process.resident.speak(engine, request, order.priority).result()
    except EngineError as error:
        _log.warning("%s", error)  # to whoever looks after this machine; the pool leaves it out
        return Answer(device, 1, refusal=error.problems)
    if isinstance(result, Rendered):
        result = replace(result, device=device, codes=None)  # codes are for those who compare engines
    return Answer(device, process.resident.slots(engine), replace(result, request=order.request))


class _Process:
    """What a worker process keeps between orders."""

    def __init__(self) -> None:
        self.resident = Resident(_open)
        self._clips = Path(get_worker().local_directory) / "clips"  # Dask removes it with the worker
        self._clips.mkdir(parents=True, exist_ok=True)
        self._writing = threading.Lock()

    def missing(self, request: Request, clips: Mapping[str, bytes]) -> Iterator[str]:
        """Store the clips that came along, and name those of the request that are still not here."""
        with self._writing:
            for name, data in clips.items():
                if not (self._clips / name).exists():
                    atomic_write(self._clips / name, data)  # others look without the lock: whole or not there
        for line in request.lines:
            if line.voice.prompt is not None and not (self._clips / line.voice.prompt.name).exists():
                yield line.voice.prompt.name

    def local(self, request: Request) -> Request:
        """The request with the clips as they lie here."""
        lines = [
            replace(line, voice=replace(line.voice, prompt=self._clips / line.voice.prompt.name))
            if line.voice.prompt is not None
            else line
            for line in request.lines
        ]
        return replace(request, lines=tuple(lines))


_process: _Process | None = None
_starting = threading.Lock()


def _this_process() -> _Process:
    global _process  # noqa: PLW0603 - one for each worker process is the point of it
    with _starting:
        if _process is None:
            _process = _Process()
        return _process


def _open(name: Any) -> Engine:
    """The engine an order asks for, with this machine's own weights and device where the order leaves them out."""
    kind, options, fingerprint = name
    settings = load_settings()
    here = replace(
        options,
        device=settings.device,
        codec_device=settings.codec_device,
        kernels=options.kernels or settings.kernels,
        slots=options.slots or settings.slots,
        weights=options.weights or settings.weights,
        codec=options.codec or settings.codec,
    )
    engine = open_engine(kind, here)
    if engine.fingerprint != fingerprint:
        what = (
            f"this worker has other weights or another version than the job: {engine.fingerprint}, not {fingerprint}."
        )
        raise EngineError(Problem(socket.gethostname(), what, "Install the same version and weights there."))
    return engine


class _Nanny(Nanny):
    """Looks after one worker process; one that dies while it starts is started again, as one that dies later is."""

    async def instantiate(self) -> Status:
        """Start the process."""
        for _try in range(_STARTS):
            if (status := await super().instantiate()) == Status.running:
                break
        return status


@contextmanager
def local_cluster(workers: Sequence[Worker]) -> Iterator[str]:
    """Start one process for each of `workers`, on loopback; gives the scheduler's address and ends them all."""
    specification = {worker.name: {"cls": _Nanny, "options": _nanny_options(worker, LOOPBACK)} for worker in workers}
    # Dask's page needs an address of its own even where there is none: its usual port may be another's.
    options = {"host": LOOPBACK, "port": 0, "dashboard": False, "dashboard_address": f"{LOOPBACK}:0"}
    scheduler = {"cls": Scheduler, "options": options}
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # Prefect has every logger speak
    with configured(LOOPBACK), _loop_without_ctrl_c() as loop:
        # A cluster that is interrupted half way does not know how to close: it is stopped when it is there.
        with _later(signal.SIGINT, signal.SIGTERM):
            try:
                cluster = SpecCluster(
                    workers=specification, scheduler=scheduler, loop=loop, silence_logs=logging.CRITICAL
                )
            except (RuntimeError, OSError, TimeoutError) as error:
                what = f"they did not start ({str(error).splitlines()[0][:200]})."
                hint = "Run the same command again; if it is always so, name fewer with --device."
                raise EngineError(Problem("workers", what, hint)) from None
        try:
            disable_gc_diagnosis(force=True)  # a Ctrl-C that comes within its callback would be printed and forgotten
            yield str(cluster.scheduler_address)
        finally:
            with suppress(Exception):
                cluster.close(timeout=_CLOSE_S)


@contextmanager
def _loop_without_ctrl_c() -> Iterator[Any]:
    """An event loop in a thread whose processes get no Ctrl-C: a terminal sends it to all, but it is for this one."""
    runner = LoopRunner(asynchronous=False)
    resource_tracker.ensure_running()  # started later, by multiprocessing, it would let them through again
    with _later(signal.SIGINT):  # a thread inherits what is held back, and so does a process
        runner.start()
    try:
        yield runner.loop
    finally:
        with suppress(Exception):
            runner.stop(timeout=_CLOSE_S)


@contextmanager
def _later(*signals: signal.Signals) -> Iterator[None]:
    """Hold signals back from this thread; they come when the block ends."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _nanny_options(worker: Worker, host: str) -> dict[str, Any]:
    return {
        "nthreads": worker.held,
        "env": worker.environment | visible_gpu(worker, os.environ.get("CUDA_VISIBLE_DEVICES")),
        "host": host,
        "memory_limit": 0,  # the engine minds its memory itself
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
    }


def join(
    scheduler: str,
    worker: Worker,
    *,
    name: str,
    host: str | None = None,
    weights: str | None = None,
    tell: Callable[[str], None] = lambda _words: None,
) -> None:
    """Work for the cluster at `scheduler` until interrupted or told to end; a lost connection is taken up again.

    `host` is the address others reach this worker at: by default the one that faces the scheduler. Raises
    `RequestError` for an address that cannot be a scheduler's, or that this machine has no certificate for.
    """
    check_address(scheduler, "worker")

    async def work() -> None:
        me = asyncio.current_task()
        assert me is not None
        with suppress(NotImplementedError):  # on Windows a process is ended without being asked
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
        told = ""
        while True:
            try:
                options = _nanny_options(worker, host or _facing(scheduler)) | {"name": name, "death_timeout": _START_S}
                options["env"] |= {} if weights is None else {"PODCAST_WEIGHTS": weights}
                async with _Nanny(scheduler, **options) as nanny:
                    told = news = f"{name} has joined {scheduler}"
                    _log.info(news)
                    tell(news)
                    await nanny.finished()
                news = f"{name} has lost {scheduler}; trying again"
            except (OSError, ValueError, RuntimeError) as error:
                news = f"{name} cannot join {scheduler}: {reason(error)}; trying again"
            if news != told:
                told = news
                _log.warning(news)
                tell(news)
            await asyncio.sleep(_REJOIN_S)

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # `tell` says what matters
    with configured(scheduler), suppress(asyncio.CancelledError):
        asyncio.run(work())


def _facing(address: str) -> str:
    """The address of this machine that faces the one at `address`. Raises `OSError` where no way leads there."""
    place = urlsplit(address)
    family, kind, _protocol, _name, there = socket.getaddrinfo(place.hostname, place.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(there)  # sends nothing
        return str(probe.getsockname()[0])


def configured(address: str) -> Any:
    """A block with Dask set up for this package, in which plain TCP may be spoken to `address` if it is loopback."""
    plain = is_loopback(address) and not address.startswith("tls:")
    return dask.config.set(CONFIG | ({"distributed.comm.require-encryption": False} if plain else {}))


def check_address(address: str, role: str) -> None:
    """See that `address` may be a scheduler's, and that a `role` of this machine ("client", "worker") may speak to it.

    Nobody is asked there. Raises `RequestError`.
    """
    try:
        place = urlsplit(address)
        good = place.scheme in ("tcp", "tls") and place.hostname and place.port
    except ValueError:
        good = False
    if not good:
        hint = "Write one such as tcp://127.0.0.1:8786 or tls://10.0.0.1:8786."
        raise RequestError(Problem("the scheduler", f'"{address}" is not its address.', hint))
    security = Security()
    names = ("CA_FILE", f"{role.upper()}__CERT", f"{role.upper()}__KEY")
    hint = f"Set {', '.join(f'DASK_DISTRIBUTED__COMM__TLS__{name}' for name in names)} to files of it."
    try:
        context = security.get_connection_args(role)["ssl_context"]
    except (OSError, ValueError) as error:
        what = f"the certificate of this {role} cannot be used: {reason(error)}."
        raise RequestError(Problem(address, what, hint)) from None
    if place.scheme == "tls" and context is None:
        raise RequestError(Problem(address, f"this {role} has no certificate.", hint))
    if place.scheme == "tcp" and security.require_encryption and not is_loopback(address):
        what = "this is not encrypted, and DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION asks for that."
        raise RequestError(Problem(address, what, "Write tls:// instead, of a scheduler that speaks it."))


def reason(error: BaseException) -> str:
    """In one line, what Dask knows of why it failed: it wraps errors in others that say less."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [""])[0][:200].rstrip(".") or type(error).__name__


def is_loopback(address: str) -> bool:
    """Whether an address stays on this machine."""
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
