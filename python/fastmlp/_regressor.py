"""MLPRegressor: scikit-learn's interface to networks that predict numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._architecture import ActivationLike
from ._base import BaseMLP
from ._sklearn_compat import RegressorMixin, StrOptions


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multilayer perceptron regressor, in the place of scikit-learn's.

    Minimizes half the squared error, summed over outputs, by mini-batches. In float64,
    the same seed gives scikit-learn's weights up to rounding.

    Parameters
    ----------
    loss : {"squared_error"}, default="squared_error"
        What is minimized.
    hidden_layer_sizes : int or array-like of int, default=(100,)
        The widths of the hidden layers; ``()`` makes a linear model.
    activation : str or tuple (str, dict), default="relu"
        What follows each hidden layer: "identity", "logistic", "tanh", "relu",
        "leaky_relu" (``slope=0.01``), "elu" (``alpha=1.0``), "swish" (``beta=1.0``) or
        "gelu". ``("leaky_relu", {"slope": 0.1})`` sets parameters of its own.
    solver : {"sgd", "adam"}, default="adam"
        Stochastic gradient descent with momentum, or Adam [1]_.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights (not on biases, nor on batch norm); as
        in scikit-learn divided by the number of rows of each batch.
    batch_size : int or "auto", default="auto"
        Rows in a mini-batch; "auto" is ``min(200, n_samples)``.
    learning_rate_init : float, default=0.001
        The step size.
    max_iter : int, default=200
        The most epochs (passes over the data).
    shuffle : bool, default=True
        Whether each epoch goes through the rows in a new random order.
    random_state : int, RandomState or None, default=None
        Source of the weights, orders and dropout masks. An int makes `fit` repeatable,
        to the bit, with any number of threads.
    tol : float, default=1e-4
        Training stops when the loss has not fallen by `tol` for more than
        `n_iter_no_change` epochs.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    momentum : float, default=0.9
        Of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's momentum.
    beta_1, beta_2 : float, default=0.9, 0.999
        Of "adam": decay of the first and second moments, in [0, 1).
    epsilon : float, default=1e-8
        Of "adam": added to the denominator.
    n_iter_no_change : int or inf, default=10
        See `tol`.
    batch_norm : bool, "before" or "after", default=False
        Batch normalization [2]_ in each hidden layer, before (True too) or after the
        activation; momentum 0.1, eps 1e-5.
    dropout : float, default=0.0
        Share of each hidden layer's outputs that training sets to zero [3]_, in [0, 1).
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
        "identity".
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
        it took part in, plus the penalty.
    best_loss_ : float
        The smallest loss of an epoch.
    loss_curve_ : list of float
        The loss of each epoch.
    n_iter_ : int
        Epochs done.
    t_ : int
        Samples seen: epochs times n_samples.

    Raises
    ------
    ValueError, TypeError
        From `fit`, for parameters out of their range.

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
        "loss": [StrOptions({"squared_error"})],
        **BaseMLP._parameter_constraints,
    }

    def __init__(
        self,
        loss: str = "squared_error",
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
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate_init=learning_rate_init,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            batch_norm=batch_norm,
            dropout=dropout,
            initializer=initializer,
            n_threads=n_threads,
            dtype=dtype,
        )
        self.loss = loss

    def _encode(self, y: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
        target = np.ascontiguousarray(y.reshape(len(y), -1), dtype=dtype)
        self.n_outputs_ = target.shape[1]
        self.out_activation_ = "identity"
        return target

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the targets of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
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
        outputs = self._forward(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
