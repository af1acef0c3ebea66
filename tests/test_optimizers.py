"""Every registered optimizer: its steps against the reference, and their limits."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from fastmlp import _core

settings = {
    "sgd": [(0.9, False), (0.0, True), (0.5, True)],
    "adam": [(0.5, 0.9, 1e-3), (0.0, 0.0, 1e-8)],
}
cases = [
    (name, arguments)
    for name in _core.optimizers
    for arguments in [(), *settings.get(name, [])]
]
each_case = pytest.mark.parametrize("optimizer", cases, ids=str)
each_name = pytest.mark.parametrize("name", _core.optimizers)


def test_every_optimizer_has_a_formula():
    assert set(_core.optimizers) == set(reference.optimizers)


def draw(optimizer, dtype, shapes=((17, 33), (1,), (8,), (257,)), seed=0):
    """Return parameters, gradients of several steps, and a state of zeros."""
    rng = np.random.default_rng(seed)
    parameters = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    steps = [[rng.normal(size=s).astype(dtype) for s in shapes] for _ in range(20)]
    slots = _core.optimizers[optimizer[0]](*optimizer[1]).slots
    return parameters, steps, [np.zeros(s, dtype) for s in shapes * slots]


def update(optimizer, parameters, gradients, state, alphas, rate, step):
    rule = _core.optimizers[optimizer[0]](*optimizer[1])
    _core.update(
        rule, parameters, gradients, state, alphas, learning_rate=rate, step=step
    )


@each_case
def test_steps(optimizer, dtype):
    """Twenty steps with a penalty on some arrays and a rate that changes."""
    parameters, steps, state = draw(optimizer, dtype)
    alphas = [0.1, 0.0, 0.3, 0.0]
    right = [p.astype(float) for p in parameters]
    slots = reference.optimizers[optimizer[0]][0]
    right_state = [np.zeros(p.shape) for p in parameters * slots]
    for step, gradients in enumerate(steps, start=1):
        rate = 0.01 / step
        update(optimizer, parameters, gradients, state, alphas, rate, step)
        sums = [
            g.astype(float) + alpha * w
            for g, alpha, w in zip(gradients, alphas, right, strict=True)
        ]
        reference.update(optimizer, right, sums, right_state, rate, step)
    bound = 1e-13 if dtype == np.float64 else 2e-6
    assert max(map(reference.relative_error, parameters, right)) <= bound
    assert len(state) in (0, len(right_state))
    for found, expected in zip(state, right_state, strict=False):
        assert reference.relative_error(found, expected) <= bound


@each_case
@pytest.mark.parametrize(
    "step", [50, 121, 200, 260, 381, 12_001, 26_000, 38_001, 10**9]
)
def test_step_after_many(optimizer, dtype, step):
    """Corrections for the start of Adam's moments count until rounding loses them."""
    parameters, (gradients, *_), state = draw(optimizer, dtype)
    for array in parameters:
        array[:] = 0  # so that what is compared is the step itself
    right = [p.astype(float) for p in parameters]
    right_state = [s.astype(float) for s in state]
    update(optimizer, parameters, gradients, state, [0.0] * 4, 0.01, step)
    reference.update(
        optimizer, right, [g.astype(float) for g in gradients], right_state, 0.01, step
    )
    bound = 1e-14 if dtype == np.float64 else 2e-6
    assert max(map(reference.relative_error, parameters, right)) <= bound


@each_case
def test_elementwise(optimizer, dtype):
    """A number's bits do not depend on its neighbours or its place."""
    (whole, *_), steps, _ = draw(optimizer, dtype, shapes=((37,),))
    pieces = [whole[:1].copy(), whole[1:20].copy(), whole[20:].copy()]
    states = (
        draw(optimizer, dtype, ((37,),))[2],
        draw(optimizer, dtype, ((1,), (19,), (17,)))[2],
    )
    for step, (g,) in enumerate(steps, start=1):
        update(optimizer, [whole], [g], states[0], [0.2], 0.01, step)
        parts = [g[:1].copy(), g[1:20].copy(), g[20:].copy()]
        update(optimizer, pieces, parts, states[1], [0.2] * 3, 0.01, step)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@each_case
