"""A multilayer perceptron in plain NumPy, written for speed: the peer without a library.

Buffers are allocated once, every operation writes into one (`out=`), parameters lie in one
flat block so that Adam takes a dozen calls however many layers there are, and those calls go
over the block in pieces that stay in the cache.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

PIECE = 65_536  # parameters that Adam updates at a time; smaller and larger were slower


class NumpyNetwork:
    """ReLU layers, softmax cross-entropy (one output: logistic), Adam, L2, mini-batches.

    Weights and epoch orders are drawn as scikit-learn draws them, so that the same
    `random_state` means the same training.
    """

    def __init__(
        self,
        units: tuple[int, ...],
        *,
        batch: int,
        random_state: int,
        dtype: str = "float32",
        learning_rate: float = 1e-3,
        alpha: float = 1e-4,
    ) -> None:
        self.random = np.random.RandomState(random_state)
        self.learning_rate, self.alpha = learning_rate, alpha
        self.step = 0

        n_parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(units))
        block = np.zeros((5, n_parameters), dtype)
        self.parameters, self.gradient, self.m, self.v, self.scratch = block
        self.weights, self.biases = self._views(self.parameters, units)
        self.dw, self.db = self._views(self.gradient, units)
        for w, b in zip(self.weights, self.biases, strict=True):
            bound = np.sqrt(6 / sum(w.shape))
            w[:] = self.random.uniform(-bound, bound, w.shape)
            b[:] = self.random.uniform(-bound, bound, b.shape)

        # Layer by layer: the layer's output, and the gradient with respect to it.
        self.buffers = [np.empty((batch, n), dtype) for n in units]
        self.deltas = [np.empty((batch, n), dtype) for n in units]
        self.masks = [np.empty((batch, n), bool) for n in units]
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

    def fit(self, x: np.ndarray, y: np.ndarray, epochs: int) -> list[float]:
        """Train on x (rows, features) and labels y (rows,); return each epoch's loss."""
        rows, batch = len(x), len(self.ones)
        order = np.arange(rows)
        losses = []
        for _ in range(epochs):
            shuffled = np.arange(rows)
            self.random.shuffle(shuffled)
            order = order[shuffled]
            total = 0.0
            for start in range(0, rows, batch):
                picked = order[start : start + batch]
                # "clip" lets `take` write straight into `out`; no index is out of range.
                inputs = self.buffers[0][: len(picked)]
                np.take(x, picked, axis=0, out=inputs, mode="clip")
                total += self.train(y[picked]) * len(picked)
            losses.append(total / rows)
        return losses

    def train(self, labels: np.ndarray) -> float:
        """Take one step on the rows in the first buffer; return their loss before it."""
        n = len(labels)
        a = [buffer[:n] for buffer in self.buffers]
        deltas = [delta[:n] for delta in self.deltas]
        masks = [mask[:n] for mask in self.masks]
        last = len(self.weights) - 1

        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            np.matmul(a[i], w, out=a[i + 1])
            a[i + 1] += b
            if i < last:
                np.maximum(a[i + 1], 0, out=a[i + 1])
        loss = self.loss(a[-1], labels, deltas[-1])

        for i in range(last, -1, -1):
            np.matmul(a[i].T, deltas[i + 1], out=self.dw[i])
            np.matmul(self.ones[:n], deltas[i + 1], out=self.db[i])
            if i > 0:
                np.matmul(deltas[i + 1], self.weights[i].T, out=deltas[i])
                np.greater(a[i], 0, out=masks[i])
                deltas[i] *= masks[i]

        squares = sum(np.vdot(w, w) for w in self.weights)
        for dw, w in zip(self.dw, self.weights, strict=True):
            scratch = self.scratch[: w.size].reshape(w.shape)
            np.multiply(w, self.alpha / n, out=scratch)
            dw += scratch
        self.adam()
        return float(loss + 0.5 * self.alpha * squares / n)

    def loss(self, z: np.ndarray, labels: np.ndarray, delta: np.ndarray) -> float:
        """Return the mean loss of the raw outputs z, and in `delta` its gradient."""
        n = len(z)
        if z.shape[1] == 1:
            z, target = z[:, 0], labels.astype(z.dtype)
            soft = np.exp(-np.abs(z))
            value = np.maximum(z, 0) - z * target + np.log1p(soft)
            delta[:, 0] = np.where(z >= 0, 1, soft) / (1 + soft) - target
            delta /= n
            return value.mean()
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=delta)
        sums = delta.sum(axis=1, keepdims=True)
        value = np.log(sums).mean() - z[self.rows[:n], labels].mean()
        delta /= sums
        delta[self.rows[:n], labels] -= 1
        delta /= n
        return value

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
