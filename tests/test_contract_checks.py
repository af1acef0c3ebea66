"""scikit-learn's checks of estimators, all of them, on ours and on what is new in them."""

from __future__ import annotations

import pytest
import sklearn
import sklearn.neural_network as sk
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
    estimator_checks_generator,
    parametrize_with_checks,
)
from sklearn.utils.validation import has_fit_parameter

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]

ESTIMATORS = [MLPClassifier, MLPRegressor]
NEW = [
    {"batch_norm": True},
    {"batch_norm": "after"},
    {"dropout": 0.1},
    {"dtype": "float32"},
]

EQUIVALENCE = (
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
)
REASONS = {
    "dropout": "masks are drawn by the row, so a weight of 2 is not a row twice",
    "dtype": "float32 rounds what the check compares to 1e-7",
}


def expected_failures(estimator):
    """Return the only two checks that may fail, where they may, with the reason."""
    if estimator.dropout > 0:
        return dict.fromkeys(EQUIVALENCE, REASONS["dropout"])
    if estimator.dtype == "float32":
        return dict.fromkeys(EQUIVALENCE, REASONS["dtype"])
    return {}


def all_checks(estimators, **options):
    """Return parametrize_with_checks for older scikit-learn too.

    There it gives a generator, which pytest warns of, and one check twice.
    """
    mark = parametrize_with_checks(estimators, **options)
    names, values = mark.args
    name = mark.kwargs["ids"]
    once = {tuple(map(name, getattr(pair, "values", pair))): pair for pair in values}
    return pytest.mark.parametrize(names, [*once.values()], **mark.kwargs)


@all_checks([kind() for kind in ESTIMATORS])
def test_checks(estimator, check):
    check(estimator)


@all_checks(
    [kind(**parameters) for kind in ESTIMATORS for parameters in NEW],
    expected_failed_checks=expected_failures,
)
def test_checks_of_what_is_new(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_as_many_checks_as_for_scikit_learn(kind):
    """No tag makes a check skip that runs for scikit-learn's."""

    def names(estimator):
        checks = estimator_checks_generator(estimator)
        return [getattr(check, "func", check).__name__ for _, check in checks]

    reference = getattr(sk, kind.__name__)()
    if not has_fit_parameter(reference, "sample_weight"):
        pytest.skip("an older scikit-learn, whose MLP takes no sample_weight")
    theirs = names(reference)
    if sklearn.__version__ == "1.9.1":
        assert len(theirs) == {"MLPClassifier": 67, "MLPRegressor": 60}[kind.__name__]
    assert names(kind()) == theirs


@pytest.mark.parametrize("parameters", [{}, *NEW], ids=str)
@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
    ],
)
def test_further_checks(check, kind, parameters):
    if check is check_dataframe_column_names_consistency:
        pytest.importorskip("pandas")
    check(kind.__name__, kind(**parameters))
