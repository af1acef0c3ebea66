"""Whole networks against the reference: outputs, gradients, rows and layouts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import reference
from fastmlp import _core
from reference import relative_error, same_bits, worst_error

kinked = {"relu", "leaky_relu", "elu"}
norms = ["", "before", "after"]
each_activation = pytest.mark.parametrize("activation", _core.activations)
each_norm = pytest.mark.parametrize("norm", norms)
each_rate = pytest.mark.parametrize("rate", [0.0, 0.4])
each_loss = pytest.mark.parametrize("loss", _core.losses)


def flat(dx, gradients):
    return [dx, *gradients]


def compare(core, layers, n, rng, dtype, training, figure):
    """Outputs and gradients match the reference, with the bits of one thread."""
    batch_norm = any(name == "batch_norm" for name, _ in layers)
    small = training and batch_norm and n < 32
    key = {"training": training, "seed": int(rng.integers(2**63)), "step": n}
    net, two = core(layers, dtype), core(layers, dtype, n_threads=2)
    x = rng.normal(size=(n, net.network.in_features)).astype(dtype)
    dy = rng.normal(size=(n, net.network.out_features)).astype(dtype)
    parameters = net.draw(rng)
    copies, right = (
        [p.copy() for p in parameters],
        [p.astype(float) for p in parameters],
    )

    network = reference.Network(layers)
    right_y, caches = network.forward(x.astype(float), right, **key)
    right_gradients = flat(*network.backward(dy.astype(float), right, caches))
    y, workspace = net.forward(x, parameters, **key)
    gradients = flat(*net.backward(dy, workspace))
    errors = {
        "output": relative_error(y, right_y),
        "running statistics": max(map(relative_error, parameters, right)),
        "gradient": worst_error(
            gradients, right_gradients, 1 if small or dtype == np.float32 else 0.1
        ),
    }
    for name, error in errors.items():
        figure(f"{name}, {dtype}{small * ', small batch norm'}", error)
    bound = 1e-5 if dtype == np.float32 else 1e-10 if small else 1e-12
    assert errors["output"] <= bound
    assert errors["running statistics"] <= bound
    if dtype == np.float64:
        assert errors["gradient"] <= max(bound, 1e-11)
    elif not kinked.intersection(name for name, _ in layers):
        assert errors["gradient"] <= 2e-5  # rounding may take z across a kink

    y_two, workspace = two.forward(x, copies, **key)
    same_bits([y_two, *copies], [y, *parameters])
    same_bits(flat(*two.backward(dy, workspace)), gradients)


def test_random_architectures(core, architecture, dtype, figure):
    """One to five layers, up to 300 wide, up to 500 rows, every kind of layer."""
    rng, names = np.random.default_rng(architecture), list(_core.activations)
    largest = 300 if architecture % 3 else 40
    widths = rng.integers(1, largest + 1, rng.integers(2, 7)).tolist()
    norm, rate = str(rng.choice(norms)), float(rng.choice([0.0, 0.2, 0.5]))
    layers = core.stack(names[architecture % len(names)], widths, norm, rate)
    n, training = int(rng.integers(1, 501)), bool(rng.integers(2))
    if architecture % 5 == 0:
        n = n % 40 + 1
    if training and norm and dtype == np.float32:
        n = max(n, 32)
    compare(core, layers, n, rng, dtype, training, figure)


@pytest.mark.parametrize(
    "widths", [(1, 1), (1, 1, 1), (1, 17, 1), (8, 16, 32, 1), (15, 33, 31, 7)]
)
def test_edge_sizes(core, dtype, widths, figure):
    """One row, column or output; widths and rows beside those of panels and blocks."""
    layers = core.stack("tanh", widths, "before", 0.2)
    for n in (32, 40, 41, 63, 64, 65, 127, 128, 129, 320, 321, 1000):
        compare(core, layers, n, np.random.default_rng(n), dtype, True, figure)
    for n in (1, 2, 3, 7):
        rng, few = np.random.default_rng(n), [*widths[:-1], 40]  # 40 outputs to judge
        compare(core, core.stack("tanh", few), n, rng, dtype, True, figure)


def smooth_case(core, activation, norm, rate, loss, weighted, widths=(3, 5, 4, 3)):
    """Return a small case that has no kink within the reach of a difference."""
    layers = core.stack(activation, widths, norm, rate)
    net, network = core(layers), reference.Network(layers)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        parameters, x = net.draw(rng), rng.normal(size=(9, widths[0]))
        target = reference.draw_target(loss, rng, (9, widths[-1]))
        weight = rng.uniform(0.2, 2, 9) if weighted else None
        copies = [p.copy() for p in parameters]
        _, caches = network.forward(x, copies, True, seed, 1)
        pairs = zip(layers, caches, strict=True)
        kinks = [z for (name, _), z in pairs if name in _core.activations]
        if min(np.abs(z).min() for z in kinks) > 1e-4:
            return net, network, (x, target, weight), parameters, seed
    raise AssertionError("every draw lies near a kink")


@each_activation
@each_norm
@each_rate
@each_loss
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients(core, activation, norm, rate, loss, weighted, figure):
    """Backward against central differences of forward, and against the reference."""
    case = smooth_case(core, activation, norm, rate, loss, weighted)
    net, network, (x, target, weight), parameters, seed = case
    loss_function = _core.losses[loss]()

    def value(arrays):
        copies = [p.copy() for p in arrays[1:]]
        z, workspace = net.forward(arrays[0], copies, True, seed, 1)
        return *loss_function(z, target, weight), workspace

    everything = [x, *parameters]
    _, dz, workspace = value(everything)
    found = flat(*net.backward(dz, workspace))

    right = [p.copy() for p in parameters]
    z, caches = network.forward(x, right, True, seed, 1)
    dz = reference.evaluate(loss, z, target, weight)[1]
    expected = flat(*network.backward(dz, right, caches))
    error = worst_error(found, expected, 1e-3)
    figure("gradient, small cases", error)
    assert error <= 1e-11

    h, slopes = 1e-6, []
    for array in [x, *net.trained(parameters)]:
        slopes.append(np.empty_like(array))
        for i in np.ndindex(array.shape):
            middle, ends = array[i], []
            for array[i] in (middle - h, middle + h):
                ends.append(value(everything)[0])
            array[i] = middle
            slopes[-1][i] = (ends[1] - ends[0]) / (2 * h)
    error = worst_error(found, slopes, 1)
    figure("gradient, central differences", error)
    assert error <= 1e-7


@each_activation
@each_norm
@each_loss
def test_reference_gradients_are_its_complex_step(core, activation, norm, loss):
    """Also with batch statistics weighted by the sample weights."""
    case = smooth_case(core, activation, norm, 0.4, loss, True)
    _, network, (x, target, weight), parameters, seed = case

    def value(arrays):
        z, _ = network.forward(arrays[0], arrays[1:], True, seed, 1, weight)
        return reference.evaluate(loss, z, target, weight)[0]

    slopes = reference.complex_step(value, [x, *parameters])
    keep = [True, *(trainable for _, _, trainable in network.slices)]
    z, caches = network.forward(x, parameters, True, seed, 1, weight)
    dz = reference.evaluate(loss, z, target, weight)[1]
    found = flat(*network.backward(dz, parameters, caches))
    assert worst_error(found, list(itertools.compress(slopes, keep)), 1e-3) <= 1e-12


def everything_on(core, dtype, n_threads=1, n=70, widths=(21, 33, 18, 5)):
    """Return a network of every kind of layer, its parameters and inputs."""
    rng = np.random.default_rng(0)
    net = core(core.stack("tanh", widths, "before", 0.3), dtype, n_threads)
    return net, net.draw(rng), rng.normal(size=(n, widths[0])).astype(dtype)


def test_slices_are_those_of_the_reference(core, dtype):
    layers = core.stack("elu", (4, 3, 2), "after", 0.1)
    net = core(layers, dtype)
    assert net.slices == reference.Network(layers).slices
    assert (net.network.in_features, net.network.out_features) == (4, 2)


@each_loss
def test_predict_is_the_link_of_inference(core, dtype, n_threads, loss):
    net, parameters, x = everything_on(core, dtype, n_threads)
    z, _ = net.forward(x, parameters)
    right = reference.losses[loss][0](z.astype(float))
    bound = 1e-12 if dtype == np.float64 else 1e-5
    assert relative_error(net.predict(x, parameters, loss), right) <= bound


def test_saturated_predictions_are_probabilities(core, dtype):
    net, parameters, x = everything_on(core, dtype)
    parameters[-2] *= 1e4
    found = net.predict(x, parameters, "softmax_cross_entropy")
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=5 * np.finfo(dtype).eps)
    assert found.max(axis=1).mean() > 0.99


@pytest.mark.parametrize("activation", ["identity", "relu", "leaky_relu", "tanh"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_numbers_reach_the_output(core, dtype, activation, bad):
    """They spoil their own row as arithmetic says, and no other row, nor padding."""
    layers = core.stack(activation, (3, 21, 5, 1))
    net, rng = core(layers, dtype), np.random.default_rng(2)
    parameters, x = net.draw(rng), rng.normal(size=(70, 3)).astype(dtype)
    clean = net.predict(x, parameters)
    x[40, 1] = bad
    found = net.predict(x, parameters)
    with np.errstate(invalid="ignore", over="ignore"):
        right, _ = reference.Network(layers).forward(
            x.astype(float), [p.astype(float) for p in parameters]
        )
    np.testing.assert_array_equal(np.isnan(found), np.isnan(right))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(right))
    others = np.arange(70) != 40
    np.testing.assert_array_equal(found[others], clean[others])


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [("relu", ())],
        [("dense", (3, 4)), ("dense", (5, 2))],
        [("dense", (3, 4)), ("batch_norm", (3,))],
    ],
)
def test_layers_that_do_not_fit_are_refused(core, layers, dtype):
    with pytest.raises(ValueError, match=r"\w"):
        core(layers, dtype)


def test_arrays_that_do_not_fit_are_refused(core, dtype):
    net, parameters, x = everything_on(core, dtype)
    y, workspace = net.forward(x, parameters)
    frozen = [p.copy() for p in parameters]
    for p in frozen:
        p.flags.writeable = False
    other = "f4" if dtype == np.float64 else "f8"
    unaligned = np.frombuffer(b"0" + x.tobytes(), dtype, offset=1).reshape(x.shape)
    for refused in [
        lambda: net.predict(x[:, 1:], parameters),
        lambda: net.predict(x[0], parameters),
        lambda: net.predict(x.astype(int), parameters),
        lambda: net.predict(x + 0j, parameters),
        lambda: net.predict(unaligned, parameters),
        lambda: net.predict(x, parameters[1:]),
        lambda: net.predict(x, [parameters[0].T, *parameters[1:]]),
        lambda: net.predict(x, [parameters[0].astype(other), *parameters[1:]]),
        lambda: net.forward(x, frozen, training=True),
        lambda: net.backward(y[1:], workspace),
        lambda: net.backward(y.astype(other), workspace),
        lambda: net.backward(np.asfortranarray(y), workspace),
    ]:
        with pytest.raises((ValueError, TypeError)):
            refused()
    net.predict(x, frozen)
