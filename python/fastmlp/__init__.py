"""The multilayer perceptron for scikit-learn users, with a C++ core.

``MLPClassifier`` and ``MLPRegressor`` take the place of scikit-learn's; ``fastmlp.nn``
has the layers, losses and optimizers that they are made of.
"""

from __future__ import annotations

from importlib.metadata import version

from . import initializers, nn
from ._classifier import MLPClassifier
from ._predictor import Predictor
from ._regressor import MLPRegressor
from ._versions import show_versions

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "Predictor",
    "initializers",
    "nn",
    "show_versions",
]
__version__ = version("fastmlp")
