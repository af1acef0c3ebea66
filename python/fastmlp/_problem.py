"""What a solver minimizes: a network's loss over the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._architecture import Slices


@dataclass
class Problem:
    """A network, its loss and the data, as the core takes them.

    Attributes
    ----------
    network : one of _core.networks
    slices : list of tuple
        Those of the network.
    parameters : list of ndarray
        Writable, in the order of the slices.
    loss : one of _core.losses
    X : ndarray or CSR of shape (n_samples, n_features)
    target : ndarray
        Labels, shape (n_samples,), or values, shape (n_samples, n_outputs).
    sample_weight : ndarray of shape (n_samples,) or None
    alpha : float
        Strength of the L2 penalty.
    n_threads : int
    """

    network: Any
    slices: Slices
    parameters: list[NDArray[Any]]
    loss: Any
    X: Any
    target: NDArray[Any]
    sample_weight: NDArray[Any] | None
    alpha: float
    n_threads: int

    def predict(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the outputs for some rows of X."""
        outputs: NDArray[Any] = self.network.predict(
            self.X, self.parameters, self.loss, n_threads=self.n_threads, rows=rows
        )
        return outputs
