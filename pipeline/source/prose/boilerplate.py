"""Boilerplate: what a file holds beside its text, marked before its lines are read.

In: a `Source`, and where somebody speaks in it. Out: nothing; front matter, comments, code, templates, scripts and
styles, page marks and footnotes are marked in the source, and by `books` what stands in books.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate, pairwise

from pipeline.source.ledger import Reason, Source
from pipeline.source.prose.books import mark_contents, mark_gutenberg
from pipeline.source.prose.speech import Speech

Tell = Callable[[int, str, str], None]  # the number of a line, what is to be said of it, what to do

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_KEY = re.compile(r"([A-Za-z_][\w -]*?)\s*:(?:\s+(.*))?$")
_FRONT_LINE = re.compile(r"\s|#|- |[\w-][\w -]*:(?:\s|$)")
_DATA = re.compile(r"\s*[\w.\"-]+\s*[=:]\s*[\"'\[\d{tf]")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)]*$")
_SURE_KEYS = frozenset(
    "title subtitle author authors date id layout tags tag category categories slug summary description status lang"
    " language permalink published draft image cover aliases duration weight url version copyright license keywords"
    " template identifier publisher rights css bibliography toc documentclass created modified updated uuid"
    " publish_date publishdate pubdate series".split()
)
_ELEMENT = re.compile(r"<(script|style|head|svg|math)\b[^<>]*>", re.IGNORECASE)
_FENCE = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})")
_QUOTE = re.compile(r"[ \t]*(?:>[ \t]?)+")
_PAGE_WORDS = "page-?break|front-?matter|main-?matter|back-?matter|appendix|toc|blurb|pagebreak|newpage"
_PAGE_IN_BRACES = re.compile(r"\{(\d{1,4})\}")
_LINE_NUMBER = re.compile(r"(?<=\S)[ \t]{3,}(\d{1,4})[ \t]*$", re.MULTILINE)
_PAGE_ALONE = re.compile(
    r"(?<=\n\n)[ \t]*(?:[-–—][ \t]*)?(?:page[ \t]+)?(\d{1,4})(?:[ \t]*[-–—])?[ \t]*(?=\n[ \t]*\n|\n?\Z)", re.IGNORECASE
)
_NOTE_MARK = re.compile(r"(?<=[^\s\[(])\[(\d{1,3})\]")
_NOTE_TEXT = re.compile(r"^[ \t]*\[(\d{1,3})\][ \t]+\S[^\n]*(?:\n(?![ \t]*\n|[ \t]*\[\d)[^\n]*\S[^\n]*)*", re.MULTILINE)
_PAGE_MARK: tuple[re.Pattern[str], Reason] = (
    re.compile(r"\[(?:Pg|Page|p\.)\s*[\divxlc]+\]", re.IGNORECASE),
    "page number",
)
_TEMPLATES: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (
        re.compile(r"\{%(?:(?!\n\s*\n|\{%).)*?%\}|\{\{(?:(?!\n\s*\n|\{\{).)*?\}\}|\{#\s[^{}\n]*\s#\}", re.DOTALL),
        "template",
    ),
    # a pair of %% within a paragraph, the second not at the head of a line of words; else to the end of the line
    (
        re.compile(
            r"(?<![\w%])%%(?!%)(?:(?!%%|\n[ \t]*\n).)+(?:(?<!\n)%%(?![\w%])|(?<=\n)%%(?=[ \t]*(?:\n|\Z)))", re.DOTALL
        ),
        "comment",
    ),
    (re.compile(r"^[ \t]*%%[ \t]*\n(?:(?![ \t]*%%).*\n)+?[ \t]*%%[ \t]*$", re.MULTILINE), "comment"),
    (re.compile(r"^[ \t]*%%(?!%)[^\n]*$", re.MULTILINE), "comment"),
    (  # the name of a block, at its end
        re.compile(
            r"(?<=[.!?…\"”’)])[ \t]\^[A-Za-z0-9-]{3,40}[ \t]*$|^[ \t]*\^[A-Za-z0-9-]{3,40}[ \t]*$", re.MULTILINE
        ),
        "markup",
    ),
    (re.compile(r"^[ \t]*\[(?://|comment|#)\]:\s*(?:#|<>).*$", re.MULTILINE | re.IGNORECASE), "comment"),
    (re.compile(rf"^[ \t]*\{{(?:{_PAGE_WORDS}|[a-z-]+:[^{{}}\n]*)\}}[ \t]*$", re.MULTILINE), "markup"),
    (
        re.compile(
            r"\{:?\s*(?:[#.][\w:.-]+|[\w-]+=(?:\"[^\"\n]*\"|[^\s{}\"]+))(?:\s+(?:[#.][\w:.-]+|[\w-]+=(?:\"[^\"\n]*\"|[^\s{}\"]+)))*\s*\}|\{-\}"
        ),
        "markup",
    ),
    (re.compile(r"^[ \t]*:{3,}[ \t]*(?:\{[^{}\n]*\}|[\w-]*)[ \t]*:*[ \t]*$", re.MULTILINE), "markup"),
    (
        re.compile(
            r"^[ \t]*\\(?:newpage|pagebreak|clearpage|cleardoublepage|tableofcontents|maketitle|noindent"
            r"|(?:begin|end|vspace|hspace|label|pagestyle|thispagestyle)\*?\{[^{}\n]*\})[ \t]*$",
            re.MULTILINE,
        ),
        "markup",
    ),
    (
        re.compile(
            r"^[ \t]*@(?:page|scene|chapter|section|part)-?break[ \t]*$|^[ \t]*\[{1,2}_?toc_?\]{1,2}[ \t]*$",
            re.MULTILINE | re.IGNORECASE,
        ),
        "markup",
    ),
    _PAGE_MARK,
)
_BRACKETED: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r"\[_?Illustrations?\b", re.IGNORECASE), "picture"),
    (
        re.compile(r"^[ \t]*\[_?(?:Frontispiece|Image|Figure|Plate|Map|Cover)\b(?=[^\[\]\n]*\]_?[ \t]*$)", re.M | re.I),
        "picture",
    ),
    (re.compile(r"\[_?(?:Footnote|Sidenote|Note|Endnote)\s*(?:[\dA-Za-z*]{1,4}\s*)?:", re.IGNORECASE), "footnote"),
    (re.compile(r"\[_?Transcriber['’]?s?['’]? notes?\b", re.IGNORECASE), "boilerplate"),
    (re.compile(r"\^\["), "footnote"),
)
_LONGEST_BRACKET = 4000  # characters: one that is longer was never closed


def mark_boilerplate(source: Source, names: Collection[str], speech: Speech, tell: Tell, refuse: Tell | None) -> None:
    """Mark all of it but what somebody says; `names` are known speakers; `refuse` tells what has to be mended.

    Without `refuse` the text is no file but that of a document, in which code, comments and front matter are elements.
    """
    text = source.text
    if text.startswith("\ufeff"):
        source.leave_out(0, 1, "markup")
    _mark_controls(source, tell)
    if refuse is not None:
        _mark_front_matter(source, names, speech, tell)
    mark_gutenberg(source, speech)
    if refuse is not None:
        if "```" in text or "~~~" in text:
            _mark_fences(source, tell, refuse)
        if "<!--" in text:
            _mark_comments(source, speech, tell)
        _mark_elements(source, speech)
    for pattern, reason in _TEMPLATES if refuse is not None else (_PAGE_MARK,):
        for match in pattern.finditer(text):
            if "\n" not in match[0] or not speech.begins_within(*match.span()):
                source.leave_out(*match.span(), reason)
    _mark_page_numbers(source, speech)
    _mark_line_numbers(source)
    if refuse is not None:
        _mark_texts_of_notes(source, speech)
    ends = _ends_of_brackets(text)
    for pattern, reason in _BRACKETED if ends else ():
        for match in pattern.finditer(text):
            end = ends.get(text.index("[", match.start()), 0)
            is_free = end and not source.is_marked(*match.span())
            if is_free and not ("\n" in text[match.end() : end] and speech.begins_within(match.start(), end)):
                source.leave_out(match.start(), end, reason)
    mark_contents(source, speech)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _ends_of_brackets(text: str) -> dict[int, int]:
    """Where each bracket ends, by where it opens."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for match in re.compile(r"[\[\]]").finditer(text):
        if match[0] == "[":
            opened.append(match.start())
        elif opened and match.end() - (start := opened.pop()) < _LONGEST_BRACKET:
            ends[start] = match.end()
    return ends


