"""Books: what stands in a book's file beside its text: Project Gutenberg's header and licence, and contents.

In: a `Source`. Out: nothing; it is marked, but for what somebody says. `CHAPTER_LINE` is what begins a chapter in plain
text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from pipeline.source.ledger import Source
from pipeline.source.prose.speech import Speech

_GUTENBERG_START = re.compile(
    r"^\*{3}\s*START OF (?:THE|THIS) PROJECT GUTENBERG[^*]*\*{3}|^\*END\*?\s*THE SMALL PRINT![^\n]*",
    re.MULTILINE | re.IGNORECASE,
)
GUTENBERG_END = re.compile(
    r"^(?:\*{3}\s*END OF (?:THE|THIS) PROJECT GUTENBERG"
    r"|End of (?:the |this )?Project Gutenberg(?:['’]s\b|\s+e-?(?:book|text)))",
    re.MULTILINE | re.IGNORECASE,
)
_CREDITS = re.compile(
    r"\s*(?:\[?_?(?:produced by|e-?text prepared by|transcribed from|this e-?(?:text|book) was|scanned (?:and|by)"
    r"|credits?:|html version by|updated:|release date:|original publication:))",
    re.IGNORECASE,
)
_TRANSCRIBER = re.compile(
    r"^[ \t_*=#]*transcriber['’]?s?['’]? notes?[ \t_*=.]*(?::[^\n]*)?$", re.MULTILINE | re.IGNORECASE
)
_CONTENTS = re.compile(r"^[ \t#*_]*(?:table of )?contents[ \t.:*_]*$", re.MULTILINE | re.IGNORECASE)
_LISTED = re.compile(r"\s*(?:[-*+]|\d+[.)])\s|\s*\[[^\]]*\]\(")
_COUNTED_PARTS = frozenset("CHAPTER PART BOOK ACT SCENE CANTO LETTER VOLUME SECTION STAVE".split())
_ENTRY = re.compile(r"(?:\s|\.)\d+\s*$|\]\(|\[\[|\bPAGE\s*$")
_ROMAN = r"[IVXLC]+"
_NUMBER = (
    "ONE|TWO|THREE|FOUR|FIVE|SIX|SEVEN|EIGHT|NINE|TEN|ELEVEN|TWELVE|THIRTEEN|FOURTEEN|FIFTEEN|SIXTEEN|SEVENTEEN"
    "|EIGHTEEN|NINETEEN|TWENTY|THIRTY|FORTY|FIFTY|SIXTY|SEVENTY|EIGHTY|NINETY"
)
_ORDINAL = "FIRST|SECOND|THIRD|FOURTH|FIFTH|SIXTH|SEVENTH|EIGHTH|NINTH|TENTH|ELEVENTH|TWELFTH|LAST|FINAL"
_COUNTED = rf"(?:{_ROMAN}|\d+|(?i:(?:{_NUMBER})(?:-(?:{_NUMBER}))?|{_ORDINAL}))\b"
CHAPTER_LINE = re.compile(
    rf"(?:(?:CHAPTER|BOOK|PART|STAVE|CANTO|LETTER|ACT|VOLUME|SECTION|ADVENTURE|STORY|TALE)\s+(?:THE\s+)?{_COUNTED}"
    rf"|(?:Chapter|Book|Part|Stave|Canto|Letter|Act|Volume|Adventure|Story|Tale)\s+(?:the\s+)?{_COUNTED}"
    rf"|(?:{_ORDINAL})\s+(?:ACT|BOOK|PART|VOLUME|CANTO)"
    rf"|{_ROMAN}\.\s+(?=[A-Z])[A-Z ,;'’\"“”&-]+(?:\.|(?=$))"
    r"|PROLOGUE|EPILOGUE|PREFACE|INTRODUCTION|FOREWORD|AFTERWORD|CONCLUSION|Prologue|Epilogue|Preface|Foreword|Afterword)"
    r"(?:[.:]?|[.:—–-]+\s+\S.{0,80}|\s+[A-Z][A-Z ,;'’!?-]{2,60})"
)


def _paragraphs(text: str, start: int) -> Iterator[tuple[int, int]]:
    """The places of what stands between empty lines, from `start` on."""
    for match in re.compile(r"[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*").finditer(text, start):
        yield match.span()


def mark_gutenberg(source: Source, speech: Speech) -> None:
    """The header, the licence, who made the file, and the transcriber's notes."""
    text = source.text
    start, end = _GUTENBERG_START.search(text), GUTENBERG_END.search(text)
    if end is not None and not end[0].startswith("*") and speech.begins_within(end.start(), len(text)):
        end = None
    if start is not None:
        source.leave_out(0, start.end(), "boilerplate")
        for number, (begin, stop) in enumerate(_paragraphs(text, start.end())):
            if number > 6:
                break
            if _CREDITS.match(text, begin, stop):
                source.leave_out(begin, stop, "boilerplate")
    if end is not None and (start is None or end.start() > start.end()):
        source.leave_out(end.start(), len(text), "boilerplate")
    last = end.start() if end is not None else len(text)
    for match in _TRANSCRIBER.finditer(text):
        if not source.is_marked(*match.span()):
            is_book = start is not None or end is not None
            stop = _notes_end(text, match, last) if is_book else next(_paragraphs(text, match.start()))[1]
            source.leave_out(match.start(), speech.before(match.start(), stop), "boilerplate")


