"""Voices: who can speak, and who speaks whom.

In: folders of `<name>/voice.yaml`. Out: `Voice`s as engines see them, and a `Casting` that gives every speaker of a
script one. Knows no engines.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.engines import DraftVoice, KokoroName, KokoroVoice, Voice
from pipeline.errors import Problem, RequestError, did_you_mean, raise_if_any
from pipeline.files import content_key, file_hash, is_inside
from pipeline.source.documents import Located, plain_problems, read_text, read_yaml
from pipeline.source.names import Gender, gender_of

NARRATOR = "Narrator"  # how the report names whoever speaks the text outside any turn
DEFAULT_NARRATOR_VOICE = "ada"


class _Draft(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: str = DraftVoice.variant
    accent: str = DraftVoice.accent
    rate_wpm: int = Field(DraftVoice.rate_wpm, ge=80, le=450)
    pitch: int = Field(DraftVoice.pitch, ge=0, le=99)


class _Kokoro(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    voice: KokoroName | None = None  # one of the voice's gender
    speed: float = Field(KokoroVoice.speed, ge=0.5, le=2)


class _VoiceFile(BaseModel):
    """`voice.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    consent: str = Field(min_length=1)
    gender: Gender | None = None
    accent: str = ""
    draft: _Draft = _Draft()
    kokoro: _Kokoro = _Kokoro()
    prompt: str | None = None
    transcript: str | None = None
    seed: int | None = Field(None, ge=0, le=2**63 - 1)
    default_cast: bool = False


@dataclass(frozen=True)
class VoiceEntry:
    """A voice and what a person wants to know of it."""

    voice: Voice
    description: str
    consent: str
    default_cast: bool  # may be given to speakers the manifest gives no voice
    gender: Gender | None
    accent: str  # for people, such as "Scottish"
    folder: Path


Library = Mapping[str, VoiceEntry]


@dataclass(frozen=True)
class Role:
    """The voice of one speaker, and whether it is a default one, as the manifest names none."""

    entry: VoiceEntry
    default: bool

    @property
    def voice(self) -> Voice:
        """As engines see it."""
        return self.entry.voice


@dataclass(frozen=True)
class Casting:
    """Speaker (None: the narrator) to role."""

    roles: Mapping[str | None, Role]
    warnings: tuple[Problem, ...] = ()


def load_library(folders: Sequence[Path]) -> Library:
    """Every voice in `folders`; the first of a name wins. Raises `RequestError` with all that is wrong in them."""
    library: dict[str, VoiceEntry] = {}
    problems: list[Problem] = []
    by_place: dict[Path, Path] = {}
    for folder in folders:
        by_place.setdefault(folder.absolute(), folder)
    for folder in by_place.values():
        for file in sorted(folder.glob("*/voice.yaml")):
            if file.parent.name in library:
                continue
            try:
                library[file.parent.name] = _load_voice(file)
            except RequestError as error:
                problems += error.problems
    raise_if_any(problems)
    return library


def find_voice(library: Library, name: str, where: str) -> Voice:
    """The voice called `name`. Raises `RequestError` for an unknown one."""
    return _find(library, name, where).voice


def _find(library: Library, name: str, where: str) -> VoiceEntry:
    if name not in library:
        raise RequestError(Problem(where, f'no voice "{name}" in voices/.', did_you_mean(name, library)))
    return library[name]


def _load_voice(file: Path) -> VoiceEntry:
    located = read_yaml(read_text(file, str(file)), str(file))
    name = file.parent.name
    try:
        parsed = _VoiceFile.model_validate(located.data if located.data is not None else {})
    except ValidationError as error:
        raise RequestError(*plain_problems(error, located, _VoiceFile)) from None
    prompt = None
    if parsed.prompt is not None:
        prompt = file.parent / parsed.prompt
        raise_if_any(_prompt_problems(file.parent, prompt, parsed, located))
    voice = Voice(
        name=name,
        draft=DraftVoice(**parsed.draft.model_dump()),
        kokoro=KokoroVoice(parsed.kokoro.voice or _kokoro_voice(parsed.gender), parsed.kokoro.speed),
        prompt=prompt.absolute() if prompt else None,  # workers may have been started in another folder
        prompt_sha256=(file_hash(prompt) or "") if prompt else "",
        transcript=parsed.transcript or "",
        seed=_seed(name) if parsed.seed is None else parsed.seed,
    )
    return VoiceEntry(
        voice, parsed.description, parsed.consent, parsed.default_cast, parsed.gender, parsed.accent, file.parent
    )


def _kokoro_voice(gender: Gender | None) -> KokoroName:
    """The voice of Kokoro for who names none."""
    return "am_michael" if gender == "male" else KokoroVoice.voice


def _seed(name: str) -> int:
    """63 bits that are the same wherever a voice has this name."""
    return int(content_key({"voice": name})[:16], 16) >> 1


def _prompt_problems(folder: Path, prompt: Path, parsed: _VoiceFile, located: Located) -> list[Problem]:
    where = located.where("prompt")
    if not is_inside(prompt, folder):
        return [Problem(where, f'"{parsed.prompt}" leaves the voice\'s folder.', "Copy the clip into it.")]
    if os.path.lexists(prompt) and not prompt.is_file():
        return [Problem(where, f'"{parsed.prompt}" is no regular file.', "Put the clip itself there.")]
    if not prompt.is_file():
        return [Problem(where, f'there is no file "{parsed.prompt}".', "Put the clip beside voice.yaml.")]
    if not parsed.transcript:
        return [Problem(where, "a prompt needs its transcript.", 'Add "transcript:" with the exact words of the clip.')]
    return []


def cast_speakers(
    speakers: Iterable[str],
    cast: Mapping[str, str],
    narrator: str | None,
    library: Library,
    where: Mapping[str, str],
) -> Casting:
    """Give every speaker a voice: the manifest's, else a default one of their own.

    Defaults are handed out in order of appearance: a woman's or a man's as the name tells, else the other kind than
    the speaker before, and among those by a hash of the two names (rendezvous hashing): a speaker added at the end of a
    script changes nobody else's voice. No two share one while one of the kind is free. `where` gives the place of each
    name of the cast, and of the narrator under "narrator", for messages. Raises `RequestError` naming every unknown
    voice.
    """
    problems: list[Problem] = []
    roles: dict[str | None, Role] = {}
    for speaker, name in cast.items():
        try:
            roles[speaker] = Role(_find(library, name, where.get(speaker, "cast")), default=False)
        except RequestError as error:
            problems += error.problems
    try:
        chosen = _find(library, narrator or DEFAULT_NARRATOR_VOICE, where.get("narrator", "narrator"))
        roles[None] = Role(chosen, default=narrator is None)
    except RequestError as error:
        problems += error.problems
    raise_if_any(problems)

    speakers = list(speakers)
    before = roles[None].entry.gender
    with_voice: dict[str, list[str | None]] = {}  # speakers by voice
    for cast_speaker, role in roles.items():
        with_voice.setdefault(role.voice.name, []).append(cast_speaker)
    shared: list[str] = []
    for speaker in speakers:
        if speaker not in roles:
            best = _default_voice(speaker, before, library, with_voice)
            if others := with_voice.setdefault(best, []):
                shared.append(f"{speaker} has the voice of {others[0] or NARRATOR} ({best})")
            others.append(speaker)
            roles[speaker] = Role(library[best], default=True)
        before = roles[speaker].entry.gender or before
    return Casting(roles, tuple(_casting_warnings(cast, speakers, shared, where)))


def _default_voice(
    speaker: str, before: Gender | None, library: Library, with_voice: Mapping[str, Sequence[str | None]]
) -> str:
    """The voice for a speaker who follows one of the gender `before`; the narrator's only where there is no other."""
    wanted = gender_of(speaker) or ("male" if before == "female" else "female")
    defaults = [name for name, entry in library.items() if entry.default_cast] or list(library)
    spelled = speaker.title() if speaker.isupper() or speaker.islower() else speaker  # ANN of a screenplay is Ann
    others = [name for name in defaults if None not in with_voice.get(name, ())] or defaults

    def rank(name: str) -> tuple[int, int, int, str]:
        uses, is_other = len(with_voice.get(name, ())), int(library[name].gender != wanted)
        hashed = zlib.crc32(f"{spelled}\0{name}".encode())
        first, second = (is_other, uses) if gender_of(speaker) else (uses, is_other)
        return first, second, -hashed, name

    return min(others, key=rank)


def _casting_warnings(
    cast: Mapping[str, str], speakers: Sequence[str], shared: Sequence[str], where: Mapping[str, str]
) -> Iterable[Problem]:
    for name in cast:
        if name not in speakers:
            is_narrator = name.lower() == NARRATOR.lower()
            hint = (
                f"Write narrator: {cast[name]} for what is nobody's." if is_narrator else did_you_mean(name, speakers)
            )
            yield Problem(where.get(name, "cast"), f'"{name}" never speaks in the script.', hint)
    if shared:
        yield Problem(
            "cast",
            f"more speakers than default voices: {', '.join(shared)}.",
            'Give them voices under "cast:".',
        )
