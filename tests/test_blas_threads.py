"""BLAS has one thread while L-BFGS runs, and afterwards those that it had."""

from __future__ import annotations

import threading
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fastmlp import MLPRegressor, _lbfgs
from fastmlp._blas import BlasThreads


def found():
    return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        if found() != {2}:
            pytest.skip("no BLAS library here takes a number of threads")
        yield
        assert found() == {2}


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt])
def test_lbfgs(error, monkeypatch):
    """However it ends."""
    seen = []

    class Objective(_lbfgs.Objective):
        def __call__(self, packed):
            seen.append(found())
            if error and len(seen) == 2:
                raise error
            return super().__call__(packed)

    monkeypatch.setattr(_lbfgs, "Objective", Objective)
    x = np.random.default_rng(0).normal(size=(60, 3))
    model = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error) if error else nullcontext():
            model.fit(x, x[:, 0])
    assert len(seen) >= 2
    assert all(threads == {1} for threads in seen)


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_users_at_the_same_time(first_ends_first):
    """They may overlap in any order: BLAS has one thread until the last one ends."""
    threads = BlasThreads()
    entered, leave = threading.Event(), threading.Event()

    def second():
        with threads.held_back():
            entered.set()
            leave.wait(10)

    other = threading.Thread(target=second)
    with threads.held_back():
        other.start()
        assert entered.wait(10)
        if not first_ends_first:
            leave.set()
            other.join()
        assert found() == {1}
    if first_ends_first:
        assert found() == {1}
        leave.set()
        other.join()
    assert found() == {2}
    with threads.held_back():
        assert found() == {1}
