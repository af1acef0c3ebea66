"""Predictors: the model's own bits, alone and in batches, frozen; input of any kind."""

from __future__ import annotations

import copy
import pickle
import pickletools

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastmlp import MLPClassifier, MLPRegressor, Predictor, _core

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TARGETS = {
    "binary": lambda x: x[:, 0] > 0,
    "multiclass": lambda x: np.digitize(x[:, 0], [-0.5, 0.5]).astype(str),
    "multilabel": lambda x: (x[:, :3] > 0).astype(int),
    "one label": lambda x: (x[:, :1] > 0).astype(int),
    "one class": lambda x: np.zeros(len(x), int),
    "values": lambda x: x[:, 0],
    "columns": lambda x: x[:, :2],
}


def draw(n=150, dtype="float64", seed=0):
    return np.random.default_rng(seed).normal(size=(n, 21)).astype(dtype)


def fitted(target, dtype="float64", **parameters):
    """Return a fitted estimator of this kind of target."""
    kind = MLPRegressor if target in {"values", "columns"} else MLPClassifier
    settings = {"hidden_layer_sizes": (37, 18), "max_iter": 3, "random_state": 0}
    model = kind(**settings | parameters)
    x = draw(dtype=dtype)
    y = TARGETS[target](x)
    return model.fit(x, y.ravel() if target == "one label" else y)


def expected(model, x):
    return model.predict_proba(x) if hasattr(model, "classes_") else model.predict(x)


def same(found, wanted):
    assert type(found) is np.ndarray
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def check(model):
    """Compare all rows at once, in batches and alone."""
    predict = model.predictor()
    x = draw(500, model.coefs_[0].dtype, seed=1)
    wanted = expected(model, x)
    same(predict(x), wanted)
    for size in (1, 2, 7, 8, 9, 47, 48, 49, 96, 97):
        same(predict(x[3 : 3 + size]), wanted[3 : 3 + size])
        same(expected(model, x[3 : 3 + size]), wanted[3 : 3 + size])
    for row in range(100):
        same(predict(x[row]), wanted[row, ...])
        same(expected(model, x[row : row + 1]), wanted[row : row + 1])


@pytest.mark.parametrize("target", TARGETS)
def test_targets(target, dtype):
    check(fitted(target, dtype))


@pytest.mark.parametrize("activation", _core.activations)
@pytest.mark.parametrize("batch_norm", [False, "before", "after"])
def test_layers(activation, batch_norm, dtype):
    settings = {"activation": activation, "batch_norm": batch_norm}
    check(fitted("multiclass", dtype, **settings))
    check(fitted("values", dtype, dropout=0.3, **settings))


def test_activation_with_parameters():
    parameters = {"slope": 0.3}
    model = fitted("binary", activation=("leaky_relu", parameters))
    predict, x = model.predictor(), draw()
    wanted = predict(x)
    parameters["slope"] = 0.9
    same(pickle.loads(pickle.dumps(predict))(x), wanted)
    check(model)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_losses(loss, dtype):
    x = draw(dtype=dtype)
    model = MLPRegressor(loss, (9,), max_iter=3).fit(x, np.abs(x[:, 0]))
    check(model)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_solvers(solver, dtype):
    check(fitted("binary", dtype, solver=solver))


def test_no_hidden_layer(dtype):
    check(fitted("columns", dtype, hidden_layer_sizes=()))


def test_wide_layers_and_threads(n_threads, dtype):
    """Depths of several blocks; threads share the rows."""
    sizes = {"hidden_layer_sizes": (700, 300), "max_iter": 1}
    model = fitted("multiclass", dtype, n_threads=n_threads, **sizes)
    x = draw(1000, dtype, seed=1)
    predict, one_thread = model.predictor(), model.set_params(n_threads=1)
    same(predict(x), expected(one_thread, x))
    same(np.concatenate([predict(x[:70]), predict(x[70:])]), predict(x))
    same(np.stack([predict(row) for row in x[:50]]), predict(x)[:50])


