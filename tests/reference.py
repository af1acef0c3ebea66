"""The same network in plain NumPy: the oracle of the tests.

A network is a list of layers, each a name with its arguments, such as
``[("dense", (4, 3)), ("batch_norm", (3,)), ("relu", ()), ("dense", (3, 2))]``.
Formulas follow the dtype of what they are given. They take complex numbers too, so
that ``f(w + ih).imag / h`` with h = 1e-30 is the derivative of f to full precision
(the complex step, Squire and Trapp 1998); comparisons look at the real part.

Letters: x and y are a layer's input and output, w and b weights and bias, z the raw
outputs of a network, t targets, dy the gradient of the loss with respect to y.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, xlogy


def sigmoid(z):
    e = np.exp(np.where(z.real > 0, -z, z))
    return np.where(z.real > 0, 1, e) / (1 + e)


def softplus(z):  # log(1 + exp(z))
    return np.where(z.real > 0, z, 0) + np.log1p(np.exp(np.where(z.real > 0, -z, z)))


def log_softmax(z):
    z = z - z.real.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def negative(z):
    return np.where(z.real < 0, z, 0)


# Registered name -> the function and its derivative.
activations = {
    "identity": (lambda z: z, np.ones_like),
    "logistic": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (
        lambda z: np.where(z.real < 0, 0, z),
        lambda z: np.where(z.real > 0, 1, 0),
    ),
    "leaky_relu": (
        lambda z, slope=0.01: np.where(z.real < 0, slope * z, z),
        lambda z, slope=0.01: np.where(z.real > 0, 1, slope),
    ),
    "elu": (
        lambda z, alpha=1.0: np.where(z.real < 0, alpha * np.expm1(negative(z)), z),
        lambda z, alpha=1.0: np.where(z.real < 0, alpha * np.exp(negative(z)), 1),
    ),
    "swish": (
        lambda z, beta=1.0: z * sigmoid(beta * z),
        lambda z, beta=1.0: sigmoid(beta * z) * (1 + beta * z * sigmoid(-beta * z)),
    ),
    "gelu": (
        lambda z: z * ndtr(z),
        lambda z: ndtr(z) + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi),
    ),
}

# Registered name -> the link, which turns raw outputs into predictions, and the loss
# of each row, in which no negative logarithm exceeds the limit.
losses = {
    "softmax_cross_entropy": (
        lambda z: np.exp(log_softmax(z)),
        lambda z, t, limit: (t * np.minimum(-log_softmax(z), limit)).sum(axis=1),
    ),
    "binary_cross_entropy": (
        sigmoid,
        lambda z, t, limit: (
            t * np.minimum(softplus(-z), limit)
            + (1 - t) * np.minimum(softplus(z), limit)
        ).sum(axis=1),
    ),
    "squared_error": (
        lambda z: z,
        lambda z, t, limit: ((z - t) ** 2).sum(axis=1) / 2,
    ),
    "poisson": (
        np.exp,
        lambda z, t, limit: (xlogy(t, t) - t * z - t + np.exp(z)).sum(axis=1),
    ),
}


def draw_target(loss, rng, shape):
    """Return a random target that fits the loss, for outputs of this shape."""
    if loss == "softmax_cross_entropy":
        return rng.integers(shape[1], size=shape[0])
    if loss == "binary_cross_entropy":
        return rng.integers(2, size=shape).astype(float)
    if loss == "poisson":
        return rng.poisson(2.0, size=shape).astype(float)
    return rng.normal(size=shape)


def evaluate(loss, z, target, weight=None, limit=np.inf):
    """Return the weighted mean loss and its gradient with respect to z."""
    link, rows = losses[loss]
    t = np.asarray(target)
    if loss == "softmax_cross_entropy" and t.ndim == 1:
        t = np.eye(z.shape[1])[t]
    t = t.reshape(z.shape)
    weight = np.ones(len(z)) if weight is None else weight
    if weight.sum() == 0:
        return 0.0, np.zeros_like(z)
    share = weight / weight.sum()
    return (share * rows(z, t, limit)).sum(), share[:, None] * (link(z) - t)


def philox(counter, key):
    """Philox4x32-10, a random function of 128 + 64 bits (Salmon et al. 2011)."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    k0, k1 = (np.uint64(word) for word in key)
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = p1 >> half ^ c1 ^ k0, p1 & low, p0 >> half ^ c3 ^ k1, p0 & low
        k0, k1 = k0 + np.uint64(0x9E3779B9) & low, k1 + np.uint64(0xBB67AE85) & low
    return c0, c1, c2, c3


