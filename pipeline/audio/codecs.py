"""Sound files: a writer for each deliverable format, and one reader and one prober for whatever comes.

Everything is mono float32 in blocks, full scale 1.0, so memory does not grow with the length of a book.
Writers write to exactly the path they are given, make the same bytes from the same input, and let a full disk
out as `OSError`. Tags are added to the finished file by `pipeline.deliver.tags`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import av
import av.audio
import av.container
import av.error
import numpy as np
import soundfile
from av.codec.context import Flags
from numpy.typing import NDArray

from pipeline.audio import ChapterMark, Format, Pcm
from pipeline.audio.mp3 import Mp3Writer
from pipeline.files import open_regular, read_failure

BLOCK = 65536  # samples the reader hands out at a time
# RIFF holds sizes in 32 bits. The tag chunk with its cover comes on top of the samples.
WAV_LIMIT_BYTES = 2**32 - 2**26
WAV_SAMPLE_BYTES = 3
# Sound and nothing else: a playlist would have FFmpeg follow it to other files.
_NERO_CHAPTERS = 255  # its list counts in one byte, and FFmpeg writes as many without a word
_NO_PLAYLISTS = {
    "format_whitelist": "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
}


class Writer(Protocol):
    """A context manager that takes mono blocks; a clean exit completes the file."""

    def __enter__(self) -> Self: ...

    def write(self, block: Pcm, /) -> None:
        """Append `block` [T], clipped to full scale. Raises `OSError` when the disk will not take it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@dataclass(frozen=True)
class Probe:
    """What a sound file says of itself.

    `frames` is its exact length in samples, None where only decoding tells. `bitrate_kbps` is the mean.
    """

    sample_rate_hz: int
    channels: int
    codec: str
    bitrate_kbps: int
    duration_s: float
    frames: int | None


def open_writer(
    path: Path,
    format: Format,
    sample_rate_hz: int,
    bitrate_kbps: int,
    *,
    chapters: Sequence[ChapterMark] = (),
    frames: int | None = None,
    bandwidth_hz: float | None = None,
) -> Writer:
    """The writer for one deliverable.

    `bitrate_kbps` is for mp3 and m4b. `bandwidth_hz` is the highest frequency worth coding in an m4b, where that is
    known: bits and time go into what is below. `chapters` go into an m4b here, as its chapter track belongs to the
    container; the other formats carry them as tags. `frames`, the expected length in samples, makes a wav
    that would pass 4 GiB an RF64.
    """
    if format == "mp3":
        return Mp3Writer(path, sample_rate_hz, bitrate_kbps)
    if format == "m4b":
        return _AacWriter(path, sample_rate_hz, bitrate_kbps, chapters, bandwidth_hz)
    if format == "flac":
        return _SoundFileWriter(path, sample_rate_hz, "FLAC")
    large = (frames or 0) * WAV_SAMPLE_BYTES > WAV_LIMIT_BYTES
    return _SoundFileWriter(path, sample_rate_hz, "RF64" if large else "WAV")


