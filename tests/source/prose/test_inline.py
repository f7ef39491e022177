"""Markup within a paragraph, and what only looks like it."""

from __future__ import annotations

import pytest

from pipeline.source.prose.inline import plain


@pytest.mark.parametrize(
    "text",
    [
        *("f**k", "b*tch, sh*t", "2*3*4", "snake_case_word", "un*frig*gable", "a < b > c", "AT & T"),
        *("<You have gained ten gold>", "a <fire ward> worth", "List<String>", "If a<b and c>d then"),
    ],
)
def test_what_is_no_markup_stays(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("**a** _b_ *c **d*** __e__", "a b c d e"),
        ("**T**he", "The"),
        ("a <b>c</b>d<br>e <span class='x'>f</span>", "a cd e f"),
        ("10<sup>6</sup> x<sup>2</sup> 2<sup>x</sup> 1<sup>st</sup> H<sub>2</sub>O", "10⁶ x² 2^x 1st H2O"),
        ("so.<sup>3</sup> Ulm<sup>[2]</sup>", "so. Ulm"),
        ("[[Greg|the boss]] [[Ann]] ![[img.png]]", "the boss Ann"),
        ("[a **b** c](http://x.org 'T') ![p](q.png)", "a b c"),
        ("`a``b` ``c`d``", "a``b c`d"),
        ("&amp; &eacute; \\* \\[x\\]", "& é * [x]"),
        (
            "<https://x.org/a> and www.y.co.uk/b, http://user@z.net",
            "https://x.org/a and www.y.co.uk/b, http://user@z.net",
        ),
        ("[http://x.org](http://x.org)", "http://x.org"),
    ],
)
def test_markup_goes(source: str, text: str) -> None:
    assert plain(source) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://localhost:8000/x", "http://localhost:8000/x"),
        ("[https://q.org/s](https://q.org/s)", "https://q.org/s"),
        ("(https://a.com/b_c_d)", "(https://a.com/b_c_d)"),
        ("https://en.a.org/wiki/A_(b)", "https://en.a.org/wiki/A_(b)"),
        ("one/two and 1.5/2", "one/two and 1.5/2"),
    ],
)
def test_addresses_are_displayed_as_they_are(text: str, words: str) -> None:
    assert plain(f"See {text} there.") == f"See {words} there."
