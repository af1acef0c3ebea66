"""The same bits for any number of threads, rows around and memory layout."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastmlp import MLPClassifier, _core
from reference import same_bits


def draw(widths, dtype, n):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, widths[0])).astype(dtype)
    return x, rng.integers(widths[-1], size=n), rng.uniform(0.5, 2, n)


def train(core, layers, data, optimizer, dtype, n_threads, batch_size, epochs=2):
    """Return every number that training changes."""
    net = core(layers, dtype, n_threads)
    parameters = net.draw(np.random.default_rng(1))
    state = net.state(optimizer)
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
    return [*parameters, *state.arrays(), np.array(curve)]


large = 784, 512, 512, 10


@pytest.mark.parametrize("norm", ["", "before"])
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_large_network(core, dtype, norm, rate):
    """Threads really share this work."""
    layers, data = core.stack("relu", large, norm, rate), draw(large, dtype, 600)
    runs = [
        train(core, layers, data, ("adam", ()), dtype, n_threads, batch_size=256)
        for n_threads in (1, 2, 4, 1)
    ]
    assert all(np.isfinite(array).all() for array in runs[0])
    for other in runs[1:]:
        same_bits(other, runs[0])


def test_one_thread_in_between(core):
    """A team makes way for one thread for a moment, if a tenth of a second is enough."""
    widths = 54, 128, 128, 7
    layers, data = core.stack("relu", widths), draw(widths, "float32", 5000)
    one, two = (
        train(core, layers, data, ("adam", ()), "float32", n_threads, 256, epochs=150)
        for n_threads in (1, 2)
    )
    same_bits(one, two)


@pytest.mark.parametrize(
    ("widths", "batch_size", "least", "most"),
    [((20, 64, 2), 32, 1, 1), ((50, 100, 2), 200, 2, 4), (large, 256, 8, 8)],
)
def test_no_more_threads_than_pay(core, widths, batch_size, least, most):
    """Of eight: one for small steps, no more than find work for larger ones."""
    found = []
    for n_threads in (1, 2, 8):
        net = core(core.stack("relu", widths), "float32", n_threads)
        parameters = net.draw(np.random.default_rng(0))
        trainer = net.trainer(
            "softmax_cross_entropy", ("adam", ()), draw(widths, "float32", 300),
            parameters, net.state(("adam", ())), batch_size=batch_size,
        )  # fmt: skip
        found.append(trainer.n_threads)
    assert found[0] == 1
    assert found[1] == min(2, most)
    assert least <= found[2] <= most


@pytest.mark.parametrize("optimizer", [("sgd", ()), ("adam", ())], ids=lambda o: o[0])
@pytest.mark.parametrize(
    ("widths", "batch_size"),
    [
        ((1, 1, 1), 1),
        ((20, 64, 2), 32),
        ((50, 100, 2), 200),
        ((54, 128, 128, 7), 256),
        ((20, 40, 30, 3), 600),  # threads exchange sums, in the last batch too
        ((20, 40, 30, 3), 900),  # of four pieces; the last batch is summed in halves
        ((300, 17, 500, 33), 777),
        ((3, 1000, 2), 65),
        ((1000, 3, 2), 321),
        ((300, 17, 500, 33), 37),  # few rows, but much work: two blocks; the last, one
        ((5200, 5), 39),  # sums of a few outputs
    ],
)
def test_shapes(core, dtype, optimizer, widths, batch_size):
    n = 50 if batch_size == 1 else 1000
    layers, data = core.stack("relu", widths, "after", 0.2), draw(widths, dtype, n)
    one, *others = (
        train(core, layers, data, optimizer, dtype, n_threads, batch_size)
        for n_threads in (1, 2, 3, 4, 8)
    )
    for other in others:
        same_bits(other, one)


@pytest.mark.parametrize(
    ("widths", "batch_size"),
    [
        ((20, 64, 2), 5000),
        ((54, 128, 128, 7), 2000),  # a last batch of 1000 rows, in parts as well
        ((50, 100, 2), 4999),  # a last batch of one row
        ((2000, 100, 3), 2500),  # weights that are far from a core
        ((300, 17, 500, 33), 4500),
        ((784, 512, 512, 10), 3000),  # sums are not exchanged
        ((3000, 8), 4970),  # only those of the last 30 rows are not
    ],
)
def test_batches_in_parts(core, dtype, widths, batch_size):
    """Parts are larger for more threads; sums have the same order."""
    layers, data = core.stack("relu", widths, rate=0.2), draw(widths, dtype, 5000)
    one, *others = (
        train(core, layers, data, ("adam", ()), dtype, n_threads, batch_size, epochs=1)
        for n_threads in (1, 2, 3, 4, 8)
    )
    for other in others:
        same_bits(other, one)


@pytest.mark.parametrize("loss", _core.losses)
@pytest.mark.parametrize("n", [1, 63, 1000])
def test_predict(core, dtype, loss, n):
    layers = core.stack("gelu", large, "before", 0.2)
    x, *_ = draw(large, dtype, n)
    parameters = core(layers, dtype).draw(np.random.default_rng(1))
    one, two, four = (
        core(layers, dtype, n_threads).predict(x, parameters, loss)
        for n_threads in (1, 2, 4)
    )
    same_bits([two, four], [one, one])


@pytest.mark.parametrize("n", [30, 400])
def test_predictions_at_the_same_time(core, dtype, n):
    """Python threads may share a network: predict changes nothing."""
    layers = core.stack("gelu", large, "before", 0.2)
    x, *_ = draw(large, dtype, n)
    net = core(layers, dtype, n_threads=2)
    parameters = net.draw(np.random.default_rng(1))
    alone = net.predict(x, parameters)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: net.predict(x, parameters), range(12)))
    same_bits(found, [alone] * 12)


@pytest.mark.parametrize("n", [1, 30, 65, 600])
def test_forward_and_backward(core, dtype, n):
    layers = core.stack("gelu", large, "before", 0.2)
    x, *_ = draw(large, dtype, n)
    parameters = core(layers, dtype).draw(np.random.default_rng(1))
    results = []
    for n_threads in (1, 2, 4):
        net, copies = core(layers, dtype, n_threads), [p.copy() for p in parameters]
        y, workspace = net.forward(x, copies, True, 3, 9)
        dx, gradients = net.backward(y, workspace)
        results.append([y, dx, *gradients, *copies])
    for other in results[1:]:
        same_bits(other, results[0])


@pytest.mark.parametrize("n_threads", [0, -1])
def test_no_thread_at_all_is_refused(core, dtype, n_threads):
    layers, data = core.stack("relu", (3, 4, 2)), draw((3, 2), dtype, 5)
    net = core(layers, dtype, n_threads)
    parameters = net.draw(np.random.default_rng(1))
    with pytest.raises(ValueError, match="n_threads"):
        net.predict(data[0], parameters)
    with pytest.raises(ValueError, match="n_threads"):
        net.forward(data[0], parameters)
    with pytest.raises(ValueError, match="n_threads"):
        train(core, layers, data, ("sgd", ()), dtype, n_threads, batch_size=5)


def everything_on(core, dtype, n_threads=1):
    """Return layers, a network of them, its parameters and data."""
    layers = core.stack("tanh", (21, 33, 18, 5), "before", 0.3)
    net = core(layers, dtype, n_threads)
    data = draw((21, 5), np.float32, 170)
    return layers, net, net.draw(np.random.default_rng(1)), data


def there_and_back(net, x, parameters, training=True):
    """Return outputs, all gradients and what became of the parameters."""
    copies = [p.copy() for p in parameters]
    y, workspace = net.forward(x, copies, training, 1, 2)
    dx, gradients = net.backward(np.ones_like(y), workspace)
    return [y, dx, *gradients, *copies]


layouts = {
    "Fortran order": np.asfortranarray,
    "every third row": lambda x: np.repeat(x, 3, axis=0)[::3],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "other precision": lambda x: x.astype("f4" if x.dtype == "f8" else "f8"),
}


@pytest.mark.parametrize("layout", layouts)
def test_layouts(core, dtype, layout):
    layers, net, parameters, (x, *rest) = everything_on(core, dtype)
    x = x.astype(dtype)
    other = layouts[layout](x)
    same_bits([net.predict(other, parameters)], [net.predict(x, parameters)])
    same_bits(*(there_and_back(net, array, parameters) for array in (other, x)))
    same_bits(
        *(
            train(core, layers, (array, *rest), ("adam", ()), dtype, 1, 64, 1)
            for array in (other, x)
        )
    )


def test_a_stride_of_zero(core, dtype):
    _, net, parameters, (x, *_) = everything_on(core, dtype)
    found = net.predict(np.broadcast_to(x[0], (5, x.shape[1])), parameters)
    same_bits([found], [np.repeat(net.predict(x[:1], parameters), 5, axis=0)])


@pytest.mark.parametrize("activation", _core.activations)
@pytest.mark.parametrize("loss", _core.losses)
def test_a_row_alone_and_in_any_batch(core, dtype, activation, loss):
    widths = (21, 33, 300, 5)
    net = core(core.stack(activation, widths, "before"), dtype, n_threads=2)
    x, *_ = draw(widths, dtype, 1000)
    parameters = net.draw(np.random.default_rng(1))
    whole = net.predict(x, parameters, loss)
    few = [(i, i + n) for i, n in enumerate((1, 2, 3, 4, 5, 13, 48, 49))]
    for start, stop in [*few, (999, 1000), (1, 321), (5, 325), (0, 999)]:
        part = net.predict(x[start:stop], parameters, loss)
        same_bits([part], [whole[start:stop]])


def test_workspaces_are_independent(core, dtype, n_threads):
    """Three forwards, then their backwards in another order and twice."""
    _, net, parameters, (x, *_) = everything_on(core, dtype, n_threads)
    cases = [(x, True), (2 * x[:31], True), (x[::-1], False)]
    alone = [there_and_back(net, x, parameters, training) for x, training in cases]
    alive = [
        net.forward(x, [p.copy() for p in parameters], training, 1, 2)
        for x, training in cases
    ]
    net.predict(x, parameters)
    for i in (2, 0, 1, 0):
        y, workspace = alive[i]
        dx, gradients = net.backward(np.ones_like(y), workspace)
        same_bits([y, dx, *gradients], alone[i][: 2 + len(gradients)])


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("batch", "rows"), [(1000, 1700), (520, 1033), (1024, 1724)])
def test_short_last_batches_of_large_ones(batch, rows, batch_norm):
    """They are cut into no more blocks than a whole batch has room for."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 5)), rng.integers(0, 2, rows)
    settings = {"batch_size": batch, "max_iter": 2, "batch_norm": batch_norm}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [
            MLPClassifier((64, 64), n_threads=n, random_state=0, **settings).fit(x, y)
            for n in (1, 2)
        ]
    for one, two in zip(models[0].coefs_, models[1].coefs_, strict=True):
        np.testing.assert_array_equal(one, two)
        assert np.isfinite(one).all()
