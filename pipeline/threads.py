"""Threads: items made ahead of their use, one function on many items, and one function again and again."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

S = TypeVar("S")
T = TypeVar("T")

_END = object()
_log = logging.getLogger(__name__)


def ahead(items: Iterable[T], count: int = 4) -> Iterator[T]:
    """`items` in their order, made by a thread of their own that is up to `count` of them ahead."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[object]] = deque(thread.submit(next, iterator, _END) for _ in range(count))
        while (item := coming.popleft().result()) is not _END:
            coming.append(thread.submit(next, iterator, _END))
            yield item  # type: ignore[misc]  # it came out of `iterator`


def in_parallel(work: Callable[[S], T], items: Sequence[S], jobs: int, stop: threading.Event | None = None) -> list[T]:
    """`work` on every item in `jobs` threads (the heavy parts release the interpreter's lock).

    The first error ends it: what has not begun is dropped, and `stop` tells the rest.
    """
    # Left alone, numpy's linear algebra starts a thread for each core in each of ours, and they wait for one another.
    with threadpool_limits(1), ThreadPoolExecutor(max(jobs, 1)) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            if stop is not None:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def every(seconds: float, work: Callable[[], object]) -> Iterator[None]:
    """Call `work` every so many `seconds`, in a thread of its own, until the block ends and the last call has returned.

    What `work` raises is logged, once until a call has succeeded again, and the calls go on.
    """
    over = threading.Event()

    def repeat() -> None:
        fails = False
        while not over.wait(seconds):
            try:
                work()
            except Exception:
                if not fails:
                    _log.warning("what is done every %g s failed, and is tried again", seconds, exc_info=True)
                fails = True
            else:
                fails = False

    thread = threading.Thread(target=repeat, name=f"every {seconds:g} s", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
