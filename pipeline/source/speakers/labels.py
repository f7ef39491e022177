"""Labels: who speaks, told by the whole file.

In: the blocks of a source. Out: the labels in each block, marked in the source. All forms of `forms` are candidates,
and `election` decides which of them count; a label that does not is text, and told of.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.source.ledger import Source
from pipeline.source.prose.blocks import Block, SourceLine, read_blocks
from pipeline.source.prose.boilerplate import Tell
from pipeline.source.prose.brackets import CLOCKS, STAMP
from pipeline.source.script import Reading, name_key
from pipeline.source.speakers.election import BOTH, Election, full_names, is_title_row
from pipeline.source.speakers.forms import (
    ABOVE,
    CLOSING_TAG,
    STAMPS,
    WITH_COLON,
    Candidate,
    Label,
    candidates,
    is_heading,
    looks_like_name,
    may_be_name,
)
from pipeline.source.speakers.times import mark_times, mark_times_after
from pipeline.words import counted

_STAMP_IN_LABEL = re.compile(rf"{STAMP}|(?<![\w:])@?{CLOCKS}")
_DIRECTION_IN_LABEL = re.compile(r"\([^()]*[^\W\d_][^()]*\)|\\?\[[^\[\]]*\\?\](?=.*\S)")
_FIRST_OF_SEVERAL = re.compile(r"\s*[,/&(]\s*|\s+and\s+")
_NAME_IN_MARKS = re.compile(r"(?:\*\*|__|\*|_|\\?\[)([^*_\[\]\n]{1,40}?)(?:\*\*|__|\*|_|\\?\])(?![\w:*_(\[])")
_SAID = re.compile(r"\b(?!(?:to|until|bis|and)\b)[^\W_]+", re.IGNORECASE)
_BY_PLACE = ("stop", "clock", "dash", "alone", "heading", "row", "bare-bracket", "capitals", "chat")
_NUMBERED_SPEAKER = re.compile(r"^[ \t]*\[[Ss][12]\]", re.MULTILINE)


@dataclass
class Labels:
    """The labels of a file by the index of their block; `goes_on`: speech goes on in paragraphs without a label."""

    by_block: dict[int, list[Label]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()  # in lower case
    goes_on: bool = False
    is_play: bool = False


def label_places(text: str, reading: Reading) -> list[int]:
    """Where labels of known names, and of those that come back, stand in a text of which nothing is marked yet."""
    blocks = read_blocks(Source(text), body=True)
    election = Election(blocks, reading, _known(reading))
    excluded = set(map(name_key, reading.not_speakers))
    accepted = election.accept([c for c in _listed(text, blocks) if c.key not in excluded])
    counts = Counter(c.key for c in accepted if c.name)
    sure = [c for c in accepted if counts[c.key] > 1 or c.key in election.cast]
    places = [blocks[c.block].lines[c.line].span.place(c.start) for c in sure]
    return sorted({*places, *(match.start() for match in _NUMBERED_SPEAKER.finditer(text))})


def _known(reading: Reading) -> set[str]:
    return {name_key(name) for name in reading.cast} | set(reading.aliases) | {"s1", "s2"}


def _listed(text: str, blocks: Sequence[Block]) -> list[Candidate]:
    """What may be a label, but for tags that nothing closes and rows of titles."""
    listed = [c for index, block in enumerate(blocks) for c in candidates(index, block)]
    closed = set(CLOSING_TAG.findall(text)) if "</" in text else set()
    listed = [c for c in listed if c.form != "tag" or not c.name or c.name in closed or _is_voice(blocks, c)]
    rows = Counter(c.key for c in listed if c.form == "row")
    return [c for c in listed if c.form != "row" or rows[c.key] > 1 or not is_title_row(blocks, c.block)]


def find_labels(
    source: Source,
    blocks: Sequence[Block],
    reading: Reading,
    tell: Tell,
    least_share: float = 0.0,
    *,
    sure: Sequence[Label] = (),
    is_caption: bool = False,
) -> Labels:
    """Decide who speaks and mark every label; where fewer than `least_share` of the paragraphs bear one, nobody.

    `sure` labels count, and their names. In captions "Okay. So we go." names nobody.
    """
    listed = list(_without_breaks(_listed(source.text, blocks), blocks))
    if is_caption and reading.labels != "stop":
        listed = [candidate for candidate in listed if candidate.form != "stop"]
    certain = {(one.block, one.line): one for one in _as_candidates(sure, blocks)}
    if certain:  # the format has told all that stand within paragraphs
        listed = [one for one in listed if one.start or not (one.line or (one.block, 0) in certain)]
        ends = {at: one.end for at, one in certain.items()}
        listed = [one for one in listed if one.start >= ends.get((one.block, one.line), 0)]  # “Doc” Brown: is one
        listed += certain.values()
    excluded = set(map(name_key, reading.not_speakers))
    election = Election(blocks, reading, _known(reading) | {one.key for one in certain.values()})
    accepted = [c for c in election.accept(listed) if c.key not in excluded]
    if not (reading.cast or reading.labels) and _are_few(accepted, blocks, least_share):
        accepted = []
    names = _canonical([c for c in accepted if c.name], reading, tell, blocks)
    labels = Labels(names=frozenset(key for c in accepted if (key := c.key)) | frozenset(map(name_key, names.values())))
    labels.goes_on = 2 * sum(c.form in ABOVE for c in accepted) > len(accepted)
    labels.is_play = any(c.form in ("capitals", "stop") for c in accepted)
    for candidate in accepted:
        line = blocks[candidate.block].lines[candidate.line]
        name = names.get(candidate.key) if candidate.name else None
        if candidate.form == "row":
            _mark_row(source, blocks, candidate)
        _add(labels, line, candidate.block, candidate.start, candidate.end, name)
    if any(c.form == "row" for c in accepted):
        rows = Counter(c.key for c in accepted if c.form == "row")
        for index, block in enumerate(blocks):
            if is_title_row(blocks, index) and rows[name_key(block.lines[0].text)] < 2:
                source.leave_out(block.start, block.end, "table")
    mark_times_after(blocks, accepted)
    are_said = reading.kind == "audiobook" and not accepted and "[S1]" not in source.text.upper()
    has_stamps = any(STAMPS.search(blocks[c.block].lines[c.line].text, c.start, c.end) for c in accepted)
    for index, label in mark_times(blocks, source, bare=not are_said, few=has_stamps):
        labels.by_block.setdefault(index, []).append(label)
    for at in labels.by_block.values():
        at.sort(key=lambda label: label.start)
    _tell_doubts(listed, accepted, names, reading, tell, blocks)
    _tell_of_the_end(blocks, accepted, reading, tell)
    return labels


def _as_candidates(sure: Sequence[Label], blocks: Sequence[Block]) -> Iterator[Candidate]:
    """Labels that a format tells, as candidates for those of the text."""
    ends = {label.start: label for label in sure}
    for index, block in enumerate(blocks) if sure else ():
        for number, line in enumerate(block.lines):
            label = ends.get(line.span.place(len(line.text) - len(line.text.lstrip())))
            if label is not None and label.name:
                shown = next(at for at in range(len(line.text) + 1) if line.span.end(at) >= label.end)
                yield Candidate("plain", label.name, index, number, 0, shown)


def _are_few(accepted: Sequence[Candidate], blocks: Sequence[Block], least_share: float) -> bool:
    paragraphs = sum(block.kind in ("paragraph", "row") for block in blocks)
    return len({candidate.block for candidate in accepted}) < least_share * paragraphs


def known_labels(blocks: Sequence[Block], given: Sequence[Label], reading: Reading) -> Labels:
    """The labels that a format tells, which are marked already, with the names that the producer has given."""
    labels = Labels()
    starts = [block.start for block in blocks]
    for label in given:
        name = label.name and (reading.known_name(label.name) or label.name)
        index = max(bisect_right(starts, label.start) - 1, 0)
        labels.by_block.setdefault(index, []).append(replace(label, name=name))
    labels.names = frozenset(name_key(label.name) for at in labels.by_block.values() for label in at if label.name)
    return labels


def _is_voice(blocks: Sequence[Block], tag: Candidate) -> bool:
    return blocks[tag.block].lines[tag.line].text.startswith(("<v ", "<v."), tag.start)


def _without_breaks(listed: Iterable[Candidate], blocks: Sequence[Block]) -> Iterator[Candidate]:
    """The candidates but for "Break: [01:10] to [02:05]", which is marked as a cue."""
    for candidate in listed:
        block = blocks[candidate.block]
        line = block.lines[candidate.line]
        is_alone = candidate.form in WITH_COLON and len(block.lines) == 1 and not may_be_name(candidate.name)
        is_alone = is_alone and not line.text.lstrip("*_[( ")[:1].isdigit()
        if is_alone and STAMPS.search(line.text) and not _SAID.search(STAMPS.sub("", line.text[candidate.end :])):
            line.span.leave_out(0, len(line.text), "cue")
        else:
            yield candidate


def _mark_row(source: Source, blocks: Sequence[Block], candidate: Candidate) -> None:
    """The border between the cell of a name and that of a text."""
    index = candidate.block
    name, text = blocks[index].lines
    source.leave_out(name.span.end(len(name.text)), text.span.place(0), "table")


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
            tell(first[key], what, "If they are two, give one of them another name in the script.")
    longer = full_names(names)
    for key in [key for key in names if key in cast]:
        full = [other for other in longer.get(key, ()) if other not in cast and other not in reading.aliases]
        if len(full) == len(longer.get(key, ())) == 1:
            tell(
                first[full[0]],
                f'"{names[full[0]]}" is taken for {names[key]}.',
                "If they are two, put both into cast:.",
            )
            names[full[0]] = names[key]
    for key in [key for key in names if key not in cast and key not in reading.aliases]:
        longer_names = {names[other] for other in longer.get(key, ())}
        if len(longer_names) == 1:
            (name,) = longer_names
            what = f'"{names[key]}" is taken for {name}.'
            tell(first[key], what, f"If they are two, put both into cast:; else aliases: {{{name}: [{names[key]}]}}.")
            names[key] = name
        elif len(longer_names) > 1:
            what = f'"{names[key]}" may be {" or ".join(sorted(longer_names))}, and is taken for somebody else.'
            tell(first[key], what, f"If it is one of them, write aliases: {{{min(longer_names)}: [{names[key]}]}}.")
    for key, name in names.items():
        parts = [name_key(part) for part in BOTH.split(name)]
        if len(parts) > 1 and all(part in names or part in cast for part in parts):
            what = f'"{name}" is spoken by one voice.'
            tell(first[key], what, "Write a turn for each of them.")
    return names


def _quoted(name: str) -> str:
    return f'"{name}"'


def _tell_doubts(
    listed: Sequence[Candidate],
    accepted: Sequence[Candidate],
    names: Mapping[str, str],
    reading: Reading,
    tell: Tell,
    blocks: Sequence[Block],
) -> None:
    """What looks like a label and is read as text, and names that speak once."""
    if reading.labels == "none":
        return
    taken = {(candidate.block, candidate.line, candidate.start) for candidate in accepted}
    counts = Counter(candidate.key for candidate in accepted if candidate.name)
    has_plain = any(candidate.form == "plain" for candidate in accepted)
    known = set(map(name_key, reading.not_speakers))
    doubts: dict[str, tuple[int, str]] = {}
    for candidate in listed:
        looks = candidate.form in ("bold", "html") or (candidate.form in WITH_COLON and looks_like_name(candidate.name))
        is_taken = (candidate.block, candidate.line, candidate.start) in taken
        goes_on = has_plain and (candidate.block, candidate.line, 0) in taken
        if looks and not is_taken and candidate.key not in known and (goes_on or not candidate.start):
            doubts.setdefault(candidate.key, (blocks[candidate.block].lines[candidate.line].number, candidate.name))
    heads = Counter(candidate.key for candidate in listed if not candidate.start)
    _tell_of_labels([(*doubt, heads[key] > 1) for key, doubt in doubts.items()], reading, tell)
    if counts:
        _tell_of_form(accepted, reading, tell, blocks)
        _tell_odd_labels(listed, taken, counts, known | set(doubts), tell, blocks)
    else:
        at_starts = [c for c in listed if c.form in WITH_COLON and not c.start]
        often = {key for key, count in Counter(c.key for c in at_starts).items() if count > 1}
        again = [c for c in at_starts if c.key in often]
        _tell_odd_labels(again, taken, (), known | set(doubts), tell, blocks)
        _tell_of_forms_without(listed, tell, blocks)
    turns = Counter(names[candidate.key] for candidate in accepted if candidate.name)
    cast = set(map(name_key, reading.cast))
    once = [c for c in accepted if c.form in WITH_COLON and c.name and turns[names[c.key]] == 1 and c.key not in cast]
    once = [c for c in once if c.form == "plain" or " " not in c.name]  # "**Method:**", not "**Jo Neill:**"
    if once and max(turns.values(), default=0) > 1:
        shown = ", ".join(candidate.name for candidate in once[:8]) + (" …" if len(once) > 8 else "")
        number = blocks[once[0].block].lines[once[0].line].number
        what = f"these speak once: {shown}."
        tell(number, what, "If one is no speaker, write not_speakers: [its name] in the manifest.")


def _tell_of_forms_without(listed: Sequence[Candidate], tell: Tell, blocks: Sequence[Block]) -> None:
    """Names that come back at the heads of paragraphs, in a form that explains too little of the file to count."""
    for form in _BY_PLACE:
        at_heads = [c for c in listed if c.form == form and not c.start and not c.line and may_be_name(c.name)]
        counts = Counter(candidate.name for candidate in at_heads)
        often = [name for name, count in counts.most_common(6) if count > 3]
        if len(often) > 1:
            shown = ", ".join(f"{name} ({counts[name]} times)" for name in often)
            number = min(blocks[c.block].lines[0].number for c in at_heads if c.name in often)
            what = f"{shown} begin paragraphs as labels do, and are read as text."
            tell(number, what, f"labels: {form} beside the script's name makes speakers of them.")


def _tell_of_the_end(blocks: Sequence[Block], accepted: Sequence[Candidate], reading: Reading, tell: Tell) -> None:
    """Paragraphs after the last label, which in a podcast are still the last speaker's."""
    last = max((candidate.block for candidate in accepted), default=len(blocks))
    after = [block for block in blocks[last + 2 :] if block.kind == "paragraph" and block.lines[0].text.strip()]
    if len(after) > 2 and reading.kind == "podcast":
        what = f"the last {len(after)} paragraphs bear no name, and are spoken by whoever spoke before."
        tell(after[0].number, what, "Put a name before the first that is not theirs.")


