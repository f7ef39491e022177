"""Problems as they are told: one line each, of bounded length, that every terminal takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PodcastError, Problem, lines_of, printable

texts = st.text(st.characters(exclude_categories=[]))  # half surrogate pairs too, as file names in bytes have them


@given(texts, texts, texts)
def test_a_problem_is_one_line_that_can_be_printed(where: str, what: str, following: str) -> None:
    """Whatever a file has in it; and made again of its own parts it is the same."""
    problem = Problem(where, what, following)
    assert str(problem).isprintable()
    str(problem).encode()
    assert Problem(problem.where, problem.what, problem.next) == problem


@given(st.text(), st.integers(61, 100_000))
def test_what_is_quoted_is_cut(before: str, length: int) -> None:
    """At sixty characters."""
    start = before.replace('"', "'")
    assert Problem("a", f'{start}"{"x" * length}" is no "title".').what == printable(
        f'{start}"{"x" * 60}…" is no "title".'
    )


def test_control_characters_are_escapes() -> None:
    """So that a title moves nobody's cursor, and a file name from an old archive is told of."""
    assert str(Problem("caf\udce9.yaml", "is \x1b[31mred\n.")) == r"caf\udce9.yaml: is \x1b[31mred\n."


def test_fifty_problems_are_shown() -> None:
    """And how many more there are."""
    problems = [Problem("a", f"{number}.") for number in range(120)]
    assert lines_of(problems[:50]) == [f"a: {number}." for number in range(50)]
    assert lines_of(problems) == [*lines_of(problems[:50]), "… and 70 more."]
    assert str(PodcastError(*problems)).splitlines() == lines_of(problems)
