"""Items made ahead of their use, and work that is done again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.threads import ahead, every
from tests.support.processes import WAIT_S, until

NOW, NEVER = 1e-4, 1e6  # seconds


@given(st.lists(st.integers() | st.none()), st.integers(1, 5))
def test_all_items_come_in_order(items: list[int | None], count: int) -> None:
    """However far ahead they are made."""
    assert list(ahead(iter(items), count)) == items


def test_no_more_is_made_than_asked_for() -> None:
    """Memory stays bounded, also when nobody takes the rest."""
    made = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    stream = ahead(numbers(), 3)
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(made) <= 2 + 3 + 1


def test_an_error_reaches_whoever_takes_the_items() -> None:
    """At the item that could not be made."""

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk")

    stream = ahead(broken())
    assert next(stream) == 1
    with pytest.raises(OSError, match="disk"):
        next(stream)


def test_work_is_done_again_and_again_until_the_block_ends() -> None:
    """In a thread that is gone then."""
    threads: list[threading.Thread] = []
    with every(NOW, lambda: threads.append(threading.current_thread())):
        until(lambda: len(threads) > 3)
    count = len(threads)
    (thread,) = set(threads)
    assert not thread.is_alive()
    assert thread.daemon
    assert len(threads) == count


def test_the_block_waits_for_work_under_way() -> None:
    """And not for the next time."""
    begun, may_end, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        assert may_end.wait(WAIT_S)
        ended.append(True)

    with every(NOW, work):
        assert begun.wait(WAIT_S)
        may_end.set()
    assert ended
    with every(NEVER, ended.clear):
        pass
    assert ended


def test_work_that_fails_is_logged_once_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each time it began to fail."""
    outcomes = iter([OSError("first"), OSError("again"), None, OSError("second")])
    calls: list[object] = []

    def work() -> None:
        calls.append(outcome := next(outcomes, None))
        if outcome is not None:
            raise outcome

    with caplog.at_level(logging.WARNING), every(NOW, work):
        until(lambda: len(calls) > 5)
    raised = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(error) for error in raised] == ["first", "second"]


def test_an_error_of_the_block_ends_the_work() -> None:
    """And is the block's own."""
    calls: list[bool] = []
    with pytest.raises(ZeroDivisionError), every(NOW, lambda: calls.append(True)):
        until(lambda: calls)
        raise ZeroDivisionError
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("every")]
