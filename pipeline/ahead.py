"""Work on the next items while the last one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_END = object()


def ahead(items: Iterable[T], count: int = 4) -> Iterator[T]:
    """`items` in their order, made by a thread of their own that is up to `count` of them ahead."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[object]] = deque(thread.submit(next, iterator, _END) for _ in range(count))
        while (item := coming.popleft().result()) is not _END:
            coming.append(thread.submit(next, iterator, _END))
            yield item  # type: ignore[misc]  # it came out of `iterator`
