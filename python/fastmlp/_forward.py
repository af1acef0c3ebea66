"""The forward pass of a fitted estimator: quick for plain arrays, checked for the rest."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _core
from ._architecture import (
    fitted_arrays,
    listed_arrays,
    network_of,
    parameters_dtype,
)
from ._threads import effective_n_threads

# scikit-learn's name for the output -> the core's loss, which owns that link.
_LOSSES = {
    "softmax": "softmax_cross_entropy",
    "logistic": "binary_cross_entropy",
    "identity": "squared_error",
    "exp": "poisson",
}

FLOAT64 = np.dtype(np.float64)
FLOATS = (FLOAT64, np.dtype(np.float32))
_MANY_NUMBERS = 10_000
_SERIAL_WORK = 500_000  # rows times weights: less is done before a thread wakes up


@cache
def loss_named(out_activation: str) -> Any:
    """Return the core's loss for scikit-learn's name of an output."""
    return _core.losses[_LOSSES[out_activation]]()


def loss_of(model: Any) -> Any:
    """Return the core's loss for a fitted estimator."""
    return loss_named(model.out_activation_)


def threads_for(model: Any, n_rows: int) -> int:
    """Return the number of threads to use for one pass over so many rows."""
    n_weights = 0  # by a loop, which is quicker than a sum over a list
    for coef in model.coefs_:
        n_weights += coef.size
    if n_rows * n_weights < _SERIAL_WORK:
        return 1
    return effective_n_threads(model.n_threads)


def as_core_input(X: Any) -> Any:
    """Return validated samples as the core reads them: floats, aligned, or in CSR."""
    if X.dtype not in FLOATS:
        X = X.astype(FLOAT64)
    return X.tocsr() if issparse(X) else np.require(X, requirements=["ALIGNED"])


def is_plain(X: Any) -> bool:
    """Tell whether X could be fitted to once its numbers are known to be finite."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in FLOATS
        and X.size > 0
        and X.flags.aligned
    )


def is_plain_input(model: Any, X: Any) -> bool:
    """Tell whether X needs no more checks than that its numbers are finite."""
    known = vars(model)
    return (
        is_plain(X)
        and X.shape[1] == known.get("n_features_in_")
        and "feature_names_in_" not in known
        and "coefs_" in known
    )


def is_finite(array: NDArray[Any]) -> bool:
    """Tell whether all numbers are finite."""
    if array.size > _MANY_NUMBERS:  # their sum is quicker, and needs no memory
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(array.sum()):
                return True
    return bool(np.isfinite(array).all())


def forward(model: Any, X: Any, *, both_classes: bool = False) -> NDArray[Any]:
    """Return the outputs, shape (n_samples, n_outputs), for new samples.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    X : array-like
    both_classes : bool
        Whether a single output, the probability of the second of two classes, gets a
        column for the first one, too.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        Where the model has no fitted attributes.
    ValueError, TypeError
        scikit-learn's, where X is not what is expected.
    """
    if is_plain_input(model, X):
        try:
            return _predict(model, X, both_classes, quick=True)
        except (IndexError, TypeError, ValueError):  # there are better messages below
            pass
    check_is_fitted(model)
    samples = validate_data(model, X, accept_sparse=["csr", "csc"], reset=False)
    return _predict(model, as_core_input(samples), both_classes, quick=False)


def _predict(model: Any, X: Any, both_classes: bool, *, quick: bool) -> NDArray[Any]:
    """Return the outputs; `quick`: the core alone checks X and the model's arrays."""
    dtype = parameters_dtype(model)
    network = network_of(model, dtype)
    if quick:
        arrays = listed_arrays(model, network)
    else:
        arrays = fitted_arrays(model, network.slices, dtype)
    n_threads = threads_for(model, X.shape[0])
    # By position: names would be a tenth of the time of a small row.
    check_finite, rows = quick, None
    outputs: NDArray[Any] = network.predict(
        X, arrays, loss_of(model), n_threads, check_finite, rows, both_classes
    )
    return outputs