def _mark_line_numbers(source: Source) -> None:
    """Those of a poem, at the right of every fifth or tenth line."""
    matches = list(_LINE_NUMBER.finditer(source.text))
    numbers = [int(match[1]) for match in matches]
    if len(numbers) > 1 and all(number % 5 == 0 for number in numbers) and all(a < b for a, b in pairwise(numbers)):
        for match in matches:
            source.leave_out(*match.span(1), "page number")


def _mark_page_numbers(source: Source, speech: Speech) -> None:
    """Numbers such as {12}, or alone between empty lines, where there are several and each is greater than before."""
    for pattern in (_PAGE_IN_BRACES, _PAGE_ALONE):
        matches = list(pattern.finditer(source.text))
        numbers = [int(match[1]) for match in matches]
        step = 3 if pattern is _PAGE_ALONE else 9999
        counts_up = all(before < after <= before + step for before, after in pairwise(numbers))
        if len(numbers) < 3 or not counts_up:
            continue
        if pattern is _PAGE_IN_BRACES or (numbers[0] > 3 and numbers[-1] < 1000 and not speech.places):
            for match in matches:
                source.leave_out(*match.span(), "page number")


def _mark_texts_of_notes(source: Source, speech: Speech) -> None:
    """Paragraphs such as "[1] As printed in 1911.", where "word[1]" has stood before."""
    first = {match[1]: match.start() for match in reversed(list(_NOTE_MARK.finditer(source.text)))}
    for match in _NOTE_TEXT.finditer(source.text) if first else ():
        if first.get(match[1], len(source.text)) < match.start() and not speech.begins_within(*match.span()):
            source.leave_out(*match.span(), "footnote")


