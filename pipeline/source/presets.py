"""Presets: what a finished file must be, by destination.

The levels and limits come from the bodies' own pages: ACX submission requirements (RMS, peak, noise floor, head and
tail room tone, 192 kbps CBR), Apple Podcasts (loudness, true peak), EBU R 128 / ITU-R BS.1770 (how they are measured).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.audio import Format
from pipeline.errors import InvalidValueError


class Preset(BaseModel):
    """One kind of deliverable. Exactly one of `lufs` and `rms_db` is the level it is mastered to."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: str  # its name: the folder it is delivered in
    format: Format
    bitrate_kbps: int = Field(default=128, ge=32, le=320)  # of mp3 and m4b
    sample_rate_hz: Literal[22050, 24000, 32000, 44100, 48000] = 44100
    lufs: float | None = Field(default=None, ge=-40, le=-5)
    rms_db: float | None = Field(default=None, ge=-40, le=-5)
    true_peak_dbtp: float = Field(default=-1.0, ge=-20, le=0)
    room_tone_db: float = Field(default=-70.0, ge=-120, le=-50)  # RMS of the noise laid under everything
    head_s: float = Field(default=0.5, ge=0, le=10)  # room tone before the first word
    tail_s: float = Field(default=1.0, ge=0, le=10)  # room tone after the last
    chapter_gap_s: float = Field(default=2.0, ge=0, le=30)  # between chapters that share a file
    files: Literal["one", "chapters"] | None = None  # None: one for a podcast's episode, else one for each chapter

    @model_validator(mode="after")
    def _one_level(self) -> Preset:
        if (self.lufs is None) == (self.rms_db is None):
            raise InvalidValueError("a level is given twice or not at all.", "Give exactly one of lufs and rms_db.")
        return self


PRESETS: dict[str, Preset] = {
    preset.preset: preset
    for preset in (
        # A mono file at -19 LUFS is as loud as a stereo one at -16 once both loudspeakers play it.
        Preset(preset="podcast", format="mp3", bitrate_kbps=128, lufs=-19.0, true_peak_dbtp=-1.0),
        # ACX wants -23..-18 dB RMS, peaks under -3 dB, 0.5-1 s of room tone before and 1-5 s after the text.
        Preset(
            preset="acx",
            format="mp3",
            bitrate_kbps=192,
            rms_db=-20.0,
            true_peak_dbtp=-3.0,
            head_s=0.75,
            tail_s=2.0,
            files="chapters",
        ),
        Preset(preset="m4b", format="m4b", bitrate_kbps=64, lufs=-19.0, true_peak_dbtp=-1.0, files="one"),
        Preset(preset="wav", format="wav", lufs=-19.0, true_peak_dbtp=-1.0, files="chapters"),
        Preset(preset="flac", format="flac", lufs=-19.0, true_peak_dbtp=-1.0, files="chapters"),
    )
}
