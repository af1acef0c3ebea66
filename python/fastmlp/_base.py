"""What the classifier and the regressor share: fit, partial_fit, forward pass."""

from __future__ import annotations

from abc import abstractmethod
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import column_or_1d, validate_data

from . import _core, initializers
from ._architecture import (
    check_hidden_layer_sizes,
    fitted_arrays,
    make_network,
    member_name,
    move_arrays,
    network_of,
    parameters_dtype,
    set_fitted_arrays,
)
from ._callbacks import FitCallbacks
from ._forward import (
    QuickForward,
    as_core_input,
    loss_of,
    quick_forward_of,
    threads_for,
)
from ._lbfgs import Objective, check_lbfgs, fit_lbfgs
from ._parameters import Parameters
from ._plain_input import (
    FLOAT64,
    FLOATS,
    is_finite,
    is_plain,
    plain_numbers,
    plain_targets,
)
from ._predictor import Servable
from ._problem import Problem
from ._sklearn_compat import (
    CallbackSupport,
    check_sample_weight,
    fit_context,
    has_callbacks,
)
from ._stochastic import (
    continue_records,
    fit_stochastic,
    next_order,
    start_records,
    step_once,
)

if TYPE_CHECKING:
    from typing_extensions import Self


class Target(NamedTuple):
    """A target as the core's loss takes it, and the output layer that goes with it."""

    values: NDArray[Any]
    n_outputs: int
    out_activation: str


