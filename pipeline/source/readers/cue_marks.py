"""Marks within cues: tags, entities and sounds in the lines of subtitles.

In: a `Source` and where a line of it stands. Out: nothing; what is not said is marked. `voices_in` tells of `<v Ann>`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from pipeline.source.ledger import Source
from pipeline.source.prose.brackets import is_note, is_pause
from pipeline.source.speakers.forms import clean_name
from pipeline.source.spoken.text import has_speech, nearest_tag

_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?(?:[ \t]+([^<>\n]*))?>")
_RUBY_TEXT = re.compile(r"<rt(?:\.[^\s<>]*)?>([^<>\n]{0,200})</rt>")
_TAG = re.compile(
    r"</?(?:c|i|b|u|s|v|em|strong|strike|font|ruby|rt|rb|rp|lang|span|small|big)(?:\.[^\s<>]*)?(?:[ \t][^<>\n]*)?/?>",
    re.IGNORECASE,
)
_BREAK = re.compile(r"<[bB][rR][ \t]*/?>|\\N|\\h(?![a-z])")
_CLOCK = re.compile(r"<\d{1,3}:\d{2}(?::\d{2})?[.,]\d{1,3}>")
_OVERRIDE = re.compile(r"\{\\[^{}\n]*\}|\{[YyCcFfSsPpHho]:[^{}\n]*\}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_NOTES = re.compile(r"[♪♫♬#*\s]{0,9}[♪♫♬][♪♫♬#\s]{0,9}")
_MUSIC_BRACKET = re.compile(r"[♪♫♬]\s*[(\[]?\s*([^()\[\]♪♫♬]{2,60}?)\s*[)\]]?\s*[♪♫♬]")
_MUSIC = re.compile(r"(?:[\w'’-]+ ){0,4}(?:music|song|theme|melody|jingle|tune)(?: \w+(?:s|ing))?", re.IGNORECASE)
_WHOLE = re.compile(r"\(([^()]{1,120})\)")
_SHOUTED = re.compile(r"(?:(?<=[.!?…:\"”♪\n])|^)\s*\(([A-Z][A-Z ,.'’&-]*[A-Z])\)(?=\s*(?:$|[^\sa-z]))", re.MULTILINE)
_SOUND_LINE = re.compile(
    r"(?:[A-Z'’]+ ){0,4}(?:APPLAUSE|LAUGHTER|MUSIC|SILENCE|FOOTSTEPS|STATIC|THUNDER|CHEERING|SCREAMING|GUNSHOTS?"
    r"|(?:MUSIC|PHONE|DOOR\w*|BELLS?|SIRENS?|ENGINE|ALARM|DOGS?|CROWD|CLOCK|GUN\w*|HORN|BIRDS?|THUNDER|WIND|RADIO|TV) "
    r"(?:PLAYS?|PLAYING|RINGS?|RINGING|SLAMS?|OPENS?|CLOSES?|WAILS?|WAILING|STARTS?|STOPS?|BARKS?|BARKING|CHEERS?"
    r"|BUZZES|TICKS|TICKING|FIRES?|HONKS?|RUMBLES|HOWLS|CHATTER\w*|KNOCKS?|CREAKS?|CONTINUES|FADES))"
)


def voices_in(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Where voices are named in a line, and whom; one without a name is nobody's, and "" as the narrator's."""
    for match in _VOICE.finditer(text, start, end) if "<v" in text[start:end] else ():
        yield *match.span(), clean_name(html.unescape(match[1] or ""))


def mark_tags(source: Source, start: int, end: int) -> None:
    """Tags of the formats, times within a line, ways to place it, entities and signs that are not to be seen."""
    text = source.text[start:end]
    if "<" in text:
        for first, last, _name in voices_in(source.text, start, end):
            source.leave_out(first, last, "label")
        for match in _RUBY_TEXT.finditer(source.text, start, end):  # how the words before it are said
            source.leave_out(*match.span(1), "footnote")
        for match in _CLOCK.finditer(source.text, start, end):
            source.leave_out(*match.span(), "time stamp")
        for match in _TAG.finditer(source.text, start, end):
            source.leave_out(*match.span(), "markup")
    if "<" in text or "\\" in text:
        for match in _BREAK.finditer(source.text, start, end):
            source.replace(*match.span(), " ", "markup")
    for pattern in (_OVERRIDE,) if text.isascii() else (_OVERRIDE, _INVISIBLE):
        for match in pattern.finditer(source.text, start, end):
            source.leave_out(*match.span(), "markup")
    if "&" in text:
        _mark_entities(source, start, end)


def _mark_entities(source: Source, start: int, end: int) -> None:
    for match in _ENTITY.finditer(source.text, start, end):
        meant = html.unescape(match[0])
        if _INVISIBLE.fullmatch(meant):
            source.leave_out(*match.span(), "markup")
        elif meant != match[0]:
            source.replace(*match.span(), " " if meant.isspace() else meant, "entity")


def mark_sounds(source: Source, lines: Sequence[tuple[int, int]]) -> None:
    """What stands for a sound: `(SIGHS)`, a bracket that is all of a cue or of a line, `♪`, a sound in capitals."""
    if not lines:
        return
    first, last = lines[0][0], lines[-1][1]
    for start, end in dict.fromkeys([(first, last), *lines]):
        text = source.stretch(start, end).text.strip()
        if source.is_marked(start, end) and not has_speech(text):
            continue
        if (match := _WHOLE.fullmatch(text)) and not _is_sentence(match[1]):
            _mark_note(source, start, end, " ".join(match[1].split()))
        elif text.isupper() and (_SOUND_LINE.fullmatch(text) or (len(text.split()) < 4 and _is_sound(text))):
            _mark_note(source, start, end, text)
    for start, end in lines:
        span = source.stretch(start, end)
        for match in _SHOUTED.finditer(span.text):
            opening = span.text.index("(", match.start())
            _mark_note(source, span.place(opening), span.end(match.end()), match[1])
        if not any(sign in span.text for sign in "♪♫♬"):
            continue
        for match in _MUSIC_BRACKET.finditer(span.text):
            if is_note(match[1]) or _MUSIC.fullmatch(match[1]):
                span.leave_out(*match.span(), "cue")
        for match in _NOTES.finditer(span.text):
            signs = match.start() + len(match[0]) - len(match[0].lstrip())
            span.leave_out(signs, signs + len(match[0].strip()), "cue")


def _is_sentence(words: str) -> bool:
    return words.rstrip()[-1:] in ".?" and " " in words.strip() and words.strip()[:1].isupper() and not words.isupper()


def _is_sound(words: str) -> bool:
    return is_note(words) and not is_pause(f"({words})")


def _mark_note(source: Source, start: int, end: int, words: str) -> None:
    """Let a tag stand for a sound that an engine may know, else leave it out; a pause and a number stay."""
    if is_pause(f"({words})") or not any(map(str.isalpha, words)):
        return
    tag = nearest_tag(words.strip(" .!…"))
    span = source.stretch(start, end)
    first, last = span.strip()
    if first < last and not (tag and span.replace(first, last, tag, "tag")):
        span.leave_out(first, last, "cue")
