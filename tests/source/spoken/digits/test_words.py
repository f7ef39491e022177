from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.source.spoken.digits.words import (
    cardinal,
    converter,
    fraction,
    numerals,
    one_by_one,
    ordinal,
    paired,
    plural,
    year,
)


@pytest.mark.parametrize(
    ("words", "spoken"),
    [
        (cardinal("1,234.50"), "one thousand two hundred and thirty-four point five zero"),
        (cardinal("1" * 16), " ".join(["one"] * 16)),
        (ordinal(21), "twenty-first"),
        (year(1905), "nineteen oh five"),
        (paired("747"), "seven forty-seven"),
        (paired("05"), "zero five"),
        (one_by_one("555-01"), "five five five, zero one"),
        (one_by_one("12", "de"), "eins zwei"),
        (plural("six"), "sixes"),
        (fraction(3, 4), "three quarters"),
        (fraction(1, 8, article="a"), "an eighth"),
        (numerals("ⅩⅣ"), "fourteen"),
        (numerals("༳"), "minus one half"),
    ],
)
def test_words_of_numbers(words: str, spoken: str) -> None:
    assert words == spoken


@pytest.mark.parametrize(
    ("language", "name"),
    [("en-IN", "en"), ("pt-BR", "pt_BR"), ("pt_PT", "pt"), ("nb", "no"), ("zh", None), ("am", None)],
)
def test_converters_of_languages(language: str, name: str | None) -> None:
    assert converter(language) == name


def test_the_libraries_load_at_the_first_number() -> None:
    code = "\n".join(
        [
            "import sys",
            "from pipeline.source.spoken.families import families",
            "from pipeline.source.spoken.rules import replacements_of",
            "replacements_of('No number.', families('en'))",
            "print(*{'num2words', 'babel'} & set(sys.modules))",
        ]
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not result.stdout.strip()
