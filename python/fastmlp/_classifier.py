"""MLPClassifier: scikit-learn's interface to networks that predict labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ._base import BaseMLP
from ._sklearn_compat import ClassifierMixin


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron classifier, in the place of scikit-learn's.

    Minimizes the cross-entropy of a softmax over the classes, or of a logistic output
    for two classes and for each label of a multilabel target, by mini-batches. In
    float64, the same seed gives scikit-learn's weights up to rounding.

    Parameters
    ----------
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
    >>> from sklearn.datasets import make_classification
    >>> from fastmlp import MLPClassifier
    >>> X, y = make_classification(n_samples=200, random_state=0)
    >>> model = MLPClassifier((20,), learning_rate_init=0.01, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    >>> model.score(X, y) > 0.95
    True
    """

    classes_: NDArray[Any]

    def _encode(self, y: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Set classes_ and what the output layer needs; return the core's target."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                "Multioutput target data is not supported: y must be of shape "
                f"(n_samples,), or hold 0 and 1 only, got shape {y.shape}"
            )
        if kind == "multilabel-indicator":
            y = y.toarray() if issparse(y) else y
            self.n_outputs_ = y.shape[1]
            self.out_activation_ = "logistic"
            self.classes_ = np.arange(self.n_outputs_)
            return np.ascontiguousarray(y != 0, dtype=dtype)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) > 2:
            self.n_outputs_ = len(self.classes_)
            self.out_activation_ = "softmax"
            return labels.astype(np.int64, copy=False)
        self.n_outputs_ = 1
        self.out_activation_ = "logistic"
        return labels.reshape(-1, 1).astype(dtype)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the labels of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The most likely class of each sample; for multilabel targets 1 where the
            label is more likely than not, else 0.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            Where X has another number of features than in `fit`, or is not finite.
        """
        outputs = self._forward(X)
        if self.out_activation_ == "softmax":
            labels = outputs.argmax(axis=1)
        elif self.n_outputs_ == 1:
            labels = (outputs[:, 0] > 0.5).astype(np.intp)
        else:
            return (outputs > 0.5).astype(np.int64)
        # A single class is trained as label 0; there is no other to predict.
        predicted: NDArray[Any] = self.classes_.take(labels, mode="clip")
        return predicted

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The probabilities of the classes, in the order of ``classes_``; for
            multilabel targets those of each label, which do not add up to one.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            Where X has another number of features than in `fit`, or is not finite.
        """
        outputs = self._forward(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The logarithm of `predict_proba`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            Where X has another number of features than in `fit`, or is not finite.
        """
        probabilities = self.predict_proba(X)
        np.log(probabilities, out=probabilities)
        return probabilities

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
