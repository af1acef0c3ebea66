"""A multilayer perceptron in plain NumPy, written for speed: the peer without a library.

Buffers are allocated once, every operation writes into one (`out=`), parameters lie in one
flat block so that Adam takes a dozen calls however many layers there are, and those calls go
over the block in pieces that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

PIECE = 65_536  # parameters that Adam updates at a time; smaller and larger were slower

Layers = list[tuple[np.ndarray, np.ndarray]]  # weights (n_in, n_out), biases (n_out,)


def activate(name: str, a: np.ndarray) -> None:
    """Apply the activation in place."""
    if name == "relu":
        np.maximum(a, 0, out=a)
    elif name == "tanh":
        np.tanh(a, out=a)
    else:  # logistic; NumPy's tanh is vectorized and does not overflow
        a *= 0.5
        np.tanh(a, out=a)
        a += 1
        a *= 0.5


def activate_backward(
    name: str, a: np.ndarray, delta: np.ndarray, slope: np.ndarray
) -> None:
    """Multiply delta by the derivative, which is a function of the output a."""
    if name == "relu":
        np.greater(a, 0, out=slope)
    elif name == "tanh":
        np.multiply(a, a, out=slope)
        np.subtract(1, slope, out=slope)
    else:
        delta *= a
        np.subtract(1, a, out=slope)
    delta *= slope


class NumpyNetwork:
    """Dense layers; softmax cross-entropy (one output: logistic) or squared error; Adam."""

    def __init__(
        self,
        layers: Layers,
        *,
        batch: int,
        activation: str = "relu",
        regression: bool = False,
        learning_rate: float = 1e-3,
    ) -> None:
        self.activation, self.regression = activation, regression
        self.learning_rate = learning_rate
        self.step = 0

        dtype = layers[0][0].dtype
        units = (len(layers[0][0]), *(len(b) for _, b in layers))
        block = np.zeros((5, sum(w.size + b.size for w, b in layers)), dtype)
        self.parameters, self.gradient, self.m, self.v, self.scratch = block
        self.weights, self.biases = self._views(self.parameters, units)
        self.dw, self.db = self._views(self.gradient, units)
        for i, (w, b) in enumerate(layers):
            self.weights[i][:], self.biases[i][:] = w, b

        # Layer by layer: the layer's output, and the gradient with respect to it.
        self.buffers = [np.empty((batch, n), dtype) for n in units]
        self.deltas = [np.empty((batch, n), dtype) for n in units]
        slope = bool if activation == "relu" else dtype
        self.slopes = [np.empty((batch, n), slope) for n in units]
        self.ones = np.ones(batch, dtype)
        self.rows = np.arange(batch)

    @staticmethod
    def _views(
        block: np.ndarray, units: tuple[int, ...]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        weights, biases, at = [], [], 0
        for n_in, n_out in pairwise(units):
            weights.append(block[at : at + n_in * n_out].reshape(n_in, n_out))
            at += n_in * n_out
            biases.append(block[at : at + n_out])
            at += n_out
        return weights, biases

    def fit(
        self, x: np.ndarray, y: np.ndarray, orders: Iterable[np.ndarray]
    ) -> list[float]:
        """Train on x (rows, features) in these orders; return each epoch's loss."""
        rows, batch = len(x), len(self.ones)
        losses = []
        for order in orders:
            total = 0.0
            for start in range(0, rows, batch):
                picked = order[start : start + batch]
                # "clip" lets `take` write straight into `out`; no index is out of range.
                inputs = self.buffers[0][: len(picked)]
                np.take(x, picked, axis=0, out=inputs, mode="clip")
                total += self.train(y[picked]) * len(picked)
            losses.append(total / rows)
        return losses

    def forward(self, a: list[np.ndarray]) -> None:
        """Fill a[1:], the layers' outputs; the last is raw."""
        last = len(self.weights) - 1
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            np.matmul(a[i], w, out=a[i + 1])
            a[i + 1] += b
            if i < last:
                activate(self.activation, a[i + 1])

    def train(self, targets: np.ndarray) -> float:
        """Take one step on the rows in the first buffer; return their loss before it."""
        n = len(targets)
        a = [buffer[:n] for buffer in self.buffers]
        deltas = [delta[:n] for delta in self.deltas]
        self.forward(a)
        loss = self.loss(a[-1], targets, deltas[-1])
        for i in range(len(self.weights) - 1, -1, -1):
            np.matmul(a[i].T, deltas[i + 1], out=self.dw[i])
            np.matmul(self.ones[:n], deltas[i + 1], out=self.db[i])
            if i > 0:
                np.matmul(deltas[i + 1], self.weights[i].T, out=deltas[i])
                activate_backward(self.activation, a[i], deltas[i], self.slopes[i][:n])
        self.adam()
        return float(loss)

    def loss(self, z: np.ndarray, targets: np.ndarray, delta: np.ndarray) -> float:
        """Return the mean loss of the raw outputs z, and in `delta` its gradient."""
        n = len(z)
        if self.regression:
            np.subtract(z[:, 0], targets, out=delta[:, 0])
            value = 0.5 * np.vdot(delta, delta) / n
        elif z.shape[1] == 1:
            z, target = z[:, 0], targets.astype(z.dtype)
            soft = np.exp(-np.abs(z))
            value = (np.maximum(z, 0) - z * target + np.log1p(soft)).mean()
            delta[:, 0] = np.where(z >= 0, 1, soft) / (1 + soft) - target
        else:
            z -= z.max(axis=1, keepdims=True)
            np.exp(z, out=delta)
            sums = delta.sum(axis=1, keepdims=True)
            value = np.log(sums).mean() - z[self.rows[:n], targets].mean()
            delta /= sums
            delta[self.rows[:n], targets] -= 1
        delta /= n
        return value

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the probabilities of x (rows, features), at most a batch of rows."""
        a = [x, *(buffer[: len(x)] for buffer in self.buffers[1:])]
        self.forward(a)
        z = a[-1]
        if z.shape[1] == 1:
            activate("logistic", z)
            return z.copy()
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        return z / z.sum(axis=1, keepdims=True)

    def adam(
        self, beta_1: float = 0.9, beta_2: float = 0.999, eps: float = 1e-8
    ) -> None:
        """Update the whole parameter block in place, a piece at a time."""
        self.step += 1
        rate = (
            self.learning_rate
            * np.sqrt(1 - beta_2**self.step)
            / (1 - beta_1**self.step)
        )
        rate = float(rate)  # a NumPy scalar would turn float32 arithmetic into float64
        for start in range(0, len(self.parameters), PIECE):
            piece = slice(start, start + PIECE)
            w, g, m = self.parameters[piece], self.gradient[piece], self.m[piece]
            v, scratch = self.v[piece], self.scratch[piece]
            m *= beta_1
            np.multiply(g, 1 - beta_1, out=scratch)
            m += scratch
            v *= beta_2
            g *= g
            g *= 1 - beta_2
            v += g
            np.sqrt(v, out=scratch)
            scratch += eps
            np.divide(m, scratch, out=scratch)
            scratch *= rate
            w -= scratch
