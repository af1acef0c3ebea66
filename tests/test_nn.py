"""fastmlp.nn from Python: names, views, views' memory, optimizers."""

from __future__ import annotations

import copy
import doctest
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris

from conftest import make_net
from fastmlp import MLPClassifier, MLPRegressor, _core, nn

# Names ----------------------------------------------------------------------------------


def test_names():
    members = [*_core.activations.values(), *_core.losses.values()]
    names = {kind.__name__ for kind in members}
    assert names < set(nn.__all__)
    own = {"Dense", "BatchNorm", "Dropout", "Sequential", "SGD", "Adam"}
    assert own < set(nn.__all__)
    for name in nn.__all__:
        assert getattr(nn, name).__module__ == "fastmlp.nn"
        assert getattr(nn, name).__doc__


@pytest.mark.parametrize(
    "thing",
    [
        nn.Dense(3, 4),
        nn.BatchNorm(4, momentum=0.2, eps=1e-3),
        nn.Dropout(0.25),
        *(kind() for kind in _core.activations.values()),
        nn.LeakyReLU(slope=0.2),
        *(kind() for kind in _core.losses.values()),
    ],
    ids=repr,
)
def test_layers_and_losses_pickle_by_value(thing):
    content = pickle.dumps(thing)
    assert _core.level.encode() not in content
    assert repr(pickle.loads(content)) == repr(thing)
    assert repr(copy.deepcopy(thing)) == repr(thing)


def test_examples_in_docstrings():
    finder = doctest.DocTestFinder()
    found = 0
    for thing in (nn, nn.Sequential, MLPClassifier, MLPRegressor):
        (example, *_) = finder.find(thing, thing.__name__)
        failed, tried = doctest.DocTestRunner().run(example)
        assert failed == 0
        found += tried
    assert found > 10


# Arrays ---------------------------------------------------------------------------------


def test_arrays_by_name(net):
    shapes = {name: array.shape for name, array in net.parameters().items()}
    assert shapes == {
        "0.weight": (3, 6),
        "0.bias": (6,),
        "1.scale": (6,),
        "1.shift": (6,),
        "4.weight": (6, 5),
        "4.bias": (5,),
        "6.weight": (5, 2),
        "6.bias": (2,),
    }
    gradients = {name: array.shape for name, array in net.gradients().items()}
    assert gradients == shapes
    buffers = {name: array.shape for name, array in net.buffers().items()}
    assert buffers == {"1.mean": (6,), "1.variance": (6,)}


@pytest.mark.parametrize("group", ["parameters", "gradients", "buffers"])
def test_arrays_are_views_of_one_aligned_block(group, net, dtype):
    net = make_net(dtype)
    arrays = list(getattr(net, group)().values())
    end = arrays[0].ctypes.data
    assert end % 64 == 0
    for array in arrays:
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.ctypes.data == end
        end += array.nbytes
    for array, again in zip(arrays, getattr(net, group)().values(), strict=True):
        assert array is again


def test_dropping_a_name_from_the_dict_drops_nothing(net):
    net.parameters().clear()
    assert len(net.parameters()) == 8


def test_first_values(net):
    parameters, buffers = net.parameters(), net.buffers()
    assert (parameters["1.scale"] == 1).all()
    assert (parameters["1.shift"] == 0).all()
    assert (buffers["1.mean"] == 0).all()
    assert (buffers["1.variance"] == 1).all()
    assert not any(gradient.any() for gradient in net.gradients().values())


