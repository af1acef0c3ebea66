"""The solver "lbfgs": SciPy's L-BFGS-B over the core's loss and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from . import _aligned, _core
from ._architecture import Slices, set_fitted_arrays
from ._blas import blas_threads
from ._callbacks import FitCallbacks
from ._problem import Problem
from ._sklearn_compat import minimize_stops
from ._warnings import warn

_STOPPED = 99  # SciPy's status when a callback has raised StopIteration


class Packing:
    """All parameters in one vector: first the weights, then the biases, row by row."""

    def __init__(self, slices: Slices) -> None:
        # Stable, so that layers stay in order; a bias has one dimension.
        packed = sorted(range(len(slices)), key=lambda i: -len(slices[i][1]))
        self._order = packed
        self._shapes = [shape for _, shape, _ in slices]
        starts = np.cumsum([0, *(int(np.prod(self._shapes[i])) for i in packed)])
        self.size = int(starts[-1])
        self._starts = {i: int(start) for i, start in zip(packed, starts, strict=False)}

    def pack(self, arrays: list[NDArray[Any]]) -> NDArray[np.float64]:
        """Return the vector for arrays in the network's order."""
        parts = [arrays[i].ravel() for i in self._order]
        return np.concatenate(parts, dtype=np.float64)

    def views(self, vector: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the parts of a vector, in the network's order, as arrays."""
        return [
            vector[start : start + int(np.prod(shape))].reshape(shape)
            for start, shape in (
                (self._starts[i], shape) for i, shape in enumerate(self._shapes)
            )
        ]


class Objective:
    """Loss and gradient as functions of the packed parameters, in float64.

    Called by SciPy, which works in float64 whatever the samples are: in float32 its line
    search would fail at the first digits that are lost.
    """

    def __init__(self, problem: Problem) -> None:
        self.packing = Packing(problem.slices)
        self._core = _core.objectives[np.dtype(np.float64)](
            problem.network,
            problem.loss,
            problem.X,
            problem.target,
            problem.sample_weight,
            alpha=problem.alpha,
            n_threads=problem.n_threads,
            clip=True,
        )

    def __call__(self, packed: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        """Return the loss and its gradient, packed."""
        parameters = np.ascontiguousarray(packed, np.float64)
        gradient = np.empty(self.packing.size)
        views = self.packing.views
        return self._core(views(parameters), views(gradient)), gradient


class _Iterations:
    """What happens between two iterations: printed lines, callbacks."""

    def __init__(
        self, model: Any, problem: Problem, callbacks: FitCallbacks | None
    ) -> None:
        self._model = model
        self._slices = problem.slices
        self._dtype = problem.parameters[0].dtype
        self._objective = Objective(problem)
        self._callbacks = callbacks
        self._loss = 0.0
        self._n_iter = 0

    def evaluate(self, packed: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        """Return loss and gradient; the first evaluation begins an iteration."""
        if self._callbacks:
            self._callbacks.begin_epoch()
        # An iteration ends at the last point it has evaluated.
        self._loss, gradient = self._objective(packed)
        return self._loss, gradient

    def end(self, packed: NDArray[Any]) -> None:
        """Report an iteration: SciPy's callback."""
        self._n_iter += 1
        if self._model.verbose:
            print(f"Iteration {self._n_iter}, loss = {self._loss:.8f}")
        if self._callbacks is None:
            return
        stop = self._callbacks.end_epoch(lambda: self.set_arrays(packed))
        if stop and minimize_stops:
            raise StopIteration

    def set_arrays(self, packed: NDArray[Any]) -> None:
        """Give the model new arrays, in the dtype of those it had."""
        parts = self._objective.packing.views(packed)
        arrays = [_aligned.copy(part, self._dtype) for part in parts]
        set_fitted_arrays(self._model, self._slices, arrays)


def check_lbfgs(model: Any) -> None:
    """Raise ValueError for parameters that only mini-batches can honour."""
    names = [name for name in ("batch_norm", "dropout") if getattr(model, name)]
    if names:
        raise ValueError(
            f"solver='lbfgs' does not support {' and '.join(names)}, got "
            + ", ".join(f"{name}={getattr(model, name)!r}" for name in names)
        )


def fit_lbfgs(model: Any, problem: Problem, callbacks: FitCallbacks | None) -> None:
    """Minimize the loss over all samples at once.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Gets n_iter_, loss_ and new arrays.
    problem : Problem
        Its network is one of float64; its parameters have the model's dtype.
    callbacks : FitCallbacks or None
    """
    iterations = _Iterations(model, problem, callbacks)
    # SciPy's few sums over the parameters gain little from threads, and those would
    # keep the cores from the next evaluation.
    with blas_threads.held_back():
        result = scipy.optimize.minimize(
            iterations.evaluate,
            Packing(problem.slices).pack(problem.parameters),
            method="L-BFGS-B",
            jac=True,
            callback=iterations.end if callbacks or model.verbose else None,
            options={
                "maxfun": model.max_fun,
                "maxiter": model.max_iter,
                "gtol": model.tol,
            },
        )
    model.n_iter_ = min(result.nit, model.max_iter)
    if result.status not in (0, _STOPPED):
        _warn_of_failure(result, model.n_iter_, model.max_iter)
    model.loss_ = result.fun
    iterations.set_arrays(result.x)


def _warn_of_failure(result: Any, n_iter: int, max_iter: int) -> None:
    """Warn in the words of scikit-learn."""
    message = (
        f"lbfgs failed to converge after {n_iter} iteration(s) "
        f"(status={result.status}):\n{result.message}\n"
    )
    if n_iter == max_iter:
        message += (
            "\nIncrease the number of iterations to improve the convergence "
            f"(max_iter={max_iter})."
        )
    message += (
        "\nYou might also want to scale the data as shown in:\n"
        "    https://scikit-learn.org/stable/modules/preprocessing.html"
    )
    warn(message, ConvergenceWarning)
