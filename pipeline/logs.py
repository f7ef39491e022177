"""Logs: what the program did, in files that do not grow without end, and without anybody's secrets.

Each process writes a file of its own. A log that cannot be written never stops the work.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from pipeline.errors import Problem

FILES, FILE_BYTES = 5, 1_000_000  # of one name: the file that is written, and those before it
HIDDEN = "***"

# What a name speaks of whose value is nobody's business. A plain "key" is what takes have.
_PRIVATE = (
    r"(?:[_-]key|(?-i:[a-z]Key)|(?:api|access|signing|account)key|secret|token|passw(?:or)?d|passphrase|passcode"
    r"|passwort|(?<![a-z])pass|sshpass|pwd|(?<![a-z])pw|auth[_-]?string|credential|signature"
    r"|session[_-]?id|sessid|(?<![a-z])sid|jwt|otp)s?(?-i:(?![a-z]))"
)
# Names are looked at first, then taken whole (`++` gives nothing back): a hostile text costs no more than its length.
_NAME = rf"(?=[\w-]*{_PRIVATE})[\w-]++"
_IN_QUERY = rf"(?:(?=[\w.-]*(?:{_PRIVATE}|key))[\w.-]++|sig|auth|code)"
_QUOTED = r"""(?:"(?:\\.|[^"\\\n])*+"|'(?:\\.|[^'\\\n])*+')"""
_VALUE = r"""(?:"(?:\\.|[^"\\\n])*+"|'(?:\\.|[^'\\\n])*+'|\S+)"""
_QUOTED_OR_LONG = r"""(?:[|>][+-]?(?:\n[ \t]++[^\n]++)++|"(?:\\.|[^"\\\n])*+"|'(?:\\.|[^'\\\n])*+'|\S{8,})"""
_Instead = str | Callable[[re.Match[str]], str]
_SECRETS: tuple[tuple[str, _Instead], ...] = (
    (r"(?s)(-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----).*?(?=-----END |\Z)", rf"\1{HIDDEN}"),
    # Headers, to the end of the line: their values have many forms.
    (
        r"(?i)(?<!\w)((?:proxy-)?authorization|(?:set-)?cookies?|x-auth)"
        r"([\"']?\s*+(?:[=:]|, b?(?=[\"']))\s*+)\S[^\n]*+(?:\n[ \t]++[^\n]++)*+",
        rf"\1\2{HIDDEN}",
    ),
    (r"\b((?i:bearer)\s++|Basic\s++(?=[A-Za-z0-9+/]+[0-9A-Z+/=]))[\w.~+/=-]{8,}+\S*+", rf"\1{HIDDEN}"),
    # <password>…</password>, `login me password …` of .netrc, and `-u me:…` of curl
    (rf"(?i)(<(?:[\w.:-]{{0,40}}{_PRIVATE})(?:\s[^<>]{{0,200}})?>)[^<]++", rf"\1{HIDDEN}"),
    (r"(?im)(\blogin\s++\S++\s++password\s++|^[ \t]*+password[ \t]++)(?![=:])\S++", rf"\1{HIDDEN}"),
    (r"(?<!\S)((?:-u\s*+|--(?:proxy-)?user[\s=]++)[^\s:]++:)\S++", rf"\1{HIDDEN}"),
    (r"(?<!\S)(sshpass\s++-p\s*+)\S++", rf"\1{HIDDEN}"),
    # An address within another, and those whose path is the secret
    (r"(?i)(%3A%2F%2F)(?:(?!%40)\S){1,300}+(%40)", rf"\1{HIDDEN}\2"),
    (r"(?i)(//hooks\.slack\.com/services/|/webhooks?(?:b2)?/)\S++", rf"\1{HIDDEN}"),
    (r"(?i)(/bot\d{4,12}:)[\w-]++", rf"\1{HIDDEN}"),
    # ?X-Amz-Signature=…&sig=… of a signed address
    (rf"(?i)([?&]{_IN_QUERY}=)[^\s&]++", rf"\1{HIDDEN}"),
    (rf"(?i)(?<![\w-])({_NAME}%3D)[^\s&%]++", rf"\1{HIDDEN}"),
    # {{'name': 'PASSWORD', 'value': '…'}}, (b'x-api-key', b'…'), auth=('me', '…'), input_value='…' of pydantic
    (rf"(?i)(?<![\w-])({_NAME}[\"'],\s*+(?:[\"']value[\"']:\s*+)?b?){_QUOTED}", rf"\1{HIDDEN}"),
    (rf"(?i)(\bauth=\({_QUOTED}, ?){_QUOTED}", rf"\1{HIDDEN}"),
    (rf"(\binput_value=|\bSecretStr\(){_QUOTED}", rf"\1{HIDDEN}"),
    # `Incorrect API key provided: …`, `token '…' is not valid`
    (r"(?i)(\bapi key(?: provided)?: )\S++", rf"\1{HIDDEN}"),
    (rf"(?i)(\b(?:token|key|password) )(?={_QUOTED} is )\S++", rf"\1{HIDDEN}"),
    # AWS_SECRET_ACCESS_KEY=…, password='…', {{"secret": "…"}}, --password …, ['--token', '…']
    (rf"(?i)(?<![\w?&-])({_NAME}[\\\"'\]]*+\s*+(?::?=>?)\s*+)(?!(?<=tokens=)\d+\b){_VALUE}", rf"\1{HIDDEN}"),
    # After a colon stands what is no secret, too ("secret-garden: done"): there the name must end in the word.
    (rf"(?i)(?<![\w?&-])((?=[\w-]*{_PRIVATE}(?![\w-]))[\w-]++[\\\"']*+\s*+:\s*+){_QUOTED_OR_LONG}", rf"\1{HIDDEN}"),
    (rf"(?i)(?<![\w-])(--{_NAME}[\"']?,?\s++){_VALUE}", rf"\1{HIDDEN}"),
    # Tokens that tell by themselves what they are: of Prefect, Hugging Face, GitHub, Slack, Stripe, AWS, JWT, ….
    (r"\b(pn[ub]_|gh[oprsu]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|[sr]k_live_|whsec_)[\w-]{8,}+", rf"\1{HIDDEN}"),
    (
        r"\b(npm_|pypi-|dop_v1_|AIza|ya29\.|hvs\.|dckr_pat_|shpat_|AGE-SECRET-KEY-1|1//0)[\w.-]{20,}+",
        rf"\1{HIDDEN}",
    ),
    (r"\b(podcast:)[\w-]{32}", rf"\1{HIDDEN}"),  # the password of our own Prefect server
    (r"\b(sk-|SG\.)([\w.-]{20,}+)", lambda key: key[1] + HIDDEN if re.search(r"\d", key[2]) else key[0]),
    (r"\b(hf_|AKIA|ASIA)[A-Za-z0-9]{10,}+|\b(eyJ)[\w-]{8,}+\.[\w.-]++", rf"\1\2{HIDDEN}"),
)
_notes = logging.getLogger("podcast")  # apart from others, whose records may be shown on a terminal too
_notes.propagate = False
_notes.setLevel(logging.INFO)
_PORT = re.compile(r"[^:]*:\d+\Z")


