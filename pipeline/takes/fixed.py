"""Fixed spans: the places of approved takes in a script, whose borders the planner leaves where they are.

In: decisions, and a script in places with the text that each displays. Out: spans of places. Knows no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.source.decision_places import CONTEXT_WORDS
from pipeline.source.decisions import Decision
from pipeline.takes.matches import Place

_NEIGHBOURS = 3  # words next to a place that tell which of several it is


@dataclass(frozen=True)
class FixedSpans:
    """The places of approved takes, `(start, end)` in places of the script, in their order, none over another."""

    spans: Sequence[tuple[int, int]] = ()

    def cuts(self, cuts: Sequence[int]) -> list[int]:
        """`cuts` with those at the ends of the spans, and none within."""
        inside = {at for start, end in self.spans for at in range(start + 1, end)}
        return sorted({at for at in cuts if at not in inside}.union(at for span in self.spans for at in span))

    def harden(self, places: Sequence[Place]) -> list[Place]:
        """`places` with a hard border at the ends of the spans, so that nothing is joined across it."""
        borders = {at for span in self.spans for at in span}
        return [place._replace(hard=True) if at in borders else place for at, place in enumerate(places)]


def fixed_spans(decisions: Sequence[Decision], places: Sequence[Place], texts: Sequence[str]) -> FixedSpans:
    """Where the words of approved takes stand in a script of which each place displays a text.

    Words that stand several times are fixed where those next to them are as they were.
    """
    approved = [decision for decision in decisions if decision.kind == "approve"]
    if not approved:
        return FixedSpans()
    plain = ["".join(text.split()) for text in texts]
    by_text: dict[str, list[int]] = {}
    for at, text in enumerate(plain):
        by_text.setdefault(text, []).append(at)
    lengths = sorted({len(text) for text in by_text})
    spans: list[tuple[int, int]] = []
    for decision in approved:
        words = "".join(decision.words.split())
        starts = [at for length in lengths for at in by_text.get(words[:length], ()) if length <= len(words)]
        matching = [(at, end) for at in starts if (end := _end(places, plain, at, words)) is not None]
        if len(matching) > 1:
            matching = [span for span in matching if _is_beside(decision, texts, span)]
        spans += matching
    return FixedSpans(list(_apart(sorted(set(spans)))))


def _end(places: Sequence[Place], plain: Sequence[str], at: int, words: str) -> int | None:
    start, done = at, 0
    while done < len(words):
        if at == len(places) or (places[at].hard and at > start) or not words.startswith(plain[at], done):
            return None
        done += len(plain[at])
        at += 1
    return at


def _is_beside(decision: Decision, texts: Sequence[str], span: tuple[int, int]) -> bool:
    """Whether the words next to a place on one side are those of the decision."""
    start, end = span
    before = " ".join(texts[max(start - CONTEXT_WORDS, 0) : start]).split()[-_NEIGHBOURS:]
    after = " ".join(texts[end : end + CONTEXT_WORDS]).split()[:_NEIGHBOURS]
    return before == decision.before.split()[-_NEIGHBOURS:] or after == decision.after.split()[:_NEIGHBOURS]


def _apart(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    end = 0
    for span in spans:
        if span[0] >= end:
            yield span
            end = span[1]
