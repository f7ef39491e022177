"""Chat: hearts, curses and money as people type them.

In: display text. Out: rules for "<3" (heart), "@#$%!" (nothing) and "$$" (money). They come before numbers. English.
"""

from __future__ import annotations

import re

from pipeline.source.spoken.rules import Family, Rule
from pipeline.source.spoken.words.context import word_after, word_before

_LOVERS = frozenset("i we u".split())
_LOVED = frozenset("you ya it this that them her him us u much lots all guys thanks love so xo".split())
_AS_A_WORD = r"(?<![^\s\"'“‘(])", r"(?![^\s\"'”’).,;:!?])"
_HEART = r"(?<!\S)(?:<3)+(?![\w.,+/%-]*\w)"
_CURSE = rf"{_AS_A_WORD[0]}(?=[!?]*([@#$%&*^])[!?]*(?:\1[!?]*)*(?!\1)[@#$%&*^])[@#$%&*^!?]{{3,}}{_AS_A_WORD[1]}"
_MONEY = rf"{_AS_A_WORD[0]}([$€£])\1+{_AS_A_WORD[1]}"


def chat() -> tuple[Family, ...]:
    """The families of English chat."""
    return (
        Family(re.compile(r"<3"), (Rule(_HEART, _heart),)),
        Family(
            re.compile(r"[@#$%&*^€£][@#$%&*^!?€£]"),
            (Rule(_MONEY, lambda match: "money"), Rule(_CURSE, lambda match: "")),
        ),
    )


def _heart(match: re.Match[str]) -> str | None:
    """ "I <3 NY" and "Love you <3"; "<3 hours", "x <3" and "it was <3" are less than three."""
    before = word_before(match.string, match.start()).lower()
    after = word_after(match.string, match.end())
    ends = not after or after in _LOVED
    return "heart" if before in _LOVERS or (ends and (not before or before in _LOVED)) else None
