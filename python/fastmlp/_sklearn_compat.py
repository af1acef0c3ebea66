"""What we use of scikit-learn beyond its public interface, typed; versions 1.6 to 1.9."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "BaseEstimator",
    "CallbackSupport",
    "ClassifierMixin",
    "Interval",
    "Options",
    "RegressorMixin",
    "StrOptions",
    "as_sparse",
    "available_if",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "has_callbacks",
    "minimize_stops",
]

if TYPE_CHECKING:
    # scikit-learn has no type hints: these stand for its classes.
    Method = TypeVar("Method", bound=Callable[..., Any])

    class BaseEstimator:
        @classmethod
        def _get_param_names(cls) -> list[str]: ...
        def __setstate__(self, state: dict[str, Any]) -> None: ...
        def __sklearn_tags__(self) -> Any: ...

    class CallbackSupport:
        def _init_callback_context(self, *, max_subtasks: int) -> Any: ...

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

    def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]: ...
    def fit_context(method: Method) -> Method: ...

else:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        RegressorMixin,
        _fit_context,
    )
    from sklearn.utils._param_validation import Interval, Options, StrOptions
    from sklearn.utils.metaestimators import available_if

    try:  # since 1.9, experimental
        from sklearn.callback import CallbackSupportMixin as CallbackSupport
    except ImportError:

        class CallbackSupport:
            """Stands for the mixin of later versions."""

    # Checks the parameters against `_parameter_constraints` on entry to `fit`, and
    # tears callbacks down on the way out.
    fit_context = _fit_context(prefer_skip_nested_validation=True)


# Since this version of SciPy, StopIteration from a callback ends `minimize`.
minimize_stops = tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 11)


def has_callbacks(estimator: object) -> bool:
    """Tell whether `set_callbacks` was called, by the user or a meta-estimator."""
    return "_skl_callbacks" in vars(estimator)


def check_partial_fit_first_call(estimator: object, classes: ArrayLike | None) -> bool:
    """Check `classes`; on the first call set ``classes_`` and return True."""
    return bool(_check_partial_fit_first_call(estimator, classes))


def check_sample_weight(
    sample_weight: ArrayLike, X: Any, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return the weights as an array of shape (n_samples,) of `dtype`.

    Raises
    ------
    ValueError
        Where the shape is wrong, a weight is not finite, or all are zero.
    """
    weights: NDArray[Any] = _check_sample_weight(sample_weight, X)
    weights = weights.astype(dtype, copy=False)
    if (
        not weights.any()
    ):  # scikit-learn checks this since 1.8; here, after rounding too
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def as_sparse(array: NDArray[Any]) -> Any:
    """Return CSR of the kind, matrix or array, that scikit-learn returns."""
    try:
        from sklearn.utils import _align_api_if_sparse  # since 1.9
    except ImportError:
        return sparse.csr_matrix(array)
    return _align_api_if_sparse(sparse.csr_array(array))