def _mark_elements(source: Source, speech: Speech) -> None:
    """Elements whose text is no text: scripts, styles and the like."""
    text, at = source.text, 0
    lowered = text.lower() if _ELEMENT.search(text) else ""
    endless: set[str] = set()
    while lowered and (match := _ELEMENT.search(text, at)):
        name, at = match[1].lower(), match.end()
        close = lowered.find(f"</{name}", at) if name not in endless else -1
        end = text.find(">", close) + 1 if close >= 0 else 0
        if not end:
            endless.add(name)
        elif not text[close + len(name) + 2 : end - 1].strip() and not speech.begins_within(match.start(), end):
            source.leave_out(match.start(), end, "code")
            at = end


def _mark_controls(source: Source, tell: Tell) -> None:
    controls = list(_CONTROL.finditer(source.text))
    for match in controls:
        if match[0].isspace():
            source.replace(*match.span(), " ", "control character")
        else:
            source.leave_out(*match.span(), "control character")
    if controls:
        first = controls[0]
        what = f"{len(controls)} control characters (the first is U+{ord(first[0]):04X}) are left out."
        tell(_line(source.text, first.start()), what, "Remove them from the file.")


def _mark_front_matter(source: Source, names: Collection[str], speech: Speech, tell: Tell) -> None:
    """Metadata at the top: YAML between dashes, TOML between plusses, or lines of keys."""
    lines = source.text.removeprefix("\ufeff").split("\n")
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    fence = lines[first].rstrip()
    closers = {"---": ("---", "..."), "+++": ("+++",), ";;;": (";;;",)}.get(fence, ())
    end = next((index for index, line in enumerate(lines[first + 1 :], first + 1) if line.rstrip() in closers), 0)
    inside, after = lines[first + 1 : end], lines[end + 1 :]
    skipped = len(source.text) - len(source.text.removeprefix("\ufeff"))
    starts = list(accumulate((len(line) + 1 for line in lines[: max(end, first) + 1]), initial=skipped))
    keys = {match[1].lower() for line in inside if (match := _KEY.match(line.strip()))}
    said = any(  # and is no voice: "host1: am_adam" below a title
        speech.begins_at(starts[at], starts[at] + len(lines[at]))
        and (not keys & _SURE_KEYS or _SENTENCE_END.search(lines[at].rstrip()) is not None)
        for at in range(first + 1, end)
    )
    if end and not said and (_is_metadata(inside, after, names) if fence == "---" else _is_data(inside)):
        keys = {match[1].lower() for line in lines[first + 1 : end] if (match := _KEY.match(line))}
        if fence == "---" and keys and not keys & _SURE_KEYS:
            what = f"{end - first - 1} lines between dashes are taken for front matter, and not read."
            tell(first + 1, what, "Put an empty line before the first, or name the speakers in cast:.")
        end += 1
    elif end:
        end = 0
    else:
        end = _header_end(lines, first + (fence == "---"), names)
        starts = list(accumulate((len(line) + 1 for line in lines[:end]), initial=skipped))
        end = next((at for at in range(end) if speech.begins_at(starts[at], starts[at] + len(lines[at]))), end)
        odd = [line for line in lines[first:end] if (match := _KEY.match(line)) and match[1].lower() not in _SURE_KEYS]
        if odd or (end and lines[first].startswith("%")):
            what = f"{end - first} lines at the top are taken for front matter, and not read."
            tell(first + 1, what, "Put text or a heading above them, or name the speakers in cast:.")
    if end:
        source.leave_out(0, skipped + sum(len(line) + 1 for line in lines[:end]), "front matter")


def _is_data(lines: Sequence[str]) -> bool:
    """Whether lines between plusses are TOML, or JSON, and no dialogue between two scene breaks."""
    pairs = [line for line in lines if _DATA.match(line)]
    return bool(pairs) and all(line in pairs or re.match(r"\s|[\[\]{}#\"'\d,]|$", line) for line in lines)


