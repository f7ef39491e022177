"""The `podcast` command. People read stderr, machines read stdout.

Exit codes: 0 done; 1 some items failed, all listed; 2 the request was wrong and nothing started; 130 stopped.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import signal
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

import click

from pipeline import __version__
from pipeline.cli.bench import bench
from pipeline.cli.check import check
from pipeline.cli.comply import comply
from pipeline.cli.lexicon import lexicon
from pipeline.cli.night import clean, digest, serve, status, watch, worker
from pipeline.cli.options import (
    DONE,
    ENGINES,
    LANGUAGE_TAG,
    SOME_FAILED,
    STOPPED,
    WRONG_REQUEST,
    dia_options,
    json_option,
    lexicon_option,
    machine_settings,
    print_json,
    tell,
    tell_line,
    warn,
)
from pipeline.cli.plan import plan
from pipeline.cli.qa import qa
from pipeline.cli.render import render
from pipeline.cli.retake import approve, retake
from pipeline.cli.verify import verify
from pipeline.cli.voices import voices
from pipeline.cli.weights import weights
from pipeline.errors import PodcastError, Problem, RequestError, printable


def main() -> NoReturn:
    """Run the command and exit with its code."""
    if sys.getfilesystemencoding() != "utf-8":  # in a locale of ASCII a title would have no file name
        utf8 = [sys.executable, "-m", "pipeline", *sys.argv[1:]]
        os.execve(sys.executable, utf8, os.environ | {"PYTHONUTF8": "1"})  # noqa: S606 - our own command
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for as long as the process lasts
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name of other letters must not end what prints it
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = podcast.main(prog_name="podcast", standalone_mode=False)
        sys.stdout.flush()
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
    except OSError as error:
        if error.filename is not None:
            raise
        tell(
            [
                Problem(
                    "stdout", f"it cannot be written to ({error.strerror}).", "Reports are in the output folder, too."
                )
            ]
        )
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would be tried again
        code = SOME_FAILED
    sys.exit(code if isinstance(code, int) else DONE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="podcast")
def podcast() -> None:
    """Manifests in, finished audiobook and podcast chapters out."""


@podcast.command()
@click.argument("path", type=Path)
def new(path: Path) -> int:
    """Write a manifest: with a script to begin with (podcast new my-show), or of a script (podcast new book.epub)."""
    from pipeline.cli.starter import write_new

    written, notes = write_new(path, machine_settings())
    warn(notes)
    tell_line("\n".join(map(str, written)) + f"\nNext: podcast render {shlex.quote(str(written[0]))}")
    return DONE


@podcast.command()
@click.argument("text")
@click.option("--out", type=click.Path(path_type=Path), help="A .wav or .flac file.")
@click.option("--show", is_flag=True, help="Print the text as it is displayed, and as it is said; needs no --out.")
@lexicon_option
@click.option("--voice", default="ada", show_default=True)
@click.option("--engine", default="draft", show_default=True, type=ENGINES)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1))
@click.option("--language", default="en", show_default=True, type=LANGUAGE_TAG)
@dia_options
@click.option("--temperature", type=click.FloatRange(0, 2.5), help="Dia's; 0 takes the likeliest code.")
@click.option("--precision", type=click.Choice(["fp32", "bf16", "int8", "fp8"]), help="Dia's. [default: as suits here]")
@click.option("--codes", type=click.Path(path_type=Path), help="Write Dia's codes here, a .npy file.")
@json_option
def say(
    text: str,
    out: Path | None,
    show: bool,
    lexicon: Path | None,
    voice: str,
    engine: str,
    seed: int,
    language: str,
    weights: str | None,
    device: str | None,
    temperature: float | None,
    precision: str | None,
    codes: Path | None,
    as_json: bool,
) -> int:
    """Speak one line: podcast say "text" --out x.wav."""
    from pipeline.cli.say import SPEAKING, shown, unusable
    from pipeline.cli.say import say as speak
    from pipeline.engines import TRAITS, DiaSound, Machine
    from pipeline.jobs.progress import telling
    from pipeline.jobs.request import without_words
    from pipeline.source.lexicons import read_lexicon
    from pipeline.source.voices import find_voice, load_library

    if out is None and not show:
        raise RequestError(Problem("say", "there is neither --out nor --show.", "Name a file, such as --out x.wav."))
    settings = machine_settings(weights=weights, device=device, lexicon=lexicon)
    where = "PODCAST_LEXICON" if lexicon is None else "--lexicon"
    words = read_lexicon(settings.lexicon, where) if settings.lexicon else None
    warn([*unusable(text, engine, language, words), *without_words("--language", language, [text])])
    report = shown(text, engine, language, words) if show else {}
    if show and not as_json:
        click.echo(f"display  {printable(report['display'])}\nspoken   {printable(report['spoken'])}")
    if out is not None:
        speaker = find_voice(load_library(settings.voices), voice, "--voice")
        warn(TRAITS[engine].unheard([speaker], "--engine"))
        if engine != "dia":
            _warn_of_unused({"--precision": precision, "--temperature": temperature, "--weights": weights}, engine)
        with telling(SPEAKING):
            seconds = speak(
                text,
                speaker,
                out,
                engine=engine,
                seed=seed,
                language=language,
                sound=DiaSound(temperature=temperature, precision=precision),
                machine=Machine.of(settings),
                codes=codes,
                lexicon=words,
            )
        report |= {"path": str(out), "audio_s": round(seconds, 2)}
        tell_line(f"{out}: {seconds:.1f} s")
    if as_json:
        print_json(report)
    return DONE


def _warn_of_unused(options: Mapping[str, object], engine: str) -> None:
    """Warn of options that are Dia's, where another engine was chosen."""
    for option, value in options.items():
        if value is not None:
            what = f"it is Dia's, and the engine {engine} makes nothing of it."
            warn([Problem(option, what, "Use --engine dia.")])


@podcast.command()
@json_option
def doctor(as_json: bool) -> int:
    """Look at this machine: voices, engines, encoders, disk, Prefect."""
    from pipeline.cli.doctor import examine
    from pipeline.jobs.progress import telling

    findings = []
    with telling("looking at this machine; the first time, kernels are compiled, which takes a minute or two"):
        for finding in examine(machine_settings()):
            findings.append(finding)
            if not as_json:
                verdict = "ok     " if finding.ok else "PROBLEM"
                click.echo(f"{verdict}  {finding.name}: {finding.detail} {finding.next}".rstrip())
    if as_json:
        print_json({"findings": [dataclasses.asdict(finding) for finding in findings]})
    return DONE if all(finding.ok for finding in findings) else SOME_FAILED


for command in (render, check, plan, retake, approve, qa, comply, verify, watch, serve, worker, status, digest, clean):
    podcast.add_command(command)
podcast.add_command(voices)
podcast.add_command(lexicon)
podcast.add_command(weights)
podcast.add_command(bench)


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
