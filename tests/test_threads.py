"""The same bits for any number of threads, in networks where threads really work."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastmlp import _core


def build(norm, rate, widths=(784, 512, 512, 10)):
    layers = []
    for n_in, n_out in itertools.pairwise(widths[:-1]):
        layers.append(("dense", (n_in, n_out)))
        layers += [("batch_norm", (n_out,))] * norm
        layers += [("relu", ())] + [("dropout", (rate,))] * (rate > 0)
    return [*layers, ("dense", widths[-2:])]


def draw(widths, dtype, n):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, widths[0])).astype(dtype)
    return x, rng.integers(widths[-1], size=n), rng.uniform(0.5, 2, n)


def train(core, layers, data, optimizer, dtype, n_threads, batch_size, epochs=2):
    """Return every number that training changes."""
    net = core(layers, dtype, n_threads)
    parameters = net.draw(np.random.default_rng(1))
    state = net.state(optimizer, parameters)
    trainer = net.trainer(
        "softmax_cross_entropy", optimizer, data, parameters, state,
        batch_size=batch_size, alpha=1e-3, seed=4,
    )  # fmt: skip
    curve, n = [], len(data[0])
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(n)
        trainer.begin_epoch(order, np.full(-(-n // batch_size), 1e-2))
        while not trainer.run(1.0):
            pass
        curve.append(trainer.loss)
    trainer.write_back()
    return [*parameters, *state, np.array(curve)]


def same_bits(found, right):
    for f, r in zip(found, right, strict=True):
        assert f.tobytes() == r.tobytes()


@pytest.mark.parametrize("norm", [False, True], ids=["", "batch norm"])
@pytest.mark.parametrize("rate", [0.0, 0.3], ids=["", "dropout"])
def test_large_network(core, dtype, norm, rate):
    layers, data = build(norm, rate), draw((784, 10), dtype, 600)
    runs = [
        train(core, layers, data, ("adam", ()), dtype, n_threads, batch_size=256)
        for n_threads in (1, 2, 4, 1)
    ]
    assert all(np.isfinite(array).all() for array in runs[0])
    for other in runs[1:]:
        same_bits(other, runs[0])


@pytest.mark.parametrize("optimizer", [("sgd", ()), ("adam", ())], ids=lambda o: o[0])
@pytest.mark.parametrize(
    ("widths", "batch_size"),
    [
        ((1, 1, 1), 1),
        ((20, 64, 2), 32),
        ((54, 128, 128, 7), 256),
        ((300, 17, 500, 33), 777),
        ((3, 1000, 1), 65),
        ((1000, 3, 2), 321),
    ],
)
def test_shapes(core, dtype, optimizer, widths, batch_size):
    n = 50 if batch_size == 1 else 1000
    layers, data = build(True, 0.2, widths), draw(widths, dtype, n)
    one, *others = (
        train(core, layers, data, optimizer, dtype, n_threads, batch_size)
        for n_threads in (1, 2, 3, 4)
    )
    for other in others:
        same_bits(other, one)


@pytest.mark.parametrize("loss", _core.losses)
@pytest.mark.parametrize("n", [1, 63, 1000])
def test_predict(core, dtype, loss, n):
    layers, (x, _, _) = build(True, 0.2), draw((784, 10), dtype, n)
    parameters = core(layers, dtype).draw(np.random.default_rng(1))
    one, two, four = (
        core(layers, dtype, n_threads).predict(x, parameters, loss)
        for n_threads in (1, 2, 4)
    )
    same_bits([two, four], [one, one])


@pytest.mark.parametrize("n", [1, 65, 600])
def test_forward_and_backward(core, dtype, n):
    layers, (x, _, _) = build(True, 0.2), draw((784, 10), dtype, n)
    parameters = core(layers, dtype).draw(np.random.default_rng(1))
    results = []
    for n_threads in (1, 2, 4):
        net, copies = core(layers, dtype, n_threads), [p.copy() for p in parameters]
        y, workspace = net.forward(x, copies, True, 3, 9)
        dx, gradients = net.backward(y, workspace)
        results.append([y, dx, *gradients, *copies])
    for other in results[1:]:
        same_bits(other, results[0])


def test_no_thread_at_all_is_refused(core, dtype):
    layers, (x, _, _) = build(False, 0.0, (3, 4, 2)), draw((3, 2), dtype, 5)
    parameters = core(layers, dtype).draw(np.random.default_rng(1))
    with pytest.raises(ValueError, match="n_threads"):
        core(layers, dtype, 0).predict(x, parameters)
