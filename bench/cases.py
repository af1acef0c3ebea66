"""The table of cases: a network, its data, how it is trained, and what is timed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

SEED = 1


@dataclass(frozen=True)
class Case:
    """A network on random data with a fixed seed, trained by Adam in mini-batches.

    With two classes the output is one logistic unit, as in scikit-learn, and not a pair
    of softmax units. There is no L2 penalty: frameworks would pay for it with groups of
    parameters and another pass, and the estimators' time does not depend on it.
    """

    name: str
    rows: int
    features: int
    hidden: tuple[int, ...]
    classes: int  # 0: one number is predicted, with the squared error
    batch: int
    epochs: int  # of one timed fit
    activation: str = "relu"
    batch_norm: bool = False
    dtype: str = "float32"
    shuffle: bool = True
    dying: bool = False  # data that drive units to where they never fire again
    density: float = 1.0  # of X: less than 1, and it is sparse, in CSR

    @property
    def units(self) -> tuple[int, ...]:
        outputs = self.classes if self.classes > 2 else 1
        return self.features, *self.hidden, outputs

    @property
    def weights(self) -> int:
        return sum(a * b for a, b in pairwise(self.units))

    @property
    def training_flops(self) -> int:
        """Floating-point operations of an epoch's matrix products.

        Forward, weight gradient and input gradient take 2 x rows x weights each; nobody
        needs the first layer's input gradient. All else counts as overhead.
        """
        first = self.units[0] * self.units[1]
        return self.rows * (6 * self.weights - 2 * first)

    @property
    def needs(self) -> frozenset[str]:
        """What not every library has."""
        special = {"batch_norm": self.batch_norm, "sparse": self.is_sparse}
        return frozenset(name for name, needed in special.items() if needed)

    @property
    def is_sparse(self) -> bool:
        return self.density < 1

    def __str__(self) -> str:
        shape = f"{self.rows}x{'-'.join(map(str, self.units))}, batch {self.batch}"
        extras = [self.activation] if self.activation != "relu" else []
        extras += ["batch norm"] if self.batch_norm else []
        extras += ["regression"] if self.classes == 0 else []
        extras += ["dead units"] if self.dying else []
        extras += [f"{self.density:.1%} of entries"] if self.is_sparse else []
        extras += [self.dtype] if self.dtype != "float32" else []
        return ", ".join([shape, *extras])

    def data(self) -> tuple[np.ndarray | sparse.csr_array, np.ndarray]:
        """Return X (rows, features), normal, and targets that a linear teacher gives.

        Sparse: as many entries are between 0 and 1, the others 0.

        Dying: inputs are positive and targets far below all outputs, so that in the first
        hundred steps half the units are pushed below zero in every row, for good.
        """
        random = np.random.default_rng(0)
        shape = self.rows, self.features
        if self.is_sparse:
            x = sparse.random_array(
                shape, density=self.density, format="csr", dtype="float32", rng=random
            )
        else:
            x = random.standard_normal(shape, "float32")
        if self.dying:
            np.abs(x, out=x)
        x = x.astype(self.dtype, copy=False)
        teacher = random.standard_normal((self.features, max(1, self.classes)))
        y = x @ teacher.astype(self.dtype)
        if self.classes == 0:
            y = np.sin(y[:, 0] / np.sqrt(self.features))
            return x, y - 20 if self.dying else y
        return x, np.argmax(y, axis=1)

    def start(self) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[np.ndarray]]:
        """Return each layer's weights and biases, and each epoch's order of rows.

        All drawn as scikit-learn draws them from this seed.
        """
        random = np.random.RandomState(SEED)
        factor = 2 if self.activation == "logistic" else 6
        weights = []
        for n_in, n_out in pairwise(self.units):
            bound = np.sqrt(factor / (n_in + n_out))
            w = random.uniform(-bound, bound, (n_in, n_out))
            b = random.uniform(-bound, bound, n_out)
            weights.append((w.astype(self.dtype), b.astype(self.dtype)))
        orders = [np.arange(self.rows)]
        for _ in range(self.epochs):
            drawn = np.arange(self.rows)
            if self.shuffle:
                random.shuffle(drawn)
            orders.append(orders[-1][drawn])
        return weights, orders[1:]


def _table(*cases: Case) -> dict[str, Case]:
    return {case.name: case for case in cases}


# Whole trainings, timed per epoch.
TRAININGS = _table(
    Case("tiny", 10_000, 20, (64,), 2, batch=32, epochs=100),
    Case("default", 20_000, 50, (100,), 2, batch=200, epochs=50),
    Case("tab", 20_000, 54, (128, 128), 7, batch=256, epochs=20),
    Case("primes", 10_000, 61, (127, 67), 13, batch=97, epochs=50),
    Case("deep", 20_000, 32, (64,) * 8, 4, batch=128, epochs=20),
    Case("regression", 20_000, 8, (512, 512), 0, batch=256, epochs=10),
    Case("mnist", 20_000, 784, (100,), 10, batch=200, epochs=20),
    Case("mid", 10_000, 784, (512, 512), 10, batch=256, epochs=10),
    Case("big", 4096, 1024, (2048, 2048), 10, batch=1024, epochs=4),
    # Adam's moments of dead units would be subnormal from some 800 steps on; these are
    # 5000.
    Case("dead", 10_000, 50, (128, 128), 0, batch=100, epochs=50, dying=True),
    Case("tanh", 20_000, 54, (128, 128), 7, 256, epochs=20, activation="tanh"),
    Case("logistic", 20_000, 54, (128, 128), 7, 256, epochs=20, activation="logistic"),
    Case("batch-norm", 20_000, 54, (128, 128), 7, 256, epochs=20, batch_norm=True),
    Case("tab-float64", 20_000, 54, (128, 128), 7, 256, epochs=20, dtype="float64"),
    Case("mid-float64", 10_000, 784, (512, 512), 10, 256, epochs=6, dtype="float64"),
)

# Single calls: the network with its data, and what is called. The networks that predict
# have their initial weights; `partial_fit-row` trains a fitted one on one row.
CALLS = {
    "rows-mnist": (Case("rows-mnist", 100_000, 784, (100,), 10, 200, 1), "predict"),
    "rows-mid": (Case("rows-mid", 100_000, 784, (512, 512), 10, 256, 1), "predict"),
    "rows-100": (Case("rows-100", 100, 784, (512, 512), 10, 100, 1), "predict"),
    "row-tiny": (Case("row-tiny", 200, 20, (64,), 2, 200, 1), "predict-row"),
    "row-mid": (Case("row-mid", 200, 784, (512, 512), 10, 200, 1), "predict-row"),
    "row-big": (Case("row-big", 200, 1024, (2048, 2048), 10, 200, 1), "predict-row"),
    "fit-150": (Case("fit-150", 150, 4, (100,), 3, 150, 5, dtype="float64"), "fit"),
    "partial_fit-row": (
        Case("partial_fit-row", 200, 20, (64,), 2, 200, 5, dtype="float64"),
        "partial_fit-row",
    ),
    # Documents by their words.
    "fit-text": (
        Case("fit-text", 5000, 20_000, (100,), 4, 200, 4, density=0.005), "fit",
    ),
    "rows-text": (
        Case("rows-text", 5000, 20_000, (100,), 4, 200, 1, density=0.005), "predict",
    ),
    "row-text": (
        Case("row-text", 300, 20_000, (100,), 4, 200, 1, density=0.005), "predict-row",
    ),
}  # fmt: skip
