"""fastmlp.onnx: onnxruntime gives what the estimators give; conversion by hand."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import sklearn.neural_network as sk
from scipy.special import expit, softmax
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler

from fastmlp import MLPClassifier, MLPRegressor, _core

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(skl2onnx|onnx)"),
]

missing = [
    name for name in ("skl2onnx", "onnxruntime") if not importlib.util.find_spec(name)
]
needs_onnx = pytest.mark.skipif(
    bool(missing), reason=f"{' and '.join(missing)} not installed"
)

TOLERANCE = 1e-5

# Every activation, and parameters other than the defaults for those that have any.
ACTIVATIONS = [
    *_core.activations,
    ("leaky_relu", {"slope": 0.2}),
    ("elu", {"alpha": 0.7}),
    ("swish", {"beta": 1.5}),
]


def fitted(kind, X, y, **parameters):
    defaults = {"hidden_layer_sizes": (16, 12), "max_iter": 10, "batch_size": 32}
    defaults |= {"random_state": 0, "learning_rate_init": 0.01}
    return kind(**defaults | parameters).fit(X, y)


def run(model, X, **options):
    """Return the outputs of onnxruntime, and those that the graph declares."""
    import onnxruntime
    import skl2onnx

    import fastmlp.onnx  # noqa: F401

    options = {id(model): options} if options else None
    exported = skl2onnx.to_onnx(model, X[:1], options=options)
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X}), session.get_outputs()


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X[:400] / 16).astype(np.float32), y[:400]


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y


# Networks -------------------------------------------------------------------------------


@needs_onnx
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_norm", [False, "before", "after"])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_every_activation(activation, batch_norm, dtype, digits, figure):
    X, y = digits[0].astype(dtype), digits[1]
    model = fitted(
        MLPClassifier, X, y, activation=activation, batch_norm=batch_norm, dropout=0.1
    )
    (labels, probabilities), _ = run(model, X, zipmap=False)
    expected = model.predict_proba(X)
    assert probabilities.dtype == dtype
    name = activation if isinstance(activation, str) else activation[0]
    difference = np.abs(probabilities - expected).max()
    figure(f"onnx {name} {dtype}", difference)
    assert difference <= TOLERANCE
    np.testing.assert_array_equal(labels, model.predict(X))
    assert model.score(X, y) > 0.8, "an untrained network would show little"


@needs_onnx
def test_no_hidden_layer(iris):
    X, y = iris
    model = fitted(MLPClassifier, X, y, hidden_layer_sizes=(), batch_norm=True)
    (_, probabilities), _ = run(model, X, zipmap=False)
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=TOLERANCE)


@needs_onnx
@pytest.mark.parametrize("batch_norm", [False, "before", "after"])
def test_weights_set_by_hand(batch_norm, iris):
    X, y = iris
    model = fitted(MLPClassifier, X, y, batch_norm=batch_norm)
    lists = [name for name, value in vars(model).items() if isinstance(value, list)]
    random = np.random.default_rng(0)
    for name in set(lists) - {"loss_curve_"}:
        for array in getattr(model, name):
            array += random.uniform(0, 0.5, array.shape).astype(array.dtype)
    (_, probabilities), _ = run(model, X, zipmap=False)
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=TOLERANCE)


# Targets --------------------------------------------------------------------------------


@needs_onnx
@pytest.mark.parametrize(
    "names",
    [
        ["setosa", "versicolor", "virginica"],
        ["no", "yes", "yes"],
        [-5, 0, 7],
        [3, 8, 8],
        [False, True, True],
        [1.0, 2.0, 4.0],
        np.array(["é", "b", "c"], dtype=object),
    ],
    ids=str,
)
def test_labels(names, iris):
    X, y = iris[0], np.array(names)[iris[1]]
    model = fitted(MLPClassifier, X, y)
    (labels, probabilities), _ = run(model, X, zipmap=False)
    np.testing.assert_array_equal(labels, model.predict(X))
    assert labels.dtype == (np.int64 if y.dtype.kind in "ifb" else object)
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=TOLERANCE)


@needs_onnx
def test_a_single_class(iris):
    X = iris[0]
    model = fitted(MLPClassifier, X, np.full(len(X), 3))
    (labels, probabilities), _ = run(model, X, zipmap=False)
    np.testing.assert_array_equal(labels, 3)
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=TOLERANCE)


@needs_onnx
def test_multilabel(iris):
    X, y = iris
    Y = np.stack([y > 0, y == 1, X[:, 0] > 0], axis=1).astype(int)
    model = fitted(MLPClassifier, X, Y)
    (labels, probabilities), declared = run(model, X, zipmap=False)
    np.testing.assert_array_equal(labels, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=TOLERANCE)
    assert [output.shape[1:] for output in declared] == [[3], [3]]


@needs_onnx
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_regressor(loss, n_outputs, dtype, iris):
    X = (4 * iris[0]).astype(dtype)
    Y = np.abs(X[:, :n_outputs]) + np.arange(n_outputs)
    y = Y[:, 0] if n_outputs == 1 else Y
    model = fitted(MLPRegressor, X, y, loss=loss, activation="tanh")
    (values,), declared = run(model, X)
    expected = model.predict(X).reshape(len(X), n_outputs)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(values, expected, rtol=0, atol=TOLERANCE * scale)
    assert declared[0].shape[1:] == [n_outputs]


# skl2onnx's own features ----------------------------------------------------------------


@needs_onnx
def test_inside_a_pipeline(iris):
    X, y = iris
    inner = MLPClassifier((10,), max_iter=10, random_state=0)
    members = [("ours", inner), ("theirs", sk.MLPClassifier((10,), max_iter=10))]
    votes = VotingClassifier(members, voting="soft", flatten_transform=False)
    for model in (inner, votes):
        pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
        (labels, maps), _ = run(pipeline, X)
        np.testing.assert_array_equal(labels, pipeline.predict(X))
        probabilities = [[row[label] for label in (0, 1, 2)] for row in maps]
        expected = pipeline.predict_proba(X)
        np.testing.assert_allclose(probabilities, expected, atol=TOLERANCE)


@needs_onnx
def test_options(iris):
    X, y = iris[0], np.array(["a", "b", "c"])[iris[1]]
    model = fitted(MLPClassifier, X, y)
    expected = model.predict_proba(X)
    (_, maps), _ = run(model, X)
    assert set(maps[0]) == {"a", "b", "c"}
    (_, *columns), declared = run(model, X, zipmap="columns")
    np.testing.assert_allclose(np.stack(columns, 1), expected, atol=TOLERANCE)
    assert len(declared) == 4
    (_, _, classes), _ = run(model, X, zipmap=False, output_class_labels=True)
    assert list(classes) == ["a", "b", "c"]
    (labels, _), _ = run(model, X, zipmap=False, nocl=True)
    np.testing.assert_array_equal(labels, expected.argmax(axis=1))


def test_without_skl2onnx(run_python):
    script = "import sys; sys.modules['skl2onnx'] = None; import fastmlp.onnx"
    error = run_python(script).stderr
    assert "ImportError" in error
    assert 'pip install "fastmlp[onnx]"' in error


# By hand, as documented -----------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", [False, "before", "after"])
def test_the_formula(batch_norm, iris):
    def normalized(x, i, place):
        if batch_norm != place:
            return x
        deviation = np.sqrt(model.batch_norm_var_[i] + 1e-5)
        x = (x - model.batch_norm_mean_[i]) / deviation
        return x * model.batch_norm_scale_[i] + model.batch_norm_shift_[i]

    X, y = iris
    model = fitted(MLPClassifier, X, y, batch_norm=batch_norm)
    a = X
    for i, (w, b) in enumerate(zip(model.coefs_[:-1], model.intercepts_, strict=False)):
        a = np.maximum(normalized(a @ w + b, i, "before"), 0)
        a = normalized(a, i, "after")
    z = a @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(softmax(z, axis=1), model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_into_scikit_learns_class(n_classes, iris):
    X, y = iris[0], np.array(["a", "b", "c"])[np.minimum(iris[1], n_classes - 1)]
    model = fitted(MLPClassifier, X, y)
    twin = sk.MLPClassifier(model.hidden_layer_sizes, model.activation)
    for name in ("coefs_", "intercepts_", "classes_", "out_activation_", "n_outputs_",
                 "n_layers_", "n_features_in_"):  # fmt: skip
        setattr(twin, name, getattr(model, name))
    twin._label_binarizer = LabelBinarizer().fit(model.classes_)
    expected = model.predict_proba(X)
    np.testing.assert_allclose(twin.predict_proba(X), expected, atol=1e-5)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))


def test_the_logistic_output(iris):
    X, y = iris[0], iris[1] > 0
    model = fitted(MLPClassifier, X, y, hidden_layer_sizes=())
    p = expit(X @ model.coefs_[0] + model.intercepts_[0])
    np.testing.assert_allclose(np.hstack([1 - p, p]), model.predict_proba(X), atol=1e-5)
