"""The Hugging Face hub: the only place that fetches anything.

In: the id of a repository, `owner/name` or `owner/name@revision`, and which of its files are wanted. Out: the folder
they are in. Files lie in huggingface_hub's own cache, and its settings (`HF_ENDPOINT`, `HF_HOME`, `HF_HUB_OFFLINE`, a
login) hold. The commit that was fetched is recorded in the user's data folder: weights change when they are fetched
again, never by themselves. Nothing but `fetch_files` uses the network. Knows no engine.
"""

# ruff: noqa: PLC0415 - huggingface_hub takes a while to load, and most commands get by without it

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast

from pipeline.engines.hashes import KnownHashes
from pipeline.errors import EngineError, Problem, StorageError, did_you_mean, reason
from pipeline.files import file_hash, read_json, write_json

HUB_ID = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Weights:
    """Weights that were fetched, or could be: `path` is None where they are not here.

    `revision` is the commit, `bytes` the size of the files that are read, `network` Dia's ("0626" or "v1"), "codec",
    "kokoro", or "?" where nothing tells.
    """

    name: str
    kind: Literal["dia", "codec", "kokoro"]
    path: Path | None
    revision: str | None
    bytes: int
    network: str


@dataclass(frozen=True)
class Register:
    """Which commits of one kind of weights were fetched: a file of this name in the user's data folder.

    `usual` are the hub ids that a misspelt one may have meant.
    """

    file: str
    usual: tuple[str, ...]

    @property
    def _path(self) -> Path:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
        return data / "podcast-pipeline" / self.file

    def commits(self) -> dict[str, str]:
        """The commit of every hub id that was fetched."""
        value = read_json(self._path)
        if not isinstance(value, dict):
            return {}
        return {name: commit for name, commit in value.items() if isinstance(commit, str)}

    def record(self, name: str, commit: str) -> None:
        """Remember that of the hub id `name`. Raises `EngineError` where the file cannot be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, self.commits() | {name: commit})
        except (OSError, StorageError) as error:
            what = f"cannot be written ({error}), so the commit of {name} is not recorded."
            raise EngineError(Problem(str(self._path), what, "Make the folder writable and fetch again.")) from None


def fetch_files(name: str, choose: Callable[[Collection[str]], Sequence[str]], register: Register) -> Path:
    """Fetch those files of the hub id `name` that `choose` picks among all, and return the folder they lie in.

    Files that are here already, and whole, are not fetched again, and a download that was interrupted goes on where it
    stopped. Progress goes to stderr. Raises `EngineError` where the hub, the repository or the revision cannot be
    reached, or what `choose` raises.
    """
    match = HUB_ID.fullmatch(name)
    if match is None:
        raise EngineError(Problem(name, "is no hub id.", "Give owner/name, or owner/name@revision."))
    repository, revision = match.groups()
    with _hub_errors(name, register.usual):
        from huggingface_hub import HfApi, hf_hub_download

        info = HfApi().model_info(repository, revision=revision)
        names = [file.rfilename for file in info.siblings or []]
        folders = set()
        for file in choose(names):
            _fetch_blob(repository, file, str(info.sha))
            path = Path(hf_hub_download(repository, file, revision=revision))
            folders.add(path.parents[len(PurePosixPath(file).parts) - 1])
    folder = folders.pop()
    if folders or folder.name != info.sha:
        raise EngineError(Problem(name, "changed on the hub while it was fetched.", "Run the same command again."))
    return folder


def find_snapshot(name: str, register: Register) -> tuple[str, Path] | None:
    """The commit and folder of the hub id `name`: as it was recorded, or else as huggingface_hub knows its revision.

    None where nothing tells a commit; whether the files are there is for the caller to see.
    """
    repository, _, revision = name.partition("@")
    commit = register.commits().get(name)
    if commit is None:
        try:
            commit = (_cache(repository) / "refs" / (revision or "main")).read_text()
        except OSError:
            commit = revision  # a commit, if it is anything
    return (commit, _cache(repository) / "snapshots" / commit) if commit else None


def cached_repositories() -> set[str]:
    """The names of all repositories of which anything lies in huggingface_hub's cache."""
    from huggingface_hub import constants

    folders = Path(constants.HF_HUB_CACHE).glob("models--*--*")
    return {folder.name.removeprefix("models--").replace("--", "/", 1) for folder in folders}


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
        if blob.exists() and _is_whole(blob, metadata.size):
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


def _is_whole(blob: Path, size: int | None) -> bool:
    """Whether a blob that is here still has its size and its hash: disks fail, and who fetches again may know of it."""
    if size is not None and blob.stat().st_size != size:
        return False
    return not _SHA256.fullmatch(blob.name) or file_hash(blob) == blob.name


def is_as_fetched(file: Path) -> bool:
    """Whether a file has the hash that it bears as its name in huggingface_hub's cache; True for any other file.

    Raises `EngineError` where it cannot be read.
    """
    blob = file.resolve()
    if not _SHA256.fullmatch(blob.name):
        return True
    known = KnownHashes()
    digest = known.hash(blob)
    known.save()
    return digest == blob.name


@contextmanager
def _hub_errors(name: str, usual: Sequence[str]) -> Iterator[None]:
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
        what, hint = f"there is no such repository at {hub}, or it is private.", _spelling(name, login, usual)
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


def _spelling(name: str, login: str, usual: Sequence[str]) -> str:
    suggestion = did_you_mean(name, usual)
    return (
        suggestion
        if suggestion.startswith("Did")
        else f"Look at its spelling; if it is private, ask for access {login}"
    )


def suggest_folder(path: Path) -> str:
    """Where a folder is not there: one beside it that is called almost like it, if there is one."""
    parent = path.parent
    beside = [entry.name for entry in parent.iterdir() if entry.is_dir()] if parent.is_dir() else []
    suggestion = did_you_mean(path.name, beside)
    return suggestion if suggestion.startswith("Did") else "Name a folder of weights, or a hub id: owner/name."
