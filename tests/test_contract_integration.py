"""The estimators within scikit-learn's tools, as scikit-learn's own are used there."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
import sklearn.neural_network as sk
from scipy.sparse import csc_array, csc_matrix, csr_array, csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, RegressorChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale
from sklearn.utils.validation import has_fit_parameter

import fastmlp
from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

weighted = pytest.mark.skipif(
    not has_fit_parameter(sk.MLPClassifier(), "sample_weight"),
    reason="this scikit-learn's MLP takes no sample_weight",
)

KINDS = ["MLPClassifier", "MLPRegressor"]
SMALL = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X)[:300], y[:300]


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return 20 * X, scale(y)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=5, return_X_y=True)
    return X[:300] / 16, y[:300]


@pytest.fixture(params=KINDS)
def model(request, cancer, diabetes):
    """Return an unfitted estimator, scikit-learn's with the same parameters, data."""
    settings = SMALL | {"max_iter": 15}
    data = cancer if request.param == "MLPClassifier" else diabetes
    return [getattr(m, request.param)(**settings) for m in (fastmlp, sk)] + [*data]


def same(tool, ours, theirs, X, y, method="predict", rtol=1e-6):
    """Assert that a tool around our estimator does what it does around theirs."""
    results = [getattr(tool(m).fit(X, y), method)(X) for m in (ours, theirs)]
    np.testing.assert_allclose(*results, rtol, rtol)


def test_pipeline(model):
    same(lambda m: make_pipeline(StandardScaler(), m), *model)


def test_column_transformer(model):
    pandas = pytest.importorskip("pandas")
    ours, theirs, X, y = model
    frame = pandas.DataFrame(X[:, :3], columns=["a", "b", "c"])
    frame["level"] = np.array(["low", "high"])[(X[:, 3] > 0).astype(int)]

    def tool(estimator):
        encode = ColumnTransformer(
            [("numbers", StandardScaler(), ["a", "b", "c"]),
             ("level", OneHotEncoder(), ["level"])],
        )  # fmt: skip
        return Pipeline([("encode", encode), ("model", estimator)])

    same(tool, ours, theirs, frame, y)


def test_grid_search_in_two_processes(model):
    grid = {"alpha": [1e-4, 10.0], "activation": ["relu", "tanh"]}
    ours, theirs, X, y = model
    found = [GridSearchCV(m, grid, cv=3, n_jobs=2).fit(X, y) for m in (ours, theirs)]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    np.testing.assert_allclose(*scores, 1e-6)
    assert found[0].best_params_ == found[1].best_params_


def test_calibrated_classifier(cancer):
    pair = [module.MLPClassifier(**SMALL, max_iter=20) for module in (fastmlp, sk)]
    same(lambda m: CalibratedClassifierCV(m, cv=3), *pair, *cancer, "predict_proba")


@weighted  # bagging then draws weights, not rows
def test_bagging(digits):
    pair = [module.MLPClassifier(**SMALL, max_iter=5) for module in (fastmlp, sk)]

    def tool(estimator):
        return BaggingClassifier(estimator, 3, max_features=0.5, random_state=0)

    same(tool, *pair, *digits, "predict_proba")


def test_stacking(digits):
    pair = [module.MLPClassifier(**SMALL, max_iter=5) for module in (fastmlp, sk)]

    def tool(estimator):
        members = [
            ("mlp", estimator),
            ("other", clone(estimator).set_params(alpha=1.0)),
        ]
        return StackingClassifier(members, LogisticRegression(), cv=3)

    same(tool, *pair, *digits, "predict_proba")


def test_cross_val_predict(digits):
    X, y = digits
    pair = [module.MLPClassifier(**SMALL, max_iter=5) for module in (fastmlp, sk)]
    for method in ("predict", "predict_proba", "predict_log_proba"):
        results = [cross_val_predict(m, X, y, cv=3, method=method) for m in pair]
        np.testing.assert_allclose(*results, 1e-6)


def test_permutation_importance(model):
    ours, theirs, X, y = model
    importances = [
        permutation_importance(
            m.fit(X, y), X, y, n_repeats=2, random_state=0
        ).importances
        for m in (ours, theirs)
    ]
    np.testing.assert_allclose(*importances, 1e-6, 1e-9)


@pytest.mark.parametrize("incremental", [False, True])
def test_learning_curve(incremental, model):
    ours, theirs, X, y = model
    curves = [
        learning_curve(
            m, X, y, train_sizes=[0.3, 0.6, 1.0], cv=3,
            exploit_incremental_learning=incremental,
        )
        for m in (ours, theirs)
    ]  # fmt: skip
    for found, expected in zip(*curves, strict=True):
        np.testing.assert_allclose(found, expected, 1e-6)


def test_one_versus_rest(digits):
    pair = [module.MLPClassifier(**SMALL, max_iter=5) for module in (fastmlp, sk)]
    same(OneVsRestClassifier, *pair, *digits, "predict_proba")


def test_chains(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, X[:, 2], X[:, 3] ** 2])
    settings = SMALL | {"max_iter": 5}
    same(RegressorChain, MLPRegressor(**settings), sk.MLPRegressor(**settings), X, Y)
    ours, theirs = MLPClassifier(**settings), sk.MLPClassifier(**settings)
    same(ClassifierChain, ours, theirs, X, (Y > 0).astype(int))


