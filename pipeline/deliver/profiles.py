"""Profiles: what a body, a shop or a network wants of finished files, each limit with where it stands.

In: the name of a profile that is built in, or a YAML file with the same fields. Out: a `Profile`. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.audio.contents import BitRateMode, Codec
from pipeline.deliver.mastering import TOLERANCE, target
from pipeline.errors import InvalidValueError, Problem, RequestError, did_you_mean
from pipeline.source.documents import plain_problems, read_text, read_yaml
from pipeline.source.presets import Preset

TagName = Literal[
    "title", "album", "artist", "album_artist", "composer", "genre", "date", "track", "disc", "language", "description"
]
TAG_NAMES: tuple[TagName, ...] = get_args(TagName)


class _Limit(BaseModel):
    """One limit; without a `source` of its own it is the profile's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: str = ""


class Bounds(_Limit):
    """The least and the most that is let through, one of them at least."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise InvalidValueError("there is neither min nor max.", "Give one of them, or take the limit out.")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise InvalidValueError(f"min is {self.min:g} and max is {self.max:g}.", "Exchange them.")
        return self


class NumberChoice(_Limit):
    """The whole numbers that are let through."""

    one_of: tuple[int, ...] = Field(min_length=1)


class CodecChoice(_Limit):
    """The codings that are let through."""

    one_of: tuple[Codec, ...] = Field(min_length=1)


class ModeLimit(_Limit):
    """How the bit rate has to be."""

    mode: BitRateMode


class TagLimit(_Limit):
    """The tags that have to be there."""

    required: tuple[TagName, ...] = Field(min_length=1)


class CoverLimit(_Limit):
    """How the picture in the file has to be, and whether there has to be one."""

    required: bool = False
    square: bool = False
    min_px: int = Field(default=1, ge=1)  # of the shorter side
    max_px: int | None = Field(default=None, ge=1)  # of the longer one


class Profile(BaseModel):
    """What is wanted of a file. A limit that is None is not there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = Field(min_length=1)  # its name
    source: str = Field(min_length=1)  # of every limit that names no other
    stereo_sum: bool = False  # its loudness is that of two loudspeakers: what is mono counts 3 LU more
    same_channels: bool = False  # all files have as many channels
    lufs: Bounds | None = None  # integrated loudness, BS.1770
    rms_db: Bounds | None = None  # plain RMS over the whole file
    true_peak_dbtp: Bounds | None = None
    noise_floor_db: Bounds | None = None  # RMS of the quietest half second
    head_s: Bounds | None = None  # before the first sound
    tail_s: Bounds | None = None  # after the last
    codec: CodecChoice | None = None
    sample_rate_hz: NumberChoice | None = None
    channels: NumberChoice | None = None
    bit_rate_mode: ModeLimit | None = None
    bitrate_kbps: Bounds | None = None
    duration_s: Bounds | None = None
    tags: TagLimit | None = None
    cover: CoverLimit | None = None
    chapters: Bounds | None = None  # marks in the file

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        if self.lufs is not None and self.rms_db is not None:
            raise InvalidValueError("a level is given twice.", "Give one of lufs and rms_db.")
        return self


_ACX = "ACX, Audio Submission Requirements"
_APPLE = "Apple Podcasts for Creators, Audio requirements"
_SPOTIFY = "Spotify, as others report it"
_R128 = "EBU R 128"
_TD1008 = "AES TD1008"
_APPLE_LEVEL = Bounds(min=-17, max=-15, source=f"{_APPLE}, loudness: -16 dB LKFS, 1 dB more or less")
_APPLE_PEAK = Bounds(max=-1, source=f"{_APPLE}, loudness: true peak")

