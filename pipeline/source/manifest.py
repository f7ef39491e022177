"""Manifest: the request file, checked strictly at the edge.

In: the keys of a YAML file, or those of a script alone. Out: a frozen `Manifest`, or every problem in it at once, each
with its line. Knows no voices or text; `job.py` checks those against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pipeline.engines import DiaSound
from pipeline.errors import InvalidValueError, Problem, RequestError, did_you_mean
from pipeline.files import is_inside
from pipeline.source.documents import Located, YamlPath, plain_problems, read_text
from pipeline.source.keys import LONGEST_TITLE, foreign_language, read_keys
from pipeline.source.languages import language_tag
from pipeline.source.presets import PRESETS, Preset
from pipeline.source.script import MOST_TAKES, Reading, name_key
from pipeline.source.speakers.forms import Form
from pipeline.source.spoken.entries import LexiconEntry, read_entries
from pipeline.window import Window
from pipeline.workspace import Production

Seconds = Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)]


class Pauses(BaseModel):
    """Silence between what is spoken, by what lies between; a `[pause]` in the script goes first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn_s: Seconds = 0.35
    paragraph_s: Seconds = 0.6
    scene_s: Seconds = 1.5


class Dia(BaseModel):
    """How the Dia engine speaks. What is left out has the value its makers use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cfg_scale: float = Field(DiaSound.cfg_scale, ge=0, le=10)
    temperature: float | None = Field(None, ge=0, le=2.5)
    top_p: float = Field(DiaSound.top_p, gt=0, le=1)
    top_k: int | None = Field(None, ge=1, le=1024)
    cfg_frames: int | None = Field(None, ge=1)
    max_seconds: float | None = Field(None, ge=1, le=35)
    precision: Literal["auto", "fp32", "bf16", "fp8", "int8"] = "auto"

    def sound(self) -> DiaSound:
        """The same for the engine, which has None for "auto"."""
        values = self.model_dump()
        return DiaSound(**values | {"precision": None if self.precision == "auto" else self.precision})


class Checks(BaseModel):
    """How hard takes with faults are tried again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retakes: int = Field(3, ge=0, le=20)  # of a chunk, and of what it is cut into
    ignore: tuple[str, ...] = ()  # checks that do not count


class ScriptFile(BaseModel):
    """A file of the script, and how it is read where that is not as its own form tells."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    file: str
    labels: Literal[Form, "none"] | None = None  # the form of its labels
    chapters_at: int | None = Field(None, ge=1, le=6)  # headings of so many signs begin chapters
    read: tuple[str, ...] = ()  # documents of a book that are read though they stand before or behind its text
    skip: tuple[str, ...] = ()  # and those that are not read
    action: bool = False  # the narrator reads what happens in a screenplay


def _expand_preset(value: Any) -> Any:
    """`podcast`, or a mapping with a preset's name and the fields it overrides."""
    overrides: dict[str, Any] = {"preset": value} if isinstance(value, str) else value
    name = overrides.get("preset") if isinstance(overrides, Mapping) else None
    if not isinstance(name, str):
        what = 'a preset is a name, or a mapping with "preset: name".'
        raise InvalidValueError(what, "Write for example: deliver: [podcast]")
    if name not in PRESETS:
        raise InvalidValueError(f'no preset "{name}".', did_you_mean(name, PRESETS))
    base = PRESETS[name].model_dump()
    if "lufs" in overrides or "rms_db" in overrides:  # a level of the other kind replaces the preset's own
        base |= {"lufs": None, "rms_db": None}
    return base | overrides