def _tell_of_form(accepted: Sequence[Candidate], reading: Reading, tell: Tell, blocks: Sequence[Block]) -> None:
    """Names that are taken for speakers by little: by their place alone, or where few paragraphs bear them."""
    if reading.labels or any(reading.known_name(candidate.key) for candidate in accepted):
        return
    named = [candidate for candidate in accepted if candidate.name]
    ((form, _count),) = Counter(candidate.form for candidate in named).most_common(1)
    paragraphs = sum(block.kind in ("paragraph", "row") for block in blocks)
    few = len({candidate.block for candidate in named}) < 0.3 * paragraphs
    comes_back = len({candidate.key for candidate in named}) < len(named)
    if (form == "clock" and comes_back) or (form not in _BY_PLACE and not few):
        return
    names = list(dict.fromkeys(candidate.name for candidate in named))
    shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
    why = f"by where they stand (form: {form})" if form in _BY_PLACE else f"in {len(named)} of {paragraphs} paragraphs"
    what = (
        f"{shown} {'are' if len(names) > 1 else 'is'} taken for {'speakers' if len(names) > 1 else 'a speaker'} {why}."
    )
    number = blocks[named[0].block].lines[named[0].line].number
    tell(number, what, "If that is wrong, labels: none beside the script's name reads all as text.")


