"""The same seed gives scikit-learn's very training: random runs, compared by the epoch."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.neural_network as sk
from sklearn.preprocessing import LabelBinarizer
from threadpoolctl import threadpool_limits

import fastmlp
import trajectories
from fastmlp import _core
from trajectories import BOUNDS, BOUNDS_LBFGS, LARGEST_SHARE_EXCLUDED

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(
        "loss" not in sk.MLPRegressor().get_params(),
        reason="an older scikit-learn: no loss, no sample_weight",
    ),
]

if _core.level != _core.levels[0]:
    pytest.skip("the best level is enough", allow_module_level=True)


@pytest.fixture(scope="module")
def tasks():
    return trajectories.bundled()


@pytest.fixture(scope="module")
def n_runs(pytestconfig):
    return 200 if pytestconfig.getoption("long") else 40


@pytest.fixture
def one_thread():
    """Results do not depend on it; two pools of threads that spin take long."""
    with threadpool_limits(1):
        yield


def settle(verdicts, bounds, figure, name):
    """Print the summary, keep the worst figures, judge."""
    lines = trajectories.summary(verdicts, bounds)
    print("\n".join(lines))
    for v in verdicts:
        if v.outcome == "same":
            figure(f"{name}, weights after {v.epochs}", v.weights)
            figure(f"{name}, losses after {v.epochs}", v.losses)
    apart = [v for v in verdicts if v.outcome == "apart"]
    assert not apart, "\n".join(lines)
    for epochs in bounds:
        outcomes = [v.outcome for v in verdicts if v.epochs == epochs]
        share = outcomes.count("chaotic") / len(outcomes)
        figure(f"{name}, share excluded after {epochs}", share)
        assert share <= LARGEST_SHARE_EXCLUDED, "\n".join(lines)


def test_random_runs(tasks, n_runs, figure):
    runs = trajectories.draw_all(n_runs, tasks)
    verdicts = [trajectories.examine(fastmlp, r, e) for r in runs for e in BOUNDS]
    settle(verdicts, BOUNDS, figure, "trajectory")


@pytest.mark.usefixtures("one_thread")
def test_random_runs_of_lbfgs(tasks, n_runs, figure):
    runs = trajectories.draw_all(n_runs, tasks, 1, trajectories.draw_lbfgs)
    verdicts = [trajectories.examine(fastmlp, r, n) for r in runs for n in BOUNDS_LBFGS]
    settle(verdicts, BOUNDS_LBFGS, figure, "lbfgs")


@pytest.mark.usefixtures("one_thread")
def test_lbfgs_to_the_end(tasks, n_runs, figure):
    # Some runs end in another optimum, where rounding decides: the mean is over many.
    runs = trajectories.draw_all(2 * n_runs, tasks, 2, trajectories.draw_lbfgs)
    ratios = []
    for run in runs:
        # Without a penalty some losses end at 1e-9 and their ratio means nothing.
        run.parameters["alpha"] = max(run.parameters["alpha"], 1e-4)
        ours, theirs = (trajectories.train(c, run, 300) for c in (fastmlp, sk))
        assert ours.facts.get("error") == theirs.facts.get("error")
        ratios.append(ours.curve[-1] / theirs.curve[-1])
    mean = np.exp(np.mean(np.log(ratios)))
    print("loss ratios of lbfgs run to the end:", np.sort(np.round(ratios, 4)))
    figure("lbfgs, geometric mean of loss ratios", mean)
    assert mean <= 1.01


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_loss_and_gradient_of_lbfgs(activation, tasks, figure):
    rng = np.random.default_rng(0)
    for task in tasks:
        parameters = {"loss": task.loss} if task.loss else {}
        parameters |= {"activation": activation, "hidden_layer_sizes": (9, 7)}
        for weight in (None, rng.uniform(0, 2, len(task.X))):
            results = [
                loss_and_gradient(getattr(module, task.kind), task, weight, parameters)
                for module in (fastmlp, sk)
            ]
            (loss, gradient), (expected_loss, expected) = results
            apart = np.abs(gradient - expected).max() / np.abs(expected).max()
            figure("lbfgs, gradient", apart)
            figure("lbfgs, loss", abs(loss / expected_loss - 1))
            assert apart <= 1e-10, task.name
            assert loss == pytest.approx(expected_loss, rel=1e-10), task.name


def loss_and_gradient(kind, task, weight, parameters):
    """Return an estimator's loss and gradient after two steps, at scikit-learn's point."""
    model = kind(solver="lbfgs", max_iter=2, alpha=0.1, random_state=0, **parameters)
    model.fit(task.X, task.y)
    reference = copy.deepcopy(model)
    if not isinstance(model, (sk.MLPClassifier, sk.MLPRegressor)):
        theirs = getattr(sk, task.kind)
        reference = theirs(
            **{k: v for k, v in model.get_params().items() if k in vars(theirs())}
        )
        reference.fit(task.X, task.y)
    point = np.hstack([w.ravel() for w in reference.coefs_ + reference.intercepts_])
    Y = task.y
    if task.kind == "MLPClassifier":
        Y = LabelBinarizer().fit(task.y).transform(task.y)
    Y = Y.reshape(len(Y), -1)
    widths = [len(model.coefs_[0])] + [w.shape[1] for w in model.coefs_]
    n = len(task.X)
    activations = [task.X, *(np.empty((n, width)) for width in widths[1:])]
    deltas = [np.empty((n, width)) for width in widths[1:]]
    loss, gradient = model._loss_grad_lbfgs(
        point, task.X, Y, weight, activations, deltas,
        [np.empty_like(w) for w in model.coefs_],
        [np.empty_like(b) for b in model.intercepts_],
    )  # fmt: skip
    return loss, gradient


def test_the_comparison_finds_what_is_planted(tasks):
    """scikit-learn is the same as itself, and not with a parameter a trifle off."""
    runs = trajectories.draw_all(12, tasks, seed=4)
    assert all(trajectories.examine(sk, r, 5).outcome == "same" for r in runs)

    def planted(name, change, factor):
        class Planted(getattr(sk, name)):
            def fit(self, *data):
                setattr(self, change, getattr(self, change) * factor)
                return super().fit(*data)

        return Planted

    for change in (("alpha", 1.01), ("learning_rate_init", 1 + 1e-6)):
        names = ("MLPClassifier", "MLPRegressor")
        classes = SimpleNamespace(**{n: planted(n, *change) for n in names})
        fitted = [r for r in runs if r.way == "fit" and r.parameters["alpha"] > 0]
        outcomes = {trajectories.examine(classes, r, 5).outcome for r in fitted}
        assert outcomes == {"apart"}
