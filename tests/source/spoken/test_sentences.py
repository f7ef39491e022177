from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given

from pipeline.source.spoken.sentences import clause_ends, sentence_ends, word_spans
from pipeline.source.spoken.text import spoken
from tests.support.spoken_words import DISPLAY


def _parts(text: str, ends: Callable[[str], list[int]]) -> list[str]:
    return [text[start:end].strip() for start, end in pairwise([0, *ends(text)])]


@pytest.mark.parametrize(
    "parts",
    [
        ["Mr. Smith met Dr. Jones on St. James St. corner.", "They left."],
        ["No. 5 is alive.", "No.", "It is not."],
        ["It cost 3.5 million.", "Really?!", "Yes… maybe."],
        ['"Stop!" he said.', '"Go."', "(He went.)", "Then J. R. R. Tolkien of the U.S. Army spoke."],
        ["He lives in the U.S.", "She does not."],
        ["Use tools, e.g. hammers, i.e. Things etc.", "Then rest at 5 p.m. sharp."],
        ["Hello. (laughs)", "Yes."],
        ["Hello. (clears throat) —", "Yes."],
        ["你好。", "世界！", "好吗"],
        ["Wait . . . what?", "Oh."],
        ["3. The third point.", "It was 1984.", "Then came 1985."],
        ["So do I.", "Then go."],
        ["« Oui. »", "« Non ! »", "Bon."],
        ["Read vol. 2, p. 7 vs. Plato."],
        ["She has a Ph.D. in law.", "He got his Ph.D.", "They left."],
        ["It was on Jan. 5 or in Feb. of that year."],
        ["The train left at 9 a.m. Tuesday with him.", "At 5 p.m.", "Bob left."],
        ["Am 3. Juni, dem 4. nach Ostern, kam er.", "Dann nicht."],
        ["He lives on Main St.", "She does not."],
        ["Ch. I.", "Of Kings.", "There are 2 vols. of it, and 6 lbs. 4 oz. of tea."],
        ["George V. and Edward VII. were kings.", "By G. A. Henty.", "They met I. Newton."],
        ["Lieut. Smith met Wm. Pitt.", "I spoke to Mr.", "He left.", "The answer is no.", "7 men died."],
        [
            "He left Naas, Co. Kildare, and Co. Cork.",
            "Smith & Co.",
            "Cork was far.",
            "It was the Ford Motor Co.",
            "Bob left.",
        ],
        ["J. P. O'Neill met P. O'Brien.", "Malcolm X.", "Pope Leo came.", "Plan B.", "Bob left."],
        ["A Sr. Analyst met Bob Smith Sr.", "Ann left with El Sr. López."],
        ["Das ist inkl. MwSt. und Porto ca. Mitte Mai usw. usf.", "Brot usw.", "Dann p. ej. Madrid o Dña. María."],
        ["Profs. Smith and Jones met Reps. Roe and Doe.", "He did ten reps.", "Bob left."],
        ["No stop at all"],
    ],
)
def test_sentences(parts: list[str]) -> None:
    assert _parts(" ".join(parts), sentence_ends) == parts


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("Well, yes; no: maybe — or - not.", ["Well,", "yes;", "no:", "maybe —", "or -", "not."]),
        ("1,000 and 12:30", ["1,000 and 12:30"]),
        ("— dash first, (clears throat) so", ["— dash first,", "(clears throat) so"]),
        ('"Oh," he said', ['"Oh,"', "he said"]),
    ],
)
def test_clauses(sentence: str, parts: list[str]) -> None:
    assert _parts(sentence, clause_ends) == parts


@pytest.mark.parametrize(
    ("text", "sentences_of_text", "clauses_of_text"),
    [
        ("“Yes.” No, (laughs) so.", ["“Yes.”", " No, (laughs) so."], ["“Yes.” No,", " (laughs) so."]),
        (
            "“你好，世界。”他说！好。。。(clears throat)吗？！ 12：30",
            ["“你好，世界。”", "他说！", "好。。。", "(clears throat)吗？！", " 12：30"],
            ["“你好，", "世界。”他说！好。。。(clears throat)吗？！ 12：30"],
        ),
        ("", [""], [""]),
    ],
)
def test_ends_are_offsets(text: str, sentences_of_text: list[str], clauses_of_text: list[str]) -> None:
    assert [text[start:end] for start, end in pairwise([0, *sentence_ends(text)])] == sentences_of_text
    assert [text[start:end] for start, end in pairwise([0, *clause_ends(text)])] == clauses_of_text


@given(DISPLAY)
def test_ends_lie_at_the_ends_of_words(display: str) -> None:
    ends = [end for _, end in word_spans(display)] or [0]
    for offsets in (sentence_ends(display), clause_ends(display)):
        assert offsets == sorted(set(offsets))
        assert set(offsets) <= set(ends)
        assert offsets[-1] == len(display)


@pytest.mark.parametrize("unit", [".", '"', "x", ". ", "- ", "(", "(clears throat)", '" ', "« ", "A. ", "a, "])
def test_a_long_text_of_anything_is_cut_in_linear_time(unit: str) -> None:
    text = (unit * (300_000 // len(unit))).strip()
    assert sentence_ends(text)[-1] == clause_ends(text)[-1] == len(text)
    spoken(text, tags=False)
