"""Samples: those that others disturbed are dropped, and alternatives are measured in turn."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bench.samples import ENOUGH, QUIET, Sample, in_turn, select


@pytest.mark.parametrize(
    ("others", "kept", "dropped", "noisy"),
    [
        ([0.0, 0.0, 0.0], 3, 0, False),
        ([0.0, 0.9, 0.01, 0.0], 3, 1, False),
        ([None, None, None], 3, 0, False),  # nothing tells, so nothing is dropped
        ([0.0, 0.9, 0.9, 0.0], 4, 0, True),
        ([0.9], 1, 0, True),
        ([0.0], 1, 0, False),
    ],
)
def test_samples_that_others_disturbed_are_dropped(
    others: list[float | None], kept: int, dropped: int, noisy: bool
) -> None:
    """As long as enough are left; otherwise all count, and it is said."""
    found = select([Sample(1.0, share) for share in others])
    assert (found.samples, found.dropped, found.noisy) == (kept, dropped, noisy)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.one_of(st.none(), st.floats(0, 1))), min_size=ENOUGH, max_size=20))
def test_a_median_of_clean_samples_is_not_moved_by_noisy_ones(samples: list[tuple[float, float | None]]) -> None:
    """Whatever the others' samples are."""
    made = [Sample(seconds, others) for seconds, others in samples]
    clean = [sample.seconds for sample in made if sample.others is None or sample.others <= QUIET]
    found = select(made)
    assert found.samples + found.dropped == len(made)
    if len(clean) >= ENOUGH:
        assert found.seconds == np.median(clean)
    else:
        assert found.noisy
        assert found.seconds == np.median([sample.seconds for sample in made])


def test_no_sample_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="no sample"):
        select([])


def test_alternatives_are_measured_in_turn() -> None:
    """One call of each that does not count, then one sample of each, again and again."""
    called: list[str] = []
    ticks: list[int] = []
    found = in_turn(
        {name: partial(called.append, name) for name in "ab"},
        wanted=2,
        least_s=0.0,
        on_sample=lambda: ticks.append(1),
    )
    assert called[:6] == ["a", "b", "a", "b", "a", "b"]
    assert found.keys() == {"a", "b"}
    assert all(measured.seconds >= 0 and measured.samples >= 2 for measured in found.values())
    assert len(ticks) == 4
