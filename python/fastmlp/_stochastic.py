"""The epoch loop: order of the rows, history, stopping; scikit-learn's, to the letter."""

from __future__ import annotations

import math
from functools import lru_cache
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from . import _core
from ._callbacks import FitCallbacks
from ._holdout import Holdout, forget_best, keep_best, restore_best
from ._problem import Problem
from ._random import shuffle
from ._solvers import StochasticSolver, make_solver
from ._warnings import warn

_FEW_ROWS = 1024  # whose order is worth keeping
PIECE = 0.02  # seconds in the core before Python looks for Ctrl-C


def start_records(model: Any) -> None:
    """Start the records of training anew: the first time, or without `warm_start`."""
    model.loss_curve_ = []
    model._no_improvement_count = 0
    model.best_loss_ = None if model.early_stopping else math.inf
    model.validation_scores_ = [] if model.early_stopping else None
    model.best_validation_score_ = -math.inf if model.early_stopping else None
    forget_best(model)
    if model.early_stopping:
        keep_best(model)


def continue_records(model: Any) -> None:
    """Go on with the records, where another solver or way to stop has left some."""
    if not hasattr(model, "loss_curve_"):
        start_records(model)
    elif model.early_stopping and getattr(model, "validation_scores_", None) is None:
        model.validation_scores_ = []
        model.best_validation_score_ = -math.inf
        keep_best(model)
    elif not model.early_stopping and getattr(model, "best_loss_", None) is None:
        model.best_loss_ = math.inf


def next_order(model: Any, n: int) -> NDArray[np.int64]:
    """Return the order in which `partial_fit` goes through n rows."""
    if not model.shuffle:
        return np.arange(n, dtype=np.int64)
    if isinstance(model.random_state, Integral) and n <= _FEW_ROWS:
        return _order_of_seed(int(model.random_state), n)
    model._random_state = check_random_state(model.random_state)
    order = np.arange(n, dtype=np.int64)
    shuffle(model._random_state, order)
    return order


# To seed anew takes longer than a step, and gives the same order each time.
@lru_cache(maxsize=64)
def _order_of_seed(seed: int, n: int) -> NDArray[np.int64]:
    order = np.arange(n, dtype=np.int64)
    shuffle(np.random.RandomState(seed), order)
    return order


def fit_stochastic(
    model: Any, problem: Problem, incremental: bool, callbacks: FitCallbacks | None
) -> None:
    """Train until loss or score stands still, `max_iter` epochs are done, or Ctrl-C.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Its parameters say how; its records tell what happened.
    problem : Problem
        Its parameters are the model's arrays, and are changed in place.
    incremental : bool
        Whether this is `partial_fit`: one epoch, with the solver of the last call.
    callbacks : FitCallbacks or None

    Raises
    ------
    ValueError
        Where `early_stopping` is asked of `partial_fit`, or leaves too few rows.
    """
    random_state = model._random_state
    if not incremental or not hasattr(model, "_optimizer"):
        model._optimizer = make_solver(model, random_state)
    if model.early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True")
    holdout = None
    order = np.arange(problem.X.shape[0], dtype=np.int64)
    if model.early_stopping:
        holdout = Holdout(model, problem, random_state)
        order = holdout.training_rows.copy()
    model.n_iter_ = 0
    epochs = Epochs(model, problem, len(order))
    try:
        for _ in range(1 if incremental else model.max_iter):
            if callbacks:
                callbacks.begin_epoch()
            if model.shuffle:
                shuffle(random_state, order)
            epochs.run(order)
            if holdout:
                _record_score(model, holdout.score(epochs.updated()))
            converged = epochs.has_converged()
            stops = callbacks is not None and callbacks.end_epoch(epochs.updated)
            if converged or stops:
                break
        else:
            if not incremental:
                _warn_of_max_iter(model.max_iter)
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    finally:
        epochs.updated()
    if holdout:
        restore_best(model)


def _warn_of_max_iter(max_iter: int) -> None:
    warn(
        f"Stochastic Optimizer: Maximum iterations ({max_iter}) "
        "reached and the optimization hasn't converged yet.",
        ConvergenceWarning,
    )


def step_once(model: Any, problem: Problem, order: NDArray[np.int64]) -> None:
    """Train for one epoch with the solver of the last call: `partial_fit`, in short."""
    model.n_iter_ = 0
    epochs = Epochs(model, problem, len(order))
    try:
        epochs.run(order)
        epochs.has_converged()
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    finally:
        epochs.updated()


class Epochs:
    """A model in training: the core's trainer and the model's records of it."""

    def __init__(self, model: Any, problem: Problem, n_rows: int) -> None:
        self._model = model
        self._problem = problem
        self._solver: StochasticSolver = model._optimizer
        dtype = problem.parameters[0].dtype
        batch_size = _check_batch_size(model.batch_size, n_rows)
        self._learning_rates = np.empty(-(-n_rows // batch_size))
        self._trainer = _core.trainers[dtype](
            problem.network,
            problem.loss,
            self._solver.make_rule(),
            problem.X,
            problem.target,
            problem.sample_weight,
            problem.parameters,
            self._solver.state(problem.network, dtype),
            alpha=problem.alpha,
            batch_size=batch_size,
            seed=self._solver.seed,
            step=self._solver.t,
            n_threads=problem.n_threads,
            clip=True,
        )

    def updated(self) -> Problem:
        """Return the problem with the present weights, and note the steps done."""
        self._trainer.write_back()
        self._solver.t = self._trainer.step
        return self._problem

    def run(self, order: NDArray[np.int64]) -> None:
        """Go through the rows once, and note the loss."""
        model, trainer = self._model, self._trainer
        self._solver.set_learning_rates(self._learning_rates)
        trainer.begin_epoch(order, self._learning_rates)
        while not trainer.run(PIECE):
            pass
        model.n_iter_ += 1
        model.t_ += len(order)
        model.loss_ = loss = trainer.loss
        model.loss_curve_.append(loss)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {loss:.8f}")
        if not model.early_stopping:
            _count(model, loss > model.best_loss_ - model.tol)
            # A loss that is not a number is never the best.
            model.best_loss_ = min(model.best_loss_, loss)

    def has_converged(self) -> bool:
        """Set the next learning rate; tell whether training is to end."""
        model, solver = self._model, self._solver
        solver.t = self._trainer.step
        solver.iteration_ends(model.t_)
        if model._no_improvement_count <= model.n_iter_no_change:
            return False
        what = "Validation score" if model.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={model.tol:f} for "
            f"{model.n_iter_no_change} consecutive epochs."
        )
        if solver.trigger_stopping(message, model.verbose):
            return True
        model._no_improvement_count = 0
        return False


def _record_score(model: Any, score: float) -> None:
    model.validation_scores_.append(score)
    if model.verbose:
        print(f"Validation score: {score:f}")
    _count(model, score < model.best_validation_score_ + model.tol)
    if score > model.best_validation_score_:
        model.best_validation_score_ = score
        keep_best(model)


def _count(model: Any, stood_still: bool) -> None:
    model._no_improvement_count = model._no_improvement_count + 1 if stood_still else 0


def _check_batch_size(batch_size: int | str, n_samples: int) -> int:
    if isinstance(batch_size, str):  # "auto"
        return min(200, n_samples)
    if batch_size > n_samples:
        warn(
            "Got `batch_size` less than 1 or larger than "
            "sample size. It is going to be clipped"
        )
    return min(int(batch_size), n_samples)
