"""How many threads a call may use."""

from __future__ import annotations

import os
from functools import lru_cache

import joblib

from . import _core


@lru_cache(maxsize=1)
def _physical_cores() -> int:
    # Slow: it starts a process. Cached as scikit-learn does.
    return int(joblib.cpu_count(only_physical_cores=True))


def _usable_cores() -> int:
    """Return the physical cores this process may use, by quota and affinity."""
    cores = _physical_cores()
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    return cores


def effective_n_threads(n_threads: int | None = None) -> int:
    """Return the number of threads that a call with this `n_threads` uses.

    Asked anew at each call, so that ``threadpoolctl``, ``OMP_NUM_THREADS`` and joblib's
    limits on nested parallelism count.

    Parameters
    ----------
    n_threads : int or None, default=None
        None means all that OpenMP allows, but no more than the physical cores that this
        process may use (those of the first call, by affinity and its control group's
        quota, or fewer if the affinity is narrower now), unless the environment variable
        ``OMP_NUM_THREADS`` is set.
        A positive number is taken as it is. A negative one counts from the end: -1 is
        what None means, -2 one thread less, and so on down to one.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        Where `n_threads` is zero.
    """
    if n_threads is not None and n_threads > 0:
        return min(int(n_threads), 2**31 - 1)
    if n_threads == 0:
        raise ValueError("n_threads must be None, positive or negative, got 0")
    limit = _core.max_threads()
    if not os.environ.get("OMP_NUM_THREADS"):
        limit = min(limit, _usable_cores())
    return limit if n_threads is None else max(1, limit + 1 + int(n_threads))
