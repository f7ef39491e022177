"""The name of Dia's weights in, the folder they are in out.

A name is a folder, or the id of a repository on the Hugging Face hub: `owner/name` or `owner/name@revision`. Nothing
but `fetch` uses the network.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pipeline.engines.dia.weights.config import CONFIG_NAME, read_config
from pipeline.engines.dia.weights.fingerprint import choose_files, weight_files
from pipeline.engines.hub import (
    HUB_ID,
    Register,
    Weights,
    cached_repositories,
    fetch_files,
    find_snapshot,
    suggest_folder,
)
from pipeline.errors import EngineError, Problem
from pipeline.files import read_json

DEFAULT_DIA = "nari-labs/Dia-1.6B-0626"
DEFAULT_CODEC = "descript/dac_44khz"
Kind = Literal["dia", "codec"]

_REGISTER = Register("weights.json", (DEFAULT_DIA, DEFAULT_CODEC))


def locate(name: str, kind: Kind) -> Path:
    """The folder (a codec's may be a file) that `name` stands for, without using the network.

    A folder comes before a hub id of the same name. Raises `EngineError` where there is neither.
    """
    try:
        path = Path(name).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError) as error:  # a name that is too long; ~ of a user who is not there
        raise EngineError(Problem(name, f"is no path: {error}", "Name a folder of weights, or a hub id.")) from None
    if is_folder or (kind == "codec" and is_file):
        return path
    if is_file:
        raise EngineError(Problem(name, "is a file.", "Name the folder of the weights."))
    if HUB_ID.fullmatch(name):
        snapshot = _find(name)
        if snapshot:
            return snapshot[1]
        raise EngineError(
            Problem(name, "is no folder here, and was not fetched from the hub.", f"Run: podcast weights fetch {name}")
        )
    raise EngineError(Problem(name, "there is no such folder.", suggest_folder(path)))


def fetch(name: str) -> Path:
    """Fetch the files of the hub id `name` that are needed, record the commit, and return their folder.

    Raises `EngineError` as `fetch_files` does, and where there are no weights in the repository.
    """

    def choose(names: Collection[str]) -> list[str]:
        beside = [file for file in names if "/" not in file]
        return choose_files(beside, name) + ([CONFIG_NAME] if CONFIG_NAME in beside else [])

    folder = fetch_files(name, choose, _REGISTER)
    weight_files(folder)  # complains if a shard is missing in the repository
    _REGISTER.record(name, folder.name)
    return folder


def listing() -> list[Weights]:
    """All weights that are recorded or in huggingface_hub's cache, and the two defaults, by name."""
    recorded = _REGISTER.commits()
    names = {*recorded, *cached_repositories(), DEFAULT_DIA, DEFAULT_CODEC}
    of_interest = (
        weights
        for weights in (_describe(name, recorded.get(name)) for name in names)
        if weights.network != "?" or weights.name in recorded or weights.name in (DEFAULT_DIA, DEFAULT_CODEC)
    )
    return sorted(of_interest, key=lambda weights: (weights.kind != "dia", weights.name))


def _describe(name: str, commit: str | None) -> Weights:
    snapshot = _find(name)
    kind: Kind = "codec" if name.partition("@")[0] == DEFAULT_CODEC else "dia"
    if snapshot is None:
        return Weights(name, kind, None, commit, 0, "codec" if kind == "codec" else "?")
    commit, folder = snapshot
    config = folder / CONFIG_NAME
    value = read_json(config)
    if isinstance(value, dict) and value.get("model_type") == "dac":
        kind = "codec"
    files = [*weight_files(folder), *([config] if config.exists() else [])]
    size = sum(file.stat().st_size for file in files)
    return Weights(name, kind, folder, commit, size, "codec" if kind == "codec" else _network(folder))


def _network(folder: Path) -> str:
    try:
        return read_config(folder).network
    except EngineError:
        return "?"


def _find(name: str) -> tuple[str, Path] | None:
    """The commit and folder of the hub id `name`; None where it is not in the cache, or only a part of it."""
    snapshot = find_snapshot(name, _REGISTER)
    try:
        return snapshot if snapshot and all(file.exists() for file in weight_files(snapshot[1])) else None
    except EngineError:
        return None
