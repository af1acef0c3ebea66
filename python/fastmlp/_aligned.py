"""Arrays that begin at a cache line, large ones at a page.

One row reads large weights a fifth faster that begin at a line, and some as much again
that begin at a page: processors do not fetch ahead from one page into the next.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Bytes. NumPy's own large arrays begin 16 bytes after a page.
_CACHE_LINE = 64
_PAGE = 4096
_LARGE = 64 * _PAGE


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of any numbers."""
    return _placed(np.empty, shape, dtype)


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros."""
    return _placed(np.zeros, shape, dtype)


def copy(array: NDArray[Any], dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return a copy, with its own dtype where none is given."""
    copied = empty(array.shape, array.dtype if dtype is None else dtype)
    copied[...] = array
    return copied


def moved(array: Any) -> Any:
    """Return a copy of an array of floats that begins elsewhere, or what there is.

    Memory maps and arrays that must not be written to stay where they are: they are
    likely to be shared with others.
    """
    if (
        type(array) is not np.ndarray
        or array.dtype.kind != "f"
        or not array.flags.writeable
        or array.ctypes.data % _boundary(array.nbytes) == 0
    ):
        return array
    return copy(array)


def _boundary(n_bytes: int) -> int:
    return _PAGE if n_bytes >= _LARGE else _CACHE_LINE


def _placed(
    allocate: Callable[..., NDArray[Any]], shape: tuple[int, ...], dtype: DTypeLike
) -> NDArray[Any]:
    n_bytes = prod(map(int, shape)) * np.dtype(dtype).itemsize
    boundary = _boundary(n_bytes)
    room = allocate(n_bytes + boundary, np.uint8)
    start = -room.ctypes.data % boundary
    return room[start : start + n_bytes].view(dtype).reshape(shape)
