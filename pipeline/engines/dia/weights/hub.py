"""The name of weights in, the folder they are in out; and the only place that fetches anything.

A name is a folder, or the id of a repository on the Hugging Face hub: `owner/name` or `owner/name@revision`. Files lie
in huggingface_hub's own cache, and its settings (`HF_ENDPOINT`, `HF_HOME`, `HF_HUB_OFFLINE`, a login) hold. The commit
that was fetched is recorded in the user's data folder: weights change when they are fetched again, never by themselves.
Nothing but `fetch` uses the network.
"""

# ruff: noqa: PLC0415 - huggingface_hub takes a while to load, and most commands get by without it

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from pipeline.engines.dia.weights.config import CONFIG_NAME, read_config
from pipeline.engines.dia.weights.fingerprint import choose_files, weight_files
from pipeline.errors import EngineError, Problem, StorageError, did_you_mean, reason
from pipeline.files import file_hash, read_json, write_json

DEFAULT_DIA = "nari-labs/Dia-1.6B-0626"
DEFAULT_CODEC = "descript/dac_44khz"
Kind = Literal["dia", "codec"]

_HUB_ID = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Weights:
    """Weights that were fetched, or could be: `path` is None where they are not here.

    `revision` is the commit, `bytes` the size of the files that are read, `network` Dia's ("0626" or "v1"), "codec", or
    "?" where nothing tells.
    """

    name: str
    kind: Kind
    path: Path | None
    revision: str | None
    bytes: int
    network: str


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
    if _HUB_ID.fullmatch(name):
        snapshot = _find(name)
        if snapshot:
            return snapshot[1]
        raise EngineError(
            Problem(name, "is no folder here, and was not fetched from the hub.", f"Run: podcast weights fetch {name}")
        )
    raise EngineError(Problem(name, "there is no such folder.", _suggestion(path)))


def fetch(name: str) -> Path:
    """Fetch the files of the hub id `name` that are needed, record the commit, and return their folder.

    Files that are here already are not fetched again, and a download that was interrupted goes on where it stopped.
    Progress goes to stderr. Raises `EngineError` where the hub, the repository or the revision cannot be reached, or
    where there are no weights in it.
    """
    match = _HUB_ID.fullmatch(name)
    if match is None:
        raise EngineError(Problem(name, "is no hub id.", "Give owner/name, or owner/name@revision."))
    repository, revision = match.groups()
    with _hub_errors(name):
        from huggingface_hub import HfApi, hf_hub_download

        info = HfApi().model_info(repository, revision=revision)
        names = [file.rfilename for file in info.siblings or [] if "/" not in file.rfilename]
        needed = choose_files(names, name)
        for file in needed:
            _fetch_blob(repository, file, str(info.sha))
        needed += [CONFIG_NAME] if CONFIG_NAME in names else []
        folders = {Path(hf_hub_download(repository, file, revision=revision)).parent for file in needed}
    folder = folders.pop()
    if folders or folder.name != info.sha:
        raise EngineError(Problem(name, "changed on the hub while it was fetched.", "Run the same command again."))
    weight_files(folder)  # complains if a shard is missing in the repository
    _record(name, folder.name)
    return folder


