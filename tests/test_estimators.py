"""MLPClassifier and MLPRegressor: parameters, targets, scikit-learn's contract."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn.neural_network as sk
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor, _core, initializers

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ESTIMATORS = [MLPClassifier, MLPRegressor]


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


@pytest.fixture(params=ESTIMATORS)
def estimator(request):
    """Return a small estimator and data for it."""
    X, y = load_iris(return_X_y=True)
    return request.param(hidden_layer_sizes=(5,), max_iter=5, random_state=0), X, y


def arrays_of(model):
    return {
        f"{name}[{i}]": array
        for name, value in vars(model).items()
        if isinstance(value, list) and name != "loss_curve_"
        for i, array in enumerate(value)
    }


# Parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize("ours", ESTIMATORS)
def test_constructor_is_that_of_scikit_learn(ours):
    theirs = inspect.signature(getattr(sk, ours.__name__)).parameters
    mine = dict(inspect.signature(ours).parameters)
    assert set(mine) == set(ours._parameter_constraints)
    if ours is MLPRegressor:  # scikit-learn's has it since 1.7
        assert next(iter(mine)) == "loss"
        assert mine.pop("loss").default == "squared_error"
    shared = [name for name in mine if name in theirs]
    added = [name for name in mine if name not in theirs]
    assert shared == [name for name in theirs if name in mine]
    assert list(mine) == shared + added
    assert added == ["batch_norm", "dropout", "initializer", "n_threads", "dtype"]
    for name in shared:
        assert mine[name].default == theirs[name].default
        assert mine[name].kind == theirs[name].kind


@pytest.mark.parametrize("solver", sorted(_core.optimizers))
@pytest.mark.parametrize("activation", sorted(_core.activations))
def test_every_member_trains(activation, solver, iris):
    X, y = StandardScaler().fit_transform(iris[0]), iris[1]
    parameters = {"activation": activation, "solver": solver, "random_state": 0}
    model = MLPClassifier(
        (10,), learning_rate_init=0.02, batch_size=32, max_iter=60, **parameters
    )
    assert model.fit(X, y).score(X, y) > 0.9
    assert model.loss_curve_[-1] < model.loss_curve_[0] / 2


@pytest.mark.parametrize("initializer", initializers.registry)
@pytest.mark.parametrize("batch_norm", [False, True, "before", "after"])
def test_every_initializer_trains_with_batch_norm(initializer, batch_norm, iris):
    model = MLPClassifier(
        (16, 8),
        batch_norm=batch_norm,
        initializer=initializer,
        learning_rate_init=0.003,
        batch_size=50,
        max_iter=100,
        n_iter_no_change=100,
        random_state=0,
    ).fit(*iris)
    assert model.score(*iris) > 0.9
    widths = [len(shape) for shape in getattr(model, "batch_norm_scale_", [])]
    assert widths == ([16, 8] if batch_norm else [])


def test_batch_norm_before_is_true(iris):
    def fit(batch_norm):
        model = MLPClassifier((9,), batch_norm=batch_norm, max_iter=5, random_state=0)
        return model.fit(*iris)

    before, true, after = fit("before"), fit(True), fit("after")
    np.testing.assert_array_equal(before.coefs_[0], true.coefs_[0])
    assert not np.array_equal(before.coefs_[0], after.coefs_[0])
    names = ("scale", "shift", "mean", "var")
    for name in names:
        (array,) = getattr(after, f"batch_norm_{name}_")
        assert array.shape == (9,)
        assert array.dtype == np.float64
    after.set_params(batch_norm=False).fit(*iris)
    assert not any(hasattr(after, f"batch_norm_{name}_") for name in names)


def test_parameters_may_be_numpy_numbers(estimator):
    model, X, y = estimator
    model.set_params(momentum=0.5, alpha=0.25, learning_rate_init=0.125, solver="sgd")
    expected = (
        clone(model).set_params(batch_size=32, n_threads=1, dropout=0.5).fit(X, y)
    )
    numbers = {"momentum": np.float32(0.5), "alpha": np.float16(0.25), "dropout": 0.5}
    numbers |= {"max_iter": np.int64(5), "batch_size": np.int8(32)}
    numbers |= {"nesterovs_momentum": np.True_, "n_threads": np.int32(1)}
    numbers |= {"learning_rate_init": np.float64(0.125), "random_state": np.int16(0)}
    found = model.set_params(**numbers).fit(X, y)
    np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])


def test_parameters_of_an_activation(iris):
    def fit(activation):
        return MLPClassifier(activation=activation, max_iter=3, random_state=0).fit(
            *iris
        )

    plain, default = fit("leaky_relu"), fit(("leaky_relu", {"slope": 0.01}))
    np.testing.assert_array_equal(plain.coefs_[0], default.coefs_[0])
    relu, zero = fit("relu"), fit(("leaky_relu", {"slope": 0}))
    np.testing.assert_array_equal(relu.coefs_[0], zero.coefs_[0])
    identity, one = fit("identity"), fit(("leaky_relu", {"slope": 1.0}))
    np.testing.assert_allclose(identity.coefs_[0], one.coefs_[0])


def test_logistic_draws_narrower_weights_however_it_is_named(iris):
    plain = MLPClassifier(activation="logistic", max_iter=1, random_state=0).fit(*iris)
    pair = MLPClassifier(activation=("logistic", {}), max_iter=1, random_state=0)
    np.testing.assert_array_equal(plain.coefs_[0], pair.fit(*iris).coefs_[0])


def test_dropout_draws_its_seed_after_the_weights(iris):
    def fit(dropout, **parameters):
        model = MLPClassifier(
            (50,),
            dropout=dropout,
            random_state=0,
            learning_rate_init=1e-12,
            max_iter=3,
            **parameters,
        )
        return model.fit(*iris)

    plain, dropped = fit(0.0), fit(0.5)
    np.testing.assert_allclose(plain.coefs_[0], dropped.coefs_[0], atol=1e-9)
    assert plain.loss_curve_ != dropped.loss_curve_
    # Prediction does not drop.
    proba = plain.predict_proba(iris[0])
    np.testing.assert_allclose(proba, dropped.predict_proba(iris[0]), rtol=1e-6)


def test_dtype_is_that_of_X_or_the_one_asked_for(estimator):
    model, X, y = estimator
    for given, asked, expected in [
        (np.float32, None, np.float32),
        (np.float64, None, np.float64),
        (np.int64, None, np.float64),
        (np.float64, "float32", np.float32),
        (np.float32, "float64", np.float64),
        (np.float16, None, np.float64),
    ]:
        fitted = clone(model).set_params(dtype=asked).fit(X.astype(given), y)
        assert {array.dtype for array in fitted.coefs_ + fitted.intercepts_} == {
            np.dtype(expected)
        }
        outputs = getattr(fitted, "predict_proba", fitted.predict)(X)
        assert outputs.dtype == expected


def test_float32_of_float64_is_that_of_converted_X(estimator):
    model, X, y = estimator
    converted = clone(model).fit(X.astype(np.float32), y)
    asked = model.set_params(dtype="float32").fit(X, y)
    for name, array in arrays_of(converted).items():
        np.testing.assert_array_equal(arrays_of(asked)[name], array)
    np.testing.assert_array_equal(asked.predict(X), converted.predict(X))


# Targets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [["b", "a", "c"], ["no", "yes"], [True, False], [5, -1], [7], [2.0, 1.0, 0.0]],
    ids=str,
)
def test_labels_of_any_kind_come_back(labels, iris):
    X, _ = iris
    y = np.resize(labels, len(X))
    X = X + 5 * np.resize(range(len(labels)), len(X))[:, None]
    model = MLPClassifier(learning_rate_init=0.01, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) > 0.95
    if y.dtype.kind == "U":
        y = y.astype(object)
        np.testing.assert_array_equal(model.fit(X, y).predict(X), y)


def test_probabilities(digits):
    X, y = digits
    model = MLPClassifier(max_iter=20, random_state=0).fit(X, y)
    proba = model.predict_proba(X)
    assert proba.shape == (len(X), 10)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(1)])
    binary = model.fit(X, y < 5).predict_proba(X)
    assert binary.shape == (len(X), 2)
    np.testing.assert_allclose(binary.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), binary[:, 1] > 0.5)


def test_regression_targets(diabetes):
    X, y = diabetes
    parameters = {"learning_rate_init": 0.01, "max_iter": 100, "random_state": 0}
    single = MLPRegressor(**parameters).fit(X, y)
    assert single.predict(X).shape == y.shape
    assert single.score(X, y) > 0.5
    double = MLPRegressor(**parameters).fit(X, np.column_stack([y, -y]))
    assert double.predict(X).shape == (len(X), 2)
    assert double.n_outputs_ == 2
    assert double.score(X, np.column_stack([y, -y])) > 0.5
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = MLPRegressor(**parameters).fit(X, y[:, None])
    assert column.predict(X).shape == y.shape


# What scikit-learn does with estimators -------------------------------------------------


def test_clone_and_parameters(estimator):
    model, X, y = estimator
    model.set_params(
        activation=("elu", {"alpha": 0.5}), batch_norm="after", dropout=0.1
    )
    copy = clone(model.fit(X, y))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coefs_")
    assert "activation=('elu', {'alpha': 0.5})" in repr(copy)


def test_pickle_holds_numpy_and_plain_python_only(estimator):
    model, X, y = estimator
    model.set_params(batch_norm=True, dropout=0.2).fit(X, y)
    content = pickle.dumps(model)
    assert b"fastmlp._core" not in content
    assert _core.level.encode() not in content
    np.testing.assert_array_equal(pickle.loads(content).predict(X), model.predict(X))


def test_pickle_in_another_process(estimator, tmp_path):
    model, X, y = estimator
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps((model.fit(X, y), X, model.predict(X))))
    script = (
        "import pickle, sys\n"
        "model, X, expected = pickle.load(open(sys.argv[1], 'rb'))\n"
        "assert (model.predict(X) == expected).all()\n"
    )
    subprocess.run([sys.executable, "-c", script, path], check=True, timeout=60)


def test_pipeline_and_model_selection(estimator):
    model, X, y = estimator
    model.set_params(hidden_layer_sizes=(20,), learning_rate_init=0.01, max_iter=200)
    scaled = make_pipeline(StandardScaler(), model)
    shuffled = np.random.default_rng(0).permutation(len(y))
    X, y = X[shuffled], y[shuffled]
    assert cross_val_score(scaled, X, y, cv=3).mean() > 0.7
    name = f"{type(model).__name__.lower()}__learning_rate_init"
    search = GridSearchCV(scaled, {name: [1e-6, 0.01]}, cv=3, n_jobs=2).fit(X, y)
    assert search.best_params_ == {name: 0.01}


def test_user_changes_of_the_arrays_are_honoured(estimator):
    model, X, y = estimator
    model.set_params(batch_norm=True).fit(X, y)

    def outputs():
        return getattr(model, "predict_proba", model.predict)(X)

    for name, array in arrays_of(model).items():
        before, saved = outputs(), array.copy()
        array += 0.1
        assert not np.array_equal(outputs(), before), name
        array[...] = saved
        np.testing.assert_array_equal(outputs(), before)
    model.intercepts_[-1] = model.intercepts_[-1] + 1
    assert not np.array_equal(outputs(), before)
    model.coefs_ = [np.asfortranarray(coef) for coef in model.coefs_]
    outputs()


def test_same_seed_same_bits(estimator, n_threads):
    model, X, y = estimator
    X, y = np.tile(X, (20, 1)), np.tile(y, 20)
    model.set_params(
        hidden_layer_sizes=(64, 64), batch_norm=True, dropout=0.3, max_iter=2
    )
    first = clone(model).set_params(n_threads=1).fit(X, y)
    second = clone(model).set_params(n_threads=n_threads).fit(X, y)
    for name, array in arrays_of(first).items():
        np.testing.assert_array_equal(arrays_of(second)[name], array)
    assert first.loss_curve_ == second.loss_curve_
    assert model.set_params(random_state=1).fit(X, y).loss_curve_ != first.loss_curve_


def test_fit_again_starts_anew(estimator):
    model, X, y = estimator
    first = arrays_of(model.fit(X, y))
    curve = model.loss_curve_
    again = arrays_of(model.fit(X, y))
    assert model.loss_curve_ == curve
    assert model.n_iter_ == len(curve)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert first[name] is not again[name]
