"""Random sequences of calls: after each one, our estimator is as scikit-learn's is.

Fits, partial fits, parameters set in between, weights edited by hand, pickles: what is
kept from one call to the next must be what scikit-learn keeps.
"""

from __future__ import annotations

import pickle
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import sklearn.neural_network as sk
from scipy.sparse import csr_array

import fastmlp
import trajectories

pytestmark = pytest.mark.skipif(
    "loss" not in sk.MLPRegressor().get_params(),
    reason="an older scikit-learn: no loss, no sample_weight",
)

CHOICES = {
    "warm_start": [True, False],
    "early_stopping": [True, False],
    "solver": ["sgd", "adam", "lbfgs"],
    "learning_rate": ["constant", "invscaling", "adaptive"],
    "learning_rate_init": [1e-3, 0.01, 0.05],
    "activation": ["identity", "logistic", "tanh", "relu"],
    "batch_size": ["auto", 20, 64, 1000],
    "max_iter": [1, 3, 6],
    "n_iter_no_change": [1, 2, 10],
    "tol": [0.0, 1e-2, 1.0],
    "alpha": [0.0, 0.1],
    "shuffle": [True, False],
    "momentum": [0.0, 0.9],
    "nesterovs_momentum": [True, False],
    "random_state": [0, 7],
}


class Step(NamedTuple):
    name: str
    rows: slice = slice(None)
    weighted: bool = False
    sparse: bool = False
    parameters: dict | None = None


def draw_step(rng):
    def one(*options):
        return options[rng.integers(len(options))]

    rows = one(slice(None), slice(0, 90), slice(50, 180, 2))
    name = one(
        "fit", "fit", "partial_fit", "partial_fit", "set", "set", "edit", "pickle"
    )
    chosen = rng.choice([*CHOICES], rng.integers(1, 4), replace=False)
    parameters = {str(name): one(*CHOICES[name]) for name in chosen}
    return Step(name, rows, one(True, False), one(True, False, False), parameters)


def take(model, step, task):
    """Do one step; return the model, which a pickle replaces."""
    X, y = task.X[step.rows], task.y[step.rows]
    weight = np.linspace(0.2, 2, len(y)) if step.weighted else None
    X = csr_array(X) if step.sparse else X
    if step.name == "fit":
        model.fit(X, y, weight)
    elif step.name == "partial_fit":
        extra = {}
        if task.kind == "MLPClassifier":
            k = task.y.shape[1] if task.y.ndim == 2 else 0
            extra = {"classes": np.arange(k) if k else np.unique(task.y)}
        model.partial_fit(X, y, sample_weight=weight, **extra)
    elif step.name == "set":
        model.set_params(**step.parameters)
    elif step.name == "pickle":
        model = pickle.loads(pickle.dumps(model))
    elif hasattr(model, "coefs_"):  # edit weights: in place, and by new arrays
        model.coefs_[0] *= 0.9
        model.intercepts_[-1] = np.asfortranarray(model.intercepts_[-1] + 0.1)
        model.coefs_ = [np.asfortranarray(w) for w in model.coefs_]
    return model


def attempt(model, step, task):
    """Take a step; return the model, and the error if there was one."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return take(model, step, task), None
        except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
            return model, error


def state(model, X):
    """Return all that is public, and the predictions."""
    found = {
        name: value
        for name, value in vars(model).items()
        if name.endswith("_") and not name.startswith("_") and name != "classes_"
    }
    found["_no_improvement_count"] = getattr(model, "_no_improvement_count", None)
    if "coefs_" in found:
        with np.errstate(all="ignore"):
            found["predict_proba"] = getattr(model, "predict_proba", model.predict)(X)
    return found


def assert_same(ours, theirs, X, history):
    found, expected = state(ours, X), state(theirs, X)
    assert found.keys() == expected.keys(), history
    for name, value in expected.items():
        pairs = [(found[name], value)]
        if name in {"coefs_", "intercepts_"}:
            pairs = [*zip(found[name], value, strict=True)]
        for a, b in pairs:
            if a is None or b is None or isinstance(b, str):
                assert a == b, (name, history)
                continue
            assert np.shape(a) == np.shape(b), (name, history)
            scale = np.abs(b).max(initial=1e-3) if np.size(b) else 1.0
            np.testing.assert_allclose(
                a, b, 1e-6, 1e-7 * scale, err_msg=f"{name}: {history}"
            )


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_random_sequences(kind, pytestconfig):
    tasks = [t for t in trajectories.bundled(180) if t.kind == kind]
    n = 400 if pytestconfig.getoption("long") else 80
    n_steps, n_trainings = 0, 0
    for seed in range(n):
        rng = np.random.default_rng(seed)
        task = tasks[rng.integers(len(tasks))]
        parameters = {"hidden_layer_sizes": (6, 5), "max_iter": 3, "random_state": 1}
        parameters |= {"loss": task.loss} if task.loss else {}
        ours, theirs = (getattr(m, kind)(**parameters) for m in (fastmlp, sk))
        history = [f"{task.name}, seed {seed}"]
        for _ in range(8):
            step = draw_step(rng)
            history.append(str(step))
            if (step.name, theirs.solver) == ("partial_fit", "lbfgs"):
                continue  # ours has none; scikit-learn's regressor forgets that
            theirs, error = attempt(theirs, step, task)
            if isinstance(error, (TypeError, AttributeError)):
                break  # an accident of scikit-learn's: what then is not defined
            ours, found = attempt(ours, step, task)
            assert (type(found), str(found)) == (type(error), str(error)), history
            if error is not None:
                break
            assert_same(ours, theirs, task.X, history)
            n_steps += 1
            n_trainings += step.name in {"fit", "partial_fit"}
    assert n_trainings > 2 * n
