"""The objective of L-BFGS: the reference's loss and gradient over all rows."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from fastmlp import _core

layers = [("dense", (6, 21)), ("tanh", ()), ("dense", (21, 17)), ("gelu", ()),
          ("dense", (17, 3))]  # fmt: skip
each_loss = pytest.mark.parametrize("loss", _core.losses)


def draw(loss, n, weighted):
    rng = np.random.default_rng(n)
    x, weight = rng.normal(size=(n, 6)), rng.uniform(0, 2, n) if weighted else None
    return x, reference.draw_target(loss, rng, (n, 3)), weight


def evaluate(network, loss, data, parameters, n_threads=1, **options):
    """Return the objective's value and gradients."""
    x, target, weight = data
    dtype = parameters[0].dtype
    if target.dtype == float:
        target = target.astype(dtype)
    weight = None if weight is None else weight.astype(dtype)
    objective = _core.objectives[dtype](
        network.network, _core.losses[loss](), x, target, weight,
        alpha=options.get("alpha", 0.3), n_threads=n_threads, clip=False,
    )  # fmt: skip
    gradients = [np.full_like(p, np.nan) for p in parameters]
    return objective(parameters, gradients), gradients


@each_loss
@pytest.mark.parametrize("n", [1, 5, 130, 5000])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_is_the_reference(core, dtype, loss, n, weighted):
    """For one chunk of rows and for several."""
    network = core(layers, dtype)
    parameters = network.draw(np.random.default_rng(0))
    data = draw(loss, n, weighted)
    value, gradients = evaluate(network, loss, data, parameters)
    exact = [p.astype(float) for p in parameters]
    right, right_gradients = reference.penalized(
        reference.Network(layers), loss, data, exact, 0.3, 0, 0
    )[:2]
    tolerance = 1e-11 if dtype == np.float64 else 2e-5
    assert value == pytest.approx(right, rel=tolerance)
    assert reference.worst_error(gradients, right_gradients, 1) <= tolerance


@each_loss
def test_bits_do_not_depend_on_threads(core, dtype, loss):
    network = core(layers, dtype)
    parameters = network.draw(np.random.default_rng(0))
    data = draw(loss, 4500, weighted=True)
    value, gradients = evaluate(network, loss, data, parameters, n_threads=1)
    for n_threads in (2, 4):
        again, others = evaluate(network, loss, data, parameters, n_threads)
        assert again == value
        for a, b in zip(gradients, others, strict=True):
            np.testing.assert_array_equal(a, b)


def test_bad_arguments_are_refused(core):
    network = core(layers)
    parameters = network.draw(np.random.default_rng(0))
    data = draw("squared_error", 20, weighted=False)
    with pytest.raises(ValueError, match=r"alpha must be in \[0, inf\), got -1"):
        evaluate(network, "squared_error", data, parameters, alpha=-1.0)
    with pytest.raises(ValueError, match="n_threads must be at least 1, got 0"):
        evaluate(network, "squared_error", data, parameters, n_threads=0)
    with pytest.raises(ValueError, match="parameters must hold 6 arrays, got 5"):
        evaluate(network, "squared_error", data, parameters[:5])


@pytest.mark.parametrize("layer", [("batch_norm", (21,)), ("dropout", (0.5,))])
def test_layers_of_batches_are_refused(core, layer):
    network = core([("dense", (6, 21)), layer, ("dense", (21, 3))])
    parameters = network.draw(np.random.default_rng(0))
    with pytest.raises(ValueError, match="takes no BatchNorm and no Dropout"):
        evaluate(network, "squared_error", draw("squared_error", 9, False), parameters)


def test_lists_must_hold_arrays(core):
    network = core(layers)
    parameters = network.draw(np.random.default_rng(0))
    x = np.zeros((2, 6))
    with pytest.raises(TypeError, match="parameters must hold NumPy arrays"):
        network.predict(x, [parameters[0].tolist(), *parameters[1:]])
