"""Tags, covers and chapters are read from files of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from pipeline.audio import ChapterMark, Format
from pipeline.audio.codecs import decode_channels, probe
from pipeline.audio.contents import codec_of, read_contents
from pipeline.deliver.tags import Tags, tag_flac, tag_m4b, tag_mp3, tag_wav
from tests.support.sounds import impulse, save
from tests.support.wrong_requests import png

TAGS = Tags(
    "One", "A book", "Ann", "Bob", "Audiobook", 1999, 1, 2, 0, None, "", "", "Long.", "en", png(70, 60), "image/png"
)
MARKS = [ChapterMark("A", 0, 1), ChapterMark("B", 1, 2)]


@pytest.mark.parametrize(
    ("format", "codec", "chapters"), [("mp3", "mp3", 2), ("m4b", "aac", 2), ("wav", "pcm", 0), ("flac", "flac", 2)]
)
def test_what_was_written_is_read(tmp_path: Path, format: Format, codec: str, chapters: int) -> None:
    path = save(tmp_path / f"a.{format}", format, impulse(88_200, 5), chapters=2)
    if format == "mp3":
        tag_mp3(path, TAGS, MARKS)
    elif format == "m4b":
        tag_m4b(path, TAGS)
    elif format == "flac":
        tag_flac(path, TAGS, MARKS)
    else:
        tag_wav(path, TAGS)
    sound = probe(path)
    contents = read_contents(path, sound)
    assert codec_of(sound) == codec
    wanted = {"title": "One", "album": "A book", "artist": "Ann", "composer": "Bob", "date": "1999"}
    assert {name: contents.tags.get(name) for name in wanted} == wanted
    assert (contents.cover, contents.chapters, contents.missing_s) == ((70, 60), chapters, 0)
    assert contents.mode == ("constant" if format in ("mp3", "wav") else "variable")


def test_a_broken_cover_is_no_cover_of_a_size(tmp_path: Path) -> None:
    path = save(tmp_path / "a.flac", "flac", impulse(4410, 5))
    tag_flac(path, TAGS, ())
    path.write_bytes(path.read_bytes().replace(TAGS.cover or b"", b"\x89PNG" + b"x" * (len(TAGS.cover or b"") - 4)))
    assert read_contents(path, probe(path)).cover == (0, 0)


def test_the_rest_of_a_wav_is_missed(tmp_path: Path) -> None:
    """Its readers take what is there for all of it."""
    path = save(tmp_path / "a.wav", "wav", impulse(88_200, 5))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert read_contents(path, probe(path)).missing_s == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["concat:a|b.m4b", "pipe:", "http:x", "-", "a\nb\udcff.m4b", "%d.m4b"])
def test_a_name_is_never_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """FFmpeg would read others, or the network, where it is given a name as it stands."""
    monkeypatch.chdir(tmp_path)
    save(Path(name), "m4b", impulse(44_100, 5))
    sound = probe(Path(name))
    assert sum(block.shape[1] for block in decode_channels(Path(name))) == 44_100
    assert read_contents(Path(name), sound).chapters == 0


def test_ogg_has_its_tags_beside_its_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    with soundfile.SoundFile(path, "w", 44_100, 2, format="OGG", subtype="VORBIS") as file:
        file.title = "One"
        file.write(impulse(88_200, 5).reshape(-1, 2))
    sound = probe(path)
    assert (codec_of(sound), read_contents(path, sound).tags["title"]) == ("vorbis", "One")
