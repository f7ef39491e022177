"""Labels: who speaks, told by the whole file.

In: the blocks of a source. Out: the labels in each block, marked in the source. All forms of `forms` are candidates;
the form that explains the file wins (how many paragraphs begin so, whether names come back), and then every label of
that form counts, also one that stands once. A label that fits no such form is text, and told of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.source.ledger import Source
from pipeline.source.readers.blocks import Block, SourceLine
from pipeline.source.readers.boilerplate import Tell
from pipeline.source.readers.brackets import CLOCKS, STAMP
from pipeline.source.readers.forms import (
    ABOVE,
    FORMS,
    STAMPS,
    SURE,
    WITH_COLON,
    Candidate,
    Form,
    Label,
    candidates,
    is_heading,
    looks_like_name,
    may_be_name,
)
from pipeline.source.readers.times import begins_with_time, mark_times, mark_times_after
from pipeline.source.script import Reading, name_key

_STAMP_IN_LABEL = re.compile(rf"{STAMP}|(?<![\w:])@?{CLOCKS}")
_DIRECTION_IN_LABEL = re.compile(r"\([^()]*[^\W\d_][^()]*\)|\\?\[[^\[\]]*\\?\](?=.*\S)")
_SAID = re.compile(r"\b(?!(?:to|until|bis|and)\b)[^\W_]+", re.IGNORECASE)
_CLOSING_TAG = re.compile(r"</([A-Za-z][\w-]{0,39}(?: \d{1,3})?)>")
_BOTH = re.compile(r"\s+(?:and|&|und|et|y|\+)\s+|\s*[/&+]\s*", re.IGNORECASE)
_TITLES_OF_COLUMNS = frozenset("speaker name character who role person host voice sprecher".split())


@dataclass
class Labels:
    """The labels of a file by the index of their block; `goes_on`: speech goes on in paragraphs without a label."""

    by_block: dict[int, list[Label]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()  # in lower case
    goes_on: bool = False
    is_play: bool = False


def find_labels(source: Source, blocks: Sequence[Block], reading: Reading, tell: Tell) -> Labels:
    """Decide who speaks and mark every label."""
    listed = list(_without_breaks([c for index, block in enumerate(blocks) for c in candidates(index, block)], blocks))
    cast = {name_key(name) for name in reading.cast} | set(reading.aliases) | {"s1", "s2"}
    excluded = {name_key(name) for name in reading.not_speakers}
    closed = {name.replace("_", " ") for name in _CLOSING_TAG.findall(source.text)} if "</" in source.text else set()
    listed = [c for c in listed if c.form != "tag" or not c.name or c.name in closed or _is_voice(blocks, c)]
    election = _Election(blocks, reading, cast, excluded)
    accepted = election.accept([c for c in listed if c.key not in excluded])
    names = _canonical([c for c in accepted if c.name], reading, tell, blocks)
    labels = Labels(names=frozenset(key for c in accepted if (key := c.key)) | frozenset(map(name_key, names.values())))
    labels.goes_on = any(c.form in ABOVE for c in accepted)
    labels.is_play = any(c.form in ("capitals", "stop") for c in accepted)
    for candidate in accepted:
        line = blocks[candidate.block].lines[candidate.line]
        name = names.get(candidate.key) if candidate.name else None
        if candidate.form == "row":
            _mark_row(source, blocks, candidate, accepted)
        _add(labels, line, candidate.block, candidate.start, candidate.end, name)
    mark_times_after(blocks, accepted)
    for index, label in mark_times(blocks, source):
        labels.by_block.setdefault(index, []).append(label)
    for at in labels.by_block.values():
        at.sort(key=lambda label: label.start)
    _tell_doubts(listed, accepted, election, excluded, tell, blocks)
    return labels


def _is_voice(blocks: Sequence[Block], tag: Candidate) -> bool:
    return blocks[tag.block].lines[tag.line].text.startswith(("<v ", "<v."), tag.start)


def _without_breaks(listed: Iterable[Candidate], blocks: Sequence[Block]) -> Iterator[Candidate]:
    """The candidates but for "Break: [01:10] to [02:05]", which is marked as a cue."""
    for candidate in listed:
        block = blocks[candidate.block]
        line = block.lines[candidate.line]
        is_alone = candidate.form in WITH_COLON and len(block.lines) == 1 and not may_be_name(candidate.name)
        if is_alone and STAMPS.search(line.text) and not _SAID.search(STAMPS.sub("", line.text[candidate.end :])):
            line.span.leave_out(0, len(line.text), "cue")
        else:
            yield candidate


def _mark_row(source: Source, blocks: Sequence[Block], candidate: Candidate, accepted: Sequence[Candidate]) -> None:
    """The border between the cell of a name and that of a text, and the row of titles above them."""
    index = candidate.block
    name, text = blocks[index].lines
    source.leave_out(name.span.end(len(name.text)), text.span.place(0), "table")
    first = index == 0 or blocks[index - 1].kind != "row"
    if first and candidate.key in _TITLES_OF_COLUMNS and sum(other.key == candidate.key for other in accepted) == 1:
        source.leave_out(blocks[index].start, blocks[index].end, "table")


def _add(labels: Labels, line: SourceLine, block: int, start: int, end: int, name: str | None) -> None:
    """Mark a label, its times and directions first."""
    span, text = line.span, line.span.text
    if name is not None:
        for pattern, reason in ((_STAMP_IN_LABEL, "time stamp"), (_DIRECTION_IN_LABEL, "direction")):
            for match in pattern.finditer(text, start, end):
                if reason == "time stamp" or (match.start() > start and text[start : match.start()].strip(" *_\\")):
                    span.leave_out(*match.span(), "time stamp" if reason == "time stamp" else "direction")
    label = Label(span.place(start), span.end(end), line.number, name)
    span.leave_out(start, end, "label" if name is not None else "markup")
    labels.by_block.setdefault(block, []).append(label)


@dataclass
class _Election:
    """Which forms explain the file, and which candidates count therefore."""

    blocks: Sequence[Block]
    reading: Reading
    cast: set[str]
    excluded: set[str]

    def accept(self, listed: Sequence[Candidate]) -> list[Candidate]:
        """The candidates that are labels, at most one at each place, in the order of the file."""
        if self.reading.labels == "none":
            return []
        by_form: dict[Form, list[Candidate]] = {form: [] for form in FORMS}
        for candidate in listed:
            by_form[candidate.form].append(candidate)
        forms = self._winners(by_form)
        coming_back = self._coming_back(by_form, forms)
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
        return [chosen[at] for at in sorted(chosen)]

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
        if candidate.form in WITH_COLON and (key in self.cast or key in coming_back):
            return True
        return wins and (key in self.cast or key in coming_back or self._stands_once(candidate))

    def _stands_once(self, candidate: Candidate) -> bool:
        if candidate.form in ("capitals", "stop"):
            sure = candidate.name.isupper() or self.blocks[candidate.block].lines[candidate.line].text[:1] == "_"
            return sure and may_be_name(candidate.name) and len(candidate.name.split()) < 5
        return looks_like_name(candidate.name)

    def _winners(self, by_form: Mapping[Form, Sequence[Candidate]]) -> set[Form]:
        """The forms with a colon that explain the file, or else the one other form that explains most of it."""
        shares = {form: self._share(form, hits) for form, hits in by_form.items() if hits}
        explaining = {form for form in shares if self._explains(form, by_form[form], shares[form])}
        with_colon = {form for form in explaining if form in WITH_COLON}
        others = sorted(explaining - with_colon, key=lambda form: shares[form], reverse=True)
        best = max((shares[form] for form in with_colon), default=0.0)
        winners = with_colon | {form for form in others if form == "tag"}
        if others and shares[others[0]] > best + 0.2:
            winners.add(others[0])
        return winners

    def _explains(self, form: Form, hits: Sequence[Candidate], share: float) -> bool:
        counts = Counter(hit.key for hit in hits if hit.key and (may_be_name(hit.name) or hit.key in self.cast))
        labelled = sum(counts.values())
        if not labelled:
            return False
        again = sum(count for count in counts.values() if count > 1)
        in_cast = any(key in self.cast for key in counts)
        plausible = labelled / sum(1 for hit in hits if hit.key)
        if form in WITH_COLON:
            enough = again >= labelled / 2 and share >= 0.2
            is_podcast = self.reading.kind == "podcast" or all(map(self._has_stamp, hits))
            people = [hit.name for hit in hits if not is_heading(hit.name)]
            names = bool(people) and all(map(looks_like_name, people))
            is_strong = form in ("bold", "html", "bracket")
            whole = names and share >= 0.9 and (is_strong or (is_podcast and labelled > 1))
            in_list = sum(self.blocks[hit.block].lines[hit.line].is_item for hit in hits) > labelled / 2
            strong = is_strong and is_podcast and (names or again > 1) and not in_list  # else it is a list of terms
            return enough or whole or strong or (in_cast and share >= 0.2)
        if in_cast and share >= 0.3:
            return True
        several = sum(count > 1 for count in counts.values()) > 1 or (form in SURE and len(counts) > 1 and share >= 0.5)
        speaks_back = again >= 0.6 * labelled and several
        sure = form in SURE or self.reading.kind == "podcast"
        whole = (
            share >= 0.9
            and sure
            and form != "heading"
            and (labelled > 1 or form in ("tag", "clock"))
            and plausible > 0.9
        )
        return (speaks_back and share >= 0.3 and plausible >= 0.6) or whole

    def _share(self, form: Form, hits: Sequence[Candidate]) -> float:
        """How much of the file the labels explain: of its paragraphs, or of its lines if that is more."""
        alone = {hit.block for hit in hits if form in ABOVE and self._is_alone(hit) and may_be_name(hit.name)}
        labelled = {hit.block for hit in hits if hit.block not in alone}
        below: Block | None = None
        texts_at: list[int] = []
        for index, block in enumerate(self.blocks):
            if block.kind in ("paragraph", "row") and index not in alone and not begins_with_time(block):
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
        text = self.blocks[hit.block].lines[hit.line].text
        return STAMPS.search(text, hit.start, hit.end) is not None

    def _coming_back(self, by_form: Mapping[Form, Sequence[Candidate]], forms: set[Form]) -> set[str]:
        """The names that stand twice or more, in forms with a colon or in those that win."""
        counts = Counter(
            hit.key for form in FORMS if form in WITH_COLON or form in forms for hit in by_form[form] if hit.key
        )
        names = {hit.key: hit.name for hits in by_form.values() for hit in hits}
        longer = _full_names(counts)
        for key in [key for key in counts if counts[key] == 1]:
            full = longer.get(key, [])
            if len(full) == 1:  # "Ann Lee", then "Ann"
                counts[key] += 1
                counts[full[0]] += 1
        most = max(counts.values(), default=0)
        return {
            key
            for key, count in counts.items()
            if count > 1 and may_be_name(names[key]) and (looks_like_name(names[key]) or count >= max(3, most / 20))
        }


def _canonical(accepted: Sequence[Candidate], reading: Reading, tell: Tell, blocks: Sequence[Block]) -> dict[str, str]:
    """The one name of every speaker, by what stands in the labels (in lower case)."""
    cast = set(map(name_key, reading.cast))
    spellings: dict[str, Counter[str]] = {}
    first: dict[str, int] = {}
    for candidate in accepted:
        spellings.setdefault(candidate.key, Counter())[candidate.name] += 1
        first.setdefault(candidate.key, blocks[candidate.block].lines[candidate.line].number)
    names: dict[str, str] = {}
    for key, written in spellings.items():
        mixed = [name for name in written if not name.isupper() and not name.islower()]
        names[key] = reading.known_name(key) or (mixed or list(written))[0]
        if len(written) > 1:
            what = f"{' and '.join(map(_quoted, written))} are taken for one speaker, {names[key]}."
            tell(first[key], what, "Write one of them in cast: if that is wrong, or all of them alike.")
    longer = _full_names(names)
    for key in [key for key in names if key not in cast and key not in reading.aliases]:
        full = {names[other] for other in longer.get(key, ())}
        if len(full) == 1:
            (name,) = full
            what = f'"{names[key]}" is taken for {name}.'
            tell(first[key], what, f"If they are two, put both into cast:; else aliases: {{{name}: [{names[key]}]}}.")
            names[key] = name
    for key, name in names.items():
        parts = [name_key(part) for part in _BOTH.split(name)]
        if len(parts) > 1 and all(part in names or part in cast for part in parts):
            what = f'"{name}" is spoken by one voice.'
            tell(first[key], what, "Write a turn for each of them.")
    return names


def _quoted(name: str) -> str:
    return f'"{name}"'


def _full_names(keys: Iterable[str]) -> dict[str, list[str]]:
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
    is_name = full.startswith(f"{short} ") and rest[:1].isalpha() and not _BOTH.search(full)
    return is_name and short not in (
        "host",
        "guest",
        "speaker",
        "the",
        "person",
        "voice",
        "man",
        "woman",
        "dr",
        "mr",
        "mrs",
    )


def _tell_doubts(
    listed: Sequence[Candidate],
    accepted: Sequence[Candidate],
    election: _Election,
    excluded: set[str],
    tell: Tell,
    blocks: Sequence[Block],
) -> None:
    """What looks like a label and is read as text, and names that speak once."""
    taken = {(candidate.block, candidate.line, candidate.start) for candidate in accepted}
    has_plain = any(candidate.form == "plain" for candidate in accepted)
    named: set[str] = set()
    for candidate in listed:
        number = blocks[candidate.block].lines[candidate.line].number
        looks = candidate.form in ("bold", "html") or (candidate.form in WITH_COLON and looks_like_name(candidate.name))
        place = (candidate.block, candidate.line, candidate.start)
        if place in taken or candidate.key in named | excluded or not looks or (candidate.start and not has_plain):
            continue
        named.add(candidate.key)
        what = f'"{candidate.name}:" is read as text, as it is no name that comes back.'
        tell(number, what, f"If it is a speaker, write speakers: [{candidate.name}] in the manifest.")
    counts = Counter(candidate.key for candidate in accepted if candidate.name)
    comes_back = max(counts.values(), default=0) > 1
    once = [c for c in accepted if c.form == "plain" and counts[c.key] == 1 and c.key not in election.cast]
    if once and comes_back:
        names = ", ".join(candidate.name for candidate in once[:8]) + (" …" if len(once) > 8 else "")
        number = blocks[once[0].block].lines[once[0].line].number
        what = f"these speak once: {names}."
        tell(number, what, "If one is no speaker, write not_speakers: [its name] in the manifest.")
