"""Numbers as people read them."""

from __future__ import annotations

import pytest

from pipeline.words import clock, size_text, speed_text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 kB"), (1, "1 kB"), (40_000_000, "40 MB"), (3_240_000_000, "3.2 GB"), (1_500_000_000_000, "1.5 TB")],
)
def test_sizes_are_in_the_units_that_disks_are_sold_in(count: int, text: str) -> None:
    """And nothing that is there is 0."""
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3_599, "59:59"), (3_723, "1:02:03"), (360_000, "100:00:00")]
)
def test_lengths_of_time_have_hours_where_there_are_some(seconds: float, text: str) -> None:
    """To the nearest second."""
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("speed_x", "text"), [(0.0, "under 0.1"), (0.15, "0.1"), (0.2, "0.2"), (0.98, "1.0"), (2.44, "2.4"), (12.3, "12")]
)
def test_a_slow_machine_has_a_speed_too(speed_x: float, text: str) -> None:
    assert speed_text(speed_x) == text
