"""Numbers in other forms than arrays, taken as they are where scikit-learn would, too."""

from __future__ import annotations

import warnings
from copy import deepcopy
from enum import Enum

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_array, csr_array, csr_matrix, issparse
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from fastmlp import MLPClassifier, _base, _classifier, _forward, _plain_input

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

COLUMNS = list("abcd")


class Name(str, Enum):
    a = "a"
    b = "b"
    c = "c"
    d = "d"


def framed(dtype):
    return lambda X: pd.DataFrame(X.round(), columns=COLUMNS).astype(dtype)


def with_long_indices(X):
    x = csr_array(X)
    x.indices, x.indptr = x.indices.astype("int64"), x.indptr.astype("int64")
    return x


def with_nan_behind(X):
    """After the last row's entries, where scikit-learn looks, too."""
    x = csr_array(X)
    x.data = np.append(x.data, np.nan)
    return x


def out_of_order(X):
    n, columns = X.shape
    indices = np.tile(np.arange(columns)[::-1], n)
    return csr_array((X[:, ::-1].ravel(), indices, np.arange(n + 1) * columns), X.shape)


def polars_frame(X):
    return pytest.importorskip("polars").DataFrame(X, schema=COLUMNS)


# What holds numbers in other forms, and whether scikit-learn need not look at it, where
# the model was fitted to an array, and to a DataFrame.
FORMS = {
    "array": (lambda X: X, True, False),
    "integers": (lambda X: X.round().astype(int), True, False),
    "foreign integers": (lambda X: X.round().astype(">i2"), True, False),
    "unsigned": (lambda X: abs(X).round().astype("uint8"), True, False),
    "booleans": (lambda X: X > 0, False, False),
    "half precision": (lambda X: X.astype("float16"), False, False),
    "foreign floats": (lambda X: X.astype(">f8"), False, False),
    "list": (lambda X: X.tolist(), True, False),
    "list of arrays": (list, True, False),
    "list of float32": (lambda X: [list(row) for row in X.astype("f")], True, False),
    "list of integers": (lambda X: X.round().astype(int).tolist(), True, False),
    "list of booleans": (lambda X: (X > 0).tolist(), False, False),
    "list of strings": (lambda X: X.astype(str).tolist(), False, False),
    "list of all kinds": (lambda X: [*X.tolist(), ["1", 1, 1, 1]], False, False),
    "ragged list": (lambda X: [*X.tolist(), [1.0]], False, False),
    "list with None": (lambda X: [*X.tolist(), [1, 2, None, 4]], False, False),
    "huge integers": (lambda X: [*X.tolist(), [1, 2, 10**30, 4]], False, False),
    "empty list": (lambda X: [], False, False),
    "tuple": (lambda X: tuple(X.tolist()), False, False),
    "frame": (framed(float), False, True),
    "row": (lambda X: framed(float)(X)[3:4], False, True),
    "float32": (framed("float32"), False, True),
    "frame of integers": (framed(int), False, True),
    "mixed frame": (framed({"a": "int8", "b": "float32", "c": "int16"}), False, True),
    "nullable": (framed("Float64"), False, False),
    "missing": (lambda X: framed("Int64")(X).mask(X > 1), False, False),
    "categories": (framed("category"), False, False),
    "sparse columns": (framed(pd.SparseDtype(float, 0.0)), False, False),
    "some sparse columns": (
        framed({"a": pd.SparseDtype(float, 0.0)}), False, False,
    ),
    "sparse columns of NaN": (framed(pd.SparseDtype(float)), False, False),
    "frame of booleans": (framed(bool), False, False),
    "frame of objects": (framed(object), False, False),
    "not finite": (lambda X: framed(float)(X).replace(0.0, np.inf), False, False),
    "no rows": (lambda X: framed(float)(X)[:0], False, False),
    "a column less": (lambda X: framed(float)(X)[list("abc")], False, False),
    "another order": (lambda X: framed(float)(X)[list("abdc")], False, False),
    "twice the same": (lambda X: framed(float)(X)[list("abcc")], False, False),
    "names beside numbers": (
        lambda X: framed(float)(X).rename(columns={"d": 3}), False, False,
    ),
    "names of NumPy": (
        lambda X: pd.DataFrame(X, columns=list(np.array(COLUMNS))), False, False,
    ),
    "a name of NumPy": (
        lambda X: framed(float)(X).rename(columns={"d": np.str_("d")}), False, False,
    ),
    "names of an enumeration": (
        lambda X: pd.DataFrame(X, columns=list(Name)), False, False,
    ),
    "two levels": (
        lambda X: pd.DataFrame(X, columns=[COLUMNS, COLUMNS]), False, False,
    ),
    "no name": (
        lambda X: framed(float)(X).rename(columns={"d": pd.NA}), False, False,
    ),
    "polars": (polars_frame, False, False),
    "CSR": (csr_array, True, False),
    "CSR matrix": (lambda X: csr_matrix(X.astype("f")), True, False),
    "CSR of few numbers": (lambda X: csr_array(X * (X > 1)), True, False),
    "CSR with long indices": (with_long_indices, True, False),
    "CSR out of order": (out_of_order, True, False),
    "CSR of integers": (lambda X: csr_array(X.round().astype(int)), False, False),
    "CSR of booleans": (lambda X: csr_array(X > 0), False, False),
    "CSR not finite": (lambda X: csr_array(np.where(X > 1, np.nan, X)), False, False),
    "CSR with NaN behind": (with_nan_behind, False, False),
    "CSR of no rows": (lambda X: csr_array(X[:0]), False, False),
    "CSR a column less": (lambda X: csr_array(X[:, :3]), False, False),
    "CSC": (csc_array, False, False),
}  # fmt: skip


