"""The address of a scheduler."""

from __future__ import annotations

import re

import pytest

from pipeline.engines.cluster import check_address
from pipeline.errors import RequestError


@pytest.mark.parametrize("address", ["", "foo", "127.0.0.1:8786", "tcp://127.0.0.1", "http://h:1", "tcp://h:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """With the form of one that is."""
    with pytest.raises(RequestError, match=re.escape(f'the scheduler: "{address}" is not its address. Write one such')):
        check_address(address, "client")
