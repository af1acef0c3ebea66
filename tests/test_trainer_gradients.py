"""The gradient that the trainer's first step takes, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from fastmlp import _core
from reference import worst_error
from test_trainer import Fit, draw, each_loss, normal, plain


def check_first_velocity(core, loss, layers, n=40):
    """Momentum starts at zero, so v = -rate * gradient, statistics weighted too."""
    data = draw(loss, n=n, weighted=True)
    fit = Fit(core, layers, loss, ("sgd", ()), data, alpha=0.3, batch_size=n, seed=5)
    network, parameters = reference.Network(layers), [p.copy() for p in fit.parameters]
    fit.epoch(np.arange(n))
    value, gradients = reference.penalized(network, loss, data, parameters, 0.3, 5, 0)
    fit.trainer.write_back()
    found = [v / -fit.rate for v in fit.state.arrays()]
    assert worst_error(found, gradients, 1e-3) <= 1e-11
    assert fit.curve[0] == pytest.approx(value, rel=1e-12)


@each_loss
@pytest.mark.parametrize("layers", [plain, normal], ids=["plain", "normal"])
def test_first_velocity_is_the_gradient(core, loss, layers):
    check_first_velocity(core, loss, layers)


# Layers below one of a few outputs: their gradient may lie where their output was.
between = [
    [],
    *([(name, ())] for name in _core.activations),
    [("tanh", ()), ("relu", ())],
    [("relu", ()), ("tanh", ())],
    [("relu", ()), ("dropout", (0.3,))],
    [("tanh", ()), ("batch_norm", (21,))],
    [("batch_norm", (21,)), ("relu", ())],
    [("tanh", ()), ("dense", (21, 2)), ("tanh", ()), ("dense", (2, 21))],
    [("tanh", ()), ("dense", (21, 2)), ("relu", ()), ("dense", (2, 2)), ("tanh", ()),
     ("dense", (2, 21))],
]  # fmt: skip


@pytest.mark.parametrize("layers", between, ids=str)
def test_layers_between(core, layers):
    layers = [("dense", (6, 21)), *layers, ("dense", (21, 3))]
    check_first_velocity(core, "squared_error", layers, n=150)


@pytest.mark.parametrize("layer", [("batch_norm", (6,)), ("relu", ())], ids=str)
def test_layer_of_the_input(core, layer):
    layers = [layer, ("dense", (6, 3)), ("tanh", ()), ("dense", (3, 3))]
    check_first_velocity(core, "squared_error", layers, n=150)
