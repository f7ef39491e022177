"""Request: a manifest with all that it names, read and checked as far as it can be.

In: a manifest's path. Out: a `JobRequest` with every problem in it; whoever goes on from it raises them.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pipeline.checks.limits import LIMITS
from pipeline.deliver.orders import Cover
from pipeline.deliver.tags import as_jpeg, check_cover, read_cover
from pipeline.engines import TRAITS, Engine, Machine, Traits, open_engine
from pipeline.errors import EngineError, Problem, RequestError, did_you_mean
from pipeline.files import is_inside
from pipeline.settings import Settings, load_settings
from pipeline.source.decisions import Decision, decisions_file, load_decisions
from pipeline.source.documents import siblings
from pipeline.source.edits import Edit, edits_file, load_edits
from pipeline.source.lexicons import load_lexicon, turns_of, unusable_entries
from pipeline.source.manifest import Manifest, load_manifest, manifest_of
from pipeline.source.prompts import prompt_problems
from pipeline.source.readers import EPUB_SUFFIXES, is_script, load_script
from pipeline.source.readers.epub.book import read_book_cover
from pipeline.source.script import Script, Turn, name_key, speakers
from pipeline.source.spoken.families import families, says_romans, unsaid_signs, unsupported
from pipeline.source.spoken.lexicon import Lexicon
from pipeline.source.spoken.pairs import Normalizer, Pair
from pipeline.source.spoken.scripts import unspeakable
from pipeline.source.spoken.text import (
    NONVERBAL_TAGS,
    has_speech,
    has_tag,
    nearest_tag,
    unknown_tags,
)
from pipeline.source.voices import Casting, Library, cast_speakers, load_library
from pipeline.takes.shared import check_shared

T = TypeVar("T")


@dataclass(frozen=True)
class JobRequest:
    """A manifest and what of all it names could be read, with every problem in them."""

    manifest: Manifest
    script: Script | None
    library: Library | None
    casting: Casting | None
    cover: Cover | None
    engine: Engine | None
    traits: Traits | None
    lexicon: Lexicon | None
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()  # of what the script's file brings along
    decisions: tuple[Decision, ...] = ()

    @functools.cached_property
    def normalizer(self) -> Normalizer | None:
        """How its text is said by its engine; None where there is no such engine."""
        return normalizer_of(self.traits, self.manifest.language, self.lexicon) if self.traits else None

    @functools.cached_property
    def unspoken(self) -> tuple[Problem, ...]:
        """Turns with words that no voice can say in its language."""
        return tuple(_unspeakable(self.script, self.normalizer)) if self.script and self.normalizer else ()

    @functools.cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """What is worth knowing though nothing is wrong."""
        script, casting, traits = self.script, self.casting, self.traits
        return (
            *self.manifest.notes,
            *self.notes,
            *(script.warnings if script else ()),
            *(_unheard(self.manifest, script) if script and not script.problems else ()),
            *(casting.warnings if casting else ()),
            *self.unspoken,
            *(self._unusable_entries() if script and traits else ()),
            *(self._languages_gaps(script) if script else ()),
            *(_foreign(self.manifest, traits) if traits else ()),
            *(_one_take(self.manifest, script, traits) if script and traits else ()),
            *(_unknown_tags(script) if script and traits and traits.speaks_tags else ()),
        )

    def _languages_gaps(self, script: Script) -> Iterator[Problem]:
        texts = [turn.text for chapter in script.chapters for turn in chapter.turns]
        return without_words(self.manifest.where("language"), self.manifest.language, texts)

    def _unusable_entries(self) -> Iterator[Problem]:
        assert self.script and self.traits
        if self.lexicon is not None:
            yield from unusable_entries(self.lexicon, self.script, self.traits, self.manifest.language)


def normalizer_of(traits: Traits, language: str, lexicon: Lexicon | None = None) -> Normalizer:
    """How an engine says text of a language, with the entries of a lexicon that it can use."""
    usable = lexicon.for_engine(language, traits.unknown_ipa) if lexicon is not None else None
    return Normalizer(language, traits.speaks_tags, families(language), usable)


def read_request(
    path: Path | str, settings: Settings | None = None, *, engine: str | None = None, allow_outside: bool = False
) -> JobRequest:
    """Read and check a manifest, or a script without one, and all it names.

    Raises `RequestError` where it cannot be read at all.
    """
    path, settings = Path(path), settings or load_settings()
    manifest, problems = load_manifest(path, allow_outside=allow_outside)
    check = _Checker(problems)
    if manifest.is_script and (beside := manifest_of(path)) is not None:
        what = f"{beside.name} names this script, so that it is no job of its own."
        problems.append(Problem(str(path), what, f"Name {beside} in its place."))
    if settings.takes is not None and (problem := check_shared(settings.takes)) is not None:
        problems.append(problem)
    name = engine or manifest.engine
    if name in TRAITS:
        manifest = manifest.in_spoken_language(lambda language: not TRAITS[name].refusal(language))
    engine_problems: list[Problem] = []
    opened = _Checker(engine_problems)(lambda: _open_engine(manifest, name, settings))
    if opened is not None:
        manifest = manifest.in_spoken_language(lambda language: not opened.check(language, []))
    lexicon = check(lambda: load_lexicon(manifest, settings, allow_outside=allow_outside))
    edits, wrong_edits = check(lambda: _load_edits(manifest, allow_outside=allow_outside)) or ((), [])
    problems += wrong_edits
    decided = decisions_file(manifest.path)
    decisions, wrong_decisions = check(lambda: load_decisions(decided, allow_outside=allow_outside)) or ((), [])
    problems += wrong_decisions
    problems += _unknown_checks(manifest)
    script = _load_script(manifest, edits, allow_outside=allow_outside)
    problems += script.problems if script else ()
    library = check(lambda: _load_library(path.parent, settings.voices, allow_outside=allow_outside))
    notes: list[Problem] = []
    is_read = script is not None and not script.problems  # else these say why there is no cover either
    if manifest.cover:
        cover = check(lambda: _load_cover(manifest))
    else:
        cover = _Checker(notes)(lambda: _cover_of_book(manifest)) if is_read else None
    casting = check(lambda: _cast(manifest, script, library)) if library else None
    problems += _unknown_voices(decisions, library) if library else ()
    problems += engine_problems
    if casting and name in TRAITS:
        problems += _engine_problems(manifest, casting, TRAITS[name], opened)
    if script and name in TRAITS:
        problems += _unknown_voices((turn for _chapter, turn in turns_of(script)), library or {})
    return JobRequest(
        manifest,
        script,
        library,
        casting,
        cover,
        opened,
        TRAITS.get(name),
        lexicon,
        tuple(problems),
        tuple(notes),
        decisions,
    )


def unsaid(script: Script, normalizer: Normalizer) -> Iterator[tuple[Turn, str]]:
    """The words of each turn that an engine cannot say: its tags, and those in letters of another language."""
    plain = replace(normalizer, lexicon=None)
    for chapter, turn in turns_of(script):
        if not turn.text.isascii() or has_tag(turn.text):
            silent = _silent(normalizer.pairs(turn.text, speaker=turn.speaker, chapter=chapter), turn.text)
            if normalizer.lexicon and silent:  # what a lexicon has silent is meant to be
                unspeakable_words = _silent(plain.pairs(turn.text), turn.text)
                silent = [word for word in silent if word in unspeakable_words]
            if silent:
                yield turn, " ".join(silent)


def _silent(pairs: Iterable[Pair], text: str) -> list[str]:
    words = (text[pair.start : pair.end] for pair in pairs if not pair.spoken)
    return [word for word in words if has_speech(word) or has_tag(word)]


def _unheard(manifest: Manifest, script: Script) -> Iterator[Problem]:
    """Names that the manifest has for reading the script, and that do not stand in it."""
    written = name_key(" ".join(ledger.text for ledger in script.ledgers)) if manifest.names() else ""
    for path, name in manifest.names():
        if name_key(name) not in written:
            what = f'"{name}" does not stand in the script.'
            yield Problem(manifest.where(*path), what, did_you_mean(name, speakers(script)))


def _unknown_checks(manifest: Manifest) -> Iterator[Problem]:
    """Checks to be ignored that are none."""
    for index, name in enumerate(manifest.checks.ignore):
        if name not in LIMITS:
            yield Problem(manifest.where("checks", "ignore", index), f'no check "{name}".', did_you_mean(name, LIMITS))


class _Checker:
    """Runs checks one after another and collects what they raise."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def __call__(self, load: Callable[[], T]) -> T | None:
        try:
            return load()
        except RequestError as error:
            self._problems.extend(error.problems)
            return None


