"""The error tree, and the one form of every message: `place: problem. next step.`

PodcastError            anything this package raises on purpose
├── RequestError        the request was wrong and nothing was started (exit code 2)
├── StorageError        the disk is full or not writable; finished takes are kept (exit code 1)
└── EngineError         an engine cannot start, or cannot render what it was given (exit code 1)

InvalidValueError       a value is wrong; whoever knows its place makes a `Problem` of it
StoppedError            nobody waits for this thread's results any more
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

_SHOWN = 50  # problems at once
_LISTED = 40  # names that somebody may have meant
_LONG_QUOTE = re.compile(r'"([^"]{60})[^"]+"')


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the place, what it is, and what to do next.

    What it quotes is cut at 60 characters, and what no terminal shows stands there as an escape.
    """

    where: str
    what: str
    next: str = ""

    def __post_init__(self) -> None:
        for name, text in vars(self).items():
            object.__setattr__(self, name, printable(_LONG_QUOTE.sub(r'"\1…"', text)))

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.next}".rstrip()

    def as_dict(self) -> dict[str, str]:
        """The problem as it stands in `report.json`."""
        return asdict(self)


class InvalidValueError(ValueError):
    """A value that cannot be used: what is wrong and what to do. A `ValueError`, as pydantic wants of validators."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what} {next_step}")
        self.what, self.next_step = what, next_step

    def at(self, where: str) -> Problem:
        """The problem of a value that stands at `where`."""
        return Problem(where, self.what, self.next_step)


class PodcastError(Exception):
    """Carries one or more problems; its text is one line for each."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(lines_of(self.problems))


class RequestError(PodcastError):
    """The manifest, script, voice or command line is wrong; nothing was started."""


class StorageError(PodcastError):
    """The output folder cannot be written."""


class EngineError(PodcastError):
    """An engine cannot start, or cannot render a request."""


class StoppedError(Exception):
    """The work was stopped from another thread, which waits for no results."""


def lines_of(problems: Iterable[Problem]) -> list[str]:
    """A line for each problem, and after fifty of them how many more there are."""
    lines = [str(problem) for problem in problems]
    more = [f"… and {len(lines) - _SHOWN} more."] if len(lines) > _SHOWN else []
    return [*lines[:_SHOWN], *more]


def printable(text: str) -> str:
    """`text` on one line, as every terminal takes it; bytes of file names that are no UTF-8 are escapes, too."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def raise_if_any(problems: Sequence[Problem]) -> None:
    """Raise one `RequestError` that carries all `problems`, if there are any."""
    if problems:
        raise RequestError(*problems)


def did_you_mean(word: str, known: Iterable[str], part: Callable[[str], str] = lambda name: name) -> str:
    """`Did you mean "paul"?`, or the list of what there is when nothing is close, going by a `part` of each name."""
    names = sorted(known)
    lowered = {part(name).lower(): name for name in reversed(names)}
    close = difflib.get_close_matches(part(word).lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f'Did you mean "{lowered[close[0]]}"?'
    more = ", …" if len(names) > _LISTED else ""
    return f"Known: {', '.join(names[:_LISTED])}{more}." if names else "There are none."


def reason(error: BaseException) -> str:
    """The first line of the innermost cause, without its full stop: libraries wrap errors in others that say less."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [""])[0][:200].rstrip(".") or type(error).__name__
