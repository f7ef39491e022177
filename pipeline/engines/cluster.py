"""Worker processes, one for each device, each with an engine that stays loaded; Dask starts them, dead ones again.

In: devices, or the address of a Dask scheduler. Out: a cluster on loopback for as long as it is needed, or a worker
that joins a cluster. `speak` is what runs inside a worker. Dask's protocol executes pickles: whoever is let in by a
scheduler can run code, so a cluster of ours listens on loopback alone and lets in only who has the certificate that was
made for it; other users of the machine have not. A cluster of the user's own has the TLS that they give it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import dask
from distributed import Nanny, Scheduler, Security, SpecCluster, get_worker
from distributed import Worker as DaskWorker
from distributed.core import Status
from distributed.gc import disable_gc_diagnosis
from distributed.utils import LoopRunner

from pipeline.engines import DiaSound, Engine, Failed, Machine, Rendered, Request, open_engine
from pipeline.engines.devices import Worker, visible_gpu
from pipeline.engines.resident import Resident
from pipeline.errors import EngineError, Problem, RequestError, reason
from pipeline.files import atomic_write
from pipeline.settings import load_settings

LOOPBACK = "127.0.0.1"
_ROLES = ("scheduler", "worker", "client")
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
    "distributed.dashboard.link": "",  # there is none
}


@dataclass(frozen=True)
class EngineSpec:
    """Which engine workers open, each on its own device; a worker with another `fingerprint` is refused.

    `weights`, `codec` and `kokoro` are the job's where workers see the same files; None: each worker has its own.
    """

    name: str
    sound: DiaSound
    fingerprint: str
    weights: str | None = None
    codec: str | None = None
    kokoro: str | None = None


@dataclass(frozen=True)
class WorkerRequest:
    """A request, and all that a worker must know to speak it.

    `clips` are voice prompts by the file names their voices have in `request`, for workers that see other files; None:
    they see the same.
    """

    engine: EngineSpec
    request: Request
    clips: Mapping[str, bytes] | None = None
    priority: int = 0


@dataclass(frozen=True)
class Answer:
    """A worker's answer to a `WorkerRequest`, and how many takes it renders at once.

    Without a result the worker lacks the clips that are `missing`, or cannot open the engine at all (`refusal`).
    """

    device: str
    slots: int
    result: Rendered | Failed | None = None
    missing: frozenset[str] = frozenset()
    refusal: tuple[Problem, ...] = ()


def speak(order: WorkerRequest) -> Answer:
    """Speak one request; runs in a thread of a worker, beside others. Raises what breaks the engine."""
    process = _this_process()
    device = str(get_worker().name)
    request = order.request
    if order.clips is not None:
        if missing := frozenset(process.missing(request, order.clips)):
            return Answer(device, process.resident.slots(order.engine), missing=missing)
        request = process.local(request)
    try:
        result = process.resident.speak(order.engine, request, order.priority).result()
    except EngineError as error:
        _log.warning("%s", error)  # to whoever looks after this machine; the pool leaves it out
        return Answer(device, 1, refusal=error.problems)
    if isinstance(result, Rendered):
        result = replace(result, device=device, codes=None)  # codes are for those who compare engines
    return Answer(device, process.resident.slots(order.engine), replace(result, request=order.request))


class _Process:
    """What a worker process keeps from one request to the next: the engine, and clips of other machines."""

    def __init__(self) -> None:
        self.resident: Resident[EngineSpec] = Resident(_open)
        self._clips = Path(get_worker().local_directory) / "clips"  # Dask removes it with the worker
        self._clips.mkdir(parents=True, exist_ok=True)
        self._writing = threading.Lock()

    def missing(self, request: Request, clips: Mapping[str, bytes]) -> Iterator[str]:
        """Store `clips`, and name those that the request needs besides."""
        with self._writing:
            for name, data in clips.items():
                if not (self._clips / name).exists():
                    atomic_write(self._clips / name, data)  # others look without the lock: whole or not there
        for line in request.lines:
            if line.voice.prompt is not None and not (self._clips / line.voice.prompt.name).exists():
                yield line.voice.prompt.name

    def local(self, request: Request) -> Request:
        """The request with the paths of the stored clips."""
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


def _open(spec: EngineSpec) -> Engine:
    """The engine by the settings of this worker. Raises `EngineError` where it has not the fingerprint of the job's."""
    settings = load_settings(weights=spec.weights, codec=spec.codec, kokoro=spec.kokoro)
    engine = open_engine(spec.name, spec.sound, Machine.of(settings))
    if engine.fingerprint != spec.fingerprint:
        differs = f"{engine.fingerprint}, not {spec.fingerprint}"
        what = f"this worker has other weights or another version than the job: {differs}."
        raise EngineError(Problem(socket.gethostname(), what, "Install the same version and weights there."))
    return engine


