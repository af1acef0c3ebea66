"""Optimizers at work on a `Sequential`; the update rules themselves are the core's."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np

from . import _core
from ._sequential import Sequential


class _Optimizer:
    """One update rule at work on one network."""

    _rule_name: ClassVar[str]

    def __init__(
        self, net: Sequential, learning_rate: float, alpha: float, **settings: Any
    ) -> None:
        if not isinstance(net, Sequential):
            raise TypeError(f"net must be a Sequential, got {net!r}")
        self._net = net
        self.learning_rate = learning_rate
        alpha = _check_not_negative("alpha", alpha)
        parameters = net.parameters()
        self._alphas = [alpha * name.endswith(".weight") for name in parameters]
        self._rule = _core.optimizers[self._rule_name](**settings)
        self._state = [
            np.zeros_like(array)
            for _ in range(self._rule.slots)
            for array in parameters.values()
        ]
        self._steps = 0

    @property
    def learning_rate(self) -> float:
        """The step size of the steps to come."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        self._learning_rate = _check_not_negative("learning_rate", learning_rate)

    def step(self) -> None:
        """Update the network's parameters from its gradients, in place."""
        self._steps += 1
        _core.update(
            self._rule,
            list(self._net.parameters().values()),
            list(self._net.gradients().values()),
            self._state,
            self._alphas,
            learning_rate=self._learning_rate,
            step=self._steps,
        )


def _check_not_negative(name: str, value: float) -> float:
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number in [0, inf), got {value!r}")
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} must be in [0, inf), got {value!r}")
    return float(value)


class SGD(_Optimizer):
    """Stochastic gradient descent with momentum.

    With g the gradient: ``v = momentum * v - learning_rate * g``, then ``w += v``, or
    ``w += momentum * v - learning_rate * g`` with Nesterov's momentum [1]_.

    Parameters
    ----------
    net : Sequential
        The network to train.
    learning_rate : float, default=0.01
        The step size; may be set at any time.
    momentum : float, default=0.0
        In [0, 1].
    nesterov : bool, default=False
        Whether to use Nesterov's momentum.
    alpha : float, default=0.0
        Strength of the L2 penalty: adds ``alpha * w`` to the gradients of the dense
        layers' weights.

    Raises
    ------
    TypeError, ValueError
        Where a parameter is not what is expected.

    References
    ----------
    .. [1] I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of
       initialization and momentum in deep learning", ICML 2013.
    """

    _rule_name = "sgd"

    def __init__(
        self,
        net: Sequential,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        alpha: float = 0.0,
    ) -> None:
        super().__init__(
            net, learning_rate, alpha, momentum=momentum, nesterov=nesterov
        )


class Adam(_Optimizer):
    """Adam: steps scaled by running moments of the gradient [1]_.

    In scikit-learn's form: ``m = beta_1 * m + (1 - beta_1) * g``,
    ``v = beta_2 * v + (1 - beta_2) * g**2``,
    ``w -= learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)``.

    Parameters
    ----------
    net : Sequential
        The network to train.
    learning_rate : float, default=0.001
        The step size; may be set at any time.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the moments, in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator, greater than 0. Less than
        ``sqrt(tiny / (1 - beta_2))``, where ``tiny`` is the smallest normal number of
        the precision, counts as that.
    alpha : float, default=0.0
        Strength of the L2 penalty: adds ``alpha * w`` to the gradients of the dense
        layers' weights.

    Raises
    ------
    TypeError, ValueError
        Where a parameter is not what is expected.

    References
    ----------
    .. [1] D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    _rule_name = "adam"

    def __init__(
        self,
        net: Sequential,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        alpha: float = 0.0,
    ) -> None:
        super().__init__(
            net, learning_rate, alpha, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon
        )