def _is_metadata(lines: Sequence[str], after: Sequence[str], names: Collection[str]) -> bool:
    """Whether lines between dashes are keys and values, and no dialogue between two scene breaks."""
    whole = "".join(lines).strip()
    if whole.startswith("{") and whole.endswith("}"):
        return '":' in whole.replace(" ", "")
    if not all(not line or _FRONT_LINE.match(line) for line in lines):
        return False
    pairs = [(match[1], match[2] or "") for line in lines if (match := _KEY.match(line))]
    later = {match[1] for line in after if (match := _KEY.match(line))}
    named = {key for key, _value in pairs if key[0].isupper() and key.lower() not in _SURE_KEYS}
    if named & later or any(key.lower() in names for key, _value in pairs):
        return False
    said = sum(key[0].isupper() and _SENTENCE_END.search(value) is not None for key, value in pairs)
    return bool(pairs) and (any(key.lower() in _SURE_KEYS for key, _value in pairs) or 2 * said < len(pairs))


def _header_end(lines: Sequence[str], first: int, names: Collection[str]) -> int:
    """How many lines a header of "key: value" or "% title" lines takes."""
    end = first
    while end < len(lines) and lines[end].startswith("% "):
        end += 1
    if end > first:
        return end
    keys: list[str] = []
    while end < len(lines) and lines[end].strip():
        match = _KEY.match(lines[end])
        if match and keys and match[1].lower() not in _SURE_KEYS and _SENTENCE_END.search(match[2] or ""):
            break  # somebody speaks
        if match:
            keys.append(match[1].lower())
        elif not keys or not lines[end][0].isspace():
            return 0
        end += 1
    later = {match[1].lower() for line in lines[end:] if (match := _KEY.match(line))}
    values = [match[2] or "" for line in lines[first:end] if (match := _KEY.match(line))]
    if values and all(map(_SENTENCE_END.search, values)):
        return 0  # "Language: it is what makes us human."
    known = [key in _SURE_KEYS for key in keys]
    return end if any(known) and 2 * sum(known) >= len(known) and not (later | set(names)) & set(keys) else 0


def _mark_fences(source: Source, tell: Tell, refuse: Tell) -> None:
    """Code blocks; one that is never closed is read, and "~~~" between empty lines is a scene break."""
    lines = source.text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    bare = [_QUOTE.sub("", line, count=1).strip() for line in lines]
    index, blocks = 0, list[int]()
    endless: dict[str, tuple[int, int]] = {}  # of each sign: how many of them nothing closes, up to which line
    while index < len(lines):
        match = _FENCE.match(bare[index]) if bare[index][:3] in ("```", "~~~") else None
        if match is None or source.is_marked(starts[index], starts[index] + 1) or _is_scene(bare, index):
            index += 1
            continue
        length, until = endless.get(match[1][0], (0, 0))
        never = index < until and len(match[1]) >= length
        close, closes = (until, False) if never else _fence_end(lines, bare, index, match[1])
        if not closes:
            endless[match[1][0]] = (length if never else len(match[1]), close)
            source.leave_out(starts[index], starts[index + 1] - 1, "markup")
            what = "a code block is opened and never closed, so what follows is read."
            refuse(index + 1, what, f"Close it with {match[1]}, or take that line out.")
            index += 1
        else:
            source.leave_out(starts[index], min(starts[close + 1], len(source.text)), "code")
            blocks.append(index + 1)
            index = close + 1
    if blocks:
        more = f" (and {len(blocks) - 1} more further on)" if len(blocks) > 1 else ""
        tell(blocks[0], f"a code block begins here{more} and is not read.", "Write what is to be heard in words.")


def _is_scene(bare: Sequence[str], index: int) -> bool:
    around = [bare[place] if 0 <= place < len(bare) else "" for place in (index - 1, index + 1)]
    return not bare[index].strip("~") and not any(around)


def _fence_end(lines: Sequence[str], bare: Sequence[str], start: int, fence: str) -> tuple[int, bool]:
    """The line that closes a fence, or the end of the quotation or of the file that does not close it."""
    quoted = _QUOTE.match(lines[start]) is not None
    for index in range(start + 1, len(lines)):
        if quoted and not _QUOTE.match(lines[index]):
            return index, False
        if len(bare[index]) >= len(fence) and not bare[index].strip(fence[0]):
            return index, True
    return len(lines), False


def _mark_comments(source: Source, speech: Speech, tell: Tell) -> None:
    text, at = source.text, 0
    while (begin := text.find("<!--", at)) >= 0:
        if source.is_marked(begin, begin + 4):
            at = begin + 4
            continue
        end = text.find("-->", begin + 4)
        opens_line = not text[text.rfind("\n", 0, begin) + 1 : begin].strip()
        if end < 0 or (not opens_line and speech.begins_within(begin, end)):
            what = "a comment is opened and never closed, so its text is read."
            tell(_line(text, begin), what, "Close it with -->.")
            source.leave_out(begin, begin + 4, "markup")
            return
        source.leave_out(begin, end + 3, "comment")
        at = end + 3
