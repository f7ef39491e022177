"""Tags and chapter marks are read back through FFmpeg and mutagen, and the sound stays as it was."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import av
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import numpy as np
import pytest
from PIL import Image

from pipeline.audio import ChapterMark, Format
from pipeline.audio.codecs import decode, open_writer
from pipeline.deliver.tags import Tags, language_code, read_cover, tag_flac, tag_m4b, tag_mp3, tag_wav
from pipeline.errors import RequestError

FORMATS: list[Format] = ["mp3", "m4b", "wav", "flac"]
SECONDS = 10


def picture(kind: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
    pixels = np.random.default_rng(5).integers(0, 255, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


TAGS = Tags(
    title="Kapitel 1 – Ünï 漢字 🎧",
    album="Das Buch",
    artist="Ann Author",
    narrator="Nina Narr",
    genre="Fantasy",
    year=2021,
    track=3,
    tracks=12,
    season=2,
    episode=3,
    series="Saga",
    part="2.5",
    description="First line.\nSecond line — “quoted”.",
    language="de-AT",
    cover=picture(),
    cover_mime="image/jpeg",
)
BARE = Tags("T", "", "", "", "", None, 0, 0, 0, None, "", "", "", "", None, "")


def marks(count: int) -> list[ChapterMark]:
    """Titles of very different length, so that an order by size would show."""
    step_s = SECONDS / count
    return [ChapterMark("ü漢🎧" * (n * 7 % 5) + f" {n}", n * step_s, (n + 1) * step_s) for n in range(count)]


def sound(path: Path, format: Format, chapters: list[ChapterMark]) -> Path:
    noise = np.random.default_rng(3).standard_normal(24000 * SECONDS).astype(np.float32) * np.float32(0.1)
    with open_writer(path, format, 24000, 64, chapters=chapters) as writer:
        writer.write(noise)
    return path


def tag(path: Path, format: Format, tags: Tags, chapters: list[ChapterMark]) -> None:
    if format == "mp3":
        tag_mp3(path, tags, chapters)
    elif format == "flac":
        tag_flac(path, tags, chapters)
    elif format == "m4b":
        tag_m4b(path, tags)
    else:
        tag_wav(path, tags)


def read(path: Path) -> tuple[dict[str, str], list[tuple[float, str]], int]:
    """What ffprobe would show: tags by lower-case name, chapters as (start, title), number of pictures."""
    with av.open(str(path)) as container:
        tags = {name.lower(): text for name, text in container.metadata.items()}
        chapters = [
            (float(mark["start"] * (mark["time_base"] or 0)), mark["metadata"].get("title", ""))
            for mark in container.chapters()
        ]
        return tags, chapters, len(container.streams.video)


@pytest.mark.parametrize("format", FORMATS)
def test_tags_read_back(tmp_path: Path, format: Format) -> None:
    """Every tag is seen by FFmpeg under the name players know, and the cover is there."""
    path = sound(tmp_path / f"a.{format}", format, [])
    before = np.concatenate(list(decode(path)))
    tag(path, format, TAGS, [])
    found, _, pictures = read(path)
    wanted = {
        "title": TAGS.title,
        "album": "Das Buch",
        "artist": "Ann Author",
        "album_artist": "Ann Author",
        "composer": "Nina Narr",
        "genre": "Fantasy",
        "date": "2021",
        "series": "Saga",
        "series-part": "2.5",
        "comment": TAGS.description,
        "language": "deu",
        "disc": "2",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["track"] == ("3" if format == "flac" else "3/12")
    assert pictures == 1
    assert np.array_equal(np.concatenate(list(decode(path))), before)


@pytest.mark.parametrize("count", [1, 12, 300])
@pytest.mark.parametrize("format", ["mp3", "m4b", "flac"])
def test_chapters_read_back(tmp_path: Path, format: Format, count: int) -> None:
    """Marks come back in order of time with their titles, also beyond 255 of them."""
    chapters = marks(count)
    path = sound(tmp_path / f"a.{format}", format, chapters)
    tag(path, format, TAGS, chapters)
    found = read(path)[1]
    assert [title for _, title in found] == [mark.title for mark in chapters]
    assert [start for start, _ in found] == pytest.approx([mark.start_s for mark in chapters], abs=0.001)


@pytest.mark.parametrize("format", FORMATS)
def test_tagging_repeats_to_the_byte(tmp_path: Path, format: Format) -> None:
    """Tags replace what was there, and the same tags give the same bytes."""
    chapters = marks(5)
    path = sound(tmp_path / f"a.{format}", format, chapters)
    tag(path, format, TAGS, chapters)
    first = path.read_bytes()
    tag(path, format, replace(TAGS, title="Another, longer title", cover=picture(size=(200, 200))), [])
    assert path.read_bytes() != first
    tag(path, format, TAGS, chapters)
    assert path.read_bytes() == first


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_empty_is_left_out(tmp_path: Path, format: Format) -> None:
    """A file without author, year or number says nothing of them."""
    path = sound(tmp_path / f"a.{format}", format, [])
    tag(path, format, BARE, [])
    found, chapters, pictures = read(path)
    assert found["title"] == "T"
    assert not {"artist", "album", "date", "track", "genre", "series", "comment", "language"} & set(found)
    assert not chapters
    assert not pictures


def test_mp3_frames(tmp_path: Path) -> None:
    """The tag is ID3v2.3 with a year of that version, and its table of contents names every chapter."""
    path = sound(tmp_path / "a.mp3", "mp3", [])
    tag_mp3(path, TAGS, marks(300))
    assert path.read_bytes()[:5] == b"ID3\x03\x00"
    tags = mutagen.id3.ID3(path, translate=False)  # type: ignore[no-untyped-call]
    assert str(tags["TYER"]) == "2021"
    assert str(tags["TLAN"]) == "deu"
    assert tags["APIC:"].data == TAGS.cover
    top = tags["CTOC:toc"]
    assert int(top.flags) == 3
    named = [name for part in top.child_element_ids for name in tags[f"CTOC:{part}"].child_element_ids]
    assert named == [f"chp{n:05d}" for n in range(300)]
    first = tags["CHAP:chp00000"]
    assert (first.start_time, first.start_offset, first.end_offset) == (0, 0xFFFFFFFF, 0xFFFFFFFF)


def test_mp3_with_few_chapters_has_one_table(tmp_path: Path) -> None:
    """Up to 255 chapters hang directly under the top table."""
    path = sound(tmp_path / "a.mp3", "mp3", [])
    tag_mp3(path, BARE, marks(255))
    tags = mutagen.id3.ID3(path)  # type: ignore[no-untyped-call]
    assert [name for name in tags if name.startswith("CTOC")] == ["CTOC:toc"]
    assert len(tags["CTOC:toc"].child_element_ids) == 255
    tag_mp3(path, BARE, [])
    assert "CTOC:toc" not in mutagen.id3.ID3(path)  # type: ignore[no-untyped-call]


def test_m4b_keeps_its_shape(tmp_path: Path) -> None:
    """The index stays before the sound, and the file says that it is an audiobook."""
    path = sound(tmp_path / "a.m4b", "m4b", marks(4))
    tag_m4b(path, replace(TAGS, cover=picture("PNG", (300, 300)), cover_mime="image/png"))
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    tags = mutagen.mp4.MP4(path).tags  # type: ignore[no-untyped-call]
    assert tags is not None
    assert tags["stik"] == [2]
    assert tags["covr"][0].imageformat == mutagen.mp4.MP4Cover.FORMAT_PNG


def test_season_and_episode(tmp_path: Path) -> None:
    """They stand where players of podcasts look for them."""
    for format in FORMATS:
        tag(sound(tmp_path / f"a.{format}", format, []), format, TAGS, [])
    of_mp3 = mutagen.id3.ID3(tmp_path / "a.mp3")  # type: ignore[no-untyped-call]
    assert [str(of_mp3[f"TXXX:{name}"]) for name in ("SEASON", "EPISODE")] == ["2", "3"]
    of_m4b = mutagen.mp4.MP4(tmp_path / "a.m4b").tags  # type: ignore[no-untyped-call]
    assert of_m4b is not None
    assert [of_m4b[name] for name in ("tvsn", "tves", "disk")] == [[2], [3], [(2, 0)]]
    of_flac = mutagen.flac.FLAC(tmp_path / "a.flac")
    assert [of_flac[name] for name in ("season", "episode")] == [["2"], ["3"]]


def test_flac_picture_states_its_size(tmp_path: Path) -> None:
    """The FLAC picture block carries width, height and depth."""
    path = sound(tmp_path / "a.flac", "flac", [])
    tag_flac(path, TAGS, [])
    (found,) = mutagen.flac.FLAC(path).pictures  # type: ignore[no-untyped-call]
    assert (found.width, found.height, found.depth, found.data) == (64, 48, 24, TAGS.cover)


def test_rf64_is_left_alone(tmp_path: Path) -> None:
    """A WAV beyond 4 GiB has no place for tags and is not touched."""
    path = tmp_path / "a.wav"
    with open_writer(path, "wav", 44100, 0, frames=2**31) as writer:
        writer.write(np.zeros(100, np.float32))
    before = path.read_bytes()
    tag_wav(path, TAGS)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("language", "code"),
    [("en", "eng"), ("de-AT", "deu"), ("EN_us", "eng"), ("fra", "fra"), ("x-q", ""), ("", "")],
)
def test_language_codes(language: str, code: str) -> None:
    """Common two-letter codes become those of ISO 639-2, and nothing is made up."""
    assert language_code(language) == code


@pytest.mark.parametrize(("kind", "mime"), [("JPEG", "image/jpeg"), ("PNG", "image/png")])
def test_a_cover_is_read_as_it_is(tmp_path: Path, kind: str, mime: str) -> None:
    """JPEG and PNG come back byte for byte with type and size, whatever the file's name."""
    path = tmp_path / "cover.img"
    path.write_bytes(picture(kind))
    assert read_cover(path, "cover.img") == (picture(kind), mime, (64, 48))