def test_after_partial_fit():
    x = draw()
    model = MLPClassifier((8,), random_state=0)
    model.partial_fit(x, x[:, 0] > 0, classes=[False, True])
    check(model)


# Frozen ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["binary", "values"])
def test_what_happens_to_the_model_changes_nothing(target):
    model, x = fitted(target, batch_norm=True), draw(seed=2)
    predict, before = model.predictor(), expected(model, x)
    model.coefs_[0][...] *= 2
    model.batch_norm_mean_[0][...] += 1
    if target == "binary":
        model.classes_[0] = True
        assert predict.classes_.tolist() == [False, True]
    assert not np.array_equal(expected(model, x), before)
    same(predict(x), before)
    same(model.predictor()(x), expected(model, x))
    check(model)


@pytest.mark.parametrize("target", TARGETS)
def test_pickles_and_copies(target, dtype):
    model = fitted(target, dtype, batch_norm="after", activation="gelu")
    predict, x = model.predictor(), draw(seed=3)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        text = pickle.dumps(predict, protocol)
        loaded = pickle.loads(text)
        same(loaded(x), predict(x))
        assert repr(loaded) == repr(predict)
        texts = [v for _, v, _ in pickletools.genops(text) if isinstance(v, str)]
        assert not any("fastmlp._core" in v or "x86_64" in v for v in texts)
    same(copy.deepcopy(predict)(x), predict(x))
    same(copy.copy(predict)(x), predict(x))


def test_attributes():
    model = fitted("multiclass", "float32")
    predict = model.predictor()
    assert isinstance(predict, Predictor)
    assert predict.n_features_in_ == 21
    np.testing.assert_array_equal(predict.classes_, model.classes_)
    assert repr(predict) == "Predictor(21-37-18-3, float32, probabilities of 3 classes)"
    regressor = fitted("values").predictor()
    assert not hasattr(regressor, "classes_")
    assert repr(regressor) == "Predictor(21-37-18-1, float64, values)"
    with pytest.raises(AttributeError):
        predict.other = 1
    with pytest.raises(NotFittedError):
        MLPClassifier().predictor()


# Input ----------------------------------------------------------------------------------


def unaligned(x):
    room = np.zeros(x.nbytes + 1, np.uint8)
    array = room[1:].view(x.dtype).reshape(x.shape)
    array[...] = x
    return array


