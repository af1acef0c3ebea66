"""What a worker asks of a library: one case, from its start, trained or called."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from cases import Case

ROWS_COMPARED = 64
CHUNKS = (256, 1024, 4096)  # rows at a time, tried beside all at once


class Session:
    """One case in one library. Subclasses train, or predict, or both."""

    def __init__(self, case: Case, n_threads: int | None) -> None:
        self.case, self.n_threads = case, n_threads
        self.x, self.y = case.data()
        self.weights, self.orders = case.start()

    def restart(self) -> None:
        """Go back to the initial weights; not timed."""

    def train(self, orders: list[np.ndarray] | None = None) -> list[float]:
        """Train an epoch in each of these orders, or all in random ones.

        Returns each epoch's mean loss.
        """
        raise NotImplementedError

    def epochs(self, orders: list[np.ndarray] | None) -> int:
        """Return how many epochs `train` takes."""
        return self.case.epochs if orders is None else len(orders)

    def warm_up(self) -> None:
        """Train for an epoch that is not timed."""
        self.restart()
        self.train(self.orders[:1])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the probabilities of x: NumPy's arrays in and out."""
        raise NotImplementedError

    def call(self, kind: str) -> Callable[[], object]:
        """Return the call that is timed, warmed up."""
        if kind == "train":
            return self.train
        if kind == "predict-row":
            x = self.x[:1].copy()
            return lambda: self.predict(x)
        return self.fastest_prediction()

    def answer(self, kind: str) -> np.ndarray:
        """Return what the work gives, to be compared with what others give."""
        if kind == "train":
            self.restart()
            return np.array(self.train(self.orders))
        rows = self.x[:ROWS_COMPARED]
        size = 1 if kind == "predict-row" else ROWS_COMPARED
        pieces = [rows[i : i + size] for i in range(0, rows.shape[0], size)]
        found = np.concatenate([np.asarray(self.predict(piece)) for piece in pieces])
        return found[:, -1] if self.case.units[-1] == 1 else found

    def fastest_prediction(self) -> Callable[[], object]:
        """Return the prediction of all rows in the pieces that suit the library best."""

        def in_pieces(size: int) -> Callable[[], object]:
            pieces = [self.x[i : i + size] for i in range(0, self.x.shape[0], size)]
            return lambda: np.concatenate([self.predict(piece) for piece in pieces])

        candidates = [lambda: self.predict(self.x), *map(in_pieces, CHUNKS)]
        return min(candidates, key=_best_of_two)


def _best_of_two(call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
