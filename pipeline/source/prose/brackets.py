"""Brackets: time stamps, pauses, cues, directions, notes and non-verbal tags in a paragraph.

In: a `Stretch` whose markup is marked. Out: the places where it is cut, by a pause or by `[S1]`; what is not spoken is
marked. A bracket in the middle of a sentence ("[he] said") is text.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.source.ledger import Reason, Source, Stretch
from pipeline.source.script import MAX_PAUSE_S
from pipeline.source.spoken import text as texts

CLOCK = r"\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d{1,6})?"
CLOCKS = rf"{CLOCK}(?:\s*(?:-|–|—|-->|to)\s*{CLOCK})?"
STAMP = rf"(?:\\?\[\s*@?{CLOCKS}\s*\\?\]|\(\s*@?{CLOCKS}\s*\)|<{CLOCKS}>)"
ANY_STAMP = rf"(?:{STAMP}|@?(?:\d{{4}}-\d\d-\d\d[ T])?{CLOCKS})"

DIRECTION_ALONE = re.compile(r"([*_])\\?[(\[][^*_()\[\]]*[)\]]\1")
"""A direction in italics, as all of a line or a paragraph."""

_CLOCKS = re.compile(rf"@?{CLOCKS}")
_LONG_CLOCK = re.compile(r"\d{1,3}:\d{2}:\d{2}")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_ROUND = re.compile(r"\(([^()\n]{1,60})\)")
_BREAK = re.compile(r"<(?:break|pause)\b[^<>]*?([\d.]+)\s*(ms|s)[^<>]*>|<(?:break|pause)\s*/?>", re.IGNORECASE)
_PAUSE = re.compile(
    r"(?:(?:short|long|brief)\s+)?(?:pause|break|silence|wait)\s*(?:[:=]|for|of)?\s*(-?\d{1,9}(?:\.\d{1,9})?)\s*"
    r"(ms|milliseconds?|s|secs?|seconds?)?"
)
_ANY_PAUSE = re.compile(r"pause\b")
_BEATS = {
    **dict.fromkeys(("beat", "a beat", "pause", "short pause", "brief pause", "pauses", "pausing"), 0.5),
    **dict.fromkeys(("long pause", "long beat", "a long pause", "dramatic pause"), 1.5),
}
_SPEAKER = re.compile(r"s([12])$", re.IGNORECASE)

# Notes that are not spoken; "" is an empty pair of brackets.
_NOTES_TEXT = """|music|music playing|theme music|intro music|outro music|upbeat music|background music\
|crosstalk|cross talk|cross-talk|overlapping|unintelligible|inaudible|indiscernible|silence|long silence\
|foreign language|speaking foreign language|speaks foreign language|foreign|bleep|bleeped|noise|static\
|background noise|blank_audio|no audio|break|ad break|sic|transition|end|intro|outro|music ends|audio|video playing\
|unclear|indistinct|citation needed|?|??|???"""
_NOTES = frozenset(_NOTES_TEXT.split("|"))
_EDITORS = frozenset("|sic|?|??|???|citation needed|unclear|indistinct|inaudible|unintelligible".split("|"))
_SURE_CUE = re.compile(  # wherever it stands; others are cues between sentences
    r"(?:sfx|fx|sounds?|music|songs?|jingle|noises?|theme|intro|outro|ambien\w+|cut to|fades?|segue|ad break)\b.*"
    r"|.*\b(?:music|song|jingle|noises?|sounds?|sfx|in background|inaudible|unintelligible|crosstalk)"
    r"|.*\w \b(?:playing|plays|fades|fading|rings|ringing|chimes|opens|closes|slams|knocks|knocking|footsteps)"
)
_SOUND_SIGN = re.compile(r"(?:sfx|fx|sound|music)\b\s*[:=-]", re.IGNORECASE)
_SOUND = re.compile(
    r"(?:\w+ ){1,2}(?:plays?|playing|rings?|ringing|chimes?|opens?|closes?|slams?|knocks?|knocking|fades?(?: in| out)?"
    r"|falls?|starts?|stops?|ends?|barks?|cheers?|approaching)|footsteps|thunder|inaudible|unintelligible|crosstalk|static"
    r"|applause|music|silence"
)
_HOW = re.compile(
    r"\w{3,}(?:ing|ly|ed)$|(?:to|with|without|in|on|off|from|into|over|under|looks|turns|sits|stands|exits|enters"
    r"|leaves|still|then|as|after|re:?)$"
)
_MANNER = frozenset(
    """
    angry angrily annoyed amused calm calmly cheerful cheerfully confused crying cries curious curiously disappointed
    dramatic dramatically emotional energetic excited excitedly exasperated firmly friendly frustrated gentle gently
    grinning happy happily hesitant hesitantly hesitates incredulous interrupting interrupts ironic ironically joking
    jokingly loud loudly mocking nervous nervously offstage off-stage off-screen offscreen o.s. v.o. playful playfully
    proud proudly quiet quietly reading reads sad sadly sarcastic sarcastically scared serious seriously shocked
    shouting shouts skeptical smiling smiles sobbing sobs soft softly surprised surprise tearful thoughtful
    thoughtfully to-himself to-herself upset warm warmly whisper whispers whispered whispering worried yelling yells
    aside cont'd contd continued enthusiastic enthusiastically deadpan slowly quickly
    """.split()
)
_THIRD = re.compile(
    r"([A-Z][\w'’-]+)(?: [A-Z][\w'’-]+)? (?:laugh|sigh|cough|gasp|groan|chuckle|giggle|sniff|sob|cr(?:y|ie))(?:e?s)"
)
_ANYBODY = frozenset("both all everyone everybody he she they host guest speaker audience crowd group".split())
_RAISED_NUMBER = re.compile(r"(?:(?<=[^\W\d_]{4})|(?<=[.,;:!?”\"’)]))[¹²³⁰⁴-⁹]+(?:[,˒][¹²³⁰⁴-⁹]+)*(?!\w)")  # not "m²"
_CLOSING_SIGNS = ",.;:!?…"


def is_note(inner: str) -> bool:
    """Whether what stands in a bracket is a pause, a tag, a time or a known note, and nobody's name."""
    note = " ".join(inner.lower().split()).strip(".!…*_ ")
    known = note in _NOTES or note in _BEATS or note in _MANNER or bool(texts.nearest_tag(note))
    return known or any(pattern.match(note) is not None for pattern in (_PAUSE, _ANY_PAUSE, _CLOCKS, _SPEAKER))


