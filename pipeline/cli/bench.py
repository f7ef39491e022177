"""`podcast bench`: how fast this machine is."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

import click

from pipeline.cli.options import DONE, device_option, dia_options, json_option, machine_settings, print_json, warn

size_option = click.option(
    "--size",
    type=click.Choice(["full", "tiny"]),
    default="full",
    show_default=True,
    help="Of the random weights; tiny ones only try the command.",
)


class _ShapeType(click.ParamType[tuple[int, int]]):
    """Workers and threads of each, as `2x1`."""

    name = "shape"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Both numbers."""
        if (match := re.fullmatch(r"([1-9][0-9]{0,2})x([1-9][0-9]{0,2})", value)) is None:
            self.fail(f'"{value}" is none; write one such as 2x1: two workers of one thread.', param, ctx)
        return int(match[1]), int(match[2])


_SHAPE = _ShapeType()


@click.group()
def bench() -> None:
    """Measure this machine."""


@bench.command("pipeline")
@click.option("--words", default=10_000, show_default=True, type=click.IntRange(100), help="Length of the episode.")
@click.option("--runs", default=3, show_default=True, type=click.IntRange(1), help="Medians are taken over these.")
@json_option
def bench_pipeline(words: int, runs: int, as_json: bool) -> int:
    """Script to finished podcast and m4b on the draft voice, a finished job again, and a plan of 100,000 chunks."""
    from pipeline.bench.line import bench_pipeline as measure
    from pipeline.bench.line import table
    from pipeline.jobs.progress import progress_bar

    with progress_bar("bench") as on_progress:
        results = measure(words, runs, on_progress)
    if as_json:
        print_json(results)
    else:
        click.echo(table(results))
    return DONE


@bench.command("scripts")
@click.option("--words", default=120_000, show_default=True, type=click.IntRange(100), help="Length of the book.")
@click.option("--runs", default=3, show_default=True, type=click.IntRange(1), help="Medians are taken over these.")
@json_option
def bench_scripts(words: int, runs: int, as_json: bool) -> int:
    """A book as EPUB, HTML, DOCX and Markdown: reading it, planning it, memory."""
    from pipeline.bench.scripts import bench_scripts as measure
    from pipeline.bench.scripts import table
    from pipeline.jobs.progress import progress_bar

    with progress_bar("bench") as on_progress:
        results = measure(words, runs, on_progress)
    if as_json:
        print_json(results)
    else:
        click.echo(table(results))
    return DONE


@bench.command("checks")
@click.option("--planted", is_flag=True, help="Plant faults, and count what is found; else only how fast checks are.")
@click.option("--takes", default=200, show_default=True, type=click.IntRange(1), help="Clean takes of each engine.")
@click.option("--cases", default=100, show_default=True, type=click.IntRange(1), help="Planted faults of each kind.")
@click.option("--engine", "engines", multiple=True, type=click.Choice(["draft", "kokoro"]), help="One of the two.")
@json_option
def bench_checks(planted: bool, takes: int, cases: int, engines: tuple[str, ...], as_json: bool) -> int:
    """How many planted faults the checks find in takes of the draft voice and of Kokoro, and their false alarms."""
    from pipeline.bench.checks import bench_checks as measure
    from pipeline.bench.checks import table
    from pipeline.engines import Machine, open_engine
    from pipeline.errors import EngineError
    from pipeline.jobs.progress import progress_bar
    from pipeline.settings import bundled_voices
    from pipeline.source.voices import load_library

    voices = [entry.voice for entry in load_library((bundled_voices(),)).values()][:4]
    opened = {}
    for name in engines or ("draft", "kokoro") if planted else ():
        try:
            opened[name] = (open_engine(name, machine=Machine.of(machine_settings())), voices)
        except EngineError as error:  # one of the two will do
            warn(error.problems)
    with progress_bar("bench") as on_progress:
        results = measure(opened, takes, cases if planted else 0, on_progress)
    if as_json:
        print_json(results)
    else:
        click.echo(table(results))
    return DONE


@bench.command("overnight")
@click.option("--manifests", default=20, show_default=True, type=click.IntRange(1), help="Episodes of the season.")
@click.option("--words", default=10_000, show_default=True, type=click.IntRange(100), help="Of each.")
@click.option("--kill-every", default=30.0, show_default=True, type=click.FloatRange(0), help="Seconds; 0: never.")
@device_option
@json_option
def bench_overnight(manifests: int, words: int, kill_every: float, device: str | None, as_json: bool) -> int:
    """A season on the draft voice, with workers killed now and then: hours of audio, speed, memory over time."""
    from pipeline.bench.season import bench_overnight as measure
    from pipeline.bench.season import table
    from pipeline.jobs.progress import progress_bar

    with progress_bar("bench") as on_progress:
        results = measure(manifests, words, kill_every, device, on_progress)
    if as_json:
        print_json(results)
    else:
        click.echo(table(results))
    return DONE


