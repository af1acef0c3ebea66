"""Class labels and label indicators, to and from what the core trains on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target, unique_labels

from ._sklearn_compat import as_sparse


class Labels:
    """The classes of a target; in the place of scikit-learn's ``LabelBinarizer``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    y_type_ : {"binary", "multiclass", "multilabel-indicator"}
    sparse_input_ : bool
        Whether the target was sparse, so that predictions are.
    """

    classes_: NDArray[Any]
    y_type_: str
    sparse_input_: bool

    def __init__(self, y: Any) -> None:
        classes = _integer_classes(y)
        if classes is not None:
            self.classes_ = classes
            self.y_type_ = "binary" if len(classes) <= 2 else "multiclass"
            self.sparse_input_ = False
            return
        # Its checks and their messages are what users of scikit-learn know.
        found = LabelBinarizer().fit(y)
        self.classes_ = found.classes_
        self.y_type_ = found.y_type_
        self.sparse_input_ = found.sparse_input_

    @property
    def n_outputs(self) -> int:
        """The width of the output layer."""
        return 1 if self.y_type_ == "binary" else len(self.classes_)

    @property
    def out_activation(self) -> str:
        """scikit-learn's name for the output layer's activation."""
        return "softmax" if self.y_type_ == "multiclass" else "logistic"

    def encode(self, y: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return integer labels, or zeros and ones of shape (n_samples, n_outputs)."""
        if y.ndim == 2:
            return self._encode_indicators(y, dtype)
        labels: NDArray[Any] = np.searchsorted(self.classes_, y)
        if self.y_type_ == "multiclass":
            return labels.astype(np.int64, copy=False)
        if self.y_type_ == "binary":
            return labels.reshape(-1, 1).astype(dtype)
        one_hot: NDArray[Any] = labels[:, None] == np.arange(len(self.classes_))
        return one_hot.astype(dtype)

    def _encode_indicators(self, y: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
        if type_of_target(y) != "multilabel-indicator":
            raise ValueError(
                "Multioutput target data is not supported with label binarization"
            )
        if not self.y_type_.startswith("multilabel"):
            raise ValueError("The object was not fitted with multilabel input.")
        if y.shape[1] != len(self.classes_):
            raise ValueError(
                f"classes {self.classes_} mismatch with the labels {unique_labels(y)} "
                "found in the data"
            )
        dense = y.toarray() if issparse(y) else y
        return np.ascontiguousarray(dense != 0, dtype=dtype)

    def encode_plain(
        self, y: NDArray[Any], dtype: np.dtype[Any]
    ) -> NDArray[Any] | None:
        """Return `encode` for an array of labels that need no further check, or None."""
        classes = self.classes_
        if y.ndim != 1 or y.dtype.kind != classes.dtype.kind or y.dtype.kind == "O":
            return None
        if self.y_type_.startswith("multilabel"):
            return None
        labels = classes.searchsorted(y)
        if not (classes.take(labels, mode="clip") == y).all():
            return None
        if self.y_type_ == "multiclass":
            return labels
        return labels.reshape(-1, 1).astype(dtype)

    def decode(self, outputs: NDArray[Any]) -> Any:
        """Return the labels, or indicators, that are the most likely."""
        if self.y_type_.startswith("multilabel"):
            indicators = (outputs > 0.5).astype(np.intp)
            return as_sparse(indicators) if self.sparse_input_ else indicators
        if self.y_type_ == "multiclass":
            labels = outputs.argmax(axis=1)
        else:
            labels = (outputs[:, 0] > 0.5).astype(np.intp)
        # A single class is trained as label 0; there is no other to predict.
        return self.classes_.take(labels, mode="clip")


def _integer_classes(y: Any) -> NDArray[Any] | None:
    """Return the classes of a plain array of integers or booleans, or None.

    None, too, where there are so many classes that some versions of scikit-learn warn.
    There is nothing else to say of such an array, and scikit-learn looks at it six
    times, which is a quarter of the time that training on 150 rows takes.
    """
    plain = type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "iub"
    if not plain or not y.dtype.isnative:
        return None
    classes: NDArray[Any] = np.unique(y)
    return classes if 0 < 2 * len(classes) <= len(y) else None


def check_classes(y: Any, known: NDArray[Any], *, all_of_them: bool) -> None:
    """Raise scikit-learn's ValueError where y holds other classes than those known.

    Parameters
    ----------
    y : ndarray or sparse matrix
    known : ndarray of shape (n_classes,)
    all_of_them : bool
        Whether y must hold every known class too, as with `warm_start`.
    """
    classes = unique_labels(y)
    if all_of_them:
        if set(classes) != set(known):
            raise ValueError(
                "warm_start can only be used where `y` has the same "
                "classes as in the previous call to fit. Previously "
                f"got {known}, `y` has {classes}"
            )
    elif len(np.setdiff1d(classes, known, assume_unique=True)):
        raise ValueError(
            "`y` has classes not in `self.classes_`. "
            f"`self.classes_` has {known}. 'y' has {classes}."
        )


def repeats_classes(model: Any, classes: Any) -> bool:
    """Tell whether `classes` is None or, as in many a loop, those that are known."""
    known = vars(model).get("classes_")
    if classes is None or type(known) is not np.ndarray:
        return classes is None
    try:
        again = np.asarray(classes)
    except ValueError:  # ragged
        return False
    return again.dtype == known.dtype and np.array_equal(again, known)
