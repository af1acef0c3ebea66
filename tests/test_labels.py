"""Classes of targets, found as scikit-learn's LabelBinarizer finds them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.preprocessing import LabelBinarizer

from fastmlp import _labels
from fastmlp._labels import Labels

digits = np.random.default_rng(0).integers(0, 5, 60)
targets = {
    "two classes": digits % 2,
    "five classes": digits,
    "one class": np.zeros(7, int),
    "negative": digits - 3,
    "a view": np.repeat(digits, 2)[::2],
    "int8": digits.astype(np.int8),
    "uint64": digits.astype(np.uint64) + np.uint64(2**63),
    "big-endian": digits.astype(">i4"),
    "bool": digits > 2,
    "all but one alike": np.arange(3),
    "one row": np.array([4]),
    "whole numbers as float": digits.astype(float),
    "text": np.array(list("abcde"))[digits],
    "objects": np.array(list("abcde"), object)[digits],
    "indicators": np.eye(5, dtype=int)[digits],
}


@pytest.mark.parametrize("name", targets)
def test_classes_are_those_of_scikit_learn(name):
    found = Labels(targets[name])
    expected = LabelBinarizer().fit(targets[name])
    assert found.classes_.dtype == expected.classes_.dtype
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    assert found.y_type_ == expected.y_type_
    assert found.sparse_input_ == expected.sparse_input_


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "bool"])
def test_plain_integers_take_the_short_way(dtype, monkeypatch):
    monkeypatch.setattr(_labels, "LabelBinarizer", None)
    y = (digits % 2).astype(dtype)
    np.testing.assert_array_equal(Labels(y).classes_, np.unique(y))
    with pytest.raises(TypeError, match="not callable"):
        Labels(y.astype(float))


@pytest.mark.parametrize("n", [20, 21, 22, 40, 41])
@pytest.mark.parametrize("classes", [9, 10, 11, 12, 20, 21])
def test_many_classes_are_warned_of_where_scikit_learn_warns(n, classes):
    y = np.arange(n) % classes
    said = []
    for make in (Labels, LabelBinarizer().fit):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make(y)
        said.append({str(warning.message) for warning in caught})
    assert said[0] == said[1]


def test_no_rows():
    with pytest.raises(ValueError, match="0 samples"):
        Labels(np.zeros(0, int))
