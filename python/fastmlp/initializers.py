"""Where training starts: random weights, each by its published rule.

An initializer takes the two widths of a dense layer, a ``RandomState``, the name of the
hidden activation and a dtype, float64 by default, and returns the weights, shape
(fan_in, fan_out), and the biases, shape (fan_out,), drawn in float64 and rounded to it.
`registry` holds them by name; a new one needs no other line than its entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.random import RandomState
from numpy.typing import DTypeLike, NDArray

from . import _random

__all__ = [
    "he_normal",
    "he_uniform",
    "normal",
    "registry",
    "sklearn",
    "xavier_normal",
    "xavier_uniform",
]

Drawn: TypeAlias = tuple[NDArray[Any], NDArray[Any]]
Initializer: TypeAlias = Callable[[int, int, RandomState, str, DTypeLike], Drawn]


def sklearn(
    fan_in: int,
    fan_out: int,
    random_state: RandomState,
    activation: str,
    dtype: DTypeLike = np.float64,
) -> Drawn:
    """Draw weights, then biases, as scikit-learn's MLP does, number by number.

    Both are uniform in [-b, b] with b = sqrt(6 / (fan_in + fan_out)), the rule of Glorot
    and Bengio [1]_ (which leaves the biases at zero); 2 instead of 6 where the hidden
    activation is "logistic".

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", AISTATS 2010.
    """
    factor = 2.0 if activation == "logistic" else 6.0
    bound = np.sqrt(factor / (fan_in + fan_out))
    weights = _random.uniform(random_state, bound, (fan_in, fan_out), dtype)
    return weights, _random.uniform(random_state, bound, (fan_out,), dtype)


def normal(
    fan_in: int,
    fan_out: int,
    random_state: RandomState,
    activation: str,
    dtype: DTypeLike = np.float64,
) -> Drawn:
    """Draw weights from a normal distribution with standard deviation 0.01; biases 0.

    The same spread for every layer, as by Krizhevsky et al. [1]_: signals fade in deep
    networks, which is what the rules of Xavier and He mend.

    References
    ----------
    .. [1] A. Krizhevsky, I. Sutskever and G. Hinton, "ImageNet classification with deep
       convolutional neural networks", NeurIPS 2012, section 5.
    """
    del activation
    weights = _random.normal(random_state, 0.01, (fan_in, fan_out), dtype)
    return weights, np.zeros(fan_out, dtype)


def xavier_uniform(
    fan_in: int,
    fan_out: int,
    random_state: RandomState,
    activation: str,
    dtype: DTypeLike = np.float64,
) -> Drawn:
    """Draw weights uniform in [-b, b], b = sqrt(6 / (fan_in + fan_out)); biases 0.

    The variance 2 / (fan_in + fan_out) keeps that of the signals about constant in both
    directions where the activation is near the identity around 0 [1]_, such as tanh.

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", AISTATS 2010, equation 16.
    """
    del activation
    bound = np.sqrt(6.0 / (fan_in + fan_out))
    weights = _random.uniform(random_state, bound, (fan_in, fan_out), dtype)
    return weights, np.zeros(fan_out, dtype)


def xavier_normal(
    fan_in: int,
    fan_out: int,
    random_state: RandomState,
    activation: str,
    dtype: DTypeLike = np.float64,
) -> Drawn:
    """Draw weights from a normal distribution, variance 2 / (fan_in + fan_out); biases 0.

    The variance of `xavier_uniform` [1]_.

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", AISTATS 2010, equation 12.
    """
    del activation
    deviation = np.sqrt(2.0 / (fan_in + fan_out))
    weights = _random.normal(random_state, deviation, (fan_in, fan_out), dtype)
    return weights, np.zeros(fan_out, dtype)


def he_uniform(
    fan_in: int,
    fan_out: int,
    random_state: RandomState,
    activation: str,
    dtype: DTypeLike = np.float64,
) -> Drawn:
    """Draw weights uniform in [-b, b], b = sqrt(6 / fan_in); biases 0.

    The variance of `he_normal` [1]_.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing
       human-level performance on ImageNet classification", ICCV 2015.
    """
    del activation
    bound = np.sqrt(6.0 / fan_in)
    weights = _random.uniform(random_state, bound, (fan_in, fan_out), dtype)
    return weights, np.zeros(fan_out, dtype)


def he_normal(
    fan_in: int,
    fan_out: int,
    random_state: RandomState,
    activation: str,
    dtype: DTypeLike = np.float64,
) -> Drawn:
    """Draw weights from a normal distribution, variance 2 / fan_in; biases 0.

    A relu passes half of the variance; twice the variance of the weights makes up for it
    [1]_. For the relu family.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing
       human-level performance on ImageNet classification", ICCV 2015, equation 10.
    """
    del activation
    deviation = np.sqrt(2.0 / fan_in)
    weights = _random.normal(random_state, deviation, (fan_in, fan_out), dtype)
    return weights, np.zeros(fan_out, dtype)


registry: dict[str, Initializer] = {
    function.__name__: function
    for function in (
        sklearn,
        normal,
        xavier_uniform,
        xavier_normal,
        he_uniform,
        he_normal,
    )
}

# Batch norm starts as the identity (Ioffe and Szegedy, ICML 2015).
_constants = {"scale": 1.0, "shift": 0.0, "mean": 0.0, "variance": 1.0}


def _draw(
    slices: Iterable[tuple[str, tuple[int, ...], bool]],
    initializer: str,
    activation: str,
    random_state: RandomState,
    dtype: DTypeLike,
) -> Iterator[NDArray[Any]]:
    """Yield the first value of each slice of a network, in order."""
    draw = registry[initializer]
    biases = np.zeros(0, dtype)
    for name, shape, _ in slices:
        match name.partition(".")[2]:
            case "weight":
                fan_in, fan_out = shape
                weights, biases = draw(fan_in, fan_out, random_state, activation, dtype)
                yield weights
            case "bias":
                yield biases
            case kind:
                yield np.full(shape, _constants[kind], dtype)
