"""The forward pass of a fitted estimator: quick for plain arrays, checked for the rest."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _core
from ._architecture import (
    fitted_arrays,
    network_of,
    parameters_dtype,
    places_of_arrays,
    settings_beside_widths,
)
from ._plain_input import FLOAT64, FLOATS, plain_numbers
from ._threads import effective_n_threads

# scikit-learn's name for the output -> the core's loss, which owns that link.
_LOSSES = {
    "softmax": "softmax_cross_entropy",
    "logistic": "binary_cross_entropy",
    "identity": "squared_error",
    "exp": "poisson",
}

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
    return _threads_for_work(model, n_rows * sum(coef.size for coef in model.coefs_))


def _threads_for_work(model: Any, work: int) -> int:
    return 1 if work < _SERIAL_WORK else effective_n_threads(model.n_threads)


def as_core_input(X: Any) -> Any:
    """Return validated samples as the core reads them: floats, aligned, or in CSR."""
    if X.dtype not in FLOATS:
        X = X.astype(FLOAT64)
    return X.tocsr() if issparse(X) else np.require(X, requirements=["ALIGNED"])


class QuickForward:
    """The forward pass of a fitted model for plain numbers, which only the core checks.

    What weights' shapes and parameters decide is looked up here, once: to put it together
    anew takes longer than a row of a small network. At each call, parameters are compared
    with what they were, and the core checks shapes and types of all arrays; a model that
    has changed in these goes the checked way until it is fitted anew, or copied. Copies
    and pickles of this object are None.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted.

    Raises
    ------
    AttributeError, LookupError, TypeError, ValueError
        Where the model's attributes do not fit together.
    """

    __slots__ = ("_loss", "_n_layers", "_n_weights", "_network", "_places", "_settings")

    def __init__(self, model: Any) -> None:
        self._settings = deepcopy(_settings_of_forward(model))
        self._network = network_of(model, parameters_dtype(model))
        if self._network.in_features != model.n_features_in_:
            raise ValueError("n_features_in_ must be the number of rows of coefs_[0]")
        self._places = places_of_arrays(self._network)
        self._loss = loss_of(model)
        self._n_layers = len(model.coefs_)
        self._n_weights = sum(coef.size for coef in model.coefs_)

    def __call__(self, model: Any, X: Any, both_classes: bool) -> NDArray[Any]:
        """Return the outputs.

        Raises
        ------
        AttributeError, LookupError, TypeError, ValueError
            Where there is no row, or X does not hold finite numbers as the core reads
            them, or anything but numbers has changed in the model's arrays, or in
            what `_settings_of_forward` returns.
        """
        n_rows = X.shape[0]
        if (
            n_rows == 0
            or len(model.coefs_) != self._n_layers  # one more would be overlooked below
            or _settings_of_forward(model) != self._settings
        ):
            raise ValueError("X has no rows, or the model has changed")
        # By position: names would be a tenth of the time of a small row.
        check_finite, rows = True, None
        outputs: NDArray[Any] = self._network.predict(
            X,
            [getattr(model, attribute)[i] for attribute, i in self._places],
            self._loss,
            _threads_for_work(model, n_rows * self._n_weights),
            check_finite,
            rows,
            both_classes,
        )
        return outputs

    # The core's networks do not pickle, and a copied model looks all of it up anew.
    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


def _settings_of_forward(model: Any) -> tuple[Any, ...]:
    settings = settings_beside_widths(model)
    return settings, model.out_activation_, model.n_features_in_


def quick_forward_of(model: Any) -> QuickForward | None:
    """Return a fitted model's `QuickForward`, or None where its parts do not fit."""
    try:
        return QuickForward(model)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


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
    quick: QuickForward | None = vars(model).get("_quick_forward")
    if quick is not None:
        numbers = plain_numbers(model, X)
        try:
            if numbers is not None:
                return quick(model, numbers, both_classes)
        except (AttributeError, LookupError, TypeError, ValueError):
            pass  # what is wrong, if anything is, will be said below
        del numbers  # may be a copy
    check_is_fitted(model)
    samples = as_core_input(
        validate_data(model, X, accept_sparse=["csr", "csc"], reset=False)
    )
    dtype = parameters_dtype(model)
    network = network_of(model, dtype)
    outputs: NDArray[Any] = network.predict(
        samples,
        fitted_arrays(model, network.slices, dtype),
        loss_of(model),
        threads_for(model, samples.shape[0]),
        both_classes=both_classes,
    )
    return outputs