def _notes_end(text: str, heading: re.Match[str], last: int) -> int:
    """Where a transcriber's notes end: before a gap of two empty lines, or with the file where no chapter follows."""
    if heading.start() > last / 2 and not any(
        CHAPTER_LINE.fullmatch(line.strip()) for line in text[heading.end() : last].split("\n")
    ):
        return last
    gap = re.compile(r"\n[ \t]*\n[ \t]*\n[ \t]*\n").search(text, heading.end() + 2)
    end = gap.start() if gap else heading.end()
    return end if end - heading.start() < 6000 else next(_paragraphs(text, heading.start()))[1]


def mark_contents(source: Source, speech: Speech) -> None:
    """A table of contents, up to the first block that is no list of short lines, or repeats what was listed."""
    text = source.text
    at = 0
    for heading in _CONTENTS.finditer(text):
        if heading.start() < at or source.is_marked(*heading.span()):
            continue
        listed: set[str] = set()
        comes_back = False
        sure = 0  # entries with a page or a link
        end = at = heading.end()
        for begin, stop in _paragraphs(text, heading.end()):
            lines = [_entry(line) for line in text[begin:stop].split("\n")]
            comes_back = _is_chapter_of(lines[0], listed)
            if comes_back or speech.begins_at(begin, stop) or not all(map(_is_listed, text[begin:stop].split("\n"))):
                break
            sure += sum(_ENTRY.search(line) is not None for line in text[begin:stop].split("\n"))
            listed.update(lines)
            end = at = stop
        if len(listed) > 1 and (comes_back or 2 * sure >= len(listed)):
            source.leave_out(heading.start(), end, "contents")


def _is_chapter_of(line: str, listed: Collection[str]) -> bool:
    """Whether a line begins what the contents have listed, with its title or without."""
    if line in listed:
        return True
    first = line.partition(" ")[0]
    if not first.isalpha() or not CHAPTER_LINE.match(line.upper()):
        return False
    alike = [entry for entry in listed if entry.startswith(f"{first} ")]
    return bool(listed) and (not alike or any(entry.startswith((f"{line}.", f"{line} ")) for entry in alike))


def _entry(line: str) -> str:
    """A line of the contents without its page number, to find it again at its chapter."""
    entry = re.sub(r"^[#\s]+", "", line).strip()
    without = re.sub(r"[\s.]*(?:\d+|PAGE)$", "", entry)
    last = without.rpartition(" ")[2].upper()  # the number of "Chapter 1" is no page
    return (entry if last in _COUNTED_PARTS and entry[-1:].isdigit() else without).strip(" ._").lower()


def _is_listed(line: str) -> bool:
    stripped = line.strip()
    if stripped.startswith("#"):
        return False
    return bool(_LISTED.match(line)) or (len(stripped) < 80 and not re.search(r"[a-z][.!?]$", stripped))
