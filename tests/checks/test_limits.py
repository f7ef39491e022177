"""Each limit has its reason, and the page for producers has them all."""

from __future__ import annotations

from pathlib import Path

from pipeline.checks.limits import LIMITS

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"


def test_the_page_has_every_limit_as_it_is() -> None:
    """A changed limit is changed there, too."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{name}` | {limit.bad:g} | {limit.unsure:g} | {limit.cost:g} | {limit.reason} |"
        for name, limit in LIMITS.items()
    ]


def test_limits_are_sound() -> None:
    """What is bad is at least unsure; a fault costs something, and not more than all."""
    assert all(limit.unsure <= limit.bad and 0 < limit.cost <= 1 and limit.reason for limit in LIMITS.values())
