"""The codec's benchmark."""

from __future__ import annotations

import pytest

from pipeline.bench.codec import bench_codec
from pipeline.bench.random_weights import BenchWeights
from pipeline.bench.table import codec_table


@pytest.mark.slow
def test_the_codec_is_measured(tiny: BenchWeights) -> None:
    """Both ways, in both precisions."""
    found = bench_codec(
        None, size="tiny", folder=tiny.dia.parent, seconds=0.2, samples=1, sample_s=0.0, kernels="torch"
    )
    assert [row["what"] for row in found["codec"]] == ["decode bf16", "decode fp32", "encode"]
    assert all(row["speed_x"] > 0 for row in found["codec"])
    assert found["seconds"] == pytest.approx(0.2, abs=0.01)
    table = codec_table(found)
    assert all(name in table for name in ("decode bf16", "encode", found["machine"]["cpu"]))
