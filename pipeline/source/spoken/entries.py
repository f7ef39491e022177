"""Entries: words of a text, and how somebody wants them said.

In: `word: respelling` lines of YAML, of `lexicon.yaml` and its like and of a manifest's `pronounce:`. Out: entries, and
every problem in them with its line. Knows no texts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator

from pipeline.errors import InvalidValueError, Problem
from pipeline.source.documents import Located, YamlPath, plain_problems
from pipeline.source.script import name_key
from pipeline.source.spoken.text import has_speech, spoken

_LONGEST = 200  # characters of a word or phrase, and of what is said for it
_SIGNS = str.maketrans("’‘‚‛ʼ＇‐‑﹣－", "''''''----")
_IPA_SIGNS = str.maketrans("':g", "ˈːɡ")  # as they are typed where a keyboard has no others
_SOUNDS = ("Ll", "Lo", "Lu", "Lt")  # not Lm, such as marks of stress and length, and M, such as those of tone
_BESIDE_LETTERS = " ',-"
_BESIDE_SOUNDS = " .‿-"
_COUNTED_BACK = re.compile(r"-\d+")


@dataclass(frozen=True)
class LexiconEntry:
    """A word or phrase, and what is said for it: a respelling ("" is silence), IPA without slashes, or both.

    Empty scopes are everywhere. Of what stands nearest to a job the `nearness` is 0. `where` is its line.
    """

    word: str
    say: str | None
    ipa: str
    case: Literal["any", "exact"] | None
    match: Literal["word", "stem"]
    speakers: frozenset[str]  # by `name_key`, as the other two
    chapters: frozenset[str]  # titles or numbers
    jobs: frozenset[str]
    where: str
    nearness: int = 0

    @property
    def spoken(self) -> str:
        """What stands in the spoken text: IPA between slashes where there is some, else the respelling."""
        return f"/{self.ipa}/" if self.ipa else self.say or ""

    @property
    def scope(self) -> int:
        """How near it is bound: to a speaker before a chapter, to a chapter before a job."""
        return 4 * bool(self.speakers) + 2 * bool(self.chapters) + bool(self.jobs)

    def fits(self, written: str) -> bool:
        """Whether the case of a word as it stands in a text suits this entry; the letters do.

        Without a rule of its own a word in lower case fits any, and one with capitals fits as it is written, in
        capitals all through, and at the beginning of a sentence: "US" is not "us", and "Nice" not "nice".
        """
        written = normal(written)
        if self.case == "any" or (self.case is None and self.word == self.word.lower()):
            return True
        others = () if self.case == "exact" else (self.word.upper(), self.word[:1].upper() + self.word[1:])
        return written in (self.word, *others)


class _EntryKeys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    say: str | None = None
    ipa: str = ""
    case: Literal["any", "exact"] | None = None
    match: Literal["word", "stem"] = "word"
    speaker: tuple[str, ...] = ()
    chapter: tuple[str, ...] = ()
    job: tuple[str, ...] = ()

    @field_validator("speaker", "chapter", "job", mode="before")
    @classmethod
    def _name_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("speaker", "chapter", "job")
    @classmethod
    def _names_somebody(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Given once, a scope holds a name: without any an entry would be said everywhere, or nowhere."""
        if not all(names) or not names:
            raise InvalidValueError(f"{info.field_name}: names nothing.", "Take it out, and the entry is for all.")
        if info.field_name == "chapter" and (odd := next(filter(_COUNTED_BACK.fullmatch, names), "")):
            raise InvalidValueError(f"there is no chapter {odd}.", "They are counted from 1; a title will do, too.")
        return names

    @field_validator("say")
    @classmethod
    def _sayable(cls, value: str) -> str:
        """Nothing is left in it that a rule would say otherwise: it is said as it stands."""
        respelling = spoken(value, tags=True)
        if odd := next((char for char in respelling if not (_is_letter(char) or char in _BESIDE_LETTERS)), ""):
            what = f'"{odd}" cannot stand in a respelling ("{value}").'
            raise InvalidValueError(what, "Write it in letters, spaces, hyphens, apostrophes and commas.")
        if value and not has_speech(respelling):
            raise InvalidValueError(f'the respelling "{value}" has no letter.', 'Write say: "" for silence.')
        if len(respelling) > _LONGEST:
            raise InvalidValueError(f"the respelling is {len(respelling)} characters long.", f"{_LONGEST} will do.")
        return respelling

    @field_validator("ipa")
    @classmethod
    def _sounds(cls, value: str) -> str:
        """With or without slashes."""
        if _is_ipa(value):
            value = value[1:-1]
        sounds = " ".join(unicodedata.normalize("NFC", value.translate(_IPA_SIGNS)).split())
        is_tone = {char: unicodedata.category(char) == "Sk" for char in sounds}
        if odd := next((c for c in sounds if not (_is_letter(c) or is_tone[c] or c in _BESIDE_SOUNDS)), ""):
            raise InvalidValueError(f'"{odd}" is no sign of IPA ("{value}").', "Write it as in /ˈwɪnə/.")
        if not any(unicodedata.category(char) in _SOUNDS for char in sounds):
            raise InvalidValueError("there is no sound in this IPA.", 'Write it as in /wɪn/, or say: "" for silence.')
        if len(sounds) > _LONGEST:
            raise InvalidValueError(f"the IPA is {len(sounds)} characters long.", f"{_LONGEST} will do.")
        return sounds

    @model_validator(mode="after")
    def _says_something(self) -> _EntryKeys:
        if self.say is None and not self.ipa:
            raise InvalidValueError("nothing is said for this word.", 'Write a respelling, ipa:, or "" for silence.')
        return self


