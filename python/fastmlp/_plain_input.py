"""Samples and targets that scikit-learn need not look at: plain numbers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

FLOAT64 = np.dtype(np.float64)
FLOATS = (FLOAT64, np.dtype(np.float32))
_CSR = (csr_array, csr_matrix)
_MANY_NUMBERS = 10_000
_MOST_NUMBERS_OF_FRAME = 1_000_000  # sparse columns would fill more memory than others
# From what is not like plain numbers.
_UNLIKE = (AttributeError, IndexError, TypeError, ValueError)


def is_plain(X: Any) -> bool:
    """Tell whether X could be fitted to once its numbers are known to be finite."""
    return (
        (type(X) in _CSR or (type(X) is np.ndarray and X.flags.aligned))
        and X.ndim == 2
        and X.dtype in FLOATS
        and min(X.shape) > 0
    )


def is_finite(array: Any) -> bool:
    """Tell whether all numbers of an array or CSR matrix are finite."""
    if type(array) in _CSR:
        array = array.data
    if array.size > _MANY_NUMBERS:  # their sum is quicker, and needs no memory
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(array.sum()):
                return True
    return bool(np.isfinite(array).all())


def plain_numbers(model: Any, X: Any) -> Any:
    """Return the floats that scikit-learn would find in X for a fitted model.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    X : object

    Returns
    -------
    ndarray, CSR matrix or None
        Not yet checked: its shape, whether its numbers are finite, and where they lie in
        CSR. None where scikit-learn might have more to say of X than that: all but
        arrays, CSR of floats and lists of numbers and, where the model knows names of
        features, a pandas DataFrame with those.
    """
    names = vars(model).get("feature_names_in_")
    try:
        if names is not None:
            array = _numbers_of_frame(X, names)
        elif type(X) in _CSR:
            # scikit-learn looks at what lies behind the last entry, too.
            return X if X.dtype in FLOATS and X.nnz == X.data.size else None
        else:
            array = X if type(X) is np.ndarray else _numbers_of_list(X)
    except _UNLIKE:
        return None
    if array is None or array.dtype in FLOATS:
        return array
    return array.astype(FLOAT64) if array.dtype.kind in "iu" else None


def plain_targets(y: Any) -> NDArray[Any] | None:
    """Return the array that y is or holds as list of numbers or pandas Series, or None."""
    if type(y) is np.ndarray:
        return y
    try:
        if type(y) is _pandas_class("Series"):
            values: NDArray[Any] = y.to_numpy()
            return values
        return _numbers_of_list(y)
    except _UNLIKE:
        return None


def _numbers_of_list(values: Any) -> NDArray[Any] | None:
    # Strings and numbers mixed would become strings.
    if type(values) is not list:
        return None
    array = np.asarray(values)
    return array if array.dtype.kind in "iuf" else None


def _numbers_of_frame(X: Any, names: NDArray[Any]) -> NDArray[Any] | None:
    if (
        type(X) is not _pandas_class("DataFrame")
        or len(X) * len(names) > _MOST_NUMBERS_OF_FRAME
    ):
        return None
    columns = X.columns.tolist()
    # scikit-learn goes by the names' type, too.
    if columns != names.tolist() or set(map(type, columns)) != {str}:
        return None
    numbers: NDArray[Any] = X.to_numpy()
    # Where that is no copy, all columns are of one of NumPy's types: quicker to see than
    # to ask for.
    if np.may_share_memory(numbers, X.to_numpy()):
        return numbers
    are_numpys = all(isinstance(dtype, np.dtype) for dtype in X.dtypes.tolist())
    return numbers if are_numpys else None


def _pandas_class(name: str) -> Any:
    # Who has one has imported pandas, which we need not.
    return getattr(sys.modules.get("pandas"), name, None)