def _tell_of_labels(doubts: Sequence[tuple[int, str, bool]], reading: Reading, tell: Tell) -> None:
    """Labels that are none, one by one where they are few: their lines, names, and whether the names come back."""
    end = " in the manifest, and take labels: out of it." if reading.labels else " in the manifest."
    if len(doubts) < 4:
        for number, name, comes_back in doubts:
            why = "too few paragraphs begin with a name" if comes_back else "it is no name that comes back"
            why = f"labels: {reading.labels} allows no others" if reading.labels else why
            what = f'"{name}:" is read as text, as {why}.'
            tell(number, what, f"If it is a speaker, write speakers: [{name}]{end}")
        return
    shown = ", ".join(f'"{name}:" (line {number})' for number, name, _comes_back in doubts[:6])
    some_come_back = any(comes_back for _number, _name, comes_back in doubts)
    why = "too few paragraphs begin with a name" if some_come_back else "none is a name that comes back"
    why = f"labels: {reading.labels} allows no others" if reading.labels else why
    what = f"{len(doubts)} labels are read as text, as {why}: {shown}{' …' if len(doubts) > 6 else ''}."
    tell(doubts[0][0], what, f"If one is a speaker, write speakers: [its name]{end}")


def _tell_odd_labels(
    listed: Sequence[Candidate],
    taken: Collection[tuple[int, int, int]],
    speakers: Collection[str],
    named: Collection[str],
    tell: Tell,
    blocks: Sequence[Block],
) -> None:
    """What begins a paragraph as a label does, and is written in another way than those that count."""
    odd: dict[int, str] = {}
    for candidate in listed:
        name, line = candidate.name, blocks[candidate.block].lines[candidate.line]
        begins = not candidate.start and (candidate.block, candidate.line, 0) not in taken
        begins = begins and (not candidate.line or candidate.form in WITH_COLON)
        colon = (
            candidate.form in WITH_COLON
            and len(name) <= 40
            and (is_heading(name) or may_be_name(name[:1].upper() + name[1:]))
        )
        first = name_key(_FIRST_OF_SEVERAL.split(name)[0])  # "Ann, sad:"
        known = candidate.key in speakers or (candidate.form in WITH_COLON and first in speakers)
        if begins and candidate.key not in named and (colon or known):
            odd.setdefault(line.number, line.text[: candidate.end])
    for index, block in enumerate(blocks):
        match = _NAME_IN_MARKS.match(block.lines[0].text) if block.kind == "paragraph" else None
        if match and (index, 0, 0) not in taken and name_key(match[1].strip(" :")) in speakers:
            odd.setdefault(block.number, match[0])
    if odd:
        shown = [f"{text.strip()} (line {number})" for number, text in sorted(odd.items())]
        more = " …" if len(shown) > 5 else ""
        first = f"{', '.join(shown[:5])}{more}"
        what = f"{counted(len(shown), 'paragraph')} with what may be a label, and read as text: {first}."
        tell(min(odd), what, "If somebody speaks there, write it as the other labels are.")
