"""What surface.py does to both packages' estimators: parameters, inputs, ways to train.

Each case is a function of an estimator's class, the data and their weights. What it
raises, warns of, prints and returns is compared.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csc_array, csr_array, dok_array
from sklearn.base import clone
from sklearn.datasets import load_iris

KINDS = ("MLPClassifier", "MLPRegressor")


def data():
    return load_iris(return_X_y=True)


def small(kind, **parameters):
    """Return a small unfitted estimator."""
    return kind(
        **{"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0} | parameters
    )


def fit(**parameters):
    """Return a case that fits with these parameters."""
    return lambda kind, X, y: small(kind, **parameters).fit(X, y) and None


BAD_PARAMETERS = {
    "loss": ["absolute_error", None, (50,)],
    "hidden_layer_sizes": [0, -1, (0,), (5, -1), (5.5,), 2.5, "ten", None, np.inf],
    "activation": ["reluu", 3, None],
    "solver": ["rmsprop", None, 1],
    "alpha": [-1, np.nan, "0", None, np.inf],
    "batch_size": [0, -5, 2.5, "all", None],
    "learning_rate": ["fast", None, 0.1],
    "learning_rate_init": [0, -0.1, np.nan, "0.1"],
    "power_t": [-1, "half", None],
    "max_iter": [0, -1, 1.5, None],
    "shuffle": ["yes", None, 2],
    "random_state": ["seed", -1, 1.5],
    "tol": [-1e-3, "0", None],
    "verbose": [-1, "loud", None],
    "warm_start": ["yes", 2],
    "momentum": [-0.1, 1.1, "0.9"],
    "nesterovs_momentum": ["yes", None],
    "early_stopping": ["yes", None, 1.0],
    "validation_fraction": [-0.1, 1.0, 1, "some"],
    "beta_1": [1.0, -0.1],
    "beta_2": [1.0, -0.1],
    "epsilon": [0.0, -1, None],
    "n_iter_no_change": [0, 1.5, None, -np.inf],
    "max_fun": [0, 1.5, None],
}

PARAMETER_CASES = {
    f"{name}={value!r}": fit(**{name: value})
    for name, values in BAD_PARAMETERS.items()
    for value in values
}


def replaced(array, value):
    array = array.astype(float)
    array[(3, 2)[: array.ndim]] = value
    return array


def on_X(change):
    return lambda kind, X, y: small(kind).fit(change(X), y) and None


def on_y(change):
    return lambda kind, X, y: small(kind).fit(X, change(y)) and None


def weighted(change, **parameters):
    def case(kind, X, y):
        small(kind, **parameters).fit(X, y, sample_weight=change(np.ones(len(y))))

    return case


def frame(X, columns="abcd"):
    from pandas import DataFrame

    return DataFrame(X, columns=list(columns))


CHANGES = {
    "nan": lambda X: replaced(X, np.nan),
    "inf": lambda X: replaced(X, np.inf),
    "-inf": lambda X: replaced(X, -np.inf),
    "1-D": lambda X: X[:, 0],
    "3-D": lambda X: X[None],
    "0-D": lambda X: X[0, 0],
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "short": lambda X: X[:-1],
    "one row": lambda X: X[:1],
    "complex": lambda X: X + 1j,
    "strings": lambda X: np.full(X.shape, "one"),
    "numbers as strings": lambda X: X.astype(str),
    "dicts": lambda X: np.full(X.shape, {}, object),
    "ragged": lambda X: [[1, 2], [3]] * (len(X) // 2),
    "None": lambda X: None,
    "a string": lambda X: "data",
    "bool": lambda X: X > 1,
    "float16": lambda X: X.astype(np.float16),
    "int8": lambda X: X.astype(np.int8),
    "object": lambda X: X.astype(object),
    "coo": coo_array,
    "dok": dok_array,
    "csr with nan": lambda X: csr_array(replaced(X, np.nan)),
    "csc with inf": lambda X: csc_array(replaced(X, np.inf)),
    "dates": lambda X: X.astype("int64").astype("datetime64[D]"),
    "frame, mixed": lambda X: frame(X).assign(a="text"),
    "frame, mixed names": lambda X: frame(X).rename(columns={"a": 0}),
}

DATA_CASES = {f"X {name}": on_X(change) for name, change in CHANGES.items()}
DATA_CASES |= {
    f"y {name}": on_y(change)
    for name, change in {
        "nan": lambda y: replaced(y, np.nan),
        "inf": lambda y: replaced(y, np.inf),
        "short": lambda y: y[:-1],
        "3-D": lambda y: np.zeros((len(y), 2, 2)),
        "None": lambda y: None,
        "complex": lambda y: y + 1j,
        "strings": lambda y: np.full(len(y), "a"),
        "numbers as strings": lambda y: y.astype(str),
        "continuous": lambda y: y + 0.5,
        "multioutput": lambda y: np.column_stack([y, y]),
        "column": lambda y: y[:, None],
        "sparse column": lambda y: csr_array(y[:, None]),
        "sparse labels": lambda y: csr_array(
            np.column_stack([y > 0, y > 1]).astype(int)
        ),
        "sparse numbers": lambda y: csr_array(np.column_stack([y, y]) + 0.5),
        "one class": lambda y: np.zeros(len(y)),
        "empty": lambda y: y[:0],
        "mixed types": lambda y: np.array(["a", 1, 2.5] * 50, dtype=object),
        "list of lists": lambda y: [[1], [1, 2]] * 75,
        "bool": lambda y: y > 0,
        "objects": lambda y: y.astype(object),
    }.items()
}
DATA_CASES |= {
    f"sample_weight {name}": weighted(change)
    for name, change in {
        "short": lambda w: w[:-1],
        "2-D": lambda w: np.ones((len(w), 2)),
        "nan": lambda w: replaced(w, np.nan),
        "inf": lambda w: replaced(w, np.inf),
        "zeros": lambda w: 0 * w,
        "negative": lambda w: replaced(w, -1),
        "number": lambda w: 2.0,
        "string": lambda w: "balanced",
        "strings": lambda w: w.astype(str),
        "complex": lambda w: w + 1j,
        "list": list,
        "int": lambda w: w.astype(int),
    }.items()
}
DATA_CASES["sample_weight zeros in a batch"] = weighted(
    lambda w: np.where(np.arange(len(w)) < 50, 0, 1), batch_size=10, shuffle=False
)


def after_fit(do, **parameters):
    """Return a case that fits, then does something with the model."""

    def case(kind, X, y):
        return do(small(kind, **parameters).fit(X, y), X, y)

    return case


def partial(
    kind, X, y, y_2=None, X_2=None, classes=(0, 1, 2), again=None, **parameters
):
    """Call partial_fit twice."""
    model = small(kind, **parameters)
    given = [{"classes": list(c)} if c else {} for c in (classes, again)]
    if kind.__name__ == "MLPRegressor":
        given = [{}, {}]
    model.partial_fit(X, y, **given[0])
    model.partial_fit(X if X_2 is None else X_2, y if y_2 is None else y_2, **given[1])


def both_fits(kind, X, y, X_2, y_2, second=None, **parameters):
    model = small(kind, warm_start=True, **parameters).fit(X, y)
    model.set_params(**(second or {})).fit(X_2, y_2)


class Interrupting(np.random.RandomState):
    """Ctrl-C in the third epoch."""

    calls = 0

    def shuffle(self, x):
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        super().shuffle(x)


def interrupted(kind, X, y):
    model = small(kind, max_iter=9, random_state=Interrupting(0)).fit(X, y)
    return model.n_iter_, len(model.loss_curve_), model.t_


def names_of_methods(kind, X, y):
    model = small(kind)
    methods = ("predict", "predict_proba", "predict_log_proba", "score")
    return [m for m in methods if hasattr(model, m)]


CHOSEN = (
    "nan",
    "1-D",
    "3-D",
    "no rows",
    "strings",
    "complex",
    "None",
    "dok",
    "frame, mixed",
)

USE_CASES = {
    f"predict, X {name}": after_fit(
        lambda m, X, y, c=CHANGES[name]: m.predict(c(X)) and None
    )
    for name in CHOSEN
}
for method in ("predict", "predict_proba", "predict_log_proba", "score", "partial_fit"):
    USE_CASES |= {
        f"{method}, unfitted": lambda kind, X, y, m=method: (
            getattr(small(kind), m)(X, *[y] * (m in {"score", "partial_fit"})) and None
        ),
        f"{method}, other features": after_fit(
            lambda model, X, y, m=method: getattr(model, m)(
                X[:, :3], *[y] * (m in {"score", "partial_fit"})
            )
        ),
    }
USE_CASES |= {
    "names, then none": lambda kind, X, y: small(kind).fit(frame(X), y).predict(X),
    "none, then names": lambda kind, X, y: small(kind).fit(X, y).predict(frame(X)),
    "other names": lambda kind, X, y: small(kind).fit(frame(X), y).predict(frame(X, "abcz")),
    "other order": lambda kind, X, y: small(kind).fit(frame(X), y).predict(frame(X, "abdc")),
    "batch_size too large": fit(batch_size=10_000),
    "early stopping, tiny": lambda kind, X, y: small(kind, early_stopping=True).fit(X[48:53], y[48:53]),
    "early stopping, fraction 0": fit(early_stopping=True, validation_fraction=0.0),
    "early stopping, all": fit(early_stopping=True, validation_fraction=0.999),
    "early stopping, rare class": lambda kind, X, y: small(kind, early_stopping=True).fit(X, np.arange(150) == 3),
    "early stopping, partial_fit": lambda kind, X, y: partial(kind, X, y, early_stopping=True),
    "lbfgs, max_iter": fit(solver="lbfgs"),
    "lbfgs, max_fun": fit(solver="lbfgs", max_fun=2, max_iter=50),
    "lbfgs, partial_fit": lambda kind, X, y: partial(kind, X, y, solver="lbfgs"),
    "lbfgs, hasattr partial_fit": lambda kind, X, y: hasattr(kind(solver="lbfgs"), "partial_fit"),
    "large values": lambda kind, X, y: small(kind).fit(X / X.max() * 1e308, y),
    "diverges": lambda kind, X, y: small(kind, solver="sgd", learning_rate_init=1e30, max_iter=30).fit(X, y),
    "classes, first call without": lambda kind, X, y: partial(kind, X, y, classes=None),
    "classes, none later": partial,
    "classes, others later": lambda kind, X, y: partial(kind, X, y, again=(0, 1, 7)),
    "classes, y has others": lambda kind, X, y: partial(kind, X, y, y_2=y + 5),
    "classes, y has others first": lambda kind, X, y: partial(kind, X, y, classes=(0, 1)),
    "partial_fit, other features": lambda kind, X, y: partial(kind, X, y, X_2=X[:, :3]),
    "partial_fit, other outputs": lambda kind, X, y: partial(kind, X, y, y_2=np.column_stack([y, y])),
    "warm_start, other classes": lambda kind, X, y: both_fits(kind, X, y, X, y // 2),
    "warm_start, more classes": lambda kind, X, y: both_fits(kind, X, y // 2, X, y),
    "warm_start, new names": lambda kind, X, y: both_fits(kind, X, y, X, y + 5),
    "warm_start, other features": lambda kind, X, y: both_fits(kind, X, y, X[:, :3], y),
    "warm_start, other outputs": lambda kind, X, y: both_fits(kind, X, y + 0.0, X, np.column_stack([y, y])),
    "warm_start, fewer rows": lambda kind, X, y: both_fits(kind, X, y, X[::2], y[::2]),
    "Ctrl-C": interrupted,
    "methods": names_of_methods,
    "unknown parameter": lambda kind, X, y: kind(depth=3),
    "third positional": lambda kind, X, y: kind((5,), "relu", "adam", 1, 2),
    "set_params, unknown": lambda kind, X, y: kind().set_params(depth=3),
    "repr": lambda kind, X, y: repr(kind(alpha=1.0, solver="sgd")),
    "clone": lambda kind, X, y: repr(clone(kind(hidden_layer_sizes=[3, 4]))),
    "routing": lambda kind, X, y: str(kind().get_metadata_routing()),
    "no fit parameters": lambda kind, X, y: small(kind).fit(X, y, weight=1),
    "classes to fit": lambda kind, X, y: small(kind).fit(X, y, classes=[0]),
    "printed, adam": fit(verbose=True, tol=1.0, n_iter_no_change=2, max_iter=9),
    "printed, adaptive": fit(verbose=True, solver="sgd", learning_rate="adaptive", tol=9.0, n_iter_no_change=1, max_iter=99),
    "printed, early stopping": fit(verbose=2, early_stopping=True, n_iter_no_change=2, max_iter=99),
    "printed, early stopping, tol": fit(verbose=True, early_stopping=True, tol=2.0, n_iter_no_change=1, max_iter=9),
    "printed, lbfgs": fit(verbose=True, solver="lbfgs"),
    "printed, partial_fit": lambda kind, X, y: partial(kind, X, y, verbose=True),
}  # fmt: skip
