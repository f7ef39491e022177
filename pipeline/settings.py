"""Settings of the machine, not of the job: where voices and output live, how many cores may be used.

Loaded once by the commands and the flow, and passed on; the stages never look at the environment themselves.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipeline.errors import InvalidValueError, Problem, RequestError
from pipeline.window import Window

_PACKAGE = Path(__file__).parent
_PREFIX = "PODCAST_"
Kernels = Literal["amx", "vnni", "plain", "torch"]  # of the Dia engine on a CPU, quickest first


def usable_cores() -> int:
    """Cores this process may run on, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bundled_voices() -> Path:
    """The voices that ship: beside the package in a checkout, inside it when installed from a wheel."""
    inside = _PACKAGE / "bundled_voices"
    return inside if inside.is_dir() else _PACKAGE.parent / "voices"


def _voice_folders(value: Any) -> Any:
    """Folders separated as in PATH, before the usual ones."""
    if not isinstance(value, str):
        return value
    folders = (Path(part) for part in value.split(os.pathsep) if part)
    return tuple(dict.fromkeys((*folders, Path("voices"), bundled_voices())))


def _whole_path(where: str) -> str:
    """The absolute path of a folder or file, as workers may run in another folder; a hub id as it is."""
    return str(Path(where).absolute()) if Path(where).exists() else where


FilesOrHub = Annotated[str, AfterValidator(_whole_path)]


class Settings(BaseSettings):
    """Each field is an environment variable `PODCAST_<FIELD>`; an empty one counts as unset.

    The command line has options for some: the descriptions are their help.
    """

    model_config = SettingsConfigDict(frozen=True, env_prefix=_PREFIX, env_ignore_empty=True)

    output: Path = Field(Path("output"), description="Folder of all jobs. [default: output]")
    voices: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_voice_folders)] = Field(
        default_factory=lambda: _voice_folders(""),
        description="Folders of voices, before the usual ones; the first voice of a name wins.",
    )
    lexicon: Path | None = Field(
        None,
        description="Words that all jobs say otherwise: a file or a folder. [default: PODCAST_LEXICON, or none]",
    )
    jobs: PositiveInt = Field(
        default_factory=usable_cores, description="Chapters and files worked on at once. [default: cores]"
    )
    weights: FilesOrHub | None = Field(
        None,
        description="Dia's weights: a folder or hub id (Kokoro's: PODCAST_KOKORO). [default: nari-labs/Dia-1.6B-0626]",
    )
    codec: FilesOrHub | None = Field(
        None, description="Dia's codec: a folder or a hub id. [default: the one beside the weights]"
    )
    device: str | None = Field(
        None,
        description="Where Dia runs: auto, cpu, cuda:0, mps, xpu. A worker process for each in a list such as "
        "cuda:0,cuda:1 or cpu:2x4 (two of four threads). [default: auto]",
    )
    codec_device: str | None = Field(None, description="Where Dia's codec runs. [default: where Dia does]")
    slots: PositiveInt | None = Field(None, description="Takes Dia generates at once. [default: what memory holds]")
    kernels: Kernels | None = Field(
        None, description="The most that Dia's kernels on a CPU may use. [default: what the CPU has]"
    )
    kokoro: FilesOrHub | None = Field(
        None,
        description="Kokoro's weights: a folder, a model or a hub id. [default: onnx-community/Kokoro-82M-v1.0-ONNX]",
    )
    takes: str | None = Field(None, description="A store of takes that machines share, such as s3://b/p.")
    cluster: str | None = Field(None, description="A Dask scheduler, such as tcp://127.0.0.1:8786.")
    window: Annotated[Window | None, NoDecode] = Field(None, description="Start chunks only then, such as 23:00-06:30.")

    def environment(self) -> dict[str, str]:
        """The variables with which another process of this machine, in any folder, loads the same settings."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {_variable(name): _text(value) for name, value in values.items() if value is not None}


def load_settings(**options: Any) -> Settings:
    """The settings of this process: fields in `options` that are not None, then the environment, then the defaults.

    Raises `RequestError` with a problem for each that is wrong, placed at its option or its variable.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise RequestError(*(_problem(detail, given) for detail in error.errors())) from None


def _problem(detail: ErrorDetails, options: dict[str, Any]) -> Problem:
    name, value = str(detail["loc"][0]), detail["input"]
    where = f"--{name}" if name in options else _variable(name)
    match detail["type"]:
        case "value_error" if isinstance(error := detail["ctx"]["error"], InvalidValueError):
            return error.at(where)
        case "literal_error":
            return Problem(where, f'"{value}" is unknown.', f"Set it to one of: {', '.join(get_args(Kernels))}.")
        case "int_parsing" | "int_parsing_size" | "greater_than":
            return Problem(where, f'"{value}" is no whole number above 0.', "Set it to one, or unset it.")
        case _:
            return Problem(where, f'"{value}" cannot be used.', "Set it to another value, or unset it.")


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _text(value: Any) -> str:
    """A value as it stands in the environment."""
    if isinstance(value, tuple):
        return os.pathsep.join(map(_text, value))
    return str(value.absolute() if isinstance(value, Path) else value)
