"""Transcendental functions: errors in units in the last place (ulp) of the result.

A bound holds wherever the right result is a normal number; below, the error is less
than the smallest normal number (results may be 0 there).
"""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from scipy.special import ndtr

from fastmlp import _core, nn

bounds = {np.dtype("float32"): 2.0, np.dtype("float64"): 4.0}
chunk = 1 << 14  # fits the cache


def normal_tail(z):
    """Return P(Z > z), z >= 0, to 1e-18: the trapezoidal rule (Matta and Reichel 1971).

    The halves of z keep its square exact; near 0, where x divides, the series.
    """
    one = z.dtype.type(1)
    h, pi, z = one * 0.45, 4 * np.arctan(one), np.minimum(z, 60)
    high = z.astype(np.float32).astype(z.dtype)
    e = np.exp(-high * high / 2) * np.exp(-(z - high) * (z + high) / 2)
    x = np.maximum(z, 0.05) / np.sqrt(2 * one)
    terms = sum(np.exp(-((n * h) ** 2)) / ((n * h) ** 2 + x * x) for n in range(1, 18))
    pole = 2 / np.where(x < pi / h, 1 - np.exp(2 * pi * x / h), -np.inf)
    tail = (h * x / pi * e * (1 / (x * x) + 2 * terms) + pole) / 2
    series = sum(z * (-z * z / 2) ** k / (factorial(k) * (2 * k + 1)) for k in range(7))
    return np.where(z > 0.05, tail, one / 2 - series / np.sqrt(2 * pi))


def gelu(z):
    if z.dtype == np.float64:  # exact enough for float32
        return np.where(z == -np.inf, 0, z * ndtr(z))
    tail = np.abs(z) * normal_tail(np.abs(z))
    return np.where(z < 0, -tail, np.maximum(z, 0) - tail)


def swish(z):
    return np.where(z == -np.inf, 0, z / (1 + np.exp(-z)))


formulas = {
    "exp": np.exp,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "swish": swish,
    "gelu": gelu,
}
each_function = pytest.mark.parametrize("name", formulas)


def evaluate(core, name, z):
    """Return what the core computes: exp predicts for Poisson, the others activate.

    A dense layer comes first. The unit matrix fills whole panels, 30 times faster than
    one column, but 0 times infinity would spoil a row.
    """
    k = 16 if z.size % 16 == 0 and np.isfinite(z).all() else 1
    rows = z.reshape(-1, k)
    if name == "exp":
        return nn.Poisson().predict(rows).ravel()
    net = core([("dense", (k, k)), (name, ())], z.dtype)
    unit = [np.eye(k, dtype=z.dtype), np.zeros(k, z.dtype)]
    return net.forward(rows, unit)[0].ravel()


def largest_error(core, name, z):
    """Return the largest error in ulp, after checking special and tiny results."""
    wide = {4: np.float64, 8: np.longdouble}[z.itemsize]
    tiny = np.finfo(z.dtype).tiny
    with np.errstate(all="ignore"):
        expected, found = formulas[name](z.astype(wide)), evaluate(core, name, z)
        rounded = expected.astype(z.dtype)
        error = np.abs(found - expected)
    assert found.dtype == z.dtype
    special = ~np.isfinite(rounded)
    np.testing.assert_array_equal(found[special], rounded[special])
    # Swish is z times a gate, and the gate may be 0 below the smallest normal number.
    with np.errstate(all="ignore"):
        floor = tiny * np.maximum(1, np.abs(z)) if name == "swish" else tiny
        small = ~special & (np.abs(expected) < floor)
        assert (error < floor)[small].all()
    normal = ~(special | small)
    with np.errstate(over="ignore"):  # of the largest number
        ulp = np.spacing(np.abs(rounded[normal]))
    return np.max(error[normal] / ulp, initial=0.0)


def check(core, figure, name, z):
    error = largest_error(core, name, z)
    figure(f"ulp of {name} in {z.dtype}", float(error))
    assert error <= bounds[z.dtype]


@pytest.fixture
def check_loss(request, figure):
    """Return a function that compares a loss's value with the right one, in ulp."""

    def check(loss, output, target, expected):
        found, _ = loss(output, target)
        error = float(abs(found - expected) / np.spacing(expected.astype(output.dtype)))
        figure(f"ulp in {request.node.name}", error)
        assert error <= bounds[output.dtype]

    return check


