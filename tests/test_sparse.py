"""Wide sparse rows: taken as they are, with the bits of the dense ones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rows_of(n, columns, density=0.02, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    x = sparse.random(n, columns, density, "csr", dtype, rng)
    x.data -= 0.5
    assert x.has_canonical_format
    return x, rng.integers(0, 3, n)


def settings(**others):
    return {"max_iter": 2, "random_state": 0, "n_threads": 2} | others


def assert_same(one, other):
    for a, b in zip(
        one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert one.loss_curve_ == other.loss_curve_


# Outputs in panels, some over, and a few, which make zeros cheaper; so sparse that rows
# are taken as they are.
LAYERS = {
    (1,): 0.005,
    (2, 3): 0.01,
    (6,): 0.02,
    (17, 4): 0.05,
    (24, 5): 0.05,
    (33,): 0.05,
    (60,): 0.1,
    (100,): 0.1,
}
layers = pytest.mark.parametrize("hidden", LAYERS, ids=str)


@layers
@pytest.mark.parametrize("columns", [400, 401, 406, 415])  # of a panel, and over
def test_training_has_the_bits_of_dense_rows(columns, hidden, dtype):
    x, y = rows_of(130, columns, LAYERS[hidden])
    common = settings(hidden_layer_sizes=hidden, batch_size=50, dtype=dtype.name)
    fitted = MLPClassifier(**common).fit(x, y)
    assert_same(fitted, MLPClassifier(**common).fit(x.toarray(), y))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 40, 41, 128, 129, 500, 900, 1500])
def test_batches_of_any_size(batch_size, n_threads, dtype):
    """In one block, in two, in halves and in parts; and what is left of an epoch."""
    n = 1500 if batch_size > 1 else 30
    x, y = rows_of(n, 350)
    common = settings(
        hidden_layer_sizes=(20, 5), batch_size=batch_size, dtype=dtype.name
    )
    fitted = MLPClassifier(**common | {"n_threads": n_threads}).fit(x, y)
    assert_same(fitted, MLPClassifier(**common).fit(x.toarray(), y))


@pytest.mark.parametrize(
    "how",
    [
        {"solver": "lbfgs", "max_iter": 5},
        {"solver": "sgd", "activation": "tanh"},
        {"batch_norm": True},
        {"dropout": 0.3},
        {"early_stopping": True},
        {"alpha": 0.1, "activation": "logistic"},
    ],
    ids=str,
)
def test_in_all_kinds_of_training(how):
    x, y = rows_of(2100, 400)  # more than an evaluation of "lbfgs" takes at a time
    common = settings(hidden_layer_sizes=(20,), **how)
    one = MLPRegressor(**common).fit(x, y.astype(float))
    other = MLPRegressor(**common).fit(x.toarray(), y.astype(float))
    for a, b in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_before_layers_that_a_matrix_unit_multiplies(n_threads):
    """Of dense rows, it multiplies the first layer, too: nearly the same, then."""
    x, y = rows_of(600, 400)
    common = settings(
        hidden_layer_sizes=(150, 260, 140), batch_size=256, dtype="float32"
    )
    fitted = MLPClassifier(**common | {"n_threads": n_threads}).fit(x, y)
    assert_same(fitted, MLPClassifier(**common).fit(x, y))
    dense = MLPClassifier(**common).fit(x.toarray(), y)
    np.testing.assert_allclose(fitted.loss_curve_, dense.loss_curve_, rtol=1e-5)


def test_partial_fit(dtype):
    x, y = rows_of(90, 500)
    one, other = (MLPClassifier(**settings(dtype=dtype.name)) for _ in range(2))
    for part in np.split(np.arange(90), 3):
        one.partial_fit(x[part], y[part], classes=[0, 1, 2])
        other.partial_fit(x[part].toarray(), y[part], classes=[0, 1, 2])
    assert_same(one, other)


@layers
@pytest.mark.parametrize("values", ["float32", "float64"])
@pytest.mark.parametrize("index", ["int32", "int64"])
def test_predictions_have_the_bits_of_dense_rows(hidden, values, index, dtype):
    """Of one row, of some and of many; of columns to the last one and of an empty row."""
    x, y = rows_of(150, 1001, LAYERS[hidden], dtype=values)
    x = sparse.vstack(
        [x, sparse.csr_array((1, 1001)), np.eye(1, 1001, 1000)], "csr", values
    )
    assert np.diff(x.indptr)[-2:].tolist() == [0, 1]
    x.indices, x.indptr = x.indices.astype(index), x.indptr.astype(index)
    model = MLPClassifier(**settings(hidden_layer_sizes=hidden, dtype=dtype.name))
    model.fit(x[:150], y)
    expected = model.predict_proba(x.toarray())
    np.testing.assert_array_equal(model.predict_proba(x), expected)
    predict = model.predictor()
    np.testing.assert_array_equal(predict(x), expected)
    for i in 0, 1, 150, 151:
        np.testing.assert_array_equal(model.predict_proba(x[[i]]), expected[[i]])
        np.testing.assert_array_equal(predict(x[[i]]), expected[[i]])


@layers
def test_zeros_are_passed_over(hidden, dtype):
    """A weight that no row uses may be anything, but for dense rows."""
    x, y = rows_of(100, 1000, LAYERS[hidden])
    x = sparse.csr_array(x.toarray() * (np.arange(1000) != 7))
    model = MLPClassifier(**settings(hidden_layer_sizes=hidden, dtype=dtype.name))
    expected = model.fit(x, y).predict_proba(x)
    model.coefs_[0][7] = np.inf
    with np.errstate(all="ignore"):
        assert np.isnan(model.predict_proba(x.toarray())).any()
    np.testing.assert_array_equal(model.predict_proba(x), expected)
    np.testing.assert_array_equal(model.predictor()(x), expected)


def test_rows_out_of_order_and_entries_twice():
    """They are taken as dense rows; SciPy adds up what has one place."""
    x, y = rows_of(100, 400)
    expected = MLPClassifier(**settings()).fit(x, y)
    shuffled, twice = x.copy(), x.copy()
    for row in range(100):
        of = slice(*x.indptr[row : row + 2])
        shuffled.indices[of] = x.indices[of][::-1]
        shuffled.data[of] = x.data[of][::-1]
    shuffled.has_sorted_indices = False
    twice.data = np.repeat(x.data / 2, 2)
    twice.indices = np.repeat(x.indices, 2)
    twice.indptr = 2 * x.indptr
    for other in shuffled, twice:
        np.testing.assert_array_equal(other.toarray(), x.toarray())
        np.testing.assert_array_equal(
            expected.predict_proba(other), expected.predict_proba(x)
        )
        assert_same(MLPClassifier(**settings()).fit(other, y), expected)


def test_a_dense_row_among_sparse_ones():
    x, y = rows_of(300, 700)
    x = sparse.vstack([x, np.ones((1, 700))], "csr")
    y = np.append(y, 1)
    common = settings(batch_size=64)
    fitted = MLPClassifier(**common).fit(x, y)
    assert_same(fitted, MLPClassifier(**common).fit(x.toarray(), y))


@pytest.mark.parametrize("widths", [(20, 1), (3,), (20,)], ids=str)
def test_epochs_in_any_order(core, dtype, widths):
    """With the longest row many times; and where the only layer is the first one."""
    x, y = rows_of(900, 400, 0.01, dtype=dtype)
    x = sparse.vstack([x, np.ones((1, 400), dtype)], "csr")
    target = np.resize(y, (901, widths[-1])).astype(dtype)
    orders = [np.arange(900), np.r_[np.full(700, 900), np.arange(200)]]
    layers = [("dense", sizes) for sizes in pairwise((400, *widths))]
    results = [
        core(layers, dtype, 2).after_epochs(data, target, orders, 700)
        for data in (x, x.toarray())
    ]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite(bad):
    x, y = rows_of(60, 400)
    model = MLPClassifier(**settings()).fit(x, y)
    x.data[-1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.predict_proba(x)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.fit(x, y)


def test_nothing_but_zeros():
    x = sparse.csr_array((50, 400))
    y = np.arange(50) % 2
    common = settings(hidden_layer_sizes=(20,))
    fitted = MLPClassifier(**common).fit(x, y)
    assert_same(fitted, MLPClassifier(**common).fit(x.toarray(), y))
    np.testing.assert_array_equal(
        fitted.predict_proba(x), fitted.predict_proba(x.toarray())
    )
