"""Long work whose stages are kept: whoever asks again sees those that are there already, and then it goes on.

A lab keeps one per training (`functools.lru_cache`), so that controls which only look at the training in another way need none of their own.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Watched(Generic[T]):
    def __init__(self, work: Iterator[T]) -> None:
        self._work = work
        self._seen: list[T] = []
        self._lock = threading.Lock()  # two pages may watch

    def __iter__(self) -> Iterator[T]:
        for at in itertools.count():
            with self._lock:
                if at == len(self._seen):
                    try:
                        self._seen.append(next(self._work))
                    except StopIteration:
                        return
            yield self._seen[at]
