"""What NumPy's `RandomState` draws, bit for bit; by the core, which is faster."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.random import MT19937, RandomState
from numpy.typing import DTypeLike, NDArray

from . import _aligned, _core


def shuffle(random_state: RandomState, order: NDArray[np.int64]) -> None:
    """Shuffle in place as ``random_state.shuffle`` does, from the same draws."""
    generator = _generator_of(random_state)
    if generator is None:
        random_state.shuffle(order)
        return
    known = type(generator) is MT19937 and _knows_twister()
    with generator.lock:
        _core.shuffle(order, generator.capsule, mersenne_twister=known)


def uniform(
    random_state: RandomState, bound: float, shape: tuple[int, ...], dtype: DTypeLike
) -> NDArray[Any]:
    """Return ``random_state.uniform(-bound, bound, shape)``, rounded to `dtype`."""
    generator = _generator_of(random_state)
    numbers = _aligned.empty(shape, dtype)
    if (
        type(generator) is not MT19937
        or numbers.dtype not in _core.networks
        or not _draws_alike()
    ):
        numbers[...] = random_state.uniform(-bound, bound, shape)
        return numbers
    with generator.lock:
        _core.uniform(numbers.reshape(-1), -bound, bound, generator.capsule)
    return numbers


def normal(
    random_state: RandomState,
    deviation: float,
    shape: tuple[int, ...],
    dtype: DTypeLike,
) -> NDArray[Any]:
    """Return ``random_state.normal(0, deviation, shape)``, rounded to `dtype`."""
    numbers = _aligned.empty(shape, dtype)
    numbers[...] = random_state.normal(0.0, deviation, shape)
    return numbers


def _generator_of(random_state: RandomState) -> Any:
    """Return its bit generator; None for one of a class that may draw otherwise."""
    if type(random_state) is not RandomState:
        return None
    return getattr(random_state, "_bit_generator", None)


@cache
def _knows_twister() -> bool:
    """Return whether this NumPy keeps its generator's state as the core expects.

    That is no part of NumPy's interface; but to shuffle by calls for each number takes
    twice as long, and to have uniform numbers drawn by NumPy ten times as long.
    """
    generator = MT19937(0)
    generator.random_raw(5)
    state = generator.state["state"]
    return _core.holds_words(generator.capsule, state["key"], state["pos"])


@cache
def _draws_alike() -> bool:
    """Return whether the core's uniform numbers are this NumPy's, to the last bit.

    They are not where its compiler has contracted a product and a sum into one operation.
    """
    if not _knows_twister():
        return False
    numbers, generator = np.empty(1000), MT19937(0)
    _core.uniform(numbers, -0.1, 0.1, generator.capsule)
    expected = RandomState(MT19937(0)).uniform(-0.1, 0.1, numbers.size)
    return np.array_equal(numbers, expected)
