"""MLPClassifier: scikit-learn's interface to networks that predict labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import type_of_target

from ._architecture import ActivationLike
from ._base import BaseMLP, Target, has_stochastic_solver
from ._forward import forward
from ._labels import Labels, check_classes, repeats_classes
from ._sklearn_compat import (
    ClassifierMixin,
    available_if,
    check_partial_fit_first_call,
    fit_context,
)

if TYPE_CHECKING:
    from typing_extensions import Self


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron classifier, in the place of scikit-learn's.

    Minimizes the cross-entropy of a softmax over the classes, or of a logistic output
    for two classes and for each label of a multilabel target, by mini-batches
    or all at once. In float64, the same seed gives scikit-learn's weights up to rounding.

    Parameters
    ----------
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
        Whether to hold out some rows, to stop by the score on them (accuracy) and to
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
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    out_activation_ : str
        "softmax" for more than two classes, else "logistic".
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
    MLPRegressor : The same for targets that are numbers.
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
    >>> from sklearn.datasets import make_classification
    >>> from fastmlp import MLPClassifier
    >>> X, y = make_classification(n_samples=200, random_state=0)
    >>> model = MLPClassifier((20,), learning_rate_init=0.01, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    >>> model.score(X, y) > 0.95
    True
    """

    loss = "log_loss"  # scikit-learn's name; there is no choice

    classes_: NDArray[Any]
    _label_binarizer: Labels

    def __init__(
        self,
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
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on X and y, from the present weights.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts in the loss; None: all the same.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; needed in the first call only.

        Returns
        -------
        self
            The trained estimator.

        Raises
        ------
        AttributeError
            Where the solver is "lbfgs".
        ValueError, TypeError
            As from `fit`; with `early_stopping`; and where `classes` is missing from
            the first call, or y holds others.
        """
        may_step = sample_weight is None and repeats_classes(self, classes)
        if may_step and self._step(X, y):
            return self
        return self._partial_fit(X, y, sample_weight, classes)

    @fit_context
    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any) -> Self:
        if check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = Labels(y if multilabel else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def _encode(self, y: Any, dtype: np.dtype[Any], anew: bool) -> Target:
        if anew or not hasattr(self, "classes_"):
            self._label_binarizer = Labels(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            check_classes(y, self.classes_, all_of_them=self.warm_start)
        labels = self._label_binarizer
        return Target(labels.encode(y, dtype), labels.n_outputs, labels.out_activation)

    def _encode_plain(
        self, y: NDArray[Any], dtype: np.dtype[Any]
    ) -> NDArray[Any] | None:
        if self.warm_start:  # then y must hold all classes
            return None
        return self._label_binarizer.encode_plain(y, dtype)

    def predict(self, X: ArrayLike) -> Any:
        """Predict the labels of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The most likely class of each sample; for multilabel targets 1 where the
            label is more likely than not, else 0, in CSR if those of `fit` were sparse.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            Where X has another number of features than in `fit`, or is not finite.
        """
        outputs = forward(self, X)
        return self._label_binarizer.decode(outputs)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The probabilities of the classes, in the order of ``classes_``; for
            multilabel targets those of each label, which do not add up to one.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError
            As from `predict`.
        """
        return forward(self, X, both_classes=True)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The logarithm of `predict_proba`.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError
            As from `predict`.
        """
        probabilities = self.predict_proba(X)
        np.log(probabilities, out=probabilities)
        return probabilities

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
