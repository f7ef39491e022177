"""`podcast retake` and `podcast approve`: what people decide of takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import (
    DONE,
    engine_option,
    jobs_option,
    json_option,
    machine_settings,
    night_options,
    output_option,
    outside_option,
    print_json,
    tell_line,
    weights_option,
)
from pipeline.cli.render import render_manifests

if TYPE_CHECKING:
    from pipeline.jobs.job import Job
    from pipeline.settings import Settings

_by_option = click.option("--by", default="", metavar="NAME", help="Who decides it, for the others.")
_note_option = click.option("--note", default="", help="Why.")
_lines_argument = click.argument("lines", metavar="LINE...", nargs=-1, required=True)


@click.command()
@click.argument("manifest", type=Path)
@_lines_argument
@engine_option
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="The seed that they are made with.")
@click.option("--voice", help="The voice that speaks them.")
@click.option("--alternatives", type=click.IntRange(1, 20), help="Make so many to choose from.")
@_by_option
@_note_option
@click.option("--later", is_flag=True, help="Only decide it: the next render makes them.")
@jobs_option
@night_options
@json_option
@outside_option
def retake(
    manifest: Path,
    lines: tuple[str, ...],
    engine: str | None,
    seed: int | None,
    voice: str | None,
    alternatives: int | None,
    by: str,
    note: str,
    later: bool,
    at_once: int | None,
    as_json: bool,
    allow_outside: bool,
    **options: Any,
) -> int:
    """Make lines again (14, script.md:14, or the file of a take), and render what that changes."""
    from pipeline.jobs.retake import named_takes
    from pipeline.jobs.retake import retake as decide
    from pipeline.source.voices import find_voice

    settings = machine_settings(**options)
    job = _open(manifest, engine, settings, allow_outside=allow_outside)
    if voice is not None:
        find_voice(job.planner.library, voice, "--voice")
    takes = named_takes(job, lines)
    decide(job, takes, seed=seed, voice=voice, alternatives=alternatives, by=by, note=note)
    for take in takes:
        tell_line(f"again: {take}")
    if not later:
        return render_manifests((manifest,), settings, engine, at_once, as_json=as_json, allow_outside=allow_outside)
    if as_json:
        print_json({"takes": [take.plan.where for take in takes]})
    return DONE


@click.command()
@click.argument("manifest", type=Path)
@_lines_argument
@engine_option
@output_option
@weights_option
@click.option("--withdraw", "withdraws", is_flag=True, help="Take out what was decided of them.")
@_by_option
@_note_option
@json_option
@outside_option
def approve(
    manifest: Path,
    lines: tuple[str, ...],
    engine: str | None,
    withdraws: bool,
    by: str,
    note: str,
    as_json: bool,
    allow_outside: bool,
    **options: Any,
) -> int:
    """Let takes stand (14, script.md:14, or a take's file): they are never made again, whatever the checks say."""
    from pipeline.jobs.retake import approve as decide
    from pipeline.jobs.retake import named_takes, withdraw

    job = _open(manifest, engine, machine_settings(**options), allow_outside=allow_outside)
    takes = named_takes(job, lines)
    if withdraws:
        tell_line(f"{withdraw(job, takes)} taken out")
    else:
        decide(job, takes, by=by, note=note)
        for take in takes:
            tell_line(f"stands: {take}")
    if as_json:
        print_json({"takes": [take.plan.where for take in takes]})
    return DONE


def _open(manifest: Path, engine: str | None, settings: Settings, *, allow_outside: bool) -> Job:
    from pipeline.jobs.job import open_job
    from pipeline.jobs.progress import telling

    with telling("reading the script"):
        return open_job(manifest, settings, engine=engine, allow_outside=allow_outside)