@pytest.mark.parametrize("name", ["relu", "logistic"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_start_as_those_of_the_estimator(name):
    X, y = load_iris(return_X_y=True)
    parameters = {"max_iter": 1, "random_state": 4, "learning_rate_init": 1e-300}
    model = MLPClassifier((5,), activation=name, **parameters).fit(X, y)
    layers = [nn.Dense(4, 5), _core.activations[name](), nn.Dense(5, 3)]
    net = nn.Sequential(layers, dtype="float64", random_state=4)
    np.testing.assert_array_equal(net.parameters()["0.weight"], model.coefs_[0])
    np.testing.assert_array_equal(net.parameters()["2.bias"], model.intercepts_[1])
    proba = net.predict(X, nn.SoftmaxCrossEntropy())
    np.testing.assert_array_equal(proba, model.predict_proba(X))


def test_changed_arrays_count_at_once(net, x):
    for array in (*net.parameters().values(), *net.buffers().values()):
        before, saved = net.forward(x), array.copy()
        array += 0.5
        assert not np.array_equal(net.forward(x), before)
        array[...] = saved
        np.testing.assert_array_equal(net.forward(x), before)


def test_training_updates_the_running_statistics(net, x):
    net.forward(x)
    assert (net.buffers()["1.mean"] == 0).all()
    net.forward(x, training=True)
    w = net.parameters()
    z = x @ w["0.weight"] + w["0.bias"]
    np.testing.assert_allclose(net.buffers()["1.mean"], 0.1 * z.mean(axis=0))
    np.testing.assert_allclose(net.buffers()["1.variance"], 0.9 + 0.1 * z.var(axis=0))


def test_dropout_differs_from_step_to_step_and_repeats_by_seed(x):
    first, second = make_net(), make_net()
    outputs = [first.forward(x, training=True) for _ in range(2)]
    assert not np.array_equal(*outputs)
    for output in outputs:
        np.testing.assert_array_equal(second.forward(x, training=True), output)
    np.testing.assert_array_equal(first.forward(x), first.forward(x))


def test_predict_is_forward_with_the_link(net, x):
    output = net.forward(x)
    softmax = np.exp(output) / np.exp(output).sum(axis=1, keepdims=True)
    predicted = net.predict(x, nn.SoftmaxCrossEntropy())
    np.testing.assert_allclose(predicted, softmax)
    logistic = 1 / (1 + np.exp(-output))
    np.testing.assert_allclose(net.predict(x, nn.BinaryCrossEntropy()), logistic)
    np.testing.assert_array_equal(net.predict(x, nn.SquaredError()), output)


@pytest.mark.parametrize("training", [False, True])
def test_backward_again_and_after_changes(net, x, training):
    x = x.copy()
    _, gradient = nn.SquaredError()(net.forward(x, training), np.zeros((len(x), 2)))
    dx = net.backward(gradient)
    first = {name: array.copy() for name, array in net.gradients().items()}
    for array in (*net.gradients().values(), x):
        array[...] = np.nan
    np.testing.assert_array_equal(net.backward(gradient), dx)
    for name, array in net.gradients().items():
        np.testing.assert_array_equal(array, first[name])
        assert array.any()


def test_threads_do_not_change_bits(x, n_threads):
    x = np.tile(x, (50, 1))
    results = []
    for n in (1, n_threads):
        net = make_net(n_threads=n)
        output = net.forward(x, training=True)
        results.append([output, net.backward(output), *net.gradients().values()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("steps", [0, 3])
def test_a_network_survives_pickling(x, steps):
    net = make_net("float32")
    optimizer = nn.SGD(net, learning_rate=0.1)
    for _ in range(steps):
        net.backward(net.forward(x, training=True))
        optimizer.step()
    for twin in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        np.testing.assert_array_equal(twin.forward(x), net.forward(x))
        end = 0
        for array in twin.parameters().values():
            assert end in (0, array.ctypes.data)
            end = array.ctypes.data + array.nbytes
        twin.parameters()["0.weight"][...] = 0
        assert net.parameters()["0.weight"].any()
    twin = pickle.loads(pickle.dumps(net))
    expected = net.forward(x, training=True)
    np.testing.assert_array_equal(twin.forward(x, training=True), expected)


# Optimizers -----------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": (nn.SGD, {}),
    "SGD momentum": (nn.SGD, {"momentum": 0.9}),
    "SGD nesterov": (nn.SGD, {"momentum": 0.9, "nesterov": True}),
    "SGD alpha": (nn.SGD, {"alpha": 0.5}),
    "Adam": (nn.Adam, {}),
    "Adam settings": (nn.Adam, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2}),
    "Adam alpha": (nn.Adam, {"alpha": 0.5}),
}


def expected_step(kind, settings, w, g, state, step):
    """Return w after one step of learning rate 0.1, by the formulas; update state."""
    lr = 0.1
    if kind is nn.SGD:
        momentum = settings.get("momentum", 0.0)
        state[0] = v = momentum * state[0] - lr * g
        return w + (momentum * v - lr * g if settings.get("nesterov") else v)
    b1, b2 = settings.get("beta_1", 0.9), settings.get("beta_2", 0.999)
    state[0] = b1 * state[0] + (1 - b1) * g
    state[1] = b2 * state[1] + (1 - b2) * g * g
    rate = lr * np.sqrt(1 - b2**step) / (1 - b1**step)
    return w - rate * state[0] / (np.sqrt(state[1]) + settings.get("epsilon", 1e-8))


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_steps_follow_the_formulas(case, net, x):
    kind, settings = OPTIMIZERS[case]
    settings = dict(settings)
    optimizer = kind(net, learning_rate=0.1, **settings)
    alpha = settings.pop("alpha", 0.0)
    states = {name: [0.0, 0.0] for name in net.parameters()}
    for step in range(1, 4):
        net.backward(net.forward(x, training=True))
        expected = {}
        for name, w in net.parameters().items():
            g = net.gradients()[name] + alpha * w * name.endswith("weight")
            expected[name] = expected_step(kind, settings, w, g, states[name], step)
        optimizer.step()
        for name, w in net.parameters().items():
            np.testing.assert_allclose(w, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", [nn.SGD, nn.Adam])
def test_learning_rate_may_be_set(kind, net, x):
    optimizer = kind(net, learning_rate=0.5)
    net.backward(net.forward(x))
    optimizer.learning_rate = 0
    before = {name: array.copy() for name, array in net.parameters().items()}
    optimizer.step()
    for name, array in net.parameters().items():
        np.testing.assert_array_equal(array, before[name])
    optimizer.learning_rate = np.float32(0.25)
    assert optimizer.learning_rate == 0.25
    with pytest.raises(
        ValueError, match=r"learning_rate must be in \[0, inf\), got -1"
    ):
        optimizer.learning_rate = -1


def test_a_loop_of_ones_own_is_the_estimator():
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    parameters = {"shuffle": False, "alpha": 0.0, "random_state": 1, "tol": 0.0}
    model = MLPClassifier(
        (7,), batch_norm=True, dropout=0.2, batch_size=150, max_iter=10, **parameters
    )
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X, y)

    dense, output = nn.Dense(4, 7), nn.Dense(7, 3)
    layers = [dense, nn.BatchNorm(7), nn.ReLU(), nn.Dropout(0.2), output]
    net = nn.Sequential(layers, dtype="float64", random_state=1)
    loss, optimizer = nn.SoftmaxCrossEntropy(), nn.Adam(net)
    for _ in range(10):
        _, gradient = loss(net.forward(X, training=True), y)
        net.backward(gradient)
        optimizer.step()
    weights = net.parameters()
    np.testing.assert_allclose(weights["0.weight"], model.coefs_[0], rtol=1e-9)
    np.testing.assert_allclose(weights["4.weight"], model.coefs_[1], rtol=1e-9)
    (mean,) = model.batch_norm_mean_
    np.testing.assert_allclose(net.buffers()["1.mean"], mean, rtol=1e-9, atol=1e-12)
