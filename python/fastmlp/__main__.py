"""``python -m fastmlp``: handwritten digits, beside scikit-learn's MLP."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier

from . import MLPClassifier, _core
from ._threads import effective_n_threads

EPOCHS_BETWEEN_LINES = 25


def fit_timed(model: Any, X: Any, y: Any) -> float:
    """Fit the model; return the seconds it took."""
    start = perf_counter()
    model.fit(X, y)
    return perf_counter() - start


def print_epochs(ours: Any, theirs: Any) -> None:
    """Print the loss of every few epochs, and of the last one."""
    print("epoch    fastmlp    scikit-learn")
    curves = list(zip(ours.loss_curve_, theirs.loss_curve_, strict=False))
    for epoch, losses in enumerate(curves, start=1):
        if epoch % EPOCHS_BETWEEN_LINES == 1 or epoch == len(curves):
            print("{:5d} {:10.6f} {:15.6f}".format(epoch, *losses))


def main() -> None:
    """Train both on the same data from the same seed; print and compare."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.25, stratify=y, random_state=0
    )
    print(
        f"Handwritten digits: {len(y_train)} images to learn from, {len(y_test)} to "
        f"test, {X.shape[1]} pixels, 10 classes; one hidden layer of 100."
    )
    print(f"Core: {_core.level}, {effective_n_threads()} threads, float64.\n")

    ours: Any = MLPClassifier(random_state=0, max_iter=500)
    theirs: Any = SklearnMLPClassifier(random_state=0, max_iter=500)
    seconds = fit_timed(ours, X_train, y_train)
    sklearn_seconds = fit_timed(theirs, X_train, y_train)
    print_epochs(ours, theirs)

    print("\n              epochs   test accuracy   seconds")
    for name, model, time in (
        ("fastmlp", ours, seconds),
        ("scikit-learn", theirs, sklearn_seconds),
    ):
        accuracy = model.score(X_test, y_test)
        print(f"{name:12s} {model.n_iter_:7d} {accuracy:15.4f} {time:9.3f}")
    print(f"\nfastmlp took 1/{sklearn_seconds / seconds:.1f} of the time.")


if __name__ == "__main__":
    main()
