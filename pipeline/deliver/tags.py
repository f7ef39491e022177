"""Names, numbers, cover and chapter marks into a finished sound file.

What players and libraries expect (Audiobookshelf, mp3tag, Apple): album is the book's title or the podcast's show,
artist and album artist the author, composer the narrator, disc a podcast's season. A finished file comes in and is
changed in place; the same tags give the same bytes. The marks of an m4b are not here: its container holds them from
the start.

The writers raise `OSError`, or mutagen's `MutagenError` for a file that is not what its name says.
"""

# mutagen is typed in part only, so calls into it cannot be checked.
# mypy: allow-untyped-calls

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutagen import id3
from mutagen.flac import FLAC, Picture
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm
from mutagen.wave import WAVE
from PIL import Image, ImageCms

from pipeline.audio import ChapterMark
from pipeline.errors import Problem, RequestError
from pipeline.files import open_regular
from pipeline.source.languages import LANGUAGES
from pipeline.words import timestamp

UTF16 = id3.Encoding.UTF16  # the only Unicode of ID3v2.3
FRONT_COVER = 3  # picture type in ID3 and FLAC
AUDIOBOOK = 2  # "stik" of iTunes: what kind of thing the file is
NO_OFFSET = 0xFFFFFFFF  # in CHAP: the mark is given by time, not by byte
MAX_CHILDREN = 255  # in one CTOC
ITUNES = "----:com.apple.iTunes:"
MAX_COVER_BYTES = 16 * 2**20
MAX_COVER_PIXELS = 50_000_000
_OTHER_COVER = "Give a JPEG or PNG file, at least 2400 pixels square for most shops."


@dataclass(frozen=True)
class Tags:
    """What one file says of itself. Empty texts, `year` None and `track` 0 are left out of the file."""

    title: str
    album: str
    artist: str  # the author
    narrator: str  # who reads it
    genre: str
    year: int | None
    track: int
    tracks: int
    season: int  # of a podcast; 0: none
    episode: int | None
    series: str
    part: str  # the volume's number in its series
    description: str
    language: str  # such as "en" or "en-GB"
    cover: bytes | None
    cover_mime: str


def tag_mp3(path: Path, tags: Tags, chapters: Sequence[ChapterMark]) -> None:
    """Write ID3v2.3, with a CHAP frame for each of `chapters` and one CTOC."""
    frames = id3.ID3()
    for frame in (*_id3_frames(tags), *_chapter_frames(chapters)):
        frames.add(frame)
    frames.save(path, v1=0, v2_version=3, padding=_no_padding)
    if chapters:
        _put_chapters_in_order(path)


def tag_wav(path: Path, tags: Tags) -> None:
    """Add an ID3v2.3 chunk. RF64, which the tag library does not know, is left as it is."""
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return
    wave: Any = WAVE(path)
    if wave.tags is None:
        wave.add_tags()
    wave.tags.clear()
    for frame in _id3_frames(tags):
        wave.tags.add(frame)
    wave.save(v2_version=3, padding=_no_padding)


def tag_m4b(path: Path, tags: Tags) -> None:
    """Write iTunes tags. The chapter track stays, and so does the index before the sound."""
    file: Any = MP4(path)
    if file.tags is None:
        file.add_tags()
    file.tags.clear()
    texts = {
        "\xa9nam": tags.title,
        "\xa9alb": tags.album,
        "\xa9ART": tags.artist,
        "aART": tags.artist,
        "\xa9wrt": tags.narrator,
        "\xa9gen": tags.genre,
        "\xa9day": str(tags.year or ""),
        # Players look for a description under any of the three.
        "desc": tags.description,
        "ldes": tags.description,
        "\xa9cmt": tags.description,
    }
    free = {"SERIES": tags.series, "SERIES-PART": tags.part, "LANGUAGE": language_code(tags.language)}
    file.tags.update({name: [text] for name, text in texts.items() if text})
    file.tags.update({ITUNES + name: [MP4FreeForm(text.encode())] for name, text in free.items() if text})
    file.tags["stik"] = [AUDIOBOOK]
    if tags.track:
        file.tags["trkn"] = [(tags.track, tags.tracks)]
    if tags.season:
        file.tags["disk"] = [(tags.season, 0)]
        file.tags["tvsn"] = [tags.season]
    if tags.episode is not None:
        file.tags["tves"] = [tags.episode]
    if tags.cover:
        png = tags.cover_mime == "image/png"
        kind = MP4Cover.FORMAT_PNG if png else MP4Cover.FORMAT_JPEG
        file.tags["covr"] = [MP4Cover(tags.cover, imageformat=kind)]
    file.save(padding=_no_padding)