class _Scheduler(Scheduler):
    """Without Dask's HTTP server, which asks nobody for a certificate."""

    def start_http_server(self, *_arguments: object, **_options: object) -> None:
        """Start none; clients want to know its port all the same."""
        self.services["dashboard"] = SimpleNamespace(port=0, stop=lambda: None)


class _Worker(DaskWorker):
    """The same for a worker."""

    def start_http_server(self, *_arguments: object, **_options: object) -> None:
        """Start none."""


class _Nanny(Nanny):
    """Looks after one worker process; one that dies while it starts is started again, as one that dies later is."""

    async def instantiate(self) -> Status:
        """Start the process."""
        _nannies.add(self)
        for _try in range(_STARTS):
            if (status := await super().instantiate()) == Status.running:
                break
        return status


_nannies: WeakSet[_Nanny] = WeakSet()


def worker_pids() -> dict[str, int]:
    """The worker processes that this one has started and that live, by their workers' names."""
    return {str(nanny.name): nanny.pid for nanny in list(_nannies) if nanny.pid is not None}


@contextmanager
def local_cluster(workers: Sequence[Worker]) -> Iterator[str]:
    """Start one process for each of `workers`, on loopback; gives the scheduler's address and ends them all.

    Within the block this process has the cluster's certificate, in Dask's configuration.
    """
    from pipeline.engines.certificate import new_certificate  # noqa: PLC0415 - workers load faster without

    specification = {worker.name: {"cls": _Nanny, "options": _nanny_options(worker, LOOPBACK)} for worker in workers}
    options = {"protocol": "tls", "host": LOOPBACK, "port": 0, "dashboard": False}
    scheduler = {"cls": _Scheduler, "options": options}
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # Prefect has every logger speak
    with dask.config.set(CONFIG | _tls(*new_certificate())), _loop_without_signals() as loop:
        # A cluster that is interrupted half way does not know how to close: it is stopped when it is there.
        with _blocked(signal.SIGINT, signal.SIGTERM):
            try:
                cluster = SpecCluster(
                    workers=specification, scheduler=scheduler, loop=loop, silence_logs=logging.CRITICAL
                )
            except (RuntimeError, OSError, TimeoutError) as error:
                what = f"they did not start ({reason(error)})."
                hint = "Run the same command again; if it is always so, name fewer with --device."
                raise EngineError(Problem("workers", what, hint)) from None
        try:
            disable_gc_diagnosis(force=True)  # a Ctrl-C that comes within its callback would be printed and forgotten
            yield str(cluster.scheduler_address)
        finally:
            nannies = list(cluster.workers.values())
            with suppress(Exception):
                cluster.close(timeout=_CLOSE_S)
            for pid in [nanny.pid for nanny in nannies if nanny.pid is not None]:  # it hung, and takes no SIGTERM
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _tls(certificate: str, key: str) -> dict[str, Any]:
    """Dask's configuration for TLS; whoever has the certificate is let in, so all processes have the same one."""
    of_roles = {f"distributed.comm.tls.{role}": {"cert": certificate, "key": key} for role in _ROLES}
    return {"distributed.comm.tls.ca-file": certificate, "distributed.comm.require-encryption": True} | of_roles


def certificate_environment() -> dict[str, str]:
    """The variables by which a process of ours gets the certificate that Dask's configuration has here."""
    names = ["ca-file", *(f"{role}.{part}" for role in _ROLES for part in ("cert", "key"))]
    values = {name: dask.config.get(f"distributed.comm.tls.{name}") for name in names}
    return {
        "DASK_DISTRIBUTED__COMM__TLS__" + name.upper().replace(".", "__").replace("-", "_"): str(value)
        for name, value in values.items()
        if value is not None
    }


