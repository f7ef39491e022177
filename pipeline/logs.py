"""Logs: what the program did, in files that do not grow without end, and without anybody's secrets.

Each process writes a file of its own. A log that cannot be written never stops the work.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from pipeline.errors import Problem

FILES, FILE_BYTES = 5, 1_000_000  # of one name: the file that is written, and those before it
HIDDEN = "***"

_NAME = r"(?:key|secret|token|password|passwd|signature|credentials?)"
_VALUE = r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\S+)"""
_SECRETS = (
    # scheme://user:secret@host; a secret may hold slashes, but what begins as a port does not begin a secret.
    (re.compile(r"(?<=://)(?:[^\s/@:]*:(?!\d+/)\S*|[^\s/@]+)@"), f"{HIDDEN}@"),
    (re.compile(r"(?i)\b(bearer\s+)\S+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(\bauthorization[\"']?\s*[=:]\s*[\"']?\w+\s+)\S+"), rf"\1{HIDDEN}"),
    # ?X-Amz-Signature=…&sig=… of a signed address
    (re.compile(rf"(?i)([?&](?:[\w.-]*{_NAME}[\w.-]*|sig)=)[^\s&]+"), rf"\1{HIDDEN}"),
    # AWS_SECRET_ACCESS_KEY=…, password='…', {{"secret": "…"}}; a plain "key" is what takes have
    (
        re.compile(rf"(?i)(?<![\w-])([\w-]*(?:[_-]key|secret|token|password|passwd)[\w-]*[\"']?\s*[=:]\s*){_VALUE}"),
        rf"\1{HIDDEN}",
    ),
)


def redact(text: str) -> str:
    """`text` with `***` for every secret in it that its place gives away.

    Those are user and password in an address, signatures in its query, bearer tokens, and what is assigned to a name
    that speaks of a key, secret, token or password.
    """
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def log_to(output: Path, name: str) -> Problem | None:
    """Write what this process logs into `<output>/logs/<name>.log` too; the second call for a file does nothing.

    Five files of 1 MB are kept. This package's records go in from INFO up, all others from WARNING up. Returns why
    there is no log, where the folder takes none; an error that comes later is passed over in silence.
    """
    path = (output / "logs" / f"{name}.log").absolute()
    root = logging.getLogger()
    if any(isinstance(handler, _LogFile) and Path(handler.baseFilename) == path for handler in root.handlers):
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _LogFile(path, "a", FILE_BYTES, FILES - 1, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        return Problem(str(path), f"no log is written: {error.strerror or error}.", "The work goes on without it.")
    handler.setFormatter(_Redacted())
    handler.addFilter(_is_wanted)
    root.addHandler(handler)
    logging.getLogger("pipeline").setLevel(logging.INFO)
    return None


def _is_wanted(record: logging.LogRecord) -> bool:
    ours = record.name.split(".")[0] == "pipeline"
    return record.levelno >= (logging.INFO if ours else logging.WARNING)


class _LogFile(RotatingFileHandler):
    """A file that says nothing where it cannot be written: the terminal is for the work's own messages."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Lose the record."""

    def close(self) -> None:
        """Close the file, and lose what it does not take any more."""
        with suppress(OSError):
            super().close()


class _Redacted(logging.Formatter):
    """`2026-01-31T23:00:00+01:00 INFO pipeline.takes.plan: …`, tracebacks included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as it goes into the file."""
        when = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="seconds")
        return redact(f"{when} {record.levelname} {record.name}: {super().format(record)}")