class BaseMLP(Servable, CallbackSupport, Parameters):
    """The multilayer perceptron without its targets; use a derived class."""

    # Fitted attributes; documented in the derived classes.
    n_features_in_: int
    n_outputs_: int
    n_layers_: int
    out_activation_: str
    coefs_: list[NDArray[Any]]
    intercepts_: list[NDArray[Any]]
    n_iter_: int
    t_: int
    loss_: float
    best_loss_: float | None
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    _no_improvement_count: int
    _random_state: np.random.RandomState
    _quick_forward: QuickForward | None

    @abstractmethod
    def _encode(self, y: Any, dtype: np.dtype[Any], anew: bool) -> Target:
        """Return y as the core's loss takes it; `anew`: with classes of its own."""

    @abstractmethod
    def _encode_plain(
        self, y: NDArray[Any], dtype: np.dtype[Any]
    ) -> NDArray[Any] | None:
        """Return the values of `_encode` if y needs no further check, else None."""

    @fit_context
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train on X and y, from new random weights unless `warm_start`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples. float32 and float64 arrays are read where they are, whatever
            their strides, and so is CSR; others are converted once.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets: class labels, or numbers for a regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts in the loss; None: all the same.

        Returns
        -------
        self
            The trained estimator.

        Raises
        ------
        ValueError, TypeError
            Where a parameter, X, y or sample_weight is not what is expected, or training
            has led to weights that are not finite.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:
        hidden = check_hidden_layer_sizes(self.hidden_layer_sizes)
        if self.solver == "lbfgs":
            check_lbfgs(self)
        anew = not (self.warm_start or incremental)
        first_pass = anew or not hasattr(self, "coefs_")
        samples, labels = self._validate(X, y, first_pass)
        dtype = np.dtype(self.dtype or samples.dtype)
        if not first_pass:
            dtype = parameters_dtype(self)
        target = self._encode(labels, dtype, anew)
        weights = None
        if sample_weight is not None:
            weights = check_sample_weight(sample_weight, samples, dtype)
        self._random_state = check_random_state(self.random_state)
        if not first_pass and target.n_outputs != self.coefs_[-1].shape[1]:
            raise ValueError(
                f"y has {target.n_outputs} outputs, but {type(self).__name__} is "
                f"expecting {self.coefs_[-1].shape[1]} outputs."
            )
        if first_pass:
            widths = [samples.shape[1], *hidden, target.n_outputs]
            self._initialize(widths, target.out_activation, dtype)
        problem = self._problem(samples, target.values, weights, dtype)
        callbacks = None
        if has_callbacks(self) and not incremental:
            callbacks = FitCallbacks(self, X, y, sample_weight)
        if self.solver == "lbfgs":
            fit_lbfgs(self, problem, callbacks)
        else:
            continue_records(self)
            fit_stochastic(self, problem, incremental, callbacks)
        self._check_finite()
        self._quick_forward = quick_forward_of(self)
        if callbacks:
            callbacks.close()
        return self

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        # scikit-learn would pass these unchanged, but takes 100 us to look.
        if (
            is_plain(X)
            and (reset or (self._fits(X) and "feature_names_in_" not in vars(self)))
            and type(y) is np.ndarray
            and y.shape == X.shape[:1]
            and y.dtype.kind in "iuf"
            and is_finite(X)
            and is_finite(y)
        ):
            self.n_features_in_ = X.shape[1]
            vars(self).pop("feature_names_in_", None)
            return X, y
        samples, labels = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            dtype=FLOATS,
            multi_output=True,
            y_numeric=is_regressor(self),
            reset=reset,
        )
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = column_or_1d(labels, warn=True)
        return as_core_input(samples), labels

    def _fits(self, X: NDArray[Any]) -> bool:
        known = vars(self)
        return known.get("n_features_in_") == X.shape[1] and "coefs_" in known

    def _initialize(
        self, widths: list[int], out_activation: str, dtype: np.dtype[Any]
    ) -> None:
        """Draw the weights, and start the records anew."""
        slices = make_network(
            widths, self.activation, self.batch_norm, self.dropout, dtype
        ).slices
        drawn = initializers._draw(
            slices,
            self.initializer,
            member_name(self.activation),
            self._random_state,
            dtype,
        )
        set_fitted_arrays(self, slices, list(drawn))
        self.out_activation_ = out_activation
        self.n_outputs_ = widths[-1]
        self.n_layers_ = len(widths)
        self.n_iter_ = 0
        self.t_ = 0
        vars(self).pop("_optimizer", None)
        if self.solver != "lbfgs":
            start_records(self)

    def _problem(
        self,
        X: Any,
        target: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        dtype: np.dtype[Any],
    ) -> Problem:
        # SciPy's L-BFGS-B works in float64; see there.
        computed_in = FLOAT64 if self.solver == "lbfgs" else dtype
        network = network_of(self, computed_in)
        slices = network.slices
        parameters = fitted_arrays(self, slices, dtype, writable=True)
        set_fitted_arrays(self, slices, parameters)
        return Problem(
            network,
            slices,
            parameters,
            loss_of(self),
            X,
            target,
            sample_weight,
            self.alpha,
            threads_for(self, X.shape[0]),
        )

    def _check_finite(self) -> None:
        for array in chain(self.coefs_, self.intercepts_):
            if not is_finite(array):
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may"
                    " contain large values and need to be preprocessed."
                )

    def _step(self, X: Any, y: Any) -> bool:
        """Do `partial_fit` at once where an earlier call has checked all but the data.

        Returns
        -------
        bool
            False, with nothing done, where X or y holds anything but plain good numbers
            (or labels), or the parameters ask for more than a step.
        """
        known = vars(self)
        if (
            "_optimizer" not in known
            or known.get("best_loss_") is None
            or self.early_stopping
        ):
            return False
        numbers = plain_numbers(self, X)
        if numbers is None or not is_plain(numbers) or not self._fits(numbers):
            return False
        targets = plain_targets(y)
        if (
            targets is None
            or targets.ndim == 0
            or len(targets) != numbers.shape[0]
            or not is_finite(numbers)
        ):
            return False
        dtype = parameters_dtype(self)
        values = self._encode_plain(targets, dtype)
        if values is None:
            return False
        problem = self._problem(numbers, values, None, dtype)
        step_once(self, problem, next_order(self, numbers.shape[0]))
        self._check_finite()
        return True

    def _loss_grad_lbfgs(
        self,
        packed_coef_inter: NDArray[Any],
        X: Any,
        y: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        *buffers: Any,
    ) -> tuple[float, NDArray[np.float64]]:
        """Return what "lbfgs" minimizes, and its gradient, as scikit-learn's method.

        `y` has the shape (n_samples, n_outputs); the parameters are packed, all weights
        first; `buffers` are scikit-learn's work space, not needed here.
        """
        del buffers
        network = network_of(self, FLOAT64)
        problem = Problem(
            network,
            network.slices,
            [],
            loss_of(self),
            X,
            np.asarray(y, FLOAT64),
            sample_weight,
            self.alpha,
            threads_for(self, X.shape[0]),
        )
        return Objective(problem)(packed_coef_inter)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        move_arrays(self)
        if "coefs_" in state:
            self._quick_forward = quick_forward_of(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def has_stochastic_solver(model: BaseMLP) -> bool:
    """Return True, or raise AttributeError where there is no `partial_fit`."""
    if model.solver not in _core.optimizers:
        raise AttributeError(
            "partial_fit is only available for stochastic"
            f" optimizers. {model.solver} is not stochastic."
        )
    return True
