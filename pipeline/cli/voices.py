"""`podcast voices`: list voices, hear them, make them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import DONE, ENGINES, dia_options, json_option, machine_settings, print_json, tell_line, warn
from pipeline.errors import Problem, RequestError, did_you_mean
from pipeline.words import table

if TYPE_CHECKING:
    from pipeline.source.voices import VoiceEntry


class _Voices(click.Group):
    """A group that takes a text where no command of its own is named: podcast voices --say ada "text"."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave the text in `ctx.args`; options may stand on both sides of it."""
        if args and args[0] in self.commands:
            return super().parse_args(ctx, args)
        ctx.allow_interspersed_args = True
        return click.Command.parse_args(self, ctx, args)


@click.group(cls=_Voices, invoke_without_command=True, subcommand_metavar="[TEXT] | COMMAND [ARGS]...")
@click.option("--say", "name", metavar="NAME", help="Write a sample of this voice.")
@click.option("--out", type=click.Path(path_type=Path), help="The sample's file. [default: NAME.wav]")
@click.option("--engine", default="draft", show_default=True, type=ENGINES)
@json_option
@click.pass_context
def voices(ctx: click.Context, name: str | None, out: Path | None, engine: str, as_json: bool) -> int:
    """List the voices there are, or write a sample of one: podcast voices --say ada "text"."""
    from pipeline.source.voices import find_voice, load_library

    if ctx.invoked_subcommand is not None:
        return DONE
    if ctx.args and name is None:
        hint = did_you_mean(ctx.args[0], voices.commands)
        raise RequestError(Problem("voices", f'no command "{ctx.args[0]}", and no --say for a text.', hint))
    settings = machine_settings()
    library = load_library(settings.voices)
    if name is not None:
        from pipeline.cli.say import SPEAKING
        from pipeline.cli.say import say as speak
        from pipeline.engines import TRAITS, Machine
        from pipeline.jobs.progress import telling

        out = out or Path(f"{name}.wav")
        text = " ".join(ctx.args) or "The quick brown fox jumps over the lazy dog."
        voice = find_voice(library, name, "--say")
        warn(TRAITS[engine].unheard([voice], "--engine"))
        with telling(SPEAKING):
            seconds = speak(text, voice, out, engine=engine, machine=Machine.of(settings))
        tell_line(f"{out}: {seconds:.1f} s")
        return DONE
    if as_json:
        print_json(
            {
                "voices": [
                    {
                        "name": voice_name,
                        "description": entry.description,
                        "consent": entry.consent,
                        "gender": entry.gender,
                        "accent": entry.accent or None,
                        "prompt": str(entry.voice.prompt) if entry.voice.prompt else None,
                        "draft": dataclasses.asdict(entry.voice.draft),
                        "kokoro": dataclasses.asdict(entry.voice.kokoro),
                        "default_cast": entry.default_cast,
                        "folder": str(entry.folder),
                    }
                    for voice_name, entry in sorted(library.items())
                ]
            }
        )
        return DONE
    rows = [
        (
            voice_name,
            entry.gender or "-",
            _accent(entry, engine),
            "recorded" if entry.voice.prompt else "-",
            entry.description,
        )
        for voice_name, entry in sorted(library.items())
    ]
    click.echo(table([("voice", "gender", "accent", "recording", ""), *rows]))
    return DONE


def _accent(entry: VoiceEntry, engine: str) -> str:
    """The accent of a voice: Kokoro's are American or British, as their names begin."""
    if engine == "kokoro":
        return "British" if entry.voice.kokoro.voice.startswith("b") else "American"
    return entry.accent or "-"


@voices.command("add")
@click.argument("name")
@click.argument("clip", type=Path)
@click.option("--transcript", required=True, help="The exact words of the clip.")
@click.option("--consent", required=True, help="Who speaks, and agreed to what and when.")
@click.option("--description", default="Made from a recording", show_default=True, help="What `podcast voices` shows.")
@click.option("--gender", type=click.Choice(["female", "male"]), help="For speakers who get it by default, and lists.")
@click.option("--accent", default="", help='Such as "Scottish", for lists.')
@click.option("--to", default="voices", show_default=True, type=click.Path(path_type=Path), help="Folder of voices.")
@click.option("--force", is_flag=True, help="Replace a voice that is there.")
def add_voice(name: str, clip: Path, to: Path, **options: Any) -> int:
    """Make a voice from a recording of 3 to 10 s, for engines that clone one."""
    from pipeline.source.prompts import add_voice as add

    added = add(name, clip, voices=to, **options)
    warn(added.warnings)
    tell_line(f"{added.folder}/: {added.audio_s:.1f} s")
    return DONE


@voices.command("audition")
@click.argument("name")
@click.option("--takes", default=4, show_default=True, type=click.IntRange(1, 32), help="How many to choose from.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the files. [default: output/auditions]")
@dia_options
@json_option
def audition(name: str, takes: int, out: Path | None, weights: str | None, device: str | None, as_json: bool) -> int:
    """Let Dia invent a voice several times, to choose one from.

    Number 0 is the one that jobs try first where a voice has no recording.
    """
    from pipeline.cli.say import SPEAKING
    from pipeline.engines import DEFAULT_SOUND, TRAITS, Machine, open_engine
    from pipeline.jobs.progress import telling
    from pipeline.source.voices import find_voice, load_library
    from pipeline.takes.auditions import audition as hold

    settings = machine_settings(weights=weights, device=device)
    voice = find_voice(load_library(settings.voices), name, "NAME")
    traits = TRAITS["dia"]
    folder = out or settings.output / "auditions"
    engine = open_engine("dia", DEFAULT_SOUND, Machine.of(settings))
    with telling(SPEAKING):
        auditions = hold(voice, engine, traits, folder, takes)
    if as_json:
        rows = [dataclasses.asdict(one) | {"path": str(one.path)} for one in auditions]
        print_json({"voice": name, "transcript": traits.audition, "auditions": rows})
        return DONE
    for one in auditions:
        click.echo(f"{one.path}  {one.audio_s:.1f} s  {' '.join(one.doubts)}".rstrip())
    tell_line(
        f"To keep one: podcast voices add {name}-1 {auditions[0].path} --transcript {traits.audition!r} "
        "--consent 'Invented by Dia; no recording was used.'",
    )
    return DONE
