"""Decision writing: decisions go into the file beside the manifest, and what people wrote there stays.

In: the file, and decisions. Out: the file with them: each in the place of an older one of the same person about the
same take, else at the end. Nothing else in it changes, comments and order among it; of an entry that is replaced its
comments stay above the new one. Processes that add at once wait for each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import yaml

from pipeline.errors import Problem, RequestError, raise_if_any
from pipeline.files import atomic_write, encode, read_bytes, storage_errors
from pipeline.source.decisions import KEYS, Decision, decisions_in, fold, read_decisions_text, read_lines

_PATIENCE_S = 60.0  # with others that write to the file, which takes them milliseconds
_PLAIN_KEYS = ("approve", "speech")
_HEADER = "# What people decided of takes. `podcast` reads it, and adds to it.\n"
_COMMENT = re.compile("#.*")

Span = tuple[int, int]


def add_decisions(
    path: Path, decisions: Sequence[Decision], *, instead: Sequence[Decision] = (), allow_outside: bool = False
) -> None:
    """Write decisions into a file, which need not be there; their numbers and places count for nothing.

    One takes the place of that of the same person (`by`) about the same words between the same words: what is approved
    that of what is to be taken again and the other way round, so many takes that of so many. `instead` are further ones
    that are to go, such as those about the same take before its neighbours were edited.

    Raises `RequestError` where the file is none that `load_decisions` reads without a problem, or is held by another
    process for a minute, and `StorageError` where it cannot be written. It is then as it was.
    """
    lock_path = path.with_name(f".{path.name}.lock")
    with storage_errors(path):
        try:
            lock = filelock.FileLock(lock_path, timeout=_PATIENCE_S)
            lock.acquire()
        except filelock.Timeout:
            hint = f"Wait for it; if there is none, remove {lock_path.name}."
            raise RequestError(Problem(str(path), "another process writes to it.", hint)) from None
        try:
            _add(path, decisions, instead, allow_outside=allow_outside)
        finally:
            lock_path.unlink(missing_ok=True)  # whoever waits for it sees that, and makes a new one
            lock.release()


def _add(path: Path, decisions: Sequence[Decision], instead: Sequence[Decision], *, allow_outside: bool) -> None:
    text = read_decisions_text(path, allow_outside=allow_outside) or ""
    old, problems = decisions_in(text, str(path))
    raise_if_any(problems)
    slots = {_slot(decision): decision for decision in decisions}
    left = dict(slots)
    gone = {decision.content for decision in instead}
    kept: list[Decision | None] = []
    for decision in old:
        slot = _slot(decision)
        is_gone = slot in slots or decision.content in gone
        kept.append(left.pop(slot, None) if is_gone else decision)
    added = list(left.values())
    after = _rewritten(text, old, kept, added)
    wanted = [decision.content for decision in (*filter(None, kept), *added)]
    if not _says(after, wanted):
        what = "it is written in a way that nothing can be added to."
        raise RequestError(Problem(str(path), what, 'Write each decision as - words: "…", with a line for each key.'))
    if after != text:
        target = path.resolve()
        is_dos = target.exists() and b"\r\n" in read_bytes(target)
        atomic_write(target, encode(after.replace("\n", "\r\n") if is_dos else after))


def _slot(decision: Decision) -> tuple[Any, ...]:
    """What there is one decision of: of a person, about a take, which of those stands or how many there are."""
    place = (fold(decision.words), decision.voices, fold(decision.before), fold(decision.after))
    return (*place, fold(decision.by), decision.kind == "takes")


def _says(text: str, wanted: Sequence[tuple[Any, ...]]) -> bool:
    """Whether a text holds these decisions, and no others."""
    try:
        decisions, problems = decisions_in(text, "")
    except RequestError:
        return False
    return not problems and [decision.content for decision in decisions] == list(wanted)


def _rewritten(text: str, old: Sequence[Decision], kept: Sequence[Decision | None], added: Sequence[Decision]) -> str:
    """A file's text with each old decision as it is kept, and others at the end."""
    simple = read_lines(text, "")
    spans, end = (simple[1], len(text)) if simple else _laid_out(text)
    if len(spans) != len(old):  # they are a list in brackets
        return text
    column = spans[0][0] - text.rfind("\n", 0, spans[0][0]) - 1 if spans else 0
    margin = "\n" + " " * column
    parts, at = [], 0
    for (start, stop), before, now in zip(spans, old, kept, strict=True):
        if now is before:
            continue
        lines = [*_comments(" " * column + text[start:stop]), *(_lines(now) if now else ())]
        parts += [text[at:start], margin.join(lines)]
        at = stop
        if not lines and text[stop : stop + 1] == "\n":
            at += 1
    parts.append(text[at:end])
    if not text.strip():
        parts.append(_HEADER)
    elif not text[:end].endswith("\n"):
        parts.append("\n")
    parts += [" " * column + margin.join(_lines(decision)) + "\n" for decision in added]
    return "".join((*parts, text[end:]))


def _laid_out(text: str) -> tuple[list[Span], int]:
    """Where each entry of a list begins and ends, its dash included, and where the list may go on."""
    spans: list[Span] = []
    depth = 0
    for token in yaml.scan(text):
        start, end = token.start_mark.index, token.end_mark.index
        if isinstance(token, _OPENING):
            depth += 1
        elif isinstance(token, _CLOSING):
            depth -= 1
        if isinstance(token, yaml.DocumentEndToken):
            return spans, start
        if depth == 1 and isinstance(token, yaml.BlockEntryToken):
            spans.append((start, end))
        elif spans and end > start and not isinstance(token, yaml.StreamEndToken):
            spans[-1] = spans[-1][0], start + len(text[start:end].rstrip())
    return spans, len(text)


_OPENING = (
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def _comments(entry: str) -> Iterator[str]:
    """The comments in the text of an entry."""
    at = 0
    for token in yaml.scan(entry):
        yield from _COMMENT.findall(entry[at : token.start_mark.index])  # no token lies there
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
            yield from _COMMENT.findall(entry[token.start_mark.index :].partition("\n")[0])
        at = max(at, token.end_mark.index)


def _lines(decision: Decision) -> Iterator[str]:
    """An entry as it is written, without the margin."""
    keys = [key for key in KEYS if key in ("words", "voices", "before", "after") or _has(decision, key)]
    for index, key in enumerate(keys):
        value = getattr(decision, key)
        shown = f"[{', '.join(map(_quoted, value))}]" if key == "voices" else str(value)
        is_text = isinstance(value, str) and key not in _PLAIN_KEYS
        yield f"{'  ' if index else '- '}{key}: {_quoted(value) if is_text else shown}"


def _has(decision: Decision, key: str) -> bool:
    """Whether a decision says something by a key."""
    value = getattr(decision, key)
    return value not in (None, "") and not (key in ("retake", "takes") and value == 0)


def _quoted(text: str) -> str:
    """A text as YAML and JSON read it; what is not seen, such as marks of direction, is escaped."""
    quoted = json.dumps(fold(text), ensure_ascii=False)
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
