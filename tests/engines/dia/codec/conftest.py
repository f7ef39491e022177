"""The codec with tiny weights, in both formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engines.dia.codec.codec import Codec, load_codec
from tests.support import tiny_dac


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dac.write_package(tmp_path_factory.mktemp("package") / "weights.pth")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dac.write_transformers(tmp_path_factory.mktemp("transformers"))


@pytest.fixture(scope="session")
def codec(package: Path) -> Codec:
    return load_codec(package)
