"""`podcast serve`: the deployment `render`, worker processes that its flow runs share, and a drop folder.

In: what to serve. Out: flow runs, until interrupted. A local server is started where there is none and started again
when it dies; flow runs that died with it, or with anything else, are started again for manifests of the drop folder.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

import psutil
from prefect import serve as serve_deployments
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import DeploymentStatus, FlowRun, State, StateType
from prefect.context import refresh_global_settings_context
from prefect.deployments import run_deployment
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType
from tzlocal import get_localzone_name

from pipeline.engines.cluster import check_address, local_cluster
from pipeline.engines.crew import plan_workers
from pipeline.errors import EngineError, PodcastError, Problem, RequestError, StoppedError, StorageError
from pipeline.jobs.report import Report, read_report
from pipeline.jobs.status import Board
from pipeline.night.claims import Outcome
from pipeline.night.overnight import EVERY_ENGINE, Night
from pipeline.night.prefect_flow import SERVED_BY, podcast
from pipeline.night.watch import Render
from pipeline.settings import Settings
from pipeline.workspace import Workspace

T = TypeVar("T")

LOCAL_API = "http://127.0.0.1:4200/api"
_SERVER_START_S = 90
_LOOK_S = 2.0
_SILENT_S = 60.0  # a flow run that runs, without a live process that holds its job, is dead
_TRIES = 5  # of flow runs that die
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """What `podcast serve` serves: a deployment, and `night`'s drop folder, by `cron` or as soon as something comes."""

    name: str
    limit: int
    settings: Settings
    say: Callable[[str], None]
    night: Night | None = None
    cron: str | None = None


def serve(service: Service) -> None:
    """Serve until interrupted, on the Prefect server configured, or on a local one.

    Raises `PodcastError` where no server can be had.
    """
    if service.settings.cluster is not None:
        check_address(service.settings.cluster, "client")
    configured = PREFECT_API_URL.value()
    api = str(configured or LOCAL_API).rstrip("/")
    _ensure_server(api, service.say)
    if not configured:
        # Without an address every `prefect` command would start a server of its own, beside this one.
        _prefect("config", "set", f"PREFECT_API_URL={api}")
        service.say(f"your Prefect profile now has PREFECT_API_URL={api}; undo: prefect config unset PREFECT_API_URL")
    os.environ["PREFECT_API_URL"] = api
    refresh_global_settings_context()  # in all threads: one that did not know it would start one more server
    stop = threading.Event()
    with ExitStack() as stack:
        address = service.settings.cluster
        if address is None:
            address = stack.enter_context(local_cluster(plan_workers(service.settings, EVERY_ENGINE)))
        os.environ.update(service.settings.environment() | {"PODCAST_CLUSTER": address, SERVED_BY: str(os.getpid())})
        stack.callback(stop.set)
        threading.Thread(target=_keep_server, args=(api, service.say, stop), daemon=True).start()
        if service.night is not None and service.cron is None:
            stack.enter_context(_watching(service, service.night, stop))
        _serve(service, api)


def _serve(service: Service, api: str) -> None:
    """Serve, again after a time without a server."""
    night = service.night
    inbox = {"inbox": str(night.folder.resolve())} if night is not None and service.cron else {}
    while True:
        deployment = podcast.to_deployment(
            name=service.name,
            entrypoint_type=EntrypointType.MODULE_PATH,
            schedule=Cron(service.cron, timezone=get_localzone_name()) if service.cron else None,
            parameters=inbox,
        )
        assert isinstance(deployment, RunnerDeployment)  # a coroutine only where a loop is running
        deployment.apply()  # so that it is there when this is said
        when = f" by the schedule {service.cron}" if service.cron else ""
        service.say(f"serving podcast/{service.name} on {api}{when}; stop with Ctrl-C")
        try:
            serve_deployments(deployment, limit=service.limit, print_starting_message=False)
            return
        except Exception as error:  # Prefect's runner gives up when its server is away for long
            _log.warning("serving broke off: %s", error)
            service.say("the Prefect server is away; waiting for it")
            while not _answers(api):
                time.sleep(_LOOK_S)


@contextmanager
def _watching(service: Service, night: Night, stop: threading.Event) -> Iterator[None]:
    """Look after the drop folder in a thread, each manifest a flow run."""
    board = Board(service.settings.output)
    render = render_through(f"podcast/{service.name}", night, stop)

    def watch() -> None:
        try:
            night.watch(render, board, stop)
        except PodcastError as error:
            service.say(str(error))

    with board.open():
        thread = threading.Thread(target=watch, name="watch")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def watch_through_prefect(night: Night, *, once: bool) -> list[Outcome]:
    """Look after a drop folder, each manifest a flow run of the deployment that is served elsewhere."""
    stop = threading.Event()
    board = Board(night.settings.output)
    try:
        with board.open():
            return night.watch(render_through("podcast/render", night, stop), board, stop, once=once)
    finally:
        stop.set()


