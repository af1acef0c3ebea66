"""Random trainings on real data beside scikit-learn's: ``trajectory.py DATA_FOLDER``.

The runs, bounds and the rule of exclusion are those of tests/trajectories.py; the data are
up to 2000 rows and the numeric columns of five sets, standardized. Prints counts, the worst
differences and every run that was excluded, or is apart (then the exit status is 1).

The folder holds a module ``load.py`` with ``load(name) -> X, y, task, categorical columns``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.preprocessing import scale

import fastmlp

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import trajectories

SETS = ("letter", "satimage", "california", "concrete", "wine_quality")


def tasks(data, n_rows):
    """Return tasks: each set as it is, and regressions also with other targets."""
    found = []
    for name in SETS:
        X, y, task, categorical = data.load(name)
        X = X.drop(columns=categorical)
        rows = np.random.default_rng(0).permutation(len(X))[:n_rows]
        X, y = scale(X.to_numpy(float)[rows]), y.to_numpy()[rows]
        if task == "regression":
            z = scale(y.astype(float))
            two = np.column_stack([z, np.abs(z)])
            positive = y / y.mean()
            found += [
                trajectories.Task(name, "MLPRegressor", X, z, "squared_error"),
                trajectories.Task(
                    f"{name}, poisson", "MLPRegressor", X, positive, "poisson"
                ),
                trajectories.Task(
                    f"{name}, 2 outputs", "MLPRegressor", X, two, "squared_error"
                ),
                trajectories.Task(f"{name}, 2 classes", "MLPClassifier", X, z > 0),
            ]
        else:
            found.append(trajectories.Task(name, "MLPClassifier", X, y))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of load.py")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2000, help="at most, of each set")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sys.path.append(str(arguments.data))
    found = tasks(importlib.import_module("load"), arguments.rows)
    failed = False
    for draw, bounds, share in (
        (trajectories.draw, trajectories.BOUNDS, 1),
        (trajectories.draw_lbfgs, trajectories.BOUNDS_LBFGS, 4),
    ):
        begin = time.perf_counter()
        runs = trajectories.draw_all(
            arguments.runs // share, found, arguments.seed, draw
        )
        verdicts = [trajectories.examine(fastmlp, r, e) for r in runs for e in bounds]
        print(f"{draw.__name__}: {time.perf_counter() - begin:.0f} s", flush=True)
        print("\n".join(trajectories.summary(verdicts, bounds)), flush=True)
        for epochs in bounds:
            outcomes = [v.outcome for v in verdicts if v.epochs == epochs]
            most = trajectories.LARGEST_SHARE_EXCLUDED * len(outcomes)
            failed |= "apart" in outcomes or outcomes.count("chaotic") > most
    return failed


if __name__ == "__main__":
    sys.exit(main())
