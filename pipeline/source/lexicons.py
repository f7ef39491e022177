"""Lexicons: which files of a job say how words are said, and what of them a script uses.

In: a manifest and the settings. Out: the `Lexicon` of the job: what stands in its `pronounce:`, then in `lexicon.yaml`
beside it, then in the files of the folder `lexicon/` there, then in what the setting names; the nearer goes first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.engines import Traits
from pipeline.errors import Problem, RequestError, raise_if_any
from pipeline.files import is_inside
from pipeline.settings import Settings
from pipeline.source.documents import Located, read_text, read_yaml
from pipeline.source.keys import LEXICON_SUFFIXES
from pipeline.source.manifest import Manifest
from pipeline.source.script import Script, Turn, name_key
from pipeline.source.spoken.entries import LexiconEntry, read_entries
from pipeline.source.spoken.lexicon import ChapterName, Lexicon
from pipeline.workspace import LEXICON, job_name

_BESIDE, _FOLDER, _MACHINE = 1, 2, 3  # how near; what stands in the manifest is 0


class LexiconUse(NamedTuple):
    """How often an entry is used in a script, and where first; `where` is "" where it is not."""

    entry: LexiconEntry
    times: int
    where: str


class RefusedEntry(NamedTuple):
    """An entry that an engine cannot use in a language, where its word stands in a script, and why."""

    use: LexiconUse
    why: str


def load_lexicon(manifest: Manifest, settings: Settings, *, allow_outside: bool = False) -> Lexicon:
    """The entries of a manifest's job. Raises `RequestError` with all that is wrong in their files.

    What is wrong in `pronounce:` is told with the manifest.
    """
    folder = manifest.path.parent
    beside = [path for suffix in LEXICON_SUFFIXES if os.path.lexists(path := folder / f"{LEXICON}{suffix}")]
    files = [*((path, _BESIDE) for path in beside), *((path, _FOLDER) for path in _files_in(folder / LEXICON))]
    problems = [
        Problem(str(path), "the lexicon is outside the manifest's folder.", "Copy it there, or use --allow-outside.")
        for path, _nearness in files
        if not allow_outside and not is_inside(path, folder)
    ]
    raise_if_any(problems)
    try:
        if settings.lexicon is not None:
            files += [(path, _MACHINE) for path in _files_of(settings.lexicon, "PODCAST_LEXICON")]
    except RequestError as error:
        problems += error.problems
    entries = [*manifest.pronunciations()[0], *_read_all(files, problems)]
    raise_if_any(problems)
    names = {name_key(name) for name in (job_name(manifest.path), manifest.path.stem)}
    return Lexicon(entry for entry in entries if not entry.jobs or entry.jobs & names)


def read_lexicon(path: Path, where: str) -> Lexicon:
    """The entries in a file, or in those of a folder, that are bound to no job; `where` has named it.

    Raises `RequestError` with all that is wrong.
    """
    problems: list[Problem] = []
    entries = list(_read_all([(file, _MACHINE) for file in _files_of(path, where)], problems))
    raise_if_any(problems)
    return Lexicon(entry for entry in entries if not entry.jobs)


def lexicon_of_word(word: str, respelling: str, where: str) -> Lexicon:
    """One entry, as somebody gives it at `where`. Raises `RequestError` where it is none."""
    entries, problems = read_entries(Located({word: respelling}, {}, where), (), _MACHINE)
    raise_if_any(problems)
    return Lexicon(entries)


def turns_of(script: Script) -> Iterator[tuple[ChapterName, Turn]]:
    """The turns of a script, each with the number and title of its chapter."""
    for number, chapter in enumerate(script.chapters, start=1):
        for turn in chapter.turns:
            yield (number, chapter.title), turn


def uses(lexicon: Lexicon, script: Script) -> list[LexiconUse]:
    """How often a script uses each entry, in the order of the lexicon."""
    counts = dict.fromkeys(lexicon.entries, 0)
    first: dict[LexiconEntry, str] = {}
    for chapter, turn in turns_of(script):
        for match in lexicon.matches(turn.text, turn.speaker, chapter):
            counts[match.entry] += 1
            first.setdefault(match.entry, turn.where)
    return [LexiconUse(entry, count, first.get(entry, "")) for entry, count in counts.items()]


def refused_entries(lexicon: Lexicon, script: Script, engine: Traits, language: str) -> list[RefusedEntry]:
    """The entries of which an engine can say nothing in a language, whether the script has their words or not."""
    unusable = lexicon.unusable(language, engine.unknown_ipa)
    return [RefusedEntry(use, _why_refused(use.entry, engine, language)) for use in uses(unusable, script)]


def _why_refused(entry: LexiconEntry, engine: Traits, language: str) -> str:
    if engine.speaks_ipa and (signs := engine.unknown_ipa(entry.ipa)):
        return f'the engine {engine.name} has no sound for "{signs}"'
    if entry.say is None:
        return f"the engine {engine.name} takes no IPA, and there is no say:"
    return f'"{entry.say}" cannot be spoken in language "{language}"'


def unusable_entries(lexicon: Lexicon, script: Script, engine: Traits, language: str) -> Iterator[Problem]:
    """What to say of entries whose words stand in a script, and which its engine cannot use, or not their IPA."""
    unusable = set(lexicon.unusable(language, engine.unknown_ipa).entries)
    unknown = {entry: engine.unknown_ipa(entry.ipa) for entry in lexicon.entries if engine.speaks_ipa}
    doubtful = Lexicon(entry for entry in lexicon.entries if entry in unusable or unknown.get(entry))
    for use in uses(doubtful, script):
        entry = use.entry
        said = "as it is written" if entry in unusable else f'"{entry.say}"'
        if use.times and (signs := unknown.get(entry)):
            what = f'the engine {engine.name} has no sound for "{signs}" in the IPA of "{entry.word}", said {said}.'
            yield Problem(entry.where, what, "Write it with other signs.")
        elif use.times:
            what = f'"{entry.word}" is said {said}: {_why_refused(entry, engine, language)}.'
            step = "Add a respelling." if entry.say is None else "Respell it in letters that the voice can read."
            yield Problem(entry.where, what, step)


def _files_of(path: Path, where: str) -> Sequence[Path]:
    if path.is_dir():
        return _files_in(path)
    if not path.exists():
        raise RequestError(Problem(where, f'there is no file or folder "{path}".', "Check the path."))
    return [path]


def _files_in(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        return ()
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in LEXICON_SUFFIXES and path.name[0] != ".")


def _read_all(files: Sequence[tuple[Path, int]], problems: list[Problem]) -> Iterator[LexiconEntry]:
    """The entries in files, each read once; whatever is wrong goes to `problems`."""
    known: set[Path] = set()
    for path, nearness in files:
        if (place := path.resolve()) in known:
            continue
        known.add(place)
        try:
            located = read_yaml(read_text(path, str(path)), str(path))
        except RequestError as error:
            problems += error.problems
            continue
        if isinstance(located.data, dict):
            entries, wrong = read_entries(located, (), nearness)
            problems += wrong
            yield from entries
        elif located.data is not None:
            what = 'a lexicon holds "word: respelling" lines.'
            problems.append(Problem(f"{path}:1", what, "Write them so, for example: Nguyen: win"))
