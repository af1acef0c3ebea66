"""What we use of scikit-learn beyond its public interface, typed; versions 1.6 to 1.9."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "Interval",
    "Options",
    "RegressorMixin",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
]

if TYPE_CHECKING:
    # scikit-learn has no type hints: these stand for its classes.
    Method = TypeVar("Method", bound=Callable[..., Any])

    class BaseEstimator:
        def __sklearn_tags__(self) -> Any: ...

    class ClassifierMixin: ...

    class RegressorMixin: ...

    class Options:
        def __init__(self, type: type, options: Any) -> None: ...
        def is_satisfied_by(self, val: object) -> bool: ...

    class StrOptions(Options):
        def __init__(self, options: Any) -> None: ...

    class Interval:
        def __init__(
            self, type: Any, left: Any, right: Any, *, closed: str
        ) -> None: ...

    def fit_context(method: Method) -> Method: ...

else:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        RegressorMixin,
        _fit_context,
    )
    from sklearn.utils._param_validation import Interval, Options, StrOptions

    # Checks the parameters against `_parameter_constraints` on entry to `fit`.
    fit_context = _fit_context(prefer_skip_nested_validation=True)


def check_sample_weight(
    sample_weight: ArrayLike, X: NDArray[Any], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return the weights as an array of shape (n_samples,) of `dtype`.

    Raises
    ------
    ValueError
        Where the shape is wrong, a weight is not finite, or all are zero.
    """
    weights: NDArray[Any] = _check_sample_weight(sample_weight, X)
    if not weights.any():  # scikit-learn checks this since 1.8
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights.astype(dtype, copy=False)
