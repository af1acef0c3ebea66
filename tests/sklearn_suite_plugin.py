"""A pytest plugin that puts our estimators in the place of scikit-learn's.

``pytest -p sklearn_suite_plugin --pyargs sklearn.neural_network.tests.test_mlp`` then
runs scikit-learn's own tests on them (this folder must be on PYTHONPATH).
"""

from __future__ import annotations

import pytest
import sklearn.neural_network

import fastmlp

NAMES = ("MLPClassifier", "MLPRegressor")

for name in NAMES:
    setattr(sklearn.neural_network, name, getattr(fastmlp, name))


def pytest_collection_finish(session):
    """Fail where a collected module tests other classes than ours."""
    for module in {item.module for item in session.items}:
        for name in NAMES:
            if getattr(module, name, None) is not getattr(fastmlp, name):
                raise pytest.UsageError(f"{module.__name__} tests another {name}")
