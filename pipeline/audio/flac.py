"""24-bit mono FLAC: how takes and chapters lie on disk."""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from pipeline.audio import Pcm
from pipeline.files import read_failure, storage_errors

_STEPS = 2**23  # from silence to full scale, in 24 bits
_BLOCK = 1 << 16


def quantize(pcm: Pcm) -> NDArray[np.int32]:
    """`pcm` as 24-bit integers in the upper bytes of 32, which is how soundfile takes them."""
    scaled = pcm * np.float32(_STEPS)  # a power of two: exact, as all that follows is in 24 bits of mantissa
    np.rint(scaled, out=scaled)
    np.clip(scaled, -_STEPS, _STEPS - 1, out=scaled)
    return scaled.astype(np.int32) << 8


def encode(samples: NDArray[np.int32], sample_rate_hz: int) -> bytes:
    """A FLAC file in memory, of what `quantize` gave."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate_hz, format="FLAC", subtype="PCM_24")
    return buffer.getvalue()


def pcm_hash(samples: NDArray[np.int32]) -> str:
    """SHA-256 of the samples as they are stored."""
    return hashlib.sha256(samples.astype("<i4", copy=False).tobytes()).hexdigest()


def read(path: Path) -> Pcm:
    """All samples `[T]`, full scale 1.0. Raises `StorageError` where they cannot be read."""
    return np.concatenate([np.zeros(0, np.float32), *read_blocks(path)])


def read_blocks(path: Path) -> Iterator[Pcm]:
    """The samples in blocks of about a second and a half. Raises `StorageError` where they cannot be read."""
    with storage_errors(path), _reading(path), soundfile.SoundFile(path) as file:
        for start in range(0, file.frames, _BLOCK):
            block = file.read(_BLOCK, dtype="float32")
            if len(block) < min(_BLOCK, file.frames - start):  # libsndfile takes a failed read for the end
                raise _disk_error(path)
            yield block


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise _disk_error(path) from error


def _disk_error(path: Path) -> OSError:
    """The system's own error; a file of ours that it reads without one is damaged, for which the disk answers."""
    return read_failure(path) or OSError(errno.EIO, "cannot be read", str(path))


class FlacWriter:
    """Streams blocks into a FLAC file. Raises `OSError` where the disk does not take them."""

    def __init__(self, path: Path, sample_rate_hz: int) -> None:
        self._path = path
        path.touch()  # where that is refused, the operating system's reason is better than libsndfile's
        self._file = soundfile.SoundFile(path, "w", sample_rate_hz, 1, format="FLAC", subtype="PCM_24")
        self._digest = hashlib.sha256()
        self.frames = 0

    @property
    def pcm_sha256(self) -> str:
        """Of all samples so far, as `pcm_hash` has it."""
        return self._digest.hexdigest()

    def write(self, pcm: Pcm) -> None:
        """Append `pcm` `[T]`."""
        samples = quantize(pcm)
        self._digest.update(samples.astype("<i4", copy=False).tobytes())
        try:
            self._file.write(samples)
        except soundfile.LibsndfileError as error:
            raise self._disk_error() from error
        self.frames += len(pcm)

    def close(self) -> None:
        """Finish the file and check its length: libsndfile is silent about a full disk."""
        try:
            self._file.close()
            if self.frames and soundfile.info(self._path).frames != self.frames:
                raise self._disk_error()
        except soundfile.LibsndfileError as error:
            raise self._disk_error() from error

    def _disk_error(self) -> OSError:
        full = shutil.disk_usage(self._path.parent).free < 1 << 20
        return OSError(errno.ENOSPC if full else errno.EIO, "could not be written", str(self._path))
