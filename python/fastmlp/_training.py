"""The epoch loop: order of the rows, history, stopping; scikit-learn's, to the letter."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from ._base import BaseMLP

PIECE = 0.02  # seconds in the core before Python looks for Ctrl-C


@dataclass
class State:
    """What one epoch hands to the next; NumPy and plain Python, so that it pickles."""

    moments: list[NDArray[Any]]  # the optimizer's arrays: all of slot 0, then slot 1
    random_state: np.random.RandomState
    order: NDArray[np.int64]  # of the rows; permutations compose from epoch to epoch
    seed: int = 0  # of the dropout masks
    step: int = 0  # steps done

    @classmethod
    def start(
        cls,
        rule: Any,
        trainable: list[NDArray[Any]],
        n_samples: int,
        random_state: np.random.RandomState,
        dropout: float,
    ) -> State:
        """Return the state before the first step."""
        moments = [np.zeros_like(a) for _ in range(rule.slots) for a in trainable]
        state = cls(moments, random_state, np.arange(n_samples, dtype=np.int64))
        if dropout:  # without it, the random numbers are scikit-learn's
            state.seed = int(random_state.randint(2**63 - 1, dtype=np.int64))
        return state

    def shuffle(self) -> None:
        """Draw the next epoch's order as ``sklearn.utils.shuffle`` does."""
        permutation = np.arange(len(self.order))
        self.random_state.shuffle(permutation)
        self.order = self.order[permutation]


def train(model: BaseMLP, trainer: Any, state: State, batch_size: int) -> None:
    """Train until the loss stands still, `max_iter` epochs are done, or Ctrl-C.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Its parameters say how; its n_iter_, t_, loss_, loss_curve_ and best_loss_ record
        what happened. The trainer writes into the model's weights at the end.
    trainer : one of _core.trainers
    state : State
        Advanced to where training ended.
    batch_size : int
        No larger than the number of rows in ``state.order``.
    """
    n_batches = -(-len(state.order) // batch_size)
    learning_rates = np.full(n_batches, float(model.learning_rate_init))
    try:
        for _ in range(model.max_iter):
            if model.shuffle:
                state.shuffle()
            trainer.begin_epoch(state.order, learning_rates)
            while not trainer.run(PIECE):
                pass
            _record_epoch(model, trainer.loss, len(state.order))
            if _has_converged(model):
                break
        else:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) "
                "reached and the optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=5)
    finally:
        trainer.write_back()
        state.step = trainer.step


def _record_epoch(model: BaseMLP, loss: float, n_samples: int) -> None:
    model.n_iter_ += 1
    model.t_ += n_samples
    model.loss_ = loss
    model.loss_curve_.append(loss)
    if model.verbose:
        print(f"Iteration {model.n_iter_}, loss = {loss:.8f}")
    if loss > model.best_loss_ - model.tol:
        model._no_improvement_count += 1
    else:
        model._no_improvement_count = 0
    # A loss that is not a number is never the best.
    model.best_loss_ = min(model.best_loss_, loss)


def _has_converged(model: BaseMLP) -> bool:
    if model._no_improvement_count <= model.n_iter_no_change:
        return False
    if model.verbose:
        print(
            f"Training loss did not improve more than tol={model.tol:f} for "
            f"{model.n_iter_no_change} consecutive epochs. Stopping."
        )
    return True