@contextmanager
def _loop_without_signals() -> Iterator[Any]:
    """An event loop in a thread whose processes get neither Ctrl-C nor SIGTERM.

    A terminal, `timeout`, systemd and containers send them to all, but they are for this one, which ends the others.
    """
    runner = LoopRunner(asynchronous=False)
    resource_tracker.ensure_running()  # started later, by multiprocessing, it would let them through again
    with _blocked(signal.SIGINT, signal.SIGTERM):  # a thread inherits what is blocked, and so does a process
        runner.start()
    try:
        yield runner.loop
    finally:
        with suppress(Exception):
            runner.stop(timeout=_CLOSE_S)


@contextmanager
def _blocked(*signals: signal.Signals) -> Iterator[None]:
    """Block signals in this thread; they are delivered when the block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nanny_options(worker: Worker, host: str) -> dict[str, Any]:
    return {
        "nthreads": worker.capacity,
        "env": worker.environment | visible_gpu(worker, os.environ.get("CUDA_VISIBLE_DEVICES")),
        "host": host,
        "memory_limit": 0,  # the engine minds its memory itself
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
        "worker_class": _Worker,
    }


def join(
    scheduler: str,
    worker: Worker,
    *,
    name: str,
    host: str | None = None,
    environment: Mapping[str, str],
    say: Callable[[str], None] = lambda _line: None,
) -> None:
    """Work for the cluster at `scheduler` until interrupted or told to end; a lost connection is taken up again.

    `host` is the address others reach this worker at: by default the one that faces the scheduler. `environment` is
    this machine's settings for the worker's process. `say` gets what a person should know, a line each. Raises
    `RequestError` for an address that cannot be a scheduler's, or that this machine has no certificate for.
    """
    check_address(scheduler, "worker")

    async def work() -> None:
        me = asyncio.current_task()
        assert me is not None
        with suppress(NotImplementedError):  # on Windows a process is ended without being asked
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
        last_line = ""
        while True:
            try:
                options = _nanny_options(worker, host or _facing(scheduler)) | {"name": name, "death_timeout": _START_S}
                options["env"] = {**environment, **options["env"]}
                async with _Nanny(scheduler, **options) as nanny:
                    last_line = line = f"{name} has joined {scheduler}"
                    say(line)
                    await nanny.finished()
                line = f"{name} has lost {scheduler}; trying again"
            except (OSError, ValueError, RuntimeError) as error:
                line = f"{name} cannot join {scheduler}: {reason(error)}; trying again"
            if line != last_line:
                last_line = line
                say(line)
            await asyncio.sleep(_REJOIN_S)

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # `say` gets what matters
    with configured(scheduler), suppress(asyncio.CancelledError):
        asyncio.run(work())


def _facing(address: str) -> str:
    """The address of this machine that faces the one at `address`. Raises `OSError` where no way leads there."""
    url = urlsplit(address)
    family, kind, _protocol, _name, peer = socket.getaddrinfo(url.hostname, url.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(peer)  # sends nothing
        return str(probe.getsockname()[0])


def configured(address: str) -> AbstractContextManager[object]:
    """A block in which Dask has the configuration of this package; on loopback `address` needs no encryption."""
    plain = is_loopback(address) and not address.startswith("tls:")
    configuration: AbstractContextManager[object] = dask.config.set(
        CONFIG | ({"distributed.comm.require-encryption": False} if plain else {})
    )
    return configuration


def check_address(address: str, role: str) -> None:
    """Raise `RequestError` unless `address` may be a scheduler's, and a "client" or "worker" has certificates for it.

    Nothing is sent there.
    """
    try:
        url = urlsplit(address)
        is_valid = url.scheme in ("tcp", "tls") and url.hostname and url.port
    except ValueError:
        is_valid = False
    if not is_valid:
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
    if url.scheme == "tls" and context is None:
        raise RequestError(Problem(address, f"this {role} has no certificate.", hint))
    if url.scheme == "tcp" and security.require_encryption and not is_loopback(address):
        what = "this is not encrypted, and DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION asks for that."
        raise RequestError(Problem(address, what, "Write tls:// instead, of a scheduler that speaks it."))


def is_loopback(address: str) -> bool:
    """Whether an address stays on this machine."""
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
