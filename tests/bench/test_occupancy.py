"""The share of slots in use."""

from __future__ import annotations

from pipeline.bench.engine import chunks
from pipeline.bench.occupancy import occupancy


def test_slots_of_a_long_job_are_full() -> None:
    """Takes that all last as long leave none of them empty; one long take leaves all others so."""
    assert occupancy(4, [1.0] * 8)["occupancy"] == 1.0
    assert occupancy(4, [0.2] * 3 + [4.0])["occupancy"] < 0.5
    found = occupancy(8, [length / 4 for _text, length in chunks(100)])
    assert (found["chunks"], found["slots"]) == (100, 8)
    assert 0.8 < found["occupancy"] < 1
