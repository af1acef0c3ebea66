"""What an optimizer keeps from step to step, to plain arrays and back."""

from __future__ import annotations

import numpy as np
import pytest

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
    with pytest.raises(ValueError, match="the same number for each of 2 slots, got"):
        state.load(arrays[:-1])
    with pytest.raises(ValueError, match="arrays must hold 4 arrays, got 3"):
        state.load(arrays[:-2])
    with pytest.raises(ValueError, match="must have the shape"):
        state.load(arrays[::-1])
    with pytest.raises(TypeError, match="arrays must hold NumPy arrays"):
        state.load([None] * len(arrays))
