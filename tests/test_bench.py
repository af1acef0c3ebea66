"""The benchmarks' own network and tables: the same training as fastmlp's, runs on disk."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"

pytestmark = pytest.mark.skipif(not BENCH.exists(), reason="no bench/ beside tests/")


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """Find bench/, whose modules drop variables of the environment, for this test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.syspath_prepend(BENCH)


@pytest.mark.parametrize("changes", [{}, {"classes": 2}, {"classes": 0}])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_numpy_trains_as_fastmlp(activation, changes):
    import cases
    from peers import PEERS

    case = replace(cases.TRAININGS["tab"], rows=130, batch=50, epochs=3)
    case = replace(case, dtype="float64", activation=activation, **changes)
    losses = {}
    for name in ("fastmlp", "numpy"):
        session = PEERS[name].load()(case, 1)
        losses[name] = session.answer("train")
        assert session.restart() is None
        assert len(session.train()) == case.epochs
    np.testing.assert_allclose(losses["numpy"], losses["fastmlp"], rtol=1e-9)


def test_flops():
    import cases

    case = replace(cases.TRAININGS["tab"], rows=10, features=3, hidden=(5,), classes=4)
    assert case.weights == 3 * 5 + 5 * 4
    assert case.training_flops == 10 * (6 * 35 - 2 * 15)


def test_run_on_disk(tmp_path):
    pytest.importorskip("matplotlib")
    import cases
    import readme
    import record
    import report
    from measure import Timing

    case = cases.TRAININGS["tiny"]
    timings = [
        Timing(case, "train", peer, n, [seconds / n, seconds], [1.0, 1.0], [100.0])
        for peer, seconds in (("fastmlp", 0.002), ("sklearn", 0.001))
        for n in (1, 2)
    ]
    saved = record.Run(record.machine(), timings, [{"peer": "x", "reason": "y"}])
    run = record.load(record.save(saved, tmp_path / "run.json"))
    assert run == saved
    printed = "\n".join(report.summary(run))
    assert "Lost: 2" in printed
    assert "0.50x" in printed
    assert any("0.50x" in line for line in readme.table(run))
