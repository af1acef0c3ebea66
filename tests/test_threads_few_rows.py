"""Threads that share the layers where there are too few rows to share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from conftest import Core
from fastmlp import MLPRegressor, _core
from reference import same_bits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def large_networks():
    """Return stacks of so many weights that threads are worth having for a row.

    With layers of fewer panels than threads, whole, partial and narrow ones.
    """
    alone = [("dropout", (0.2,)), ("gelu", ()), ("swish", (1.5,))]
    return {
        "relu": Core.stack("relu", (61, 2000, 1700, 20)),
        "bottleneck": Core.stack("gelu", (61, 2000, 1700, 13, 300, 7)),
        "norm before": Core.stack("tanh", (61, 2000, 1700, 1), "before", 0.2),
        "norm after": Core.stack("relu", (61, 2000, 1700, 16), "after", 0.2),
        "activations alone": [
            *alone, ("dense", (61, 2000)), *alone, ("dense", (2000, 1700)),
            ("dense", (1700, 7)), *alone,
        ],
    }  # fmt: skip


@pytest.mark.parametrize("name", large_networks())
def test_predict_few_rows_of_a_large_network(name, dtype):
    """Threads share its layers where rows are too few to share."""
    layers = large_networks()[name]
    one = Core(layers, dtype)
    x = np.random.default_rng(0).normal(size=(60, 61)).astype(dtype)
    parameters = one.draw(np.random.default_rng(1))
    whole = one.predict(x, parameters)
    for n_threads in (1, 2, 3, 8):
        net = Core(layers, dtype, n_threads)
        predictor = _core.predictors[net.dtype](
            net.network, parameters, _core.losses["squared_error"](),
            both_classes=False, flat=False, n_threads=n_threads,
        )  # fmt: skip
        for n in (1, 2, 3, 4, 5, 48):
            rows = x[60 - n :]
            repeats = 5 if n < 5 else 1
            for form in (rows, np.asfortranarray(rows)) * repeats:
                found = net.predict(form, parameters, check_finite=True)
                same_bits([found, predictor(form)], [whole[60 - n :]] * 2)
            bad = rows.copy()
            bad[-1, -1] = np.inf
            for form in (bad, np.asfortranarray(bad)):
                with pytest.raises(ValueError, match="x must hold finite numbers"):
                    net.predict(form, parameters, check_finite=True)


@pytest.mark.parametrize("n_in", [17, 300])
@pytest.mark.parametrize("n_out", [12, 16, 31, 32, 47, 48])
def test_weights_may_be_packed_or_not(n_in, n_out, dtype):
    net = Core([("dense", (n_in, n_out)), ("tanh", ())], dtype, 1)
    rng = np.random.default_rng(0)
    parameters = net.draw(rng)
    packed = _core.predictors[net.dtype](
        net.network, parameters, _core.losses["squared_error"](),
        both_classes=False, flat=False, n_threads=1,
    )  # fmt: skip
    for n in (5, 6, 7, 12, 13, 25, 144, 288):
        x = rng.normal(size=(n, n_in)).astype(dtype)
        same_bits([net.predict(x, parameters)], [packed(x)])


@pytest.mark.parametrize("n_threads", [1, 2, 3, 4])
@pytest.mark.parametrize("density", [1, 0.02])
def test_rows_in_any_number_of_blocks(density, n_threads, dtype):
    """One block or some for each thread, of weights that are packed or not."""
    rng = np.random.default_rng(0)
    x = sparse.random(1200, 400, density, "csr", dtype, rng)
    form = x.toarray() if density == 1 else x
    model = MLPRegressor(
        hidden_layer_sizes=(300, 70), n_threads=n_threads, dtype=dtype.name, max_iter=1
    ).fit(x[:60], rng.normal(size=60))
    predict = model.predictor()
    whole = np.concatenate([predict(form[i : i + 30]) for i in range(0, 1200, 30)])
    boundaries = [
        blocks * rows for blocks in (1, 2, 3, 4) for rows in (48, 72, 144, 288)
    ]
    for n in {n + more for n in boundaries for more in (-1, 0, 1)}:
        same_bits([model.predict(form[:n]), predict(form[:n])], [whole[:n]] * 2)


limited = """
import os
import numpy as np
from conftest import Core

layers = [("dense", (500, 9000)), ("dense", (9000, 7))]
net, one = Core(layers, "float32", 8), Core(layers, "float32")
parameters = net.draw(np.random.default_rng(0))
x = np.random.default_rng(1).normal(size=(60, 500)).astype("float32")
whole = one.predict(x, parameters)

def right():
    return all((net.predict(x[:n], parameters) == whole[:n]).all() for n in (1, 4, 48, 60))

assert right()
child = os.fork() if hasattr(os, "fork") else 0
if child == 0:
    assert right()
elif os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
    print("done")
"""


short = """
import sys
import numpy as np
from conftest import Core
from fastmlp import _core

dtype, n_threads = sys.argv[1], int(sys.argv[2])
layers = Core.stack("relu", (61, 1500, 500, 20))
one, net = Core(layers, dtype), Core(layers, dtype, n_threads)
parameters = one.draw(np.random.default_rng(0))
x = np.random.default_rng(1).normal(size=(8, 61)).astype(dtype)
whole = one.predict(x, parameters)
for n in range(1, 9):
    for _ in range(100):
        assert (net.predict(x[:n], parameters) == whole[:n]).all()
assert 0 < _core.short_calls_by_teams() < 800
print("done")
"""


@pytest.mark.parametrize("n_threads", ["2", "3"])
def test_a_row_that_is_shared_while_threads_are_awake(dtype, n_threads, run_python):
    """First by one thread, then by several."""
    done = run_python(short, np.dtype(dtype).name, n_threads)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("limit", ["1", "2", "8"])
def test_few_rows_on_fewer_threads_and_in_a_child(limit, run_python):
    """The runtime may give fewer threads than were asked for."""
    done = run_python(limited, OMP_THREAD_LIMIT=limit)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("widths", [(1, 13), (2, 29), (257, 13), (300, 1100)])
def test_a_last_panel_that_is_not_full(dtype, widths):
    """Its weights are read where they lie, but for what lies behind the last row."""
    net = Core([("dense", widths)], dtype)
    parameters = net.draw(np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(60, widths[0])).astype(dtype)
    whole = net.predict(x, parameters)
    for n in range(1, 6):
        same_bits([net.predict(x[:n], parameters)], [whole[:n]])
