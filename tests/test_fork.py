"""A child made by os.fork() after threaded work can fit and predict too."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")

script = """
import os, signal, sys, time
import numpy as np
from fastmlp import MLPClassifier

def fit(n_threads):
    model = MLPClassifier((300, 300), max_iter=2, n_iter_no_change=5, random_state=0,
                          n_threads=n_threads)
    model.fit(x, y)
    return [*model.coefs_, model.predict_proba(x)]

def equal(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))

def fork(work):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "time-out"

import warnings
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x, y = rng.normal(size=(1500, 100)).astype(sys.argv[1]), rng.integers(3, size=1500)
first = fit(2)
in_child = lambda: equal(fit(2), first)
results = [fork(in_child), fork(in_child), fork(lambda: fork(in_child) == 0)]
results.append(0 if in_child() else "parent")
sys.exit(str(results) if any(results) else 0)
"""


def test_fit_and_predict_in_a_child(run_python, dtype):
    """Twice, and in a grandchild; then in the parent again; with the same bits."""
    done = run_python(script, dtype.name, timeout=150)
    assert done.returncode == 0, done.stderr
