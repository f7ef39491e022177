"""Which files of a folder are the weights, and one hash that names their content.

Knows no tensors and does not import torch, so that a plan can name the weights it would use.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pipeline.engines.dia.weights.config import CONFIG_NAME
from pipeline.engines.hashes import KnownHashes
from pipeline.errors import EngineError, Problem
from pipeline.files import read_json

INDEX_NAME = "model.safetensors.index.json"
PACKED = "podcast-int8"  # what the metadata of a file of packed weights says its format is
_LONGEST_HEADER = 100_000_000


def fingerprint(path: Path) -> str:
    """SHA-256, 64 hexadecimal digits, over config.json and the weights in the folder `path`, or over the file `path`.

    Gigabytes take seconds to hash, so what was found is kept in the user's cache folder, by resolved path, size and
    time of change. Raises `EngineError` where there are no weights or they cannot be read.
    """
    files = [path] if path.is_file() else [path / CONFIG_NAME, *weight_files(path)]
    known = KnownHashes()
    digests = [known.hash(file) for file in files if file.name != CONFIG_NAME or file.exists()]
    known.save()
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The files in `folder` that hold the weights, in the order they are read.

    Raises `EngineError` where there are none, where nothing tells which of several is meant, or where some are missing.
    """
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError as error:
        hint = "Name a folder of weights."
        raise EngineError(Problem(str(folder), f"cannot be read: {error.strerror or error}.", hint)) from None
    chosen = choose_files(names, str(folder))
    return _shards(folder / INDEX_NAME) if chosen[0] == INDEX_NAME else [folder / name for name in chosen]


def packed_metadata(folder: Path) -> dict[str, str] | None:
    """What packed weights in `folder` say of themselves; None where the weights there are of another kind."""
    try:
        with (folder / "model.safetensors").open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if size < _LONGEST_HEADER else {}
    except (OSError, ValueError):
        return None
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return metadata if isinstance(metadata, dict) and metadata.get("format") == PACKED else None


def choose_files(names: Collection[str], where: str) -> list[str]:
    """Those of the file `names` in `where`, a folder or repository, that are needed to read its weights.

    Safetensors come before pickles, and the index of shards before the shards. Raises `EngineError` where there are no
    weights, or several and nothing tells which of them is meant.
    """
    safetensors = sorted(name for name in names if name.endswith(".safetensors"))
    if INDEX_NAME in names:
        return [INDEX_NAME, *(name for name in safetensors if name.startswith("model-"))]
    if "model.safetensors" in names:
        return ["model.safetensors"]
    if not safetensors and "pytorch_model.bin" in names:
        return ["pytorch_model.bin"]
    weights = safetensors or sorted(name for name in names if name.endswith(".pth"))
    if len(weights) == 1:
        return weights
    if not weights:
        what = f"there are no weights: no {INDEX_NAME}, *.safetensors, pytorch_model.bin or *.pth."
        raise EngineError(Problem(where, what, "Fetch them, or name another folder."))
    what = f"there are several weights, and nothing tells which are meant: {', '.join(weights[:4])}."
    raise EngineError(Problem(where, what, f"Put the wanted one into a folder of its own, beside {CONFIG_NAME}."))


def _shards(index: Path) -> list[Path]:
    value = read_json(index)
    table = value.get("weight_map") if isinstance(value, dict) else None
    names = set(table.values()) if isinstance(table, dict) and all(map(_is_file_name, table.values())) else set()
    if not names:
        raise EngineError(Problem(str(index), "is no index of weight files.", "Fetch the weights again."))
    shards = [index.with_name(name) for name in sorted(names)]
    missing = [
        Problem(str(shard), f"is missing; {INDEX_NAME} names it.", "Fetch the weights again.")
        for shard in shards
        if not shard.exists()
    ]
    if missing:
        raise EngineError(*missing)
    return shards


def _is_file_name(value: Any) -> bool:
    return isinstance(value, str) and value not in ("", "..") and Path(value).name == value
