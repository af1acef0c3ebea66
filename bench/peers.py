"""Who is compared: each peer trains a case from the same start with the same settings."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from cases import Case
from numpy_network import NumpyNetwork

SEED = 1

# fit(case, x, y, n_threads, peer) -> the loss of each epoch
Fit = Callable[[Case, np.ndarray, np.ndarray, int, "Peer"], list[float]]


@dataclass(frozen=True)
class Peer:
    """A library with the choices that change how much work it has."""

    name: str
    library: str
    fit: Fit
    dtype: str = "float32"
    shuffle: bool = True

    def train(
        self, case: Case, x: np.ndarray, y: np.ndarray, n_threads: int
    ) -> list[float]:
        return self.fit(case, x, y, n_threads, self)

    @property
    def work(self) -> tuple[str, bool]:
        """What a comparison must hold fixed."""
        return self.dtype, self.shuffle


def _settings(case: Case, peer: Peer) -> dict[str, object]:
    """Return the constructor arguments that fastmlp and scikit-learn share."""
    return {
        "hidden_layer_sizes": case.hidden,
        "batch_size": case.batch,
        "max_iter": case.epochs,
        "shuffle": peer.shuffle,
        "random_state": SEED,
        "tol": 0.0,
        "n_iter_no_change": case.epochs + 1,
    }


def _fit_estimator(estimator, x: np.ndarray, y: np.ndarray) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(x, y).loss_curve_


def fit_fastmlp(
    case: Case, x: np.ndarray, y: np.ndarray, n_threads: int, peer: Peer
) -> list[float]:
    from fastmlp import MLPClassifier

    estimator = MLPClassifier(**_settings(case, peer), n_threads=n_threads)
    return _fit_estimator(estimator, x, y)


def fit_sklearn(
    case: Case, x: np.ndarray, y: np.ndarray, n_threads: int, peer: Peer
) -> list[float]:
    """Train with scikit-learn; the caller limits the BLAS to `n_threads`."""
    from sklearn.neural_network import MLPClassifier

    del n_threads
    return _fit_estimator(MLPClassifier(**_settings(case, peer)), x, y)


def fit_numpy(
    case: Case, x: np.ndarray, y: np.ndarray, n_threads: int, peer: Peer
) -> list[float]:
    """Train the plain NumPy network; the caller limits the BLAS to `n_threads`."""
    del n_threads
    network = NumpyNetwork(
        case.units, batch=case.batch, random_state=SEED, dtype=peer.dtype
    )
    return network.fit(x, y, case.epochs)


PEERS = {
    peer.name: peer
    for peer in (
        Peer("fastmlp", "fastmlp", fit_fastmlp),
        Peer("numpy", "NumPy", fit_numpy),
        Peer("sklearn", "scikit-learn", fit_sklearn),
        Peer("fastmlp-float64", "fastmlp", fit_fastmlp, dtype="float64"),
        Peer("numpy-float64", "NumPy", fit_numpy, dtype="float64"),
        Peer("sklearn-float64", "scikit-learn", fit_sklearn, dtype="float64"),
        # scikit-learn spends much of a small batch's time on picking shuffled rows.
        Peer("fastmlp-unshuffled", "fastmlp", fit_fastmlp, shuffle=False),
        Peer("sklearn-unshuffled", "scikit-learn", fit_sklearn, shuffle=False),
    )
}
DEFAULT_PEERS = ("fastmlp", "numpy", "sklearn")