class Manifest(BaseModel):
    """One job as its producer asked for it. Paths are as written, relative to the manifest's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    title: str = Field(min_length=1, max_length=LONGEST_TITLE)
    script: tuple[ScriptFile, ...] = Field(min_length=1)
    author: str = ""
    kind: Literal["podcast", "audiobook"] = "podcast"
    language: str = "en"
    cast: dict[str, str] = {}
    speakers: tuple[str, ...] = ()  # names in the script that are speakers, whatever they look like
    not_speakers: tuple[str, ...] = ()
    aliases: dict[str, tuple[str, ...]] = {}  # other names under which a speaker stands in the script
    narrator: str | None = None
    pronounce: dict[str, Any] = {}  # words that are said otherwise, as in a lexicon
    engine: Literal["draft", "kokoro", "dia"] = "draft"
    seed: int = Field(0, ge=0, lt=2**63)
    deliver: tuple[Annotated[Preset, BeforeValidator(_expand_preset)], ...] = Field(
        (PRESETS["podcast"], PRESETS["m4b"]), min_length=1
    )
    cover: str | None = None
    series: str = ""
    part: str = ""
    season: int | None = Field(None, ge=1, le=999)
    episode: int | None = Field(None, ge=0, le=9999)  # 0: a trailer
    read_by: str = ""
    year: int | None = Field(None, ge=1, le=9999)
    description: str = ""
    pauses: Pauses = Pauses()
    checks: Checks = Checks()
    takes: int = Field(1, ge=1, le=MOST_TAKES)  # of each chunk, from which the best is chosen
    on_failure: Literal["best", "gap"] = "best"  # what stands for a take that has faults after all attempts
    priority: int = Field(0, ge=-100, le=100)  # higher goes first
    window: Window | None = None  # hours in which chunks may be started
    dia: Dia = Dia()

    _located: Located = PrivateAttr()
    _path: Path = PrivateAttr()
    _notes: tuple[Problem, ...] = PrivateAttr(())

    @field_validator("deliver", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, (str, Mapping)) else value

    @field_validator("script", mode="before")
    @classmethod
    def _name_is_a_file(cls, value: Any) -> Any:
        value = [value] if isinstance(value, (str, Mapping)) else value
        return [{"file": one} if isinstance(one, str) else one for one in value] if isinstance(value, list) else value

    @field_validator("speakers", "not_speakers", mode="before")
    @classmethod
    def _name_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("aliases", mode="before")
    @classmethod
    def _alias_is_a_list(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: [other] if isinstance(other, str) else other for name, other in value.items()}

    @field_validator("aliases")
    @classmethod
    def _aliases_of_one(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        others = Counter(name_key(other) for names in value.values() for other in set(map(name_key, names)))
        if twice := [other for other, count in others.items() if count > 1]:
            raise InvalidValueError(f'"{twice[0]}" is an alias of two speakers.', "Keep it at one of them.")
        return value

    @field_validator("title", "author", "series", "part", "read_by")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return " ".join(value.split())

    @field_validator("episode")
    @classmethod
    def _not_a_part(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("part"):
            raise InvalidValueError("a part is the volume of a series of books.", "Give either part: or episode:.")
        return value

    @field_validator("description")
    @classmethod
    def _lines(cls, value: str) -> str:
        return "\n".join(" ".join(line.split()) for line in value.strip().splitlines())

    @field_validator("language")
    @classmethod
    def _language_code(cls, value: str) -> str:
        return language_tag(value)

    @field_validator("deliver")
    @classmethod
    def _once_each(cls, value: tuple[Preset, ...]) -> tuple[Preset, ...]:
        names = [preset.preset for preset in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            what = f'the preset "{twice[0]}" is named twice.'
            raise InvalidValueError(what, "Each delivers into the folder of its name.")
        return value

    @property
    def path(self) -> Path:
        """The manifest file."""
        return self._path

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What its script says of itself and cannot be used."""
        return self._notes

    @property
    def is_script(self) -> bool:
        """Whether there is no such file, but only the script that was given in place of it."""
        return [script.file for script in self.script] == [self._path.name]

    def where(self, *path: str | int) -> str:
        """`file:line` of a key; of one that is not written there, the file, or the nearest key around it."""
        return self._located.where(*path)

    def in_spoken_language(self, speaks: Callable[[str], bool]) -> Manifest:
        """In English, and with a note, where the language is only the script's own word and nobody speaks it."""
        if ("language",) in self._located.lines or speaks(self.language):
            return self
        manifest = self.model_copy(update={"language": "en"})
        manifest._notes = (*self._notes, foreign_language(self.where("language"), self.language))
        return manifest

    def readings(self) -> tuple[Reading, ...]:
        """How each file of the script is read."""
        written = {name_key(name): name for name in self.cast}
        aliases = {
            name_key(other): written.get(name_key(name), name)
            for name, others in self.aliases.items()
            for other in (name, *others)
        }
        cast = tuple(dict.fromkeys((*self.cast, *self.speakers, *self.aliases)))
        return tuple(
            Reading(
                self.kind,
                self.language,
                cast,
                self.not_speakers,
                aliases,
                script.labels,
                script.chapters_at,
                script.read,
                script.skip,
                script.action,
            )
            for script in self.script
        )

    def names(self) -> list[tuple[YamlPath, str]]:
        """The names that tell how the script is read, with their keys."""
        lists = {"speakers": self.speakers, "not_speakers": self.not_speakers}
        named: list[tuple[YamlPath, str]] = [
            ((key, index), name) for key, names in lists.items() for index, name in enumerate(names)
        ]
        named += (
            (("aliases", name, index), other)
            for name, others in self.aliases.items()
            for index, other in enumerate(others)
        )
        return named

    def pronunciations(self) -> tuple[list[LexiconEntry], list[Problem]]:
        """The entries of `pronounce:`, and what is wrong in them."""
        return read_entries(self._located, ("pronounce",), nearness=0) if self.pronounce else ([], [])

    @property
    def production(self) -> Production:
        """What it makes: with any script, from any folder."""
        return Production(self.title, self.author, self.series, self.part or self.episode_label)

    @property
    def episode_label(self) -> str:
        """`S02E12`, `12` without a season, or nothing where it is no numbered episode."""
        if self.episode is None:
            return ""
        return f"{self.episode:02d}" if self.season is None else f"S{self.season:02d}E{self.episode:02d}"

    def is_outside(self, name: str) -> bool:
        """Whether a path written in the manifest leaves its folder, also through a link."""
        return not self.is_script and not is_inside(self.file(name), self._path.parent)

    def file(self, name: str) -> Path:
        """A path written in the manifest, found from the manifest's folder."""
        return self._path.parent / name


