"""Every registered activation: value, derivative, limits and identities."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import reference
from fastmlp import _core, nn

# More settings than the defaults, for those that have any.
settings = {"leaky_relu": [(0.2,), (0.0,)], "elu": [(0.3,)], "swish": [(0.5,), (2.0,)]}
cases = [
    (name, arguments)
    for name in _core.activations
    for arguments in [(), *settings.get(name, [])]
]
each_case = pytest.mark.parametrize(
    ("name", "arguments"), cases, ids=[" ".join(map(str, (n, *a))) for n, a in cases]
)
each_name = pytest.mark.parametrize("name", _core.activations)


def test_every_activation_has_a_formula():
    assert set(_core.activations) == set(reference.activations)


def evaluate(core, name, z, arguments=(), dtype="float64", n_threads=1):
    """Return the core's value and derivative: z passes a dense layer of weight 1."""
    net = core([("dense", (1, 1)), (name, arguments)], dtype, n_threads)
    unit = [np.ones((1, 1), net.dtype), np.zeros(1, net.dtype)]
    y, workspace = net.forward(np.asarray(z, net.dtype)[:, None], unit)
    derivative, _ = net.backward(np.ones_like(y), workspace)
    return y[:, 0], derivative[:, 0]


def points(dtype):
    """Return a sweep from subnormal to large numbers of both signs."""
    large = np.geomspace(np.finfo(dtype).smallest_subnormal, 1e4, 500)
    z = np.concatenate([np.linspace(-12, 12, 1001), large, -large])
    return z[z != 0].astype(dtype)


@each_case
def test_value_and_derivative(core, name, arguments, dtype, n_threads):
    z = points(dtype)
    found = evaluate(core, name, z, arguments, dtype, n_threads)
    tolerance = 16 * np.finfo(dtype).eps
    for actual, formula in zip(found, reference.activations[name], strict=True):
        with np.errstate(under="ignore"):
            expected = formula(z.astype(float), *arguments)
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@each_case
def test_derivative_is_the_slope(name, arguments):
    """The reference's own derivatives agree with its complex step."""
    value, derivative = reference.activations[name]
    z = points(np.float64)
    with np.errstate(under="ignore"):
        slope = value(z + 1e-30j, *arguments).imag / 1e-30
        np.testing.assert_allclose(derivative(z, *arguments), slope, atol=1e-14)


@each_case
def test_huge_inputs_stay_finite(core, name, arguments, dtype):
    for array in evaluate(core, name, [1e4, -1e4, 1e30, -1e30], arguments, dtype):
        assert np.isfinite(array).all()


@each_case
def test_nan_passes_through(core, name, arguments, dtype):
    y, _ = evaluate(core, name, [np.nan, 1.0], arguments, dtype)
    np.testing.assert_array_equal(np.isnan(y), [True, False])


@each_case
def test_bits_do_not_depend_on_the_place(core, name, arguments, dtype):
    """No scalar remainder: a value's bits are the same wherever it stands."""
    for z in (-1.2345, 0.6789):
        for n in (1, 7, 67):
            net = core([("dense", (1, 21)), (name, arguments)], dtype)
            unit = [np.ones((1, 21), dtype), np.zeros(21, dtype)]
            y, workspace = net.forward(np.full((n, 1), z, dtype), unit)
            assert len(np.unique(y)) == 1
            assert y[0, 0] == evaluate(core, name, [z], arguments, dtype)[0][0]
            assert len(np.unique(net.backward(np.ones_like(y), workspace)[0])) == 1


def test_kink_of_relu(core, dtype):
    """The derivative of relu at zero is zero, as scikit-learn takes it."""
    y, derivative = evaluate(core, "relu", [0.0, -0.0], dtype=dtype)
    np.testing.assert_array_equal([y, derivative], 0)


def test_identities(core, dtype):
    z = points(dtype)
    tolerance = 16 * np.finfo(dtype).eps

    def f(name, sign=1, *arguments):
        return evaluate(core, name, sign * z, arguments, dtype)[0]

    def same(a, b):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)

    same(f("logistic") + f("logistic", -1), 1)
    same(f("tanh") + f("tanh", -1), 0)
    same(f("gelu") - f("gelu", -1), z)
    same(f("swish") - f("swish", -1), z)
    same(f("swish", 1, 0.0), z / 2)
    np.testing.assert_array_equal(f("leaky_relu", 1, 0.0), f("relu"))
    np.testing.assert_array_equal(f("identity"), z)


@each_case
def test_pickle(core, name, arguments):
    layer = _core.activations[name](*arguments)
    again = pickle.loads(pickle.dumps(layer))
    assert type(again) is type(layer)
    assert again.__reduce__() == layer.__reduce__()
    assert type(layer) is getattr(nn, type(layer).__name__)
    assert type(layer).__module__ == "fastmlp.nn"


@each_name
def test_unexpected_argument(name):
    with pytest.raises(TypeError):
        _core.activations[name](no_such_parameter=1.0)


@pytest.mark.parametrize("name", settings)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_are_finite(name, value):
    with pytest.raises(ValueError, match=str(value)):
        _core.activations[name](value)