def listing() -> list[Weights]:
    """All weights that are recorded or in huggingface_hub's cache, and the two defaults, by name."""
    from huggingface_hub import constants

    recorded = _recorded()
    cached = {
        folder.name.removeprefix("models--").replace("--", "/", 1)
        for folder in Path(constants.HF_HUB_CACHE).glob("models--*--*")
    }
    known = [_describe(name, recorded.get(name)) for name in {*recorded, *cached, DEFAULT_DIA, DEFAULT_CODEC}]
    of_interest = (
        weights
        for weights in known
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
    """The commit and folder of the hub id `name`: as it was recorded, or else as huggingface_hub knows its revision.

    None where it is not in the cache, or only a part of it.
    """
    repository, _, revision = name.partition("@")
    commit = _recorded().get(name)
    if commit is None:
        try:
            commit = (_cache(repository) / "refs" / (revision or "main")).read_text()
        except OSError:
            commit = revision  # a commit, if it is anything
    folder = _cache(repository) / "snapshots" / commit
    try:
        whole = bool(commit) and all(file.exists() for file in weight_files(folder))
    except EngineError:
        return None
    return (commit, folder) if whole else None


def _cache(repository: str) -> Path:
    """The folder of `repository` in huggingface_hub's cache, whose layout is documented."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"


def _fetch_blob(repository: str, file: str, commit: str) -> None:
    """Fetch `file` into huggingface_hub's cache of blobs, where its own download finds it.

    huggingface_hub 2.4 throws away what it has of a file when it is interrupted, which can be gigabytes. Here a part is
    kept, under the name that earlier versions gave it, and under the same lock.
    """
    import filelock
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined] # documented, not in __all__

    url = hf_hub_url(repository, file, revision=commit)
    metadata = get_hf_file_metadata(url)
    if metadata.etag is None:
        return  # huggingface_hub's download tells what that means
    cache = _cache(repository)
    blob = cache / "blobs" / metadata.etag
    part = blob.with_name(f"{blob.name}.incomplete")
    lock = cache.parent / ".locks" / cache.name / f"{blob.name}.lock"
    for folder in (blob.parent, lock.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(lock):
        if blob.exists():
            return
        with part.open("ab") as target:
            if target.tell() > (metadata.size or 0):
                target.seek(0)
                target.truncate()  # it is a part of something else
            http_get(
                url,
                target,
                resume_size=target.tell(),
                headers=build_hf_headers() | {"Accept-Encoding": "identity"},
                expected_size=metadata.size,
                displayed_filename=file,
            )
        if _SHA256.fullmatch(blob.name) and file_hash(part) != blob.name:
            part.unlink()
            raise EngineError(Problem(f"{repository}/{file}", "arrived damaged.", "Run the same command again."))
        part.replace(blob)


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Turn what huggingface_hub raises about the hub id `name` into an `EngineError` that says what to do."""
    from huggingface_hub import constants, errors

    # Of httpx, or of httpx2 since huggingface_hub 2: whichever it is, what the transport raises is its base class.
    transport = cast(type[Exception], errors.HfHubHTTPError.__bases__[0])
    hub = constants.ENDPOINT
    login = "and log in with: hf auth login"
    try:
        yield
    except errors.GatedRepoError:
        what, hint = "asks for its terms to be accepted.", f"Accept them at {hub}/{name.partition('@')[0]} {login}"
    except errors.RepositoryNotFoundError:
        what, hint = f"there is no such repository at {hub}, or it is private.", _spelling(name, login)
    except errors.RevisionNotFoundError:
        what, hint = "the repository has no such revision.", f"Look at {hub}/{name.partition('@')[0]}/commits/main."
    except errors.OfflineModeIsEnabled:
        what, hint = "cannot be fetched: HF_HUB_OFFLINE is set.", "Unset it, or name a folder of weights."
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        what, hint = (
            f"{hub} answered with status {status}.",
            "Run the same command again later; it goes on where it stopped.",
        )
    except transport as error:
        what = f"no connection to {hub} ({reason(error)})."
        hint = "See to the network, or name a folder of weights; the same command goes on where it stopped."
    except OSError as error:
        what, hint = f"cannot be fetched: {error}.", "Run the same command again; it goes on where it stopped."
    else:
        return
    raise EngineError(Problem(name, what, hint))


def _spelling(name: str, login: str) -> str:
    suggestion = did_you_mean(name, [DEFAULT_DIA, DEFAULT_CODEC])
    return (
        suggestion
        if suggestion.startswith("Did")
        else f"Look at its spelling; if it is private, ask for access {login}"
    )


def _suggestion(path: Path) -> str:
    """Where a folder is not there: one beside it that is called almost like it, if there is one."""
    parent = path.parent
    beside = [entry.name for entry in parent.iterdir() if entry.is_dir()] if parent.is_dir() else []
    suggestion = did_you_mean(path.name, beside)
    return suggestion if suggestion.startswith("Did") else "Name a folder of weights, or a hub id: owner/name."


def _records() -> Path:
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "podcast-pipeline" / "weights.json"


def _recorded() -> dict[str, str]:
    """The commit of every hub id that was fetched."""
    value = read_json(_records())
    if not isinstance(value, dict):
        return {}
    return {name: commit for name, commit in value.items() if isinstance(commit, str)}


def _record(name: str, commit: str) -> None:
    path = _records()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, _recorded() | {name: commit})
    except (OSError, StorageError) as error:
        what = f"cannot be written ({error}), so the commit of {name} is not recorded."
        raise EngineError(Problem(str(path), what, "Make the folder writable and fetch again.")) from None
