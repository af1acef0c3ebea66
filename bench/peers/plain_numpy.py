"""Plain NumPy: the network of numpy_network.py; the worker limits the BLAS."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from cases import SEED
from numpy_network import NumpyNetwork

from .session import CHUNKS, Session


class Numpy(Session):
    def restart(self) -> None:
        self.network = self.make(self.case.batch)

    def make(self, batch: int) -> NumpyNetwork:
        return NumpyNetwork(
            self.weights,
            batch=batch,
            activation=self.case.activation,
            regression=self.case.classes == 0,
        )

    def train(self, orders: list[np.ndarray] | None = None) -> list[float]:
        if orders is None:
            random, rows = np.random.default_rng(SEED), self.case.rows
            orders = (random.permutation(rows) for _ in range(self.case.epochs))
        return self.network.fit(self.x, self.y, orders)

    @cached_property
    def forward(self) -> NumpyNetwork:
        return self.make(max(CHUNKS))

    def predict(self, x: np.ndarray) -> np.ndarray:
        if len(x) <= max(CHUNKS):
            return self.forward.predict(x)
        pieces = [x[i : i + max(CHUNKS)] for i in range(0, len(x), max(CHUNKS))]
        return np.concatenate([self.forward.predict(piece) for piece in pieces])
