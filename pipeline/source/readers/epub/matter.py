"""Matter: which documents of a book stand before and behind its text, and are not read aloud.

In: a document, what landmarks say of it, and its title. Out: the reason for which it is not read, or None.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from lxml import etree

from pipeline.source.hypertext.elements import heading_level, reason_of, tag_of, text_of, types_of
from pipeline.source.ledger import Reason

_LANDMARKS: Mapping[str, Reason] = {
    **dict.fromkeys(
        "cover titlepage title-page halftitlepage copyright-page copyright imprint".split(), "front matter"
    ),
    **dict.fromkeys("toc loi lot index bibliography landmarks".split(), "contents"),
    **dict.fromkeys("colophon imprimatur other-credits".split(), "boilerplate"),
    **dict.fromkeys("endnotes rearnotes footnotes notes".split(), "footnote"),
}
_TITLES: Mapping[Reason, Sequence[str]] = {
    "contents": (
        "(?:table of )?contents(?: and (?:list of )?illustrations)?|illustrations",
        "(?:list|table) of (?:illustrations|figures|maps|tables|plates|abbreviations)(?: and .{1,30})?",
        "(?:(?:general|subject|alphabetical|name|author|title|topical) )?index|index (?:of|to) .{1,60}",
        "bibliography|works cited|inhalt(?:sverzeichnis)?|abbildungsverzeichnis|literaturverzeichnis|bibliographie",
        "table des mati[èe]res|sommaire|[íi]ndice|inhoud|bibliograf[íi]a.{0,30}|referencias(?: y bibliograf[íi]a)?",
        "目次|もくじ|目录|目錄|תוכן(?: העניינים)?|содержание|оглавление|spis treści",
    ),
    "front matter": (
        "cover|title ?page|half ?title(?: page)?|copyright(?: page| notice)?|copyright.{0,3}|imprint|credits",
        "(?:also|books|other (?:books|works|titles|novels)|by the same author).{0,5}\\bby\\b.{0,60}|by the same author",
        "praise(?: for .{1,80})?|also available.{0,60}|also in th(?:is|e) series.{0,40}|more books.{0,40}",
        "copyright ©?.{0,60}|legal notice|titelseite|impressum|cr[ée]dit(?:s|os)|p[áa]gina legal|derechos.{0,30}",
        "mentions l[ée]gales|colofon|奥付|版权.{0,10}|זכויות יוצרים",
    ),
    "boilerplate": (
        "colophon|uncopyright|about the (?:authors?|publisher|translators?|illustrator)",
        "(?:transcriber['’]?s?['’]?|transcription) (?:end)?(?:notes?|amendments?|corrections?)(?: and .{1,30})?",
        "errata|corrigenda|addenda et corrigenda|errata et corrigenda",
        "(?:the full )?project gutenberg(?:™|-tm)? licen[sc]e|newsletter.{0,40}|advertisements?|backads",
        "excerpt from .{1,80}|über (?:den autor|die autorin|den verlag)|sobre (?:el autor|la autora)",
        "[àa] propos de l[’']auteure?|著者(?:紹介|について)|об авторе",
    ),
    "footnote": ("(?:foot|end)?notes|anmerkungen|fußnoten|endnoten|notas(?: al pie)?|примечания|note al testo",),
}
_PATTERNS = {reason: re.compile("|".join(titles), re.IGNORECASE) for reason, titles in _TITLES.items()}
_LETTER = re.compile(r"[^\W\d_]")
_RIGHTS = re.compile(
    r"©|\bcopyright\b|all rights reserved|\bISBN\b|alle rechte vorbehalten|no part of this|published by|printed in"
    r"|first (?:published|edition)|library of congress|cover design|tous droits réservés",
    re.IGNORECASE,
)
_EDGE = 8  # documents at both ends of a book, among which are those that are not read
_MOST_RIGHTS_WORDS = 700
_MOST_TITLE_WORDS = 40
_MOST_LISTED_WORDS = 400  # of what its title alone tells not to be read, but for lists and notes
_FEWEST_IN_ORDER, _FEWEST_LETTERS = 20, 5  # lines of a list that is known by its order alone, and what they begin with


def matter_of(
    root: etree._Element, text: str, landmark: str, titles: Sequence[str], book: Sequence[str], *, is_edge: bool
) -> Reason | None:
    """Why a document is not read. `text` is what is read of it, `titles` what the contents call it.

    `book` are the title and the authors of the book, which a title page repeats. Where it `is_edge`, one of the first
    or the last documents, its title and what stands in it tell, too.
    """
    words = text.split()
    if (reason := _by_type(root)) is not None:
        return reason
    if (reason := _LANDMARKS.get(landmark)) is not None and (len(words) < _MOST_RIGHTS_WORDS or _is_listed(words)):
        return reason
    for title in titles or [_first_heading(root)]:
        if (reason := reason_of_title(title, words, lines_of(root), is_edge=is_edge)) is not None:
            return reason
    if not is_edge:
        return None
    rights = {hit.lower() for hit in _RIGHTS.findall(text)}
    most = _MOST_RIGHTS_WORDS if len(rights) > 2 else 120 if len(rights) == 1 and "©" in text else 250
    if rights and len(words) < most and (len(rights) > 1 or "©" in text) and not _has_chapter(titles, book):
        return "front matter"
    return "front matter" if not _has_chapter(titles, book) and _is_title_page(words, book) else None


def stands_at_edge(before: int, behind: int) -> bool:
    """Whether what so many documents (or chapters) stand before and behind of is one of the first or the last."""
    return min(before, behind) < max(_EDGE, (before + behind + 1) // 6)


def reason_of_title(title: str, words: Sequence[str], lines: Iterable[str], *, is_edge: bool) -> Reason | None:
    """Why what bears a title is not read; `words` and `lines` stand below it, `is_edge` as for `matter_of`."""
    for reason, pattern in _PATTERNS.items():
        if not pattern.fullmatch(title.strip(" .:\n\t")):
            continue
        is_sure = len(words) < _MOST_LISTED_WORDS if is_edge else reason in ("contents", "footnote") and not words
        if is_sure or (is_edge and (_is_listed(words) or (reason == "contents" and _are_in_order(lines)))):
            return reason
    return None


def lines_of(root: etree._Element) -> Iterator[str]:
    """The texts of the paragraphs, of the items of lists, of the rows of tables."""
    return (text_of(one) for one in root.iter("{*}p", "{*}li", "{*}dt", "{*}tr"))


def _are_in_order(lines: Iterable[str]) -> bool:
    """Whether lines are those of an index: in the order of the alphabet by their first letters, but for a few."""
    letters = [
        letter[0] for line in lines if (letter := _LETTER.search(unicodedata.normalize("NFKD", line.casefold())))
    ]
    in_order = sum(before <= after for before, after in pairwise(letters))
    return (
        len(letters) >= _FEWEST_IN_ORDER and in_order > 0.9 * (len(letters) - 1) and len(set(letters)) > _FEWEST_LETTERS
    )


def _is_listed(words: Sequence[str]) -> bool:
    """Whether there are numbers all along, as in an index, in notes, in a bibliography."""
    return 25 * sum(any(map(str.isdigit, word)) for word in words) > len(words)


def _has_chapter(titles: Sequence[str], book: Sequence[str]) -> bool:
    """Whether the contents name a chapter here: anything but the title of the book."""
    return any(title.casefold() not in (book[0].casefold(), "title page", "cover", "start") for title in titles)


def _by_type(root: etree._Element) -> Reason | None:
    """By the type of the body, or of all that stands in it."""
    for body in root.iter("{*}body"):
        holders = [body]
        while len(holders) == 1:
            reason = reason_of(holders[0])
            if reason is not None and types_of(holders[0]):
                return reason
            children = list(holders[0])
            holders = [child for child in children if tag_of(child) in ("section", "div", "article", "nav")]
            if any(heading_level(child) or tag_of(child) == "p" for child in children):
                break
    return None


def _first_heading(root: etree._Element) -> str:
    return next((" ".join(text_of(one).split()) for one in root.iter("{*}*") if heading_level(one)), "")


def _is_title_page(words: Sequence[str], book: Sequence[str]) -> bool:
    """Whether a few words repeat the title and say little more."""
    if not words or len(words) > _MOST_TITLE_WORDS or not book or not book[0]:
        return False
    key = "".join(re.findall(r"[^\W_]+", " ".join(words))).casefold()
    named = ["".join(re.findall(r"[^\W_]+", name)).casefold() for name in book if name]
    covered = sum(len(name) for name in named if name in key)
    return named[0] in key and covered > 0.7 * len(key)
