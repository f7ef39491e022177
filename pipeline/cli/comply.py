"""`podcast comply`: anybody's sound files against what a shop, a body or a network wants of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import DONE, SOME_FAILED, json_option, print_json, tell_line
from pipeline.errors import RequestError, printable, raise_if_any
from pipeline.words import counted, table

if TYPE_CHECKING:
    from pipeline.deliver.comply import FileChecks


@click.command()
@click.argument("files", metavar="FILES...", nargs=-1, required=True, type=Path)
@click.option(
    "--for",
    "name",
    metavar="PROFILE",
    required=True,
    help="acx, apple, spotify, ebu-r128, aes-td1008, master, or a YAML file of your own.",
)
@json_option
def comply(files: tuple[Path, ...], name: str, as_json: bool) -> int:
    """Check sound files against a profile: level, peak, noise, coding, tags, each with its limit and its source.

    They are measured as they will be heard, decoded. It says whether technical limits are met, and no more: nobody
    has approved anything.
    """
    from pipeline.deliver.comply import comply as check_files
    from pipeline.deliver.comply import files_problems, length_s
    from pipeline.deliver.profiles import find_profile
    from pipeline.jobs.progress import progress_bar

    files = tuple(dict.fromkeys(files))
    problems = files_problems(files)
    try:
        profile = find_profile(name)
    except RequestError as error:
        raise RequestError(*error.problems, *problems) from None
    raise_if_any(problems)
    total_s, measured_s = length_s(files), 0.0
    with progress_bar("comply") as on_progress:

        def on_measured(seconds: float) -> None:
            nonlocal measured_s
            measured_s += seconds
            on_progress("measuring", measured_s, max(total_s, measured_s))

        results = check_files(files, profile, on_measured)
    if as_json:
        print_json({"files": [dataclasses.asdict(result) for result in results]})
    else:
        click.echo("\n\n".join(_text(result) for result in results))
    failed = sum(not result.ok for result in results)
    whole = counted(len(results), "file")
    tell_line(f"{failed} of {whole} failed {profile.profile}" if failed else f"{whole}: all limits met")
    return SOME_FAILED if failed else DONE


def _text(result: FileChecks) -> str:
    """A file with a row for each check."""
    rows = [
        (
            "ok" if row.ok else "FAILS",
            row.name.replace("_", " "),
            printable(str(row.value)),
            row.limit or "no limit",
            printable(row.source),
        )
        for row in result.checks
    ]
    verdict = "meets" if result.ok else "fails"
    return f"{printable(result.path)}: {verdict} {printable(result.profile)}\n{table(rows)}"
