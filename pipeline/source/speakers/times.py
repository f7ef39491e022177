"""Times: when something is said, at the head of lines and of what stands after labels; nobody says them.

In: the blocks of a source, and the labels in them. Out: the places after which whoever spoke before goes on; the times
are marked in the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.source.ledger import Source, Stretch
from pipeline.source.prose.blocks import Block
from pipeline.source.prose.brackets import ANY_STAMP, CLOCKS, STAMP
from pipeline.source.speakers.forms import Candidate, Label

_ALONE = re.compile(rf"\s*(?:{ANY_STAMP})\s*:?\s*")
_LINKED = re.compile(rf"[*_]{{0,3}}\[\(?{CLOCKS}\)?\]\([^()\s]*\)[*_]{{0,3}}\s*[-–—:]?\s+(?=\S)")
_BARE_ALONE = re.compile(rf"\s*{CLOCKS}\s*")
_BRACKETED = re.compile(rf"{STAMP}\s*:?\s*")
_BARE = re.compile(rf"@?{CLOCKS}\s+(?=\S)")
_BARE_AFTER = re.compile(rf"\s*(@?{CLOCKS})(?=\s|$)\s*")
_GOES_ON = re.compile(r"(?:…|\.\.\.)\s*:\s+(?=\S)")  # what minutes have for the same speaker
_INDEX = re.compile(r"\d{1,5}")


def begins_with_time(block: Block) -> bool:
    """Whether the first line of a paragraph is a time alone: whoever spoke before goes on."""
    return _ALONE.fullmatch(block.lines[0].text) is not None


def mark_times_after(blocks: Sequence[Block], labels: Sequence[Candidate]) -> None:
    """Bare times at the head of what is said, where they stand after half of the labels: "Ann: 0:05 Hello."."""
    times: list[tuple[Stretch, int, int]] = []
    for candidate in labels:
        lines = blocks[candidate.block].lines
        line, end = lines[candidate.line], candidate.end
        if not line.text[end:].strip() and candidate.line + 1 < len(lines):
            line, end = lines[candidate.line + 1], 0
        if match := _BARE_AFTER.match(line.text, end):
            times.append((line.span, *match.span(1)))
    sure = [one for one in times if one[0].text[one[1]] == "@"]
    said = sum(stretch.text[end:].lstrip()[:1].islower() for stretch, _start, end in times)
    if 2 * said >= len(times):  # "Bob: 9:15 works for me."
        times = sure
    for stretch, start, end in times if len(times) > 1 and 2 * len(times) >= len(labels) else sure:
        stretch.leave_out(start, end, "time stamp")


def _are_verses(paragraphs: Sequence[tuple[int, Block]]) -> bool:
    """Whether the numbers at the heads count verses: "3:16 For God", "3:17 For …"."""
    matches = (_BARE.match(line.text) for _index, block in paragraphs for line in block.lines)
    clocks = [match[0].strip(" @").split(":") for match in matches if match]
    numbers = [int(clock[0]) * 1000 + int(clock[1]) for clock in clocks if len(clock) == 2 and clock[1].isdigit()]
    steps = sum(after - before == 1 for before, after in pairwise(numbers))
    return len(numbers) > 2 and 2 * steps > len(numbers)


def mark_times(blocks: Sequence[Block], source: Source, *, bare: bool, few: bool) -> Iterator[tuple[int, Label]]:
    """Times at the head of lines; for a paragraph that begins so its index, and where its words begin.

    Those without brackets only where `bare` ones may be stamps; one or two alone on lines only where `few` may.
    """
    paragraphs = [(index, block) for index, block in enumerate(blocks) if block.kind == "paragraph"]
    starts = [[_BARE.match(line.text) is not None for line in block.lines] for _index, block in paragraphs]
    heads, lines = sum(one[0] for one in starts), sum(map(sum, starts))
    is_timed = (
        bare
        and not _are_verses(paragraphs)
        and lines > 2
        and (heads >= 0.3 * len(paragraphs) or lines >= 0.3 * sum(map(len, starts)))
    )
    alone = [block for _index, block in paragraphs if _BARE_ALONE.fullmatch(block.lines[0].text)]
    is_few = len(alone) < 3 and not lines and not few and all(len(block.lines) == 1 for block in alone)
    is_said = not bare or is_few  # "10:30", once in a book
    for index, block in paragraphs:
        for number, line in enumerate(block.lines):
            text = line.text
            if (goes_on := _GOES_ON.match(text)) and not source.is_marked(line.span.place(0), line.span.end(1)):
                line.span.leave_out(*goes_on.span(), "label")
                yield index, Label(line.span.place(0), line.span.end(goes_on.end()), line.number, None)
                continue
            if is_said and _BARE_ALONE.fullmatch(text) and "-->" not in text:
                continue
            match = (
                _LINKED.match(text)
                or _ALONE.fullmatch(text)
                or _BRACKETED.match(text)
                or (_BARE.match(text) if is_timed else None)
            )
            if match is None or source.is_marked(line.span.place(0), line.span.end(1)):
                continue
            line.span.leave_out(*match.span(), "time stamp")
            before = block.lines[number - 1] if number else None
            if "-->" in text and before is not None and _INDEX.fullmatch(before.text.strip()):
                before.span.leave_out(0, len(before.text), "time stamp")
            if not number or _ALONE.fullmatch(text):
                yield index, Label(line.span.place(0), line.span.end(match.end()), line.number, None)
