"""What benchmarks of the engine run on."""

from __future__ import annotations

import pytest

from pipeline.bench.random_weights import BenchWeights, random_weights


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> BenchWeights:
    """The tiny random weights."""
    return random_weights("tiny", tmp_path_factory.mktemp("bench"))
