"""Zip packages for tests: from parts written by hand, and damaged on purpose."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping


def zipped(parts: Mapping[str, str | bytes], *, stored: bool = False) -> bytes:
    """A zip file of those members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as package:
        for name, data in parts.items():
            package.writestr(name, data)
    return file.getvalue()


def encrypted(data: bytes) -> bytes:
    """The same zip file with the flag for a password on each member."""
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := data.find(sign, start + 1)) >= 0:
            (flags,) = struct.unpack_from("<H", data, start + at)
            data = data[: start + at] + struct.pack("<H", flags | 1) + data[start + at + 2 :]
    return data
