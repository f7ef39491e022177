"""Items made ahead of their use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.threads import ahead


@given(st.lists(st.integers() | st.none()), st.integers(1, 5))
def test_all_items_come_in_order(items: list[int | None], count: int) -> None:
    """However far ahead they are made."""
    assert list(ahead(iter(items), count)) == items


def test_no_more_is_made_than_asked_for() -> None:
    """Memory stays bounded, also when nobody takes the rest."""
    made = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    stream = ahead(numbers(), 3)
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(made) <= 2 + 3 + 1


def test_an_error_reaches_whoever_takes_the_items() -> None:
    """At the item that could not be made."""

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk")

    stream = ahead(broken())
    assert next(stream) == 1
    with pytest.raises(OSError, match="disk"):
        next(stream)
