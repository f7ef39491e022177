"""`podcast qa`: what the checks say of a job's takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import (
    DONE,
    SOME_FAILED,
    engine_option,
    json_option,
    machine_settings,
    output_option,
    outside_option,
    print_json,
    weights_option,
)


@click.command()
@click.argument("manifest", type=Path)
@engine_option
@output_option
@weights_option
@click.option("--recalibrate", is_flag=True, help="Compare takes with those that stand now, and keep that; only tell.")
@click.option("--strict", is_flag=True, help="Exit with 1 where a take is doubtful.")
@json_option
@outside_option
def qa(
    manifest: Path,
    engine: str | None,
    recalibrate: bool,
    strict: bool,
    as_json: bool,
    allow_outside: bool,
    **options: Any,
) -> int:
    """Tell what the checks found in finished takes, what was tried, what helped, and what is left, riskiest first."""
    from pipeline.jobs.job import open_job
    from pipeline.jobs.progress import telling
    from pipeline.jobs.qa import quality_lines, quality_report

    with telling("reading what is known of the takes"):
        job = open_job(manifest, machine_settings(**options), engine=engine, allow_outside=allow_outside)
        report = quality_report(job, recalibrate=recalibrate)
    if as_json:
        print_json(report.as_dict())
    else:
        for line in quality_lines(report):
            click.echo(line)
    return SOME_FAILED if strict and report.left else DONE
