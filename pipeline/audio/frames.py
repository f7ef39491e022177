"""The frames of somebody's MP3 file, one by one: whether its bit rate is constant, and whether all of it is there.

In: a path. Out: `Frames`. Only headers are read; nothing is decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from pipeline.audio.mp3 import MPEG1_FRAME, MPEG1_KBPS, MPEG2_FRAME, MPEG2_KBPS
from pipeline.files import open_regular

_RATES_HZ = (44_100, 48_000, 32_000)  # of MPEG-1; MPEG-2 has half of them, MPEG-2.5 a quarter
_MPEG1, _MPEG2, _LAYER_3 = 3, 2, 1  # as they stand in a header; 0 is MPEG-2.5
_MONO = 3
_SEARCHED = 1 << 16  # bytes looked through at a time where no frame begins


@dataclass(frozen=True)
class Frames:
    """All frames of a file. `stated` is how many its first one says there are; None where it says nothing."""

    count: int
    kbps: tuple[int, ...]  # the bit rates that occur, in order
    mean_kbps: float
    frame_s: float
    stated: int | None


@dataclass(frozen=True)
class _Header:
    kind: tuple[int, int]  # version and rate, which never change within a file
    size: int
    kbps: int
    samples: int
    rate_hz: int
    table_at: int  # where a Xing or Info table would stand


def read_frames(path: Path) -> Frames | None:
    """Go through the file; None where there is no frame of layer III in it. Raises `OSError`."""
    rates: Counter[int] = Counter()
    first: _Header | None = None
    stated = None
    with open_regular(path) as file:
        for at, header in _headers(file):
            if first is None:
                first = header
                is_table, stated = _table(file, at, header)
                if is_table:
                    continue
            rates[header.kbps] += 1
    if first is None:
        return None
    count = rates.total()
    mean = sum(kbps * number for kbps, number in rates.items()) / count if count else first.kbps
    return Frames(count, tuple(sorted(rates)), mean, first.samples / first.rate_hz, stated)


def _headers(file: BufferedReader) -> Iterator[tuple[int, _Header]]:
    """The place and the header of each frame that is there to its end."""
    length = file.seek(0, 2)
    at = _after_id3(file)
    kind: tuple[int, int] | None = None
    while at < length:
        header = _header_at(file, at)
        is_one = header is not None and (header.kind == kind if kind else _is_followed(file, at, header, length))
        if header is None or not is_one:
            at = _next_sync(file, at + 1)
            continue
        kind = header.kind
        if at + header.size > length:
            return
        yield at, header
        at += header.size


def _is_followed(file: BufferedReader, at: int, header: _Header, length: int) -> bool:
    """Whether another frame of its kind stands behind it, or nothing: two bytes of anything look like a frame."""
    end = at + header.size
    following = _header_at(file, end)
    return end == length or (following is not None and following.kind == header.kind)


def _after_id3(file: BufferedReader) -> int:
    file.seek(0)
    head = file.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    return 10 + size + (10 if head[5] & 0x10 else 0)  # a footer


def _next_sync(file: BufferedReader, at: int) -> int:
    """Where the next byte of ones stands, from `at` on, or the file ends."""
    file.seek(at)
    while block := file.read(_SEARCHED):
        if (place := block.find(b"\xff")) >= 0:
            return at + place
        at += len(block)
    return at


def _header_at(file: BufferedReader, at: int) -> _Header | None:
    """ISO/IEC 11172-3, 2.4.1.3: the four bytes at `at` as a header; None where they are none of layer III."""
    file.seek(at)
    head = file.read(4)
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate, index, rate_index = head[2], head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != _LAYER_3 or not 0 < index < 15 or rate_index == 3:
        return None
    is_1, is_mono = version == _MPEG1, head[3] >> 6 == _MONO
    rate_hz = _RATES_HZ[rate_index] >> (0 if is_1 else 1 if version == _MPEG2 else 2)
    kbps = (MPEG1_KBPS if is_1 else MPEG2_KBPS)[index - 1]
    samples = MPEG1_FRAME if is_1 else MPEG2_FRAME
    size = samples // 8 * kbps * 1000 // rate_hz + (rate >> 1 & 1)
    side_info = (17 if is_mono else 32) if is_1 else (9 if is_mono else 17)
    return _Header((version, rate_index), size, kbps, samples, rate_hz, 4 + side_info)


def _table(file: BufferedReader, at: int, header: _Header) -> tuple[bool, int | None]:
    """Whether a frame is no sound but a table of the others, and how many it says there are."""
    file.seek(at + header.table_at)
    head = file.read(12)
    if head[:4] not in (b"Xing", b"Info") or len(head) < 12:
        return False, None
    return True, int.from_bytes(head[8:], "big") if head[7] & 1 else None
