"""`podcast lexicon`: which words are likely to be misread, what entries change, and how a respelling sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import (
    DONE,
    ENGINES,
    LANGUAGE_TAG,
    WRONG_REQUEST,
    dia_options,
    engine_option,
    json_option,
    machine_settings,
    outside_option,
    print_json,
    tell,
    tell_line,
    warn,
)
from pipeline.errors import Problem, RequestError

if TYPE_CHECKING:
    from pipeline.engines import Traits, Voice
    from pipeline.settings import Settings
    from pipeline.source.lexicons import LexiconUse, RefusedEntry
    from pipeline.source.misreadings import Misreading
    from pipeline.source.spoken.lexicon import Lexicon

_SHOWN = 20  # words of a kind, and entries
_VOICES = 3  # samples where nobody says of which voices


@click.group()
def lexicon() -> None:
    """Words that are said otherwise than they are written."""


@lexicon.command("check")
@click.argument("manifest", type=Path)
@engine_option
@json_option
@outside_option
def check_lexicon(manifest: Path, engine: str | None, as_json: bool, allow_outside: bool) -> int:
    """Tell which words of a script are likely to be misread, and what each entry changes. Renders nothing.

    Words that an entry covers are left out. Exits with 2 where something has to be mended.
    """
    from pipeline.jobs.progress import telling
    from pipeline.jobs.request import read_request
    from pipeline.source.lexicons import load_lexicon, refused_entries, unusable_entries, uses
    from pipeline.source.misreadings import is_listed, misreadings

    settings = machine_settings()
    with telling("reading the script"):
        request = read_request(manifest, settings, engine=engine, allow_outside=allow_outside)
        entries = load_lexicon(request.manifest, settings, allow_outside=allow_outside)
        script, traits, language = request.script, request.traits, request.manifest.language
        if script is None or traits is None:
            raise RequestError(*request.problems)
        usable = entries.for_engine(language, traits.unknown_ipa)
        doubted, used = misreadings(script, usable, language), uses(usable, script)
    refused = refused_entries(entries, script, traits, language)
    notes = list(unusable_entries(entries, script, traits, language))
    if not is_listed(language):
        what = f'there is no list of words in "{language}": names and unknown words are not looked for.'
        notes.append(Problem(request.manifest.where("language"), what, "Listen to a chapter."))
    if as_json:
        print_json(_as_dict(doubted, used, refused, notes, request.problems))
    else:
        for line in _lines(doubted, used, refused):
            click.echo(line)
        warn(notes)
        tell(request.problems)
    return WRONG_REQUEST if request.problems else DONE


def _as_dict(
    doubted: Sequence[Misreading],
    used: Sequence[LexiconUse],
    refused: Sequence[RefusedEntry],
    notes: Sequence[Problem],
    problems: Sequence[Problem],
) -> dict[str, Any]:
    return {
        "words": [
            {"kind": one.doubt, "word": one.word, "count": one.count_in_script, "first": one.where} for one in doubted
        ],
        "entries": [
            {
                "where": use.entry.where,
                "word": use.entry.word,
                "say": use.entry.say,
                "ipa": use.entry.ipa or None,
                "count": use.times,
                "first": use.where or None,
                "not_used": why,
            }
            for use, why in [*((use, None) for use in used), *refused]
        ],
        "notes": [note.as_dict() for note in notes],
        "problems": [problem.as_dict() for problem in problems],
    }


def _lines(doubted: Sequence[Misreading], used: Sequence[LexiconUse], refused: Sequence[RefusedEntry]) -> Iterator[str]:
    """The report for people."""
    from pipeline.source.misreadings import DOUBTS
    from pipeline.words import counted, table

    touching = sorted((use for use in used if use.times), key=lambda use: -use.times)
    idle = [use for use in used if not use.times]
    count = len(used) + len(refused)
    entries = f"{count:,} {'entry' if count == 1 else 'entries'}"
    yield f"{counted(len(doubted), 'word')} likely to be misread, {entries} in lexicons"
    for doubt in DOUBTS:
        words = [one for one in doubted if one.doubt == doubt]
        if words:
            yield ""
            yield table([(doubt, "", "first"), *((w.word, f"{w.count_in_script:,}", w.where) for w in words[:_SHOWN])])
            yield from _more(len(words))
    if touching:
        yield ""
        rows = [
            (use.entry.word, use.entry.spoken or "(silence)", f"{use.times:,}", use.where, use.entry.where)
            for use in touching[:_SHOWN]
        ]
        yield table([("is said", "as", "", "first", "by"), *rows])
        yield from _more(len(touching))
    if idle:
        yield ""
        yield table([("changes nothing", ""), *((use.entry.word, use.entry.where) for use in idle[:_SHOWN])])
        yield from _more(len(idle))
    if refused:
        yield ""
        reasons = [(use.entry.word, f"{use.times:,}", why, use.entry.where) for use, why in refused[:_SHOWN]]
        yield table([("not used here", "", "why", ""), *reasons])
        yield from _more(len(refused))


def _more(count: int) -> Iterator[str]:
    if count > _SHOWN:
        yield f"… and {count - _SHOWN} more (--json lists all)"


@lexicon.command("try")
@click.argument("word")
@click.option("--as", "respelling", required=True, metavar="RESPELLING", help='Such as "win", or IPA: "/wɪn/".')
@click.option("--in", "sentence", metavar="TEXT", help="Words around it. [default: the word alone]")
@click.option("--voice", "names", multiple=True, metavar="NAME", help="May be given again. [default: a few]")
@click.option("--manifest", type=Path, help="With all voices of this job, its engine and language.")
@click.option("--engine", type=ENGINES, help="[default: the manifest's, or draft]")
@click.option("--language", type=LANGUAGE_TAG, help="[default: the manifest's, or en]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the files. [default: output/lexicon]")
@dia_options
@json_option
def try_word(
    word: str,
    respelling: str,
    sentence: str | None,
    names: tuple[str, ...],
    manifest: Path | None,
    engine: str | None,
    language: str | None,
    out: Path | None,
    weights: str | None,
    device: str | None,
    as_json: bool,
) -> int:
    """Write a sample of each voice with a word as it would be said: podcast lexicon try "Nguyen" --as "win"."""
    import yaml

    from pipeline.cli.say import SPEAKING, say
    from pipeline.engines import TRAITS, Machine
    from pipeline.files import safe_name, storage_errors
    from pipeline.jobs.progress import telling

    settings = machine_settings(weights=weights, device=device)
    voices, job_engine, job_language = _voices(manifest, names, settings)
    engine, language = engine or job_engine, language or job_language
    text = sentence or word
    entries = _one_entry(word, respelling, text, TRAITS[engine], language)
    folder = out or settings.output / "lexicon"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    files: list[dict[str, Any]] = []
    with telling(SPEAKING):
        for voice in voices:
            path = folder / f"{safe_name(word)} - {voice.name}.wav"
            machine = Machine.of(settings)
            seconds = say(text, voice, path, engine=engine, language=language, machine=machine, lexicon=entries)
            files.append({"voice": voice.name, "path": str(path), "audio_s": round(seconds, 2)})
    if as_json:
        print_json({"word": word, "as": respelling, "engine": engine, "files": files})
        return DONE
    for file in files:
        click.echo(f"{file['path']}  {file['audio_s']:.1f} s")
    line = yaml.safe_dump({word: respelling}, allow_unicode=True).strip()
    tell_line(f"To keep it, put a line into lexicon.yaml beside the manifest, such as {line}")
    return DONE


def _voices(manifest: Path | None, names: Sequence[str], settings: Settings) -> tuple[list[Voice], str, str]:
    """Whose samples are made, and the engine and language of the job, or those that are usual."""
    from pipeline.errors import raise_if_any
    from pipeline.jobs.request import read_request
    from pipeline.source.voices import DEFAULT_NARRATOR_VOICE, find_voice, load_library

    if manifest is None:
        library, engine, language = load_library(settings.voices), "draft", "en"
        usual = [DEFAULT_NARRATOR_VOICE, *(name for name, entry in library.items() if entry.default_cast)]
        names = names or list(dict.fromkeys(usual))[:_VOICES]
    else:
        request = read_request(manifest, settings)
        raise_if_any(request.problems)
        assert request.casting and request.library
        library, engine, language = request.library, request.manifest.engine, request.manifest.language
        names = names or list(dict.fromkeys(role.voice.name for role in request.casting.roles.values()))
    return [find_voice(library, name, "--voice") for name in names], engine, language


def _one_entry(word: str, respelling: str, text: str, traits: Traits, language: str) -> Lexicon:
    """A lexicon of this word alone. Raises `RequestError` where it would change nothing."""
    from pipeline.source.lexicons import lexicon_of_word
    from pipeline.source.spoken.entries import wrong_word

    if problem := wrong_word(word, "WORD"):
        raise RequestError(problem)
    entries = lexicon_of_word(word, respelling, "--as")
    if not any(entries.matches(text, None, (1, ""))):
        raise RequestError(Problem("--in", f'"{word}" does not stand in this text.', "Write it there."))
    if not entries.for_engine(language, traits.unknown_ipa).entries:
        what = f'the engine {traits.name} cannot say "{respelling}" in language "{language}".'
        (entry,) = entries.entries
        if entry.ipa:
            lacking = f'has no sound for "{traits.unknown_ipa(entry.ipa)}"' if traits.speaks_ipa else "takes no IPA"
            what = f"the engine {traits.name} {lacking}."
        raise RequestError(Problem("--as", what, "Give a respelling, such as win."))
    return entries