def kept(rate, shape, seed, step, layer):
    """Return which units of which rows dropout keeps."""
    row, unit = np.indices(shape)
    words = philox((unit // 4, row, step, layer), (seed & 0xFFFFFFFF, seed >> 32))
    return np.choose(unit % 4, words) >= np.uint64(rate * 2**32)


class Batch(NamedTuple):
    """What a layer may know of a batch besides its values."""

    training: bool
    seed: int
    step: int
    weight: Any


class Dense:
    def __init__(self, n_in, n_out):
        self.slices = [("weight", (n_in, n_out), True), ("bias", (n_out,), True)]

    def forward(self, x, parameters, batch, index):
        w, b = parameters
        return x @ w + b, x

    def backward(self, dy, parameters, x):
        return dy @ parameters[0].T, [x.T @ dy, dy.sum(axis=0)]


class BatchNorm:
    def __init__(self, features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps = momentum, eps
        self.slices = [(name, (features,), True) for name in ("scale", "shift")]
        self.slices += [(name, (features,), False) for name in ("mean", "variance")]

    def forward(self, x, parameters, batch, index):
        scale, shift, running_mean, running_variance = parameters
        if batch.training:
            weight = np.ones(len(x)) if batch.weight is None else batch.weight
            share = (weight / weight.sum())[:, None]
            mean = (share * x).sum(axis=0)
            variance = (share * (x - mean) ** 2).sum(axis=0)
            running_mean += self.momentum * (mean - running_mean)
            running_variance += self.momentum * (variance - running_variance)
        else:
            share, mean, variance = None, running_mean, running_variance
        inverse = 1 / np.sqrt(variance + self.eps)
        normal = (x - mean) * inverse
        return normal * scale + shift, (normal, inverse, share)

    def backward(self, dy, parameters, cache):
        normal, inverse, share = cache
        d_scale, d_shift = (dy * normal).sum(axis=0), dy.sum(axis=0)
        if share is not None:  # the batch's own mean and variance follow x
            dy = dy - share * (d_shift + normal * d_scale)
        return dy * parameters[0] * inverse, [d_scale, d_shift]


class Dropout:
    slices = ()

    def __init__(self, rate=0.5):
        self.rate = rate

    def forward(self, x, parameters, batch, index):
        factor = np.ones_like(x)
        if batch.training:
            factor *= kept(self.rate, x.shape, batch.seed, batch.step, index)
            factor *= 1 / (1 - self.rate)
        return x * factor, factor

    def backward(self, dy, parameters, factor):
        return dy * factor, []


class Activation:
    slices = ()

    def __init__(self, name, *arguments):
        self.functions, self.arguments = activations[name], arguments

    def forward(self, x, parameters, batch, index):
        return self.functions[0](x, *self.arguments), x

    def backward(self, dy, parameters, x):
        return dy * self.functions[1](x, *self.arguments), []


class Network:
    def __init__(self, layers):
        kinds = {"dense": Dense, "batch_norm": BatchNorm, "dropout": Dropout}
        self.layers = [
            kinds[name](*arguments) if name in kinds else Activation(name, *arguments)
            for name, arguments in layers
        ]
        self.slices = [
            (f"{i}.{name}", shape, trainable)
            for i, layer in enumerate(self.layers)
            for name, shape, trainable in layer.slices
        ]

    def layers_with(self, parameters):
        rest = iter(parameters)
        return [(layer, [next(rest) for _ in layer.slices]) for layer in self.layers]

    def forward(self, x, parameters, training=False, seed=0, step=0, weight=None):
        """Return the raw outputs and what backward needs."""
        batch, caches = Batch(training, seed, step, weight), []
        for i, (layer, own) in enumerate(self.layers_with(parameters)):
            x, cache = layer.forward(x, own, batch, i)
            caches.append(cache)
        return x, caches

    def backward(self, dy, parameters, caches):
        """Return the gradients of the input and of every trainable parameter."""
        gradients = []
        pairs = zip(self.layers_with(parameters), caches, strict=True)
        for (layer, own), cache in reversed(list(pairs)):
            dy, found = layer.backward(dy, own, cache)
            gradients = found + gradients
        return dy, gradients


def sgd(w, g, v, rate, step, momentum=0.9, nesterov=True):
    v[...] = momentum * v - rate * g
    w += momentum * v - rate * g if nesterov else v


def adam(w, g, m, v, rate, step, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    m[...] = beta_1 * m + (1 - beta_1) * g
    v[...] = beta_2 * v + (1 - beta_2) * g * g
    rate = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    w -= rate * m / (np.sqrt(v) + epsilon)


# Registered name -> the number of state arrays and one step in place.
optimizers = {"sgd": (1, sgd), "adam": (2, adam)}


def update(optimizer, parameters, gradients, state, rate, step):
    """Take one step in place; the state is every array's slot 0, then slot 1."""
    (name, arguments), n = optimizer, len(parameters)
    for i, (w, g) in enumerate(zip(parameters, gradients, strict=True)):
        optimizers[name][1](w, g, *state[i::n], rate, step, *arguments)


def penalized(network, loss, batch, parameters, alpha, seed, step, limit=np.inf):
    """Return the loss of a batch with its L2 penalty, and the gradients."""
    x, target, weight = batch
    total = len(x) if weight is None else weight.sum()
    z, caches = network.forward(x, parameters, True, seed, step, weight)
    value, dz = evaluate(loss, z, target, weight, limit)
    gradients = iter(network.backward(dz, parameters, caches)[1])
    trained = []
    for (name, _, trainable), w in zip(network.slices, parameters, strict=True):
        if trainable:
            penalty = alpha / total if name.endswith(".weight") else 0.0
            value = value + penalty * (w * w).sum() / 2
            trained.append(next(gradients) + penalty * w)
    return value, trained


def train_epoch(
    network, loss, optimizer, data, parameters, state, order, rates, *,
    batch_size, step=0, alpha=0.0, seed=0, limit=np.inf,
):  # fmt: skip
    """Train on consecutive batches of `order`; return the mean loss before steps."""
    pairs = zip(network.slices, parameters, strict=True)
    trained, total = [w for (_, _, trainable), w in pairs if trainable], 0.0
    for k, rate in enumerate(rates):
        rows = order[k * batch_size : (k + 1) * batch_size]
        batch = [None if array is None else array[rows] for array in data]
        value, gradients = penalized(
            network, loss, batch, parameters, alpha, seed, step + k, limit
        )
        update(optimizer, trained, gradients, state, rate, step + k + 1)
        total += value * len(rows)
    return total / len(order)


def relative_error(actual, expected):
    """Return the largest error in units of the largest expected number."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max() / (np.abs(expected).max() or 1.0)


def worst_error(found, right, floor):
    """Return the worst relative error of several arrays.

    An array that is small beside the largest is judged in units of `floor` times the
    largest: the bias before a batch norm has gradient zero, and rounding has not.
    """
    floor *= max(np.abs(r).max() for r in right)
    return max(
        np.abs(f - r).max() / max(np.abs(r).max(), floor)
        for f, r in zip(found, right, strict=True)
    )


def same_bits(found, right):
    """Assert that arrays agree to the last bit, not-a-numbers and dtypes too."""
    for f, r in zip(found, right, strict=True):
        np.testing.assert_array_equal(f, r, strict=True)


def complex_step(function, arrays, h=1e-30):
    """Return the derivatives of function(arrays) with respect to every number."""
    arrays = [a.astype(complex) for a in arrays]
    found = [np.empty(a.shape) for a in arrays]
    for array, derivative in zip(arrays, found, strict=True):
        for i in np.ndindex(array.shape):
            array[i] += 1j * h
            derivative[i] = function([a.copy() for a in arrays]).imag / h
            array[i] = array[i].real
    return found