@pytest.mark.parametrize("named", [False, True], ids=["unnamed", "named"])
@pytest.mark.parametrize("form", FORMS)
def test_other_forms_predict_as_validated_ones(
    estimator, form, named, outcome, monkeypatch
):
    """The same numbers, or errors, and warnings; without validation where it is moot."""
    model, X, y = estimator
    model.fit(pd.DataFrame(X, columns=COLUMNS) if named else X, y)
    make, *quick = FORMS[form]
    samples, looks = make(3 * X), []

    def validate(*arguments, **settings):
        looks.append(arguments)
        return validate_data(*arguments, **settings)

    monkeypatch.setattr(_forward, "validate_data", validate)
    found = outcome(model, samples)
    assert bool(looks) is not quick[named]
    model._quick_forward = None
    assert found == outcome(model, samples)
    assert looks


def test_large_frames_are_looked_at(estimator, monkeypatch):
    """Sparse columns would need much memory as an array."""
    model, X, y = estimator
    frame = pd.DataFrame(X, columns=COLUMNS)
    model.fit(frame, y)
    monkeypatch.setattr(_plain_input, "_MOST_NUMBERS_OF_FRAME", 5)
    assert _plain_input.plain_numbers(model, frame[:1]) is not None
    assert _plain_input.plain_numbers(model, frame[:2]) is None


# Other forms of y, and whether scikit-learn need not look at them, of a classifier and
# of a regressor; None where that depends on pandas' version.
TARGETS = {
    "integers": (lambda y: y.round().astype(int), False, True),
    "list": (lambda y: y.tolist(), True, True),
    "series": (pd.Series, True, True),
    "series of objects": (lambda y: pd.Series(y, dtype=object), False, False),
    "series of booleans": (lambda y: pd.Series(y > 0), False, False),
    "nullable series": (lambda y: pd.Series(y.round()).astype("Int64"), None, None),
    "categories": (lambda y: pd.Series(y, dtype="category"), None, None),
    "strings": (lambda y: y.astype(str).tolist(), False, False),
    "all kinds": (lambda y: [*y[1:].tolist(), "1.0"], False, False),
    "frame": (lambda y: pd.DataFrame({"y": y}), False, False),
    "column": (lambda y: y[:, None], False, False),
    "ragged": (lambda y: [*y[1:].tolist(), [1.0, 2.0]], False, False),
    "not finite": (lambda y: pd.Series(y).replace(y[0], np.nan), False, False),
}


