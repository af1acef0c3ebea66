"""Accuracy on real data, beside bounds that must be met: ``accuracy.py DATA_FOLDER``.

A single training's score depends on its seed (on Fashion-MNIST by some 0.003 either way), so
each task is run with several, and the median must meet the bound.

The folder holds a module ``load.py`` with ``fashion_mnist() -> X_train, y_train, X_test,
y_test`` and ``load(name) -> X, y, ...`` for the sets "letter" and "california".
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import ModuleType

from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor

Task = Callable[[ModuleType, int], float]


def fashion_mnist(data: ModuleType, seed: int) -> float:
    """(256, 128) with batch norm, batches of 256, 10 epochs: test accuracy.

    The images are centred with one mean and deviation of all pixels: where every input
    is positive, the first layer's means move faster than their running means follow
    (raw pixels in [0, 1] gave 0.873 to 0.889, population statistics 0.888 to 0.890).
    """
    x_train, y_train, x_test, y_test = data.fashion_mnist()
    mean, deviation = x_train.mean(), x_train.std()
    x_train, x_test = (x_train - mean) / deviation, (x_test - mean) / deviation
    model = MLPClassifier(
        (256, 128), batch_norm=True, batch_size=256, max_iter=10, random_state=seed
    )
    return model.fit(x_train, y_train).score(x_test, y_test)


def letter(data: ModuleType, seed: int) -> float:
    """Default classifier, scaled X, 80/20 split: test accuracy."""
    x, y = data.load("letter")[:2]
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.2, random_state=seed
    )
    model = make_pipeline(StandardScaler(), MLPClassifier(random_state=seed))
    return model.fit(x_train, y_train).score(x_test, y_test)


def california(data: ModuleType, seed: int) -> float:
    """Default regressor, scaled X and y, 80/20 split: test R^2."""
    x, y = data.load("california")[:2]
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.2, random_state=seed
    )
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), MLPRegressor(random_state=seed)),
        transformer=StandardScaler(),
    )
    return model.fit(x_train, y_train).score(x_test, y_test)


BOUNDS: dict[Task, float] = {fashion_mnist: 0.88, letter: 0.945, california: 0.74}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of load.py")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    sys.path.insert(0, str(options.data))
    data = importlib.import_module("load")
    warnings.simplefilter("ignore", ConvergenceWarning)

    missed = 0
    print(f"{'set':14} {'bound':>6} {'median':>7} {'':6} {'seconds':>8}  scores")
    for task, bound in BOUNDS.items():
        start = time.perf_counter()
        scores = [task(data, seed) for seed in options.seeds]
        seconds = (time.perf_counter() - start) / len(scores)
        verdict = "ok" if median(scores) >= bound else "MISSED"
        missed += verdict == "MISSED"
        print(
            f"{task.__name__:14} {bound:6} {median(scores):7.4f} {verdict:6} "
            f"{seconds:8.1f}  {' '.join(f'{score:.4f}' for score in scores)}",
            flush=True,
        )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