class _AacWriter:
    """AAC-LC in an MPEG-4 file, with a QuickTime chapter track, and Nero's list where it can hold all chapters."""

    def __init__(
        self,
        path: Path,
        sample_rate_hz: int,
        bitrate_kbps: int,
        chapters: Sequence[ChapterMark],
        bandwidth_hz: float | None,
    ) -> None:
        self._path = path
        self._rate_hz = sample_rate_hz
        self._bitrate_kbps = bitrate_kbps
        self._chapters = chapters
        self._bandwidth_hz = bandwidth_hz
        self._samples = 0  # handed to the encoder
        self._failure: OSError | None = None

    def __enter__(self) -> Self:
        options = {
            "movflags": "+faststart" if len(self._chapters) <= _NERO_CHAPTERS else "+faststart+disable_chpl",
            "fflags": "+bitexact",
            # The edit list counts in this unit; in the default, milliseconds, the end misses its sample.
            "movie_timescale": str(self._rate_hz),
        }
        with self._writing():
            self._container = av.open(f"file:{os.fspath(self._path)}", "w", format="ipod", options=options)
            # Measured 2.3 times as fast as the default coder, "twoloop".
            coder = {"aac_coder": "fast"}
            if self._bandwidth_hz is not None and self._bandwidth_hz < self._rate_hz / 2:
                coder["cutoff"] = str(round(self._bandwidth_hz))
            self._stream = self._container.add_stream("aac", rate=self._rate_hz, options=coder)
            self._stream.layout = "mono"
            self._stream.bit_rate = self._bitrate_kbps * 1000
            self._stream.codec_context.flags |= Flags.bitexact
            self._container.set_chapters(
                [
                    {
                        "id": number,
                        "start": round(mark.start_s * 1000),
                        "end": round(mark.end_s * 1000),
                        "time_base": Fraction(1, 1000),
                        # A chapter's title has one byte for its length, and FFmpeg cuts through characters.
                        "metadata": {"title": mark.title.encode()[:255].decode(errors="ignore")},
                    }
                    for number, mark in enumerate(self._chapters, 1)
                ]
            )
        return self

    def write(self, block: Pcm) -> None:
        if block.size:
            with self._writing():
                self._encode(np.clip(block, -1, 1).astype(np.float32, copy=False))

    def _encode(self, pcm: Pcm) -> None:
        frame = av.AudioFrame.from_ndarray(pcm[None], format="fltp", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.time_base = Fraction(1, self._rate_hz)
        frame.pts = self._samples
        self._samples += pcm.size
        self._container.mux(self._stream.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            # The file is given up: a second failure on closing it would only hide the first.
            with contextlib.suppress(av.error.FFmpegError):
                self._container.close()
            return
        with self._writing(), self._container:
            if not self._samples:
                raise ValueError(f"{self._path}: no audio was written")
            self._container.mux(self._stream.encode(None))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise what fails as `OSError`, and again at every later call: FFmpeg crashes where it is to go on."""
        if self._failure is not None:
            raise self._failure
        try:
            with _os_errors(self._path):
                yield
        except OSError as error:
            self._failure = error
            raise


class _SoundFileWriter:
    """24-bit WAV, RF64 or FLAC through libsndfile."""

    def __init__(self, path: Path, sample_rate_hz: int, kind: str) -> None:
        self._path = path
        self._rate_hz = sample_rate_hz
        self._kind = kind

    def __enter__(self) -> Self:
        self._sink = _Sink(self._path, "w+")
        try:
            self._file = soundfile.SoundFile(
                self._sink, "w", self._rate_hz, channels=1, format=self._kind, subtype="PCM_24"
            )
        except soundfile.LibsndfileError as error:
            self._sink.close()
            raise self._sink.error or error from None
        return self

    def write(self, block: Pcm) -> None:
        with self._failures():
            self._file.write(np.clip(block, -1, 1))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._sink:
            if kind is None:
                with self._failures():
                    self._file.close()
            else:
                with contextlib.suppress(Exception):  # the first failure is the one to tell
                    self._file.close()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise the operating system's own error in place of what libsndfile makes of it."""
        try:
            yield
        except Exception:
            if self._sink.error is None:
                raise
        if self._sink.error is not None:
            raise self._sink.error


class _Sink(io.FileIO):
    """A file for libsndfile that keeps the error of a failed write, which cannot cross the C library."""

    error: OSError | None = None

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        done = 0
        try:
            while done < len(view):
                done += super().write(view[done:]) or 0
        except OSError as error:
            self.error = self.error or error
        return done


@contextlib.contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    """Turn what FFmpeg raises into a plain `OSError` with errno and file name."""
    try:
        yield
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise OSError(errno.EIO, str(error), os.fspath(path)) from error


def probe(path: Path) -> Probe:
    """Read a sound file's header. Raises `OSError`, or `ValueError` when it is no sound that can be read."""
    with readable(path):
        if _for_soundfile(path):
            with soundfile.SoundFile(path) as file:
                duration_s = file.frames / file.samplerate
                bits = path.stat().st_size * 8
                return Probe(
                    sample_rate_hz=file.samplerate,
                    channels=file.channels,
                    codec="flac" if file.format == "FLAC" else file.subtype.lower(),
                    bitrate_kbps=round(bits / duration_s / 1000) if duration_s else 0,
                    duration_s=duration_s,
                    frames=file.frames,
                )
        with open_container(path) as container:
            stream = _audio_stream(path, container)
            frames = _frames(container, stream)
            rough_s = (container.duration or 0) / av.time_base
            return Probe(
                sample_rate_hz=stream.rate,
                channels=stream.channels,
                codec=stream.codec_context.name,
                bitrate_kbps=round((stream.bit_rate or container.bit_rate or 0) / 1000),
                duration_s=rough_s if frames is None else frames / stream.rate,
                frames=frames,
            )


def decode(path: Path) -> Iterator[Pcm]:
    """Give the file's samples as mono blocks [T], T = 65,536 but for the last, at the file's own sample rate.

    Channels are averaged. Encoder delay is taken off, so that a sample stands where it stood in what was
    encoded. Raises as `probe`.
    """
    return map(_mixed, decode_channels(path))


def decode_channels(path: Path) -> Iterator[NDArray[np.float32]]:
    """The same with every channel, as blocks `[channels, T]`."""
    with readable(path):
        if _for_soundfile(path) or is_mp3(path):  # libsndfile's MP3 decoder works in blocks, PyAV's in small frames
            with soundfile.SoundFile(path) as file:
                for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
                    yield block.T
            return
        with open_container(path) as container:
            stream = _audio_stream(path, container)
            yield from _first(_frames(container, stream), _decoded(container, stream))


def _decoded(container: av.container.InputContainer, stream: av.audio.AudioStream) -> Iterator[NDArray[np.float32]]:
    """The sound in blocks. FFmpeg's queue regroups the small frames, which in Python takes as long as decoding."""
    to_float = av.AudioResampler(format="fltp")
    queue = av.AudioFifo()
    for frame in container.decode(stream):
        for part in [frame] if frame.format.name == "fltp" else to_float.resample(frame):
            part.pts = None  # the queue refuses gaps, and an edit list makes one
            queue.write(part)
        if queue.samples >= BLOCK:
            yield _channels(queue.read(BLOCK))
    yield _channels(queue.read())


def _channels(frame: av.AudioFrame | None) -> NDArray[np.float32]:
    return np.zeros((1, 0), np.float32) if frame is None else frame.to_ndarray().astype(np.float32, copy=False)


def _mixed(samples: NDArray[np.float32]) -> Pcm:
    """The mean of all channels, `[channels, T]` -> `[T]`."""
    mono: Pcm = samples[0] if len(samples) == 1 else samples.mean(axis=0, dtype=np.float32)
    return mono


def _first(frames: int | None, blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The first `frames` samples: the last AAC frame outlasts the sound."""
    left = frames
    for whole in blocks:
        block = whole if left is None else whole[:, :left]
        left = None if left is None else left - block.shape[1]
        if block.size:
            yield block


def open_container(path: Path) -> av.container.InputContainer:
    """A file as FFmpeg reads it. `file:` keeps a name such as `concat:…` from being an address."""
    return av.open(f"file:{os.fspath(path)}", options=_NO_PLAYLISTS)


def _audio_stream(path: Path, container: av.container.InputContainer) -> av.audio.AudioStream:
    if not container.streams.audio:
        raise ValueError(f"{path}: there is no sound in this file")
    return container.streams.audio[0]


def _frames(container: av.container.InputContainer, stream: av.audio.AudioStream) -> int | None:
    """The exact length in samples, which only MPEG-4 files state; elsewhere the duration may be a guess."""
    if "mp4" not in container.format.name or stream.duration is None or stream.time_base is None:
        return None
    return round(stream.duration * stream.time_base * stream.rate)


def is_mp3(path: Path) -> bool:
    """Whether the file begins with an ID3 tag or with the sync bits of a frame."""
    with open_regular(path) as file:
        head = file.read(3)
    return head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def _for_soundfile(path: Path) -> bool:
    """Whether the file is WAV, RF64 or FLAC, by its first bytes: a name may lie."""
    with open_regular(path) as file:
        return file.read(4) in (b"RIFF", b"RF64", b"fLaC")


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the libraries raise for a file they cannot read into the system's `OSError`, or else `ValueError`."""
    try:
        yield
    except (soundfile.LibsndfileError, av.error.FFmpegError) as error:
        if (failure := read_failure(path)) is not None:
            raise failure from error
        raise ValueError(f"{path}: not sound that can be read ({error})") from error