def redact(text: str) -> str:
    """`text` with `***` for every secret in it that its place or its form gives away, in time linear in its length.

    Those are user and password in an address, signatures in its query, the values of headers that authorize, what is
    given to a name that speaks of a key, secret, token or password, private keys, and well-known kinds of tokens.
    """
    text = re.sub(r"\S++", lambda word: _without_user(word[0]) if "@" in word[0] else word[0], text)
    for pattern, instead in _secrets():
        text = pattern.sub(instead, text)
    return text


@cache
def _secrets() -> tuple[tuple[re.Pattern[str], _Instead], ...]:
    """Compiled when something is first redacted: most commands have nothing to say."""
    return tuple((re.compile(pattern), instead) for pattern, instead in _SECRETS)


def _without_user(word: str) -> str:
    """`***` for `user:secret` in each `scheme://user:secret@host`. The secret may hold slashes, as people write it.

    Of `http://host:80/me@example.org` nothing is hidden: there a port is more likely.
    """
    first, *rest = word.split("://")
    parts = [first]
    for part in rest:
        authority = part.partition("/")[0]
        is_web = re.search(r"(?:http|ws)s?\Z", parts[-1][-5:]) is not None
        has_user = "@" in authority or (":" in authority and not (is_web and _PORT.match(authority)))
        _hidden, at, host = part.rpartition("@")
        parts.append(f"{HIDDEN}@{host}" if has_user and at else part)
    return "://".join(parts)


def log_to(output: Path, name: str) -> Problem | None:
    """Write what this process logs into `<output>/logs/<name>.log` too; the second call for a file does nothing.

    Five files of 1 MB are kept. This package's records go in from INFO up, all others from WARNING up; its warnings
    are seen on stderr besides. Returns why there is no log, where the folder takes none; an error that comes later is
    passed over in silence.
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
    if not root.handlers:  # logging itself shows warnings only while there is no handler at all
        root.addHandler(_terminal())
    for logger in (root, _notes):
        logger.addHandler(handler)
    logging.getLogger("pipeline").setLevel(logging.INFO)
    return None


def _terminal() -> logging.Handler:
    """Where people see warnings of this package, but no tracebacks."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(lambda record: record.name.split(".")[0] == "pipeline" and record.exc_info is None)
    handler.setFormatter(_ForPeople())
    return handler


def note(words: str) -> None:
    """Put what was said to people into the log of this process too, where it has one."""
    _notes.info("%s", words)


def _is_wanted(record: logging.LogRecord) -> bool:
    ours = record.name.split(".")[0] in ("pipeline", _notes.name)
    return record.levelno >= (logging.INFO if ours else logging.WARNING)


class _LogFile(RotatingFileHandler):
    """A file that says nothing where it cannot be written: the terminal is for the work's own messages."""

    def _open(self) -> TextIOWrapper:
        if Path(self.baseFilename).is_fifo():  # which would be waited for until somebody reads it
            raise OSError(errno.EINVAL, "a pipe stands in its place")
        return super()._open()

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


class _ForPeople(logging.Formatter):
    """The message alone, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as it is seen on a terminal."""
        return redact(record.getMessage())
