"""Dense, batch norm and dropout, each alone."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fastmlp import nn
from reference import Network, relative_error

# Around the widths and heights at which kernels change their way.
widths = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 257]
# The last few outputs, alone or after others.
narrow_ends = [3, 4, 5, 6, *range(18, 25)]
rows = [1, 5, 6, 7, 40, 41, 48, 63, 64, 65, 127, 128, 129, 320, 321, 1000]


def tolerance(dtype):
    return 1e-12 if dtype == np.float64 else 1e-5


@pytest.mark.parametrize("n_in", widths)
def test_dense_is_exact_in_integers(core, n_in, dtype, n_threads):
    """Products of small integers have no rounding: every digit must be right."""
    rng = np.random.default_rng(n_in)
    for n_out in widths + narrow_ends:
        n = int(rng.choice(rows))
        net = core([("dense", (n_in, n_out))], dtype, n_threads)
        x, w, b, dy = (
            rng.integers(-8, 9, shape)
            for shape in [(n, n_in), (n_in, n_out), n_out, (n, n_out)]
        )
        y, workspace = net.forward(x.astype(dtype), [w.astype(dtype), b.astype(dtype)])
        np.testing.assert_array_equal(y, x @ w + b)
        dx, (dw, db) = net.backward(dy.astype(dtype), workspace)
        np.testing.assert_array_equal(dx, dy @ w.T)
        np.testing.assert_array_equal(dw, x.T @ dy)
        np.testing.assert_array_equal(db, dy.sum(axis=0))


@pytest.mark.parametrize("n", rows)
def test_dense_of_any_height_is_exact_in_integers(core, n, dtype):
    rng = np.random.default_rng(n)
    x, w = rng.integers(-8, 9, (n, 70)), rng.integers(-8, 9, (70, 19))
    net = core([("dense", (70, 19))], dtype)
    y, workspace = net.forward(x.astype(dtype), [w.astype(dtype), np.zeros(19, dtype)])
    np.testing.assert_array_equal(y, x @ w)
    np.testing.assert_array_equal(net.backward(y, workspace)[1][0], x.T @ (x @ w))


def batch_norm(core, dtype, features=19, n=150, seed=0, offset=0.0, **options):
    """Return an identity dense layer before batch norm, its parameters and x."""
    rng = np.random.default_rng(seed)
    arguments = (features, *options.values())
    layers = [("dense", (features, features)), ("batch_norm", arguments)]
    net = core(layers, dtype)
    parameters = net.draw(rng)
    parameters[0], parameters[1] = np.eye(features, dtype=dtype), 0 * parameters[1]
    x = (offset + rng.normal(size=(n, features)) * rng.uniform(1, 3, features)).astype(
        dtype
    )
    return net, parameters, x


def test_batch_norm_sets_mean_and_spread(core, dtype):
    net, parameters, x = batch_norm(core, dtype, momentum=0.1, eps=1e-12)
    y, _ = net.forward(x, parameters, training=True)
    scale, shift = parameters[2:4]
    np.testing.assert_allclose(y.mean(axis=0), shift, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=0), scale, rtol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.1, 0.5, 1.0])
def test_batch_norm_running_statistics(core, dtype, momentum):
    net, parameters, x = batch_norm(core, dtype, momentum=momentum)
    mean, variance = (p.astype(float) for p in parameters[4:])
    net.forward(x, parameters, training=True)
    wide = x.astype(float)
    mean = (1 - momentum) * mean + momentum * wide.mean(axis=0)
    variance = (1 - momentum) * variance + momentum * wide.var(axis=0)
    assert relative_error(parameters[4], mean) <= tolerance(dtype)
    assert relative_error(parameters[5], variance) <= tolerance(dtype)


def test_batch_norm_inference_uses_running_statistics(core, dtype):
    net, parameters, x = batch_norm(core, dtype)
    before = [p.copy() for p in parameters]
    y, _ = net.forward(x, parameters)
    scale, shift, mean, variance = (p.astype(float) for p in parameters[2:])
    expected = (x - mean) / np.sqrt(variance + 1e-5) * scale + shift
    assert relative_error(y, expected) <= tolerance(dtype)
    for now, then in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_batch_norm_of_one_row_gives_the_shift(core, dtype):
    net, parameters, x = batch_norm(core, dtype, n=1)
    shift = parameters[3].copy()
    y, workspace = net.forward(x, parameters, training=True)
    np.testing.assert_array_equal(y, shift[None])
    dx, gradients = net.backward(np.ones_like(y), workspace)
    np.testing.assert_array_equal(dx, 0)
    np.testing.assert_array_equal(gradients[2], 0)
    np.testing.assert_array_equal(gradients[3], 1)


def test_batch_norm_of_a_constant_gives_the_shift(core, dtype):
    net, parameters, x = batch_norm(core, dtype)
    y, _ = net.forward(np.full_like(x, 0.3), parameters, training=True)
    shift = np.broadcast_to(parameters[3], y.shape)
    np.testing.assert_allclose(y, shift, atol=1e-4 if dtype == np.float32 else 1e-12)


def test_batch_norm_keeps_its_digits_far_from_zero(core):
    """The variance is that of x - mean: mean(x**2) - mean**2 loses eight digits."""
    net, parameters, x = batch_norm(core, np.dtype(np.float64), offset=1e6)
    copies = [p.copy() for p in parameters]
    y, _ = net.forward(x, parameters, training=True)
    layers = [("dense", (19, 19)), ("batch_norm", (19,))]
    expected, _ = Network(layers).forward(x, copies, training=True)
    assert relative_error(y, expected) <= 1e-8


def test_batch_norm_gradient_ignores_common_shifts(core):
    """Adding a number to a column changes no output, so dx sums to zero."""
    net, parameters, x = batch_norm(core, np.dtype(np.float64))
    y, workspace = net.forward(x, parameters, training=True)
    dx, _ = net.backward(np.ascontiguousarray(y**2), workspace)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-12)
    assert np.abs(dx).max() > 0.1


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_dropout_gradient_passes_the_same_mask(core, rate, dtype):
    net = core([("dense", (33, 33)), ("dropout", (rate,))], dtype)
    unit = [np.eye(33, dtype=dtype), np.zeros(33, dtype)]
    ones = np.ones((70, 33), dtype)
    y, workspace = net.forward(ones, unit, training=True, seed=5, step=3)
    np.testing.assert_array_equal(net.backward(ones, workspace)[0], y)
    y, workspace = net.forward(ones, unit, training=False, seed=5, step=3)
    np.testing.assert_array_equal(y, 1)
    np.testing.assert_array_equal(net.backward(ones, workspace)[0], 1)


@pytest.mark.parametrize(
    ("layer", "bad", "named"),
    [
        (nn.Dense, (0, 3), "in_features"),
        (nn.Dense, (3, -1), "out_features"),
        (nn.BatchNorm, (0,), "features"),
        (nn.BatchNorm, (3, -0.1), "momentum"),
        (nn.BatchNorm, (3, 1.1), "momentum"),
        (nn.BatchNorm, (3, 0.1, -1.0), "eps"),
        (nn.BatchNorm, (3, 0.1, np.nan), "eps"),
        (nn.Dropout, (1.0,), "rate"),
        (nn.Dropout, (-0.1,), "rate"),
        (nn.Dropout, (np.nan,), "rate"),
    ],
)
def test_bad_values_are_named(layer, bad, named):
    with pytest.raises(ValueError, match=named) as error:
        layer(*bad)
    assert any(f"{value:g}" in str(error.value) for value in bad)


@pytest.mark.parametrize(
    "layer", [nn.Dense(3, 4), nn.BatchNorm(5, 0.2, 1e-3), nn.Dropout(0.25)]
)
def test_pickle(layer):
    again = pickle.loads(pickle.dumps(layer))
    assert type(again) is type(layer)
    assert again.__reduce__() == layer.__reduce__()
    assert type(layer).__module__ == "fastmlp.nn"


def test_properties():
    dense, norm = nn.Dense(3, 4), nn.BatchNorm(5, momentum=0.2, eps=1e-3)
    assert (dense.in_features, dense.out_features) == (3, 4)
    assert (norm.features, norm.momentum, norm.eps) == (5, 0.2, 1e-3)
    assert nn.Dropout().rate == 0.5
