"""The `podcast` command. People read stderr, machines read stdout.

Exit codes: 0 done; 1 some items failed, all listed; 2 the request was wrong and nothing started; 130 stopped.
"""

from __future__ import annotations

import dataclasses
import gc
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pipeline import __version__
from pipeline.commands_bench import bench
from pipeline.commands_voices import voices
from pipeline.commands_weights import weights
from pipeline.console import (
    DONE,
    ENGINES,
    SOME_FAILED,
    STOPPED,
    WRONG_REQUEST,
    dia_options,
    json_option,
    machine_settings,
    print_json,
    tell,
    warn,
    weights_option,
)
from pipeline.errors import PodcastError, Problem, RequestError
from pipeline.settings import load_settings

if TYPE_CHECKING:
    from pipeline.job import Job
    from pipeline.report import Report
    from pipeline.settings import Settings

_SHOWN_CHUNKS = 40

engine_option = click.option("--engine", type=ENGINES, help="Instead of the manifest's.")
out_option = click.option("--out", type=click.Path(path_type=Path), help="Folder of all jobs. [default: output]")
outside_option = click.option("--allow-outside", is_flag=True, help="Let paths leave the manifest's folder.")
manifests_argument = click.argument("manifests", metavar="MANIFEST...", nargs=-1, required=True, type=Path)


