"""What tests of the drop folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.served import Served, serving, write_show
from tests.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "drop")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`podcast serve`, with a drop folder, in a folder with a manifest; on a free port, with its own Prefect home."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "manifests").mkdir()
    write_show(folder / "manifests", "show")
    with serving(folder, "--watch", "night") as served:
        yield served
