"""What the estimators make of their input: layouts, warnings, errors that tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from fastmlp import MLPClassifier, MLPRegressor, _core, initializers

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=[MLPClassifier, MLPRegressor])
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


def unaligned(X):
    room = np.zeros(X.nbytes + 1, np.uint8)
    array = room[1:].view(X.dtype).reshape(X.shape)
    array[...] = X
    assert not array.flags.aligned
    return array


def read_only(X):
    array = X.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "fortran": np.asfortranarray,
    "rows reversed": lambda X: X[::-1].copy()[::-1],
    "columns reversed": lambda X: X[:, ::-1].copy()[:, ::-1],
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "read-only": read_only,
    "unaligned": unaligned,
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "list": lambda X: X.tolist(),
    "object": lambda X: X.astype(object),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_arrays_does_not_matter(layout, estimator):
    model, X, y = estimator
    laid_out, weight = LAYOUTS[layout](X), np.linspace(0.5, 2, len(y))
    before = np.array(laid_out)
    expected = clone(model).fit(X, y, weight)
    column = LAYOUTS[layout](y[:, None])
    flat = column if layout == "list" else column[:, 0]
    flat = np.ravel(flat).tolist() if layout == "list" else flat
    if layout == "object":
        flat = y
    found = clone(model).fit(laid_out, flat, LAYOUTS["fortran"](weight))
    for name, array in arrays_of(expected).items():
        np.testing.assert_array_equal(arrays_of(found)[name], array)
    np.testing.assert_array_equal(found.predict(laid_out), expected.predict(X))
    np.testing.assert_array_equal(np.array(laid_out), before)


def test_data_frame(estimator):
    pandas = pytest.importorskip("pandas")
    model, X, y = estimator
    frame = pandas.DataFrame(X, columns=list("abcd"))
    fitted = clone(model).fit(frame, pandas.Series(y))
    np.testing.assert_array_equal(fitted.predict(frame), model.fit(X, y).predict(X))
    assert fitted.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame[list("abdc")])
    assert not hasattr(fitted.fit(X, y), "feature_names_in_")
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        clone(model).fit(frame, y).partial_fit(X, y)


# Warnings and bad input -----------------------------------------------------------------


@pytest.mark.filterwarnings("default")
def test_convergence_warning(estimator):
    model, X, y = estimator
    text = r"Stochastic Optimizer: Maximum iterations \(5\) reached and the"
    with pytest.warns(ConvergenceWarning, match=text) as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__


def test_batch_size_larger_than_the_data(estimator):
    model, X, y = estimator
    with pytest.warns(UserWarning, match="larger than sample size"):
        model.set_params(batch_size=10_000).fit(X, y)


BAD_PARAMETERS = {
    "hidden_layer_sizes": [0, (0,), (5, -1), (5.5,), "ten", (5, "ten"), None],
    "activation": ["reluu", 3, ("relu",), ("reluu", {}), ("relu", 0.1), ["relu", {}]],
    "solver": ["rmsprop", None],
    "alpha": [-1, np.nan, "0"],
    "batch_size": [0, -5, 2.5, "all"],
    "learning_rate": ["optimal", None],
    "learning_rate_init": [0, -0.1, np.nan],
    "power_t": [-0.5],
    "max_iter": [0, -1, 1.5],
    "shuffle": ["yes"],
    "random_state": ["seed", -1],
    "tol": [-1e-3],
    "verbose": [-1, "loud"],
    "warm_start": ["yes"],
    "momentum": [-0.1, 1.1],
    "nesterovs_momentum": ["yes"],
    "early_stopping": ["yes"],
    "validation_fraction": [1.0, -0.1],
    "beta_1": [1.0, -0.1],
    "beta_2": [1.0, -0.1],
    "epsilon": [0.0],
    "n_iter_no_change": [0, 1.5],
    "max_fun": [0, 2.5],
    "batch_norm": ["between", 2],
    "dropout": [1.0, -0.1, "half"],
    "initializer": ["xavier", None],
    "n_threads": [0, 1.5],
    "dtype": ["float16", "double", 32],
    "loss": ["gamma", (50,)],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_PARAMETERS.items() for value in values],
    ids=str,
)
def test_bad_parameters(name, value, estimator):
    model, X, y = estimator
    if name not in model.get_params():
        pytest.skip("another estimator's parameter")
    model.set_params(**{name: value})
    with pytest.raises((ValueError, TypeError), match=name) as caught:
        model.fit(X, y)
    shown = "[5, -1]" if value == (5, -1) else "[0]" if value == (0,) else str(value)
    assert shown in str(caught.value)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize(
    ("parameter", "registry"),
    [
        ("activation", _core.activations),
        ("solver", _core.optimizers),
        ("initializer", initializers.registry),
    ],
)
def test_unknown_names_list_the_known_ones(parameter, registry, estimator):
    model, X, y = estimator
    with pytest.raises(ValueError, match=parameter) as caught:
        model.set_params(**{parameter: "nonsense"}).fit(X, y)
    assert all(repr(name) in str(caught.value) for name in registry)


@pytest.mark.parametrize(
    ("activation", "error", "message"),
    [
        (("leaky_relu", {"slop": 1}), TypeError, "no parameter 'slop'; known: slope"),
        (("relu", {"slope": 1}), TypeError, "no parameter 'slope'; known: none"),
        (("elu", {"alpha": "big"}), TypeError, "'alpha' must be a number"),
        (("elu", {"alpha": -1.0}), ValueError, "'alpha' of ELU must be in .* got -1"),
        (("swish", {"beta": np.nan}), ValueError, "'beta' of Swish must be in"),
    ],
    ids=str,
)
def test_bad_parameters_of_an_activation(activation, error, message, estimator):
    model, X, y = estimator
    with pytest.raises(error, match=message):
        model.set_params(activation=activation).fit(X, y)


def with_value(X, value):
    X = X.copy()
    X[3, 2] = value
    return X


BAD_X = {
    "nan": (lambda X: with_value(X, np.nan), ValueError, "X contains NaN"),
    "inf": (lambda X: with_value(X, np.inf), ValueError, "X contains infinity"),
    "one-dimensional": (lambda X: X[:, 0], ValueError, "2D array, got 1D"),
    "three-dimensional": (lambda X: X[None], ValueError, "dim 3"),
    "no rows": (lambda X: X[:0], ValueError, r"0 sample\(s\)"),
    "no columns": (lambda X: X[:, :0], ValueError, r"0 feature\(s\)"),
    "complex": (lambda X: X + 1j, ValueError, "Complex data not supported"),
    "strings": (lambda X: np.full(X.shape, "one"), ValueError, "one"),
    "objects": (lambda X: np.full(X.shape, {}, object), TypeError, "dict"),
    "sparse nan": (
        lambda X: csr_array(with_value(X, np.nan)),
        ValueError,
        "X contains NaN",
    ),
    "none": (lambda _: None, ValueError, "Expected 2D array"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_X(case, estimator):
    make, error, message = BAD_X[case]
    model, X, y = estimator
    with pytest.raises(error, match=message):
        model.fit(make(X), y)
    if case != "no rows":
        model.fit(X, y)
        message += "|features|not compatible with arrays of bytes"
        with pytest.raises((error, ValueError), match=message):
            model.predict(make(X))


BAD_Y = {
    "nan": (lambda y: np.where(y > 1, np.nan, y), ValueError, "y contains NaN"),
    "inf": (lambda y: np.where(y > 1, np.inf, y), ValueError, "y contains infinity"),
    "short": (lambda y: y[:-1], ValueError, r"inconsistent numbers of samples"),
    "three-dimensional": (lambda y: np.zeros((len(y), 2, 2)), ValueError, "dim"),
    "none": (lambda _: None, ValueError, "y cannot be None|y is None"),
    "complex": (lambda y: y + 1j, ValueError, "Complex data not supported"),
}


@pytest.mark.parametrize("case", BAD_Y)
def test_bad_y(case, estimator):
    make, error, message = BAD_Y[case]
    model, X, y = estimator
    with pytest.raises(error, match=message):
        model.fit(X, make(y))


def test_bad_y_of_one_kind_of_estimator():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="could not convert string to float"):
        MLPRegressor().fit(X, np.full(len(y), "a"))
    with pytest.raises(ValueError, match="Unknown label type: "):
        MLPClassifier().fit(X, y + 0.5)
    with pytest.raises(ValueError, match="Multioutput target data is not supported"):
        MLPClassifier().fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(3), r"sample_weight.shape == \(3,\), expected \(150,\)"),
        (np.ones((150, 2)), "Sample weights must be 1D"),
        (np.full(150, np.nan), "sample_weight contains NaN"),
        (np.zeros(150), "at least one non-zero"),
    ],
    ids=["short", "two-dimensional", "nan", "zero"],
)
def test_bad_sample_weight(weight, message, estimator):
    model, X, y = estimator
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, weight)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_predict_before_fit_and_with_other_features(method, estimator):
    model, X, y = estimator
    if not hasattr(model, method):
        pytest.skip("a classifier's method")
    with pytest.raises(NotFittedError, match=f"This {type(model).__name__} instance"):
        getattr(model, method)(X)
    model.fit(X, y)
    name = type(model).__name__
    with pytest.raises(
        ValueError, match=f"X has 3 features, but {name} is expecting 4"
    ):
        getattr(model, method)(X[:, :3])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_weights_that_are_not_finite(estimator):
    model, X, y = estimator
    with pytest.raises(
        ValueError, match="Solver produced non-finite parameter weights"
    ):
        model.fit(X / X.max() * 1e308, y)


def test_inputs_are_not_modified(estimator):
    model, X, y = estimator
    weight = np.ones(len(y))
    given = [X, y, weight]
    copies = [array.copy() for array in given]
    model.fit(*given).predict(X)
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