PROFILES: Mapping[str, Profile] = {
    profile.profile: profile
    for profile in (
        Profile(
            profile="acx",
            source=_ACX,
            same_channels=True,
            rms_db=Bounds(min=-23, max=-18, source=f"{_ACX}, audio quality: RMS"),
            # ACX says peak; a peak between the samples is one as well once the file is played.
            true_peak_dbtp=Bounds(max=-3, source=f"{_ACX}, audio quality: peak"),
            noise_floor_db=Bounds(max=-60, source=f"{_ACX}, audio quality: noise floor"),
            head_s=Bounds(min=0.5, max=1, source=f"{_ACX}, content: room tone"),
            tail_s=Bounds(min=1, max=5, source=f"{_ACX}, content: room tone"),
            codec=CodecChoice(one_of=("mp3",), source=f"{_ACX}, bit rate"),
            sample_rate_hz=NumberChoice(one_of=(44_100,), source=f"{_ACX}, bit rate"),
            channels=NumberChoice(one_of=(1, 2), source=f"{_ACX}, content: all mono or all stereo"),
            bit_rate_mode=ModeLimit(mode="constant", source=f"{_ACX}, bit rate"),
            bitrate_kbps=Bounds(min=192, source=f"{_ACX}, bit rate"),
            duration_s=Bounds(max=120 * 60, source=f"{_ACX}, content: 120 minutes"),
            cover=CoverLimit(square=True, min_px=2400, source="ACX, Cover Art Requirements"),
            chapters=Bounds(max=1, source=f"{_ACX}, content: one chapter or section a file"),
        ),
        Profile(
            profile="apple",
            source=f"{_APPLE}, RSS feeds",
            stereo_sum=True,
            lufs=_APPLE_LEVEL,
            true_peak_dbtp=_APPLE_PEAK,
            codec=CodecChoice(one_of=("mp3", "aac")),
            sample_rate_hz=NumberChoice(one_of=(44_100, 48_000)),
            channels=NumberChoice(one_of=(1, 2)),
            bitrate_kbps=Bounds(min=32),
        ),
        Profile(
            profile="spotify",
            source=_SPOTIFY,
            stereo_sum=True,
            lufs=Bounds(min=-17, max=-13, source=f"{_SPOTIFY}: -16 to -14 LUFS; 1 LU more or less is let through here"),
            true_peak_dbtp=Bounds(max=-1, source=f"{_SPOTIFY}: -1 dBTP"),
            codec=CodecChoice(one_of=("mp3", "aac", "pcm", "flac", "vorbis")),
            sample_rate_hz=NumberChoice(one_of=(44_100, 48_000)),
            channels=NumberChoice(one_of=(1, 2)),
        ),
        Profile(
            profile="ebu-r128",
            source=_R128,
            lufs=Bounds(min=-23.2, max=-22.8, source=f"{_R128}, target level: -23.0 LUFS, 0.2 LU for measuring"),
            true_peak_dbtp=Bounds(max=-1, source=f"{_R128}, maximum permitted true peak level"),
        ),
        Profile(
            profile="aes-td1008",
            source=_TD1008,
            stereo_sum=True,
            lufs=Bounds(min=-19, max=-17, source=f"{_TD1008}, table 1: speech at -18 LUFS; 1 LU more or less here"),
            true_peak_dbtp=Bounds(max=-1, source=f"{_TD1008}, maximum true peak"),
        ),
        # For whoever encodes or cuts it further: as loud as a podcast is to be, and without loss.
        Profile(
            profile="master",
            source="this program's presets wav and flac",
            stereo_sum=True,
            lufs=_APPLE_LEVEL,
            true_peak_dbtp=_APPLE_PEAK,
            codec=CodecChoice(one_of=("pcm", "flac", "alac")),
            sample_rate_hz=NumberChoice(one_of=(44_100, 48_000)),
            channels=NumberChoice(one_of=(1, 2)),
        ),
    )
}


def preset_profile(preset: Preset) -> Profile:
    """What a preset promises of its files, as a profile."""
    wanted = Bounds(min=target(preset) - TOLERANCE, max=target(preset) + TOLERANCE)
    kbps = Bounds(min=preset.bitrate_kbps, max=preset.bitrate_kbps)
    return Profile(
        profile=preset.preset,
        source=f"the preset {preset.preset}",
        lufs=wanted if preset.lufs is not None else None,
        rms_db=wanted if preset.lufs is None else None,
        true_peak_dbtp=Bounds(max=preset.true_peak_dbtp),
        sample_rate_hz=NumberChoice(one_of=(preset.sample_rate_hz,)),
        channels=NumberChoice(one_of=(1,)),
        bitrate_kbps=kbps if preset.format == "mp3" else None,
    )


def find_profile(name: str) -> Profile:
    """The profile called `name`, or in the YAML file of that path. Raises `RequestError` with all that is wrong."""
    if name in PROFILES:
        return PROFILES[name]
    path = Path(name)
    if path.suffix.lower() in (".yaml", ".yml", ".json") or path.parent != Path():
        return _read_profile(path)
    hint = f"{did_you_mean(name, PROFILES)} A profile of your own is a YAML file."
    raise RequestError(Problem("--for", f'no profile "{name}".', hint))


def _read_profile(path: Path) -> Profile:
    located = read_yaml(read_text(path, str(path)), str(path))
    try:
        return Profile.model_validate(located.data if located.data is not None else {})
    except ValidationError as error:
        raise RequestError(*plain_problems(error, located, Profile)) from None