def load_manifest(path: Path | str, *, allow_outside: bool = False) -> tuple[Manifest, list[Problem]]:
    """The manifest in `path`, or that of a script in `path`, and all that is wrong with it.

    What it is silent about is as its first script says of itself. Keys with problems stand at their defaults in the
    manifest, so that what refers to the others can still be checked and reported with them. Raises `RequestError` where
    the file can be read neither as YAML nor as a script.
    """
    path = Path(path)
    located, data, notes = read_keys(path)
    problems: list[Problem] = []
    kept = data
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        problems += plain_problems(error, located, Manifest)
        wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
        kept = {key: value for key, value in data.items() if key not in wrong}
        manifest = Manifest.model_validate({"title": "untitled", "script": [""]} | kept)
    manifest._located, manifest._path, manifest._notes = located, path, notes
    problems += [
        Problem(manifest.where("script", index), "no script is named here.", "Write the name of a file.")
        for index, script in enumerate(manifest.script)
        if not script.file.strip() and "script" in kept
    ]
    problems += [*_contradictions(manifest), *manifest.pronunciations()[1]]
    if not allow_outside:
        problems += _outside(manifest)
    return manifest, problems


def manifest_of(script: Path) -> Path | None:
    """The manifest beside a script that names it, of which it is a part and no job of its own."""
    folder = script.parent
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in (".yaml", ".yml") and path != script and path.is_file():
            try:
                if script.name not in read_text(path, str(path)):
                    continue
                manifest, _problems = load_manifest(path, allow_outside=True)
            except RequestError:
                continue
            if not manifest.is_script and any(manifest.file(one.file) == script for one in manifest.script):
                return path
    return None


def _contradictions(manifest: Manifest) -> Iterator[Problem]:
    """Names that are said to be two things at once, or that are none."""
    heads, cast = set(map(name_key, manifest.aliases)), set(map(name_key, manifest.cast))
    excluded, spoken = set(map(name_key, manifest.not_speakers)), set(map(name_key, manifest.speakers))
    for head in manifest.aliases:
        if not name_key(head):
            yield Problem(manifest.where("aliases"), "a name is empty.", "Write one, or take the line out.")
    for name, count in Counter(map(name_key, manifest.cast)).items():
        if count > 1:
            twice = " and ".join(f'"{other}"' for other in manifest.cast if name_key(other) == name)
            yield Problem(manifest.where("cast"), f"{twice} are one speaker, in cast: twice.", "Keep one of them.")
    for path, name in manifest.names():
        key, where = name_key(name), manifest.where(*path)
        if not key:
            yield Problem(where, "a name is empty.", "Write one, or take the line out.")
        elif path[0] == "speakers" and key in excluded:
            yield Problem(where, f'"{name}" is in speakers: and in not_speakers:.', "Keep one of the two.")
        elif path[0] == "not_speakers" and (key in heads or key in cast):
            other = "aliases" if key in heads else "cast"
            yield Problem(where, f'"{name}" is in not_speakers: and in {other}:.', "Keep one of the two.")
        elif path[0] == "aliases" and key != name_key(str(path[1])) and key in heads | cast | excluded | spoken:
            lists = {"aliases": heads, "cast": cast, "not_speakers": excluded, "speakers": spoken}
            other = next(name for name, keys in lists.items() if key in keys)
            what = f'"{name}" is an alias of {path[1]}, and in {other}: it is somebody of its own.'
            yield Problem(where, what, "Keep one of the two.")


def _outside(manifest: Manifest) -> list[Problem]:
    """A problem for each path that leaves the manifest's folder."""
    named = [(("script", index), script.file) for index, script in enumerate(manifest.script)]
    if manifest.cover is not None:
        named.append((("cover", 0), manifest.cover))
    return [
        Problem(
            manifest.where(*key),
            f'"{name}" is outside the manifest\'s folder.',
            "Move it there, or allow it with --allow-outside.",
        )
        for key, name in named
        if name and manifest.is_outside(name)
    ]