def test_transformed_target(diabetes):
    X, y = diabetes
    pair = [module.MLPRegressor(**SMALL, max_iter=5) for module in (fastmlp, sk)]

    def tool(estimator):
        return TransformedTargetRegressor(estimator, transformer=StandardScaler())

    same(tool, *pair, X, 100 + 50 * y)


@pytest.mark.parametrize("keep", ["pickle", "joblib"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_round_trips(keep, solver, model, tmp_path):
    ours, _, X, y = model
    ours.set_params(solver=solver).fit(X, y)
    if keep == "pickle":
        copy = pickle.loads(pickle.dumps(ours))
    else:
        joblib.dump(ours, tmp_path / "model.joblib")
        copy = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(copy.predict(X), ours.predict(X))
    if solver != "lbfgs":  # training goes on with the same momentum
        for fitted in (copy, ours):
            fitted.partial_fit(X[:50], y[:50]).partial_fit(X[50:90], y[50:90])
        for mine, other in zip(copy.coefs_, ours.coefs_, strict=True):
            np.testing.assert_array_equal(mine, other)
    # An unfitted one too, and clones carry parameters only.
    assert vars(pickle.loads(pickle.dumps(clone(ours)))) == vars(clone(ours))


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@weighted
@pytest.mark.usefixtures("routing")
def test_sample_weight_is_routed_through_a_pipeline(model):
    ours, theirs, X, y = model
    weight = np.random.default_rng(0).uniform(0, 2, len(y))
    results = []
    for estimator in (ours, theirs):
        asking = estimator.set_fit_request(sample_weight=True)
        asking = asking.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, asking).fit(X, y, sample_weight=weight)
        results.append(pipe.predict(X))
    plain = make_pipeline(clone(scaler), clone(ours)).fit(X, y)
    np.testing.assert_allclose(*results, 1e-6, 1e-9)
    assert not np.array_equal(plain[-1].coefs_[0], pipe[-1].coefs_[0])


@pytest.mark.usefixtures("routing")
def test_sample_weight_that_nobody_asked_for(model):
    ours, _, X, y = model
    pipe = make_pipeline(StandardScaler(), ours)
    with pytest.raises(ValueError, match="sample_weight"):
        pipe.fit(X, y, sample_weight=np.ones(len(y)))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library, model):
    frames = pytest.importorskip(library)
    ours, theirs, X, y = model
    names = [f"column {i}" for i in range(X.shape[1])]
    frame = frames.DataFrame(dict(zip(names, X.T, strict=True)))
    for estimator in (ours, theirs):
        estimator.set_params(early_stopping=True).fit(frame, frames.Series(y))
    if not hasattr(theirs, "feature_names_in_"):
        assert not hasattr(ours, "feature_names_in_")
        pytest.skip(f"this scikit-learn does not read the names of this {library}")
    assert ours.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(ours.feature_names_in_, theirs.feature_names_in_)
    np.testing.assert_allclose(ours.predict(frame), theirs.predict(frame), 1e-6, 1e-9)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(ours.predict(X), ours.predict(frame))
    ours.set_params(early_stopping=False).fit(frame, frames.Series(y))
    ours.partial_fit(frame, frames.Series(y))
    with pytest.raises(ValueError, match="feature names should match"):
        ours.predict(frame[names[::-1]])


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("make", [csr_array, csc_array, csr_matrix, csc_matrix])
def test_sparse_equals_dense(make, solver, model):
    ours, _, X, y = model
    ours.set_params(solver=solver, max_iter=8, early_stopping=solver == "sgd")
    X = np.where(np.abs(X) < 0.5, 0, X)
    dense, sparse = clone(ours).fit(X, y), clone(ours).fit(make(X), y)
    for mine, other in zip(sparse.coefs_, dense.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, 1e-9, 1e-9)
    np.testing.assert_allclose(sparse.predict(make(X)), dense.predict(X), 1e-6, 1e-9)
    with config_context(assume_finite=True):
        np.testing.assert_allclose(dense.predict(make(X)), dense.predict(X), 1e-9)


# Callbacks ------------------------------------------------------------------------------


def test_scoring_monitor(model):
    callback = pytest.importorskip("sklearn.callback", reason="new in scikit-learn 1.9")
    ours, _, X, y = model
    metric = "accuracy" if isinstance(ours, MLPClassifier) else "r2"
    monitor = callback.ScoringMonitor(scoring=metric)
    watched = clone(ours).set_callbacks(monitor).fit(X, y)
    scores = [row[metric] for row in monitor.get_logs().data if row["task_id_path"][1:]]
    assert len(scores) == watched.n_iter_ == 15
    for epoch in (1, 7, 15):  # the model as it was after so many epochs
        fitted = clone(ours).set_params(max_iter=epoch).fit(X, y)
        assert scores[epoch - 1] == pytest.approx(fitted.score(X, y), rel=1e-12)
    for mine, other in zip(watched.coefs_, fitted.coefs_, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_progress_bar(model, capsys):
    pytest.importorskip("sklearn.callback", reason="new in scikit-learn 1.9")
    pytest.importorskip("rich", reason="ProgressBar draws with rich")
    from sklearn.callback import ProgressBar

    ours, _, X, y = model
    ours.set_callbacks(ProgressBar()).fit(X, y)
    assert type(ours).__name__ in capsys.readouterr().out
