"""Election: which labels count.

In: the candidates of a file, of every form. Out: those that are labels. The form that explains the file wins (how many
paragraphs begin so, whether names come back), and then every label of that form counts, also one that stands once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.source.prose.blocks import Block
from pipeline.source.script import Reading, name_key
from pipeline.source.speakers.forms import (
    ABOVE,
    AMONG_OTHERS,
    FORMS,
    STAMPS,
    SURE,
    WITH_COLON,
    Candidate,
    Form,
    is_heading,
    is_listed,
    is_pictograph,
    looks_like_name,
    may_be_name,
)
from pipeline.source.speakers.times import begins_with_time

BOTH = re.compile(r"\s+(?:and|&|und|et|y|\+)\s+|\s*[/&+]\s*", re.IGNORECASE)
"""What stands between two names in one label."""
_NOBODY = frozenset("host guest speaker the person voice man woman dr mr mrs".split())
_TITLES_OF_COLUMNS = frozenset("speaker name character who role person host voice sprecher".split())
_TITLE_OF_TEXTS = re.compile(r"(?:line|text|dialogue|dialog|words|speech|what|script|content)s?")
_PERSONS = frozenset(
    """dramatis personae|dramatis personæ|persons represented|persons of the play|the persons of the play|characters
    |persons in the play|characters in the play|characters of the play|cast of characters|the characters|personen
    |personnages|the persons|dramatis personae and setting""".replace("\n    ", "").split("|")
)
_ACT = re.compile(
    r"(?:ACT|Act|SCENE|Scene|PROLOGUE|Prologue|INDUCTION|(?:FIRST|First) (?:ACT|Act)|AKT|Akt|ACTE|Acte)\b"
)
_NICKNAME = re.compile(r"[a-z][a-z0-9_.'’-]*(?: [a-z][a-z0-9_.'’-]*){0,2}")


@dataclass
class Election:
    """Which forms explain the file, and which candidates count therefore."""

    blocks: Sequence[Block]
    reading: Reading
    cast: set[str]
    nicknames: set[str] = field(default_factory=set)  # names in lower case that explain the file
    mark_of_alone: str = ""  # the mark of most names on lines of their own
    in_lists: bool = False  # whether most labels stand in lists
    skipped: range = range(0)  # the blocks of a list of persons
    inquiry: frozenset[str] = frozenset()  # "Q." and "A.", where both come back

    def accept(self, listed: Sequence[Candidate]) -> list[Candidate]:
        """The candidates that are labels, at most one at each place, in the order of the file."""
        if self.reading.labels == "none":
            return []
        self.skipped = _persons_of_a_play(self.blocks)
        by_form: dict[Form, list[Candidate]] = {form: [] for form in FORMS}
        for candidate in listed:
            if candidate.block not in self.skipped and not self._goes_on(candidate):
                by_form[candidate.form].append(candidate)
        with_colon = [hit for form in WITH_COLON for hit in by_form[form] if not hit.start]
        self.in_lists = 2 * sum(map(self._is_item, with_colon)) > len(with_colon)
        for form in ABOVE:
            by_form[form] = self._without_runs(by_form[form])
        by_form["alone"] = self._without_titles(by_form["alone"])
        self.nicknames = self._nicknames(by_form)
        counts = Counter(hit.key for hit in by_form["stop"] if hit.name in ("Q", "A"))
        self.inquiry = frozenset(counts if min(counts["q"], counts["a"]) > 2 else ())
        forms = self._winners(by_form)
        coming_back = self._coming_back(by_form, forms)
        marks = Counter(map(self._mark, by_form["alone"]))
        self.mark_of_alone = max(marks, key=lambda mark: marks[mark], default="")
        heads = self._heads(by_form, forms, coming_back)
        chosen: dict[tuple[int, int, int], Candidate] = {}
        at_starts: set[str] = set()
        for form in FORMS:
            for candidate in by_form[form]:
                at = (candidate.block, candidate.line, candidate.start)
                if at in chosen or at in heads or not self._counts(candidate, form in forms, coming_back):
                    continue
                if form != "plain" or not candidate.start or candidate.key in at_starts | coming_back | self.cast:
                    chosen[at] = candidate
                    at_starts.add(candidate.key)
        for candidate in _between(by_form["plain"], chosen):
            chosen[candidate.block, candidate.line, candidate.start] = candidate
        return list(self._with_words(sorted(chosen), chosen))

    def _with_words(
        self, places: Sequence[tuple[int, int, int]], chosen: Mapping[tuple[int, int, int], Candidate]
    ) -> Iterator[Candidate]:
        """The labels but for a name that stands once right below another, or ends the file: it is what is said."""
        counts = Counter(candidate.key for candidate in chosen.values())
        last = max((at for at, block in enumerate(self.blocks) if block.kind == "paragraph"), default=0)
        before: Candidate | None = None
        for candidate in (chosen[at] for at in places):
            is_above = candidate.form in ("alone", "capitals") and self._is_alone(candidate)
            follows = before is not None and before.block == candidate.block - 1
            if is_above and counts[candidate.key] == 1 and (follows or candidate.block == last):
                before = None
                continue
            before = candidate if is_above else None
            yield candidate

    def _without_runs(self, listed: Sequence[Candidate]) -> list[Candidate]:
        """Candidates but for names alone on lines right below each other: "Breakfast 7:30", "Lunch 12:30"."""
        lines = {(hit.block, hit.line) for hit in listed if hit.end >= len(self._text(hit).rstrip())}
        return [
            hit
            for hit in listed
            if (hit.block, hit.line) not in lines or not {(hit.block, hit.line - 1), (hit.block, hit.line + 1)} & lines
        ]

    def _without_titles(self, listed: Sequence[Candidate]) -> list[Candidate]:
        """Names on lines of their own; those without marks only where two of them come back, as titles do not."""
        bare = {hit.key for hit in listed if not self._mark(hit)}
        counts = Counter(hit.key for hit in listed if hit.key in bare and hit.key not in self.cast)
        known = sum(key in self.cast for key in bare)
        comes_back = sum(count > 1 for count in counts.values()) + known > 1
        return [hit for hit in listed if self._mark(hit) or (comes_back and counts[hit.key] != 1)]

    def _nicknames(self, by_form: Mapping[Form, Sequence[Candidate]]) -> set[str]:
        """Names in lower case, where several of them come back and begin most of the paragraphs: "danny:"."""
        return {key for form in WITH_COLON for key in self._nicknames_of(form, by_form[form])}

    def _nicknames_of(self, form: Form, listed: Sequence[Candidate]) -> set[str]:
        hits = [hit for hit in listed if _NICKNAME.fullmatch(hit.name) and may_be_name(hit.name.capitalize())]
        stamped = [hit for hit in hits if self._has_stamp(hit)]
        if stamped and len(stamped) >= 0.8 * len(hits):
            return {hit.key for hit in stamped}  # "0:17:57 danny: Hello."
        counts = Counter(hit.key for hit in hits if not hit.start)
        several = {key for key in counts if counts[key] > 1}
        in_lists = {hit.key for hit in hits if self._is_item(hit)}
        often = {key for key in several - in_lists if counts[key] > 2 and " " not in key}
        share = self._share(form, [hit for hit in hits if hit.key in several and not hit.start])
        if len(several) > 1 and share >= (0.5 if len(often) > 1 else 0.8):
            return several
        is_beside = bool(often) and self._explains(form, listed, self._share(form, listed))
        return often if is_beside else set()  # beside names with capitals

    def _text(self, hit: Candidate) -> str:
        return self.blocks[hit.block].lines[hit.line].text

    def _goes_on(self, hit: Candidate) -> bool:
        """Whether a line goes on from the one before: "…sense from you,", then "Louka. But you are young."."""
        if not hit.line or hit.start or hit.form not in ("stop", "plain"):
            return False
        before = self.blocks[hit.block].lines[hit.line - 1].text.rstrip()
        return before.endswith(",") or (hit.form == "stop" and (before[-1:].isalpha() or before[-1:] in ";-—"))

    def _is_item(self, hit: Candidate) -> bool:
        line = self.blocks[hit.block].lines[hit.line]
        return line.is_item or is_listed(line.text)

    def _mark(self, candidate: Candidate) -> str:
        text = self._text(candidate)
        return "**" if "**" in text or "__" in text else "*" if "*" in text or "_" in text else ""

    def _may_be_name(self, hit: Candidate) -> bool:
        is_month = self.reading.kind == "podcast" and hit.key in ("april", "may", "june", "august")
        known = hit.key in self.nicknames or hit.key in self.cast
        return known or is_month or hit.form == "chat" or may_be_name(hit.name)

    def _for_counting(self, hits: Iterable[Candidate]) -> Iterator[Candidate]:
        """Those with names; in a book a plain name within a line is no sign of dialogue: "Outside: nothing."."""
        is_book = self.reading.kind == "audiobook"
        return (hit for hit in hits if hit.key and not (is_book and hit.start and hit.form == "plain"))

    def _heads(
        self, by_form: Mapping[Form, Sequence[Candidate]], forms: set[Form], coming_back: set[str]
    ) -> set[tuple[int, int, int]]:
        """Where two names or more that stand once go before the first that comes back: "Date:", "Campaign:"."""
        first = sorted((c.block, c.line, c.start) for form in forms & set(WITH_COLON) for c in by_form[form])
        at = {(c.block, c.line, c.start): c for form in WITH_COLON for c in by_form[form]}
        once: list[tuple[int, int, int]] = []
        for place in first:
            if at[place].key in coming_back or at[place].key in self.cast:
                return set(once) if len(once) > 1 else set()
            once.append(place)
        return set()

    def _counts(self, candidate: Candidate, wins: bool, coming_back: set[str]) -> bool:
        key = candidate.key
        if self.reading.labels is not None:
            return candidate.form == self.reading.labels
        if candidate.form == "tag":
            return wins
        if candidate.form == "heading" and self.reading.chapters_at is not None:
            return False
        if candidate.form in WITH_COLON and (key in self.cast or (key in coming_back and key not in AMONG_OTHERS)):
            return True
        if candidate.form == "chat":
            return wins
        if candidate.form == "stop" and key in self.inquiry:
            return True
        if candidate.form == "alone" and key not in self.cast and key not in coming_back:
            return wins and self._stands_once(candidate) and self._mark(candidate) == self.mark_of_alone
        return wins and (key in self.cast or key in coming_back or self._stands_once(candidate))

    def _stands_once(self, candidate: Candidate) -> bool:
        if candidate.form in ("capitals", "stop"):
            sure = candidate.name.isupper() or self._text(candidate)[:1] == "_"
            return sure and may_be_name(candidate.name) and len(candidate.name.split()) < 5
        if candidate.form in WITH_COLON and self._is_item(candidate) and not self.in_lists:
            return False  # "1. **Work:** do it early." within somebody's turn
        return looks_like_name(candidate.name) or candidate.key in self.nicknames

    def _winners(self, by_form: dict[Form, list[Candidate]]) -> set[Form]:
        """The forms with a colon that explain the file, or else the one other form that explains most of it."""
        shares = {form: self._share(form, hits) for form, hits in by_form.items() if hits}
        explaining = {form for form in shares if self._explains(form, by_form[form], shares[form])}
        with_colon = {form for form in explaining if form in WITH_COLON}
        others = sorted((form for form in FORMS if form in explaining - with_colon), key=lambda form: -shares[form])
        best = max((shares[form] for form in with_colon), default=0.0)
        alone = {hit.key for hit in by_form["capitals"]}
        stops = [hit for hit in by_form["stop"] if hit.name.isupper() and hit.key in alone]
        if stops:
            play = [*by_form["capitals"], *stops]
            share = self._share("capitals", play)
            wins = max((shares[form] for form in others), default=0.0) < share > best + 0.2
            if wins and self._explains("capitals", play, share):
                by_form["stop"] = stops
                return with_colon | {"capitals", "stop"}  # "MARY." on a line, and "MARY. (_Aside._) So."
        winners = with_colon | {form for form in others if form == "tag"}
        if others and shares[others[0]] > best + 0.2:
            winners.add(others[0])
        return winners

    def _explains(self, form: Form, hits: Sequence[Candidate], share: float) -> bool:
        hits = list(self._for_counting(hits))
        counts = Counter(hit.key for hit in hits if self._may_be_name(hit))
        labelled = sum(counts.values())
        if not labelled:
            return False
        again = sum(count for count in counts.values() if count > 1)
        in_cast = any(key in self.cast for key in counts)
        plausible = labelled / len(hits)
        if form in WITH_COLON:
            enough = again >= labelled / 2 and share >= 0.2
            is_podcast = self.reading.kind == "podcast" or all(map(self._has_stamp, hits))
            people = [hit.name for hit in hits if not is_heading(hit.name)]
            names = bool(people) and all(map(looks_like_name, people))
            is_strong = form in ("bold", "html", "bracket")
            whole = names and share >= 0.9 and (is_strong or (is_podcast and labelled > 1))
            in_list = sum(map(self._is_item, hits)) > labelled / 2
            strong = is_strong and is_podcast and (names or again > 1) and not in_list  # else it is a list of terms
            return enough or whole or strong or (in_cast and share >= 0.2)
        if in_cast and share >= 0.3:
            return True
        if form in ABOVE and len(hits) > 1 and all(map(self._has_stamp, hits)):
            return share >= 0.3 and plausible >= 0.6
        in_capitals = sum(hit.name.isupper() for hit in hits) > len(hits) / 2
        in_italics = form in ("stop", "alone") and sum(self._text(hit)[:1] == "_" for hit in hits) > 0.8 * len(hits)
        is_play = (form in SURE or in_capitals or in_italics) and len(counts) > 1 and share >= 0.5
        is_play = is_play and (form in SURE or form == "stop")
        several = sum(count > 1 for count in counts.values()) > 1 or is_play
        speaks_back = again >= (0.3 if is_play else 0.6) * labelled and several
        sure = form in SURE or self.reading.kind == "podcast"
        whole = (
            share >= 0.9
            and sure
            and form != "heading"
            and (form != "row" or again > 0 or any(is_title_row(self.blocks, at) for at in range(len(self.blocks))))
            and (labelled > 1 or form in ("tag", "clock"))
            and plausible > 0.9
        )
        enough_share = 0.3 if sure or in_capitals or in_italics else 0.6  # "Moscow. It snowed." comes back in prose
        return (speaks_back and share >= enough_share and plausible >= 0.6) or whole

    def _share(self, form: Form, hits: Sequence[Candidate]) -> float:
        """How much of the file the labels explain: of its paragraphs, or of its lines if that is more."""
        alone = {hit.block for hit in hits if form in ABOVE and self._is_alone(hit) and may_be_name(hit.name)}
        labelled = {hit.block for hit in hits if hit.block not in alone}
        below: Block | None = None
        texts_at: list[int] = []
        for index, block in enumerate(self.blocks):
            is_text = block.kind == "paragraph" or (block.kind == "row" and not is_title_row(self.blocks, index))
            if is_text and index not in self.skipped and index not in alone and not begins_with_time(block):
                texts_at.append(index)
                if below is not None:
                    labelled.add(index)
            below = block if index in alone else None
        lines = sum(
            len(self.blocks[index].lines) if self.blocks[index].kind == "paragraph" else 1 for index in texts_at
        )
        by_block = len(labelled & set(texts_at)) / max(len(texts_at), 1)
        if by_block < 0.9 and form not in ABOVE:
            return max(by_block, len({(hit.block, hit.line) for hit in hits}) / max(lines, 1))
        return by_block

    def _is_alone(self, hit: Candidate) -> bool:
        lines = self.blocks[hit.block].lines
        return len(lines) == 1 and hit.end >= len(lines[0].text.rstrip())

    def _has_stamp(self, hit: Candidate) -> bool:
        return STAMPS.search(self._text(hit), hit.start, hit.end) is not None

    def _coming_back(self, by_form: Mapping[Form, Sequence[Candidate]], forms: set[Form]) -> set[str]:
        """The names that stand twice or more, in forms with a colon or in those that win."""
        winners = forms & set(WITH_COLON)
        strong: tuple[Form, ...] = ("bold", "html", "bracket")
        others = WITH_COLON if self.reading.kind == "podcast" else strong  # plain names in prose are no dialogue
        counted = forms if winners else forms | set(others)
        counts = Counter(hit.key for form in FORMS if form in counted for hit in self._for_counting(by_form[form]))
        for form in [form for form in (*strong, "plain") if form not in counted]:
            often = Counter(hit.key for hit in by_form[form] if hit.key and not hit.start)
            for key, count in often.items():  # "CW:" among many "**Ann Lee:**"
                counts[key] += count if key in counts or count > 2 else 0
        names = {hit.key: hit.name for hits in by_form.values() for hit in hits}
        longer = full_names(counts)
        for key in [key for key in counts if counts[key] == 1]:
            full = longer.get(key, [])
            if len(full) == 1:  # "Ann Lee", then "Ann"
                counts[key] += 1
                counts[full[0]] += 1
        most = max(counts.values(), default=0)
        return {
            key
            for key, count in counts.items()
            if key in self.nicknames
            or (
                count > 1
                and (may_be_name(names[key]) or (key in AMONG_OTHERS and bool(forms)))
                and (
                    looks_like_name(names[key])
                    or is_pictograph(names[key])
                    or key in AMONG_OTHERS
                    or count >= max(3, most / 20)
                )
            )
        }


def _persons_of_a_play(blocks: Sequence[Block]) -> range:
    """The blocks from "Dramatis Personae" up to the first act: a name there is no label."""
    for index, block in enumerate(blocks):
        first = name_key(block.lines[0].text.strip(" \t*_#.:=")) if block.lines else ""
        if first in _PERSONS:
            rest = enumerate(blocks[index + 1 : index + 120], index + 1)
            ends = (at for at, other in rest if other.lines and _ACT.match(other.lines[0].text.strip(" \t*_#")))
            return range(index, next(ends, index))
    return range(0)


def is_title_row(blocks: Sequence[Block], index: int) -> bool:
    """Whether a row has the titles of a table of who says what."""
    if blocks[index].kind != "row" or (index and blocks[index - 1].kind == "row"):
        return False
    first, last = (name_key(blocks[index].lines[at].text) for at in (0, -1))
    return first in _TITLES_OF_COLUMNS or _TITLE_OF_TEXTS.fullmatch(last) is not None


def _between(plain: Sequence[Candidate], chosen: Mapping[tuple[int, int, int], Candidate]) -> Iterator[Candidate]:
    """Labels within lines that stand between two of somebody else: "Ann: Hi. Bob: Hi. Ann: Bye."."""
    spans: dict[tuple[int, int], dict[str, tuple[int, int]]] = {}
    for block, line, start in sorted(chosen):
        keys = spans.setdefault((block, line), {})
        key = chosen[block, line, start].key
        keys[key] = (keys.get(key, (start, start))[0], start)
    for candidate in plain:
        keys = spans.get((candidate.block, candidate.line), {}) if candidate.start else {}
        is_within = any(first < candidate.start < last for first, last in keys.values() if first < last)
        if is_within and (candidate.block, candidate.line, candidate.start) not in chosen:
            yield from [candidate] if looks_like_name(candidate.name) else []


def full_names(keys: Iterable[str]) -> dict[str, list[str]]:
    """The names that begin with each shorter one."""
    full: dict[str, list[str]] = {}
    for key in keys:
        parts = key.split(" ")
        for count in range(1, len(parts)):
            if _is_full(short := " ".join(parts[:count]), key):
                full.setdefault(short, []).append(key)
    return full


def _is_full(short: str, full: str) -> bool:
    rest = full[len(short) + 1 :]
    is_name = full.startswith(f"{short} ") and rest[:1].isalpha() and not BOTH.search(full)
    return is_name and short not in _NOBODY