def tag_flac(path: Path, tags: Tags, chapters: Sequence[ChapterMark]) -> None:
    """Write Vorbis comments, the chapters among them as CHAPTERxxx and CHAPTERxxxNAME, and the cover."""
    file: Any = FLAC(path)
    if file.tags is None:
        file.add_tags()
    texts = {
        "TITLE": tags.title,
        "ALBUM": tags.album,
        "ARTIST": tags.artist,
        "ALBUMARTIST": tags.artist,
        "COMPOSER": tags.narrator,
        "GENRE": tags.genre,
        "DATE": str(tags.year or ""),
        "TRACKNUMBER": str(tags.track or ""),
        "TRACKTOTAL": str(tags.tracks or ""),
        "DISCNUMBER": str(tags.season or ""),
        "SEASON": str(tags.season or ""),
        "EPISODE": "" if tags.episode is None else str(tags.episode),
        "SERIES": tags.series,
        "SERIES-PART": tags.part,
        "DESCRIPTION": tags.description,
        "LANGUAGE": language_code(tags.language),
    }
    for number, mark in enumerate(chapters, 1):
        texts[f"CHAPTER{number:03d}"] = timestamp(round(mark.start_s * 1000))
        texts[f"CHAPTER{number:03d}NAME"] = mark.title
    file.tags.clear()
    file.tags.extend((name, text) for name, text in texts.items() if text)
    file.clear_pictures()
    if tags.cover:
        picture = Picture()
        picture.type, picture.mime, picture.data = FRONT_COVER, tags.cover_mime, tags.cover
        with Image.open(io.BytesIO(tags.cover)) as image:
            picture.width, picture.height = image.size
            picture.depth = 8 * len(image.getbands())
        file.add_picture(picture)
    file.save(padding=_no_padding)


def read_cover(path: Path, shown: str) -> tuple[bytes, str, tuple[int, int]]:
    """Read a JPEG or PNG: its bytes, its MIME type, and (width, height) in pixels.

    The bytes are as they are, but for a JPEG in CMYK, which becomes one in RGB. The picture is decoded to the end: a
    broken one shows only in players. `shown` is the file's name in messages. Raises `RequestError`.
    """
    try:
        with open_regular(path) as file:
            data = file.read(MAX_COVER_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else error
        raise RequestError(Problem(shown, f"the cover cannot be read ({why}).", _OTHER_COVER)) from error
    return check_cover(data, shown)


def check_cover(data: bytes, shown: str) -> tuple[bytes, str, tuple[int, int]]:
    """The same of the bytes of a picture."""
    again = _OTHER_COVER
    if len(data) > MAX_COVER_BYTES:
        limit = f"the cover is larger than {MAX_COVER_BYTES // 2**20} MiB."
        raise RequestError(Problem(shown, limit, "Save it with stronger compression."))
    if not data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise RequestError(Problem(shown, "the cover is neither JPEG nor PNG.", again))
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            size, mime = image.size, image.get_format_mimetype() or ""
            if size[0] * size[1] <= MAX_COVER_PIXELS:
                image.load()
                in_rgb = _in_rgb(image) if image.mode == "CMYK" else data
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            image.verify()  # the checksums of a PNG, which loading forgives
    # Pillow raises nearly anything for a broken file: OSError, SyntaxError, struct.error, its own bomb error.
    except Exception as error:
        why = re.sub(r" <_io\.\w+ object at \w+>", "", str(error))
        raise RequestError(Problem(shown, f"the cover is a broken picture ({why}).", again)) from error
    if size[0] * size[1] > MAX_COVER_PIXELS:
        much = f"the cover has {size[0]} x {size[1]} pixels."
        raise RequestError(Problem(shown, much, "Scale it down: 3000 x 3000 is enough everywhere."))
    return in_rgb, mime, size


def as_jpeg(data: bytes) -> bytes:
    """A picture of a kind that covers cannot have (GIF, WebP) as a JPEG; what is none stays as it is."""
    try:
        with Image.open(io.BytesIO(data), formats=("GIF", "WEBP", "BMP", "TIFF")) as picture:
            if picture.size[0] * picture.size[1] > MAX_COVER_PIXELS:
                return data
            target = io.BytesIO()
            picture.convert("RGB").save(target, "JPEG", quality=92)
            return target.getvalue()
    except Exception:  # whatever Pillow raises for a broken file: it is told of as a cover that is none
        return data


def _in_rgb(picture: Image.Image) -> bytes:
    """A picture in the colours of a press as a JPEG in those of screens: many players show the first as a negative."""
    profile = picture.info.get("icc_profile")
    converted: Image.Image | None = None
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            press = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, press, ImageCms.createProfile("sRGB"), outputMode="RGB")
    file = io.BytesIO()
    (converted or picture.convert("RGB")).save(file, "JPEG", quality=95, icc_profile=None)
    return file.getvalue()


