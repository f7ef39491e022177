"""What a sound file holds besides its samples: tags, cover, chapter marks, bit rate, and how long it says it is.

In: somebody's file of any kind that can be read. Out: `Contents`. Decodes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from pipeline.audio.codecs import Probe, is_mp3, open_container, readable
from pipeline.audio.frames import read_frames
from pipeline.files import open_regular

BitRateMode = Literal["constant", "variable"]
Codec = Literal["mp3", "aac", "flac", "pcm", "alac", "vorbis", "opus", "other"]
_CODECS: Mapping[str, Codec] = {
    "mp3": "mp3",
    "mp3float": "mp3",
    "aac": "aac",
    "flac": "flac",
    "alac": "alac",
    "vorbis": "vorbis",
    "opus": "opus",
    "float": "pcm",  # as libsndfile names them
    "double": "pcm",
}
_NO_FRAMES = 0xFFFFFFFF  # in a RIFF head: its size is not known, or stands elsewhere


@dataclass(frozen=True)
class Contents:
    """What lies in a file beside its sound."""

    tags: Mapping[str, str]  # such as `title`, `album` and `artist`, in small letters
    cover: tuple[int, int] | None  # width and height in pixels; (0, 0) where the picture cannot be read
    chapters: int
    mode: BitRateMode
    bitrate_kbps: float
    missing_s: float  # seconds the file says it has, and lacks


def codec_of(sound: Probe) -> Codec:
    """The coding of a file, whatever holds it."""
    return "pcm" if sound.codec.startswith("pcm_") else _CODECS.get(sound.codec, "other")


def read_contents(path: Path, sound: Probe) -> Contents:
    """Look at all but the sound. Raises `OSError`, or `ValueError` where it cannot be read."""
    with readable(path), open_container(path) as container:
        tags = {name.lower(): text for name, text in container.metadata.items()}
        for stream in container.streams.audio[:1]:  # where Ogg has them
            tags |= {name.lower(): text for name, text in stream.metadata.items()}
        chapters = len(container.chapters())
        pictures = [stream for stream in container.streams.video if stream.disposition.attached_pic]
        cover = next((_size(bytes(packet)) for packet in container.demux(pictures[0])), (0, 0)) if pictures else None
    frames = read_frames(path) if is_mp3(path) else None
    if frames is not None:
        missing = max((frames.stated or 0) - frames.count, 0)
        mode: BitRateMode = "constant" if len(frames.kbps) <= 1 else "variable"
        return Contents(tags, cover, chapters, mode, round(frames.mean_kbps, 1), missing * frames.frame_s)
    mode = "constant" if codec_of(sound) == "pcm" else "variable"
    return Contents(tags, cover, chapters, mode, sound.bitrate_kbps, _missing_of_riff(path, sound))


def _size(data: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except Exception:  # Pillow raises nearly anything for a broken picture
        return (0, 0)


def _missing_of_riff(path: Path, sound: Probe) -> float:
    """Seconds that a WAV file says it has, and lacks: its readers go by what is there."""
    with open_regular(path) as file:
        head = file.read(8)
        there = file.seek(0, 2)
    size = int.from_bytes(head[4:], "little")
    if head[:4] != b"RIFF" or size == _NO_FRAMES or size + 8 <= there:
        return 0.0
    return sound.duration_s * ((size + 8) / there - 1)
