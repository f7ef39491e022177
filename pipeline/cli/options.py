"""What the commands share: exit codes, common options, and how they speak to people and machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.errors import InvalidValueError, Problem, RequestError, lines_of
from pipeline.files import encode

if TYPE_CHECKING:
    from pipeline.settings import Settings

DONE, SOME_FAILED, WRONG_REQUEST, STOPPED = 0, 1, 2, 130
ENGINES = click.Choice(["draft", "kokoro", "dia", "tone", "faulty", "faulty-kokoro"])

F = TypeVar("F", bound=Callable[..., Any])


class _SettingOption(click.Option):
    """An option that goes before the setting of its name, and has its help.

    The help is looked up when it is shown, and the value is checked by `machine_settings`: both take pydantic, which
    takes a quarter of a second to load.
    """

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of `--help`."""
        from pipeline.settings import Settings

        assert self.name is not None
        self.help = Settings.model_fields[self.name].description
        return super().get_help_record(ctx)


class _LanguageTag(click.ParamType[str]):
    """A language as a manifest's `language:` has it. Raises `RequestError` for what is no such tag."""

    name = "tag"

    def convert(self, value: str, param: click.Parameter | None, _ctx: click.Context | None) -> str:
        """The tag as it is."""
        from pipeline.source.languages import language_tag

        try:
            return language_tag(value)
        except InvalidValueError as error:
            raise RequestError(error.at(param.opts[0] if param else self.name)) from None


LANGUAGE_TAG = _LanguageTag()


def setting_option(
    flag: str, name: str, metavar: str, value_type: click.ParamType[Any] | None = None
) -> Callable[[F], F]:
    """The option `flag`, which goes before the field `name` of `Settings`."""
    return click.option(flag, name, metavar=metavar, type=value_type, cls=_SettingOption)


engine_option = click.option("--engine", type=ENGINES, help="Instead of the manifest's.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout.")
outside_option = click.option("--allow-outside", is_flag=True, help="Let paths leave the manifest's folder.")
output_option = setting_option("--out", "output", "FOLDER")
jobs_option = setting_option("--jobs", "jobs", "COUNT", click.IntRange(1, 256))
weights_option = setting_option("--weights", "weights", "WHERE")
device_option = setting_option("--device", "device", "NAMES")
takes_option = setting_option("--takes", "takes", "URL")
cluster_option = setting_option("--cluster", "cluster", "ADDRESS")
window_option = setting_option("--window", "window", "HOURS")
lexicon_option = setting_option("--lexicon", "lexicon", "PATH")
at_once_option = click.option("--at-once", type=click.IntRange(1, 64), help="Jobs that share the devices. [default: 3]")


def dia_options(command: F) -> F:
    """Add the options that say which weights Dia has and where it runs."""
    return weights_option(device_option(command))


def night_options(command: F) -> F:
    """Add the options that say on what and when jobs are rendered."""
    for option in (output_option, weights_option, device_option, cluster_option, takes_option, window_option):
        command = option(command)
    return at_once_option(command)


def machine_settings(**options: Any) -> Settings:
    """The machine's settings; `options` that were given go before them. Raises `RequestError`."""
    from pipeline.settings import load_settings

    return load_settings(**options)


def print_json(value: Any) -> None:
    """One JSON object on stdout, in UTF-8 whatever the locale."""
    click.echo(encode(json.dumps(value, ensure_ascii=False)))  # indented, a hundred thousand chunks take seconds longer


def tell_line(line: str) -> None:
    """A line for people, on stderr, above bars that may be there: `click.echo` would write into them."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:  # nobody reads it, and the work goes on: what is left of it must not be tried again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def tell(problems: Iterable[Problem]) -> None:
    """Problems, a line each, on stderr."""
    for line in lines_of(problems):
        tell_line(line)


def warn(problems: Iterable[Problem]) -> None:
    """What is worth knowing though nothing is wrong, on stderr."""
    for line in lines_of(problems):
        tell_line(f"note: {line}")
