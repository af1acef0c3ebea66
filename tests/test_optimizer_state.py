"""What an optimizer keeps from step to step: in arrays, in pickles, in other networks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from fastmlp import MLPRegressor

plain = [("dense", (7, 21)), ("relu", ()), ("dense", (21, 3))]
normal = [("batch_norm", (7,)), *plain]


@pytest.mark.parametrize("optimizer", [("sgd", ()), ("adam", ())], ids=lambda o: o[0])
def test_state_goes_through_arrays(core, optimizer, dtype):
    net = core(normal, dtype)
    state, other = net.state(optimizer), net.state(optimizer)
    zeros = state.arrays()
    trained = [shape for _, shape, learnt in net.slices if learnt]
    assert [a.shape for a in zeros] == trained * (len(zeros) // len(trained))
    assert all(a.dtype == dtype and not a.any() for a in zeros)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=a.shape).astype(dtype) for a in zeros]
    other.load(arrays)
    for found, expected in zip(other.arrays(), arrays, strict=True):
        np.testing.assert_array_equal(found, expected)
    other.load(zeros)
    assert not any(a.any() for a in other.arrays())


def test_refuses_another_state(core, dtype):
    data = np.ones((5, 7), dtype), np.ones((5, 3), dtype), None
    net, other = core(plain, dtype), core(normal, dtype)
    wrong_precision = core(plain, "float64" if dtype == "float32" else "float32")
    adam, parameters = ("adam", ()), net.draw(np.random.default_rng(0))
    for state in (other.state(adam), net.state(("sgd", ()))):
        with pytest.raises(ValueError, match="state must be that of a network"):
            net.trainer("squared_error", adam, data, parameters, state)
    for state in (wrong_precision.state(adam), None, []):
        with pytest.raises(TypeError, match="state must be one of the network's preci"):
            net.trainer("squared_error", adam, data, parameters, state)
    state = net.state(adam)
    arrays = state.arrays()
    with pytest.raises(ValueError, match="arrays must hold 8 arrays, got 7"):
        state.load(arrays[:-1])
    with pytest.raises(ValueError, match="must have the shape"):
        state.load(arrays[::-1])
    with pytest.raises(TypeError, match="arrays must hold NumPy arrays"):
        state.load([None] * len(arrays))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    return X, X[:, 0] + 0.1 * rng.normal(size=60)


def fitted(data, **changes):
    model = MLPRegressor(hidden_layer_sizes=(9, 20), random_state=0, **changes)
    return model.partial_fit(*data).partial_fit(*data)


def change_dtype(model):
    for name in ("coefs_", "intercepts_"):
        arrays = getattr(model, name)
        arrays[:] = [array.astype("float32") for array in arrays]


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({}, lambda model: model),
        ({}, lambda model: model.set_params(dropout=0.3)),
        ({"dropout": 0.3}, lambda model: model.set_params(dropout=0.0)),
        ({"batch_norm": True}, lambda model: model.set_params(batch_norm="after")),
        ({}, change_dtype),
    ],
    ids=["same", "dropout", "no dropout", "batch norm", "dtype"],
)
def test_goes_on_in_another_network(data, solver, before, change):
    """As a model does that went through plain arrays, in a pickle or a deep copy."""
    model = fitted(data, solver=solver, **before)
    others = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    for each in (model, *others):
        change(each)
        each.partial_fit(*data)
    for other in others:
        for found, expected in zip(model.coefs_, other.coefs_, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_deep_copy_has_a_state_of_its_own(data):
    model = fitted(data)
    expected = copy.deepcopy(model).partial_fit(*data).coefs_
    copy.deepcopy(model).partial_fit(*data).partial_fit(*data)
    for found, right in zip(model.partial_fit(*data).coefs_, expected, strict=True):
        np.testing.assert_array_equal(found, right)
