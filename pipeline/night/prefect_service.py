"""`podcast serve`: the deployment `render`, worker processes that its flow runs share, and a drop folder.

In: what to serve. Out: flow runs, until interrupted. A local server is started where there is none and started again
when it dies; flow runs that died with it, or with anything else, are started again for manifests of the drop folder.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

import filelock
from prefect import serve as serve_deployments
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import DeploymentStatus, FlowRun, State, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments import run_deployment
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.settings import get_current_settings
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError
from tzlocal import get_localzone_name

from pipeline.engines.cluster import certificate_environment, check_address, local_cluster, worker_pids
from pipeline.engines.crew import plan_workers
from pipeline.errors import EngineError, PodcastError, Problem, RequestError, StoppedError, reason
from pipeline.files import safe_name
from pipeline.jobs.report import Report, read_report
from pipeline.jobs.status import Board
from pipeline.night import prefect_server
from pipeline.night.claims import Outcome
from pipeline.night.digest import remember_drop_folder
from pipeline.night.prefect_flow import PROBLEMS, SERVED_BY, error_of, podcast
from pipeline.night.watch import EVERY_ENGINE, showing, watch
from pipeline.night.watcher import DropFolder, Render
from pipeline.settings import Settings
from pipeline.source.manifest import load_manifest
from pipeline.workspace import Workspace, job_name

T = TypeVar("T")

_LOOK_S = 2.0
_SILENT_S = 60.0  # a flow run that runs, without a live process that holds its job, is dead
_TRIES = 5  # of flow runs that die
_AGAIN_S = 60.0  # until the drop folder is watched again, after what nobody foresaw
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """What `podcast serve` serves: a deployment, and a drop folder, by `cron` or as soon as something comes."""

    name: str
    limit: int
    settings: Settings
    say: Callable[[str], None]
    drops: DropFolder | None = None
    cron: str | None = None


def serve(service: Service) -> None:
    """Serve until interrupted, on the Prefect server configured, or on a local one.

    Raises `PodcastError` where no server can be had.
    """
    if service.settings.cluster is not None:
        check_address(service.settings.cluster, "client")
    configured = prefect_server.configured_api()
    api = configured or prefect_server.LOCAL_API
    stop = threading.Event()
    os.environ["PREFECT_API_URL"] = api
    with ExitStack() as stack:
        stack.enter_context(_served_once(service.name))
        board = stack.enter_context(Board(service.settings.output, worker_pids).open())
        if service.drops is not None:
            remember_drop_folder(service.settings.output, service.drops.root)
            note = f"until {service.cron}" if service.cron else "in the inbox"
            stack.enter_context(showing(board, service.drops.root, note))
        prefect_server.ensure_server(api, service.say, stop, is_configured=configured is not None)
        if configured is None:
            # Without an address every `prefect` command would start a server of its own, beside this one.
            prefect_server.set_in_profile({"PREFECT_API_URL": api})
            undo = "undo: prefect config unset PREFECT_API_URL"
            service.say(f"your Prefect profile now has PREFECT_API_URL={api}; {undo}")
        address = service.settings.cluster
        if address is None:
            address = stack.enter_context(local_cluster(plan_workers(service.settings, EVERY_ENGINE)))
        os.environ.update(service.settings.environment() | certificate_environment())
        os.environ.update({"PODCAST_CLUSTER": address, SERVED_BY: str(os.getpid())})
        stack.enter_context(prefect_server.keeping_server(api, service.say, stop))
        stack.callback(stop.set)
        stack.enter_context(_private_folder())
        if service.drops is not None and service.cron is None:
            stack.enter_context(_watching(service, service.drops, board, stop))
        _serve(service, api, stop)


def check_cron(cron: str) -> None:
    """Raise `RequestError` for what is no schedule."""
    try:
        CronSchedule(cron=cron)
    except ValidationError:
        example = 'Write minute, hour, day, month and weekday, such as "0 23 * * *".'
        raise RequestError(Problem("--cron", f'"{cron}" is no schedule.', example)) from None


def _serve(service: Service, api: str, stop: threading.Event) -> None:
    """Serve, again after a time without a server. Raises `PodcastError` after `stop`: a stranger has its place."""
    drops = service.drops
    inbox: dict[str, Any] = {}
    if drops is not None and service.cron:
        inbox = {"inbox": str(drops.root.resolve()), "at_once": drops.at_once, "poll": drops.poll}
    while not stop.is_set():
        deployment = podcast.to_deployment(
            name=service.name,
            entrypoint_type=EntrypointType.MODULE_PATH,
            schedule=Cron(service.cron, timezone=get_localzone_name()) if service.cron else None,
            parameters=inbox,
        )
        assert isinstance(deployment, RunnerDeployment)  # a coroutine only where a loop is running
        when = f" by the schedule {service.cron}" if service.cron else ""
        try:
            deployment.apply()  # so that it is there when this is said
            service.say(f"serving podcast/{service.name} on {api}{when}; stop with Ctrl-C")
            serve_deployments(deployment, limit=service.limit, print_starting_message=False)
            if not stop.is_set():
                return
        except Exception as error:  # Prefect's runner gives up when its server is away for long
            _log.warning("serving broke off: %s", error)
            if stop.is_set():
                break
            what = "the Prefect server is away" if not prefect_server.answers(api) else f"serving broke off: {error}"
            service.say(f"{what}; trying again")
            while not stop.wait(_LOOK_S) and not prefect_server.answers(api):
                pass
    raise prefect_server.refusal(api, prefect_server.STRANGER)


@contextmanager
def _served_once(name: str) -> Iterator[None]:
    """See that nobody else on this machine serves the deployment. Raises `RequestError` where another does.

    Whichever of two ended first would pause it for the other, too.
    """
    lock = filelock.FileLock(get_current_settings().home / f"podcast-serve-{safe_name(name)}.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        hint = "Stop that first, or give this one a name of its own with --name."
        raise RequestError(Problem(f"podcast/{name}", "it is served on this machine already.", hint)) from None
    except OSError:  # a home that cannot be written: then nobody else has it either
        pass
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _private_folder() -> Iterator[None]:
    """Have this process's temporary files in a folder of its own.

    Prefect's runner puts the code of its runs where all users of a machine have one name for it.
    """
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="podcast-serve-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextmanager
def _watching(service: Service, drops: DropFolder, board: Board, stop: threading.Event) -> Iterator[None]:
    """Look after the drop folder in a thread, each manifest a flow run."""
    render = render_through(f"podcast/{service.name}", drops, stop)

    def watch_until_stopped() -> None:
        while not stop.is_set():
            try:
                watch(drops, render, board, stop)
            except Exception as error:  # the deployment is served on
                _log.exception("watching broke off")
                service.say(str(error) if isinstance(error, PodcastError) else f"watching broke off: {reason(error)}.")
                if stop.wait(_AGAIN_S):
                    return

    # Not `threads.every`: one call that lasts as long as the block.
    thread = threading.Thread(target=watch_until_stopped, name="watch")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def watch_through_prefect(drops: DropFolder, *, once: bool) -> list[Outcome]:
    """`watch`, each manifest a flow run of the deployment that is served elsewhere."""
    stop = threading.Event()
    board = Board(drops.settings.output)
    try:
        with board.open():
            return watch(drops, render_through("podcast/render", drops, stop), board, stop, once=once)
    finally:
        stop.set()


def deployment_answers(say: Callable[[str], None]) -> bool:
    """Whether podcast/render is served, on the Prefect API that is configured; if one is, but not that, `say` gets why.

    Whoever serves it tells Prefect when it ends; one that was killed is missed after a minute.
    """
    api = prefect_server.configured_api()
    if api is None:
        return False
    if problem := prefect_server.hindrance(api):
        say(f"{api}: {problem} Rendering in this process")
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


def render_through(deployment: str, drops: DropFolder, stop: threading.Event) -> Render:
    """Renders one manifest as a flow run of `deployment`; one that dies is followed by another.

    Raises what the flow raised, `EngineError` where too many have died, and `StoppedError` after `stop`.
    """

    def render(manifest: Path, owner: Path) -> Report:
        production = load_manifest(manifest, allow_outside=True)[0].production
        folder = Workspace(drops.settings.output, job_name(owner))
        parameters = {
            "manifest": str(manifest.resolve()),
            "owner": str(owner.resolve()),
            "out": str(drops.settings.output.resolve()),
            "allow_outside": drops.allow_outside,
        }
        for _try in range(_TRIES):
            before = _stamp(folder.of(production).report)
            # Not a flow run of one: a served flow run is on its own.
            run = _patiently(
                lambda: run_deployment(
                    deployment, parameters=parameters, timeout=0, as_subflow=False, flow_run_name=owner.stem
                ),
                stop,
            )
            assert isinstance(run, FlowRun)  # a coroutine only where a loop is running
            state = _ended(run.id, folder, stop)
            workspace = folder.of(production)
            report = read_report(workspace.report)
            if report is not None and _stamp(workspace.report) != before:
                return report
            error = _patiently(partial(_error, run.id), stop) if state.type == StateType.FAILED else None
            if error is not None:
                raise error
            _log.warning("%s: its flow run ended as %s (%s); another follows", owner.stem, state.name, state.message)
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


def _error(run: UUID) -> PodcastError | None:
    """The error that a flow run has posted; None where it could not."""
    ours = ArtifactFilter(key=ArtifactFilterKey(any_=[PROBLEMS]), flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(artifact_filter=ours)
    return error_of(json.loads(str(artifacts[0].data))) if artifacts else None


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