def _around(text: str, match: re.Match[str], spaces: str | None = None) -> tuple[str, str]:
    """What stands before and after a bracket, but for white space; no more than a line of it."""
    start, end = match.span()
    return text[max(start - 200, 0) : start].rstrip(spaces), text[end : end + 200].lstrip(spaces)


def is_pause(text: str) -> bool:
    """Whether all of a text is a pause in brackets: "*(beat)*"."""
    return " ".join(text.lower().strip("*_()[]\\ .…").split()) in _BEATS


@dataclass(frozen=True)
class Cut:
    """Where a paragraph is cut, between `start` and `end` of the source: by a pause, or by another speaker."""

    start: int
    end: int
    pause_s: float | None = None
    speaker: str = ""


@dataclass
class Brackets:
    """Reads the brackets of paragraphs; `speakers` are all names of the file, in lower case."""

    source: Source
    speakers: Collection[str]
    notes: list[tuple[str, str]]  # what is to be said of a bracket, and what to do
    is_play: bool = False
    verbatim: Sequence[tuple[int, int]] = ()  # places of the source where brackets are what they are, in order
    is_prose: bool = False  # nobody is named in it: brackets of several words are the author's
    is_book: bool = False  # and all words in brackets are, where it is no podcast
    doubtful: list[str] = field(default_factory=list)  # what is taken for a cue by its place alone

    @cached_property
    def _has_first(self) -> bool:
        """Whether raised numbers are notes: there is a first one."""
        return re.search(r"[^\W\d_]{4}¹|[.,;:!?”]¹", self.source.text) is not None

    def read(self, span: Stretch, speaker: str | None) -> list[Cut]:
        """Mark what is not spoken in a paragraph of `speaker`; where it is cut, in order."""
        cuts: list[Cut] = []
        text = span.text
        if "[" in text:
            cuts += self._square(span, speaker)
        if "(" in text:
            cuts += self._round(span, speaker)
        for match in _RAISED_NUMBER.finditer(text):
            if match[0] not in "²³" or self._has_first:  # "square metres²"
                span.leave_out(*match.span(), "footnote")
        if "<" in text:
            for match in _BREAK.finditer(text):
                seconds = float(match[1]) / (1000 if match[2].lower() == "ms" else 1) if match[1] else _BEATS["beat"]
                cuts.append(self._cut(span, *match.span(), "pause", pause_s=self._clamped(seconds, match[0])))
        return sorted(cuts, key=lambda cut: cut.start)

    def _cut(
        self, span: Stretch, start: int, end: int, reason: Reason, pause_s: float | None = None, speaker: str = ""
    ) -> Cut:
        cut = Cut(span.place(start), span.end(end), pause_s, speaker)
        span.leave_out(start, end, reason)
        return cut

    def _clamped(self, seconds: float, shown: str) -> float:
        if not 0 <= seconds <= MAX_PAUSE_S:
            what = f"the pause {shown} is not between 0 and {MAX_PAUSE_S:.0f} seconds."
            self.notes.append((what, "It is shortened to fit."))
        return min(max(seconds, 0.0), MAX_PAUSE_S)

    def _square(self, span: Stretch, speaker: str | None) -> Iterator[Cut]:
        text = span.text
        for match in _BRACKET.finditer(text):
            if self._is_verbatim(span.place(match.start())):
                continue
            start, end = match.span()
            inner = " ".join(match[1].split())
            lowered = inner.lower()
            if turn := _SPEAKER.fullmatch(inner):
                colon = re.compile(r"\s*(?::|[-–—](?=\s))").match(text, end)
                yield self._cut(span, start, colon.end() if colon else end, "label", speaker=f"S{turn[1]}")
            elif (seconds := self._pause(lowered, match[0])) is not None:
                yield self._cut(span, start, end, "pause", pause_s=seconds if seconds >= 0 else None)
            elif (reason := self._reason(span, match, speaker)) is not None:
                self._leave_out(span, start, end, reason)
            elif tag := texts.nearest_tag(lowered.strip(".!…* ")):
                span.replace(start, end, tag, "tag")
            elif match[1] and not match[1].strip():
                span.leave_out(start, end, "markup")
        rest = span.rest()
        for match in re.compile(r"[\[\]]").finditer(rest.text):
            if not self._is_verbatim(rest.place(match.start())):
                rest.leave_out(match.start(), match.end(), "markup")

    def _is_verbatim(self, place: int) -> bool:
        index = bisect_right(self.verbatim, (place, sys.maxsize)) - 1
        return index >= 0 and place < self.verbatim[index][1]

    @staticmethod
    def _leave_out(span: Stretch, start: int, end: int, reason: Reason) -> None:
        """Leave a bracket out, and with it the gap that it leaves before a sign."""
        if span.text[end : end + 1] and span.text[end] in _CLOSING_SIGNS:
            while start and span.text[start - 1].isspace():
                start -= 1
            end += span.text[end] == "." and span.text[start - 1 : start] in (".", "!", "?")
        span.leave_out(start, end, reason)

    def _pause(self, note: str, shown: str) -> float | None:
        """The seconds of a pause, -1 where nobody can tell them, None where it is none."""
        note = note.strip(".!…* ")
        if note in _BEATS:
            return _BEATS[note]
        if match := _PAUSE.fullmatch(note):
            seconds, unit = float(match[1]), match[2] or ""
            is_ms = unit.startswith("m") or (not unit and seconds >= 100)  # [pause:500]
            return self._clamped(seconds / 1000 if is_ms else seconds, shown)
        if _ANY_PAUSE.match(note) and note not in _NOTES:
            self.notes.append((f"the pause {shown} is not understood and left out.", "Write it as [pause 1.5s]."))
            return -1.0
        return None

    def _reason(self, span: Stretch, match: re.Match[str], speaker: str | None) -> Reason | None:
        """Why a bracket is not spoken, or None when its words are."""
        note = " ".join(match[1].split())
        lowered = note.lower().strip(".!…* ")
        raw = self.source.text[span.place(match.start()) + 1 : span.place(match.start()) + 2]
        if lowered.startswith("^"):
            return "footnote"
        if span.text[match.end() : match.end() + 1] == ":" and not _CLOCKS.fullmatch(lowered):
            return None
        if _CLOCKS.fullmatch(lowered):
            return "time stamp"
        is_note_of_time = " " in lowered and _CLOCKS.search(lowered) and not self._is_author_s
        if lowered in (_EDITORS if self._is_author_s else _NOTES) or is_note_of_time:
            return "cue"
        attached = span.text[match.start() - 1 : match.start()]
        opens = not attached.strip() or attached in "([“\"'"
        number = re.fullmatch(r"\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*", note) is not None
        sign = re.fullmatch(r"[A-Zabc*†‡]", note) is not None and not opens
        after = _around(span.text, match)[1][:1]
        is_word = attached in (" ", "") and (not after or after.islower() or after in ",.?!;")
        is_word = (
            is_word
            or note.startswith("0")
            or re.search(r"(?<![^\W\d_])[^\W\d_]$", span.text[max(match.start() - 2, 0) : match.start()]) is not None
        )  # "He chose [5] apples."
        if (number and not is_word) or sign or (len(note) == 1 and note in "*†‡"):
            return "footnote"
        if _SOUND_SIGN.match(lowered) or self._is_of_another(note.strip(".!…* "), speaker):
            return "cue"
        if texts.nearest_tag(lowered):
            return None
        is_italic = self.source.is_marked(span.place(match.start()) + 1, span.place(match.start()) + 2)
        if raw in ("_", "*") and is_italic and not self.is_prose:
            return "direction"
        return self._by_words(span.text, match, note, lowered)

    @property
    def _is_author_s(self) -> bool:
        """Whether brackets are those of a book in which nobody is named: an editor has put in what stands there."""
        return self.is_prose and self.is_book

    def _by_words(self, text: str, match: re.Match[str], note: str, lowered: str) -> Reason | None:
        """What a note that is none of the known ones tells: a manner, a sound, or what stands around it."""
        if note[:1].isupper() and not note.isupper() and _around(text, match)[1][:1].islower():
            return None  # "[Theme parks] are fun."
        if self._is_author_s:
            is_sound = lowered in _NOTES or _SOUND.fullmatch(lowered) is not None
            return self._by_place(text, match, note, is_sound=is_sound)
        first = lowered.split(maxsplit=1)[0].rstrip(",;") if lowered else ""
        if lowered in _MANNER or (first in _MANNER and len(lowered.split()) < 6):
            return "direction"
        if _SURE_CUE.fullmatch(lowered.replace("_", " ")):
            return "cue"
        return self._by_place(text, match, note)

    def _is_of_another(self, note: str, speaker: str | None) -> bool:
        """Whether a note tells what somebody does who is not speaking: "[Brian laughs]" in Erik's turn."""
        words = note.lower().split(" ")
        names = [name for end in range(1, min(len(words), 6)) if (name := " ".join(words[:end])) in self.speakers]
        own = (speaker or "").lower()
        if names:
            return own not in names and note[len(max(names, key=len)) + 1].islower()
        third = _THIRD.fullmatch(note)  # somebody who never speaks
        return third is not None and third[1].lower() not in _ANYBODY and not own.startswith(third[1].lower())

    def _by_place(self, text: str, match: re.Match[str], note: str, *, is_sound: bool = False) -> Reason | None:
        """A bracket that stands between sentences is a direction, one within a sentence is text.

        Of a book in which nobody speaks it is text there, too, but for a sound and for a letter alone.
        """
        before, after = _around(text, match)
        opens = not before or before[-1] in '.!?…:"”’)]—'
        closes = not after or not (after[0].islower() or after[0] in ",;")
        if not note or not (opens and closes) or not texts.has_speech(note):
            return None
        if self.is_prose and not is_sound and (len(note.split()) > 2 or (self.is_book and len(note.rstrip(".")) > 1)):
            return None  # but no "[K.]"
        alone = not before and not after
        if not (alone or is_sound) and note[0].isupper() and " " not in note and not self.is_play:
            return None  # "[Ann] Left."
        self._doubt(match[0])
        return "cue"

    def _doubt(self, bracket: str) -> None:
        bracket = " ".join(bracket.split())
        self.doubtful.append(bracket if len(bracket) < 80 else f"{bracket[:70]} …")

    def _round(self, span: Stretch, speaker: str | None) -> Iterator[Cut]:
        text = span.text
        for match in _ROUND.finditer(text):
            inner = match[1].strip().lower().strip(".…* ")
            if inner in _BEATS:
                yield self._cut(span, *match.span(), "pause", pause_s=_BEATS[inner])
            elif _CLOCKS.fullmatch(inner) and self._is_stamp(text, match, inner):
                self._leave_out(span, *match.span(), "time stamp")
            elif self.is_play and self._is_italic(span, match):
                self._leave_out(span, *match.span(), "direction")
            elif self.speakers and (self._opens_a_turn(span, match, speaker) or self._is_direction(text, match, inner)):
                self._leave_out(span, *match.span(), "direction")
                self._doubt(match[0])

    def _opens_a_turn(self, span: Stretch, match: re.Match[str], speaker: str | None) -> bool:
        """Whether a bracket without a capital stands right after a label, or alone: "Ann: (to camera) Hello."."""
        before, after = _around(span.text, match)
        note = " ".join(match[1].split()).strip("*_ ")
        if before or not note or span.text[match.end() : match.end() + 1].isalnum():
            return False
        if self._is_of_another(note, speaker):
            return True
        first = span.place(match.start())
        label = len(self.source.text[max(first - 40, 0) : first].rstrip())
        at = max(first - 40, 0) + label
        is_labelled = label > 0 and self.source.is_marked(at - 1, at)
        words = note.split()
        is_short = note[:1].islower() and len(words) < 5 and (words[0] in _MANNER or _HOW.match(words[0]) is not None)
        is_tag = bool(texts.nearest_tag(note.lower().strip(".…")))
        is_alone = not after and speaker is not None and not is_labelled
        return not is_tag and (is_alone or (is_labelled and (is_short or self.is_play)))

    @staticmethod
    def _is_direction(text: str, match: re.Match[str], inner: str) -> bool:
        """Whether a bracket without a capital, between sentences, tells of a manner or a sound: "(door slams)"."""
        words = inner.split()
        is_manner = words and (words[-1] if words[0].endswith("ly") else words[0]) in _MANNER
        tells = (is_manner and (len(words) == 1 or (len(words) == 2 and "ly" in inner))) or _SOUND.fullmatch(inner)
        if not tells or not match[1][:1].islower() or texts.nearest_tag(inner):
            return False
        before, after = _around(text, match, " *_\n\t")
        return not before or (before[-1] in '.!?…:"”’' and (not after or not after[0].islower()))

    @staticmethod
    def _is_stamp(text: str, match: re.Match[str], inner: str) -> bool:
        before, after = _around(text, match)
        between = not before or before[-1] in ".!?…:" or not after
        if after[:1].islower() and not _LONG_CLOCK.match(inner):
            return False  # "(10:30) is fine"
        return between and (not before or not after or _LONG_CLOCK.match(inner) is not None)

    def _is_italic(self, span: Stretch, match: re.Match[str]) -> bool:
        """Whether all of it stands in italics, as directions do in plays: "(_rising_)"."""
        inside, outside = span.place(match.start()) + 1, span.end(match.end()) - 1
        first, last = self.source.text[inside : inside + 1], self.source.text[outside - 1 : outside]
        return first in ("_", "*") and first == last and self.source.is_marked(inside, inside + 1)
