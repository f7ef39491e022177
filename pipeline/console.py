"""What the commands share: exit codes, common options, and how they speak to people and machines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.errors import Problem
from pipeline.settings import Settings, load_settings

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


def dia_options(command: F) -> F:
    """Add the options that say which weights Dia has and where it runs."""
    return weights_option(_device_option(command))


def machine_settings(
    *, out: Path | None = None, jobs: int | None = None, weights: str | None = None, device: str | None = None
) -> Settings:
    """The machine's settings, with what the command line says instead."""
    settings = load_settings()
    return dataclasses.replace(
        settings,
        output=out or settings.output,
        jobs=jobs or settings.jobs,
        weights=weights or settings.weights,
        device=device or settings.device,
    )


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
