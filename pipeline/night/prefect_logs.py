"""Prefect's log lines: what this package says in them, and nothing at length that was said in a line."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from prefect.logging import get_run_logger

from pipeline.errors import PodcastError, lines_of

_RUNS = "prefect.flow_runs"


class _Plain(logging.Filter):
    """No tracebacks of errors that are for people, which were told; and nothing of runs that wait for their turn."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, PodcastError) and "(at capacity)" not in record.getMessage()


def make_plain() -> None:
    """Have Prefect's loggers of runs say no more than people need; a second call changes nothing."""
    for name in ("prefect.runner", "prefect.engine", _RUNS):
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Plain) for one in logger.filters):
            logger.addFilter(_Plain())


def tell_run(lines: Sequence[str]) -> None:
    """Say how this flow run ended, also to a terminal that waits for it with `--watch`."""
    get_run_logger().info("\n".join(lines))
    _send()


def tell_failure(error: PodcastError) -> None:
    """Say why this flow run fails."""
    get_run_logger().error("\n".join(lines_of(error.problems)))
    _send()


def _send() -> None:
    """Have what was said sent now: Prefect would do it within two seconds, and whoever waits is gone by then."""
    for handler in logging.getLogger(_RUNS).handlers:
        handler.flush()
