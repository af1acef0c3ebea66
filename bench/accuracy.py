"""Accuracy on real data, beside bounds that must be met: ``accuracy.py DATA_FOLDER``.

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
from types import ModuleType

from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor

Task = Callable[[ModuleType, int], float]


def fashion_mnist(data: ModuleType, seed: int) -> float:
    """(256, 128) with batch norm, batches of 256, 10 epochs: test accuracy."""
    x_train, y_train, x_test, y_test = data.fashion_mnist()
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
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    options = parser.parse_args()
    sys.path.insert(0, str(options.data))
    data = importlib.import_module("load")
    warnings.simplefilter("ignore", ConvergenceWarning)

    missed = 0
    print(f"{'set':14} {'seed':>4} {'score':>7} {'bound':>6} {'':6} {'seconds':>8}")
    for task, bound in BOUNDS.items():
        for seed in options.seeds:
            start = time.perf_counter()
            score = task(data, seed)
            seconds = time.perf_counter() - start
            verdict = "ok" if score >= bound else "MISSED"
            missed += score < bound
            print(
                f"{task.__name__:14} {seed:4} {score:7.4f} {bound:6} {verdict:6} "
                f"{seconds:8.1f}",
                flush=True,
            )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
