"""SHA-256 of large files, computed once: kept in the user's cache folder by path, size and time of change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import EngineError, Problem, StorageError
from pipeline.files import cache_folder, file_hash, read_json, write_json


class KnownHashes:
    """The hashes in the cache. Where it cannot be read or written, everything is hashed again."""

    def __init__(self) -> None:
        self._path = cache_folder() / "fingerprints.json"
        value = read_json(self._path)
        self._hashes: dict[str, Any] = value if isinstance(value, dict) else {}
        self._changed = False

    def hash(self, file: Path) -> str:
        """SHA-256 of `file`. Raises `EngineError` where it cannot be read."""
        try:
            real = file.resolve(strict=True)
            status = real.stat()
        except OSError as error:
            raise EngineError(Problem(str(file), f"cannot be read: {error.strerror or error}.")) from None
        key = json.dumps([str(real), status.st_size, status.st_mtime_ns])
        known = self._hashes.get(key)
        if isinstance(known, str):
            return known
        digest = file_hash(real)
        if digest is None:
            raise EngineError(Problem(str(file), "cannot be read.", "Look at its permissions."))
        self._hashes[key] = digest
        self._changed = True
        return digest

    def save(self) -> None:
        """Write the new hashes into the cache file, beside those of others."""
        if not self._changed:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, self._hashes)
        except (OSError, StorageError):
            return  # the next call hashes again
