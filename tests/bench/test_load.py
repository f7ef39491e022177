"""How long weights take to load, and how much memory."""

from __future__ import annotations

import sys

import pytest

from pipeline.bench.load import measure_loading
from pipeline.bench.random_weights import BenchWeights
from pipeline.engines import Machine
from pipeline.errors import EngineError

LOAD_KEYS = {
    "first_s", "first_peak_mb", "again_s", "noisy", "rss_mb", "peak_mb", "slots", "slots_rss_mb", "slots_peak_mb",
}  # fmt: skip


@pytest.mark.slow
def test_loading_is_measured_in_a_process_of_its_own(tiny: BenchWeights) -> None:
    """Nothing is left in the cache, and a process that fails says why."""
    machine = Machine(device="cpu", kernels="torch", slots=2)
    found = measure_loading("fp32", machine, tiny, 20, "[S1] Hello.")
    assert found.keys() == LOAD_KEYS
    assert found["first_s"] > 0
    if sys.platform.startswith("linux"):
        assert 0 < found["rss_mb"] <= found["peak_mb"] <= found["slots_peak_mb"]
        assert 0 < found["slots_rss_mb"] <= found["slots_peak_mb"]
    with pytest.raises(EngineError, match="no precision"):
        measure_loading("nine bits", machine, tiny, 20, "[S1] Hello.", first=False)
