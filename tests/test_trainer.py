"""Ten epochs against the reference, and the trainer's promises about its pieces."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from fastmlp import _core
from reference import relative_error, same_bits, worst_error

rules = {
    "sgd": [("sgd", (0.9, False)), ("sgd", (0.0, False))],
    "adam": [("adam", (0.8, 0.99, 1e-6))],
}
optimizers = [rule for name in _core.optimizers for rule in [(name, ()), *rules[name]]]
rates = {"sgd": 0.05, "adam": 0.001}
each_optimizer = pytest.mark.parametrize("optimizer", optimizers, ids=str)
each_loss = pytest.mark.parametrize("loss", _core.losses)

plain = [("dense", (6, 21)), ("tanh", ()), ("dense", (21, 3))]
normal = [
    ("dense", (6, 21)), ("batch_norm", (21,)), ("relu", ()), ("dropout", (0.3,)),
    ("dense", (21, 17)), ("gelu", ()), ("batch_norm", (17, 0.3, 1e-3)),
    ("dropout", (0.1,)), ("dense", (17, 3)),
]  # fmt: skip


large = [
    ("dense", (6, 60)), ("batch_norm", (60,)), ("relu", ()), ("dropout", (0.3,)),
    ("dense", (60, 40)), ("gelu", ()), ("batch_norm", (40,)), ("dropout", (0.1,)),
    ("dense", (40, 3)),
]  # fmt: skip


def draw(loss, n=150, weighted=False, dtype="float64"):
    """Return x, a target that fits the loss, and weights or None."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n, 6)).astype(dtype)
    score = x @ rng.normal(size=(6, 3)) + 0.3 * rng.normal(size=(n, 3))
    target = {
        "softmax_cross_entropy": score.argmax(axis=1),
        "binary_cross_entropy": (score > 0).astype(dtype),
        "poisson": (score > 0).astype(dtype),
    }.get(loss, score.astype(dtype))
    return x, target, rng.uniform(0, 2, n) if weighted else None


