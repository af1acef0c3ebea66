"""What `fit` takes beside `X`: some copies of the parameters, and a batch's workspace."""

from __future__ import annotations

import sys

import pytest

fitting = """
import sys, warnings
import numpy as np
from fastmlp import MLPRegressor

def peak():  # MiB
    lines = open("/proc/self/status").read().splitlines()
    return sum(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 1024

warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(200, 500)).astype(sys.argv[1])
settings = {"max_iter": 2, "dtype": sys.argv[2], "batch_size": 100, "random_state": 0, "n_threads": 2}
settings["hidden_layer_sizes"] = (int(sys.argv[3]),) * 2
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
    done = run_python(fitting, *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return map(float, done.stdout.split())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("dtypes", [("float64", "float32"), ("float64", "float64")])
def test_x_is_never_copied(dtypes, run_python):
    """50,000 rows of 500 numbers are 200 MB, or 100 in float32."""
    used, _ = grown(run_python, *dtypes, 8, "", 50_000)
    assert used < 16


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("stopping", "copies"), [("", 7), ("stopping", 10)])
def test_parameters_are_held_a_few_times(stopping, copies, run_python, figure):
    """As docs/core.md counts them; a batch's workspace is 4 MB here."""
    used, parameters = grown(run_python, "float64", "float32", 1500, stopping, 300)
    assert parameters > 11
    figure(f"memory of fit in parameters {stopping}".strip(), used / parameters)
    assert used < copies * parameters + 10
