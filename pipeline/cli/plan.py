"""`podcast plan`: what a render would do, who would speak, and what is worth knowing before it."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.check import left_out_counts
from pipeline.cli.options import (
    DONE,
    engine_option,
    json_option,
    machine_settings,
    output_option,
    outside_option,
    print_json,
    takes_option,
    warn,
    weights_option,
)

if TYPE_CHECKING:
    from pipeline.errors import Problem
    from pipeline.jobs.job import Job
    from pipeline.takes.chunks import ChunkPiece
    from pipeline.takes.plan import PlannedTake

_SHOWN = 40  # chunks, and chapters


@click.command()
@click.argument("manifest", type=Path)
@engine_option
@output_option
@weights_option
@takes_option
@click.option("--fresh", is_flag=True, help="Cut the script as if it had never been rendered.")
@json_option
@outside_option
def plan(manifest: Path, engine: str | None, fresh: bool, as_json: bool, allow_outside: bool, **options: Any) -> int:
    """Tell who speaks, and what would be rendered or reused, and why. Loads no engine and changes nothing."""
    from pipeline.jobs.job import open_job
    from pipeline.jobs.progress import telling
    from pipeline.jobs.stages import refusal
    from pipeline.takes.plan import explain

    gc.disable()  # a hundred thousand chunks, none of them garbage: looking for it takes a third of the time
    with telling("reading the script and the finished takes"):
        job = open_job(manifest, machine_settings(**options), engine=engine, allow_outside=allow_outside, fresh=fresh)
        explained = explain(job.takes, job.store)
    notes = [*job.warnings, *filter(None, [refusal(job)])]
    if as_json:
        print_json(_as_dict(job, explained, notes))
        return DONE
    warn(notes)
    for line in _lines(job, explained):
        click.echo(line)
    return DONE


def _as_dict(job: Job, explained: Sequence[tuple[PlannedTake, str, str]], notes: Iterable[Problem]) -> dict[str, Any]:
    from pipeline.jobs.request import unsaid
    from pipeline.takes.choices import standing_key

    to_render = sum(action == "render" for _take, action, _reason in explained)
    left_out, replaced = left_out_counts(job.script)
    return {
        "job": job.name,
        "title": job.manifest.title,
        "audio_s": round(job.audio_s, 1),
        "takes": {"total": len(job.takes), "render": to_render, "reuse": len(job.takes) - to_render},
        "kept_chunks": job.kept_chunks,
        "short_chunks": sum(take.is_short for take in job.takes),
        "notes": [note.as_dict() for note in notes],
        "left_out": left_out,
        "replaced": replaced,
        "unspoken": [{"where": turn.where, "text": text} for turn, text in unsaid(job.script, job.normalizer)],
        "speakers": list(_speakers(job)),
        **_cast(job),
        "chapters": [
            {"number": number, "title": title, "audio_s": round(audio_s, 1), "chunks": chunks}
            for number, title, audio_s, chunks in _chapters(job)
        ],
        "chunks": [
            {
                "key": take.key,
                "where": take.where,
                "take": f"takes/{take.approved or standing_key(job.workspace.takes, take.key)}.flac",
                "approved": bool(take.approved),
                "chapter": take.chunk.chapter + 1,
                "speakers": _names(take.chunk.pieces),
                "text": take.text,
                "spoken": " ".join(piece.spoken for piece in take.chunk.pieces),
                "action": action,
                "reason": reason,
            }
            for take, action, reason in explained
        ],
    }


def _speakers(job: Job) -> Iterator[dict[str, Any]]:
    """Everyone who speaks, in order of appearance, with their voice."""
    from pipeline.source.voices import NARRATOR

    turns = Counter(turn.speaker for chapter in job.script.chapters for turn in chapter.turns)
    for speaker in job.speakers:
        role = job.casting.roles[speaker]
        yield {
            "name": speaker or NARRATOR,
            "turns": turns[speaker],
            "voice": role.voice.name,
            "gender": role.entry.gender,
            "accent": role.entry.accent or None,
            "default": role.default,
        }


def _cast(job: Job) -> dict[str, Any]:
    """The keys of the manifest that would keep every voice as it is."""
    roles = job.casting.roles
    cast = dict(job.manifest.cast) | {name: roles[name].voice.name for name in job.speakers if name is not None}
    return {"narrator": roles[None].voice.name} | ({"cast": cast} if cast else {})


def _chapters(job: Job) -> Iterator[tuple[int, str, float, int]]:
    """Number, title, seconds of speech and chunks of each."""
    for index, chapter in enumerate(job.script.chapters):
        takes = job.takes_by_chapter.get(index, ())
        yield index + 1, chapter.title, sum(take.estimated_s for take in takes), len(takes)


def _lines(job: Job, explained: Sequence[tuple[PlannedTake, str, str]]) -> Iterator[str]:
    """The plan for people."""
    from pipeline.words import clock, counted, table

    to_render = [(take, reason) for take, action, reason in explained if action == "render"]
    chapters = list(_chapters(job))
    yield (
        f"{job.name}: {counted(len(chapters), 'chapter')}, {counted(len(job.takes), 'chunk')}, "
        f"about {clock(job.audio_s)} of audio"
    )
    rendering_s = sum(take.estimated_s * take.alternatives for take, _reason in to_render)
    yield f"render {len(to_render)} (about {clock(rendering_s)}), reuse {len(job.takes) - len(to_render)}"
    if job.kept_chunks:
        verb = "keeps its" if job.kept_chunks == 1 else "keep their"
        yield (
            f"{counted(job.kept_chunks, 'chunk')} {verb} borders from the last render; "
            "a fresh plan would cut otherwise (--fresh shows it)"
        )
    if short := sum(take.is_short for take in job.takes):
        yield (
            f"{counted(short, 'chunk')} of less than {job.traits.budget.min_bytes} bytes between scenes, pauses or "
            f"other speakers: the engine {job.traits.name} is less sure of so few words, and is cut off after them"
        )
    yield ""
    speakers = list(_speakers(job))
    rows = [
        (
            _short(one["name"]),
            counted(one["turns"], "turn"),
            one["voice"],
            ", ".join(filter(None, (one["gender"], one["accent"]))),
            "by default" if one["default"] else "",
        )
        for one in speakers
    ]
    yield table([("speaker", "", "voice", "", ""), *rows])
    if any(one["default"] for one in speakers):
        yield ""
        yield "To keep these voices whatever the script becomes, or to change them, put this into the manifest"
        yield "(in place of the narrator: and cast: that it has):"
        yield from _yaml(_cast(job)).splitlines()
    yield ""
    yield table([(str(number), clock(audio_s), _short(title)) for number, title, audio_s, _n in chapters[:_SHOWN]])
    yield from _more(len(chapters))
    yield from _unread(job)
    if to_render:
        yield ""
    for take, reason in to_render[:_SHOWN]:
        who = ", ".join(map(_short, _names(take.chunk.pieces)))
        yield f"  {take.where}  chapter {take.chunk.chapter + 1}  {reason:<11}  {who}: {_short(take.text)}"
    yield from _more(len(to_render))


def _unread(job: Job) -> Iterator[str]:
    """What of the sources is not spoken as it stands."""
    from pipeline.jobs.request import unsaid
    from pipeline.words import counted

    titles = ("left out", "spoken otherwise")
    shown = {title: counts for title, counts in zip(titles, left_out_counts(job.script), strict=True) if counts}
    silent = sum(1 for _turn in unsaid(job.script, job.normalizer))
    if shown or silent:
        yield ""
    for title, counts in shown.items():
        listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
        yield f"{title}: {listed} (podcast check shows them)"
    if silent:
        yield f"not said by the engine {job.traits.name}: words in {counted(silent, 'turn')}"


def _more(count: int) -> Iterator[str]:
    if count > _SHOWN:
        yield f"  ... and {count - _SHOWN} more (--json lists all)"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _names(pieces: Iterable[ChunkPiece]) -> list[str]:
    from pipeline.source.voices import NARRATOR

    return list(dict.fromkeys(piece.speaker or NARRATOR for piece in pieces))


def _yaml(value: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=1000)