@bench.command("engine")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(["load", "steps", "render", "occupancy"]),
    help="May be repeated. [default: all]",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["int8", "bf16", "fp32"]),
    help="May be repeated. [default: the two quickest here]",
)
@click.option("--slots", multiple=True, type=click.IntRange(1, 256), help="May be repeated. [default: 1, 8, 16, 32]")
@click.option(
    "--context", "contexts", multiple=True, type=click.IntRange(2, 2500), help="May be repeated. [default: 500, 1000]"
)
@click.option("--chunks", type=click.IntRange(1), help="Rendered from end to end. [default: 32]")
@click.option("--quick", is_flag=True, help="A rough table in two or three minutes.")
@click.option("--against", type=click.Choice(["transformers"]), help="Measure it beside ours, with the same weights.")
@size_option
@dia_options
@json_option
def bench_engine(
    parts: tuple[str, ...],
    precisions: tuple[str, ...],
    slots: tuple[int, ...],
    contexts: tuple[int, ...],
    chunks: int | None,
    quick: bool,
    against: str | None,
    size: Literal["full", "tiny"],
    weights: str | None,
    device: str | None,
    as_json: bool,
) -> int:
    """Dia in its real size, with random weights unless --weights names others: loading, steps, whole chunks, memory.

    The weights (3.6 GB) are made once and kept in the user's cache folder.
    """
    from pipeline.bench.engine import QUICK, Plan
    from pipeline.bench.engine import bench_engine as measure
    from pipeline.bench.table import engine_table, goals
    from pipeline.engines import Machine
    from pipeline.jobs.progress import progress_bar

    machine = Machine.of(machine_settings(device=device))
    options: dict[str, Any] = {
        "parts": parts,
        "precisions": precisions,
        "slots": slots,
        "contexts": contexts,
        "chunks": chunks,
    }
    plan = dataclasses.replace(
        QUICK if quick else Plan(),
        against=against is not None,
        **{name: value for name, value in options.items() if value},
    )
    machine = dataclasses.replace(machine, weights=weights, codec=machine.codec if weights else None, slots=None)
    with progress_bar("bench") as on_progress:
        results = measure(machine, plan, size=size, on_progress=on_progress)
    if as_json:
        print_json(results | {"goals": [dataclasses.asdict(goal) | {"met": goal.met} for goal in goals(results)]})
    else:
        click.echo(engine_table(results))
    return DONE


@bench.command("kokoro")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="WORKERSxTHREADS",
    type=_SHAPE,
    help="May be repeated. [default: a few]",
)
@click.option("--chunks", default=12, show_default=True, type=click.IntRange(1), help="Rendered in each run.")
@click.option("--words", default=38, show_default=True, type=click.IntRange(1, 500), help="Of each chunk.")
@click.option("--runs", default=3, show_default=True, type=click.IntRange(1), help="Medians are taken over these.")
@json_option
def bench_kokoro(shapes: tuple[tuple[int, int], ...], chunks: int, words: int, runs: int, as_json: bool) -> int:
    """Kokoro in several worker processes and threads: which of these is fastest here."""
    from pipeline.bench.kokoro import Shape, table
    from pipeline.bench.kokoro import bench_kokoro as measure
    from pipeline.jobs.progress import progress_bar

    weights = machine_settings().kokoro
    with progress_bar("bench") as on_progress:
        named = [Shape(workers, threads) for workers, threads in dict.fromkeys(shapes)]
        results = measure(weights, named, chunks=chunks, words=words, runs=runs, on_progress=on_progress)
    if as_json:
        print_json(results)
    else:
        click.echo(table(results))
    return DONE


@bench.command("codec")
@click.option(
    "--codec", metavar="WHERE", help="Measure this one: a file, a folder or a hub id. [default: random weights]"
)
@click.option(
    "--seconds", default=6.0, show_default=True, type=click.FloatRange(0.1, 600), help="Of sound in a sample."
)
@click.option("--samples", default=5, show_default=True, type=click.IntRange(1), help="Medians are taken over these.")
@size_option
@json_option
def bench_codec(codec: str | None, seconds: float, samples: int, size: Literal["full", "tiny"], as_json: bool) -> int:
    """Dia's codec on the CPU: decoding in bf16 and fp32, and encoding."""
    from pipeline.bench.codec import bench_codec as measure
    from pipeline.bench.table import codec_table
    from pipeline.jobs.progress import telling

    kernels = machine_settings().kernels
    with telling("measuring the codec"):
        results = measure(codec, size=size, seconds=seconds, samples=samples, sample_s=0.5, kernels=kernels)
    if as_json:
        print_json(results)
    else:
        click.echo(codec_table(results))
    return DONE
