"""Whole networks against the reference: outputs, gradients, rows and layouts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import reference
from fastmlp import _core
from reference import relative_error, worst_error

settings = {"leaky_relu": (0.1,), "elu": (0.7,), "swish": (1.5,)}
norms = ["", "before", "after"]
each_activation = pytest.mark.parametrize("activation", _core.activations)
each_norm = pytest.mark.parametrize("norm", norms)
each_rate = pytest.mark.parametrize("rate", [0.0, 0.4])
each_loss = pytest.mark.parametrize("loss", _core.losses)


def stack(activation, widths, norm="", rate=0.0):
    """Return layers: hidden blocks of dense, norm, activation, dropout; one dense."""
    layers = []
    for n_in, n_out in itertools.pairwise(widths[:-1]):
        block = [("dense", (n_in, n_out)), (activation, settings.get(activation, ()))]
        if norm:
            block.insert(1 if norm == "before" else 2, ("batch_norm", (n_out,)))
        layers += block + [("dropout", (rate,))] * (rate > 0)
    return [*layers, ("dense", tuple(widths[-2:]))]


def draw_target(rng, loss, shape):
    if loss == "softmax_cross_entropy":
        return rng.integers(shape[1], size=shape[0])
    if loss == "binary_cross_entropy":
        return rng.integers(2, size=shape).astype(float)
    return rng.normal(size=shape)


def same_bits(found, right):
    for f, r in zip(found, right, strict=True):
        np.testing.assert_array_equal(f, r, strict=True)


def flat(dx, gradients):
    return [dx, *gradients]


def draw_architecture(index):
    """Return layers, number of rows, whether to train, and a generator for data."""
    rng, names = np.random.default_rng(index), list(_core.activations)
    widths = rng.integers(1, 301 if index % 3 else 41, rng.integers(2, 7))
    norm, rate = str(rng.choice(norms)), float(rng.choice([0.0, 0.2, 0.5]))
    layers = stack(names[index % len(names)], widths.tolist(), norm, rate)
    return layers, int(rng.integers(1, 501 if index % 2 else 71)), norm, rng


def test_random_architectures(core, architecture, dtype, figure):
    """Outputs and gradients match the reference, with the bits of one thread."""
    layers, n, norm, rng = draw_architecture(architecture)
    training, seed = bool(rng.integers(2)), int(rng.integers(2**63))
    small = training and norm != "" and n < 32
    if small and dtype == np.float32:
        n += 31
    key = {"training": training, "seed": seed, "step": architecture}
    net, two = core(layers, dtype), core(layers, dtype, n_threads=2)
    x = rng.normal(size=(n, net.network.in_features)).astype(dtype)
    dy = rng.normal(size=(n, net.network.out_features)).astype(dtype)
    parameters = net.draw(rng)

    network, right = reference.Network(layers), [p.astype(float) for p in parameters]
    right_y, caches = network.forward(x.astype(float), right, **key)
    right_gradients = flat(*network.backward(dy.astype(float), right, caches))
    copies = [p.copy() for p in parameters]
    y, workspace = net.forward(x, parameters, **key)
    gradients = flat(*net.backward(dy, workspace))
    errors = {
        "output": relative_error(y, right_y),
        "running": max(map(relative_error, parameters, right)),
        "gradient": worst_error(gradients, right_gradients, 1 if small else 1e-3),
    }
    for name, error in errors.items():
        figure(f"{name}, {dtype}{small * ', small batch norm'}", error)
    bound = 1e-5 if dtype == np.float32 else 1e-10 if small else 1e-12
    assert errors["output"] <= bound
    assert errors["running"] <= bound
    if dtype == np.float64:
        assert errors["gradient"] <= max(bound, 1e-11)

    y_two, workspace = two.forward(x, copies, **key)
    same_bits([y_two, *copies], [y, *parameters])
    same_bits(flat(*two.backward(dy, workspace)), gradients)


def smooth_case(core, activation, norm, rate, loss, weighted, widths=(3, 5, 4, 3)):
    """Return a small case that has no kink within the reach of a difference."""
    layers = stack(activation, widths, norm, rate)
    net, network = core(layers), reference.Network(layers)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        parameters, x = net.draw(rng), rng.normal(size=(9, widths[0]))
        target = draw_target(rng, loss, (9, widths[-1]))
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
    net = core(stack("tanh", widths, "before", 0.3), dtype, n_threads)
    return net, net.draw(rng), rng.normal(size=(n, widths[0])).astype(dtype)


def test_slices_are_those_of_the_reference(core, dtype):
    layers = stack("elu", (4, 3, 2), "after", 0.1)
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


@each_activation
@each_loss
def test_a_row_is_predicted_alone_as_in_any_batch(core, dtype, activation, loss):
    widths = (21, 33, 300, 5)
    net = core(stack(activation, widths, "before"), dtype, n_threads=2)
    rng = np.random.default_rng(1)
    parameters, x = net.draw(rng), rng.normal(size=(1000, 21)).astype(dtype)
    whole = net.predict(x, parameters, loss)
    for start, stop in [(0, 1), (999, 1000), (63, 65), (1, 321), (5, 325), (0, 999)]:
        part = net.predict(x[start:stop], parameters, loss)
        np.testing.assert_array_equal(part, whole[start:stop])


layouts = {
    "Fortran order": np.asfortranarray,
    "every third row": lambda x: np.repeat(x, 3, axis=0)[::3],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "unaligned": lambda x: np.frombuffer(
        b"\0" + x.tobytes(), x.dtype, offset=1
    ).reshape(x.shape),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "other precision": lambda x: x.astype("f4" if x.dtype == "f8" else "f8"),
}


@pytest.mark.parametrize("layout", layouts)
def test_layouts_give_the_same_bits(core, dtype, layout):
    net, parameters, x = everything_on(core, dtype)
    x = x.astype(np.float32).astype(dtype)
    other = layouts[layout](x)
    same_bits([net.predict(other, parameters)], [net.predict(x, parameters)])
    results = []
    for data in (x, other):
        y, workspace = net.forward(data, [p.copy() for p in parameters], True, 1, 2)
        results.append([y, *flat(*net.backward(np.ones_like(y), workspace))])
    same_bits(*results)


def test_broadcast_rows(core, dtype):
    """A stride of zero is a stride like any other."""
    net, parameters, x = everything_on(core, dtype)
    found = net.predict(np.broadcast_to(x[0], (5, x.shape[1])), parameters)
    same_bits([found], [np.repeat(net.predict(x[:1], parameters), 5, axis=0)])


def test_workspaces_are_independent(core, dtype, n_threads):
    """Two forwards, then both backwards, twice and in any order."""
    net, parameters, x = everything_on(core, dtype, n_threads)
    inputs = [(x, True), (2 * x[:31], True), (x[::-1], False)]

    def forward(data, training):
        return net.forward(data, [p.copy() for p in parameters], training, 4, 2)

    alone = []
    for case in inputs:
        y, workspace = forward(*case)
        alone.append(flat(*net.backward(y, workspace)))
    alive = [forward(*case) for case in inputs]
    net.predict(x, parameters)
    for i in (2, 0, 1, 0):
        same_bits(flat(*net.backward(*alive[i])), alone[i])


@pytest.mark.parametrize("activation", ["identity", "relu", "leaky_relu", "tanh"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_numbers_reach_the_output(core, dtype, activation, bad):
    """They spoil their own row as arithmetic says, and no other row, nor padding."""
    layers = stack(activation, (3, 21, 5, 1))
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
    for refused in [
        lambda: net.predict(x[:, 1:], parameters),
        lambda: net.predict(x[0], parameters),
        lambda: net.predict(x.astype(int), parameters),
        lambda: net.predict(x + 0j, parameters),
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
