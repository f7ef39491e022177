"""What a benchmark found, for people, and the goals beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Sequence[str]


@dataclass(frozen=True)
class Goal:
    """A number to reach: at least `goal`, or at most where `most`. `value` is None where it was not measured."""

    name: str
    value: float | None
    goal: float
    unit: str
    most: bool = False

    @property
    def met(self) -> bool | None:
        """None where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.goal if self.most else self.value >= self.goal


def goals(results: Mapping[str, Any]) -> list[Goal]:
    """What the engine is meant to reach on two cores, with what it did.

    A quick benchmark says nothing of whole chunks: its own are too short and too few.
    """
    against = results["against"] or {}
    used = 100 * results["occupancy"]["occupancy"] if results["occupancy"] else None
    memory = results["load"].get("int8", {}).get("slots_rss_mb")
    return [
        Goal("int8, 32 slots, 1,000 rows", _step(results, "int8", 32, 1000), 2.0, "x"),
        Goal("int8, end to end", _render(results, "int8", "many"), 1.2, "x"),
        Goal("int8, end to end, with a prompt", _render(results, "int8", "many, with a prompt"), 1.0, "x"),
        Goal("bf16, end to end", _render(results, "bf16", "many"), 0.75, "x"),
        Goal("int8, one chunk alone", _render(results, "int8", "alone"), 0.4, "x"),
        Goal("times transformers, decoder", against.get("decoder_ratio"), 6.0, "times"),
        Goal(
            "times transformers, end to end",
            None if results["quick"] else against.get("end_to_end_ratio"),
            6.0,
            "times",
        ),
        Goal("memory, int8", None if memory is None else memory / 1000, 5.0, "GB", most=True),
        Goal("slots in use", used, 90.0, "%"),
    ]


def engine_table(results: Mapping[str, Any]) -> str:
    """The results of `bench_engine`."""
    blocks = [
        _machine(results["machine"]) + f"\nweights: {results['weights']}" + ("; roughly" if results["quick"] else "")
    ]
    for title, rows in (
        ("Loading, each in a process of its own", _load_rows(results)),
        ("Steps of the decoder, guided, sampling included", _step_rows(results)),
        ("Without guidance (cfg_scale: 0, or after cfg_frames)", _guidance_rows(results)),
        ("From text to sound", _render_rows(results)),
    ):
        header, *figures = rows
        if figures:
            blocks.append(_titled(title, [header, *figures]))
    if results["occupancy"]:
        blocks.append(_occupancy(results["occupancy"]))
    if results["against"]:
        blocks.append(_against(results["against"]))
    blocks.append(_titled("Goals", [("", "measured", "goal", "met"), *map(_goal_row, goals(results))]))
    return "\n\n".join(blocks)


def codec_table(results: Mapping[str, Any]) -> str:
    """The results of `bench_codec`."""
    rows = [("", "speed_x", ""), *((row["what"], f"{row['speed_x']:.2f}", _noise(row)) for row in results["codec"])]
    return _machine(results["machine"]) + "\n\n" + _titled(f"The codec, {results['seconds']} s of sound", rows)


def _step(results: Mapping[str, Any], precision: str, slots: int, context: int) -> float | None:
    for row in results["steps"]:
        if row["guided"] and (row["precision"], row["slots"], row["context"]) == (precision, slots, context):
            return float(row["speed_x"])
    return None


def _render(results: Mapping[str, Any], precision: str, kind: str) -> float | None:
    for row in () if results["quick"] else results["renders"]:
        if (row["precision"], row["kind"]) == (precision, kind):
            return float(row["speed_x"])
    return None


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, {machine['memory_gb']} GB, "
        f"torch {machine['torch']}, "
        f"kernels: {machine['kernels']} ({' '.join(machine['instructions'])})"
    )


def _load_rows(results: Mapping[str, Any]) -> Iterator[Row]:
    yield "", "first", "peak", "again", "peak", "memory", "with slots at work", ""
    for precision, row in results["load"].items():
        yield (
            precision,
            "-" if row["first_s"] is None else f"{row['first_s']:.1f} s",
            "-" if row["first_s"] is None else _gigabytes(row["first_peak_mb"]),
            f"{row['again_s']:.1f} s",
            _gigabytes(row["peak_mb"]),
            _gigabytes(row["rss_mb"]),
            f"{_gigabytes(row['slots_rss_mb'])} ({row['slots']} slots)",
            "others used the CPU" if row["noisy"] else "",
        )


