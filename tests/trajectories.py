"""Random trainings compared with scikit-learn's, epoch by epoch.

A `Run` is a set of parameters, a task and a way to train (fit, fit twice with
warm_start, partial_fit). `examine` trains it with two pairs of classes and tells how far
their weights and loss curves are apart: relative to the largest entry of each array of
weights, and to each entry of the loss curve.

Some trainings are chaotic: any change of the last bit grows. Where the bound is left,
scikit-learn trains again from initial weights moved by 1e-15 (relative); where that
leaves the bound too, the run says nothing about us and is excluded, and counted.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import sklearn.neural_network as sk
from scipy.sparse import csc_array, csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.preprocessing import scale

# Epochs -> largest relative difference of weights, of loss curves.
BOUNDS = {5: (1e-9, 1e-8), 30: (1e-6, 1e-6)}
BOUNDS_LBFGS = dict.fromkeys((1, 4, 8), (0.0001, 0.0001))
LARGEST_SHARE_EXCLUDED = 0.1


class Task(NamedTuple):
    name: str
    kind: str
    X: Any
    y: Any
    loss: str = ""


def bundled(n_rows=500):
    """Return tasks on scikit-learn's own data, of all kinds of targets."""
    rng = np.random.default_rng(0)

    def rows(X, *targets):
        chosen = rng.choice(len(X), min(n_rows, len(X)), replace=False)
        return [array[chosen] for array in (X, *targets)]

    X, y = rows(*load_digits(return_X_y=True))
    X = X / 16
    labels = np.column_stack([y % 2, y > 4, np.isin(y, [2, 3, 5, 7])]).astype(int)
    names = np.array(["zero", "one", "two"])
    few = y < 3
    tasks = [
        Task("digits", "MLPClassifier", X, y),
        Task("digits 0-2, strings", "MLPClassifier", X[few], names[y[few]]),
        Task("digits, multilabel", "MLPClassifier", X, labels),
        Task("digits, 5 pixels", "MLPRegressor", X[:, :40], X[:, 42:47]),
    ]
    X, y = rows(*load_breast_cancer(return_X_y=True))
    tasks.append(Task("breast cancer", "MLPClassifier", scale(X), y))
    X, y = rows(*load_diabetes(return_X_y=True))
    X, z = X * 20, scale(y)
    two = np.column_stack([z, X[:, 2] ** 2])
    counts = np.column_stack([y // 25, 3 * (y > 150)])
    return [
        *tasks,
        Task("diabetes", "MLPRegressor", X, z, "squared_error"),
        Task("diabetes, 2 outputs", "MLPRegressor", X, two, "squared_error"),
        Task("diabetes, poisson", "MLPRegressor", X, y / 100, "poisson"),
        Task("diabetes, 2 counts", "MLPRegressor", X, counts, "poisson"),
    ]


@dataclass
class Run:
    """One training to compare."""

    task: Task
    parameters: dict[str, Any]
    way: str = "fit"
    sample_weight: Any = None
    layout: str = "C"
    instance: bool = False  # random_state: a RandomState, not an int
    number: int = 0

    def __str__(self):
        flags = [self.way, self.layout] + ["weighted"] * (
            self.sample_weight is not None
        )
        flags += ["instance"] * self.instance
        return f"{self.number}: {self.task.name} {', '.join(flags)} {self.parameters}"

    def X(self):
        make = {"F": np.asfortranarray, "csr": csr_array, "csc": csc_array}
        return make.get(self.layout, np.ascontiguousarray)(self.task.X)


def draw(rng, tasks, number):
    """Draw a run."""

    def one(*options):
        return options[rng.integers(len(options))]

    task = one(*tasks)
    n = len(task.X)
    way = one("fit", "fit", "fit", "warm_start", "warm_start", "partial_fit")
    p = {
        "hidden_layer_sizes": one((), (6,), (30,), 12, (12, 8), [10, 5, 4]),
        "activation": one("identity", "logistic", "tanh", "relu"),
        "solver": one("sgd", "adam"),
        "alpha": one(0.0, 1e-4, 0.01, 1.0),
        "batch_size": one("auto", 16, 33, 50, n // 2, n, n + 7),
        "shuffle": one(True, True, False),
        "tol": one(0.0, 1e-4, 1e-2),
        "n_iter_no_change": one(1, 3, 10, np.inf),
        "random_state": int(rng.integers(2**31)),
    }
    if task.loss:
        p["loss"] = task.loss
    if p["solver"] == "adam":
        p["learning_rate_init"] = one(1e-3, 3e-3, 0.01)
        p["beta_1"], p["beta_2"] = one((0.9, 0.999), (0.8, 0.99), (0.0, 0.9))
        p["epsilon"] = one(1e-8, 1e-5)
    else:
        p["learning_rate_init"] = one(1e-3, 0.01, 0.05)
        p["momentum"] = one(0.0, 0.5, 0.9)
        p["nesterovs_momentum"] = one(True, False)
        p["learning_rate"] = one("constant", "invscaling", "adaptive")
        p["power_t"] = one(0.25, 0.5)
    if way != "partial_fit" and one(True, False):
        p["early_stopping"] = True
        p["validation_fraction"] = one(0.1, 0.25)
    if way == "warm_start":
        p["warm_start"] = True
    weight = one(None, None, rng.uniform(0, 3, n), rng.integers(1, 4, n))
    layout = one("C", "C", "C", "F", "csr", "csc")
    return Run(task, p, way, weight, layout, one(False, False, True), number)


def draw_lbfgs(rng, tasks, number):
    """Draw a run of L-BFGS, by fit or with warm_start."""
    run = draw(rng, tasks, number)
    names = ("hidden_layer_sizes", "activation", "alpha", "random_state", "loss")
    run.parameters = {k: v for k, v in run.parameters.items() if k in names}
    run.parameters |= {"solver": "lbfgs", "warm_start": run.way == "warm_start"}
    run.way = "fit" if run.way == "partial_fit" else run.way
    return run


def draw_all(n, tasks, seed=0, draw=draw):
    """Return n runs, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    return [draw(rng, tasks, number) for number in range(n)]


@dataclass
class Trace:
    """What a training left behind."""

    weights: list[Any] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


FACTS = ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_")


def train(classes, run, epochs):
    """Train and return the trace; an error is part of it."""
    parameters = run.parameters | {"max_iter": epochs}
    if run.instance:
        parameters["random_state"] = np.random.RandomState(parameters["random_state"])
    model = getattr(classes, run.task.kind)(**parameters)
    trace, facts = Trace(), {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _train(model, run, epochs)
        except (ValueError, ZeroDivisionError) as error:
            facts["error"] = f"{type(error).__name__}: {error}"
    facts["warnings"] = [
        f"{w.category.__name__}: {w.message}"
        for w in caught
        if not issubclass(w.category, RuntimeWarning)  # NumPy's: overflow, invalid
    ]
    if hasattr(model, "n_iter_") and "error" not in facts:
        trace.weights = [w.copy() for w in (*model.coefs_, *model.intercepts_)]
        trace.curve = getattr(model, "loss_curve_", [model.loss_])
        trace.scores = getattr(model, "validation_scores_", None) or []
        facts |= {name: getattr(model, name) for name in FACTS}
    trace.facts = facts
    return trace


def _train(model, run, epochs):
    X, y, weight = run.X(), run.task.y, run.sample_weight
    if run.way == "fit":
        model.fit(X, y, weight)
    elif run.way == "warm_start":
        first = epochs // 3
        model.set_params(max_iter=first).fit(X, y, weight)
        model.set_params(max_iter=epochs - first).fit(X, y, weight)
    else:
        extra = {}
        if run.task.kind == "MLPClassifier":
            extra["classes"] = np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])
        X = X.tocsr() if run.layout == "csc" else X
        for part in np.array_split(np.arange(len(y)), 3) * epochs:
            w = None if weight is None else weight[part]
            model.partial_fit(X[part], y[part], sample_weight=w, **extra)


def distance(found, expected):
    """Return the largest relative difference of weights, and of losses and scores."""
    if [w.shape for w in found.weights] != [w.shape for w in expected.weights]:
        return np.inf, np.inf
    pairs = [*zip(found.weights, expected.weights, strict=True)]
    gaps = [np.abs(a - b).max() / np.abs(b).max() for a, b in pairs]
    curves = 0.0
    for name in ("curve", "scores"):
        a, b = (np.asarray(getattr(t, name), float) for t in (found, expected))
        if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
            return max(gaps, default=0.0), np.inf
        known = ~np.isnan(a) & (a != b)
        with np.errstate(divide="ignore"):
            apart = np.abs(a - b)[known] / np.abs(b)[known]
        curves = max(curves, apart.max(initial=0.0))
    return max(gaps, default=0.0), curves


def agree(found, expected, bounds):
    """Return whether two traces tell the same facts, and differ within the bounds."""
    apart = zip(distance(found, expected), bounds, strict=True)
    return found.facts == expected.facts and all(d <= bound for d, bound in apart)


def _nudged(name):
    theirs = getattr(sk, name)

    def _init_coef(self, fan_in, fan_out, dtype):
        drawn = theirs._init_coef(self, fan_in, fan_out, dtype)
        rng = np.random.default_rng(fan_in)
        return tuple(w * (1 + 1e-15 * rng.choice([-1, 1], w.shape)) for w in drawn)

    return type(name, (theirs,), {"_init_coef": _init_coef})


nudged = SimpleNamespace(**{n: _nudged(n) for n in ("MLPClassifier", "MLPRegressor")})


class Verdict(NamedTuple):
    run: Run
    epochs: int
    weights: float
    losses: float
    outcome: str  # "same", "chaotic" (excluded) or "apart"
    detail: str = ""


def examine(classes, run, epochs, theirs=sk):
    """Compare one run with scikit-learn's."""
    found, expected = train(classes, run, epochs), train(theirs, run, epochs)
    apart = distance(found, expected)
    bounds = (BOUNDS_LBFGS if is_lbfgs(run) else BOUNDS)[epochs]
    if agree(found, expected, bounds):
        return Verdict(run, epochs, *apart, "same")
    if not agree(train(nudged, run, epochs), expected, bounds):
        return Verdict(run, epochs, *apart, "chaotic")
    names = found.facts.keys() | expected.facts.keys()
    facts = {n: (found.facts.get(n), expected.facts.get(n)) for n in sorted(names)}
    facts = {name: pair for name, pair in facts.items() if pair[0] != pair[1]}
    return Verdict(run, epochs, *apart, "apart", f"ours, scikit-learn's: {facts}")


def is_lbfgs(run):
    return run.parameters["solver"] == "lbfgs"


def summary(verdicts, bounds=BOUNDS):
    """Return lines: counts, worst differences, and every run that is not the same."""
    lines = []
    for epochs, bound in bounds.items():
        part = [v for v in verdicts if v.epochs == epochs]
        same = [v for v in part if v.outcome == "same"]
        counts = {o: sum(v.outcome == o for v in part) for o in ("chaotic", "apart")}
        weights = max((v.weights for v in same), default=0.0)
        losses = max((v.losses for v in same), default=0.0)
        lines.append(
            f"{epochs:3} epochs: {len(part)} runs, {len(same)} the same (weights"
            f" {weights:.1e} <= {bound[0]:.0e}, losses {losses:.1e} <= {bound[1]:.0e}),"
            f" {counts['chaotic']} excluded as chaotic, {counts['apart']} apart"
        )
    for v in verdicts:
        if v.outcome != "same":
            lines.append(
                f"{v.outcome} after {v.epochs}: weights {v.weights:.1e}, losses"
                f" {v.losses:.1e}; {v.run} {v.detail}"
            )
    return lines
