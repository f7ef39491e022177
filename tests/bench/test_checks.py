"""The benchmark of the checks: what it counts, and its intervals."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pipeline.bench.checks import bench_checks, interval, table
from pipeline.engines import DraftVoice, Voice, open_engine
from pipeline.engines.plants import KINDS

VOICES = [Voice("one", DraftVoice()), Voice("two", DraftVoice("m3", pitch=40))]


def test_what_is_planted_is_counted() -> None:
    """For every kind, on takes of the draft voice; progress goes to its end."""
    steps: list[tuple[float, float]] = []
    draft = {"draft": (open_engine("draft"), VOICES)}
    results = bench_checks(draft, 6, 2, lambda _stage, done, total: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1]
    assert all(speed > 0 for speed in results["times_real_time"].values())
    (one,) = json.loads(json.dumps(results))["engines"]
    assert [row["kind"] for row in one["kinds"]] == list(KINDS)
    assert all(row["found"]["of"] == 2 and row["found"]["count"] <= row["by_any"]["count"] <= 2 for row in one["kinds"])
    assert sum(row["found"]["count"] for row in one["kinds"]) >= 0.9 * 2 * len(KINDS)
    assert (one["takes"], one["false_alarms"]["of"], one["false_alarms"]["count"]) == (6, 6, 0)
    shown = table(results)
    assert all(f"| {kind} |" in shown for kind in KINDS)


def test_without_faults_nobody_speaks() -> None:
    """Only the speed is measured, at both sample rates."""
    results = bench_checks({}, 6, 0, lambda *_step: None)
    assert results["engines"] == []
    assert "at 24 kHz" in table(results) and "at 44.1 kHz" in table(results)


@given(st.integers(1, 300), st.data())
def test_an_interval_is_exact(of: int, data: st.DataObject) -> None:
    """At its ends what was counted is as unlikely as it may be."""
    count = data.draw(st.integers(0, of))
    low, high = interval(count, of)
    assert 0 <= low <= count / of <= high <= 1
    if count:
        assert binom.sf(count - 1, of, low) == pytest.approx(0.025, rel=1e-6)
    if count < of:
        assert binom.cdf(count, of, high) == pytest.approx(0.025, rel=1e-6)
