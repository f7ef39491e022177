"""The Prefect flow `podcast` and its deployment `render`.

The flow runs the same stages as `podcast render`, each as a task, and shows a progress artifact while it runs and the
report when it ends. The files on disk are the truth: Prefect's own result cache is off, and a flow run that died is
simply run again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

from prefect import flow, task
from prefect import serve as serve_deployments
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.deployments.runner import RunnerDeployment
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.types.entrypoint import EntrypointType

from pipeline.errors import PodcastError, Problem
from pipeline.job import OnProgress, open_job, render_job
from pipeline.report import summary
from pipeline.settings import load_settings

T = TypeVar("T")

LOCAL_API = "http://127.0.0.1:4200/api"
_SHARE = {"takes": (0.0, 0.6), "chapters": (0.6, 0.1), "deliverables": (0.7, 0.3)}  # of the whole: start, length
_POST_EVERY_S = 2.0
_SERVER_START_S = 90


@flow(name="podcast", persist_result=False)
def podcast(
    manifest: str,
    engine: str | None = None,
    out: str | None = None,
    jobs: int | None = None,
    allow_outside: bool = False,
) -> dict[str, Any]:
    """Render one manifest, as `podcast render` does, and return its report.

    Fails where the manifest is wrong, and where the report is not "done"; the finished takes are kept either way.
    """
    settings = load_settings()
    settings = replace(settings, output=Path(out) if out else settings.output, jobs=jobs or settings.jobs)
    opened = open_job(Path(manifest), settings, engine=engine, allow_outside=allow_outside)
    with _progress_artifact(opened.name) as on_progress:
        report = render_job(opened, jobs=settings.jobs, on_progress=on_progress, stage=_as_task)
    create_markdown_artifact(summary(report), key="report", description=f"{opened.name}: {report.status}")
    if report.status != "done":
        raise PodcastError(*(Problem(**problem) for problem in report.problems))
    return report.as_dict()


def _as_task(name: str, work: Callable[[], T]) -> T:
    return task(name=name, cache_policy=NO_CACHE, persist_result=False)(work)()


@contextmanager
def _progress_artifact(job: str) -> Iterator[OnProgress]:
    """Posts how far a job is, every few seconds, from a thread of its own: the work must not wait for the server."""
    artifact = create_progress_artifact(0.0, key="progress", description=job)
    assert isinstance(artifact, UUID)  # a coroutine only where a loop is running
    latest = 0.0
    over = threading.Event()

    def on_progress(stage: str, done: float, total: float) -> None:
        nonlocal latest
        start, length = _SHARE[stage]
        latest = start + length * (done / total if total else 1.0)

    def post() -> None:
        posted = 0.0
        while not over.wait(_POST_EVERY_S):
            if latest > posted:
                posted = latest
                update_progress_artifact(artifact, round(100 * posted, 1))

    poster = threading.Thread(target=post, daemon=True)
    poster.start()
    try:
        yield on_progress
        over.set()
        poster.join()
        update_progress_artifact(artifact, 100.0)
    finally:
        over.set()


def serve(name: str, limit: int) -> None:
    """Serve the deployment until interrupted, on the Prefect server configured, or on a local one.

    Raises `PodcastError` where no server can be had.
    """
    configured = PREFECT_API_URL.value()
    api = str(configured or LOCAL_API).rstrip("/")
    _ensure_server(api)
    if not configured:
        # Without an address every `prefect` command would start a server of its own, beside this one.
        _prefect("config", "set", f"PREFECT_API_URL={api}")
        _say(f"your Prefect profile now has PREFECT_API_URL={api}; undo: prefect config unset PREFECT_API_URL")
    with temporary_settings(updates={PREFECT_API_URL: api}):
        deployment = podcast.to_deployment(name=name, entrypoint_type=EntrypointType.MODULE_PATH)
        assert isinstance(deployment, RunnerDeployment)  # a coroutine only where a loop is running
        _say(f"serving podcast/{name} on {api}; stop with Ctrl-C")
        serve_deployments(deployment, limit=limit, print_starting_message=False)


def _ensure_server(api: str) -> None:
    """See that a Prefect API answers at `api`; a local one is started on loopback if none does."""
    if _answers(api):
        return
    place = urlsplit(api)
    if place.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise PodcastError(Problem(api, "the Prefect server does not answer.", "Start it, or unset PREFECT_API_URL."))
    _say(f"starting a Prefect server on {api}; stop it with: prefect server stop")
    _prefect("server", "start", "--background", "--host", "127.0.0.1", "--port", str(place.port or 4200))
    deadline = time.monotonic() + _SERVER_START_S
    while not _answers(api):
        if time.monotonic() > deadline:
            hint = "See why with: prefect server start --host 127.0.0.1"
            raise PodcastError(Problem(api, "a local Prefect server did not start.", hint))
        time.sleep(0.25)


def _prefect(*arguments: str) -> None:
    """Run the `prefect` command; its words go to stderr, as stdout is for machines."""
    subprocess.run([sys.executable, "-m", "prefect", *arguments], check=False, stdout=sys.stderr.fileno())


def _answers(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=2):  # noqa: S310 - the address is the user's own
            return True
    except (OSError, ValueError):
        return False


def _say(words: str) -> None:
    print(words, file=sys.stderr)  # noqa: T201 - a command's own words
