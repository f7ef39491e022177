"""A script means the same in every format."""

from __future__ import annotations
