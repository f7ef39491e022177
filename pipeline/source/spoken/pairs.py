"""Pairs: what is displayed of a turn, and what is said for it.

In: display text with single spaces. Out: pairs that cover it from end to end, made once and before any cut. Chunks,
transcripts, the lexicon, checks of words and pages go by these pairs, and there is no second way from one to the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.source.spoken.invisible import Visible
from pipeline.source.spoken.lexicon import ChapterName, Lexicon
from pipeline.source.spoken.rules import Family, Replacement, replacements_of
from pipeline.source.spoken.scripts import plain
from pipeline.source.spoken.sentences import word_spans
from pipeline.source.spoken.text import CLOSERS, has_speech, is_plain, signs_behind_tag, tag_spans

_SPACE_BEFORE = re.compile(r"[ —―/|\\]|--|[\]}](?=[^\W_])")
_SPACE_AFTER = re.compile(r"(?:[ —―/|\\]|--)$")


class Pair(NamedTuple):
    """The characters `start` to `end` of a turn's text, and the words that are said for them: "" where nothing is.

    Between two pairs lies one space or nothing. Words that are said as they are displayed share a pair, which may be
    cut at its spaces; no other pair is ever cut.
    """

    start: int
    end: int
    spoken: str


@dataclass(frozen=True)
class Normalizer:
    """How text is said in a language. `tags`: the engine speaks non-verbal tags such as (laughs).

    The `lexicon` is one `for_engine`. It goes before the families.
    """

    language: str
    tags: bool = False
    families: tuple[Family, ...] = ()
    lexicon: Lexicon | None = None

    def pairs(self, text: str, *, speaker: str | None = None, chapter: ChapterName = (0, "")) -> tuple[Pair, ...]:
        """The pairs of a turn's display text, which somebody speaks in a chapter of this number (from 1) and title."""
        visible = Visible(text)
        replacements, has_tags = self._replacements(visible.text, speaker, chapter)
        if not replacements and is_plain(text) and "  " not in text:
            return (Pair(0, len(text), text),) if text else ()
        words: Iterable[Pair] = self._words(visible.text, replacements)
        if has_tags and not self.tags:
            words = _with_signs_of_tags(visible.text, words)
        return tuple(_runs(text, (Pair(*visible.displayed(start, end), spoken) for start, end, spoken in words)))

    def _replacements(self, text: str, speaker: str | None, chapter: ChapterName) -> tuple[list[Replacement], bool]:
        """What is said otherwise, and whether there are tags; these are nobody else's, as "(LAUGHS)" is no shout."""
        taken = self.lexicon.replacements(text, speaker, chapter) if self.lexicon else []
        tags = [Replacement(start, end, "") for start, end in tag_spans(text)] if "(" in text else []
        replacements = replacements_of(text, self.families, [*taken, *tags])
        of_tags = set(tags)
        return [one for one in replacements if one not in of_tags] if tags else replacements, bool(tags)

    def _words(self, text: str, replacements: Sequence[Replacement]) -> Iterator[Pair]:
        """Whole words: those that one replacement touches are one pair, with what stands around it."""
        rest = iter(replacements)
        replacement = next(rest, None)
        spans = iter(word_spans(text))
        for start, end in spans:
            if replacement is None or end <= replacement.start:
                yield Pair(start, end, plain(text[start:end], self.language, self.tags))
                continue
            parts: list[str] = []
            at = start
            while replacement is not None and replacement.start < end:
                parts += [self._plain(text[at : replacement.start]), replacement.spoken]
                at = replacement.end
                while end < at:
                    end = next(spans)[1]  # noqa: PLW2901 - a replacement joins words
                replacement = next(rest, None)
            parts.append(self._plain(text[at:end]))
            if not self.tags and not parts[-1] and (signs := signs_behind_tag(text[at:end])):  # "$5(laughs)."
                parts[-2] = _ended(parts[-2].rstrip(), signs)
            words = _joined("".join(parts))
            yield Pair(start, end, words if "" not in parts[1::2] or has_speech(words) else "")  # no comma of silence

    def _plain(self, text: str) -> str:
        """Text that no rule has a word for, with a space at its ends where it has one, or a sign that makes one."""
        said = plain(text, self.language, self.tags)
        before, after = _SPACE_BEFORE.match(text), _SPACE_AFTER.search(text)
        return f"{' ' * (before is not None)}{said}{' ' * (after is not None)}"


def _with_signs_of_tags(text: str, words: Iterable[Pair]) -> list[Pair]:
    """The pairs with the signs behind a tag that is not said at the word before it: "Hello (laughs)." is "Hello."."""
    pairs: list[Pair] = []
    for word in words:
        signs = "" if word.spoken else signs_behind_tag(text[word.start : word.end])
        last = next((at for at in reversed(range(len(pairs))) if pairs[at].spoken), None) if signs else None
        if last is None:
            pairs.append(word)
        else:
            pairs[last:] = [Pair(pairs[last].start, word.end, _ended(pairs[last].spoken, signs))]
    return pairs


def _ended(words: str, signs: str) -> str:
    """Words with the signs at their end; what ends a sentence there already, or in the signs, is enough."""
    if words.rstrip(CLOSERS)[-1:] in tuple(".!?"):
        return words if words[-1] in CLOSERS else words + signs.lstrip(".,;:!?- ")
    return words.rstrip(",;:- " if signs[0] in ".!?,;:-" else "") + signs


def _runs(text: str, words: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs with those joined that lie beside each other and are said as they are displayed."""
    run: Pair | None = None
    for word in words:
        is_plain_word = word.spoken == text[word.start : word.end]
        if run is not None and is_plain_word and word.start == run.end + 1:
            run = Pair(run.start, word.end, text[run.start : word.end])
            continue
        if run is not None:
            yield run
        run = word if is_plain_word else None
        if run is None:
            yield word
    if run is not None:
        yield run


def cut_at(text: str, pair: Pair, ends: Iterable[int]) -> Iterator[Pair]:
    """The parts of a pair that end at these offsets in `text`, where it may be cut there; else the pair."""
    start = pair.start
    if pair.spoken == text[pair.start : pair.end]:
        for end in ends:
            if start < end < pair.end and text[end] == " ":
                yield Pair(start, end, text[start:end])
                start = end + 1
    yield pair if start == pair.start else Pair(start, pair.end, text[start : pair.end])


def _joined(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def said(pairs: Sequence[Pair]) -> str:
    """What an engine is given for these pairs."""
    return " ".join([pair.spoken for pair in pairs if pair.spoken])