LAYOUTS = {
    "fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "list": lambda x: x.tolist(),
    "list of rows": list,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "float64": lambda x: x.astype("float64"),
    "masked": np.ma.asarray,
    "matrix": lambda x: np.asarray(x).view(np.matrix),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("target", ["binary", "values"])
def test_layouts(layout, target, dtype):
    predict, x = fitted(target, dtype).predictor(), draw(dtype=dtype)
    same(predict(LAYOUTS[layout](x)), predict(x))
    if layout not in {"csr", "csc", "matrix"}:
        same(predict(LAYOUTS[layout](x)[5]), predict(x[5]))


@pytest.mark.parametrize("kind", ["?", "i1", "u2", "i4", "i8", "u8", "f2", "g"])
def test_other_numbers(kind, dtype):
    model = fitted("multiclass", dtype)
    predict = model.predictor()
    x = np.abs(100 * draw(20)).astype(kind)
    if kind == "i8":
        x *= 123_456_789_012_345  # rounded once, in both
    same(predict(x), expected(model, x))
    same(predict(x[0]), predict(x)[0])


def test_data_frame():
    pandas = pytest.importorskip("pandas")
    predict, x = fitted("binary").predictor(), draw()
    same(predict(pandas.DataFrame(x)), predict(x))


def test_no_rows(dtype):
    assert fitted("binary", dtype).predictor()(draw(0, dtype)).shape == (0, 2)
    assert fitted("values", dtype).predictor()(draw(0, dtype)).shape == (0,)
    assert fitted("columns", dtype).predictor()(draw(0, dtype)).shape == (0, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_stay_in_their_row(bad, dtype):
    predict, x = fitted("multiclass", dtype).predictor(), draw(dtype=dtype)
    before = predict(x)
    with_bad = x.copy()
    with_bad[5, 3] = bad
    found = predict(with_bad)
    if np.isnan(bad):
        assert np.isnan(found[5]).all()
    others = np.arange(len(x)) != 5
    same(found[others], before[others])
    same(predict(x), before)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 20)), ValueError, r"X .* \(n, 21\), got \(2, 20\)"),
        (np.zeros((2, 22)), ValueError, r"X .* \(n, 21\), got \(2, 22\)"),
        (np.zeros(20), ValueError, r"X .* \(n, 21\) or \(21,\), got \(20,\)"),
        (np.zeros((1, 2, 21)), ValueError, r"X .* \(n, 21\), got \(1, 2, 21\)"),
        (np.zeros(()), ValueError, r"X .* \(n, 21\), got \(\)"),
        (3.5, ValueError, r"X .* \(n, 21\), got \(\)"),
        ([], ValueError, r"X .* \(21,\), got \(0,\)"),
        (sparse.csr_array((2, 20)), ValueError, r"X .* \(n, 21\), got \(2, 20\)"),
        (sparse.coo_array((2, 21), dtype=int), TypeError, "X must have the dtype"),
        ([[1.0], [1.0, 2.0]], ValueError, "X must be an array .* got <class 'list'>"),
        (np.zeros((2, 21), object), TypeError, "X must hold real numbers, .*object"),
        (np.zeros((2, 21), complex), TypeError, "X must hold real numbers, .*complex"),
        (np.zeros((2, 21), "M8[s]"), TypeError, "X must hold real numbers"),
        (np.zeros((2, 21), "f8,f8"), TypeError, "X must hold real numbers"),
        (np.full((2, 21), "1"), TypeError, "X must hold real numbers"),
        ("text", TypeError, "X must hold real numbers"),
        (None, TypeError, "X must hold real numbers"),
        (object(), TypeError, "X must hold real numbers"),
    ],
    ids=str,
)
def test_bad_input(x, error, message):
    with pytest.raises(error, match=message):
        fitted("binary").predictor()(x)


def test_wrong_calls():
    predict = fitted("binary").predictor()
    with pytest.raises(TypeError):
        predict()
    with pytest.raises(TypeError):
        predict(draw(), draw())


def test_no_input_crashes(dtype):
    hypothesis = pytest.importorskip("hypothesis")
    st, hnp = hypothesis.strategies, pytest.importorskip("hypothesis.extra.numpy")
    predict = fitted("values", dtype).predictor()
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=22)
    shapes |= st.sampled_from([(21,), (0, 21), (1, 21), (9, 21), (100, 21)])
    dtypes = hnp.scalar_dtypes() | st.sampled_from([np.dtype("f4"), np.dtype("f8")])
    steps = st.sampled_from([1, 2, -1, -3])

    @hypothesis.given(shapes, dtypes, st.booleans(), st.lists(steps, min_size=3))
    @hypothesis.settings(max_examples=300, deadline=None)
    def ask(shape, kind, fortran, step):
        room = tuple(n * abs(s) for n, s in zip(shape, step, strict=False))
        x = np.zeros(room, kind, order="F" if fortran else "C")
        x = x[tuple(slice(None, None, s) for s in step[: len(shape)])]
        fits = x.dtype.kind in "biuf" and shape in {(21,), (*shape[:1], 21)}
        if fits:
            wanted = predict(np.zeros(shape))
            same(predict(x), wanted)
        else:
            with pytest.raises((ValueError, TypeError), match="X must"):
                predict(x)

    ask()