def language_code(language: str) -> str:
    """The three-letter ISO 639-2 code of a tag such as "en" or "en-GB"; "" when it is not known."""
    main = language.replace("_", "-").split("-")[0].lower()
    if len(main) == 3 and main.isascii() and main.isalpha():
        return main
    return LANGUAGES.get(main, "")


def _id3_frames(tags: Tags) -> Iterator[id3.Frame]:
    code = language_code(tags.language)
    texts = (
        (id3.TIT2, tags.title),
        (id3.TALB, tags.album),
        (id3.TPE1, tags.artist),
        (id3.TPE2, tags.artist),
        (id3.TCOM, tags.narrator),
        (id3.TCON, tags.genre),
        (id3.TYER, str(tags.year or "")),
        (id3.TLAN, code),
        (id3.TPOS, str(tags.season or "")),
        (id3.TRCK, f"{tags.track}/{tags.tracks}" if tags.tracks else str(tags.track)),
    )
    for frame, text in texts:
        if text and (frame is not id3.TRCK or tags.track):
            yield frame(encoding=UTF16, text=[text])
    if tags.description:
        yield id3.COMM(encoding=UTF16, lang=code or "XXX", desc="", text=[tags.description])
    numbers = (("SEASON", str(tags.season or "")), ("EPISODE", "" if tags.episode is None else str(tags.episode)))
    for name, text in (("SERIES", tags.series), ("SERIES-PART", tags.part), *numbers):
        if text:
            yield id3.TXXX(encoding=UTF16, desc=name, text=[text])
    if tags.cover:
        yield id3.APIC(encoding=id3.Encoding.LATIN1, mime=tags.cover_mime, type=FRONT_COVER, desc="", data=tags.cover)


def _chapter_frames(chapters: Sequence[ChapterMark]) -> Iterator[id3.Frame]:
    """CHAP for each mark and the CTOC that orders them, after "ID3v2 Chapter Frame Addendum".

    A CTOC counts its children in one byte, so longer tables become a table of tables.
    """
    names = [f"chp{number:05d}" for number in range(len(chapters))]
    for name, mark in zip(names, chapters, strict=True):
        yield id3.CHAP(
            element_id=name,
            start_time=round(mark.start_s * 1000),
            end_time=round(mark.end_s * 1000),
            start_offset=NO_OFFSET,
            end_offset=NO_OFFSET,
            sub_frames=[id3.TIT2(encoding=UTF16, text=[mark.title])],
        )
    if len(names) > MAX_CHILDREN:
        parts = [names[start : start + MAX_CHILDREN] for start in range(0, len(names), MAX_CHILDREN)]
        names = [f"toc{number:05d}" for number in range(len(parts))]
        for name, part in zip(names, parts, strict=True):
            yield _table(name, id3.CTOCFlags.ORDERED, part)
    if names:
        yield _table("toc", id3.CTOCFlags.ORDERED | id3.CTOCFlags.TOP_LEVEL, names)


def _put_chapters_in_order(path: Path) -> None:
    """Move the CHAP frames to the tag's end, by name, which is by time.

    mutagen writes frames by size, and what reads through FFmpeg takes them for chapters as they stand.
    """
    with path.open("r+b") as file:
        head = file.read(10)
        size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        data = file.read(size)
        frames = []
        start = 0
        while start < size:  # each frame: name, size in 4 bytes, 2 bytes of flags, content
            end = start + 10 + int.from_bytes(data[start + 4 : start + 8], "big")
            frames.append(data[start:end])
            start = end
        frames.sort(key=lambda frame: frame[10:18] if frame.startswith(b"CHAP") else b"")
        file.seek(10)
        file.write(b"".join(frames))


def _table(name: str, flags: int, children: list[str]) -> id3.Frame:
    return id3.CTOC(element_id=name, flags=flags, child_element_ids=children, sub_frames=[])


def _no_padding(_info: object) -> int:
    """No spare room: how much mutagen leaves by itself depends on what stood in the file before."""
    return 0