def test_a_cover_for_the_press_gets_the_colours_of_screens(tmp_path: Path) -> None:
    """Many players show CMYK as a negative, or not at all; with a profile of it or without."""
    path, red = tmp_path / "cover.jpg", (0, 255, 255, 0)  # of cyan, magenta, yellow, black
    for profile in (None, b"", b"no profile at all"):
        Image.new("CMYK", (64, 48), red).save(path, "JPEG", icc_profile=profile)
        data, mime, size = read_cover(path, "cover.jpg")
        with Image.open(io.BytesIO(data)) as image:
            shown = image.convert("RGB").getpixel((32, 24))
            assert (image.mode, image.size, "icc_profile" in image.info) == ("RGB", (64, 48), False)
        assert (mime, size) == ("image/jpeg", (64, 48))
        assert shown == pytest.approx((255, 0, 0), abs=4)
        assert read_cover(path, "cover.jpg")[0] == data


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_cut_cover_is_refused(tmp_path: Path, kind: str) -> None:
    """A file that ends early is refused, though its header is whole."""
    path = tmp_path / "cover"
    path.write_bytes(picture(kind, (300, 300))[:-2000])
    with pytest.raises(RequestError, match=r"book\.yaml:3: the cover is a broken picture"):
        read_cover(path, "book.yaml:3")


def test_other_covers_are_refused(tmp_path: Path) -> None:
    """Other formats, empty, missing, too large and too many pixels: each is told with what to do next."""
    path = tmp_path / "cover"
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    huge = io.BytesIO()
    Image.new("1", (20000, 20000)).save(huge, "PNG")
    cases = (
        (picture("WEBP"), "neither JPEG nor PNG"),
        (picture("GIF"), "neither JPEG nor PNG"),
        (b"", "neither JPEG nor PNG"),
        (bomb.getvalue(), "9000 x 9000 pixels"),
        (huge.getvalue(), "pixels"),
        (b"\xff\xd8\xff" + bytes(17 * 2**20), "larger than 16 MiB"),
    )
    for data, problem in cases:
        path.write_bytes(data)
        with pytest.raises(RequestError, match=problem) as caught:
            read_cover(path, "cover")
        assert caught.value.problems[0].next
    with pytest.raises(RequestError, match="cannot be read"):
        read_cover(tmp_path / "none", "none")
