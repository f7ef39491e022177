"""What the commands share: exit codes, common options, and how they speak to people and machines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.errors import Problem, RequestError
from pipeline.settings import Settings, load_settings
from pipeline.window import parse_window

DONE, SOME_FAILED, WRONG_REQUEST, STOPPED = 0, 1, 2, 130
ENGINES = click.Choice(["draft", "dia", "tone"])

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout.")
weights_option = click.option(
    "--weights", metavar="WHERE", help="Dia's weights: a folder or a hub id. [default: nari-labs/Dia-1.6B-0626]"
)
_device_option = click.option(
    "--device", metavar="NAME", help="Where Dia runs: auto, cpu, cuda:0, mps, xpu. [default: auto]"
)
devices_option = click.option(
    "--device",
    metavar="LIST",
    help="A worker process for each: cuda:0,cuda:1 or cpu:2x4 (two of four threads). [default: what suits]",
)
out_option = click.option("--out", type=click.Path(path_type=Path), help="Folder of all jobs. [default: output]")
outside_option = click.option("--allow-outside", is_flag=True, help="Let paths leave the manifest's folder.")
takes_option = click.option("--takes", metavar="URL", help="A store of takes that machines share, such as s3://b/p.")
cluster_option = click.option("--cluster", metavar="ADDRESS", help="A Dask scheduler, such as tcp://127.0.0.1:8786.")
window_option = click.option("--window", metavar="HOURS", help="Start chunks only then, such as 23:00-06:30.")
at_once_option = click.option("--at-once", type=click.IntRange(1, 64), help="Jobs that share the devices. [default: 3]")


def dia_options(command: F) -> F:
    """Add the options that say which weights Dia has and where it runs."""
    return weights_option(_device_option(command))


def night_options(command: F) -> F:
    """Add the options that say on what and when jobs are rendered."""
    for option in (out_option, weights_option, devices_option, cluster_option, takes_option, window_option):
        command = option(command)
    return at_once_option(command)


def machine_settings(**said: Any) -> Settings:
    """The machine's settings, with what the command line says instead: fields of `Settings`, and `out`.

    Raises `RequestError` for a window that is none.
    """
    settings = load_settings()
    said["output"] = said.pop("out", None)
    settings = dataclasses.replace(settings, **{name: value for name, value in said.items() if value is not None})
    if settings.window is not None:
        try:
            parse_window(settings.window)
        except ValueError as error:
            what, hint = str(error).split("\n")
            raise RequestError(Problem("--window", what, hint)) from None
    return settings


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))  # indented, a hundred thousand chunks take seconds longer


def tell(problems: Iterable[Problem]) -> None:
    """Problems, a line each, on stderr."""
    for problem in problems:
        click.echo(str(problem), err=True)


def warn(problems: Iterable[Problem]) -> None:
    """What is worth knowing though nothing is wrong, on stderr."""
    for problem in problems:
        click.echo(f"note: {problem}", err=True)
