"""`podcast verify`: whether finished takes come out the same when they are rendered again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import (
    DONE,
    SOME_FAILED,
    cluster_option,
    dia_options,
    engine_option,
    json_option,
    machine_settings,
    output_option,
    outside_option,
    print_json,
    tell,
    tell_line,
)
from pipeline.errors import InvalidValueError, RequestError


@click.command()
@click.argument("manifest", type=Path)
@click.option("--sample", default="5%", show_default=True, help="How many takes: a share of all, or a count.")
@click.option("--seed", default=0, show_default=True, help="Another number is another sample.")
@engine_option
@output_option
@dia_options
@cluster_option
@json_option
@outside_option
def verify(
    manifest: Path, sample: str, seed: int, engine: str | None, as_json: bool, allow_outside: bool, **options: Any
) -> int:
    """Render some finished takes of a job again, and compare them with those on disk. Changes nothing there."""
    from pipeline.jobs.bulk import open_engine_of
    from pipeline.jobs.job import open_job
    from pipeline.jobs.progress import progress_bar, telling
    from pipeline.jobs.verify import OTHER_VERDICTS, SampleSize, sample_takes, verify_takes

    try:
        chosen = SampleSize.parse(sample)
    except InvalidValueError as error:
        raise RequestError(error.at("--sample")) from None
    settings = machine_settings(**options)
    with telling("reading the script and the finished takes"):
        job = open_job(manifest, settings, engine=engine, allow_outside=allow_outside)
        takes = sample_takes(job, chosen, seed)
    with open_engine_of(job, settings) as (speaking, stop), progress_bar(job.name) as on_progress:
        verification = verify_takes(job, takes, speaking, on_progress, stop)
    tell(take.problem for take in verification.takes if take.verdict != "equal")
    if as_json:
        print_json(verification.as_dict())
    others = [(verification.count(verdict), verdict) for verdict in OTHER_VERDICTS]
    counts = [f"{count} {verdict}" for count, verdict in others if count]
    of = f"{len(verification.takes)} of {verification.of} takes rendered again"
    equal = f"{verification.count('equal')} equal"
    tell_line(f"{of}: {', '.join([equal, *counts])}.")
    return DONE if verification.is_good else SOME_FAILED
