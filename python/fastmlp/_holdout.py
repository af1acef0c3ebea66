"""Early stopping: the rows held out, their score, and the best weights so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split

from ._architecture import array_attributes, copied_arrays
from ._problem import Problem


class Holdout:
    """Rows that training leaves out, to tell when to stop.

    Drawn as scikit-learn draws them: of the classes in proportion where there are two,
    otherwise from all rows alike.

    Attributes
    ----------
    training_rows, rows : ndarray of int64
        The rows to train on, and those held out; X itself is not split.

    Raises
    ------
    ValueError
        Where fewer than two rows are held out.
    """

    def __init__(
        self,
        model: Any,
        problem: Problem,
        random_state: np.random.RandomState,
    ) -> None:
        stratify = None
        if is_classifier(model) and model.n_outputs_ == 1:
            # Strings, since a message of scikit-learn shows them.
            stratify = np.where(problem.target[:, 0] > 0, "True", "False")
        self.training_rows, self.rows = train_test_split(
            np.arange(problem.X.shape[0], dtype=np.int64),
            random_state=random_state,
            test_size=model.validation_fraction,
            stratify=stratify,
        )
        if len(self.rows) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' "
                "or the size of your dataset."
            )
        self._target = problem.target[self.rows]
        self._weight = problem.sample_weight
        if self._weight is not None:
            self._weight = self._weight[self.rows]
            if not self._weight.any():
                raise ValueError(
                    "Sample weights must contain at least one non-zero number."
                )
        self._score = _SCORES[model.out_activation_]

    def score(self, problem: Problem) -> float:
        """Return the accuracy, or R2, on the rows held out; NaN for bad outputs."""
        return self._score(problem.predict(self.rows), self._target, self._weight)


def _accuracy(
    outputs: NDArray[Any], target: NDArray[Any], weight: NDArray[Any] | None
) -> float:
    if target.ndim == 1:
        correct = outputs.argmax(axis=1) == target
    else:
        correct = ((outputs > 0.5) == (target > 0)).all(axis=1)
    return float(np.average(correct, weights=weight))


def _r2(
    outputs: NDArray[Any], target: NDArray[Any], weight: NDArray[Any] | None
) -> float:
    """Return R2 as scikit-learn's ``r2_score`` does, without its checks."""
    if not np.isfinite(outputs).all():
        return float("nan")
    column = 1.0 if weight is None else weight[:, None]
    mean = np.average(target, axis=0, weights=weight)
    residual = (column * (target - outputs) ** 2).sum(axis=0)
    total = (column * (target - mean) ** 2).sum(axis=0)
    scores = np.where(residual == 0, 1.0, 0.0)  # where the target is constant
    np.divide(residual, total, out=scores, where=total != 0)
    scores = np.where(total != 0, 1 - scores, scores)
    return float(scores.mean())


_SCORES = {
    "softmax": _accuracy,
    "logistic": _accuracy,
    "identity": _r2,
    "exp": _r2,
}


def keep_best(model: Any) -> None:
    """Remember the present weights as the best ones."""
    for name, arrays in copied_arrays(model).items():
        setattr(model, _best(name), arrays)


def restore_best(model: Any) -> None:
    """Make the best weights the model's: the arrays themselves, as in scikit-learn.

    A fit with `warm_start` that finds nothing better then ends with its last weights,
    not with those it began from.
    """
    for name in array_attributes(model):
        setattr(model, name, getattr(model, _best(name)))


def forget_best(model: Any) -> None:
    """Drop the best weights of an earlier fit."""
    for name in [name for name in vars(model) if name.startswith("_best_")]:
        del vars(model)[name]


def _best(attribute: str) -> str:
    return "_best_" + attribute.rstrip("_")
