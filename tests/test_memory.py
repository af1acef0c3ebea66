"""What training and predicting take beside `X`: copies of parameters, not of rows."""

from __future__ import annotations

import mmap
import sys

import numpy as np
import pytest

from fastmlp import MLPClassifier, _core

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
settings = {"max_iter": 2, "dtype": sys.argv[2], "random_state": 0, "n_threads": 2}
settings["batch_size"] = int(sys.argv[7])
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
    used, _ = grown(run_python, *dtypes, 8, "", 50_000, 2, 100)
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
        run_python, "float64", "float32", width, stopping, 300, layers, 100
    )
    assert parameters > 11
    figure(f"memory of fit in parameters {stopping}".strip(), used / parameters)
    assert used < copies * parameters + 10


@reads_proc
@pytest.mark.parametrize(("stopping", "copies"), [("", 5), ("stopping", 8)])
def test_parameters_in_tiles_are_held_once_less(run_python, stopping, copies, figure):
    """A batch's workspace is up to 10 MB, and that of tiles up to 10 MB."""
    used, parameters = grown(
        run_python, "float64", "float32", 1500, stopping, 300, 3, 256
    )
    has_unit = _core.level == "x86_64_v4_amx"
    figure(f"memory of fit in tiles {stopping}".strip(), used / parameters)
    assert used < (copies - has_unit) * parameters + 13 + 7 * has_unit


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


# In pages of the usual size alone.
counting = """
import ctypes, resource, sys, warnings
import numpy as np
from fastmlp import MLPRegressor

PR_SET_THP_DISABLE = 41
assert ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(10, 1000)).astype("float32")
settings = {"max_iter": 1, "dtype": "float32", "n_threads": int(sys.argv[1])}
MLPRegressor(hidden_layer_sizes=(4,), **settings).fit(x, x[:, 0])
before = faults()
model = MLPRegressor(hidden_layer_sizes=(400,), **settings).fit(x, x[:, 0])
found = faults() - before
print(found * resource.getpagesize() / sum(w.nbytes for w in model.coefs_))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the page faults of Linux")
@pytest.mark.skipif(mmap.PAGESIZE > 16384, reason="few pages, beside stray ones")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_pages_are_mapped_once(run_python, n_threads, figure):
    """Each page of the parameters' four copies.

    Two more times for Adam's moments, if they were read as the page of zeros first.
    """
    done = run_python(counting, str(n_threads))
    assert done.returncode == 0, done.stderr
    times = float(done.stdout)
    figure("page faults of a fit in pages of parameters", times)
    assert 3 < times < 5


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
import sys, warnings
import numpy as np
from fastmlp import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(200, 500))
y = x[:, 0]
settings = {"hidden_layer_sizes": (4,), "max_iter": 1, "dtype": "float32", "n_threads": 2}
classifier = MLPClassifier(**settings).fit(x, y > 0)
regressor = MLPRegressor(**settings).fit(x, y)
calls = [classifier.predict_proba, classifier.predict, regressor.predict,
         classifier.predictor(), regressor.predictor()]
large = np.broadcast_to(x[:1], (50_000, 500))  # 200 MB, all the same row
for call in calls:
    call(large[:1000])
    before = peak()
    assert len(call(large)) == len(large)
    print(peak() - before)
"""


@reads_proc
def test_predictions_of_estimators_need_little(run_python):
    """Beside the result: no copy of X, nor a conversion of it as a whole."""
    done = run_python(peak + predicting)
    assert done.returncode == 0, done.stderr
    grown = [float(line) for line in done.stdout.split()]
    assert len(grown) == 5
    assert max(grown) < 10, grown


