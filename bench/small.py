"""Single calls on little data, where validation and Python cost more than arithmetic."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from cases import SMALL_CASES, Case
from measure import Disagreement
from peers import SEED

TOLERANCE = 1e-8  # relative, of float64 probabilities
SAMPLE_SECONDS = 0.05  # calls are repeated until a sample lasts this long

HEADER = (
    f"{'case':14} {'rows x network, batch':26} {'fastmlp':>9} {'quartiles':>19} "
    f"{'sklearn':>9} {'quartiles':>19} {'x fastmlp':>9}"
)


def classifiers(case: Case, n_threads: int) -> list:
    """Return fastmlp's and scikit-learn's, with the same settings.

    The batch size is left to them ("auto"): one row is a batch of one, without warning.
    """
    import sklearn.neural_network as sk

    import fastmlp

    settings = {
        "hidden_layer_sizes": case.hidden,
        "max_iter": case.epochs,
        "random_state": SEED,
    }
    ours = fastmlp.MLPClassifier(**settings, n_threads=n_threads)
    return [ours, sk.MLPClassifier(**settings)]


def prepare(method: str, model, x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """Return the call that is timed; the model is fitted, unless that is the call."""
    if method == "fit":
        return partial(model.fit, x, y)
    if method == "predict_proba":
        model.fit(x, y)
        return partial(model.predict_proba, x[:1])
    if method == "predictor":  # scikit-learn has none
        model.fit(x, y)
        predict = getattr(model, "predictor", lambda: model.predict_proba)()
        return partial(predict, x[:1])
    model.partial_fit(x, y, classes=np.unique(y))
    return partial(model.partial_fit, x[:1], y[:1])


def seconds_per_call(call: Callable[[], object]) -> float:
    n_calls = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SAMPLE_SECONDS:
        call()
        n_calls += 1
    return elapsed / n_calls


def compare(name: str, n_threads: int, rounds: int) -> list[list[float]]:
    """Return the seconds per call, one of each round, of fastmlp and scikit-learn."""
    case, method = SMALL_CASES[name]
    x, y = case.data("float64")
    models = classifiers(case, n_threads)
    with warnings.catch_warnings(), threadpool_limits(n_threads, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        calls = [prepare(method, model, x, y) for model in models]
        for call in calls * 3:  # warm-up too
            call()
        ours, theirs = (model.predict_proba(x) for model in models)
        if not np.allclose(ours, theirs, rtol=TOLERANCE, atol=0):
            difference = np.abs(ours - theirs).max()
            msg = f"{name}: probabilities differ by up to {difference} after 3 calls"
            raise Disagreement(msg)
        samples = [[], []]
        for i in range(rounds):
            for j in (i % 2, 1 - i % 2):
                samples[j].append(seconds_per_call(calls[j]))
        return samples


def in_units(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.2f} ms"


def lines(names: list[str], n_threads: int, rounds: int) -> Iterator[str]:
    """Check and time each case; yield its line of the table."""
    for name in names:
        ours, theirs = compare(name, n_threads, rounds)
        cells = []
        for seconds in (ours, theirs):
            low, high = (in_units(q) for q in np.percentile(seconds, [25, 75]))
            cells.append(f"{in_units(median(seconds)):>9} {low:>9} {high:>9}")
        ratio = median(b / a for a, b in zip(ours, theirs, strict=True))
        case = str(SMALL_CASES[name][0])
        yield f"{name:14} {case:26} {' '.join(cells)} {ratio:9.1f}"
