"""descript-audio-codec is imported as it is, and transformers after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dac_fixtures import problems


@pytest.mark.slow
def test_the_package_imports_whatever_torch_is_built_for_and_transformers_after_it() -> None:
    """torchaudio stays the real one, for other libraries; what somebody's failed import of it left does no harm."""
    program = """
try:
    import torchaudio
except (ImportError, OSError, RuntimeError):
    pass
from pipeline.engines.dia.codec.dac_import import dac_class, import_torchaudio
made = dac_class()
import torch, torchaudio
from transformers import DacModel
import_torchaudio()
decibels = torchaudio.functional.amplitude_to_DB(torch.tensor([100.0]), 10, 1e-10, 0)
print(made.__name__, DacModel.__name__, float(decibels))
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.stdout.split() == ["DAC", "DacModel", "20.0"], done.stderr


def test_a_missing_package_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    monkeypatch.setitem(sys.modules, "dac.model.dac", None)
    assert "descript-audio-codec: cannot be imported" in problems(package)