def normal(word: str) -> str:
    """A word as words are compared: composed, with plain apostrophes and hyphens and single spaces."""
    return unicodedata.normalize("NFC", " ".join(word.split())).translate(_SIGNS)


def read_entries(located: Located, base: YamlPath, nearness: int) -> tuple[list[LexiconEntry], list[Problem]]:
    """The entries in the mapping at `base`, and all that is wrong in it."""
    data: Any = located.data
    for part in base:
        data = data[part]
    entries: list[LexiconEntry] = []
    problems: list[Problem] = []
    places: dict[tuple[Any, ...], str] = {}
    for word, value in data.items():
        if problem := wrong_word(word, located.where(*base, word)):
            problems.append(problem)
            continue
        for path, one in _listed(value, (*base, word)):
            keys, wrong = _read_keys(located, path, one)
            problems += wrong
            if keys is None:
                continue
            entry = _entry(word, keys, located.where(*path), nearness)
            same = (entry.word, entry.case, entry.match, entry.speakers, entry.chapters, entry.jobs)
            if same in places:
                what, hint = f'"{word}" is said in two ways in one place.', f"Keep one; the first is at {places[same]}."
                problems.append(Problem(entry.where, what, hint))
            places.setdefault(same, entry.where)
            entries.append(entry)
    return entries, problems


def wrong_word(word: str, where: str) -> Problem | None:
    """Why an entry for `word`, which stands at `where`, would be one for nothing."""
    if len(word) > _LONGEST:
        return Problem(where, f'"{word}" is {len(word)} characters long.', f"A phrase of {_LONGEST} will do.")
    if not has_speech(word):
        hint = "Write a word as it stands in the script."
        return Problem(where, f'"{word}" has no letter and no digit.', hint)
    return None


def _listed(value: Any, path: YamlPath) -> Iterator[tuple[YamlPath, Any]]:
    """Each way to say a word: there are several where they have scopes."""
    if isinstance(value, list) and value:
        yield from (((*path, index), one) for index, one in enumerate(value))
    else:
        yield path, value


def _read_keys(located: Located, path: YamlPath, data: Any) -> tuple[_EntryKeys | None, list[Problem]]:
    if isinstance(data, str):
        data = {"ipa" if _is_ipa(data.strip()) else "say": data}
    elif isinstance(data, dict):
        data = {key: value for key, value in data.items() if value is not None}
    elif data is None:
        data = {}
    else:
        what = (
            "a list stands among the ways to say this word." if data else "the list of ways to say this word is empty."
        )
        return None, [Problem(located.where(*path), what, "Write a respelling, or lines such as say: and ipa:.")]
    try:
        return _EntryKeys.model_validate(data), []
    except ValidationError as error:
        lines = {place[len(path) :]: line for place, line in located.lines.items() if place[: len(path)] == path}
        return None, plain_problems(error, Located(data, lines, located.shown), _EntryKeys)


def _entry(word: str, keys: _EntryKeys, where: str, nearness: int) -> LexiconEntry:
    speakers, chapters, jobs = (frozenset(map(name_key, names)) for names in (keys.speaker, keys.chapter, keys.job))
    return LexiconEntry(
        normal(word), keys.say, keys.ipa, keys.case, keys.match, speakers, chapters, jobs, where, nearness
    )


def _is_ipa(text: str) -> bool:
    return len(text) > 2 and text[0] == text[-1] == "/"


def _is_letter(char: str) -> bool:
    return char.isalpha() or unicodedata.category(char)[0] == "M"
