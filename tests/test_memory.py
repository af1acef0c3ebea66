"""What training and predicting take beside `X`: copies of parameters, not of rows."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fastmlp import MLPClassifier

# Not ru_maxrss, which a process inherits from the one that started it.
peak = """
def peak():  # MiB
    lines = open("/proc/self/status").read().splitlines()
    return sum(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 1024
"""
reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

fitting = """
import sys, warnings
import numpy as np
from fastmlp import MLPRegressor

warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(200, 500)).astype(sys.argv[1])
settings = {"max_iter": 2, "dtype": sys.argv[2], "batch_size": 100, "random_state": 0, "n_threads": 2}
settings["hidden_layer_sizes"] = (int(sys.argv[3]),) * int(sys.argv[6])
settings["early_stopping"] = sys.argv[4] == "stopping"
MLPRegressor(**{**settings, "hidden_layer_sizes": (4,)}).fit(x, x[:, 0])
rows = int(sys.argv[5])
large = np.broadcast_to(x[:1], (rows, 500))  # each row the same, whatever the size
y = np.zeros(rows)
before = peak()
model = MLPRegressor(**settings).fit(large, y)
print(peak() - before, sum(w.nbytes for w in model.coefs_) / 2**20)
"""


def grown(run_python, *arguments):
    done = run_python(peak + fitting, *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return map(float, done.stdout.split())


@reads_proc
@pytest.mark.parametrize("dtypes", [("float64", "float32"), ("float64", "float64")])
def test_x_is_never_copied(dtypes, run_python):
    """50,000 rows of 500 numbers are 200 MB, or 100 in float32."""
    used, _ = grown(run_python, *dtypes, 8, "", 50_000, 2)
    assert used < 16


@reads_proc
@pytest.mark.parametrize(("stopping", "copies"), [("", 5), ("stopping", 8)])
@pytest.mark.parametrize(("width", "layers"), [(1500, 2), (735, 8)])
def test_parameters_are_held_a_few_times(
    width, layers, stopping, copies, run_python, figure
):
    """As docs/core.md counts them; a batch's workspace is up to 6 MB here.

    Weights of 735 x 735 are a little more than a huge page.
    """
    used, parameters = grown(
        run_python, "float64", "float32", width, stopping, 300, layers
    )
    assert parameters > 11
    figure(f"memory of fit in parameters {stopping}".strip(), used / parameters)
    assert used < copies * parameters + 10


large_batch = """
import warnings
import numpy as np
from fastmlp import MLPRegressor

warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(200_000, 20)).astype("float32")
model = MLPRegressor(hidden_layer_sizes=(64, 64), max_iter=1, random_state=0, n_threads=2)
model.fit(x, x[:, 0])
before = peak()
model.set_params(batch_size=len(x)).fit(x, x[:, 0])
print(peak() - before)
"""


@reads_proc
def test_large_batches_need_little(run_python):
    """Twice the widths of all layers for all rows at once would be 244 MiB."""
    done = run_python(peak + large_batch)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 10


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_no_array_of_python_s_is_as_large_as_x():
    tracemalloc = pytest.importorskip("tracemalloc")
    X = np.random.default_rng(0).normal(size=(40_000, 50))
    y = (X[:, 0] > 0).astype(int)
    for layout in (X, np.asfortranarray(X), X[::2, ::-1]):
        model = MLPClassifier((4,), dtype="float32", max_iter=1, random_state=0)
        target = y[: len(layout)]
        tracemalloc.start()
        model.fit(layout, target).predict(layout)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < layout.size * 4 / 2  # half of a float32 copy


predicting = """
import hashlib, itertools, sys, warnings
import numpy as np
from conftest import Core
from fastmlp import MLPClassifier


def leave(byte):  # in free memory, of which new memory is made
    for size in 2 ** np.arange(9, 23):
        blocks = [np.full(size, byte, np.uint8) for _ in range(3)]


warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
digest = hashlib.sha256()
choices = ("float32", "float64"), ("relu", "tanh"), (False, True), ((21, 37), (12,))
for dtype, activation, batch_norm, hidden in itertools.product(*choices):
    x = rng.normal(size=(150, 27)).astype(dtype)
    y = np.arange(150) % 3
    model = MLPClassifier(hidden, activation=activation, batch_norm=batch_norm,
                          dtype=dtype, max_iter=2, n_threads=1, random_state=0).fit(x, y)
    predictor = model.predictor()
    network = Core([("dense", (27, 3))], dtype, 1)
    parameters = network.draw(rng)
    for rows in 1, 3, 7, 16, 100, 150:
        for some in x[:rows], np.asfortranarray(x[:rows]):
            leave(int(sys.argv[1]))
            digest.update(model.predict_proba(some).tobytes())
            leave(int(sys.argv[1]))
            digest.update(predictor(some).tobytes())
            leave(int(sys.argv[1]))
            found = network.predict(some, parameters, check_finite=True)
            digest.update(found.tobytes())
print(digest.hexdigest())
"""


def test_new_memory_may_hold_anything(run_python):
    """Bytes of 255 are NaN in either precision."""
    heap = {
        "MALLOC_MMAP_THRESHOLD_": "100000000",
        "MALLOC_TRIM_THRESHOLD_": "100000000",
    }
    zero, nan = (run_python(predicting, byte, **heap) for byte in ("0", "255"))
    assert zero.returncode == 0, zero.stderr
    assert nan.stdout == zero.stdout, nan.stderr
