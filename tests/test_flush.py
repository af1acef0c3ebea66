"""Numbers too small to be normal: none are made in training, all others keep theirs."""

from __future__ import annotations

import platform
import signal
import sys

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastmlp import MLPRegressor, _core
from test_trainer import Fit

machine = platform.machine().lower()
flushes = machine in ("x86_64", "amd64", "aarch64", "arm64") and sys.maxsize > 2**32
needs_flush = pytest.mark.skipif(
    not flushes, reason="this processor's mode is not known"
)


def tiny(dtype):
    return np.finfo(dtype).tiny


def subnormals(arrays):
    return sum(np.count_nonzero((a != 0) & (abs(a) < tiny(a.dtype))) for a in arrays)


def are_kept(dtype):
    """Whether this thread makes numbers that are not normal."""
    return (np.full(100, tiny(dtype)) / dtype.type(4) > 0).all()


@needs_flush
@pytest.mark.parametrize("optimizer", _core.optimizers)
def test_training_makes_none(core, optimizer, dtype, n_threads):
    """Momentum of weights that learn no more decays, and would stay subnormal."""
    rng = np.random.default_rng(0)
    x = np.zeros((192, 40), dtype)
    x[:96] = rng.normal(size=(96, 40))
    layers = [("dense", (40, 64)), ("tanh", ()), ("dense", (64, 20))]
    fit = Fit(
        core, layers, "squared_error", (optimizer, ()), (x, x[:, :20].copy(), None),
        dtype=dtype.name, n_threads=n_threads, batch_size=96,
    )  # fmt: skip
    fit.epoch(np.arange(96))
    assert subnormals(fit.results()) == 0
    for _ in range(9000):  # 0.9 ** 9000 is less than any number
        fit.epoch(np.arange(96, 192))
    assert subnormals(fit.results()) == 0
    assert not fit.state.arrays()[0].any()
    assert are_kept(dtype)


@needs_flush
@pytest.mark.parametrize("optimizer", _core.optimizers)
def test_a_step_makes_none(optimizer, dtype):
    """Whatever it starts from; and normal numbers are what they would be."""
    starts = tiny(dtype) * np.array([0, 0.5, -1.05, -1.2, np.nan, 4], dtype)
    rule = _core.optimizers[optimizer]()

    def zeros(n):
        return [np.zeros(6, dtype) for _ in range(n)]

    def step(w, state):
        _core.update(rule, [w], zeros(1), state, [0.0], learning_rate=0.01, step=1)

    step(w := starts.copy(), zeros(rule.slots))
    step(np.ones(6, dtype), state := [starts.copy(), *zeros(rule.slots - 1)])
    for found, expected in ((w, starts), (state[0], dtype.type(0.9) * starts)):
        expected = np.where(abs(expected) < tiny(dtype), 0, expected)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)
    assert are_kept(dtype)


def test_predictions_keep_them_after_training(dtype):
    """On every thread, also those that have trained."""
    x = np.linspace(1, 2, 20_000, dtype=dtype)[:, None]
    expected = tiny(dtype) / 4 * x[:, 0]
    assert expected.all()
    model = MLPRegressor(
        hidden_layer_sizes=64, activation="identity", n_threads=2, max_iter=1,
        batch_size=len(x),
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning):
        model.fit(x, x[:, 0])
    model.coefs_ = [np.ones((1, 64), dtype), np.full((64, 1), tiny(dtype) / 256)]
    model.intercepts_ = [np.zeros(64, dtype), np.zeros(1, dtype)]
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-4, atol=0)


@pytest.mark.skipif(sys.platform == "win32", reason="no interval timers")
def test_signal_handlers_keep_them(core, dtype):
    """Python runs them in the middle of a long step, which ends at once."""
    kept = []

    def handle(*_):
        kept.append(are_kept(dtype))
        raise InterruptedError

    x = np.ones((20_000, 500), dtype)
    layers = [("dense", (500, 500)), ("tanh", ()), ("dense", (500, 500))]
    fit = Fit(
        core, layers, "squared_error", ("sgd", ()), (x, x, None),
        dtype=dtype.name, batch_size=len(x),
    )  # fmt: skip
    fit.begin(np.arange(len(x)))
    before = signal.signal(signal.SIGVTALRM, handle)
    try:
        with pytest.raises(InterruptedError):  # noqa: PT012  (may end before the step)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
            fit.trainer.run(1e9)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert fit.trainer.step == 0
    assert kept == [True]
    assert are_kept(dtype)