needs_longdouble = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="no type is wider than float64 here"
)

# Where formulas switch, results overflow or vanish, or a sum's exponent changes.
switches = [0.5, 1, 9.01, 13.25, 16.64, 17.33, 19.06, 20, 36.74, 37.65, 40, 87.33654]
switches += [88, 88.376, 88.72284, 89, 91.9, 708.3964, 709, 709.4, 709.7827, 710, 716]


def neighbours(dtype):
    """Return dense points on both sides of every switch."""
    places = np.array([*switches, *np.log(2) * (np.arange(-3, 60) + 0.5)], dtype)
    near = places[:, None] + np.spacing(places)[:, None] * np.arange(-1000, 1001)
    near = near.ravel().astype(dtype)
    return np.concatenate([near, -near])


@each_function
def test_float32_everywhere(core, figure, name, patterns):
    """A sweep of the bit patterns, NaNs included; all of them with --long."""
    for start in range(0, len(patterns), chunk):
        bits = np.array(patterns[start : start + chunk], np.uint32)
        check(core, figure, name, bits.view(np.float32))


@each_function
def test_float32_near_switches(core, figure, name):
    check(core, figure, name, neighbours(np.float32))


@needs_longdouble
@each_function
def test_float64(core, figure, name):
    rng = np.random.default_rng(0)
    n = 30_000
    bits = rng.integers(2**64, size=n, dtype=np.uint64).view(np.float64)
    scales = [750, 40, 8, 2, 0.5]
    uniform = [rng.uniform(-scale, scale, n) for scale in scales]
    z = np.concatenate([bits, *uniform, neighbours(np.float64)])
    check(core, figure, name, z)


@pytest.mark.parametrize("name", formulas)
def test_limits(core, name, dtype):
    limits = {
        "exp": (0, np.inf),
        "logistic": (0, 1),
        "tanh": (-1, 1),
        "elu": (-1, np.inf),
    }
    z = np.array([-np.inf, np.inf, np.nan], dtype)
    expected = [*limits.get(name, (0, np.inf)), np.nan]
    np.testing.assert_array_equal(evaluate(core, name, z), np.array(expected, dtype))


@needs_longdouble
def test_softplus(check_loss, dtype):
    """The binary cross-entropy of one row is log(1 + exp(z)) where z < 0 and y = 0."""
    for z in np.random.default_rng(0).uniform(-30, 0, 2000).astype(dtype):
        expected = np.log1p(np.exp(np.longdouble(z)))
        output, target = np.full((1, 1), z), np.zeros((1, 1), dtype)
        check_loss(nn.BinaryCrossEntropy(), output, target, expected)


@needs_longdouble
def test_log(check_loss, dtype):
    """The loss of n equal raw outputs is log(n)."""
    for n in range(1, 3000, 7):
        expected = np.log(np.longdouble(n))
        output, target = np.zeros((1, n), dtype), np.zeros(1, np.int64)
        check_loss(nn.SoftmaxCrossEntropy(), output, target, expected)


@needs_longdouble
def test_log_of_any_size(figure, dtype):
    """The loss of a Poisson target y with output 0 is y log(y) - y + 1."""
    limits = np.finfo(dtype)
    lowest, highest = np.log(limits.tiny), np.log(limits.max) - 7
    targets = np.exp(np.random.default_rng(0).uniform(lowest, highest, 2000))
    for y in targets.astype(dtype):
        found, _ = nn.Poisson()(np.zeros((1, 1), dtype), np.full((1, 1), y))
        wide = np.longdouble(y)
        terms = wide * np.log(wide), wide, np.longdouble(1)
        # Relative to the terms, which cancel around y = 1.
        size = max(map(abs, terms)) * limits.eps
        error = float(abs(found - (terms[0] - terms[1] + terms[2])) / size)
        figure(f"rounding errors of y log(y) - y + 1 in {dtype}", error)
        assert error <= 4


@pytest.mark.parametrize("loss", [nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy()])
def test_a_loss_of_nan_is_nan(loss, dtype):
    z = np.array([[0, np.nan, 1]], dtype)
    value, gradient = loss(z, np.array([[0, 0, 1]], dtype))
    assert np.isnan(value)
    assert np.isnan(gradient[0, 1])


def test_every_curved_activation_is_here():
    straight = {"identity", "relu", "leaky_relu"}
    assert set(_core.activations) - straight <= set(formulas)
