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
    return MLPClassifier(case["widths"][1:], batch_size=case["batch_size"],
                         max_iter=max_iter, tol=0, n_iter_no_change=max_iter + 1,
                         n_threads=1, random_state=0)

warnings.simplefilter("ignore")
start = time.perf_counter()
model(1).fit(x, y)
epoch = time.perf_counter() - start

sent = []
def interrupt(delay):
    time.sleep(delay)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

late = []
for delay in case["delays"]:
    if case["unit"] == "epoch":
        delay *= epoch
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threading.Thread(target=interrupt, args=(delay,), daemon=True).start()
        fitted = model(10**6).fit(x, y)
        late.append(time.perf_counter() - sent[-1])
    found = [(str(w.message), w.category.__name__) for w in caught]
    assert ("Training interrupted by user.", "UserWarning") in found, found
    assert np.isfinite(fitted.predict_proba(x[:100])).all()
    assert set(fitted.predict(x[:100])) <= set(range(5))
print(json.dumps({"late": late, "epoch": epoch}))
"""

cases = {
    "small steps": {
        "rows": 2000, "widths": [20, 64], "batch_size": 32,
        "delays": [0.05, 0.1, 0.2, 0.4, 0.7], "unit": "second",
    },
    "large network": {
        "rows": 5000, "widths": [784, 512, 512], "batch_size": 256,
        "delays": [0.05, 0.3, 0.5, 1.0], "unit": "second",
    },
    "one step lasts seconds": {
        "rows": 25000, "widths": [500, 600, 600], "batch_size": 25000,
        "delays": [0.2, 0.5, 1.3], "unit": "epoch",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", cases)
def test_interrupt(run_python, name, figure):
    """Within 0.2 s on a quiet machine; a second, or half a long step, on any."""
    done = run_python(script, json.dumps(cases[name]), timeout=120)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    figure(f"seconds to stop, {name}", max(measured["late"]))
    step = measured["epoch"] if cases[name]["unit"] == "epoch" else 0.0
    assert max(measured["late"]) < max(1.0, step / 2)
