"""`python -m fastmlp` and `show_versions`: what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import joblib
import numpy as np
import pytest
import sklearn
from threadpoolctl import threadpool_limits

import fastmlp
from fastmlp import _core, _threads


@pytest.fixture
def omp_num_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_main_trains_on_digits_beside_scikit_learn():
    process = subprocess.run(
        [sys.executable, "-m", "fastmlp"],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    output = process.stdout
    assert process.stderr == ""
    assert re.search(r"^epoch +fastmlp +scikit-learn$", output, re.MULTILINE)
    epochs = re.findall(r"^ +(\d+) +([\d.]+) +([\d.]+)$", output, re.MULTILINE)
    losses = np.array(epochs, dtype=float)
    assert len(losses) > 10
    assert losses[-1, 1] < losses[0, 1] / 10
    np.testing.assert_allclose(losses[:5, 1], losses[:5, 2], atol=2e-6)
    row = r"^{} +\d+ +(0\.\d+) +[\d.]+$"
    for name in ("fastmlp", "scikit-learn"):
        found = re.search(row.format(name), output, re.MULTILINE)
        assert float(found[1]) > 0.95


def test_show_versions_names_everything(capsys):
    fastmlp.show_versions()
    output = capsys.readouterr().out
    for fact in (
        fastmlp.__version__,
        _core.level,
        sys.version.split()[0],
        np.__version__,
        sklearn.__version__,
        *_core.levels,
        *_core.compiled_with().values(),
    ):
        assert fact in output
    for name in ("threads", "scipy", *_core.compiled_with()):
        assert f"{name}: " in output


def test_public_names():
    assert {"MLPClassifier", "MLPRegressor", "nn", "initializers"} < set(dir(fastmlp))
    assert all(hasattr(fastmlp, name) for name in fastmlp.__all__)


@pytest.mark.usefixtures("omp_num_threads")
def test_threads_follow_openmp_and_physical_cores(monkeypatch):
    physical = joblib.cpu_count(only_physical_cores=True)
    assert _threads.effective_n_threads() == min(_core.max_threads(), physical)
    monkeypatch.setattr(_core, "max_threads", lambda: 6, raising=False)
    monkeypatch.setattr(_threads, "_usable_cores", lambda: 4)
    assert _threads.effective_n_threads() == 4
    assert _threads.effective_n_threads(None) == 4
    assert _threads.effective_n_threads(9) == 9
    assert _threads.effective_n_threads(-1) == 4
    assert _threads.effective_n_threads(-2) == 3
    assert _threads.effective_n_threads(-100) == 1
    monkeypatch.setattr(_core, "max_threads", lambda: 3, raising=False)
    assert _threads.effective_n_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setattr(_core, "max_threads", lambda: 8, raising=False)
    assert _threads.effective_n_threads() == 8
    with pytest.raises(ValueError, match=r"n_threads must be .* got 0"):
        _threads.effective_n_threads(0)


def test_threads_follow_the_environment():
    script = "from fastmlp import _threads; print(_threads.effective_n_threads())"
    process = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"OMP_NUM_THREADS": "3"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.stdout.strip() == "3"


@pytest.mark.usefixtures("omp_num_threads")
def test_threads_follow_threadpoolctl():
    with threadpool_limits(1):
        assert _threads.effective_n_threads() == 1


@pytest.mark.usefixtures("omp_num_threads")
@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no affinity"
)
def test_threads_follow_the_affinity():
    before = os.sched_getaffinity(0)
    _threads.effective_n_threads()
    os.sched_setaffinity(0, {min(before)})
    try:
        assert _threads.effective_n_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


def worker_threads():
    return _threads.effective_n_threads()


@pytest.mark.usefixtures("omp_num_threads")
def test_workers_of_joblib_share_the_cores():
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        found = joblib.Parallel(n_jobs=2)(
            joblib.delayed(_threads.effective_n_threads)() for _ in range(2)
        )
    assert found == [1, 1]
