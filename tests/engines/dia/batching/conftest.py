"""What tests of batching share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import dia_fixtures


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """A tiny network is no faster with more, and much slower where other tests run beside it."""
    with dia_fixtures.threads(1):
        yield
