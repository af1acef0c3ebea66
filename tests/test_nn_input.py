"""fastmlp.nn and input of every kind: layouts and types, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fastmlp import _core, nn

LAYOUTS = {
    "fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "big-endian": lambda x: x.astype(">f8"),
    "list": lambda x: x.tolist(),
    "float32": lambda x: x.astype("float32"),
    "int8": lambda x: x.astype("int8"),
    "bool": lambda x: x.astype(bool),
    "float16": lambda x: x.astype("float16"),
    "unaligned": lambda x: np.frombuffer(b" " + x.tobytes(), "f8", offset=1).reshape(
        x.shape
    ),
    "no rows": lambda x: x[:0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_give_the_right_answer(layout, net, x):
    x = np.round(x)  # the same number in every type
    if layout == "bool":
        x = (x != 0).astype(float)
    given = LAYOUTS[layout](x)
    plain = np.ascontiguousarray(given, dtype=float)
    loss = nn.SquaredError()
    np.testing.assert_array_equal(net.predict(given, loss), net.predict(plain, loss))
    if layout == "no rows":
        assert net.predict(given, loss).shape == (0, 2)
        return
    expected = net.forward(plain)
    np.testing.assert_array_equal(net.forward(given), expected)
    dx = net.backward(expected)
    np.testing.assert_array_equal(net.backward(LAYOUTS["fortran"](expected)), dx)
    np.testing.assert_array_equal(net.backward(expected.astype(">f8")), dx)


BAD_X = {
    "complex": (lambda x: x + 1j, TypeError, "x must hold real numbers, got .*complex"),
    "object": (lambda x: x.astype(object), TypeError, "x must hold .* got .*object"),
    "strings": (lambda x: x.astype(str), TypeError, "x must hold real numbers, got"),
    "one-dimensional": (lambda x: x[0], ValueError, r"\(3,\)"),
    "three-dimensional": (lambda x: x[None], ValueError, r"\(1, 40, 3\)"),
    "other features": (lambda x: x[:, :2], ValueError, r"3\).* got .*\(40, 2\)"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_x(case, net, x):
    make, error, message = BAD_X[case]
    with pytest.raises(error, match=message):
        net.forward(make(x))
    with pytest.raises(error, match=message):
        net.predict(make(x), nn.SquaredError())


def test_bad_gradient(net, x):
    with pytest.raises(RuntimeError, match="backward needs a forward before it"):
        net.backward(np.zeros((40, 2)))
    output = net.forward(x)
    with pytest.raises(ValueError, match=r"gradient must have the shape \(40, 2\)"):
        net.backward(output[:10])
    with pytest.raises(TypeError, match="gradient must hold real numbers"):
        net.backward(output + 1j)


def test_bad_networks():
    with pytest.raises(ValueError, match="5"):
        nn.Sequential([nn.Dense(3, 4), nn.Dense(5, 2)])
    with pytest.raises(ValueError, match="5"):
        nn.Sequential([nn.Dense(3, 4), nn.BatchNorm(5)])
    with pytest.raises(ValueError, match="layer"):
        nn.Sequential([])
    with pytest.raises(
        TypeError, match=r"layers must be layers of fastmlp.nn, got .*'relu'"
    ):
        nn.Sequential([nn.Dense(3, 4), "relu"])
    with pytest.raises(TypeError, match=r"layers must be a list .* got Dense\(3, 4\)"):
        nn.Sequential(nn.Dense(3, 4))
    for dtype in ("int32", "float17", None, ">f4"):
        message = "dtype must be one of float32, float64, got " + repr(dtype)
        with pytest.raises(ValueError, match=message):
            nn.Sequential([nn.Dense(3, 4)], dtype=dtype)
    with pytest.raises(ValueError, match="seed"):
        nn.Sequential([nn.Dense(3, 4)], random_state="seed")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Dense(0, 3), "in_features.* got 0"),
        (lambda: nn.Dense(3, -1), "out_features.* got -1"),
        (lambda: nn.BatchNorm(0), "features.* got 0"),
        (lambda: nn.BatchNorm(3, momentum=1.5), "momentum.*got 1.5"),
        (lambda: nn.BatchNorm(3, eps=-1.0), "eps.*got -1"),
        (lambda: nn.Dropout(1.0), "rate.*got 1"),
        (lambda: nn.Dropout(-0.1), "rate.*got -0.1"),
        (lambda: nn.LeakyReLU(-1.0), "slope.*got -1"),
        (lambda: nn.ELU(alpha=float("nan")), "alpha.*got nan"),
    ],
)
def test_bad_layers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_loss(net, x):
    with pytest.raises(
        TypeError, match=r"loss must be .*SoftmaxCrossEntropy.* got 'mse'"
    ):
        net.predict(x, "mse")


@pytest.mark.parametrize("wrong", [None, nn.SquaredError, nn.ReLU(), "relu", 3])
def test_the_core_takes_members_of_a_family_alone(wrong):
    weights = [np.zeros((2, 1)), np.zeros(1)]
    network = _core.networks[np.dtype("float64")]([_core.nn.Dense(2, 1)])
    with pytest.raises(TypeError, match="incompatible function arguments"):
        network.predict(np.zeros((1, 2)), weights, wrong, 1)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        _core.update(wrong, [], [], [], [], learning_rate=0.1, step=1)


@pytest.mark.parametrize(
    ("kind", "settings", "error", "message"),
    [
        (
            nn.SGD,
            {"learning_rate": -1},
            ValueError,
            "learning_rate must be in .*got -1",
        ),
        (nn.SGD, {"learning_rate": "0"}, TypeError, "learning_rate must be a number"),
        (nn.SGD, {"learning_rate": np.inf}, ValueError, "learning_rate must be in"),
        (nn.SGD, {"momentum": 1.5}, ValueError, "momentum.* got 1.5"),
        (nn.SGD, {"alpha": -0.1}, ValueError, "alpha must be in .* got -0.1"),
        (nn.Adam, {"beta_1": 1.0}, ValueError, "beta_1.* got 1"),
        (nn.Adam, {"beta_2": -0.1}, ValueError, "beta_2.* got -0.1"),
        (nn.Adam, {"epsilon": 0.0}, ValueError, "epsilon.* got 0"),
    ],
)
def test_bad_optimizers(kind, settings, error, message, net):
    with pytest.raises(error, match=message):
        kind(net, **settings)
    with pytest.raises(TypeError, match=r"net must be a Sequential, got \[\]"):
        kind([])