def batches(order, batch_size):
    return -(-len(order) // batch_size)


class Fit:
    """A trainer with the arrays that it reads and writes, and its loss curve."""

    def __init__(self, core, layers, loss, optimizer, data, **options):
        net = core(layers, options.pop("dtype", "float64"), options.pop("n_threads", 1))
        drawn = net.draw(np.random.default_rng(1))
        if (
            loss == "poisson"
        ):  # its link is the exponential: begin near predictions of 1
            drawn[-2] *= 0.1
        self.parameters = options.pop("parameters", drawn)
        self.state = options.pop("state", net.state(optimizer))
        self.rate = rates[optimizer[0]]
        self.batch_size = options.setdefault("batch_size", 32)
        self.trainer = net.trainer(
            loss, optimizer, data, self.parameters, self.state, **options
        )
        self.curve = []

    def begin(self, order):
        steps = batches(order, self.batch_size)
        self.trainer.begin_epoch(order, np.full(steps, self.rate))

    def epoch(self, order):
        self.begin(order)
        while not self.trainer.run(1e9):
            pass
        self.curve.append(self.trainer.loss)

    def results(self):
        self.trainer.write_back()
        return [*self.parameters, *self.state.arrays(), np.array(self.curve)]


def orders(n, epochs=10, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.permutation(n) for _ in range(epochs)]


@each_optimizer
@each_loss
@pytest.mark.parametrize("layers", [plain, normal], ids=["plain", "normal"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_ten_epochs(core, optimizer, loss, layers, weighted, alpha, figure):
    """With a short last batch."""
    data = draw(loss, weighted=weighted)
    fit = Fit(core, layers, loss, optimizer, data, alpha=alpha, seed=2**40 + 3)
    figure("ten epochs", error_of(fit, layers, loss, optimizer, data, alpha=alpha))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(("batch_size", "n"), [(200, 500), (240, 500), (3000, 5000)])
def test_large_batches(core, batch_size, n, weighted, n_threads, figure):
    """Of 200 rows and the last 100, sums are exchanged; not of the last 20 after 240.

    Without batch norm, 3000 rows go through in six parts, three or two; 2000 follow.
    """
    norms = batch_size < 3000
    alpha = 0.0 if norms else 0.5
    layers = [layer for layer in large if norms or layer[0] != "batch_norm"]
    optimizer, loss = ("adam", ()), "softmax_cross_entropy"
    data = draw(loss, n=n, weighted=weighted)
    fit = Fit(
        core, layers, loss, optimizer, data,
        n_threads=n_threads, batch_size=batch_size, seed=2**40 + 3, alpha=alpha,
    )  # fmt: skip
    assert fit.trainer.n_threads == (min(n_threads, 2) if norms else n_threads)
    figure("ten epochs", error_of(fit, layers, loss, optimizer, data, alpha=alpha))


def error_of(fit, layers, loss, optimizer, data, alpha=0.0):
    """Return the error after ten epochs: weights, statistics, state and loss curve."""
    network = reference.Network(layers)
    parameters = [p.copy() for p in fit.parameters]
    trained = zip(network.slices, parameters, strict=True)
    trained = [p for (_, _, trainable), p in trained if trainable]
    state = [np.zeros_like(p) for p in trained * reference.optimizers[optimizer[0]][0]]
    curve, steps = [], 0
    for order in orders(len(data[0])):
        fit.epoch(order)
        learning_rates = np.full(batches(order, fit.batch_size), fit.rate)
        curve.append(
            reference.train_epoch(
                network, loss, optimizer, data, parameters, state, order,
                learning_rates, batch_size=fit.batch_size, step=steps, alpha=alpha,
                seed=2**40 + 3,
            )
        )  # fmt: skip
        steps += len(learning_rates)
    fit.trainer.write_back()
    error = max(map(relative_error, fit.parameters, parameters))
    assert fit.trainer.step == steps
    assert error <= 1e-9
    assert worst_error(fit.state.arrays(), state, 1e-3) <= 1e-9
    assert relative_error(fit.curve, curve) <= 1e-9
    assert curve[-1] < curve[0]
    return error


@each_optimizer
def test_float32_stays_near_float64(core, optimizer):
    """Three epochs in both precisions from the same float32 numbers."""
    x, target, _ = draw("softmax_cross_entropy", dtype="float32")
    results = []
    for dtype in ("float32", "float64"):
        fit = Fit(
            core, plain, "softmax_cross_entropy", optimizer, (x, target, None),
            dtype=dtype,
        )  # fmt: skip
        for order in orders(150, 3):
            fit.epoch(order)
        results.append(fit.results())
    assert max(map(relative_error, *results)) <= 1e-3


@pytest.mark.parametrize("layers", [plain, normal], ids=["plain", "normal"])
def test_pieces_make_the_same_epoch(core, layers, dtype, n_threads):
    """Bits do not depend on how often the trainer came back or wrote back."""
    data = draw("squared_error", dtype=dtype)
    results = []
    for seconds in (1e9, 0.0):
        fit = Fit(
            core, layers, "squared_error", ("adam", ()), data,
            dtype=dtype, n_threads=n_threads, batch_size=16,
        )  # fmt: skip
        for order in orders(150, 3):
            fit.begin(order)
            calls = 1
            while not fit.trainer.run(seconds):
                calls += 1
                fit.trainer.write_back()
                assert calls <= 1000
            fit.curve.append(fit.trainer.loss)
        results.append(fit.results())
    same_bits(*results)


def test_arrays_change_only_at_write_back(core, dtype):
    data = draw("squared_error", dtype=dtype)
    layers = [*plain[:2], ("batch_norm", (21,)), *plain[2:]]
    fit = Fit(core, layers, "squared_error", ("adam", ()), data, dtype=dtype)
    before = [a.copy() for a in fit.parameters]
    fit.epoch(np.arange(150))
    same_bits(fit.parameters, before)
    fit.trainer.write_back()
    for now, then in zip(fit.parameters, before, strict=True):
        assert (now != then).any()


def test_training_can_go_on_in_a_new_trainer(core, dtype):
    """Parameters, state and step are all there is to remember."""
    data, options = draw("squared_error", dtype=dtype), {"dtype": dtype, "seed": 11}
    rule = ("adam", ())
    whole = Fit(core, normal, "squared_error", rule, data, **options)
    for order in orders(150, 4):
        whole.epoch(order)
    first = Fit(core, normal, "squared_error", rule, data, **options)
    for order in orders(150, 4)[:2]:
        first.epoch(order)
    first.trainer.write_back()
    left = {"parameters": first.parameters, "state": first.state}
    left["step"] = first.trainer.step
    second = Fit(core, normal, "squared_error", rule, data, **left, **options)
    for order in orders(150, 4)[2:]:
        second.epoch(order)
    same_bits(second.results()[:-1], whole.results()[:-1])
    assert second.curve == whole.curve[2:]


def test_an_order_picks_rows(core, dtype):
    """Rows outside the order do not matter; repeated rows may be asked for."""
    x, target, _ = draw("squared_error", dtype=dtype)
    order = np.array([5, 3, 3, 149, 0, 77, 12])
    picked = x[order], target[order]
    results = []
    for data, rows in [((x, target), order), (picked, np.arange(7))]:
        fit = Fit(
            core, normal, "squared_error", ("sgd", ()), (*data, None),
            dtype=dtype, batch_size=4,
        )  # fmt: skip
        fit.epoch(rows)
        results.append(fit.results())
    same_bits(*results)


@pytest.mark.parametrize("layers", [plain, normal], ids=["plain", "normal"])
def test_weights_count_rows(core, layers):
    """Whole weights repeat rows and zero removes them, batch statistics included."""
    layers = [layer for layer in layers if layer[0] != "dropout"]
    x, target, _ = draw("squared_error", n=30)
    count = np.arange(30) % 3
    repeated = np.repeat(np.arange(30), count)
    results = []
    for data, n in [
        ((x, target, count.astype(float)), 30),
        ((x[repeated], target[repeated], None), len(repeated)),
    ]:
        fit = Fit(
            core, layers, "squared_error", ("sgd", ()), data, batch_size=n, alpha=0.1
        )
        for _ in range(5):
            fit.epoch(np.arange(n))
        results.append(fit.results())
    assert worst_error(*results, 1e-3) <= 1e-11


def test_a_batch_without_weight_does_no_harm(core):
    x, target, _ = draw("squared_error")
    data = x, target, (np.arange(150) >= 32).astype(float)
    fit = Fit(core, normal, "squared_error", ("adam", ()), data, alpha=0.1)
    fit.epoch(np.arange(150))
    assert all(np.isfinite(array).all() for array in fit.results())


def test_squared_error_is_reported_as_a_mean_over_outputs(core):
    """And trained as a sum, as in scikit-learn."""
    data, order = draw("squared_error"), np.arange(150)
    fits = [
        Fit(core, plain, "squared_error", ("adam", ()), data, clip=clip)
        for clip in (False, True)
    ]
    for fit in fits:
        fit.epoch(order)
        fit.trainer.write_back()
    whole, mean = fits
    assert mean.curve[0] == pytest.approx(whole.curve[0] / data[1].shape[1], rel=1e-12)
    for a, b in zip(whole.parameters, mean.parameters, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_clipped_loss_is_that_of_scikit_learn(core, loss, dtype):
    """A saturated wrong answer costs -log(eps) and no more."""
    data, limit = draw(loss, dtype=dtype), -np.log(np.finfo(dtype).eps)
    rng = np.random.default_rng(0)
    parameters = [1e3 * rng.normal(size=(6, 3)).astype(dtype), np.zeros(3, dtype)]
    z = data[0].astype(float) @ parameters[0]
    for clip in (True, False):
        fit = Fit(
            core, [("dense", (6, 3))], loss, ("sgd", ()), data,
            dtype=dtype, clip=clip, batch_size=150, parameters=parameters,
        )  # fmt: skip
        fit.epoch(np.arange(150))
        right, _ = reference.evaluate(loss, z, data[1], None, limit if clip else np.inf)
        tolerance = 1e-4 if dtype == np.float32 else 1e-12
        assert fit.curve[0] == pytest.approx(right, rel=tolerance)
    assert right > 2 * limit


@pytest.mark.parametrize(
    ("order", "n_rates"),
    [
        ([0, 150], 1),
        ([-1, 3], 1),
        ([2**63 - 1], 1),
        (np.arange(150), 4),
        (np.arange(150), 6),
    ],
)
def test_bad_epochs_are_refused(core, order, n_rates):
    fit = Fit(core, plain, "squared_error", ("sgd", ()), draw("squared_error"))
    with pytest.raises((ValueError, IndexError)):
        fit.trainer.begin_epoch(np.array(order, np.int64), np.full(n_rates, 0.1))


def test_bad_data_are_refused(core, dtype):
    x, target, weight = draw("squared_error", weighted=True, dtype=dtype)
    labels = np.arange(150) % 3
    for loss, data in [
        ("squared_error", (x[:, 1:], target, None)),
        ("squared_error", (x, target[1:], None)),
        ("squared_error", (x, target[:, 1:], None)),
        ("squared_error", (x, target, weight[1:])),
        ("softmax_cross_entropy", (x, labels[1:], None)),
        ("softmax_cross_entropy", (x, labels + 1, None)),
        ("softmax_cross_entropy", (x, labels - 1, None)),
        ("softmax_cross_entropy", (x, target[:, 1:], None)),
        ("softmax_cross_entropy", (x, labels.astype(dtype), None)),
    ]:
        with pytest.raises((ValueError, TypeError)):
            Fit(core, plain, loss, ("sgd", ()), data, dtype=dtype)
