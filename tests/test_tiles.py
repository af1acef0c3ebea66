"""Wide layers and many rows in float32, which a matrix unit multiplies where there is one.

With its tiles of bfloat16 they are about as near to float64 as without.
"""

from __future__ import annotations

import numpy as np
import pytest

import reference
from fastmlp import _core
from reference import same_bits, worst_error

# Whole panels and partial ones, odd and even numbers of them, and last few outputs; the
# last two have layers that are large enough without ReLU after them, too.
widths = pytest.mark.parametrize(
    "widths",
    [
        (112, 256, 3), (150, 260, 133, 10), (129, 257, 244, 1), (20, 300, 120, 130, 2),
        (529, 257, 244, 1), (20, 520, 300, 530, 2),
    ],
    ids=str,
)  # fmt: skip
# Rows that fill tiles and those that do not; in one piece, in two, and in parts.
batch_sizes = pytest.mark.parametrize(
    "batch_size", [128, 143, 200, 256, 264, 293, 384, 400, 640, 1600]
)


def draw(widths, n, scale=1.0):
    rng = np.random.default_rng(n)
    x = (rng.normal(size=(n, widths[0])) * scale).astype("float32")
    return x, rng.integers(widths[-1], size=n), rng.uniform(0.5, 2, n)


def start(core, layers):
    net = core(layers, "float32")
    return net.draw(np.random.default_rng(1))


def train(core, layers, data, parameters, batch_size, n_threads=1, epochs=1):
    """Return parameters, velocities and losses after some epochs of plain SGD."""
    net = core(layers, "float32", n_threads)
    parameters = [p.copy() for p in parameters]
    state = net.state(("sgd", (0.9, False)))
    trainer = net.trainer(
        "softmax_cross_entropy", ("sgd", (0.9, False)), data, parameters, state,
        batch_size=batch_size, alpha=1e-3, seed=4,
    )  # fmt: skip
    curve, n = [], len(data[0])
    for _ in range(epochs):
        trainer.begin_epoch(np.arange(n), np.full(-(-n // batch_size), 0.1))
        while not trainer.run(1.0):
            pass
        curve.append(trainer.loss)
    trainer.write_back()
    return parameters, state.arrays(), curve


def gradient(network, data, parameters):
    """Return the loss and the gradients in float64."""
    double = [None if a is None else a.astype("float64") for a in (data[0], data[2])]
    return reference.penalized(
        network, "softmax_cross_entropy", (double[0], data[1], double[1]),
        [p.astype("float64") for p in parameters], 1e-3, 4, 0,
    )  # fmt: skip


@widths
@batch_sizes
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_gradients_are_those_of_float64(core, widths, batch_size, activation, figure):
    check_gradients(core, core.stack(activation, widths), widths, batch_size, figure)


def check_gradients(core, layers, widths, batch_size, figure):
    """The first velocity is minus a tenth of the gradient."""
    data, parameters = draw(widths, batch_size), start(core, layers)
    _, velocities, curve = train(core, layers, data, parameters, batch_size)
    loss, gradients = gradient(reference.Network(layers), data, parameters)
    error = worst_error([v / -0.1 for v in velocities], gradients, 1e-3)
    figure("gradients of wide layers", error)
    assert error <= 3e-6
    assert curve[0] == pytest.approx(loss, rel=1e-6)


# 73 and 128 steps of a sum, which take three to seven stretches, and as many outputs
# that they take two or three on the way back. Panels of inputs and tiles of rows that
# are partial, and those that are not.
@pytest.mark.parametrize(
    ("widths", "batch_size"),
    [
        ((2315, 340, 1090, 3), 200), ((2315, 340, 1090, 3), 250),
        ((2315, 340, 1090, 3), 293), ((2336, 340, 1090, 3), 1600),
        ((4096, 340, 3), 200), ((4096, 340, 3), 640),
    ],
    ids=str,
)  # fmt: skip
def test_many_inputs(core, widths, batch_size, figure):
    layers = core.stack("gelu", widths)
    check_gradients(core, layers, widths, batch_size, figure)
    check_bits(core, core.stack("relu", widths), widths, batch_size, 150)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_gradients_of_small_and_large_numbers(core, scale):
    """A bfloat16 has the exponents of a float32."""
    layers, data = [("dense", (260, 300))], draw((260, 300), 256, scale)
    parameters = [p * np.float32(1 / scale) for p in start(core, layers)]
    _, velocities, _ = train(core, layers, data, parameters, 256)
    _, gradients = gradient(reference.Network(layers), data, parameters)
    weight, bias = ([v / -0.1, g] for v, g in zip(velocities, gradients, strict=True))
    assert worst_error(weight[:1], weight[1:], 1e-3) <= 3e-6
    assert worst_error(bias[:1], bias[1:], 1e-3) <= 3e-6


@widths
@batch_sizes
@pytest.mark.parametrize(("norm", "last"), [("", 150), ("before", 150), ("", 37)])
def test_bits_do_not_depend_on_threads(core, widths, batch_size, norm, last):
    """With a short last batch."""
    check_bits(core, core.stack("relu", widths, norm, 0.2), widths, batch_size, last)


@widths
@pytest.mark.parametrize("last", [1, 32, 33, 41, 64, 65, 127])
def test_a_last_batch_of_any_size(core, widths, last):
    check_bits(core, core.stack("relu", widths), widths, 256, last)


def check_bits(core, layers, widths, batch_size, last):
    data, parameters = draw(widths, batch_size + last), start(core, layers)
    runs = [
        train(core, layers, data, parameters, batch_size, n_threads, epochs=2)
        for n_threads in (1, 2, 3, 1)
    ]
    first = [np.array(a) for part in runs[0] for a in part]
    assert all(np.isfinite(a).all() for a in first)
    for run in runs[1:]:
        same_bits([np.array(a) for part in run for a in part], first)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("array", [0, 2])  # the weights of both wide layers
def test_a_number_that_is_not_finite_stays_so(core, value, array):
    """NaN spreads to all that depends on it; tiles make NaN of infinity."""
    layers, data = core.stack("tanh", (260, 300, 258, 5)), draw((260, 5), 256)
    parameters = start(core, layers)
    parameters[array][3, 7] = value
    trained, _, curve = train(core, layers, data, parameters, 256)
    assert not np.isfinite(trained[array][3, 7])
    if np.isnan(value):
        assert np.isnan(curve[0])
        assert all(np.isnan(p).any() for p in trained)


def test_levels_agree(run_python):
    """The same training on every level: as near as one float32 to another."""
    script = """
import warnings
import numpy as np
warnings.simplefilter("ignore")
from fastmlp import MLPClassifier
rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 150)).astype("float32")
y = (x[:, :3].sum(axis=1) > 0).astype(int) + (x[:, 3] > 1)
model = MLPClassifier((200, 180), batch_size=256, max_iter=3, dtype="float32",
                      random_state=0, n_iter_no_change=10).fit(x, y)
print(*model.loss_curve_)
"""
    curves = [run_python(script, FASTMLP_LEVEL=level).stdout for level in _core.levels]
    numbers = np.array([curve.split() for curve in curves], dtype=float)
    assert numbers.shape == (len(_core.levels), 3)
    np.testing.assert_allclose(numbers, numbers[:1].repeat(len(numbers), 0), rtol=1e-4)
