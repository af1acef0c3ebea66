"""Plain arrays, which `fit` takes as they are, and those that scikit-learn looks at."""

from __future__ import annotations

import pickle
import warnings
from copy import deepcopy

import numpy as np
import pytest
from sklearn.base import clone

from fastmlp import MLPClassifier, MLPRegressor, _base, _forward

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=[MLPClassifier, MLPRegressor], ids=lambda kind: kind.__name__)
def estimator(request):
    """Return a model, X and y."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4))
    y = X[:, 0] > 0 if request.param is MLPClassifier else X[:, 0]
    model = request.param(hidden_layer_sizes=(5,), max_iter=3, random_state=0)
    return model, X, y.astype(float)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (np.nan, "Input X contains NaN"),
        (-np.inf, "Input X contains infinity"),
        (3e38, "Solver produced non-finite"),  # so much for the training, not for X
    ],
)
@pytest.mark.parametrize("copies", [1, 100], ids=["few", "many"])
def test_numbers_whose_sum_is_not_finite(estimator, number, message, copies):
    model, X, y = estimator
    X, y = np.tile(X.astype("float32"), (copies, 1)), np.tile(y, copies)
    X[::2] = number
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_plain_arrays_are_not_validated_twice(estimator, monkeypatch):
    model, X, y = estimator
    right = clone(model).fit(X, y)

    def fail(*_, **__):
        raise AssertionError("validated")

    with monkeypatch.context() as patch:
        patch.setattr(_base, "validate_data", fail)
        quick = clone(model).fit(X, y)
        with pytest.raises(AssertionError, match="validated"):
            model.fit(X.tolist(), y)
    monkeypatch.setattr(_base, "is_plain", lambda X: False)
    slow = clone(model).fit(X, y)
    for found in (quick, slow):
        assert found.n_features_in_ == right.n_features_in_
        for array, expected in zip(found.coefs_, right.coefs_, strict=True):
            np.testing.assert_array_equal(array, expected)


SPOILT = {
    "no features": lambda X, y: (X[:, :0], y),
    "no samples": lambda X, y: (X[:0], y[:0]),
    "one sample": lambda X, y: (X[0], y),
    "of unequal length": lambda X, y: (X[:-1], y),
    "y not finite": lambda X, y: (X, np.where(np.arange(len(y)) == 3, np.nan, y)),
    "y of three dimensions": lambda X, y: (X, y[:, None, None]),
    "complex": lambda X, y: (X * 1j, y),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_is_not_plain_is_met_by_scikit_learn(estimator, spoil, monkeypatch):
    model, X, y = estimator
    X, y = spoil(X, y)
    messages = []
    for _ in range(2):
        with pytest.raises((ValueError, TypeError)) as caught:
            clone(model).fit(X, y)
        messages.append(str(caught.value))
        monkeypatch.setattr(_base, "is_plain", lambda X: False)
    assert messages[0] == messages[1]


def outcome(model, X):
    """Return what `predict` gives, or the error's class and text; and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = model.predict(X).tolist()
        except Exception as error:  # noqa: BLE001  whatever it is, it is compared
            found = type(error), str(error)
    return found, [str(warning.message) for warning in caught]


def doubled(model):
    model.coefs_[0] *= 2


def widened(model):
    model.coefs_ = [np.hstack([model.coefs_[0]] * 2), np.vstack([model.coefs_[1]] * 2)]
    model.intercepts_[0] = np.tile(model.intercepts_[0], 2)


def deepened(model):
    model.coefs_.append(np.full((1, 1), 2.0))
    model.intercepts_.append(np.ones(1))


def in_another_precision(model):
    model.coefs_ = [coef.astype("float32") for coef in model.coefs_]
    model.intercepts_ = [bias.astype("float32") for bias in model.intercepts_]


def of_one_array_in_another_precision(model):
    model.coefs_[1] = model.coefs_[1].astype("float32")


def with_another_slope(model):
    model.activation[1]["slope"] = 0.5


CHANGES = {
    "nothing": lambda model: None,
    "numbers": doubled,
    "widths": widened,
    "depth": deepened,
    "precision": in_another_precision,
    "one precision": of_one_array_in_another_precision,
    "activation": lambda model: model.set_params(activation="tanh"),
    "slope": with_another_slope,
    "output": lambda model: setattr(model, "out_activation_", "identity"),
    "batch norm": lambda model: model.set_params(batch_norm=True),
    "an array less": lambda model: model.intercepts_.pop(),
    "no arrays": lambda model: delattr(model, "coefs_"),
    "names": lambda model: setattr(model, "feature_names_in_", np.array(list("abcd"))),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_model_changed_by_hand_predicts_as_without_shortcut(estimator, change):
    model, X, y = estimator
    activation = ("leaky_relu", {"slope": 0.01})
    model.set_params(activation=activation).fit(X, y)
    change(model)
    found = outcome(model, X)
    vars(model).pop("_quick_forward")
    assert found == outcome(model, X)


def test_plain_arrays_are_predicted_without_validation(estimator, monkeypatch):
    model, X, y = estimator
    model.fit(X, y)
    right = model.predict(X)

    def fail(*_, **__):
        raise AssertionError("validated")

    monkeypatch.setattr(_forward, "validate_data", fail)
    for same in (model, pickle.loads(pickle.dumps(model)), deepcopy(model)):
        np.testing.assert_array_equal(same.predict(X), right)
    for spoilt in (X.tolist(), X[:0], X[0], X[:, :3], X * 1j, np.full_like(X, np.nan)):
        with pytest.raises(AssertionError, match="validated"):
            model.predict(spoilt)


def test_parameter_names_are_the_callers_own(estimator):
    model, *_ = estimator
    names = model._get_param_names()
    assert names == sorted(model.get_params())
    names.clear()
    assert model._get_param_names() == sorted(model.get_params())
