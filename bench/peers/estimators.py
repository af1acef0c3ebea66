"""fastmlp and scikit-learn: whole calls of fit, and predictions by fitted estimators."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from cases import SEED

from .session import Session


class Estimator(Session):
    """A scikit-learn estimator with the case's settings; shuffling is in its `fit`."""

    def make(self, name: str, settings: dict[str, object]):
        raise NotImplementedError

    def model(self):
        case = self.case
        settings = {
            "hidden_layer_sizes": case.hidden,
            "activation": case.activation,
            "alpha": 0.0,
            "batch_size": min(case.batch, case.rows),
            "max_iter": case.epochs,
            "shuffle": case.shuffle,
            "random_state": SEED,
            "tol": 0.0,
            "n_iter_no_change": case.epochs + 1,
        }
        name = "MLPClassifier" if case.classes else "MLPRegressor"
        return self.make(name, settings)

    def train(self, orders: list[np.ndarray] | None = None) -> list[float]:
        """Fit anew; the seed gives the same start and orders as `Case.start`."""
        model = self.model().set_params(max_iter=self.epochs(orders))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(self.x, self.y).loss_curve_

    def fitted(self):
        """Return a model with the initial weights, fitted in name only."""
        model = self.model()
        classes = np.arange(self.case.classes)
        model.partial_fit(self.x[:256], self.y[:256], classes=classes)
        for i, (weights, biases) in enumerate(self.weights):
            model.coefs_[i][...] = weights
            model.intercepts_[i][...] = biases
        return model

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.predicting(x)

    def call(self, kind: str) -> Callable[[], object]:
        warnings.simplefilter("ignore")  # no convergence, one row in a batch
        if kind == "fit":
            return partial(self.model().fit, self.x, self.y)
        if kind == "partial_fit-row":
            return partial(self.trained().partial_fit, self.x[:1], self.y[:1])
        return super().call(kind)

    def answer(self, kind: str) -> np.ndarray:
        warnings.simplefilter("ignore")
        if kind == "fit":
            return self.model().fit(self.x, self.y).predict_proba(self.x)
        if kind == "partial_fit-row":
            model = self.trained().partial_fit(self.x[:1], self.y[:1])
            return model.predict_proba(self.x)
        return super().answer(kind)

    def trained(self):
        classes = np.arange(self.case.classes)
        return self.model().partial_fit(self.x, self.y, classes=classes)

    @cached_property
    def predicting(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.fitted().predict_proba


class FastMLP(Estimator):
    def make(self, name: str, settings: dict[str, object]):
        import fastmlp

        settings["batch_norm"] = self.case.batch_norm
        return getattr(fastmlp, name)(**settings, n_threads=self.n_threads)


class FastPredictor(FastMLP):
    """Predictions by what `predictor()` of a fitted estimator returns."""

    @cached_property
    def predicting(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.fitted().predictor()


class ScikitLearn(Estimator):
    def make(self, name: str, settings: dict[str, object]):
        from sklearn import neural_network

        return getattr(neural_network, name)(**settings)