def test_gradients_are_not_modified(optimizer, dtype):
    parameters, (gradients, *_), state = draw(optimizer, dtype)
    copies = [g.copy() for g in gradients]
    for g in gradients:
        g.flags.writeable = False
    update(optimizer, parameters, gradients, state, [0.5] * 4, 0.1, 1)
    for g, copy in zip(gradients, copies, strict=True):
        np.testing.assert_array_equal(g, copy)


@each_case
def test_rate_zero_changes_nothing(optimizer, dtype):
    parameters, steps, state = draw(optimizer, dtype)
    copies = [p.copy() for p in parameters]
    for step, gradients in enumerate(steps, start=1):
        update(optimizer, parameters, gradients, state, [0.1] * 4, 0.0, step)
    for p, copy in zip(parameters, copies, strict=True):
        np.testing.assert_array_equal(p, copy)


@each_case
def test_goes_downhill(optimizer):
    """Each finds the minimum of a bowl."""
    target = np.arange(5.0)
    w = np.zeros(5)
    state = draw(optimizer, np.float64, ((5,),))[2]
    for step in range(1, 2001):
        update(optimizer, [w], [w - target], state, [0.0], 20 / (1000 + step), step)
    np.testing.assert_allclose(w, target, atol=0.05)


def test_first_step_of_adam_has_the_length_of_the_rate(dtype):
    (w, *_), ((g, *_), *_), _ = draw(("adam", ()), dtype, ((99,),))
    before, state = w.copy(), [np.zeros(99, dtype), np.zeros(99, dtype)]
    update(("adam", ()), [w], [1e3 * g], state, [0.0], 0.01, 1)
    np.testing.assert_allclose(before - w, 0.01 * np.sign(g), rtol=1e-3)


def steps_of_adam(squares):
    """Return 1 / (sqrt(squares) + epsilon), and the epsilon, the smallest there is."""
    w, gradient = np.zeros_like(squares), np.zeros_like(squares)
    state = [np.full_like(squares, 2), 2 * squares]  # to be halved
    update(("adam", (0.5, 0.5, 5e-324)), [w], [gradient], state, [0.0], 1.0, 1000)
    dtype = squares.dtype.type
    return -w, np.sqrt(np.finfo(dtype).tiny / dtype(0.5))


