"""What sgd and adam keep from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core


class StochasticSolver:
    """The state of a solver that goes through the data by mini-batches.

    Made anew by each `fit` and kept from one `partial_fit` to the next, with the
    settings it was made with, as in scikit-learn.

    Attributes
    ----------
    learning_rate : float
        The step size of the next epoch; for adam that of the last step, with the
        correction for the start of the moments.
    t : int
        Steps done.
    seed : int
        Of the dropout masks.
    """

    def __init__(self, learning_rate_init: float, seed: int) -> None:
        self.learning_rate_init = learning_rate_init
        self.learning_rate = float(learning_rate_init)
        self.seed = seed
        self.t = 0
        # The moments: the core's state of a network in training or, out of a pickle and
        # before the first step, the arrays of slot 0, then those of slot 1.
        self._network: Any = None
        self._state: Any = None
        self._arrays: list[NDArray[Any]] = []

    def state(self, network: Any, dtype: np.dtype[Any]) -> Any:
        """Return what the core's optimizer keeps of a network, from step to step.

        Another network with parameters of the same shapes takes over what there is.
        """
        if network is not self._network:
            arrays = self._present_arrays()
            state = _core.optimizer_states[dtype](network, self.make_rule())
            if arrays:
                state.load([np.require(a, dtype, ["C", "A"]) for a in arrays])
            self._network, self._state, self._arrays = network, state, []
        return self._state

    def _present_arrays(self) -> list[NDArray[Any]]:
        return self._arrays if self._state is None else self._state.arrays()

    def __getstate__(self) -> dict[str, Any]:
        arrays = self._present_arrays()
        return vars(self) | {"_network": None, "_state": None, "_arrays": arrays}

    def make_rule(self) -> Any:
        """Return the core's optimizer."""
        raise NotImplementedError

    def set_learning_rates(self, rates: NDArray[np.float64]) -> None:
        """Write the step size of each batch of the next epoch, as the core takes it."""
        raise NotImplementedError

    def iteration_ends(self, samples_seen: int) -> None:
        """Set the learning rate after an epoch."""

    def trigger_stopping(self, message: str, verbose: bool | int) -> bool:
        """Tell whether training ends when the loss or score stands still."""
        if verbose:
            print(message + " Stopping.")
        return True


class SgdSolver(StochasticSolver):
    """Stochastic gradient descent; its moments are the velocities."""

    def __init__(
        self,
        learning_rate_init: float,
        seed: int,
        *,
        lr_schedule: str,
        momentum: float,
        nesterov: bool,
        power_t: float,
    ) -> None:
        self.lr_schedule = lr_schedule
        self.momentum = momentum
        self.nesterov = nesterov
        self.power_t = power_t
        super().__init__(learning_rate_init, seed)

    def make_rule(self) -> Any:
        """Return the core's optimizer."""
        return _core.Sgd(momentum=self.momentum, nesterov=self.nesterov)

    def set_learning_rates(self, rates: NDArray[np.float64]) -> None:
        """Write the step size of each batch of the next epoch, as the core takes it."""
        rates.fill(self.learning_rate)

    def iteration_ends(self, samples_seen: int) -> None:
        """Set the learning rate after an epoch."""
        if self.lr_schedule == "invscaling":
            start = float(self.learning_rate_init)
            self.learning_rate = start / (samples_seen + 1) ** self.power_t

    def trigger_stopping(self, message: str, verbose: bool | int) -> bool:
        """Tell whether training ends; "adaptive" first goes on with smaller steps."""
        if self.lr_schedule != "adaptive":
            return super().trigger_stopping(message, verbose)
        if self.learning_rate <= 1e-6:
            if verbose:
                print(message + " Learning rate too small. Stopping.")
            return True
        self.learning_rate /= 5.0
        if verbose:
            print(f"{message} Setting learning rate to {self.learning_rate:f}")
        return False


class AdamSolver(StochasticSolver):
    """Adam; its moments are the first ones, then the second ones."""

    def __init__(
        self,
        learning_rate_init: float,
        seed: int,
        *,
        beta_1: float,
        beta_2: float,
        epsilon: float,
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        super().__init__(learning_rate_init, seed)

    def make_rule(self) -> Any:
        """Return the core's optimizer."""
        return _core.Adam(beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)

    def set_learning_rates(self, rates: NDArray[np.float64]) -> None:
        """Write the step size of each batch of the next epoch, as the core takes it."""
        rates.fill(self.learning_rate_init)

    def iteration_ends(self, samples_seen: int) -> None:
        """Set the learning rate after an epoch."""
        del samples_seen
        correction = (1 - self.beta_2**self.t) ** 0.5 / (1 - self.beta_1**self.t)
        self.learning_rate = self.learning_rate_init * correction


def make_solver(model: Any, random_state: np.random.RandomState) -> StochasticSolver:
    """Return the solver of an estimator, before its first step."""
    # Without dropout, the random numbers are scikit-learn's.
    seed = int(random_state.randint(2**63 - 1, dtype=np.int64)) if model.dropout else 0
    if model.solver == "sgd":
        return SgdSolver(
            model.learning_rate_init,
            seed,
            lr_schedule=model.learning_rate,
            momentum=model.momentum,
            nesterov=model.nesterovs_momentum,
            power_t=model.power_t,
        )
    return AdamSolver(
        model.learning_rate_init,
        seed,
        beta_1=model.beta_1,
        beta_2=model.beta_2,
        epsilon=model.epsilon,
    )
