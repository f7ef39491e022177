"""What is told of a machine before Dia runs on it."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from pipeline.engines import Machine
from pipeline.engines.dia.describe import describe
from pipeline.engines.dia.devices import (
    choose,
    devices,
    memory,
    threads,
)
from tests.support import tiny_dia


def test_this_machine_is_described(tmp_path: Path) -> None:
    """Every device torch has, the choice that would be made, and with weights how many takes at once."""
    found = devices()
    lines = dict(describe(Machine(), None))
    named = {"threads", "memory", "instruction sets", "kernels", "dia runs on"}
    assert lines.keys() == {f"device {one.name}" for one in found} | named
    assert len(found) == 1 + torch.cuda.device_count() + torch.backends.mps.is_available() + torch.xpu.device_count()
    choice = choose(None, None)
    assert lines["dia runs on"].startswith(f"{choice.device} in {choice.precision}: {choice.why}.")
    assert all(one.memory_bytes > 0 and one.model for one in found)
    assert lines["threads"].startswith(f"{torch.get_num_threads()} of {threads()} physical cores")
    assert 1 <= threads() <= (os.cpu_count() or 1)
    for one in found:
        usable = memory(torch.device(one.name))
        assert 0 < usable.available <= usable.total
    tiny_dia.write_transformers(tmp_path, tiny_dia.TINY, tiny_dia.make_state(tiny_dia.TINY))
    lines = dict(describe(Machine(slots=5, kernels="torch"), tmp_path))
    assert lines["kernels"].startswith("none of our own")
    assert lines["slots in int8"].startswith("5 takes of 20 s at once")
