"""Chapters: which headings of a document begin them, which are its title, and which belong to that of another.

In: the blocks of a document, and which of them are labels. Out: levels and indices of blocks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pipeline.source.ledger import Source
from pipeline.source.prose.blocks import Block, is_numbered

_TITLE = 120  # characters: what is longer belongs to no title
_OPENING = 0.2  # of a document: where its title ends at the latest
_LEAST_OF_CHAPTER = 0.1  # of the length of the others
_MOST_BETWEEN = 300  # characters that are not read, such as a picture's, between the headings of a part and a chapter
_PART = re.compile(r"\b(?:part|book|volume|vol|epoch|teil|buch|band|partie|livre|tome|parte|libro)\b", re.IGNORECASE)


@dataclass(frozen=True)
class DocumentHeadings:
    """At which level headings begin chapters, which are the title, which others above the text begin none."""

    level: int = 1
    title: frozenset[int] = frozenset()
    opening: frozenset[int] = frozenset()


def document_headings(blocks: Sequence[Block], labelled: Collection[int]) -> DocumentHeadings:
    """What the headings of a document are; `labelled` blocks are labels.

    Chapters begin at the highest level of which there are two, those left aside that stand above the first paragraph of
    any length and head no chapter; at a lower one whose headings are numbers, where there are more of them. The
    headings left aside are the title where nothing but headings stands there.
    """
    headings = [i for i, block in enumerate(blocks) if block.kind == "heading" and i not in labelled]
    text = [i for i, block in enumerate(blocks) if block.kind in ("paragraph", "row") or i in labelled]
    end = blocks[-1].end if blocks else 0
    is_long = (i for i in text if blocks[i].end - blocks[i].start > _TITLE or i in labelled)
    begin = next((i for i in is_long if blocks[i].start < _OPENING * end), text[0] if text else len(blocks))
    above = [i for i in headings if i < begin]
    first = _first_chapter(blocks, above, [i for i in headings if i > begin])
    below = Counter(blocks[i].level for i in (*above[first:], *(i for i in headings if i > begin)))
    level = next((level for level, count in sorted(below.items()) if count > 1), 1)
    numbered = Counter(blocks[i].level for i in headings if is_numbered(blocks[i]))
    for lower, count in numbered.items():
        numbers = {_key(blocks[i]) for i in headings if blocks[i].level == lower and is_numbered(blocks[i])}
        goes_on = len(numbers) == count  # and does not begin anew in every part, as the numbers of sections do
        if lower > level and count > max(2, below[level] * (1 if goes_on else 2)):  # parts, and their chapters
            level = lower
    opening = frozenset(above[:first])
    is_title = not (above and text[:1] < above[-1:])
    return DocumentHeadings(level, opening if is_title else frozenset(), frozenset() if is_title else opening)


def _first_chapter(blocks: Sequence[Block], above: Sequence[int], rest: Sequence[int]) -> int:
    """Which of the headings `above` the text is the first of a chapter: the last, or one of its kind with others below.

    "ACT I" and "The Gathering" below it are no title of a document in which "ACT II" follows.
    """
    first = max(len(above) - 1, 0)
    lowest = blocks[above[first]].level if above else 1
    for at in range(first - 1, -1, -1):
        level = blocks[above[at]].level
        if level >= lowest:
            continue
        lowest = level
        same = [i for i in rest if blocks[i].level == level]
        heads = [i for i, after in pairwise(rest) if blocks[i].level == level < blocks[after].level and after == i + 1]
        if (len(same) > 1 or heads) and _is_of_size(blocks, [above[at], *same]):
            first = at
    parts = {blocks[i].level for i in rest if _is_part(blocks[i])}
    levels = [blocks[i].level for i in above]
    heads = [at for at in range(1, first) if levels[at] in parts and levels[at] == min(levels[at:])]
    return next((at for at in heads if _is_part(blocks[above[at]])), first)


def _is_of_size(blocks: Sequence[Block], heads: Sequence[int]) -> bool:
    """Whether as much text stands below the first of headings as below others: below a title stands a motto at most."""
    sizes = [block.end - block.start if block.kind in ("paragraph", "row") else 0 for block in blocks]
    return sum(sizes[heads[0] : heads[1]]) * len(heads) > _LEAST_OF_CHAPTER * sum(sizes[heads[0] :])


def repeated_titles(blocks: Sequence[Block], silent: Collection[int]) -> set[int]:
    """Headings of nothing that repeat the first heading, as a half title does in front of the first chapter."""
    first = next((index for index, block in enumerate(blocks) if block.kind == "heading"), 0)
    return {i for i in silent if i > first and _key(blocks[i]) == _key(blocks[first])}


def silent_headings(blocks: Sequence[Block], labelled: Collection[int], level: int) -> set[int]:
    """The headings that would begin chapters of nothing: they stay headings."""
    silent: set[int] = set()
    last: int | None = None
    for index, block in enumerate(blocks):
        if block.kind == "heading" and index not in labelled and block.level <= level:
            silent |= {last} if last is not None else set()
            last = index
        elif block.kind in ("paragraph", "row"):
            last = None
    return silent | ({last} if last is not None else set())


def with_parts(
    source: Source,
    blocks: Sequence[Block],
    labelled: Collection[int],
    silent: Collection[int],
    titles: Collection[int],
    level: int,
) -> list[Block]:
    """Blocks in which a part's heading right above that of a chapter belongs to its title: "PART TWO. 7. To Bristol".

    So do the lower headings between them, but for `titles`. In the place of each stands a break, so that the indices of
    blocks stay.
    """
    joined = list(blocks)
    for index in sorted(silent, reverse=True):
        part = joined[index]
        rest = (at for at, block in enumerate(joined[index + 1 :], index + 1) if block.kind != "scene")
        between = [index]
        for at in rest:
            is_near = joined[at].kind == "heading" and joined[at].start - joined[between[-1]].end < _MOST_BETWEEN
            if not is_near or at in labelled or source.stretch(joined[between[-1]].end, joined[at].start).text.strip():
                break
            between.append(at)
            if joined[at].level <= level and at not in titles and at not in silent:
                if part.level < joined[at].level or _is_part(part):
                    _join(source, joined, [one for one in between if one not in titles])
                break
    return joined


def _join(source: Source, blocks: list[Block], parts: Sequence[int]) -> None:
    """Make one heading of several, at the index of the last."""
    for index in parts[:-1]:
        end = blocks[index].end
        sign = "" if blocks[index].lines[-1].text.rstrip().endswith((".", ":", "!", "?")) else "."
        source.replace(end, end + 1, f"{sign} ", "chapter title")
    lines = tuple(line for index in parts for line in blocks[index].lines)
    blocks[parts[-1]] = replace(blocks[parts[-1]], start=blocks[parts[0]].start, lines=lines)
    for index in parts[:-1]:
        blocks[index] = Block("scene", blocks[index].number, blocks[index].start, blocks[index].start)


def _key(block: Block) -> str:
    return " ".join(" ".join(line.text for line in block.lines).casefold().strip(" .:").split())


def _is_part(block: Block) -> bool:
    return _PART.search(block.lines[0].text) is not None
