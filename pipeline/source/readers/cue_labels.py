"""Labels of cues: names and colons before what is shown, as transcripts of meetings have them in every cue.

In: the lines of subtitles. Out: which names label the cues of a file, and where they stand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.source.script import name_key
from pipeline.source.speakers.forms import clean_name, is_heading, looks_like_name

_LABEL = re.compile(r"(?:\[[^\[\]\n]*\][ \t]*)?([@+\"“]?[^\W_][^:\n]{0,59}?)[ \t]*(?:\([^()\n]*\)[ \t]*)?:(?:\s+|$)")
_NICKNAME = re.compile(r"[\"“][\w.'’-]+[\"”] ?")  # of one word, in a name
_LONGEST_BEFORE_COLON = 40  # characters, of a name that nothing else in the file tells of
_NO_NAME = re.compile(r"[!?;…\"“”]|[.,] [a-z]|(?:\S+ ){6}")
_OFTEN = 3
_NEARLY_ALL = 0.95
_MANY = 0.4  # of the cues: where so many begin with names that come back, the others go on with what those say
_WORDS_IN_DOUBT = 2


class CueLabel(NamedTuple):
    """A name at the head of a line, and where the text behind it begins."""

    name: str
    end: int

    @property
    def key(self) -> str:
        """What names are compared by."""
        return name_key(self.name)


@dataclass(frozen=True)
class CueNames:
    """The names that label cues, in lower case; `in_every_cue`: most cues of the file bear one, or about half of them.

    `doubtful` names stand once in a file of such labels, and are read.
    """

    keys: Collection[str] = ()
    in_every_cue: bool = False
    doubtful: Sequence[str] = ()

    def label_of(self, line: str) -> CueLabel | None:
        """The label of one of them at the head of a line."""
        label = cue_label(line) if ":" in line and self.keys else None
        return label if label is not None and label.key in self.keys else None

    def begins_within(self, line: str) -> bool:
        """Whether one of them is named in the middle of a line, too."""
        lowered = line.casefold() if ":" in line else ""
        return any(f" {key}:" in lowered for key in self.keys) if lowered else False


def cue_label(line: str) -> CueLabel | None:
    """A name and a colon at the head of a line, whoever it is."""
    match = _LABEL.match(line)
    name = clean_name(match[1]) if match else ""
    return CueLabel(name, match.end()) if match and name else None


def cue_names(lines: Sequence[str], excluded: Collection[str], known: Collection[str] = ()) -> CueNames:
    """Which names label cues that begin with these lines; `excluded` are no speakers, `known` are some (their keys).

    Where many cues bear one they may look as they like ("Mega | Lambda"), if they come back or are written as names;
    where nearly all do, whatever stands there is one.
    """
    labels = [label for line in lines if ":" in line and (label := cue_label(line)) and _may_name(label)]
    labels = [label for label in labels if label.key not in excluded and not is_heading(label.name)]
    counts = Counter(label.key for label in labels)
    often = sum(count for count in counts.values() if count > 1)
    if len(lines) > 2 and often >= _MANY * len(lines):
        nearly_all = often > _NEARLY_ALL * len(lines)
        sure = (one for one in labels if nearly_all or counts[one.key] > 1 or looks_like_name(one.name))
        keys = {one.key for one in sure} | set(known)
        once = (one.name for one in labels if one.key not in keys and len(one.name.split()) <= _WORDS_IN_DOUBT)
        return CueNames(keys, True, tuple(once))
    return CueNames({one.key for one in labels if counts[one.key] >= _OFTEN and looks_like_name(one.name)})


def _may_name(label: CueLabel) -> bool:
    return _NO_NAME.search(_NICKNAME.sub("", label.name)) is None


def begins_as_label(line: str, *, after_end: bool) -> bool:
    """Whether a line begins with a name and a colon, and so with a paragraph; in capitals also within a sentence."""
    label = cue_label(line)
    if label is None or len(label.name) > _LONGEST_BEFORE_COLON:
        return False
    return (after_end and looks_like_name(label.name)) or label.name.isupper()