def _load_edits(manifest: Manifest, *, allow_outside: bool) -> tuple[tuple[Edit, ...], list[Problem]]:
    path = edits_file(manifest.path)
    if not allow_outside and path.is_file() and not is_inside(path, manifest.path.parent):
        what = "these edits are outside the manifest's folder."
        raise RequestError(Problem(str(path), what, "Move the file there, or allow it with --allow-outside."))
    return load_edits(path, {script.file: manifest.file(script.file) for script in manifest.script})


def _load_script(manifest: Manifest, edits: Sequence[Edit], *, allow_outside: bool) -> Script | None:
    """The script; of one that was refused as outside, or is not named at all, there is nothing more to say."""
    named = [
        (script.file, reading, _missing(manifest, index))
        for index, (script, reading) in enumerate(zip(manifest.script, manifest.readings(), strict=True))
        if script.file and (allow_outside or not manifest.is_outside(script.file))
    ]
    if not named:
        return None
    missing = tuple(problem for _name, _reading, problem in named if problem)
    files = [(manifest.file(name), reading) for name, reading, problem in named if not problem]
    if not files:
        return Script((), problems=missing)
    paths = [(path, str(path)) for path, _reading in files]
    script = load_script(paths, [reading for _path, reading in files], title=manifest.title, edits=edits)
    return replace(script, problems=(*missing, *script.problems))


