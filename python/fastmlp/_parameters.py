"""The parameters that classifier and regressor share, and what they may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from . import _core, initializers
from ._architecture import ActivationLike, Member
from ._sklearn_compat import BaseEstimator, Interval, Options, StrOptions

# scikit-learn reads the signature in every fit, which takes 40 us.
_names: WeakKeyDictionary[type, tuple[str, ...]] = WeakKeyDictionary()

_POSITIVE_INT = Interval(Integral, 1, None, closed="left")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")
_BELOW_ONE = Interval(Real, 0, 1, closed="left")


class Parameters(BaseEstimator):
    """An estimator's parameters: scikit-learn's in its order, then ours."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", _POSITIVE_INT],
        "activation": [Member(_core.activations.keys())],
        "solver": [StrOptions({"lbfgs", *_core.optimizers})],
        "alpha": [_NOT_NEGATIVE],
        "batch_size": [StrOptions({"auto"}), _POSITIVE_INT],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [_POSITIVE],
        "power_t": [_NOT_NEGATIVE],
        "max_iter": [_POSITIVE_INT],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [_NOT_NEGATIVE],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [_BELOW_ONE],
        "beta_1": [_BELOW_ONE],
        "beta_2": [_BELOW_ONE],
        "epsilon": [_POSITIVE],
        "n_iter_no_change": [_POSITIVE_INT, Options(Real, {np.inf})],
        "max_fun": [_POSITIVE_INT],
        "batch_norm": ["boolean", StrOptions({"before", "after"})],
        "dropout": [_BELOW_ONE],
        "initializer": [StrOptions(initializers.registry.keys())],
        "n_threads": [
            None,
            _POSITIVE_INT,
            Interval(Integral, None, -1, closed="right"),
        ],
        "dtype": [None, StrOptions({dtype.name for dtype in _core.networks})],
    }

    hidden_layer_sizes: Any
    activation: ActivationLike
    solver: str
    alpha: float
    batch_size: int | str
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: int | np.random.RandomState | None
    tol: float
    verbose: bool | int
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    batch_norm: bool | str
    dropout: float
    initializer: str
    n_threads: int | None
    dtype: str | None

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Return the names in alphabetical order."""
        names = _names.get(cls)
        if names is None:
            names = _names[cls] = tuple(super()._get_param_names())
        return list(names)

    def _store(self, parameters: dict[str, Any]) -> None:
        """Set the parameters, for ``__init__`` to call with its ``locals()``."""
        for name, value in parameters.items():
            if name != "self":
                setattr(self, name, value)
