"""`podcast watch`, `serve`, `worker`, `status`, `digest`, `clean`: what runs unattended, and what is read after it."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import (
    DONE,
    SOME_FAILED,
    json_option,
    machine_settings,
    night_options,
    output_option,
    outside_option,
    print_json,
    tell,
    tell_line,
    warn,
    weights_option,
)
from pipeline.errors import Problem, RequestError
from pipeline.logs import log_to, note, redact

if TYPE_CHECKING:
    from collections.abc import Set

    from pipeline.settings import Settings

poll_option = click.option("--poll", is_flag=True, help="Look for changes: network folders tell of none.")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@night_options
@poll_option
@click.option("--once", is_flag=True, help="Take what is there, and end.")
@click.option("--create", is_flag=True, help="Make FOLDER where it is not there.")
@outside_option
def watch(
    folder: Path, at_once: int | None, poll: bool, once: bool, create: bool, allow_outside: bool, **options: Any
) -> int:
    """Render what is dropped into FOLDER/inbox, and move it to FOLDER/done or FOLDER/failed.

    Drop a manifest with its script beside it. Rendered in place, or through Prefect where an API is configured. Stop it
    with Ctrl-C; the next start goes on where it stopped.
    """
    from pipeline.jobs.bulk import AT_ONCE
    from pipeline.night.watch import watch_in_place
    from pipeline.night.watcher import DropFolder
    from pipeline.workspace import Folders

    settings = machine_settings(**options)
    if not os.path.exists(folder) and not create:  # noqa: PTH110 - it raises nothing
        hint = "Check its name, or have it made with --create."
        raise RequestError(Problem(str(folder), "there is no such folder.", hint))
    Folders(folder).prepare()
    through_prefect = _prefect_is_configured()
    if through_prefect:  # before there is a log, from which Prefect would take the handler
        with _loading_prefect():
            from pipeline.night.prefect_service import deployment_answers, watch_through_prefect
    _log(settings, "watch")
    drops = DropFolder(folder, settings, _say, at_once or AT_ONCE, poll=poll, allow_outside=allow_outside)
    through = watch_through_prefect if through_prefect and deployment_answers(_say) else watch_in_place
    outcomes = through(drops, once=once)
    return SOME_FAILED if any(outcome.error for outcome in outcomes) else DONE


@click.command()
@click.option("--name", default="render", show_default=True, help="The deployment's name.")
@click.option("--limit", default=2, show_default=True, type=click.IntRange(1), help="Flow runs at the same time.")
@click.option("--watch", "folder", type=click.Path(path_type=Path), help="Render what is dropped into FOLDER/inbox.")
@click.option("--cron", metavar="SCHEDULE", help='Render the inbox only then, such as "0 23 * * *" (local time).')
@night_options
@poll_option
def serve(
    name: str, limit: int, folder: Path | None, cron: str | None, at_once: int | None, poll: bool, **options: Any
) -> int:
    """Serve the Prefect deployment podcast/render, starting a local Prefect server if there is none.

    Its flow runs share worker processes that stay loaded.
    """
    from pipeline.jobs.progress import telling

    if cron is not None and folder is None:
        raise RequestError(Problem("--cron", "it says when a drop folder is rendered.", "Name that with --watch."))
    if folder is not None and cron is None:  # before Prefect, which takes its time
        _prepare(folder)
    with telling("loading Prefect"), _loading_prefect():
        from pipeline.night.prefect_service import Service, check_cron
        from pipeline.night.prefect_service import serve as serve_deployment
    from pipeline.jobs.bulk import AT_ONCE
    from pipeline.night.watcher import DropFolder

    if folder is not None and cron is not None:
        check_cron(cron)
        _prepare(folder)
    settings = machine_settings(**options)
    _log(settings, "serve")
    drops = None if folder is None else DropFolder(folder, settings, _say, at_once or AT_ONCE, poll=poll)
    serve_deployment(Service(name, limit, settings, _say, drops, cron))
    return DONE


def _prepare(folder: Path) -> None:
    """Make a drop folder. Raises `RequestError`."""
    from pipeline.workspace import Folders

    Folders(folder).prepare()
    tell_line(f"what is dropped into {folder / 'inbox'} will be rendered")


@click.command()
@click.option("--scheduler", required=True, metavar="ADDRESS", help="Of Dask's scheduler: tcp://… or tls://….")
@click.option("--device", default="auto", show_default=True, help="The one device this worker has.")
@click.option("--host", help="The address others reach this worker at. [default: the one that faces the scheduler]")
@click.option("--name", help="In reports. [default: this machine's name and the device]")
@weights_option
def worker(scheduler: str, device: str, host: str | None, name: str | None, weights: str | None) -> int:
    """Join a Dask cluster with one device of this machine, until stopped; a lost connection is taken up again."""
    from pipeline.engines.cluster import is_loopback, join
    from pipeline.engines.crew import plan_workers
    from pipeline.night.watch import EVERY_ENGINE

    settings = machine_settings(device=device, weights=weights)
    workers = plan_workers(settings, EVERY_ENGINE)
    if len(workers) > 1 and device != "auto":
        raise click.UsageError(f"a worker has one device, and --device {device} names {len(workers)}.")
    if not (scheduler.startswith("tls://") or is_loopback(scheduler)):
        _say(
            "note: this connection is not encrypted, and whoever can reach the scheduler can run code here: use tls://"
        )
    _log(settings, f"worker-{workers[0].name.replace(':', '-')}")
    label = name or f"{socket.gethostname()} {workers[0].name}"
    join(scheduler, workers[0], name=label, host=host, environment=settings.environment(), say=_say)
    return DONE


@click.command()
@output_option
@click.option("--prefect", is_flag=True, help="Tell where Prefect's page is instead, and its password.")
@json_option
def status(output: Path | None, prefect: bool, as_json: bool) -> int:
    """Tell what runs and what waits, with an ETA each."""
    if prefect:
        return _prefect_status(as_json)
    from pipeline.jobs.status import read_status, status_table

    processes = read_status(_machine_settings(output=output).output)
    if as_json:
        print_json({"processes": [dataclasses.asdict(process) for process in processes]})
    else:
        click.echo(status_table(processes))
    return DONE


@click.command()
@output_option
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.1), help="How far it looks back.")
@click.option("--watch", "folder", type=click.Path(path_type=Path), help="The drop folder: what failed or waits there.")
@json_option
def digest(output: Path | None, hours: float, folder: Path | None, as_json: bool) -> int:
    """Write output/digest.html and .json: what was done, what failed and why, and what needs ears."""
    from pipeline.jobs.progress import telling
    from pipeline.night.digest import latest_digest
    from pipeline.night.inbox import Inbox
    from pipeline.night.page import digest_markdown, write_digest
    from pipeline.workspace import Folders

    settings = _machine_settings(writes=True, output=output)
    with telling("reading the reports"):
        latest = latest_digest(settings.output, None if folder is None else Inbox(Folders(folder)), hours)
        page = write_digest(settings.output, latest)
    if as_json:
        print_json(latest.as_dict())
    else:
        tell_line(digest_markdown(latest))
    tell_line(str(page))
    return DONE


@click.command()
@click.argument("jobs", metavar="[JOB...]", nargs=-1)
@output_option
@weights_option
@click.option("--rejected", is_flag=True, help="Also the takes in whose place another one stands.")
@click.option("--delete", is_flag=True, help="Remove them; without it they are only listed.")
@json_option
def clean(
    jobs: tuple[str, ...], output: Path | None, weights: str | None, rejected: bool, delete: bool, as_json: bool
) -> int:
    """List the takes that no manifest refers to any more, and remove them with --delete."""
    from pipeline.jobs.clean import find_unused, remove
    from pipeline.jobs.progress import telling
    from pipeline.words import size_text

    settings = _machine_settings(output=output, weights=weights)

    def keys_of(manifest: Path, engine: str) -> Set[str]:
        from pipeline.jobs.job import open_job, referred_names

        job = open_job(manifest, settings, engine=engine, allow_outside=True)
        return referred_names(job, rejected=not rejected)

    with telling("looking which takes the manifests refer to"):
        cleaning = find_unused(settings.output, keys_of, jobs)
        if delete:
            cleaning = remove(cleaning, keys_of)
    tell(cleaning.skipped)
    if as_json:
        print_json(cleaning.as_dict() | {"deleted": delete})
    else:
        for job in cleaning.jobs:
            if job.note is not None:
                tell([job.note])
            click.echo(f"{job.folder.name}: {len(job.files)} files, {size_text(job.bytes)}")
            for file in job.files:
                if file.path.parent.parent != job.folder:  # no take: a finished file, which somebody may miss
                    click.echo(f"  {file.path}")
        done = "removed" if delete else "unused (podcast clean --delete removes them)"
        click.echo(f"{size_text(cleaning.bytes)} {done}")
    return SOME_FAILED if cleaning.skipped else DONE


def _machine_settings(*, writes: bool = False, **options: Any) -> Settings:
    """The settings of a command that reads the output folder; where it is not here but above, that is said.

    Raises `RequestError` then for one that writes there: it would make a second one.
    """
    from pipeline.workspace import outputs_above

    settings = machine_settings(**options)
    if (above := next(outputs_above(settings.output), None)) and not settings.output.exists():
        what = f"it is not here, and there is one in {above}."
        problem = Problem(str(settings.output), what, f"Give it with --out {above}.")
        if writes:
            raise RequestError(problem)
        warn([problem])
    return settings


def _prefect_status(as_json: bool) -> int:
    with _loading_prefect():
        from pipeline.night.prefect_server import configured_api, hindrance, password

    api, secret = configured_api(), password()
    problem = hindrance(api) if api is not None else ""
    if as_json:
        print_json({"api": api, "password": secret, "problem": problem or None})
    elif api is None:
        click.echo("no Prefect server is configured (podcast serve starts one)")
    else:
        click.echo(f"page: {api.removesuffix('/api')}\npassword: {secret or 'none'}")
        if problem:
            tell_line(f"{api}: {problem}")
    return DONE


@contextmanager
def _loading_prefect() -> Iterator[None]:
    """Turn what Prefect raises on import of settings that it cannot read into a `RequestError`."""
    from pydantic import ValidationError

    try:
        yield
    except ValueError as error:  # of TOML and of pydantic
        places = [each["loc"] for each in error.errors()] if isinstance(error, ValidationError) else []
        which = ", ".join(".".join(map(str, place)) for place in places) or str(error).partition("\n")[0]
        hint = "Mend that file, the variables PREFECT_…, or prefect.toml here."
        raise RequestError(
            Problem(str(_prefect_profiles()), f"Prefect cannot read its settings ({which}).", hint)
        ) from error


def _prefect_is_configured() -> bool:
    """Whether an API may be configured; Prefect, which takes seconds to load, knows for certain."""
    return bool(os.environ.get("PREFECT_API_URL")) or _prefect_profiles().is_file()


def _prefect_profiles() -> Path:
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    return Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")


def _log(settings: Settings, name: str) -> None:
    """Have a log of what runs unattended, in the output folder."""
    if (problem := log_to(settings.output, name)) is not None:
        tell([problem])


def _say(words: str) -> None:
    tell_line(redact(words))
    note(words)
