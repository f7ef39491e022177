"""`podcast weights`: what weights are here, and how others come here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import DONE, SOME_FAILED, json_option, machine_settings, print_json, tell, tell_line
from pipeline.errors import Problem, RequestError
from pipeline.words import size_text, table

KOKORO = "kokoro"  # its weights go by this name, as they come from one place


@click.group()
def weights() -> None:
    """Fetch the weights of Kokoro, of Dia and of its codec, and convert Dia's."""


@weights.command("list")
@json_option
def list_weights(as_json: bool) -> int:
    """List the weights that were fetched, and those that are used where nothing else is asked for."""
    from pipeline.engines.dia.weights.hub import listing
    from pipeline.engines.kokoro.weights import describe_kokoro

    entries = [*listing(), describe_kokoro(machine_settings().kokoro)]
    if as_json:
        rows = [dataclasses.asdict(entry) | {"path": str(entry.path) if entry.path else None} for entry in entries]
        print_json({"weights": rows})
        return DONE
    for entry in entries:
        where = (
            f"{size_text(entry.bytes)} in {entry.path}"
            if entry.path
            else f"not here: podcast weights fetch {KOKORO if entry.kind == KOKORO else entry.name}"
        )
        click.echo(f"{entry.name}  {entry.network}  {(entry.revision or '-')[:12]}  {where}")
    return DONE


@weights.command("fetch")
@click.argument("names", nargs=-1, metavar="[kokoro | OWNER/NAME[@REVISION]]...")
def fetch_weights(names: tuple[str, ...]) -> int:
    """Fetch weights from the hub: those of Dia and its codec, unless others are named.

    "kokoro" fetches Kokoro's, from the repository that PODCAST_KOKORO names, or else the usual one. Interrupted, it
    goes on where it stopped when it is run again.
    """
    from pipeline.engines.dia.weights.hub import DEFAULT_CODEC, DEFAULT_DIA, fetch
    from pipeline.engines.kokoro.weights import fetch_kokoro

    for name in names or (DEFAULT_DIA, DEFAULT_CODEC):
        click.echo(str(fetch_kokoro(machine_settings().kokoro) if name == KOKORO else fetch(name)))
    return DONE


@weights.command("convert")
@click.argument("source", metavar="WHERE")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--precision", default="bf16", show_default=True, type=click.Choice(["int8", "bf16", "fp32"]), help="Of the result."
)
@click.option(
    "--keep",
    multiple=True,
    metavar="KIND",
    help="Kind of product that stays bf16 in int8, besides the logits' (repeatable): encoder, self_qkv, self_o, "
    "cross_q, cross_kv, cross_o, gate_up, down.",
)
def convert_weights(source: str, folder: Path, precision: str, keep: tuple[str, ...]) -> int:
    """Write weights, in whatever layout, as safetensors: half the size and quicker to load.

    In bf16 and fp32 they are in transformers' layout. In int8 they are as this program's kernels want them, a quarter
    of the size, and mapped when they are used; `podcast weights calibrate` makes such ones and tells how far off they
    are.
    """
    from pipeline.engines.dia.devices import DTYPES
    from pipeline.engines.dia.weights import packed
    from pipeline.engines.dia.weights.hub import locate
    from pipeline.engines.dia.weights.tensors import convert
    from pipeline.jobs.progress import telling

    if unknown := sorted(set(keep) - set(packed.KINDS)):
        known = ", ".join(packed.KINDS)
        raise RequestError(Problem("--keep", f'no kind of product "{unknown[0]}".', f"Use one of: {known}."))
    with telling("reading and writing the weights"):
        if precision == "int8":
            packed.convert(locate(source, "dia"), folder, packed.KEPT | set(keep))
        else:
            convert(locate(source, "dia"), folder, DTYPES[precision])
    tell_line(str(folder))
    return DONE


@weights.command("calibrate")
@click.argument("source", metavar="WHERE")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--frames", default=128, show_default=True, type=click.IntRange(1), help="Of each text.")
@json_option
def calibrate_weights(source: str, folder: Path, frames: int, as_json: bool) -> int:
    """Write weights in int8, and measure how near they come to bf16.

    The network speaks some texts in fp32; bf16 and int8 follow it, and what int8 loses is lessened where it can be.
    The folder says how it came out: where int8 is too far off, it is used only if it is asked for. Takes minutes, and
    memory for the weights in fp32.
    """
    from pipeline.engines.dia.calibration.calibrate import calibrate
    from pipeline.engines.dia.weights.hub import locate

    most = machine_settings().kernels
    calibration = calibrate(locate(source, "dia"), folder, tell_line, frames, most)
    if as_json:
        print_json(calibration)
    else:
        click.echo(_calibration(calibration))
    if calibration["allowed"]:
        tell_line(str(folder))
        return DONE
    hint = "Use the weights in bf16, or set precision: int8 and listen."
    tell([Problem(str(folder), "int8 is too far from fp32 to be used unless it is asked for.", hint)])
    return SOME_FAILED


def _calibration(calibration: Mapping[str, Any]) -> str:
    """What a calibration found, for people."""
    rows: list[tuple[str, ...]] = [("", "error", "agreement", "divergence", "outliers", "mended", "kept")]

    def row(name: str, loss: Mapping[str, float], *more: str) -> None:
        numbers = f"{loss['error']:.4f}", f"{loss['agreement']:.1%}", f"{loss['divergence']:.4f}"
        rows.append((name, *numbers, *(more or ("", "", ""))))

    row("bf16", calibration["bf16"])
    for kind, loss in calibration["kinds"].items():
        outliers = f"{loss['outliers']:.0f}x"
        if loss["mended"]:
            outliers += f" to {loss['outliers_left']:.0f}x"
        counts = (f"{loss[key]} of {loss['products']}" if loss[key] else "" for key in ("mended", "kept"))
        row(f"int8 in {kind}", loss, outliers, *counts)
    if calibration["attention"]:
        row("int8 in keys and values", calibration["attention"])
    row("int8 as it comes", calibration["unmended"])
    row("int8 with scales", calibration["mended"])
    row("int8 as it is written", calibration["int8"])
    limits = calibration["limits"]
    return f"{table(rows)}\n" + (
        f"Against fp32, {calibration['texts']} texts, {calibration['frames']} frames of each. "
        f"{calibration['kept_share']:.0%} of the weights are kept in bf16. int8 may lose {limits['factor']:.0f} times "
        f"what bf16 loses, and an error of {limits['error']}: it is "
        f"{'' if calibration['allowed'] else 'not '}allowed."
    )
