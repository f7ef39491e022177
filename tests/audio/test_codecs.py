"""Every format gives back what went in, each sample at its place, and says how long it is."""

from __future__ import annotations

import contextlib
import errno
import resource
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from pipeline.audio import Format
from pipeline.audio.codecs import open_writer, probe
from tests.support.sounds import impulse, load, save

FORMATS: list[Format] = ["mp3", "m4b", "wav", "flac"]
RATES = [22050, 24000, 32000, 44100, 48000]
Pcm = npt.NDArray[np.float32]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("format", FORMATS)
def test_samples_keep_their_places(tmp_path: Path, format: Format, rate: int) -> None:
    """Length is exact to the sample and a click stands where it stood, at every rate."""
    pcm = impulse(2 * rate + 777, rate + 5)
    path = save(tmp_path / "sound", format, pcm, rate=rate)
    back = load(path)
    assert back.size == pcm.size
    assert abs(int(np.argmax(np.abs(back))) - (rate + 5)) <= 1
    info = probe(path)
    assert (info.sample_rate_hz, info.channels) == (rate, 1)
    assert info.duration_s == pytest.approx(pcm.size / rate, abs=1e-6)
    assert info.frames == (None if format == "mp3" else pcm.size)


@pytest.mark.parametrize("format", FORMATS)
def test_the_sound_comes_back(tmp_path: Path, format: Format) -> None:
    """What is decoded is what was written, clipped: to 24 bits, or within a lossy coder's error."""
    tone = np.sin(2 * np.pi * 440 * np.arange(44100 * 3) / 44100).astype(np.float32)
    for peak in (0.5, 1.5):
        wanted = np.clip(peak * tone, -1, 1)
        error = load(save(tmp_path / "sound", format, peak * tone)) - wanted
        if format in ("wav", "flac"):
            assert np.abs(error).max() <= 2.0**-23
        else:
            assert np.sqrt(np.mean(error**2)) <= (0.02 if peak < 1 else 0.1)


@pytest.mark.parametrize("format", FORMATS)
def test_same_input_same_bytes(tmp_path: Path, format: Format) -> None:
    """A second run gives the same file, however the sound was cut into blocks."""
    pcm = impulse(100_000, 5)
    first = save(tmp_path / "a", format, pcm, chapters=3)
    second = save(tmp_path / "b", format, pcm, chapters=3, step=4096)
    assert first.read_bytes() == second.read_bytes()


def test_m4b_has_more_chapters_than_nero_allows(tmp_path: Path) -> None:
    """300 chapter marks come back, and the index stands before the sound."""
    path = save(tmp_path / "book.m4b", "m4b", impulse(44100 * 75, 5), chapters=300)
    with av.open(str(path)) as container:
        marks = container.chapters()
    assert [mark["metadata"]["title"] for mark in marks] == [f"Kapitel {n} é" for n in range(300)]
    starts = [float(mark["start"] * (mark["time_base"] or 0)) for mark in marks]
    assert starts == pytest.approx([n * 0.25 for n in range(300)], abs=0.001)
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert b"chpl" not in data  # its list would end at 255, and players that read it would know no others
    assert b"chpl\x01" in save(tmp_path / "short.m4b", "m4b", impulse(44100 * 75, 5), chapters=255).read_bytes()


def test_a_wav_over_4_gib_becomes_rf64(tmp_path: Path) -> None:
    """The header follows from the expected length, so nothing that large needs to be written here."""
    path = tmp_path / "sound.wav"
    for frames, head in ((2**31, b"RF64"), (2**30, b"RIFF"), (None, b"RIFF")):
        with open_writer(path, "wav", 44100, 0, frames=frames) as writer:
            writer.write(impulse(500, 5))
        assert path.read_bytes()[:4] == head
        assert load(path).size == 500


def test_stereo_is_averaged(tmp_path: Path) -> None:
    """Two channels become their mean, from libsndfile and from FFmpeg."""
    both = np.stack([np.full(5000, 0.5), np.full(5000, 0.1)], axis=1).astype(np.float32)
    for name, kind, subtype in (("a.wav", "WAV", "PCM_16"), ("a.ogg", "OGG", "VORBIS")):
        soundfile.write(tmp_path / name, both, 22050, format=kind, subtype=subtype)
        assert np.median(load(tmp_path / name)) == pytest.approx(0.3, abs=0.02)
        assert probe(tmp_path / name).channels == 2


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: what can be had of a full disk without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("format", FORMATS)
def test_a_failed_write_is_an_oserror(tmp_path: Path, format: Format) -> None:
    """Wherever the disk fills up, at the first byte or the last, an `OSError` with errno comes out."""
    pcm = impulse(200_000, 5)
    size = save(tmp_path / "sound", format, pcm, chapters=2).stat().st_size
    for limit in (0, 100, size // 3, size // 2, size - 1000, size - 1):
        with file_size_limit(limit), pytest.raises(OSError, match="large") as caught:
            save(tmp_path / "short", format, pcm, chapters=2)
        assert caught.value.errno == errno.EFBIG


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_folder_is_an_oserror(tmp_path: Path, format: Format) -> None:
    """A file that cannot be opened is reported by the system's own error."""
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "none" / "sound", format, impulse(5000, 5))


@pytest.mark.parametrize("format", FORMATS)
def test_the_callers_failure_is_the_one_that_leaves(tmp_path: Path, format: Format) -> None:
    """An exception inside the block comes through as it is."""
    with pytest.raises(KeyError), open_writer(tmp_path / "sound", format, 44100, 96) as writer:
        writer.write(impulse(5000, 5))
        raise KeyError


@pytest.mark.parametrize("format", ["mp3", "m4b"])
def test_an_empty_file_is_refused(tmp_path: Path, format: Format) -> None:
    """A coded file without a sample is a mistake of the caller."""
    with pytest.raises(ValueError, match="no audio"):
        save(tmp_path / "sound", format, impulse(2, 1)[:0])


def test_what_is_no_sound_is_a_valueerror(tmp_path: Path) -> None:
    """Text, a broken WAV and a file without sound are told apart from a missing file."""
    path = tmp_path / "text.mp3"
    for data in (b"", b"Hello, this is text. " * 50, b"RIFF\0\0\0\0WAVE", b"fLaC"):
        path.write_bytes(data)
        for read in (probe, load):
            with pytest.raises(ValueError, match="text"):
                read(path)
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "none.mp3")
