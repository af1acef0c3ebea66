"""The same seed gives scikit-learn's very trajectory: weights, losses, printed lines."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import sklearn.neural_network as sk
from scipy.sparse import csr_array
from sklearn.datasets import (
    load_diabetes,
    load_digits,
    load_iris,
    make_multilabel_classification,
)

import fastmlp
from fastmlp import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500] / 16, y[:500]


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return X * 20, (y - y.mean()) / y.std()


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def assert_same(ours, theirs, rtol=1e-9):
    for name in ("coefs_", "intercepts_"):
        pairs = zip(getattr(ours, name), getattr(theirs, name), strict=True)
        for found, expected in pairs:
            assert found.dtype == expected.dtype
            scale = np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol, rtol * scale)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("loss_", "best_loss_"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=rtol)
    assert ours.n_features_in_ == theirs.n_features_in_
    assert ours._no_improvement_count == theirs._no_improvement_count


SOLVERS = {
    "adam": {"solver": "adam"},
    "sgd": {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "nesterovs_momentum": True},
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_trajectory_of_scikit_learn(kind, activation, solver, digits, diabetes):
    X, y = digits if kind == "MLPClassifier" else diabetes
    parameters = {
        "hidden_layer_sizes": (20, 10),
        "activation": activation,
        "batch_size": 64,
        "learning_rate_init": 0.01,
        "alpha": 0.01,
        "max_iter": 5,
        "random_state": 3,
        **SOLVERS[solver],
    }
    ours = getattr(fastmlp, kind)(**parameters).fit(X, y)
    theirs = getattr(sk, kind)(**parameters).fit(X, y)
    assert_same(ours, theirs)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), 1e-9, 1e-9)
    if kind == "MLPClassifier":
        proba = theirs.predict_proba(X)
        np.testing.assert_allclose(ours.predict_proba(X), proba, 1e-9, 1e-12)
        log_proba = theirs.predict_log_proba(X)
        np.testing.assert_allclose(ours.predict_log_proba(X), log_proba, 1e-9, 1e-9)


@pytest.mark.parametrize(
    "parameters",
    [
        {"shuffle": False},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": 7},
        {"hidden_layer_sizes": np.array([6, 5])},
        {"batch_size": 1, "max_iter": 2},
        {"tol": 1.0, "n_iter_no_change": 2},
        {"tol": 1.0, "n_iter_no_change": np.inf},
        {"alpha": 0.0, "epsilon": 1e-3, "beta_1": 0.5, "beta_2": 0.9},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_other_parameters_act_as_in_scikit_learn(kind, parameters, diabetes):
    X, y = diabetes
    if kind == "MLPClassifier":
        y = y > 0  # two classes: logistic output
    parameters = {
        "random_state": 1,
        "max_iter": 10,
        "hidden_layer_sizes": 8,
    } | parameters
    ours = getattr(fastmlp, kind)(**parameters).fit(X, y)
    theirs = getattr(sk, kind)(**parameters).fit(X, y)
    assert_same(ours, theirs)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_sample_weight_acts_as_in_scikit_learn(kind, iris):
    X, y = iris
    weight = np.random.default_rng(0).uniform(0, 3, len(y))
    parameters = {"random_state": 0, "max_iter": 5, "hidden_layer_sizes": (6,)}
    # Weights that are all the same mean none.
    plain = getattr(fastmlp, kind)(**parameters).fit(X, y)
    assert_same(getattr(fastmlp, kind)(**parameters).fit(X, y, np.ones(len(y))), plain)
    if "sample_weight" not in inspect.signature(getattr(sk, kind).fit).parameters:
        pytest.skip("this scikit-learn's MLP takes no sample_weight")
    ours = getattr(fastmlp, kind)(**parameters).fit(X, y, weight)
    assert_same(ours, getattr(sk, kind)(**parameters).fit(X, y, sample_weight=weight))


def test_multilabel_acts_as_in_scikit_learn():
    X, y = make_multilabel_classification(n_samples=120, n_labels=3, random_state=0)
    parameters = {"random_state": 0, "max_iter": 20, "hidden_layer_sizes": (10,)}
    ours = MLPClassifier(**parameters).fit(X, y)
    theirs = sk.MLPClassifier(**parameters).fit(X, y)
    assert_same(ours, theirs)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.predict(X).dtype.kind == "i"
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), 1e-9)
    assert_same(MLPClassifier(**parameters).fit(X, csr_array(y)), ours)


def test_random_state_instance_continues(iris):
    states = [np.random.RandomState(5) for _ in range(2)]
    parameters = {"max_iter": 2, "hidden_layer_sizes": (4,)}
    for _ in range(2):
        ours = MLPClassifier(random_state=states[0], **parameters).fit(*iris)
        theirs = sk.MLPClassifier(random_state=states[1], **parameters).fit(*iris)
        assert_same(ours, theirs)


def test_verbose_prints_the_lines_of_scikit_learn(iris, capsys):
    parameters = {"tol": 1.0, "n_iter_no_change": 2, "verbose": True, "random_state": 0}
    fastmlp.MLPClassifier(**parameters).fit(*iris)
    ours = capsys.readouterr().out
    sk.MLPClassifier(**parameters).fit(*iris)
    assert ours == capsys.readouterr().out
    assert "Iteration 4, loss = " in ours
    assert "did not improve more than tol=1.000000 for 2" in ours
