"""`podcast weights`: what weights are here, and how others come here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import click

from pipeline.console import DONE, json_option, print_json


@click.group()
def weights() -> None:
    """Fetch and convert the weights of Dia and of its codec."""


@weights.command("list")
@json_option
def list_weights(as_json: bool) -> int:
    """List the weights that were fetched, and those that are used where nothing else is asked for."""
    from pipeline.engines.dia.hub import listing

    found = listing()
    if as_json:
        rows = [dataclasses.asdict(entry) | {"path": str(entry.path) if entry.path else None} for entry in found]
        print_json({"weights": rows})
        return DONE
    for entry in found:
        where = (
            f"{entry.bytes / 1e9:.1f} GB in {entry.path}"
            if entry.path
            else f"not here: podcast weights fetch {entry.name}"
        )
        click.echo(f"{entry.name}  {entry.network}  {(entry.revision or '-')[:12]}  {where}")
    return DONE


@weights.command("fetch")
@click.argument("names", nargs=-1, metavar="[OWNER/NAME[@REVISION]]...")
def fetch_weights(names: tuple[str, ...]) -> int:
    """Fetch weights from the hub: those of Dia and its codec, unless others are named.

    Interrupted, it goes on where it stopped when it is run again.
    """
    from pipeline.engines.dia.hub import DEFAULT_CODEC, DEFAULT_DIA, fetch

    for name in names or (DEFAULT_DIA, DEFAULT_CODEC):
        click.echo(str(fetch(name)))
    return DONE


@weights.command("convert")
@click.argument("source", metavar="WHERE")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--precision", default="bf16", show_default=True, type=click.Choice(["bf16", "fp32"]), help="Of the result."
)
def convert_weights(source: str, folder: Path, precision: Literal["bf16", "fp32"]) -> int:
    """Write weights, in whatever layout, as safetensors in transformers' layout: half the size and quicker to load."""
    from pipeline.engines.dia.devices import DTYPES
    from pipeline.engines.dia.hub import locate
    from pipeline.engines.dia.weights import convert

    convert(locate(source, "dia"), folder, DTYPES[precision])
    click.echo(str(folder), err=True)
    return DONE