def _missing(manifest: Manifest, index: int) -> Problem | None:
    """That a script which the manifest names is not there."""
    name = manifest.script[index].file
    path = manifest.file(name)
    if os.path.exists(path) or not is_script(path):  # noqa: PTH110 - it raises nothing
        return None
    is_hidden = os.path.isdir(path.parent) and not os.access(path.parent, os.X_OK)  # noqa: PTH112 - it raises nothing
    what = f'the file "{name}" may not be read.' if is_hidden else f'there is no file "{name}".'
    return Problem(manifest.where("script", index), what, siblings(path))


def _load_library(folder: Path, others: Sequence[Path], *, allow_outside: bool) -> Library:
    """The voices beside the manifest and of this machine's own folders."""
    own = folder / "voices"
    outside = [file.parent for file in sorted(own.glob("*/voice.yaml")) if not is_inside(file, folder)]
    if outside and not allow_outside:
        hint = "Copy it there, name its folder with PODCAST_VOICES, or allow it with --allow-outside."
        raise RequestError(
            *(Problem(str(voice), "the voice is outside the manifest's folder.", hint) for voice in outside)
        )
    return load_library((own, *others))


def _load_cover(manifest: Manifest) -> Cover | None:
    assert manifest.cover is not None
    data, mime, size = read_cover(manifest.file(manifest.cover), manifest.where("cover"))
    return Cover(data, mime, size)


def _cover_of_book(manifest: Manifest) -> Cover | None:
    """The cover of the first script, if that is a book with one. Raises `RequestError` for one that cannot be used."""
    name = manifest.script[0].file
    path = manifest.file(name)
    if path.suffix.lower() not in EPUB_SUFFIXES or not path.is_file() or manifest.is_outside(name):
        return None
    picture = read_book_cover(path, str(path))
    return None if picture is None else Cover(*check_cover(as_jpeg(picture), str(path)))


def _open_engine(manifest: Manifest, name: str, settings: Settings) -> Engine:
    if name in TRAITS and (refusal := TRAITS[name].refusal(manifest.language)):  # whether its weights are here or not
        raise RequestError(_wrong_language(manifest, refusal))
    try:
        return open_engine(name, manifest.dia.sound(), Machine.of(settings))
    except EngineError as error:
        where = manifest.where("engine")
        raise RequestError(
            *(Problem(where, f"{problem.where}: {problem.what}", problem.next) for problem in error.problems)
        ) from None


def _cast(manifest: Manifest, script: Script | None, library: Library | None) -> Casting:
    where = {name: manifest.where("cast", name) for name in manifest.cast}
    where["narrator"] = manifest.where("narrator")
    return cast_speakers(speakers(script) if script else [], manifest.cast, manifest.narrator, library or {}, where)


