"""The Prefect flow `podcast`.

The flow runs the same stages as `podcast render`, each as a task, and shows a progress artifact while it runs, and the
report and the digest when it ends. Its takes are spoken by the Dask workers of its task runner: those of `podcast
serve` or of the cluster in its settings, else workers of its own. The files on disk are the truth: Prefect's own result
cache is off, and a flow run that died is simply run again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

from prefect import flow, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect_dask.task_runners import DaskTaskRunner

from pipeline.engines.crew import address_of_workers, crew_of
from pipeline.errors import EngineError, PodcastError, Problem, RequestError, StoppedError, StorageError
from pipeline.files import safe_name
from pipeline.jobs.bulk import AT_ONCE, Bulk, is_light, pool_engines
from pipeline.jobs.job import open_job
from pipeline.jobs.report import closing_lines, file_lines, summary
from pipeline.jobs.stages import OnProgress, no_bars
from pipeline.jobs.status import Board, share_done
from pipeline.logs import log_to, note
from pipeline.night.digest import latest_digest
from pipeline.night.inbox import Inbox
from pipeline.night.page import digest_markdown, write_digest
from pipeline.night.prefect_logs import make_plain, tell_failure, tell_run
from pipeline.night.watch import EVERY_ENGINE, render_with, watch
from pipeline.night.watcher import DropFolder
from pipeline.settings import Settings, load_settings
from pipeline.threads import every
from pipeline.words import clock
from pipeline.workspace import Folders

T = TypeVar("T")

SERVED_BY = "PODCAST_SERVED_BY"  # the process of `podcast serve`, without which its flow runs end
PROBLEMS = "problems"  # the artifact of a flow run that failed
_POST_EVERY_S = 2.0
_KINDS: Sequence[type[PodcastError]] = (RequestError, StorageError, EngineError, PodcastError)
_log = logging.getLogger(__name__)
make_plain()


# Made when the first take needs it. It asks for a cluster, and connects to an address just as well.
_workers: Any = DaskTaskRunner(cluster_class=cast(Any, address_of_workers))


def _run_name() -> str:
    """That of its job: Prefect's own are of animals."""
    return _stem(flow_run.parameters)


def _stem(parameters: Mapping[str, Any]) -> str:
    named = next((value for key in ("owner", "manifest", "inbox") if (value := parameters.get(key))), "podcast")
    return Path(str(named)).stem or "podcast"


@flow(name="podcast", flow_run_name=_run_name, persist_result=False, task_runner=_workers)
def podcast(
    manifest: str | None = None,
    engine: str | None = None,
    out: str | None = None,
    jobs: int | None = None,
    allow_outside: bool = False,
    inbox: str | None = None,
    owner: str | None = None,
    at_once: int | None = None,
    poll: bool = False,
) -> dict[str, Any]:
    """Render one manifest and return its report, or all that lies in the drop folder `inbox` and return the digest.

    Paths are relative to the folder the deployment is served from; `owner` is where the manifest belongs, if that is
    not where it lies; `at_once` and `poll` are as in `DropFolder`. Raises `PodcastError` where not everything is
    "done"; the finished takes are kept either way.
    """
    with _ending_with_service(), _problems_artifact():
        settings = load_settings(output=out or None, jobs=jobs)
        log_to(settings.output, f"flow-{safe_name(_stem({'owner': owner, 'manifest': manifest, 'inbox': inbox}))}")
        if at_once is not None and at_once < 1:
            raise RequestError(Problem("at_once", f'"{at_once}" is no whole number above 0.', "Set it to one."))
        if manifest is None and inbox is None:
            what = "a run needs either a manifest or an inbox."
            raise RequestError(Problem("podcast/render", what, "Set one of the two parameters."))
        if manifest is None and inbox is not None:  # a deployment with a schedule has an inbox, whatever else is named
            drops = DropFolder(
                Path(inbox), settings, _log.info, at_once or AT_ONCE, poll=poll, allow_outside=allow_outside
            )
            return _render_inbox(drops)
        assert manifest is not None
        belongs = Path(owner) if owner else None
        job = open_job(Path(manifest), settings, engine=engine, allow_outside=allow_outside, owner=belongs)
        note(f"{job.name}: {len(job.takes)} takes, about {clock(job.audio_s)} of audio")
        with _bulk(settings, {job.traits.name}) as bulk, _progress_artifact(job.name) as on_progress:
            bulk.add(job)
            report = bulk.render(job, on_progress, _as_task)
        lines = [*closing_lines(report), *file_lines(report, job.workspace.root)]
        note("\n".join(lines))
        tell_run(lines)
        create_markdown_artifact(summary(report), key="report", description=f"{job.name}: {report.status}")
        _digest_artifact(settings.output, Folders.around(belongs).root if belongs else None)
        if report.status != "done":
            raise PodcastError(*report.problems)
        return report.as_dict()


