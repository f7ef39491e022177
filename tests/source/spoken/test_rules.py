from __future__ import annotations

import re

from pipeline.source.spoken.rules import Family, Replacement, Rule, replacements_of

DIGITS = Rule(r"\d+", lambda match: None if match[0] == "7" else "number")
MONEY = Rule(r"\$\d+", lambda match: "money")
FAMILY = Family(re.compile(r"\d"), (MONEY, DIGITS))


def test_the_first_rule_that_fits_a_place_has_it() -> None:
    assert replacements_of("$5 or 6 or 7", [FAMILY]) == [Replacement(0, 2, "money"), Replacement(6, 7, "number")]


def test_what_is_taken_stays() -> None:
    assert replacements_of("$5 or 6", [FAMILY], [Replacement(0, 2, "five")]) == [
        Replacement(0, 2, "five"),
        Replacement(6, 7, "number"),
    ]


def test_a_family_with_a_reach_looks_only_near_its_trigger() -> None:
    words = Family(re.compile(r"\d"), (Rule(r"(?<=b)a|\d", lambda match: "said"),), reach=3)
    text = "ba ba 1 ba ba ba 2"
    assert [one.start for one in replacements_of(text, [words])] == [4, 6, 9, 15, 17]


def test_a_rule_is_tried_where_there_is_what_it_needs() -> None:
    of_signs = Family(re.compile(r"."), (Rule(r"[^\w\s]", lambda match: "said", needs="[#€]"),))
    assert replacements_of("a # b !", [of_signs]) == [Replacement(2, 3, "said"), Replacement(6, 7, "said")]
    assert replacements_of("a b !", [of_signs]) == []
