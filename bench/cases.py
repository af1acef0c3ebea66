"""The named cases: a network, its data and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Case:
    """A classifier with ReLU layers and Adam, on random data with a fixed seed.

    With two classes the output is one logistic unit, as in scikit-learn, and not a pair
    of softmax units.
    """

    name: str
    rows: int
    features: int
    hidden: tuple[int, ...]
    classes: int
    batch: int
    epochs: int  # of one timed fit

    @property
    def units(self) -> tuple[int, ...]:
        outputs = 1 if self.classes == 2 else self.classes
        return self.features, *self.hidden, outputs

    @property
    def weights(self) -> int:
        return sum(a * b for a, b in pairwise(self.units))

    @property
    def flops(self) -> int:
        """Floating-point operations of an epoch's matrix products.

        Forward, weight gradient and input gradient take 2 x rows x weights each; nobody
        needs the first layer's input gradient. All else counts as overhead.
        """
        first = self.units[0] * self.units[1]
        return self.rows * (6 * self.weights - 2 * first)

    def __str__(self) -> str:
        return f"{self.rows}x{'-'.join(map(str, self.units))}, batch {self.batch}"

    def data(self, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Return X (rows, features), normal, and labels that a linear teacher gives."""
        random = np.random.RandomState(0)
        x = random.standard_normal((self.rows, self.features))
        teacher = random.standard_normal((self.features, self.classes))
        return x.astype(dtype), np.argmax(x @ teacher, axis=1)


CASES = {
    case.name: case
    for case in (
        Case("tiny", 10_000, 20, (64,), 2, batch=32, epochs=20),
        Case("tab", 20_000, 54, (128, 128), 7, batch=256, epochs=5),
        Case("mnist", 20_000, 784, (100,), 10, batch=200, epochs=3),
        Case("mid", 10_000, 784, (512, 512), 10, batch=256, epochs=2),
    )
}

# Single calls: the data and network, and the method that is timed. One row is predicted
# or trained on by a network that has been fitted to all rows.
SMALL_CASES = {
    "fit-150": (Case("iris", 150, 4, (100,), 3, batch=150, epochs=5), "fit"),
    "predict-1": (Case("one", 200, 20, (64,), 2, 200, epochs=5), "predict_proba"),
    "predictor-1": (Case("one", 200, 20, (64,), 2, 200, epochs=5), "predictor"),
    "partial_fit-1": (Case("one", 200, 20, (64,), 2, 200, epochs=5), "partial_fit"),
}
