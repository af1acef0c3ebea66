"""`Predictor`: a fitted network, frozen, that answers one row in microseconds."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from . import _core
from ._architecture import (
    NetworkSettings,
    fitted_arrays,
    make_network,
    network_settings,
    parameters_dtype,
)
from ._forward import loss_named
from ._threads import effective_n_threads


class Predictor:
    """What `model.predictor` returns: a frozen copy of the model, called on samples.

    ``predict(X)`` gives what `predict_proba` of the classifier, or `predict` of the
    regressor, would give, to the bit, without scikit-learn's validation. The weights are
    packed once; what happens to the model afterwards changes nothing here. Any number of
    threads may call one predictor at a time. Pickles hold plain arrays, and load on
    every processor.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted. Its `n_threads`, as it means now (and again where a pickle is loaded), is
        the most threads that a call uses.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes that the columns stand for; of a classifier only.
    n_features_in_ : int
        The number of features.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        Where the model has no fitted attributes.

    See Also
    --------
    MLPClassifier.predictor, MLPRegressor.predictor : Make one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from fastmlp import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((20,), solver="lbfgs", random_state=0).fit(X, y)
    >>> predict = model.predictor()
    >>> predict
    Predictor(4-20-3, float64, probabilities of 3 classes)
    >>> predict(X[0]).shape, predict(X[:2]).shape
    ((3,), (2, 3))
    >>> bool((predict(X) == model.predict_proba(X)).all())
    True
    >>> int(predict.classes_[predict(X[0]).argmax()])
    0
    """

    __slots__ = ("__weakref__", "_core", "_settings", "classes_", "n_features_in_")

    classes_: NDArray[Any]
    n_features_in_: int

    def __init__(self, model: Any) -> None:
        check_is_fitted(model)
        dtype = parameters_dtype(model)
        network = deepcopy(network_settings(model))
        slices = make_network(*network, dtype).slices
        state = {
            "network": network,
            "dtype": dtype.name,
            "out_activation": model.out_activation_,
            "n_threads": model.n_threads,
            "parameters": fitted_arrays(model, slices, dtype),
        }
        if "classes_" in vars(model):
            state["classes"] = np.array(model.classes_)
        self.__setstate__(state)

    def __getstate__(self) -> dict[str, Any]:
        return self._settings | {"parameters": self._core.parameters()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._settings = dict(state)
        parameters = self._settings.pop("parameters")
        dtype = np.dtype(state["dtype"])
        is_classifier = "classes" in state
        if is_classifier:
            self.classes_ = state["classes"]
        network: NetworkSettings = state["network"]
        self.n_features_in_ = network[0][0]
        self._core = _core.predictors[dtype](
            make_network(*network, dtype),
            parameters,
            loss_named(state["out_activation"]),
            both_classes=is_classifier,
            flat=not is_classifier,
            n_threads=effective_n_threads(state["n_threads"]),
        )

    def __call__(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the probability of each class, or the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_features,)
            The samples, or one of them. float32 and float64 arrays are read where they
            are, whatever their strides; other dense real numbers are converted. NaN and
            infinity are taken, and lead to whatever the arithmetic makes of them.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), (n_samples, n_outputs) or (n_samples,)
            What `predict_proba` or `predict` of the model would give; without the first
            axis where X is one sample.

        Raises
        ------
        ValueError
            Where X has another shape, or is not an array.
        TypeError
            Where X does not hold real numbers.
        """
        predictions: NDArray[Any] = self._core(X)
        return predictions

    def __repr__(self) -> str:
        widths = "-".join(map(str, self._settings["network"][0]))
        answers = "values"
        if "classes" in self._settings:
            answers = f"probabilities of {len(self.classes_)} classes"
        return f"Predictor({widths}, {self._settings['dtype']}, {answers})"


class Servable:
    """A model that gives predictors."""

    def predictor(self) -> Predictor:
        """Return a frozen copy of the model that answers one row in microseconds.

        Returns
        -------
        Predictor
            A function of samples that may be called by several threads at a time and
            pickled: ``predict = model.predictor()``, then ``predict(X)``, equal to
            `predict_proba` of a classifier, `predict` of a regressor.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        return Predictor(self)
