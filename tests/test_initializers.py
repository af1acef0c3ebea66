"""Initializers: spread, biases and repeatability of each; scikit-learn's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.neural_network as sk
from numpy.random import RandomState
from scipy import stats

from fastmlp import MLPRegressor, initializers

FAN_IN, FAN_OUT = 200, 300

# Name -> the distribution of the weights.
DISTRIBUTIONS = {
    "sklearn": stats.uniform(-np.sqrt(6 / 500), 2 * np.sqrt(6 / 500)),
    "normal": stats.norm(scale=0.01),
    "xavier_uniform": stats.uniform(-np.sqrt(6 / 500), 2 * np.sqrt(6 / 500)),
    "xavier_normal": stats.norm(scale=np.sqrt(2 / 500)),
    "he_uniform": stats.uniform(-np.sqrt(6 / 200), 2 * np.sqrt(6 / 200)),
    "he_normal": stats.norm(scale=np.sqrt(2 / 200)),
}


@pytest.fixture(params=initializers.registry)
def name(request):
    return request.param


def draw(name, seed=0, activation="relu"):
    function = initializers.registry[name]
    return function(FAN_IN, FAN_OUT, RandomState(seed), activation)


def test_every_initializer_has_a_distribution_here():
    assert DISTRIBUTIONS.keys() == initializers.registry.keys()


def test_weights_follow_the_published_distribution(name):
    weights, biases = draw(name)
    assert weights.shape == (FAN_IN, FAN_OUT)
    assert biases.shape == (FAN_OUT,)
    assert weights.dtype == biases.dtype == np.float64
    expected = DISTRIBUTIONS[name]
    assert stats.kstest(weights.ravel(), expected.cdf).pvalue > 1e-3
    assert weights.std() == pytest.approx(expected.std(), rel=0.02)


def test_drawn_in_double_and_rounded(name):
    function = initializers.registry[name]
    single = function(FAN_IN, FAN_OUT, RandomState(0), "relu", "float32")
    for found, expected in zip(single, draw(name), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_drawn_at_a_cache_line(name, dtype):
    function = initializers.registry[name]
    for seed in range(3):
        weights, _ = function(FAN_IN, FAN_OUT, RandomState(seed), "relu", dtype)
        assert weights.ctypes.data % 64 == 0
        assert weights.flags.c_contiguous
        assert weights.flags.writeable


@pytest.mark.parametrize("integer", [np.int16, np.int32])
def test_sizes_may_be_narrow_integers(name, integer):
    function = initializers.registry[name]
    sizes = integer(200), integer(255)
    weights, biases = function(*sizes, RandomState(0), "relu")
    assert (weights.shape, biases.shape) == ((200, 255), (255,))


def test_biases_are_zero_but_for_those_of_scikit_learn(name):
    _, biases = draw(name)
    if name == "sklearn":
        assert stats.kstest(biases, DISTRIBUTIONS[name].cdf).pvalue > 1e-3
    else:
        assert not biases.any()


def test_same_seed_same_numbers(name):
    np.testing.assert_array_equal(draw(name)[0], draw(name)[0])
    assert not np.array_equal(draw(name)[0], draw(name, seed=1)[0])


def test_every_initializer_is_documented(name):
    text = initializers.registry[name].__doc__
    assert "biases" in text
    assert "[1]_" in text


def test_only_that_of_scikit_learn_looks_at_the_activation(name):
    relu, logistic = draw(name)[0], draw(name, activation="logistic")[0]
    ratio = np.sqrt(3) if name == "sklearn" else 1.0
    np.testing.assert_allclose(relu, ratio * logistic)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_start_from_the_numbers_of_scikit_learn(activation):
    X, y = RandomState(0).normal(size=(20, 3)), np.zeros(20)
    parameters = {
        "hidden_layer_sizes": (5, 4),
        "activation": activation,
        "learning_rate_init": 1e-300,  # stay there
        "max_iter": 1,
        "random_state": 7,
    }
    ours = MLPRegressor(**parameters).fit(X, y)
    theirs = sk.MLPRegressor(**parameters).fit(X, y)
    for name in ("coefs_", "intercepts_"):
        pairs = zip(getattr(ours, name), getattr(theirs, name), strict=True)
        for found, expected in pairs:
            np.testing.assert_array_equal(found, expected)


def test_estimators_use_the_initializer(name):
    X, y = RandomState(0).normal(size=(20, FAN_IN)), np.zeros(20)
    model = MLPRegressor(
        hidden_layer_sizes=(FAN_OUT,),
        initializer=name,
        learning_rate_init=1e-300,
        max_iter=1,
        tol=0.0,
        random_state=0,
    )
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], draw(name)[0])