def main() -> NoReturn:
    """Run the command and exit with its code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = podcast.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except RequestError as error:
        tell(error.problems)
        code = WRONG_REQUEST
    except PodcastError as error:
        tell(error.problems)
        code = SOME_FAILED
    except (click.Abort, KeyboardInterrupt):
        code = STOPPED
    except BrokenPipeError:  # the reader of stdout has seen enough
        sys.stderr.close()
        code = SOME_FAILED
    sys.exit(code if isinstance(code, int) else DONE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="podcast")
def podcast() -> None:
    """Manifests in, finished audiobook and podcast chapters out."""


@podcast.command()
@manifests_argument
@engine_option
@out_option
@click.option("--jobs", type=click.IntRange(1, 256), help="Chapters and files worked on at once. [default: cores]")
@dia_options
@json_option
@outside_option
def render(
    manifests: tuple[Path, ...],
    engine: str | None,
    out: Path | None,
    jobs: int | None,
    weights: str | None,
    device: str | None,
    as_json: bool,
    allow_outside: bool,
) -> int:
    """Render manifests: finished takes are kept, and only what is missing is made.

    Stop it with Ctrl-C whenever you like; the same command goes on where it stopped.
    """
    from pipeline.job import open_job

    settings = machine_settings(out=out, jobs=jobs, weights=weights, device=device)
    opened, wrong = [], 0
    for path in manifests:
        try:
            opened.append(open_job(path, settings, engine=engine, allow_outside=allow_outside))
        except RequestError as error:
            tell(error.problems)
            wrong += 1
    reports = []
    for job in opened:
        try:
            reports.append(_render_one(job, settings))
        except RequestError as error:  # another process holds it
            tell(error.problems)
            wrong += 1
    if as_json and reports:
        found = [report.as_dict() for report in reports]
        print_json(found[0] if len(manifests) == 1 else found)
    if not reports:
        return WRONG_REQUEST
    return DONE if not wrong and all(report.status == "done" for report in reports) else SOME_FAILED


def _render_one(job: Job, settings: Settings) -> Report:
    from pipeline.job import render_job
    from pipeline.progress import progress_bar
    from pipeline.report import summary

    try:
        with progress_bar(job.name) as on_progress:
            report = render_job(job, jobs=settings.jobs, on_progress=on_progress)
    except KeyboardInterrupt:
        kept = len(job.store.keys() & {plan.key for plan in job.takes})
        tell(
            [
                Problem(
                    job.name,
                    f"stopped; {kept} of {len(job.takes)} takes are finished and kept.",
                    "Run the same command to go on.",
                )
            ]
        )
        raise
    click.echo(summary(report), err=True)
    click.echo(f"{job.workspace.root}/", err=True)
    return report


@podcast.command()
@click.argument("manifest", type=Path)
@engine_option
@out_option
@weights_option
@json_option
@outside_option
def plan(
    manifest: Path, engine: str | None, out: Path | None, weights: str | None, as_json: bool, allow_outside: bool
) -> int:
    """Tell what would be rendered or reused, and why. Loads no engine and changes nothing."""
    from pipeline.job import open_job
    from pipeline.report import clock
    from pipeline.takes import explain

    gc.disable()  # a hundred thousand chunks, none of them garbage: looking for it takes a third of the time
    settings = machine_settings(out=out, weights=weights)
    job = open_job(manifest, settings, engine=engine, allow_outside=allow_outside)
    explained = explain(job.takes, job.store)
    to_render = [(take, reason) for take, action, reason in explained if action == "render"]
    audio_s = sum(take.estimated_s for take in job.takes)
    if as_json:
        print_json(
            {
                "job": job.name,
                "audio_s": round(audio_s, 1),
                "takes": {
                    "total": len(job.takes),
                    "render": len(to_render),
                    "reuse": len(job.takes) - len(to_render),
                },
                "chunks": [
                    {
                        "key": take.key,
                        "chapter": take.chunk.chapter + 1,
                        "speakers": _speakers(take.chunk.pieces),
                        "text": take.text,
                        "action": action,
                        "reason": reason,
                    }
                    for take, action, reason in explained
                ],
            }
        )
        return DONE
    warn(job.warnings)
    click.echo(
        f"{job.name}: {len(job.script.chapters)} chapters, {len(job.takes)} chunks, "
        f"about {clock(audio_s)} of audio ({audio_s / 3600:.2f} h)"
    )
    rendering_s = sum(take.estimated_s for take, _reason in to_render)
    click.echo(f"render {len(to_render)} (about {clock(rendering_s)}), reuse {len(job.takes) - len(to_render)}")
    for take, reason in to_render[:_SHOWN_CHUNKS]:
        who = ", ".join(_speakers(take.chunk.pieces))
        text = take.text if len(take.text) <= 60 else take.text[:57] + "..."
        click.echo(f"  chapter {take.chunk.chapter + 1}  {reason:<8}  {who}: {text}")
    if len(to_render) > _SHOWN_CHUNKS:
        click.echo(f"  ... and {len(to_render) - _SHOWN_CHUNKS} more (--json lists all)")
    return DONE


@podcast.command()
@click.argument("path", type=Path)
def new(path: Path) -> int:
    """Write a commented starter manifest and script: podcast new manifests/my-show."""
    from pipeline.starter import write_starter

    manifest, script = write_starter(path)
    click.echo(f"{manifest}\n{script}\nNext: podcast render {manifest}", err=True)
    return DONE


@podcast.command()
@click.argument("text")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .wav or .flac file.")
@click.option("--voice", default="ada", show_default=True)
@click.option("--engine", default="draft", show_default=True, type=ENGINES)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1))
@click.option("--language", default="en", show_default=True)
@dia_options
@click.option("--temperature", type=click.FloatRange(0, 2.5), help="Dia's; 0 takes the likeliest code.")
@click.option("--codes", type=click.Path(path_type=Path), help="Write Dia's codes here, a .npy file.")
def say(
    text: str,
    out: Path,
    voice: str,
    engine: str,
    seed: int,
    language: str,
    weights: str | None,
    device: str | None,
    temperature: float | None,
    codes: Path | None,
) -> int:
    """Speak one line: podcast say "text" --out x.wav."""
    from pipeline.job import dia_options as options_of
    from pipeline.manifest import Dia
    from pipeline.say import say as speak
    from pipeline.voices import find_voice, load_library

    settings = machine_settings(weights=weights, device=device)
    found = find_voice(load_library(settings.voices), voice, "--voice")
    dia = options_of(Dia(temperature=temperature), settings)
    seconds = speak(text, found, out, engine=engine, seed=seed, language=language, dia=dia, codes=codes)
    click.echo(f"{out}: {seconds:.1f} s", err=True)
    return DONE


@podcast.command()
@json_option
def doctor(as_json: bool) -> int:
    """Look at this machine: voices, engines, encoders, disk, Prefect."""
    from pipeline.doctor import examine

    findings = list(examine(load_settings()))
    if as_json:
        print_json({"findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(
                f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.name}: {finding.detail} {finding.next}".rstrip()
            )
    return DONE if all(finding.ok for finding in findings) else SOME_FAILED


@podcast.command()
@click.option("--name", default="render", show_default=True, help="The deployment's name.")
@click.option("--limit", default=1, show_default=True, type=click.IntRange(1), help="Renders at the same time.")
def serve(name: str, limit: int) -> int:
    """Serve the Prefect deployment podcast/render, starting a local Prefect server if there is none."""
    from pipeline.flow import serve as serve_deployment

    serve_deployment(name, limit)
    return DONE


podcast.add_command(voices)
podcast.add_command(weights)
podcast.add_command(bench)


def _speakers(pieces: Any) -> list[str]:
    from pipeline.voices import NARRATOR

    return list(dict.fromkeys(piece.speaker or NARRATOR for piece in pieces))


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
