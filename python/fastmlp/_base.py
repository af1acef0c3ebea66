"""What the classifier and the regressor share: parameters, fit, forward pass."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from . import _core, initializers
from ._architecture import (
    ActivationLike,
    Member,
    check_hidden_layer_sizes,
    fitted_arrays,
    make_network,
    member_name,
    set_fitted_arrays,
)
from ._sklearn_compat import (
    BaseEstimator,
    Interval,
    Options,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from ._threads import effective_n_threads
from ._training import State, train

if TYPE_CHECKING:
    from typing_extensions import Self

# scikit-learn's name for the output -> the core's loss, which owns that link.
_LOSSES = {
    "softmax": "softmax_cross_entropy",
    "logistic": "binary_cross_entropy",
    "identity": "squared_error",
}

_FLOATS = (np.float64, np.float32)


class BaseMLP(BaseEstimator):
    """The multilayer perceptron without its targets; use a derived class."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [Member(_core.activations.keys())],
        "solver": [StrOptions(_core.optimizers.keys())],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "batch_norm": ["boolean", StrOptions({"before", "after"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "initializer": [StrOptions(initializers.registry.keys())],
        "n_threads": [
            None,
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
        ],
        "dtype": [None, StrOptions({dtype.name for dtype in _core.networks})],
    }

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
    best_loss_: float
    loss_curve_: list[float]
    _no_improvement_count: int

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: ActivationLike = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        batch_norm: bool | str = False,
        dropout: float = 0.0,
        initializer: str = "sklearn",
        n_threads: int | None = None,
        dtype: str | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.initializer = initializer
        self.n_threads = n_threads
        self.dtype = dtype

    @abstractmethod
    def _encode(self, y: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Set n_outputs_ and out_activation_; return y as the core's loss takes it."""

    @fit_context
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train on X and y, from new random weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples. float32 and float64 arrays are read where they are, whatever
            their strides; others are converted once.
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
        hidden = check_hidden_layer_sizes(self.hidden_layer_sizes)
        samples, labels = self._validate(X, y)
        dtype = np.dtype(self.dtype or samples.dtype)
        target = self._encode(labels, dtype)
        weights = None
        if sample_weight is not None:
            weights = check_sample_weight(sample_weight, samples, dtype)

        random_state = check_random_state(self.random_state)
        widths = [samples.shape[1], *hidden, self.n_outputs_]
        network = self._make_network(widths, dtype)
        drawn = initializers._draw(
            network.slices, self.initializer, member_name(self.activation), random_state
        )
        parameters = [values.astype(dtype) for values in drawn]
        set_fitted_arrays(self, network.slices, parameters)
        self._forget()
        self._fit_stochastic(
            network, parameters, samples, target, weights, random_state
        )
        if not all(np.isfinite(array).all() for array in parameters):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may"
                " contain large values and need to be preprocessed."
            )
        return self

    def _validate(self, X: ArrayLike, y: ArrayLike) -> tuple[Any, Any]:
        samples, labels = validate_data(
            self,
            X,
            y,
            dtype=_FLOATS,
            multi_output=True,
            y_numeric=is_regressor(self),
        )
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = column_or_1d(labels, warn=True)
        return np.require(samples, requirements=["ALIGNED"]), labels

    def _forget(self) -> None:
        """Start the records of training anew."""
        self.n_layers_ = len(self.coefs_) + 1
        self.n_iter_ = 0
        self.t_ = 0
        self.loss_curve_ = []
        self.best_loss_ = np.inf
        self._no_improvement_count = 0

    def _fit_stochastic(
        self,
        network: Any,
        parameters: list[NDArray[Any]],
        X: NDArray[Any],
        target: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        random_state: np.random.RandomState,
    ) -> None:
        rule = self._make_rule()
        batch_size = self._check_batch_size(len(X))
        pairs = zip(parameters, network.slices, strict=True)
        trainable = [array for array, (_, _, is_trainable) in pairs if is_trainable]
        state = State.start(rule, trainable, len(X), random_state, self.dropout)
        trainer = _core.trainers[parameters[0].dtype](
            network,
            self._make_loss(),
            rule,
            X,
            target,
            sample_weight,
            parameters,
            state.moments,
            alpha=self.alpha,
            batch_size=batch_size,
            seed=state.seed,
            step=state.step,
            n_threads=effective_n_threads(self.n_threads),
            clip=True,
        )
        train(self, trainer, state, batch_size)

    def _forward(self, X: ArrayLike) -> NDArray[Any]:
        """Return the outputs, shape (n_samples, n_outputs), for new samples."""
        check_is_fitted(self)
        samples = validate_data(self, X, dtype=_FLOATS, reset=False)
        widths = [len(self.coefs_[0]), *(coef.shape[1] for coef in self.coefs_)]
        dtype = np.result_type(np.float32, *self.coefs_)
        network = self._make_network(widths, dtype)
        outputs: NDArray[Any] = network.predict(
            np.require(samples, requirements=["ALIGNED"]),
            fitted_arrays(self, network.slices, dtype),
            self._make_loss(),
            n_threads=effective_n_threads(self.n_threads),
        )
        return outputs

    def _make_network(self, widths: list[int], dtype: np.dtype[Any]) -> Any:
        return make_network(
            widths, self.activation, self.batch_norm, self.dropout, dtype
        )

    def _make_loss(self) -> Any:
        return _core.losses[_LOSSES[self.out_activation_]]()

    def _make_rule(self) -> Any:
        settings = {
            "sgd": {"momentum": self.momentum, "nesterov": self.nesterovs_momentum},
            "adam": {
                "beta_1": self.beta_1,
                "beta_2": self.beta_2,
                "epsilon": self.epsilon,
            },
        }
        return _core.optimizers[self.solver](**settings[self.solver])

    def _check_batch_size(self, n_samples: int) -> int:
        if isinstance(self.batch_size, str):  # "auto"
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than "
                "sample size. It is going to be clipped",
                stacklevel=5,
            )
        return min(int(self.batch_size), n_samples)
