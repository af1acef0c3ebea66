"""Every registered loss: value, gradient, link, targets and sample weights."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import reference
from fastmlp import _core

each_loss = pytest.mark.parametrize("name", _core.losses)
each_weighting = pytest.mark.parametrize("weighted", [False, True])


def test_every_loss_has_a_formula():
    assert set(_core.losses) == set(reference.losses)


def draw(name, dtype, shape=(50, 7), scale=3.0, weighted=True, seed=0):
    """Return raw outputs, a target that fits the loss, and weights or None."""
    rng = np.random.default_rng(seed)
    z = (scale * rng.normal(size=shape)).astype(dtype)
    target = reference.draw_target(name, rng, shape)
    if target.dtype == float:
        target = target.astype(dtype)
    weight = rng.uniform(0, 2, shape[0]).astype(dtype) if weighted else None
    return z, target, weight


def within_range(name, scale):
    """Return the scale of raw outputs, less where predictions are exponentials."""
    return min(scale, 10.0) if name == "poisson" else scale


def expected(name, z, target, weight):
    weight = None if weight is None else weight.astype(float)
    return reference.evaluate(name, z.astype(float), target, weight)


@each_loss
@each_weighting
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (64, 1), (321, 10), (50, 33)])
@pytest.mark.parametrize("scale", [3.0, 1e4])
def test_value_and_gradient(name, dtype, weighted, shape, scale):
    """Also saturated: raw outputs of 1e4 give finite losses and gradients."""
    z, target, weight = draw(name, dtype, shape, within_range(name, scale), weighted)
    value, gradient = _core.losses[name]()(z, target, weight)
    right_value, right_gradient = expected(name, z, target, weight)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    assert isinstance(value, float)
    assert gradient.dtype == dtype
    assert value == pytest.approx(right_value, rel=tolerance, abs=tolerance)
    assert reference.relative_error(gradient, right_gradient) <= tolerance


@each_loss
@each_weighting
def test_gradient_is_the_slope(name, weighted):
    z, target, weight = draw(name, "float64", (6, 4), weighted=weighted)
    loss, h, slope = _core.losses[name](), 1e-6, np.empty_like(z)
    for i in np.ndindex(z.shape):
        ends = []
        for step in (-h, h):
            moved = z.copy()
            moved[i] += step
            ends.append(loss(moved, target, weight)[0])
        slope[i] = (ends[1] - ends[0]) / (2 * h)
    assert reference.relative_error(loss(z, target, weight)[1], slope) <= 1e-7


@each_loss
@each_weighting
def test_reference_gradient_is_its_complex_step(name, weighted):
    z, target, weight = draw(name, "float64", (6, 4), weighted=weighted)
    (slope,) = reference.complex_step(
        lambda arrays: reference.evaluate(name, arrays[0], target, weight)[0], [z]
    )
    found = reference.evaluate(name, z, target, weight)[1]
    assert reference.relative_error(found, slope) <= 1e-13


@each_loss
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_link(name, dtype, scale):
    z, _, _ = draw(name, dtype, scale=within_range(name, scale))
    found = _core.losses[name]().predict(z)
    right = reference.losses[name][0](z.astype(float))
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    assert found.dtype == dtype
    assert reference.relative_error(found, right) <= tolerance
    if name == "softmax_cross_entropy":
        rounding = z.shape[1] * np.finfo(dtype).eps
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=rounding)


@each_loss
def test_weights_count_rows(name, dtype):
    """Whole weights repeat rows, zero removes one, a common factor is nothing."""
    z, target, _ = draw(name, dtype, (40, 3))
    count = np.arange(40) % 4
    loss, tolerance = _core.losses[name](), 8 * float(np.finfo(dtype).eps)
    value, gradient = loss(z, target, count.astype(dtype))
    repeated = loss(np.repeat(z, count, axis=0), np.repeat(target, count, axis=0))
    assert value == pytest.approx(repeated[0], rel=tolerance)
    assert (gradient[count == 0] == 0).all()
    scaled = loss(z, target, (count * 0.25).astype(dtype))
    assert scaled[0] == pytest.approx(value, rel=tolerance)
    np.testing.assert_allclose(scaled[1], gradient, rtol=tolerance)


@each_loss
def test_no_weight_at_all(name, dtype):
    z, target, _ = draw(name, dtype)
    value, gradient = _core.losses[name]()(z, target, np.zeros(len(z), dtype))
    assert value == 0
    assert (gradient == 0).all()


def test_forms_of_targets(dtype):
    z, labels, weight = draw("softmax_cross_entropy", dtype)
    loss = _core.losses["softmax_cross_entropy"]()
    rows = np.eye(z.shape[1], dtype=dtype)[labels]
    value, gradient = loss(z, labels, weight)
    assert loss(z, rows, weight)[0] == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(loss(z, rows, weight)[1], gradient, rtol=1e-6, atol=1e-8)
    smooth = (0.9 * rows + 0.1 / z.shape[1]).astype(dtype)
    right = expected("softmax_cross_entropy", z, smooth.astype(float), weight)
    assert loss(z, smooth, weight)[0] == pytest.approx(right[0], rel=1e-6)
    for name in ("binary_cross_entropy", "squared_error"):
        z, target, weight = draw(name, dtype, (50, 1))
        flat = _core.losses[name]()(z, target.ravel(), weight)
        assert flat[0] == _core.losses[name]()(z, target, weight)[0]


@each_loss
def test_nan_output_gives_nan_loss(name, dtype):
    z, target, weight = draw(name, dtype)
    z[3, 2] = np.nan
    value, gradient = _core.losses[name]()(z, target, weight)
    assert np.isnan(value)
    assert np.isnan(gradient[3]).any()
    assert np.isfinite(np.delete(gradient, 3, axis=0)).all()


@each_loss
def test_wrong_shapes_are_refused(name, dtype):
    z, target, weight = draw(name, dtype)
    loss = _core.losses[name]()
    for bad in [
        (z, target[:-1], weight),
        (z, target, weight[:-1]),
        (z, np.zeros((len(z), z.shape[1] + 1), dtype), weight),
        (z[0], target, weight),
    ]:
        with pytest.raises((ValueError, TypeError)):
            loss(*bad)


@pytest.mark.parametrize("label", [-1, 7])
def test_labels_outside_the_outputs_are_refused(label, dtype):
    z, target, _ = draw("softmax_cross_entropy", dtype)
    target[5] = label
    with pytest.raises(ValueError, match=str(label)):
        _core.losses["softmax_cross_entropy"]()(z, target)


@each_loss
def test_pickle(name):
    loss = _core.losses[name]()
    assert type(pickle.loads(pickle.dumps(loss))) is type(loss)
    assert type(loss).__module__ == "fastmlp.nn"