def deployment_answers(say: Callable[[str], None]) -> bool:
    """Whether podcast/render is served, on the Prefect API that is configured; if one is, but not that, it is told.

    Whoever serves it tells Prefect when it ends; one that was killed is missed after a minute.
    """
    api = PREFECT_API_URL.value()
    if not api:
        return False
    if not _answers(str(api).rstrip("/")):
        say(f"the Prefect API at {api} does not answer: rendering in this process")
        return False
    try:
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name("podcast/render")
    except Exception:  # of many kinds; whatever it was, the deployment cannot be run
        say(f"there is no deployment podcast/render at {api} (podcast serve): rendering in this process")
        return False
    if deployment.paused or deployment.status != DeploymentStatus.READY:
        say(f"nobody serves podcast/render at {api}, or it is paused (podcast serve): rendering in this process")
        return False
    return True


def render_through(deployment: str, night: Night, stop: threading.Event) -> Render:
    """Renders one manifest as a flow run of `deployment`; one that dies is followed by another."""

    def render(manifest: Path, owner: Path) -> Report:
        workspace = Workspace(night.settings.output, owner.stem)
        parameters = {
            "manifest": str(manifest.resolve()),
            "owner": str(owner.resolve()),
            "out": str(night.settings.output.resolve()),
            "allow_outside": night.allow_outside,
        }
        for _try in range(_TRIES):
            before = _stamp(workspace.report)
            # Not a flow run of one: a served flow run is on its own.
            run = _patiently(
                lambda: run_deployment(
                    deployment, parameters=parameters, timeout=0, as_subflow=False, flow_run_name=owner.stem
                ),
                stop,
            )
            assert isinstance(run, FlowRun)  # a coroutine only where a loop is running
            state = _ended(run.id, workspace, stop)
            report = read_report(workspace.report)
            if report is not None and _stamp(workspace.report) != before:
                return report
            if state.type == StateType.FAILED:
                raise _error(str(manifest), state.message or "the flow run failed.")
            _log.warning("%s: its flow run ended as %s; another follows", owner.stem, state.name)
        what = f"{_TRIES} flow runs died."
        raise EngineError(Problem(str(manifest), what, "See output/logs, and Prefect's page of the flow runs."))

    return render


def _ended(run: UUID, workspace: Workspace, stop: threading.Event) -> State[Any]:
    """Wait for a flow run's last state. One whose process is gone is said to have crashed."""
    silent_since = time.monotonic()
    while not stop.wait(_LOOK_S):
        try:
            with get_client(sync_client=True) as client:
                state = client.read_flow_run(run).state
                if state is None or not state.is_running() or workspace.is_held():
                    silent_since = time.monotonic()
                elif time.monotonic() - silent_since > _SILENT_S:
                    state = Crashed(message="its process is gone.")
                    client.set_flow_run_state(run, state, force=True)
                if state is not None and state.is_final():
                    return state
        except Exception as error:  # of a server that is away, or coming up: it will be back
            _log.info("no news of a flow run: %s", error)
    raise StoppedError


def _patiently(ask: Callable[[], T], stop: threading.Event) -> T:
    """What Prefect answers, as soon as it does."""
    while True:
        try:
            return ask()
        except Exception as error:  # as above
            _log.warning("Prefect does not answer: %s", error)
            if stop.wait(_LOOK_S):
                raise StoppedError from None


def _error(where: str, message: str) -> PodcastError:
    """The error a flow run ended with, as far as its message tells."""
    kinds = {"RequestError": RequestError, "StorageError": StorageError, "EngineError": EngineError}
    kind = next((kinds[name] for name in kinds if name in message), RequestError)
    return kind(Problem(where, message))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _keep_server(api: str, say: Callable[[str], None], stop: threading.Event) -> None:
    """Start the local server again when it has died."""
    while not stop.wait(_LOOK_S):
        if not (_answers(api) or stop.wait(_LOOK_S) or _answers(api)):
            try:
                _ensure_server(api, say)
            except PodcastError as error:  # somebody else's, elsewhere
                _log.warning("%s", error)


def _ensure_server(api: str, say: Callable[[str], None]) -> None:
    """See that a Prefect API answers at `api`; a local one is started on loopback if none does."""
    if _answers(api):
        return
    place = urlsplit(api)
    if place.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise PodcastError(Problem(api, "the Prefect server does not answer.", "Start it, or unset PREFECT_API_URL."))
    say(f"starting a Prefect server on {api}; stop it with: prefect server stop")
    _forget_dead_server()
    _prefect("server", "start", "--background", "--host", "127.0.0.1", "--port", str(place.port or 4200))
    deadline = time.monotonic() + _SERVER_START_S
    while not _answers(api):
        if time.monotonic() > deadline:
            hint = "See why with: prefect server start --host 127.0.0.1"
            raise PodcastError(Problem(api, "a local Prefect server did not start.", hint))
        time.sleep(0.25)


def _forget_dead_server() -> None:
    """Remove what a killed server left behind: Prefect takes it for one that runs, and would start no other."""
    record = Path(PREFECT_HOME.value()) / "server.pid"
    try:
        lives = any("prefect" in word for word in psutil.Process(int(record.read_text())).cmdline())
    except (OSError, ValueError, psutil.Error):  # it may be somebody else's by now
        lives = False
    if not lives:
        with suppress(OSError):
            record.unlink()


def _prefect(*arguments: str) -> None:
    """Run the `prefect` command; its words go to stderr, as stdout is for machines."""
    subprocess.run([sys.executable, "-m", "prefect", *arguments], check=False, stdout=sys.stderr.fileno())


def _answers(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=2):  # noqa: S310 - the address is the user's own
            return True
    except (OSError, ValueError):
        return False