def nearest_to_midpoints(digits):
    """Return squares in [1, 4) whose roots lie nearest to the midpoint of two numbers.

    With numbers of so many digits as whole ones, midpoints are halves of odd x, and a
    root is near one where 4 a = x^2 + d for a small d = 7 modulo 8: so x is a square
    root of -d modulo a power of two, found digit by digit.
    """
    found = []
    for d in range(-49, 50, 8):
        for bits in (digits + 1, digits + 2):
            x, whole = 1, 1 << bits
            for i in range(3, bits):
                if (x * x + d) >> i & 1:
                    x += 1 << (i - 1)
            for root in {y % whole for y in (x, -x, x + whole // 2, whole // 2 - x)}:
                square, lowest = (root * root + d) // 4, 1 << digits + bits - 3
                if root >> digits == 1 and lowest <= square < 2 * lowest:
                    found.append(square / 2 ** (2 * digits - 2))
    return found


def draw_squares(dtype, size=200_000):
    """Return numbers of every magnitude, and those whose roots are hard to round.

    Those of a magnitude side by side, as all in a register take the same way.
    """
    info, rng = np.finfo(dtype), np.random.default_rng(0)
    exponents = rng.integers(info.minexp, info.maxexp - 2, size)
    every = np.sort(np.ldexp(rng.uniform(1, 2, size).astype(dtype), exponents))
    k = np.arange(2000) * info.eps
    ends = [1 + k, 2 - k, 4 - 2 * k, 2 + 2 * k]
    hard = np.unique(nearest_to_midpoints(info.nmant + 1))
    assert len(hard) > 15
    return np.concatenate([every, rng.uniform(1, 4, size), *ends, hard]).astype(dtype)


def test_roots_of_adam_are_those_of_ieee_754(dtype):
    """Bit by bit, on every level: a later step takes nothing else that could differ."""
    squares = draw_squares(dtype)
    found, epsilon = steps_of_adam(squares)
    np.testing.assert_array_equal(found, 1 / (np.sqrt(squares) + epsilon))


def test_squares_that_are_no_positive_numbers(dtype):
    """Beside each other and beside one, each takes its own step."""
    squares = np.array([0, -0.0, np.inf, np.nan, -1, 1, 0, 0], dtype)
    for rows in (squares, np.delete(squares, [2, 3, 4]), *squares[:, None]):
        found, epsilon = steps_of_adam(rows)
        with np.errstate(invalid="ignore"):
            right = 1 / (np.sqrt(rows) + epsilon)
        np.testing.assert_array_equal(found, right)


def test_sgd_without_momentum_is_the_gradient_step(dtype):
    """To the bit: a rate of one half makes the product exact."""
    for nesterov in (False, True):
        optimizer = ("sgd", (0.0, nesterov))
        (w, *_), ((g, *_), *_), state = draw(optimizer, dtype, ((99,),))
        before = w.copy()
        update(optimizer, [w], [g], state, [0.0], 0.5, 1)
        np.testing.assert_array_equal(w, before - dtype.type(0.5) * g)


@each_name
def test_nan_gradient_stays_in_its_place(name, dtype):
    (w, *_), ((g, *_), *_), state = draw((name, ()), dtype, ((40,),))
    g[7] = np.nan
    update((name, ()), [w], [g], state, [0.0], 0.1, 1)
    np.testing.assert_array_equal(np.isnan(w), np.arange(40) == 7)


@pytest.mark.parametrize(
    ("name", "bad", "named"),
    [
        ("sgd", {"momentum": -0.1}, "momentum"),
        ("sgd", {"momentum": 1.1}, "momentum"),
        ("sgd", {"momentum": np.nan}, "momentum"),
        ("adam", {"beta_1": 1.0}, "beta_1"),
        ("adam", {"beta_2": -0.1}, "beta_2"),
        ("adam", {"epsilon": 0.0}, "epsilon"),
    ],
)
def test_bad_values_are_named(name, bad, named):
    with pytest.raises(ValueError, match=named):
        _core.optimizers[name](**bad)


@each_name
def test_arrays_that_do_not_fit_are_refused(name, dtype):
    other = "f4" if dtype == np.float64 else "f8"
    parameters, (gradients, *_), state = draw((name, ()), dtype)
    frozen = [p.copy() for p in parameters]
    for p in frozen:
        p.flags.writeable = False
    alphas = [0.0] * 4
    for bad in [
        (parameters[1:], gradients, state, alphas),
        (parameters, gradients[1:], state, alphas),
        (parameters, gradients[::-1], state, alphas),
        (parameters, gradients, state[1:], alphas),
        (parameters, gradients, state, alphas[1:]),
        (parameters, [g.astype(other) for g in gradients], state, alphas),
        (frozen, gradients, state, alphas),
    ]:
        with pytest.raises((ValueError, TypeError)):
            update((name, ()), *bad, 0.1, 1)


def test_smallest_epsilon(dtype):
    """It keeps 0 / 0 away, and steps short where squares become zero."""
    g = np.sqrt(np.finfo(dtype).tiny) * np.array([0, 0.01, 0.1, 1, 10], dtype)
    w, m, v = np.ones(5, dtype), np.zeros(5, dtype), np.zeros(5, dtype)
    update(("adam", (0.9, 0.999, 5e-324)), [w], [g], [m, v], [0.0], 0.01, 1)
    assert not v[:3].any()
    assert w[0] == 1
    np.testing.assert_allclose(w, 1, atol=0.011)
