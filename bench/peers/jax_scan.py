"""JAX: a whole epoch is one compiled program, a scan over its batches."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from cases import SEED, Case

from .session import Session

RATE, BETA_1, BETA_2, EPS = 1e-3, 0.9, 0.999, 1e-8
MOMENTUM, NORM_EPS = 0.1, 1e-5  # of batch norm
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "logistic": jax.nn.sigmoid}


def normalize(x, scale, shift, running):
    """Return x with batch norm applied, and the new running mean and variance."""
    mean, var = x.mean(0), x.var(0)
    now = jnp.stack([mean, var])
    running = (1 - MOMENTUM) * running + MOMENTUM * jax.lax.stop_gradient(now)
    return (x - mean) * jax.lax.rsqrt(var + NORM_EPS) * scale + shift, running


class Jax(Session):
    def __init__(self, case: Case, n_threads: int | None) -> None:
        super().__init__(case, n_threads)
        jax.config.update("jax_enable_x64", case.dtype == "float64")
        self.inputs = jnp.asarray(self.x)
        targets = self.y.astype("int32") if case.classes > 2 else self.y
        self.targets = jnp.asarray(
            targets if case.classes > 2 else targets.astype(case.dtype)
        )
        self.random = np.random.default_rng(SEED)
        self.activation = ACTIVATIONS[case.activation]
        # Called with its argument once again: parameters, moments and step in place.
        self.epoch = jax.jit(self.scan, donate_argnums=0)
        self.forward_only = jax.jit(self.probabilities)

    def restart(self) -> None:
        weights = [(jnp.array(w), jnp.array(b)) for w, b in self.weights]
        norms, running = [], []
        if self.case.batch_norm:
            hidden = self.case.hidden
            one = partial(jnp.ones, dtype=self.inputs.dtype)
            norms = [(one(n), 0 * one(n)) for n in hidden]
            running = [jnp.stack([0 * one(n), one(n)]) for n in hidden]
        parameters = (weights, norms)
        zeros = partial(jax.tree.map, jnp.zeros_like)
        step = jnp.zeros((), self.inputs.dtype)
        self.state = parameters, zeros(parameters), zeros(parameters), running, step

    def forward(self, parameters, running, x):
        weights, norms = parameters
        after = []
        for i, (w, b) in enumerate(weights):
            if i > 0:
                if norms:
                    x, now = normalize(x, *norms[i - 1], running[i - 1])
                    after.append(now)
                x = self.activation(x)
            x = x @ w + b
        return x, after

    def loss(self, parameters, running, x, y):
        z, after = self.forward(parameters, running, x)
        if self.case.classes == 0:
            value = 0.5 * jnp.square(z[:, 0] - y)
        elif z.shape[1] == 1:
            value = jnp.logaddexp(0, z[:, 0]) - y * z[:, 0]
        else:
            picked = jnp.take_along_axis(z, y[:, None], 1)[:, 0]
            value = jax.nn.logsumexp(z, axis=1) - picked
        return value.mean(), after

    def step(self, x, y, carry, picked):
        (parameters, m, v, running, t), total = carry
        batch = (a.at[picked].get(mode="promise_in_bounds") for a in (x, y))
        gradient = jax.value_and_grad(self.loss, has_aux=True)
        (loss, running), g = gradient(parameters, running, *batch)
        t = t + 1
        rate = RATE * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, g)
        v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, g)
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPS), parameters, m, v
        )
        return ((parameters, m, v, running, t), total + loss * len(picked)), None

    def scan(self, state, x, y, order):
        """Train an epoch; whole batches in a loop, then what is left."""
        batch = self.case.batch
        whole = len(order) // batch * batch
        step = partial(self.step, x, y)
        carry = state, jnp.zeros((), x.dtype)
        carry, _ = jax.lax.scan(step, carry, order[:whole].reshape(-1, batch), unroll=2)
        if whole < len(order):
            carry, _ = step(carry, order[whole:])
        return carry

    def train(self, orders: list[np.ndarray] | None = None) -> list[float]:
        rows, losses = self.case.rows, []
        for epoch in range(self.epochs(orders)):
            # jax.random.permutation sorts, which takes longer than NumPy's shuffle.
            order = self.random.permutation(rows) if orders is None else orders[epoch]
            self.state, total = self.epoch(
                self.state, self.inputs, self.targets, order.astype("int32")
            )
            losses.append(float(total) / rows)  # waits for the epoch's end
        return losses

    def probabilities(self, parameters, x):
        z, _ = self.forward(parameters, [], x)
        return jax.nn.sigmoid(z) if z.shape[1] == 1 else jax.nn.softmax(z)

    def predict(self, x: np.ndarray) -> np.ndarray:
        if not hasattr(self, "state"):
            self.restart()
        return np.asarray(self.forward_only(self.state[0], x))
