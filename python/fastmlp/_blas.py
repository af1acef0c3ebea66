"""BLAS's own threads, which keep the cores busy that ours need."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


class BlasThreads:
    """The threads of NumPy's and SciPy's BLAS; their number is the whole process's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._numbers: list[int] = []

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Leave BLAS one thread until the last of those who ask for it has ended.

        Its threads look out for work for a while after each call. Were it to get them
        back while another training lasts, that one's sums would change in mid-course.
        """
        with self._lock:
            if self._users == 0:
                self._numbers = [blas.get_num_threads() for blas in _libraries()]
                _set_threads([1] * len(self._numbers))
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    _set_threads(self._numbers)


blas_threads = BlasThreads()


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    # Slow: it looks through all shared libraries. With OpenMP's threads, BLAS shares
    # ours, and its number is the calling thread's.
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [blas for blas in found if getattr(blas, "threading_layer", "") != "openmp"]


def _set_threads(numbers: list[int]) -> None:
    for blas, number in zip(_libraries(), numbers, strict=True):
        _release(blas)
        blas.set_num_threads(number)
        _release(blas)


def _release(blas: Any) -> None:
    # Since threadpoolctl 3.8, what other threads set does nothing after the first one's.
    if hasattr(blas, "clear_controlling_thread"):
        blas.clear_controlling_thread(force=True)
