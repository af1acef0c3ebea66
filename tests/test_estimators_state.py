"""Fitted estimators whose parameters or arrays were changed by hand."""

from __future__ import annotations

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris

from fastmlp import MLPClassifier, MLPRegressor

settings = {"hidden_layer_sizes": (7,), "max_iter": 3, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(params=[MLPClassifier, MLPRegressor])
def kind(request):
    return request.param


@pytest.fixture
def data():
    return load_iris(return_X_y=True)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("method", ["predict", "partial_fit"])
def test_batch_norm_switched_after_fit(kind, data, before, method):
    """An error that tells, and a model that still works once it is switched back."""
    X, y = data
    model = kind(batch_norm=before, **settings).fit(X, y)
    right = model.predict(X)
    model.set_params(batch_norm=not before)
    word = "with" if before else "without"
    with pytest.raises(ValueError, match=f"the model was fitted {word} batch norm"):
        getattr(model, method)(*(data if method == "partial_fit" else [X]))
    model.set_params(batch_norm=before)
    np.testing.assert_array_equal(model.predict(X), right)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            lambda m: m.coefs_.append(np.ones((1, 1))),
            ValueError,
            "intercepts_ must hold",
        ),
        (lambda m: m.intercepts_.pop(), ValueError, "intercepts_ must hold an array"),
        (
            lambda m: m.coefs_.__setitem__(0, m.coefs_[0] * 1j),
            TypeError,
            "real numbers",
        ),
        (lambda m: m.coefs_.__setitem__(1, np.ones((3, 3))), ValueError, "2.weight"),
    ],
)
def test_arrays_that_do_not_fit(kind, data, change, error, match):
    model = kind(**settings).fit(*data)
    change(model)
    with pytest.raises(error, match=match):
        model.predict(data[0])


def test_long_double_weights_predict(kind, data):
    model = kind(**settings).fit(*data)
    right = model.predict(data[0])
    model.coefs_ = [coef.astype(np.longdouble) for coef in model.coefs_]
    np.testing.assert_array_equal(model.predict(data[0]), right)


def test_partial_fit_of_a_memory_map(kind, data, tmp_path):
    model = kind(**settings).fit(*data)
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    mapped.partial_fit(*data)
    model.partial_fit(*data)
    np.testing.assert_array_equal(mapped.predict(data[0]), model.predict(data[0]))


def test_partial_fit_after_early_stopping(kind, data):
    X, y = data
    model = kind(early_stopping=True, **settings).fit(X, y)
    model.set_params(early_stopping=False).partial_fit(X, y)
    assert np.isfinite(model.best_loss_)


@pytest.mark.parametrize(
    "how",
    [{}, {"solver": "sgd"}, {"solver": "lbfgs"}, {"early_stopping": True}],
    ids=str,
)
def test_fitted_weights_begin_at_a_cache_line(kind, data, how):
    model = kind(**settings, **how).fit(*data)
    assert [coef.ctypes.data % 64 for coef in model.coefs_] == [0, 0]


def test_held_out_rows_without_weight(kind, data):
    weight = np.zeros(len(data[1]))
    weight[0] = 1
    with pytest.raises(ValueError, match="at least one non-zero number"):
        kind(early_stopping=True, **settings).fit(*data, sample_weight=weight)


@pytest.mark.parametrize("value", [[1], np.ones(1), "a", None])
def test_activation_parameters_that_are_no_numbers(kind, data, value):
    model = kind(activation=("leaky_relu", {"slope": value}), **settings)
    with pytest.raises(TypeError, match="'slope' must be a number, got"):
        model.fit(*data)


def all_arrays(model):
    lists = ("coefs_", "intercepts_", "batch_norm_scale_", "batch_norm_var_")
    return [array for name in lists for array in getattr(model, name)]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_weights_begin_at_a_cache_line(kind, data, protocol):
    model = kind(batch_norm=True, **settings).fit(*data)
    for other in pickle.loads(pickle.dumps(model, protocol)), copy.deepcopy(model):
        for found, array in zip(all_arrays(other), all_arrays(model), strict=True):
            assert found.ctypes.data % 64 == 0
            assert not np.shares_memory(found, array)
            np.testing.assert_array_equal(found, array)
        np.testing.assert_array_equal(other.predict(data[0]), model.predict(data[0]))


def test_large_weights_begin_at_a_page(kind, data):
    model = kind(**settings | {"hidden_layer_sizes": (300, 300)}).fit(*data)
    for other in model, pickle.loads(pickle.dumps(model)), copy.deepcopy(model):
        assert other.coefs_[1].ctypes.data % 4096 == 0
        np.testing.assert_array_equal(other.coefs_[1], model.coefs_[1])


def misaligned(array):
    room = np.empty(array.nbytes + 128, "u1")
    start = -room.ctypes.data % 64 + 16
    moved = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def test_arrays_that_others_may_share_stay(kind, data, tmp_path):
    """Those out of a pickle or in a file, and the list of a shallow copy's model."""
    model = kind(batch_norm=True, **settings).fit(*data)
    buffers = []
    dumped = pickle.dumps(model, 5, buffer_callback=buffers.append)
    contents = [b"12345" + bytes(buffer.raw()) for buffer in buffers]
    other = pickle.loads(dumped, buffers=[memoryview(c)[5:] for c in contents])
    sources = [np.frombuffer(c, "u1") for c in contents]
    for array in all_arrays(other):
        assert any(np.shares_memory(array, source) for source in sources)
    joblib.dump(model, tmp_path / "model")
    for mode in "r", "c":
        mapped = joblib.load(tmp_path / "model", mmap_mode=mode)
        assert {type(array) for array in all_arrays(mapped)} == {np.memmap}
    assert copy.copy(model).coefs_ is model.coefs_
    elsewhere = model.coefs_ = [misaligned(coef) for coef in model.coefs_]
    moved = copy.copy(model).coefs_
    assert [coef.ctypes.data % 64 for coef in moved] == [0, 0]
    assert model.coefs_ is elsewhere
    assert [coef.ctypes.data % 64 for coef in elsewhere] == [16, 16]
