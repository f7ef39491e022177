"""Numbers as people read them: lengths of time, sizes, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence


def clock(seconds: float) -> str:
    """`1:02:03`, or `2:03` under an hour."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def ordinal(number: int, of: int) -> str:
    """`number` with as many digits as the largest of `of`, at least two, so that names sort as numbers do."""
    return f"{number:0{max(2, len(str(of)))}d}"


def counted(count: int, noun: str) -> str:
    """`1 chapter`, `1,200 chapters`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each, in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def speed_text(speed_x: float) -> str:
    """How many times as fast as it plays: `12`, `2.4`, and of slow machines `0.2` or `under 0.1`."""
    if speed_x < 0.1:
        return "under 0.1"
    return f"{speed_x:.1f}" if speed_x < 9.95 else f"{speed_x:.0f}"


def timestamp(time_ms: int, point: str = ".") -> str:
    """`01:02:03.456`, with `point` before the milliseconds."""
    seconds, millis = divmod(time_ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{millis:03d}"


def size_text(count: int) -> str:
    """Bytes for people: `3.2 GB`, `40 MB`, `12 kB`."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{-(-count // 1000)} kB"