predicting_wide = """
import numpy as np
from fastmlp import _core, nn
net = _core.networks[np.dtype("float64")]([nn.Dense(9, 800), nn.ReLU(), nn.Dense(800, 1)])
parameters = [np.ones(shape) for _, shape, _ in net.slices]
x, loss, most = np.ones((50_000, 9)), nn.SquaredError(), []
for n in (1000, 50_000):
    net.predict(x[:n], parameters, loss, n_threads=2)
    most.append(peak())
print(most[1] - most[0])
"""


@reads_proc
def test_predictions_of_wide_layers_need_little(run_python):
    """All 50,000 rows of 800 hidden units at once would be 305 MiB."""
    done = run_python(peak + predicting_wide)
    assert float(done.stdout) < 100, done.stderr


predicting_few = """
import numpy as np
from fastmlp import _core, nn
net = _core.networks[np.dtype("float32")]([nn.Dense(3000, 3000)])
parameters = [np.ones(shape, "float32") for _, shape, _ in net.slices]
x, loss, before = np.ones((288, 3000), "float32"), nn.SquaredError(), peak()
for n, n_threads in ((1, 2), (5, 2), (48, 2), (144, 2), (288, 1)):
    net.predict(x[:n], parameters, loss, n_threads=n_threads)
print(peak() - before)
"""


@reads_proc
def test_predictions_of_a_few_rows_copy_no_weights(run_python):
    """A copy would be 34 MiB."""
    done = run_python(peak + predicting_few)
    assert float(done.stdout) < 15, done.stderr


sparse_rows = """
import warnings
import numpy as np
from scipy.sparse import csr_array
from fastmlp import MLPRegressor

warnings.simplefilter("ignore")
settings = {"hidden_layer_sizes": (16,), "max_iter": 2, "batch_size": 300, "n_threads": 2}


def rows(columns):
    entries = np.arange(3000) * (columns // 3000)
    return csr_array((np.ones(3000), entries, np.arange(0, 3001, 10)), (300, columns))


y = np.arange(300) / 300
MLPRegressor(**settings).fit(rows(3000), y).predict(rows(3000))
x = rows(200_000)
before = peak()
model = MLPRegressor(**settings).fit(x, y)
fitted = peak()
model.predict(x)
model.predictor()(x)
print(fitted - before, peak() - before)
"""


@reads_proc
def test_sparse_rows_are_not_made_dense(run_python):
    """A batch would be 458 MiB, and 50 rows at a time 76; all weights are 24 MiB."""
    done = run_python(peak + sparse_rows)
    assert done.returncode == 0, done.stderr
    fitted, all_of_it = map(float, done.stdout.split())
    assert fitted < 7 * 24
    assert all_of_it < 7 * 24


predicting_in_used_memory = """
import hashlib, itertools, sys, warnings
import numpy as np
from conftest import Core
from fastmlp import MLPClassifier


def leave(byte):  # in free memory, of which new memory is made
    for size in 2 ** np.arange(9, 20):
        blocks = [np.full(size, byte, np.uint8) for _ in range(3)]


warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
digest = hashlib.sha256()
choices = ("float32", "float64"), ("relu", "tanh"), (False, True), ((21, 37), (12,))
for dtype, activation, batch_norm, hidden in itertools.product(*choices):
    x = rng.normal(size=(300, 27)).astype(dtype)
    y = np.arange(300) % 3
    model = MLPClassifier(hidden, activation=activation, batch_norm=batch_norm,
                          dtype=dtype, max_iter=2, n_threads=1, random_state=0).fit(x, y)
    predictor = model.predictor()
    network = Core([("dense", (27, 3))], dtype, 1)
    parameters = network.draw(rng)
    for rows in 1, 3, 7, 16, 100, 150, 300:
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
        "MALLOC_MMAP_THRESHOLD_": "33554432",
        "MALLOC_TRIM_THRESHOLD_": "33554432",
    }
    zero, nan = (
        run_python(predicting_in_used_memory, byte, **heap) for byte in ("0", "255")
    )
    assert zero.returncode == 0, zero.stderr
    assert nan.stdout == zero.stdout, nan.stderr
