"""Ctrl-C ends a long fit at once and leaves a model that predicts."""

from __future__ import annotations

import json
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to oneself")

script = """
import json, os, signal, sys, threading, time, warnings
import numpy as np
from fastmlp import MLPClassifier

case = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
x = rng.standard_normal((case["rows"], case["widths"][0]), dtype=np.float32)
y = rng.integers(5, size=len(x))

def model(max_iter):
    return MLPClassifier(case["widths"][1:], batch_size=case["batch_size"] or len(x),
                         max_iter=max_iter, tol=0, n_iter_no_change=max_iter + 1,
                         n_threads=case["threads"], random_state=0)

# Python's own, also where the process began with the signal ignored (in the background).
signal.signal(signal.SIGINT, signal.default_int_handler)
warnings.simplefilter("ignore")
start, unit = time.perf_counter(), 1.0
if not case["batch_size"]:  # as many rows in one step as last some seconds
    model(1).fit(x[:1000], y[:1000])
    n = int(1000 * 5 / (time.perf_counter() - start))
    x, y = x[:n], y[:n]
    start = time.perf_counter()
    model(1).fit(x, y)
    unit = time.perf_counter() - start

sent = []
def interrupt(delay):
    time.sleep(delay)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

def interrupted_fit(delay):
    threading.Thread(target=interrupt, args=(delay,), daemon=True).start()
    return model(10**6).fit(x, y)

late, weights, restarted = [], [], False
for delay in case["delays"]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted = interrupted_fit(delay * unit)
        except KeyboardInterrupt:  # a slow machine had not begun to train
            restarted = True  # and may end a step now
            fitted = interrupted_fit(delay * unit + 2)
        late.append(time.perf_counter() - sent[-1])
    found = [(str(w.message), w.category.__name__) for w in caught]
    assert ("Training interrupted by user.", "UserWarning") in found, found
    weights.append(np.concatenate([coef.ravel() for coef in fitted.coefs_]))
    assert np.isfinite(fitted.predict_proba(x[:100])).all()
    assert set(fitted.predict(x[:100])) <= set(range(5))
same = restarted or all(np.array_equal(w, weights[0]) for w in weights)
print(json.dumps({"late": late, "unit": unit, "same": same}))
"""

cases = {
    "small steps": {
        "rows": 2000, "widths": [20, 64], "batch_size": 32, "threads": 1,
        "delays": [0.05, 0.1, 0.2, 0.4, 0.7],
    },
    "threads that exchange sums": {
        "rows": 5000, "widths": [54, 128, 128], "batch_size": 256, "threads": 2,
        "delays": [0.05, 0.1, 0.2, 0.4],
    },
    "large network": {
        "rows": 5000, "widths": [784, 512, 512], "batch_size": 256, "threads": 2,
        "delays": [0.05, 0.3, 0.5, 1.0],
    },
    "steps of seconds": {
        "rows": 15000, "widths": [200, 2000, 2000], "batch_size": 0, "threads": 1,
        "delays": [0.2, 0.3, 0.4],  # of a step, which goes in parts
    },
}  # fmt: skip


@pytest.mark.parametrize("name", cases)
def test_interrupt(run_python, name, figure):
    """Within 0.2 s on a quiet machine, within a second on any."""
    done = run_python(script, json.dumps(cases[name]), timeout=120)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    figure(f"seconds to stop, {name}", max(measured["late"]))
    bound = 1.0
    if not cases[name]["batch_size"]:
        figure("seconds a long step lasts", measured["unit"])
        bound = min(1.0, measured["unit"] / 2)  # earlier than the step's own end
        assert measured["same"]  # a step that is left has changed nothing
    assert max(measured["late"]) < bound