def _engine_problems(manifest: Manifest, casting: Casting, traits: Traits, engine: Engine | None) -> Iterator[Problem]:
    voices = list(dict.fromkeys(role.voice for role in casting.roles.values()))
    if traits.audition:  # it speaks as the prompt does
        for voice in voices:
            yield from prompt_problems(voice, manifest.where("cast"))
    if engine is not None:
        wrong_language = engine.check(manifest.language, [])
        for what in wrong_language:
            yield _wrong_language(manifest, what)
        for what in engine.check(manifest.language, voices):
            if what not in wrong_language:
                yield Problem(manifest.where("cast"), f"{what}.", "Choose another voice, or mend this one.")


def _wrong_language(manifest: Manifest, what: str) -> Problem:
    return Problem(manifest.where("language"), f"{what}.", "Choose another language or engine.")


def _foreign(manifest: Manifest, traits: Traits) -> Iterator[Problem]:
    if not traits.refuses_others and not traits.is_made_for(manifest.language):
        known = ", ".join(sorted(traits.languages))
        what = (
            f'the engine {traits.name} was made for "{known}" and may speak "{manifest.language}" as if it were that.'
        )
        yield Problem(manifest.where("language"), f"{what}.", "Listen before you render a whole book.")


def _one_take(manifest: Manifest, script: Script, traits: Traits) -> Iterator[Problem]:
    """That takes to choose from would all be the same."""
    turns = (turn for chapter in script.chapters for turn in chapter.turns if turn.takes > 1)
    where = manifest.where("takes") if manifest.takes > 1 else next((turn.where for turn in turns), "")
    if where and "seed" not in traits.remedies:
        what = f"the engine {traits.name} says the same words the same way every time: one take is made of each."
        yield Problem(where, what, 'The engine dia makes several, for "takes:".')


_MOST_NAMED = 3  # words that cannot be spoken, of one turn
_ROMAN = re.compile(r"(?<![\w.])(?:(?!XX\b|XXX)[IVX]{2,9})(?!\w)")


def without_words(where: str, language: str, texts: Sequence[str]) -> Iterator[Problem]:
    """That the numbers and signs in texts of a language, which `where` names, are not all said in words."""
    whats = [unsupported(language)] if any(re.search(r"\d", text) for text in texts) else []
    if not says_romans(language) and any(_ROMAN.search(text) for text in texts):
        whats.append("Roman numerals have no words")
    if any(whats):
        what = f'numbers in "{language}": {"; ".join(filter(None, whats))}.'
        yield Problem(where, what, "Write them in words, or listen to how the engine reads them.")
    if signs := unsaid_signs(language, texts):
        which = " ".join(sign for sign, _count in signs.most_common(5))
        what = f'signs in "{language}": there are no words for {signs.total()} ({which}), and they are left out.'
        yield Problem(where, what, "Write them in words.")


def _unknown_voices(named: Iterable[Turn | Decision], library: Library) -> Iterator[Problem]:
    for one in named:
        if one.voice is not None and one.voice not in library:
            yield Problem(one.where, f'no voice "{one.voice}" in voices/.', did_you_mean(one.voice, library))


def _unknown_tags(script: Script) -> Iterator[Problem]:
    for chapter in script.chapters:
        for turn in chapter.turns:
            for tag in unknown_tags(turn.text):
                hint = nearest_tag(tag.strip("()"))
                next_step = f"Did you mean {hint}?" if hint else did_you_mean(tag, NONVERBAL_TAGS)
                yield Problem(turn.where, f"{tag} is no tag the engine knows, and is read as words.", next_step)


def _unspeakable(script: Script, normalizer: Normalizer) -> Iterator[Problem]:
    for turn, words in unsaid(script, normalizer):
        runs = [unspeakable(word, normalizer.language) or word for word in words.split() if has_speech(word)]
        if runs:
            named = list(dict.fromkeys(runs))
            several = ", ".join(f'"{run}"' for run in named[:_MOST_NAMED])
            more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
            verb = "is" if len(named) == 1 else "are"
            what = f'{several}{more} cannot be spoken in language "{normalizer.language}" and {verb} left out'
            what += " of the sound."
            yield Problem(turn.where, what, "Write it in letters the voice can read, or respell it in a lexicon.")
