"""Plain arrays, taken as they are, and those that scikit-learn looks at."""

from __future__ import annotations

import pickle
from copy import copy, deepcopy

import numpy as np
import pytest
from sklearn.base import clone

from fastmlp import MLPRegressor, _base, _forward

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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


def fitted_in_vain_to_more_features(model):
    X = np.ones((6, 5))
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X, np.arange(6) % 2, sample_weight=np.ones(3))


def fitted_in_vain_with_batch_norm(model):
    model.set_params(early_stopping=True, validation_fraction=0.01, batch_norm=True)
    with pytest.raises(ValueError, match=r"validation set|test_size"):
        model.fit(np.ones((6, 4)), np.arange(6) % 2)
    model.set_params(batch_norm=False)


CHANGES = {
    "nothing": lambda model: None,
    "numbers": doubled,
    "widths": widened,
    "depth": deepened,
    "precision": in_another_precision,
    "one precision": of_one_array_in_another_precision,
    "activation": lambda model: model.set_params(activation="tanh"),
    "slope": with_another_slope,
    "output": lambda model: setattr(model, "out_activation_", "exp"),
    "batch norm": lambda model: model.set_params(batch_norm=True),
    "batch norm's arrays": lambda model: setattr(model, "batch_norm_scale_", []),
    "dropout": lambda model: model.set_params(dropout=0.5),
    "an array less": lambda model: model.intercepts_.pop(),
    "no arrays": lambda model: delattr(model, "coefs_"),
    "features": lambda model: setattr(model, "n_features_in_", 5),
    "no features": lambda model: delattr(model, "n_features_in_"),
    "names": lambda model: setattr(model, "feature_names_in_", np.array(list("abcd"))),
    "a failed fit": fitted_in_vain_to_more_features,
    "a failed fit with batch norm": fitted_in_vain_with_batch_norm,
    "a fit to more features": lambda model: model.fit(
        np.ones((6, 5)), np.arange(6) % 2
    ),
    "a fit in another precision": lambda model: model.set_params(dtype="float32").fit(
        np.ones((6, 4)), np.arange(6) % 2
    ),
}


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_model_predicts_as_without_the_shortcut(
    estimator, batch_norm, change, outcome
):
    model, X, y = estimator
    activation = ("leaky_relu", {"slope": 0.01})
    model.set_params(activation=activation, batch_norm=batch_norm).fit(X, y)
    change(model)
    for same in (model, deepcopy(model)):
        found = outcome(same, X)
        same._quick_forward = None
        assert found == outcome(same, X)


class WithStateOfItsOwn(MLPRegressor):
    def __getstate__(self):
        return vars(self).copy()


def test_plain_arrays_are_predicted_without_validation(estimator, monkeypatch):
    model, X, y = estimator
    model.fit(X, y)
    before = vars(model).copy()
    right = model.predict(X)
    assert vars(model) == before
    other = WithStateOfItsOwn().set_params(**model.get_params())
    models = [model, copy(model), deepcopy(model), pickle.loads(pickle.dumps(model))]
    if isinstance(model, MLPRegressor):
        models += [deepcopy(other.fit(X, y)), pickle.loads(pickle.dumps(other))]

    def fail(*_, **__):
        raise AssertionError("validated")

    monkeypatch.setattr(_forward, "validate_data", fail)
    for same in models:
        np.testing.assert_array_equal(same.predict(X), right)
    for spoilt in (X[:0], X[0], X[:, :3], X * 1j, np.full_like(X, np.nan)):
        with pytest.raises(AssertionError, match="validated"):
            model.predict(spoilt)


def test_parameter_names_are_the_callers_own(estimator):
    model, *_ = estimator
    names = model._get_param_names()
    assert names == sorted(model.get_params())
    names.clear()
    assert model._get_param_names() == sorted(model.get_params())
