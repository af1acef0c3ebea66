"""Fixtures: precisions, thread counts, and the compiled core driven like the reference.

`core(layers, dtype, n_threads)` builds the core's network from the reference's own
description of its layers, so that one list describes both sides of a comparison.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from fastmlp import MLPClassifier, MLPRegressor, _core, nn

worst = pytest.StashKey[dict[str, float]]()


def pytest_addoption(parser):
    parser.addoption(
        "--long",
        action="store_true",
        help="compare 1000 random networks, not 300; try every float32",
    )


def pytest_configure(config):
    config.stash[worst] = {}


@pytest.fixture
def figure(pytestconfig):
    """Return a function that keeps the largest figure of a name for the summary."""

    def keep(name, value):
        figures = pytestconfig.stash[worst]
        figures[name] = max(value, figures.get(name, value))

    return keep


def pytest_terminal_summary(terminalreporter, config):
    """With -v, tell how near the figures came to their bounds."""
    if config.stash[worst] and config.get_verbosity() > 0:
        terminalreporter.section("largest figures")
        for name, value in sorted(config.stash[worst].items()):
            terminalreporter.write_line(f"{name:40} {value:.2g}")


def pytest_generate_tests(metafunc):
    if "architecture" in metafunc.fixturenames:
        n = 1000 if metafunc.config.getoption("long") else 300
        metafunc.parametrize("architecture", range(n))
    if "patterns" in metafunc.fixturenames:  # bits of float32 numbers
        parts = [range(0, 2**32, 4099)]
        if metafunc.config.getoption("long"):
            parts = [range(i << 27, (i + 1) << 27) for i in range(32)]
        metafunc.parametrize("patterns", parts, ids=lambda r: f"from {r.start:x}")


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def n_threads(request):
    return request.param


def make_net(dtype="float64", **parameters):
    """Return a network of fastmlp.nn with a layer of every kind."""
    layers = [
        nn.Dense(3, 6),
        nn.BatchNorm(6),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Dense(6, 5),
        nn.Tanh(),
        nn.Dense(5, 2),
    ]
    return nn.Sequential(layers, dtype=dtype, random_state=0, **parameters)


@pytest.fixture
def net():
    return make_net()


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(40, 3))


# Arguments other than the defaults, for activations that have any.
arguments = {"leaky_relu": (0.1,), "elu": (0.7,), "swish": (1.5,)}


class Core:
    """A network of the compiled core."""

    @staticmethod
    def stack(activation, widths, norm="", rate=0.0):
        """Return layers: blocks of dense, norm, activation, dropout; a last dense."""
        layers = []
        for size in itertools.pairwise(widths[:-1]):
            block = [("dense", size), (activation, arguments.get(activation, ()))]
            if norm:
                place = 1 if norm == "before" else 2
                block.insert(place, ("batch_norm", (size[1],)))
            layers += block + [("dropout", (rate,))] * (rate > 0)
        return [*layers, ("dense", tuple(widths[-2:]))]

    def __init__(self, layers, dtype="float64", n_threads=1):
        kinds = {"dense": nn.Dense, "batch_norm": nn.BatchNorm, "dropout": nn.Dropout}
        kinds |= _core.activations
        built = [kinds[name](*arguments) for name, arguments in layers]
        self.dtype, self.n_threads = np.dtype(dtype), n_threads
        self.network = _core.networks[self.dtype](built)
        self.slices = self.network.slices

    def draw(self, rng):
        """Draw weights and biases as scikit-learn does, and all else around 0 or 1."""
        drawn, bound = [], 1.0
        for name, shape, _ in self.slices:
            if name.endswith((".scale", ".variance")):
                values = rng.uniform(0.5, 1.5, shape)
            elif name.endswith((".shift", ".mean")):
                values = rng.uniform(-0.5, 0.5, shape)
            else:
                if name.endswith(".weight"):
                    bound = np.sqrt(6 / sum(shape))
                values = rng.uniform(-bound, bound, shape)
            drawn.append(values.astype(self.dtype))
        return drawn

    def trained(self, parameters):
        """Return those parameters that training changes."""
        pairs = zip(self.slices, parameters, strict=True)
        return [p for (_, _, trainable), p in pairs if trainable]

    def forward(self, x, parameters, training=False, seed=0, step=0):
        """Return the raw outputs and the workspace for backward."""
        return self.network.forward(
            x, parameters, training=training, seed=seed, step=step,
            n_threads=self.n_threads,
        )  # fmt: skip

    def backward(self, dy, workspace):
        """Return the gradients of the input and of every trainable parameter."""
        shapes = [shape for _, shape, trainable in self.slices if trainable]
        gradients = [np.full(shape, np.nan, self.dtype) for shape in shapes]
        dx = self.network.backward(dy, gradients, workspace, n_threads=self.n_threads)
        return dx, gradients

    def predict(self, x, parameters, loss="squared_error", **options):
        """Return the predictions, in the unit of the targets."""
        return self.network.predict(
            x, parameters, _core.losses[loss](), n_threads=self.n_threads, **options
        )

    def state(self, optimizer):
        """Return what an optimizer (name, arguments) begins with: zeros."""
        rule = _core.optimizers[optimizer[0]](*optimizer[1])
        return _core.optimizer_states[self.dtype](self.network, rule)

    def trainer(
        self, loss, optimizer, data, parameters, state, *,
        batch_size=32, alpha=0.0, seed=0, step=0, clip=False,
    ):  # fmt: skip
        """Return a trainer; the data are x, target and sample weight or None."""
        x, target, weight = data
        if loss != "softmax_cross_entropy":
            target = np.ascontiguousarray(target, self.dtype)
        weight = None if weight is None else weight.astype(self.dtype)
        return _core.trainers[self.dtype](
            self.network, _core.losses[loss](),
            _core.optimizers[optimizer[0]](*optimizer[1]),
            x, target, weight, parameters, state,
            alpha=alpha, batch_size=batch_size, seed=seed, step=step,
            n_threads=self.n_threads, clip=clip,
        )  # fmt: skip

    def after_epochs(self, x, target, orders, batch_size):
        """Return all that epochs of Adam leave: weights, moments and the last loss."""
        parameters = self.draw(np.random.default_rng(1))
        state = self.state(("adam", ()))
        trainer = self.trainer(
            "squared_error", ("adam", ()), (x, target, None), parameters, state,
            batch_size=batch_size,
        )  # fmt: skip
        for order in orders:
            batches = -(-len(order) // batch_size)
            trainer.begin_epoch(order, np.full(batches, 0.01))
            assert trainer.run(1e9)
        trainer.write_back()
        return [*parameters, *state.arrays(), np.array(trainer.loss)]


@pytest.fixture(scope="session")
def core():
    return Core


@pytest.fixture
def run_python(tmp_path):
    """Return a function that runs a script in a process of its own."""

    def run(script, *arguments, timeout=60, **environment):
        here, path = str(Path(__file__).parent), os.environ.get("PYTHONPATH")
        path = here if path is None else here + os.pathsep + path
        return subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=os.environ | {"PYTHONPATH": path} | environment,
            check=False, cwd=tmp_path, timeout=timeout, capture_output=True, text=True,
        )  # fmt: skip

    return run


@pytest.fixture(params=[MLPClassifier, MLPRegressor], ids=lambda kind: kind.__name__)
def estimator(request):
    """Return a model, X and y."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4))
    y = X[:, 0] > 0 if request.param is MLPClassifier else X[:, 0]
    model = request.param(hidden_layer_sizes=(5,), max_iter=3, random_state=0)
    return model, X, y.astype(float)


@pytest.fixture
def outcome():
    """Return a function: a prediction, or the error's class and text; and warnings."""

    def of(model, X):
        predict = getattr(model, "predict_proba", model.predict)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = repr(predict(X).tolist())  # NaN, too, is like itself
            except Exception as error:  # noqa: BLE001  whatever it is, it is compared
                found = repr(error)
        return found, [str(warning.message) for warning in caught]

    return of