def _step_rows(results: Mapping[str, Any]) -> Iterator[Row]:
    yield "", "slots", "rows read", "step", "steps/s", "speed_x", ""
    for row in results["steps"]:
        if row["guided"]:
            yield (
                row["precision"],
                str(row["slots"]),
                str(row["context"]),
                f"{row['step_ms']:.1f} ms",
                f"{row['steps_per_s']:.2f}",
                f"{row['speed_x']:.3f}",
                _noise(row),
            )


def _guidance_rows(results: Mapping[str, Any]) -> Iterator[Row]:
    yield "", "slots", "rows read", "steps/s", "speed_x", "gain", "with cfg_frames: 200", ""
    for row in results["steps"]:
        guided = _step(results, row["precision"], row["slots"], row["context"])
        if row["guided"] or guided is None:
            continue
        share = min(200 / row["context"], 1.0)  # of a take as long as its context
        mixed = 1 / (share / guided + (1 - share) / row["speed_x"])
        yield (
            row["precision"],
            str(row["slots"]),
            str(row["context"]),
            f"{row['steps_per_s']:.2f}",
            f"{row['speed_x']:.3f}",
            f"{row['speed_x'] / guided:.2f} times",
            f"{mixed:.3f} (computed)",
            _noise(row),
        )


def _render_rows(results: Mapping[str, Any]) -> Iterator[Row]:
    yield "", "", "chunks", "slots", "in use", "sound", "work", "speed_x", ""
    for row in results["renders"]:
        yield (
            row["precision"],
            row["kind"],
            str(row["chunks"]),
            str(row["slots"]),
            f"{100 * row['occupancy']:.0f} %",
            f"{row['audio_s']:.0f} s",
            f"{row['wall_s']:.0f} s",
            f"{row['speed_x']:.3f}",
            f"others used {100 * row['others']:.0f} % of the CPU" if row["noisy"] else "",
        )


def _occupancy(figures: Mapping[str, Any]) -> str:
    return f"{figures['chunks']} chunks in {figures['slots']} slots: {100 * figures['occupancy']:.1f} % of them in use"


def _against(figures: Mapping[str, Any]) -> str:
    ours, reference = figures["ours"], figures["transformers"]
    tried = ", ".join(f"{batch}: {speed:.3f}" for batch, speed in reference["batches"].items())
    codecs = ", ".join(f"{name} {speed:.2f}" for name, speed in reference["codecs"].items())
    lines = [
        f"Beside transformers {reference['version']} in bf16, in turn, after {reference['context']} rows",
        f"decoder: {ours['speed_x']:.3f} ({ours['precision']}, {ours['slots']} slots), "
        f"theirs {reference['speed_x']:.3f}: {figures['decoder_ratio']:.1f} times. {_noise(reference)}".rstrip(),
        f"its best batch is {reference['batch']} (tried {tried})",
        f"end to end, theirs: {reference['end_to_end_speed_x']:.3f}, computed from its decoder and the faster codec",
        f"({codecs}), without reading texts and without waiting for the longest of a batch",
    ]
    if figures["end_to_end_ratio"]:
        lines.append(f"end to end, ours as measured above: {figures['end_to_end_ratio']:.1f} times")
    return "\n".join(lines)


def _goal_row(goal: Goal) -> Row:
    value = "not measured" if goal.value is None else f"{goal.value:.2f} {goal.unit}"
    bound = f"{'at most' if goal.most else 'at least'} {goal.goal:g} {goal.unit}"
    return goal.name, value, bound, {None: "", True: "yes", False: "no"}[goal.met]


def _noise(row: Mapping[str, Any]) -> str:
    if row["noisy"]:
        return "noisy: too few samples that others left alone"
    return f"{row['dropped']} of {row['samples'] + row['dropped']} samples dropped" if row["dropped"] else ""


def _gigabytes(megabytes: int | None) -> str:
    return "?" if megabytes is None else f"{megabytes / 1000:.2f} GB"


def _titled(title: str, rows: Iterator[Row] | Sequence[Row]) -> str:
    """Columns as wide as what is in them; the first to the left, numbers to the right."""
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    last = len(widths) - 1
    lines = [
        "  ".join(
            cell.ljust(width) if column in (0, last) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join([title, *lines])
