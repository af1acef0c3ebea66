"""MLPRegressor: scikit-learn's interface to networks that predict numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from ._architecture import ActivationLike
from ._base import BaseMLP, Target, has_stochastic_solver
from ._forward import forward
from ._sklearn_compat import RegressorMixin, StrOptions, available_if, fit_context

if TYPE_CHECKING:
    from typing_extensions import Self


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multilayer perceptron regressor, in the place of scikit-learn's.

    Minimizes half the squared error, summed over outputs, or half the Poisson deviance,
    by mini-batches or all at once. In float64, the same seed gives scikit-learn's weights
    up to rounding.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        What is minimized. "poisson" predicts positive numbers, by the exponential of the
        output, and takes targets >= 0.
    hidden_layer_sizes : int or array-like of int, default=(100,)
        The widths of the hidden layers; ``()`` makes a linear model.
    activation : str or tuple (str, dict), default="relu"
        What follows each hidden layer: "identity", "logistic", "tanh", "relu",
        "leaky_relu" (``slope=0.01``), "elu" (``alpha=1.0``), "swish" (``beta=1.0``) or
        "gelu". ``("leaky_relu", {"slope": 0.1})`` sets parameters of its own.
    solver : {"lbfgs", "sgd", "adam"}, default="adam"
        L-BFGS-B over all samples at once, for small data, computed in float64;
        stochastic gradient descent with momentum; or Adam [1]_.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights (not on biases, nor on batch norm); as
        in scikit-learn divided by the number of rows of each batch.
    batch_size : int or "auto", default="auto"
        Rows in a mini-batch; "auto" is ``min(200, n_samples)``.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Of "sgd": `learning_rate_init` throughout; divided by ``(t_ + 1) ** power_t``
        after each epoch; or divided by 5 each time that training would else have
        stopped, until it is 1e-6.
    learning_rate_init : float, default=0.001
        The step size of "sgd" and "adam".
    power_t : float, default=0.5
        The exponent of "invscaling".
    max_iter : int, default=200
        The most epochs (passes over the data), or iterations of "lbfgs".
    shuffle : bool, default=True
        Whether each epoch goes through the rows in a new random order.
    random_state : int, RandomState or None, default=None
        Source of the weights, the rows held out, orders and dropout masks. An int makes
        `fit` repeatable, to the bit, with any number of threads.
    tol : float, default=1e-4
        Training stops when the loss has not fallen (or the validation score not risen)
        by `tol` for more than `n_iter_no_change` epochs; for "lbfgs", when no
        component of the gradient is larger.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights and records of the last one.
    momentum : float, default=0.9
        Of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to hold out some rows, to stop by the score on them (R2) and to
        return to the weights that had the best one. Not for "lbfgs".
    validation_fraction : float, default=0.1
        The share of the rows that `early_stopping` holds out, in [0, 1).
    beta_1, beta_2 : float, default=0.9, 0.999
        Of "adam": decay of the first and second moments, in [0, 1).
    epsilon : float, default=1e-8
        Of "adam": added to the denominator.
    n_iter_no_change : int or inf, default=10
        See `tol`.
    max_fun : int, default=15000
        Of "lbfgs": the most evaluations of the loss.
    batch_norm : bool, "before" or "after", default=False
        Batch normalization [2]_ in each hidden layer, before (True too) or after the
        activation; momentum 0.1, eps 1e-5. Not for "lbfgs".
    dropout : float, default=0.0
        Share of each hidden layer's outputs that training sets to zero [3]_, in [0, 1).
        Not for "lbfgs".
    initializer : str, default="sklearn"
        How weights are drawn: "sklearn" (as scikit-learn's), "normal",
        "xavier_uniform", "xavier_normal", "he_uniform" or "he_normal"; see
        `fastmlp.initializers`.
    n_threads : int or None, default=None
        The most threads to use. None: as many as there are physical cores, within the
        limits of OpenMP (``OMP_NUM_THREADS``, threadpoolctl) and joblib; -1 is the same,
        -2 one less. Results do not depend on it.
    dtype : {"float32", "float64"} or None, default=None
        The precision to compute in; None: that of X in `fit`, float64 for integers. With
        "float32" a float64 X is converted batch by batch, never copied as a whole.

    Attributes
    ----------
    out_activation_ : str
        "identity", or "exp" for the loss "poisson".
    n_outputs_, n_features_in_ : int
        The numbers of outputs and features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        The names of the columns, where X was a DataFrame with names.
    n_layers_ : int
        The number of layers, those of input and output included.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        The weights of each layer; these arrays are what `predict` reads.
    intercepts_ : list of ndarray of shape (fan_out,)
        The biases of each layer.
    batch_norm_scale_, batch_norm_shift_ : list of ndarray of shape (width,)
        The learnt scale (gamma) and shift (beta) of each hidden layer; only with
        `batch_norm`.
    batch_norm_mean_, batch_norm_var_ : list of ndarray of shape (width,)
        The running mean and biased variance that `predict` uses; only with `batch_norm`.
    loss_ : float
        The loss of the last epoch: the mean over its rows, each measured before the step
        it took part in, plus the penalty. For "lbfgs" that of the weights.
    best_loss_ : float or None
        The smallest loss of an epoch; None with `early_stopping`. Not for "lbfgs".
    loss_curve_ : list of float
        The loss of each epoch. Not for "lbfgs".
    validation_scores_ : list of float or None
        The score of each epoch on the rows held out; None without `early_stopping`.
    best_validation_score_ : float or None
        The largest of them.
    n_iter_ : int
        Epochs, or iterations of "lbfgs", in the last `fit`.
    t_ : int
        Samples seen: epochs times rows to train on.

    Raises
    ------
    ValueError, TypeError
        From `fit`, for parameters out of their range.

    See Also
    --------
    MLPClassifier : The same for targets that are labels.
    fastmlp.nn : Layers, losses and optimizers, for loops of your own.

    Notes
    -----
    Callbacks of ``sklearn.callback``, set with ``set_callbacks``, see a task for each
    epoch of `fit`, or for each iteration of "lbfgs", and may end it.

    References
    ----------
    .. [1] D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    .. [2] S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network
       training by reducing internal covariate shift", ICML 2015.
    .. [3] N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
       overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from fastmlp import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=5, random_state=0)
    >>> model = MLPRegressor(
    ...     hidden_layer_sizes=(20,), learning_rate_init=0.05, random_state=0
    ... ).fit(X, y / y.std())
    >>> model.predict(X[:2]).shape
    (2,)
    >>> model.score(X, y / y.std()) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "loss": [StrOptions({"squared_error", "poisson"})],
        **BaseMLP._parameter_constraints,
    }

    loss: str

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: ActivationLike = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        batch_norm: bool | str = False,
        dropout: float = 0.0,
        initializer: str = "sklearn",
        n_threads: int | None = None,
        dtype: str | None = None,
    ) -> None:
        self._store(locals())

    @available_if(has_stochastic_solver)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch on X and y, from the present weights.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts in the loss; None: all the same.

        Returns
        -------
        self
            The trained estimator.

        Raises
        ------
        AttributeError
            Where the solver is "lbfgs".
        ValueError, TypeError
            As from `fit`, and with `early_stopping`.
        """
        if sample_weight is None and self._step(X, y):
            return self
        return self._partial_fit(X, y, sample_weight)

    @fit_context
    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        return self._fit(X, y, sample_weight, incremental=True)

    def _encode(self, y: Any, dtype: np.dtype[Any], anew: bool) -> Target:
        del anew
        if issparse(y):
            y = y.toarray()
        if self.loss == "poisson" and y.size and y.min() < 0:
            raise ValueError(
                "Some value(s) of y are out of the valid range of the loss 'poisson': "
                f"y must be >= 0, got {y.min()}."
            )
        target = np.ascontiguousarray(y.reshape(len(y), -1), dtype=dtype)
        out_activation = "exp" if self.loss == "poisson" else "identity"
        return Target(target, target.shape[1], out_activation)

    def _encode_plain(
        self, y: NDArray[Any], dtype: np.dtype[Any]
    ) -> NDArray[Any] | None:
        plain = y.dtype.kind in "iuf" and np.isfinite(y).all()
        columns = 1 if y.ndim == 1 else y.shape[1] if y.ndim == 2 else 0
        # A single column is met with a warning.
        if not plain or columns != self.n_outputs_ or (y.ndim == 2 and columns == 1):
            return None
        return self._encode(y, dtype, anew=False).values

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the targets of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predicted values, in the dtype of ``coefs_``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            Where X has another number of features than in `fit`, or is not finite.
        """
        outputs = forward(self, X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs
