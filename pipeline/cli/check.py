"""`podcast check`: who speaks, what is left out of the sources, and what there is to decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import (
    DONE,
    WRONG_REQUEST,
    engine_option,
    json_option,
    machine_settings,
    outside_option,
    print_json,
    tell,
)

if TYPE_CHECKING:
    from pipeline.jobs.request import JobRequest
    from pipeline.source.ledger import Ledger, Passage
    from pipeline.source.script import Script, Turn

_SHOWN = 20  # speakers and chapters
_PLACES = 3  # of each reason
_NOTES = 12


@click.command()
@click.argument("manifest", type=Path)
@click.option("--dropped", is_flag=True, help="Show the sources, and mark in them what is not spoken as it stands.")
@engine_option
@json_option
@outside_option
def check(manifest: Path, dropped: bool, engine: str | None, as_json: bool, allow_outside: bool) -> int:
    """Tell how a manifest's script, or one alone, is read: who speaks, what is left out and why. Renders nothing.

    Exits with 2 where something has to be mended, with 0 where there are only notes.
    """
    from pipeline.jobs.progress import telling
    from pipeline.jobs.request import read_request

    with telling("reading the script"):
        request = read_request(manifest, machine_settings(), engine=engine, allow_outside=allow_outside)
    if as_json:
        print_json(_as_dict(request, dropped=dropped))
    elif request.script is not None:
        for line in _marked(request.script.ledgers) if dropped else _lines(request, request.script):
            click.echo(line)
    if not as_json:
        for line in _notes(list(map(str, request.warnings))):
            click.echo(line)
        tell(request.problems)
    return WRONG_REQUEST if request.problems else DONE


def _notes(notes: Sequence[str]) -> Iterator[str]:
    """What there is to decide."""
    if notes:
        yield ""
        yield "to decide"
    yield from (f"note: {note}" for note in notes[:_NOTES])
    if len(notes) > _NOTES:
        yield f"note: … and {len(notes) - _NOTES} more notes (--json lists all)."


def _as_dict(request: JobRequest, *, dropped: bool) -> dict[str, Any]:
    from pipeline.jobs.request import unsaid

    script = request.script
    passages = [passage for ledger in script.ledgers for passage in ledger.passages()] if script else []
    silent = unsaid(script, request.normalizer) if script and request.normalizer else ()
    report: dict[str, Any] = {
        "title": request.manifest.title,
        "speakers": list(_speakers(request, script)) if script else [],
        "chapters": list(_chapters(script)) if script else [],
        "left_out": {reason: _places(of) for reason, of in _by_reason(passages, replaced=False).items()},
        "replaced": {rule: _places(of) for rule, of in _by_reason(passages, replaced=True).items()},
        "edits": [edit._asdict() for edit in script.edits] if script else [],
        "unspoken": [{"where": turn.where, "speaker": _name(turn), "text": text} for turn, text in silent],
        "notes": [note.as_dict() for note in request.warnings],
        "problems": [problem.as_dict() for problem in request.problems],
    }
    if dropped and script:
        report["ledgers"] = [
            {"file": ledger.shown, "text": ledger.text, "entries": [entry._asdict() for entry in ledger.entries]}
            for ledger in script.ledgers
        ]
    return report


def _places(passages: Sequence[Passage]) -> dict[str, Any]:
    places = [
        {"where": one.where, "text": one.text, **({"spoken": one.words} if one.words else {})} for one in passages
    ]
    return {"count": len(passages), "places": places}


def _by_reason(passages: Iterable[Passage], *, replaced: bool) -> dict[str, list[Passage]]:
    by_reason: dict[str, list[Passage]] = {}
    for passage in passages:
        if (passage.words is not None) == replaced:
            by_reason.setdefault(passage.reason, []).append(passage)
    return by_reason


def left_out_counts(script: Script) -> tuple[dict[str, int], dict[str, int]]:
    """How often something is left out of the sources, by reason, and how often replaced, by rule."""
    passages = [passage for ledger in script.ledgers for passage in ledger.passages()]
    counts = [
        Counter(one.reason for one in passages if (one.words is not None) == replaced) for replaced in (False, True)
    ]
    return dict(counts[0]), dict(counts[1])


def _name(turn: Turn) -> str:
    from pipeline.source.voices import NARRATOR

    return turn.speaker or NARRATOR


def _speakers(request: JobRequest, script: Script) -> Iterator[dict[str, Any]]:
    """Everyone who speaks, in order of appearance: turns, words, the first line, the voice."""
    turns_of: dict[str | None, list[Turn]] = {}
    for chapter in script.chapters:
        for turn in chapter.turns:
            turns_of.setdefault(turn.speaker, []).append(turn)
    roles = request.casting.roles if request.casting else {}
    for speaker, turns in turns_of.items():
        role = roles.get(speaker)
        yield {
            "name": _name(turns[0]),
            "turns": len(turns),
            "words": sum(len(turn.text.split()) for turn in turns),
            "first": {"where": turns[0].where, "text": turns[0].text},
            "voice": role.voice.name if role else None,
            "default": role.default if role else None,
        }


def _chapters(script: Script) -> Iterator[dict[str, Any]]:
    for number, chapter in enumerate(script.chapters, start=1):
        words = sum(len(turn.text.split()) for turn in chapter.turns)
        yield {
            "number": number,
            "title": chapter.title,
            "where": chapter.where,
            "turns": len(chapter.turns),
            "words": words,
        }


def _lines(request: JobRequest, script: Script) -> Iterator[str]:
    """The report for people."""
    from pipeline.jobs.request import unsaid
    from pipeline.words import counted, table

    speakers, chapters = list(_speakers(request, script)), list(_chapters(script))
    words = sum(chapter["words"] for chapter in chapters)
    yield (
        f"{_short(request.manifest.title, 80)}: {counted(len(chapters), 'chapter')}, "
        f"{counted(len(speakers), 'speaker')}, {counted(words, 'word')} to be spoken"
    )
    if speakers:
        yield ""
        rows = [
            (
                _short(one["name"], 28),
                counted(one["turns"], "turn"),
                counted(one["words"], "word"),
                f"{one['voice'] or '?'}{' (by default)' if one['default'] else ''}",
                f"{one['first']['where']}: {_short(one['first']['text'], 48)}",
            )
            for one in speakers[:_SHOWN]
        ]
        yield table([("who speaks", "", "", "voice", "first line"), *rows])
        yield from _more(len(speakers))
        yield ""
        heads = [
            (str(one["number"]), _short(one["title"], 50), counted(one["words"], "word"), one["where"])
            for one in chapters[:_SHOWN]
        ]
        yield table([("chapters", "", "", ""), *heads])
        yield from _more(len(chapters))
    passages = [passage for ledger in script.ledgers for passage in ledger.passages()]
    for title, replaced in (("left out", False), ("spoken otherwise", True)):
        by_reason = _by_reason(passages, replaced=replaced)
        if by_reason:
            yield ""
            reasons = sorted(by_reason.items(), key=lambda item: -len(item[1]))
            yield table([(title, "", ""), *((reason, f"{len(of):,}", _examples(of)) for reason, of in reasons)])
    if script.edits:
        yield ""
        edits = [
            (str(one.number), one.where, f"{_short(one.old, 40)} → {_short(one.new, 40) or '(taken out)'}")
            for one in script.edits[:_SHOWN]
        ]
        yield table([("edits", "", ""), *edits])
        yield from _more(len(script.edits))
    if request.traits and request.normalizer and (silent := list(unsaid(script, request.normalizer))):
        yield ""
        shown = "; ".join(f"{turn.where}: {_short(text, 30)}" for turn, text in silent[:_PLACES])
        yield f"not said by the engine {request.traits.name} in {counted(len(silent), 'turn')}: {shown}"


def _examples(passages: Sequence[Passage]) -> str:
    if passages[0].reason == "head":
        return "titles and styles of documents, which browsers need"  # the same in each
    shown = [
        f"{one.where}: {_short(one.text, 26)}" + (f" → {_short(one.words, 26)}" if one.words else "")
        for one in passages[:_PLACES]
    ]
    return "; ".join(shown) + ("; …" if len(passages) > _PLACES else "")


def _more(count: int) -> Iterator[str]:
    if count > _SHOWN:
        yield f"… and {count - _SHOWN} more (--json lists all)"


def _short(text: str, most: int) -> str:
    from pipeline.errors import printable

    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _marked(ledgers: Sequence[Ledger]) -> Iterator[str]:
    """The sources line by line: [-what is left out-], and {+what is spoken instead+}, with the reasons behind."""
    for ledger in ledgers:
        yield f"{ledger.shown}"
        numbers = [place.removeprefix(f"{ledger.shown}:") for place in ledger.places]
        parts, reasons, number = [""], list[str](), 1
        for entry in ledger.entries:
            reason = entry.reason or entry.rule
            for index, text in enumerate(ledger.text[entry.start : entry.end].split("\n")):
                if index:
                    yield _marked_line(numbers[number - 1] if numbers else str(number), parts, reasons)
                    parts, reasons, number = [""], [], number + 1
                if reason and text.strip() and parts[-1].endswith("-]") and entry.reason:
                    parts[-1] = f"{parts[-1][:-2]}{text}-]"
                elif reason and text.strip():
                    parts.append(f"[-{text}-]")
                elif text:
                    parts.append(text)
                if reason and text.strip() and reason not in reasons:
                    reasons.append(reason)
            if entry.words:
                parts.append(f"{{+{entry.words}+}}")
        yield _marked_line(numbers[number - 1] if numbers else str(number), parts, reasons)


def _marked_line(number: str, parts: Sequence[str], reasons: Sequence[str]) -> str:
    from pipeline.errors import printable

    behind = f"   ({', '.join(reasons)})" if reasons else ""
    line = printable("".join(parts).replace("\t", "    ").rstrip())
    return f"{printable(number):>5}  {line}{behind}".rstrip()
