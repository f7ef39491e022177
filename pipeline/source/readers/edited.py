"""Edited: a rendition in which edits are made before it is read.

In: a `Rendition` and the changes of its text. Out: another, in which the new words stand right behind the old ones, and
the old ones are left out, so that every rule for texts sees the new ones alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

from pipeline.errors import Problem
from pipeline.source.ledger import Change, Source
from pipeline.source.prose.blocks import Block, SourceLine
from pipeline.source.rendition import Rendition


def apply_edits(rendition: Rendition, changes: Sequence[Change]) -> Rendition:
    """The rendition with changes made, which are in order and do not overlap; its lines stand where they stood."""
    if not changes:
        return rendition
    source = rendition.source.edited(changes)
    ends = [change.end for change in changes]
    added = list(accumulate((len(change.words) for change in changes), initial=0))

    def moved(place: int) -> int:
        return place + added[bisect_right(ends, place)]

    warnings = list(rendition.warnings)
    for change, before in zip(changes, added, strict=False):
        if rendition.blocks is not None and not _is_read(rendition, change.end):
            start = change.end + before
            source.leave_out(start, start + len(change.words), "edit")
            where = rendition.where(rendition.source.text.count("\n", 0, change.end) + 1)
            what = "an edit changes words that are not read, and changes nothing."
            warnings.append(Problem(where, what, "Take it out; other names of a speaker belong into aliases:."))
    return replace(
        rendition,
        source=source,
        blocks=None if rendition.blocks is None else [_block(block, source, moved) for block in rendition.blocks],
        labels=None
        if rendition.labels is None
        else [replace(label, start=moved(label.start), end=moved(label.end)) for label in rendition.labels],
        sure_labels=[replace(label, start=moved(label.start), end=moved(label.end)) for label in rendition.sure_labels],
        signs=[(moved(start), moved(end)) for start, end in rendition.signs],
        titles={moved(start): title for start, title in rendition.titles.items()},
        verbatim=[(moved(start), moved(end)) for start, end in rendition.verbatim],
        warnings=warnings,
    )


def _is_read(rendition: Rendition, end: int) -> bool:
    """Whether words that end at a place are those of a block, and of no label, which the format has told already."""
    blocks, labels = rendition.blocks or (), rendition.labels or ()
    return any(block.start < end <= block.end for block in blocks if block.kind != "scene") and not any(
        label.start < end <= label.end for label in labels
    )


def _block(block: Block, source: Source, moved: Callable[[int], int]) -> Block:
    lines = tuple(_line(line, block, source, moved) for line in block.lines)
    return replace(block, start=moved(block.start), end=moved(block.end), lines=lines)


def _line(line: SourceLine, block: Block, source: Source, moved: Callable[[int], int]) -> SourceLine:
    start, end = line.span.place(0), line.span.end(len(line.text))
    if not line.text:  # all of it is marked, as the line of a name is
        start = end = block.start
    return replace(line, span=source.stretch(moved(start), moved(end)))
