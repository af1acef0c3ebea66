"""Our public surface is scikit-learn's; what is not is explained in surface.py."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import sklearn
import sklearn.neural_network as sk

import fastmlp

pytest.importorskip("pandas")
surface = pytest.importorskip("surface")

pytestmark = pytest.mark.skipif(
    not sklearn.__version__.startswith("1.9."),
    reason="the surface is that of scikit-learn 1.9",
)


@pytest.fixture(scope="module")
def found():
    return [*surface.differences(fastmlp)]


def test_every_difference_is_explained(found):
    unexplained = [d for d in found if d.reason is None]
    assert not unexplained, "\n".join(map(repr, unexplained))


def test_every_explanation_is_needed(found):
    keys = [d.key for d in found]
    idle = [p for p in surface.EXPLAINED if not any(re.fullmatch(p, k) for k in keys)]
    assert not idle


def test_scikit_learn_is_the_same_as_itself():
    assert [*surface.differences(sk)] == []


def test_what_is_planted_is_found():
    class MLPClassifier(sk.MLPClassifier):
        """No documentation.

        Parameters
        ----------
        alpha : float, default=0.5
            The only parameter told of.
        """

        def fit(self, X, y):
            super().fit(X, y)
            self.extra_ = 1
            del self.t_
            return self

        def predict(self, X, batch=None):
            return super().predict(X).astype(float)

    planted = SimpleNamespace(MLPClassifier=MLPClassifier, MLPRegressor=sk.MLPRegressor)
    keys = {d.key for d in surface.differences(planted)}
    assert {
        "method: MLPClassifier.fit",
        "method: MLPClassifier.predict",
        "documented parameter: MLPClassifier.alpha",
        "documented parameter: MLPClassifier.solver",
        "documented attribute: MLPClassifier.loss_",
        "fitted: MLPClassifier, adam, plain.extra_",
        "fitted: MLPClassifier, adam, plain.t_",
        "fitted: MLPClassifier, adam, plain.predict",
        "text: MLPClassifier.sample_weight short",
    } <= keys
    assert not any("Regressor" in key for key in keys)