def _render_inbox(drops: DropFolder) -> dict[str, Any]:
    with _bulk(drops.settings, EVERY_ENGINE, drops.at_once) as bulk:
        render = render_with(bulk, no_bars, allow_outside=drops.allow_outside)
        outcomes = watch(drops, render, bulk.board, threading.Event(), once=True)
    digest = _digest_artifact(drops.settings.output, drops.root)
    problems = [Problem(outcome.name, outcome.error) for outcome in outcomes if outcome.error]
    if problems:
        raise PodcastError(*problems)
    return digest


@contextmanager
def _bulk(settings: Settings, engines: Collection[str], at_once: int = AT_ONCE) -> Iterator[Bulk]:
    """On the workers of this flow's task runner, unless one job on a light engine has them to itself anyway."""
    board = Board(settings.output)
    with board.open():
        if is_light(settings, engines):
            yield Bulk(settings, board)
            return
        context = FlowRunContext.get()
        assert context is not None
        assert isinstance(context.task_runner, DaskTaskRunner)
        with crew_of(context.task_runner.client) as crew:
            yield Bulk(
                settings, board, engine_for=pool_engines(crew, settings), at_once=at_once, devices_stop=crew.stop
            )


def _digest_artifact(output: Path, folder: Path | None) -> dict[str, Any]:
    """Write the digest, with what failed and waits in the drop folder, and show it in Prefect."""
    digest = latest_digest(output, None if folder is None else Inbox(Folders(folder)))
    write_digest(output, digest)
    create_markdown_artifact(digest_markdown(digest), key="digest", description=digest.verdict)
    return digest.as_dict()


def _as_task(name: str, work: Callable[[], T]) -> T:
    return task(name=name, cache_policy=NO_CACHE, persist_result=False)(work)()


@contextmanager
def _progress_artifact(job: str) -> Iterator[OnProgress]:
    """Posts how far a job is, every few seconds, from a thread of its own: the work must not wait for the server."""
    artifact = create_progress_artifact(0.0, key="progress", description=job)
    assert isinstance(artifact, UUID)  # a coroutine only where a loop is running
    latest = posted = 0.0

    def on_progress(stage: str, done: float, total: float) -> None:
        nonlocal latest
        latest = share_done(stage, done, total)

    def post() -> None:
        nonlocal posted
        if (share := latest) > posted:
            update_progress_artifact(artifact, round(100 * share, 1))
            posted = share

    with every(_POST_EVERY_S, post):
        yield on_progress
    update_progress_artifact(artifact, 100.0)


@contextmanager
def _problems_artifact() -> Iterator[None]:
    """Posts what the block raises, for `error_of`: of an exception Prefect itself keeps nothing but a text.

    Without it the run counts as one that died: whoever waits for it runs it again.
    """
    try:
        yield
    except StoppedError:
        raise
    except Exception as error:
        try:
            create_table_artifact(rows_of(error), key=PROBLEMS, description=type(error).__name__)
        except Exception as missed:  # of a server that is away: the error itself matters more
            _log.warning("no problems were posted: %s", missed)
        if isinstance(error, PodcastError):
            tell_failure(error)
        raise


def rows_of(error: Exception) -> list[dict[str, str]]:
    """A row for each problem, from which `error_of` makes the same error."""
    if not isinstance(error, PodcastError):
        what = f"an error of the program, not of the manifest ({type(error).__name__}: {error})."
        error = PodcastError(Problem("podcast/render", what, "Report it with the log of the flow run."))
    kind = next(kind for kind in _KINDS if isinstance(error, kind))
    return [{"error": kind.__name__} | problem.as_dict() for problem in error.problems]


def error_of(rows: Sequence[Mapping[str, str]]) -> PodcastError:
    """The error that `rows_of` was given."""
    kind = next(kind for kind in _KINDS if kind.__name__ == rows[0]["error"])
    return kind(*(Problem(row["where"], row["what"], row["next"]) for row in rows))


@contextmanager
def _ending_with_service() -> Iterator[None]:
    """End this process when the `podcast serve` that started it is gone: its workers are gone too."""
    served_by = int(os.environ.get(SERVED_BY) or 0)

    def look() -> None:
        try:
            os.kill(served_by, 0)
        except ProcessLookupError:
            os.kill(os.getpid(), signal.SIGKILL)  # Prefect would try to tell its server first

    with every(_POST_EVERY_S, look) if served_by else nullcontext():
        yield
