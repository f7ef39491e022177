"""`podcast render`: manifests in, finished files out, and how it went in a few lines."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import (
    DONE,
    SOME_FAILED,
    WRONG_REQUEST,
    engine_option,
    jobs_option,
    json_option,
    machine_settings,
    night_options,
    outside_option,
    print_json,
    tell,
    tell_line,
    warn,
)
from pipeline.errors import PodcastError, Problem, RequestError

if TYPE_CHECKING:
    from pipeline.jobs.bulk import Bulk
    from pipeline.jobs.job import Job
    from pipeline.jobs.report import Report
    from pipeline.settings import Settings

_manifests_argument = click.argument("manifests", metavar="MANIFEST...", nargs=-1, required=True, type=Path)


@click.command()
@_manifests_argument
@engine_option
@jobs_option
@night_options
@click.option("--no-disk-check", is_flag=True, help="Begin although the disk seems too small for the job.")
@click.option("--strict", is_flag=True, help="Exit with 1 also where a take that is delivered is doubtful.")
@json_option
@outside_option
def render(
    manifests: tuple[Path, ...],
    engine: str | None,
    at_once: int | None,
    no_disk_check: bool,
    strict: bool,
    as_json: bool,
    allow_outside: bool,
    **options: Any,
) -> int:
    """Render manifests, or scripts alone: finished takes are kept, and only what is missing is made.

    Several share the devices, those with a higher priority first, and end with the digest (output/digest.html). Stop it
    with Ctrl-C whenever you like; the same command goes on where it stopped.
    """
    return render_manifests(
        manifests,
        machine_settings(**options),
        engine,
        at_once,
        check_disk=not no_disk_check,
        strict=strict,
        as_json=as_json,
        allow_outside=allow_outside,
    )


def render_manifests(
    manifests: tuple[Path, ...],
    settings: Settings,
    engine: str | None,
    at_once: int | None,
    *,
    check_disk: bool = True,
    strict: bool = False,
    as_json: bool,
    allow_outside: bool,
) -> int:
    """Render manifests and tell how that went; the exit code."""
    from pipeline.jobs.bulk import open_bulk
    from pipeline.jobs.job import apart, open_job
    from pipeline.jobs.progress import telling
    from pipeline.source.decisions import decisions_file

    manifests = _without_parts(manifests)
    opened: list[Job] = []
    wrong = 0
    with telling("reading the manifests"):
        for path in manifests:
            try:
                opened.append(open_job(path, settings, engine=engine, allow_outside=allow_outside))
            except RequestError as error:
                tell(error.problems)
                wrong += 1
    if not opened:
        return WRONG_REQUEST
    opened = apart(opened)
    for job in opened:  # the report has all; these may cost a night, or a take that somebody chose
        decided = str(decisions_file(job.manifest.path))
        warn(note for note in job.warnings if note.where == str(settings.output) or note.where.startswith(decided))
    engines = {job.traits.name for job in opened}
    alone = len(opened) == 1
    with ExitStack() as stack:
        with telling("starting the workers"):
            bulk = stack.enter_context(
                open_bulk(settings, engines, at_once=at_once, alone=alone, check_disk=check_disk)
            )
        reports, failed, refused = _render_all(opened, bulk)
    if as_json and reports:
        rows = [reports[job.owner].as_dict() for job in opened if job.owner in reports]
        print_json(rows[0] if len(manifests) == 1 else rows)
    if not reports and not failed:
        return WRONG_REQUEST
    done = sum(report.status == "done" for report in reports.values())
    if len(manifests) > 1:
        verdict = f"All {done} jobs done" if done == len(manifests) else f"{done} of {len(manifests)} jobs done"
        _write_digest(settings.output, verdict)
    doubtful = strict and any(report.ears for report in reports.values())
    whole = not (wrong or failed or refused or doubtful) and done == len(reports)
    return DONE if whole else SOME_FAILED


def _without_parts(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The paths but for what lies beside manifests and for their scripts, as in `podcast render manifests/*`."""
    from pipeline.source.keys import BESIDE, is_lexicon
    from pipeline.source.manifest import manifest_of
    from pipeline.source.readers import is_script
    from pipeline.workspace import LEXICON

    given = {path.absolute() for path in paths}
    if len(paths) == 1:
        return paths
    paths = tuple(path for path in paths if not is_lexicon(path) and not (path.name == LEXICON and path.is_dir()))
    paths = tuple(path for path in paths if not path.name.endswith(tuple(BESIDE)))
    return tuple(path for path in paths if not (is_script(path) and manifest_of(path.absolute()) in given))


def _render_all(jobs: list[Job], bulk: Bulk) -> tuple[dict[Path, Report], int, int]:
    """Reports by manifest, and how many jobs ended without one, failed or refused."""
    from pipeline.jobs.bulk import render_jobs
    from pipeline.jobs.progress import progress_bars

    outcomes: dict[Path, tuple[Job, Report | PodcastError]] = {}
    is_stopped = False
    with progress_bars(keep=True) as bars_of:  # which end before anything is told: they would write over it
        try:
            for job, outcome in render_jobs(jobs, bulk, bars_of):
                outcomes[job.owner] = (job, outcome)
                if not sys.stderr.isatty():
                    _tell_outcome(job, outcome)
        except KeyboardInterrupt:
            is_stopped = True
    for job in jobs:
        if job.owner not in outcomes:
            _tell_stopped(job)
        elif sys.stderr.isatty():
            _tell_outcome(*outcomes[job.owner])
    if is_stopped:
        raise KeyboardInterrupt
    errors = [outcome for _job, outcome in outcomes.values() if isinstance(outcome, PodcastError)]
    refused = sum(isinstance(error, RequestError) for error in errors)
    reports = {owner: outcome for owner, (_job, outcome) in outcomes.items() if not isinstance(outcome, PodcastError)}
    return reports, len(errors) - refused, refused


def _tell_outcome(job: Job, outcome: Report | PodcastError) -> None:
    """How a job ended: a few lines, and last where its files are."""
    from pipeline.jobs.report import closing_lines, file_lines

    if isinstance(outcome, PodcastError):
        tell(outcome.problems)
        return
    for line in (*closing_lines(outcome), f"report: {job.workspace.root.parent / outcome.job / 'report.md'}"):
        tell_line(line)
    for line in file_lines(outcome, job.workspace.root):
        tell_line(line)


def _tell_stopped(job: Job) -> None:
    kept = len(job.store.keys() & {plan.key for plan in job.takes})
    what = f"stopped; {kept} of {len(job.takes)} takes are finished and kept."
    tell([Problem(job.name, what, "Run the same command to go on.")])


def _write_digest(output: Path, verdict: str) -> None:
    """Write the digest of the last 24 hours, these jobs among them, and close with it. Raises `StorageError`."""
    from pipeline.night.digest import latest_digest
    from pipeline.night.page import write_digest

    page = write_digest(output, latest_digest(output))
    tell_line(f"{verdict}; the last 24 hours: {page}")
