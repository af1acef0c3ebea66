"""A predictor shared by threads and by processes."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastmlp import MLPRegressor
from test_predictor import draw, fitted, same

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("rows", [1, 40, 3000])
def test_threads_share_a_predictor(rows, n_threads):
    """With a small and a large workspace, the GIL held and given up."""
    model = fitted("multiclass", "float32", n_threads=n_threads, batch_norm=True)
    predict = model.predictor()
    parts = [draw(rows, "float32", seed) for seed in range(8)]
    wanted = [predict(part) for part in parts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:

            def ask(i):
                repeats = max(5, 500 // rows)
                return [predict(parts[i]) for _ in range(repeats)]

            for _ in range(3):
                for answers, want in zip(pool.map(ask, range(8)), wanted, strict=True):
                    for answer in answers:
                        same(answer, want)
    finally:
        sys.setswitchinterval(interval)


def test_threads_share_a_row_for_many_callers():
    """Each caller has a team of its own, and one decides for all who does what."""
    x = draw(50, "float32", 0)
    y = np.sin(x[:, :2])
    model = MLPRegressor(hidden_layer_sizes=(1000, 700), max_iter=2, n_threads=2)
    model.fit(x, y)
    calls = model.predictor(), model.predict
    wanted = [np.concatenate([call(x[i : i + 1]) for i in range(50)]) for call in calls]
    with ThreadPoolExecutor(4) as pool:

        def ask(_):
            for call, want in zip(calls, wanted, strict=True):
                for i in range(50):
                    same(call(x[i : i + 1]), want[i : i + 1])

        for done in [pool.submit(ask, i) for i in range(8)]:
            done.result()


forking = """
import os, sys, threading, warnings
import numpy as np
from fastmlp import MLPClassifier

warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(3000, 50))
model = MLPClassifier((200,), max_iter=2, n_threads=2).fit(x, x[:, 0] > 0)
predict = model.predictor()
wanted, stop = predict(x), threading.Event()

def hammer():
    while not stop.is_set():
        predict(x)

threads = [threading.Thread(target=hammer) for _ in range(2)]
for thread in threads:
    thread.start()
results = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        same = np.array_equal(predict(x), wanted)
        same = same and np.array_equal(predict(x[0]), wanted[0])
        os._exit(0 if same else 1)
    results.append(os.waitpid(child, 0)[1])
stop.set()
for thread in threads:
    thread.join()
sys.exit(any(results))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_forks_while_other_threads_predict(run_python):
    done = run_python(forking)
    assert done.returncode == 0, done.stderr