def after_a_step(model, X, y):
    """Return what a call of `partial_fit` leaves, its error and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.partial_fit(X, y)
        except Exception as error:  # noqa: BLE001  whatever it is, it is compared
            return repr(error), [str(warning.message) for warning in caught]
    known = vars(model).copy()
    for name in ("_optimizer", "_quick_forward", "_random_state", "_label_binarizer"):
        known.pop(name, None)
    return repr(known), [str(warning.message) for warning in caught]


def compare_steps(model, known, y, X, y_again, quick, monkeypatch):
    steps, step = [], _base.BaseMLP._step
    monkeypatch.setattr(
        _base.BaseMLP, "_step", lambda *each: steps.append(step(*each)) or steps[-1]
    )
    first = {"classes": [0.0, 1.0]} if isinstance(model, MLPClassifier) else {}
    models = [clone(model).partial_fit(known, y, **first) for _ in range(2)]
    found = after_a_step(models[0], X, y_again)
    if quick is not None:
        assert steps[-1] is quick
    monkeypatch.setattr(_base.BaseMLP, "_step", lambda self, X, y: False)
    assert found == after_a_step(models[1], X, y_again)


@pytest.mark.parametrize("named", [False, True], ids=["unnamed", "named"])
@pytest.mark.parametrize("form", FORMS)
def test_other_forms_train_as_validated_ones(estimator, form, named, monkeypatch):
    model, X, y = estimator
    known = pd.DataFrame(X, columns=COLUMNS) if named else X
    make, *quick = FORMS[form]
    samples = make(3 * X)
    n = samples.shape[0] if issparse(samples) else len(samples)
    y_again = np.resize(y, n)
    compare_steps(model, known, y, samples, y_again, quick[named], monkeypatch)


@pytest.mark.parametrize("target", TARGETS)
def test_other_targets_train_as_validated_ones(estimator, target, monkeypatch):
    model, X, y = estimator
    make, *quick = TARGETS[target]
    expected = quick[not isinstance(model, MLPClassifier)]
    compare_steps(model, X, y, X, make(y), expected, monkeypatch)


@pytest.mark.parametrize(
    ("classes", "quick"),
    [
        (None, True),
        ([0, 1], True),
        (np.array([0, 1]), True),
        ((0, 1), True),
        ([1, 0], False),
        ([0.0, 1.0], False),
        ([0, 1, 1], False),
        (["0", "1"], False),
        ([0, 2], False),
        ([0, 1, 2], False),
        ([[0, 1], [0, 1]], False),
        ([[0, 1], [0]], False),
    ],
    ids=str,
)
def test_classes_may_come_again(classes, quick, monkeypatch):
    """In each call of `partial_fit`, as in many a loop."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), np.arange(20) % 2
    model = MLPClassifier((4,), random_state=0).partial_fit(X, y, classes=[0, 1])
    same, checked = deepcopy(model), []

    def step(model):
        try:
            return [w.tolist() for w in model.partial_fit(X, y, classes=classes).coefs_]
        except ValueError as error:
            return str(error)

    check = _classifier.check_partial_fit_first_call

    def note(*arguments):
        checked.append(arguments)
        return check(*arguments)

    monkeypatch.setattr(_classifier, "check_partial_fit_first_call", note)
    found = step(model)
    assert bool(checked) is not quick
    monkeypatch.setattr(_base.BaseMLP, "_step", lambda self, X, y: False)
    assert found == step(same)
