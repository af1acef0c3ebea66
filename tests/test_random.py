"""Philox, dropout's masks as a pure function of it, and what NumPy's generators draw."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

import reference
from fastmlp import _core, _random
from fastmlp._random import shuffle, uniform

# Counter, key and words of the known answer test of Random123 (Salmon et al. 2011).
answers = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "expected"), answers)
def test_reference_gives_known_answers(counter, key, expected):
    found = reference.philox(words(counter), words(key))
    assert [int(word) for word in found] == words(expected)


def kept(core, rate, shape, seed=0, step=0, layer=0, dtype="float64", n_threads=1):
    """Return the core's mask: what a network of unit weights lets through of ones."""
    n = shape[1]
    layers = [("identity", ())] * layer + [("dropout", (rate,)), ("dense", (n, n))]
    if layer:
        layers = [("dense", (n, n)), *layers[1:]]
    net = core(layers, dtype, n_threads)
    unit = [np.eye(n, dtype=net.dtype), np.zeros(n, net.dtype)]
    ones = np.ones(shape, net.dtype)
    output, _ = net.forward(ones, unit * (len(net.slices) // 2), True, seed, step)
    return output


def test_core_gives_the_known_answer(core):
    """A unit is dropped from the very rate on at which its word is reached."""
    for unit, word in enumerate(words(answers[0][2])):
        assert kept(core, word / 2**32, (1, 4))[0, unit] > 0
        assert kept(core, (word + 1) / 2**32, (1, 4))[0, unit] == 0


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    ("seed", "step", "layer"),
    [(0, 0, 0), (1, 0, 1), (2**32, 7, 2), (2**64 - 1, 2**32 - 1, 3), (2**63 + 5, 1, 1)],
)
def test_masks_are_the_published_function(core, rate, seed, step, layer, dtype):
    shape = 131, 37
    output = kept(core, rate, shape, seed, step, layer, dtype, n_threads=2)
    expected = reference.kept(rate, shape, seed, step, layer)
    np.testing.assert_array_equal(output != 0, expected)
    scale = dtype.type(1 / (1 - rate))
    np.testing.assert_allclose(output[expected], scale, rtol=np.finfo(dtype).eps)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.8])
def test_share_of_kept_units(core, rate):
    shape = 1000, 256
    share = np.mean(kept(core, rate, shape, seed=3) != 0)
    sigma = np.sqrt(rate * (1 - rate) / np.prod(shape))
    assert abs(share - (1 - rate)) < 4 * sigma


def test_masks_differ_by_seed_step_layer_row_and_unit(core):
    def mask(**key):
        return kept(core, 0.5, (64, 64), **key) != 0

    first = mask(seed=1, step=1, layer=1)
    sigma = 0.5 / 64
    for other in (
        mask(seed=2, step=1, layer=1),
        mask(seed=1 + 2**32, step=1, layer=1),
        mask(seed=1, step=2, layer=1),
        mask(seed=1, step=1, layer=2),
        np.roll(first, 1, axis=0),
        np.roll(first, 1, axis=1),
        np.roll(first, 4, axis=1),
    ):
        assert abs(np.mean(first != other) - 0.5) < 4 * sigma


def test_a_row_keeps_its_mask_in_a_larger_batch(core):
    small, large = (kept(core, 0.5, (n, 20), seed=9) for n in (5, 400))
    np.testing.assert_array_equal(small, large[:5])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 255, 256, 257, 1000, 4096, 10000])
def test_shuffles_as_numpy_does(n):
    ours, numpys = np.random.RandomState(n), np.random.RandomState(n)
    found, expected = np.arange(n), np.arange(n)
    for _ in range(3):
        shuffle(ours, found)
        numpys.shuffle(expected)
        np.testing.assert_array_equal(found, expected)
    assert ours.randint(2**31) == numpys.randint(2**31)  # as many draws


def test_shuffles_from_any_place_in_the_twister():
    assert _random._knows_twister()
    for drawn in [0, 1, 300, 622, 623, 624, 625, 1500]:
        ours, numpys = np.random.RandomState(drawn), np.random.RandomState(drawn)
        assert ours.bytes(4 * drawn) == numpys.bytes(4 * drawn)
        found, expected = np.arange(700), np.arange(700)
        shuffle(ours, found)
        numpys.shuffle(expected)
        np.testing.assert_array_equal(found, expected)
        for part, other in zip(ours.get_state(), numpys.get_state(), strict=True):
            np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.MT19937])
def test_shuffles_from_any_generator_by_calls(generator, monkeypatch):
    monkeypatch.setattr(_random, "_knows_twister", lambda: False)
    ours, numpys = (np.random.RandomState(generator(3)) for _ in range(2))
    found, expected = np.arange(1000), np.arange(1000)
    shuffle(ours, found)
    numpys.shuffle(expected)
    np.testing.assert_array_equal(found, expected)
    assert ours.randint(2**31) == numpys.randint(2**31)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (np.frombuffer(np.arange(9).tobytes(), np.int64), "order must be writable"),
        (np.arange(18)[::2], "order must be C-contiguous"),
        (np.arange(9, dtype=np.int32), "order must have the dtype int64, got int32"),
        (np.zeros((3, 3), np.int64), r"order must have the shape \(n,\), got \(3, 3\)"),
    ],
)
def test_an_order_that_cannot_be_shuffled_in_place(order, message):
    generator = np.random.MT19937(0)
    before = order.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        _core.shuffle(order, generator.capsule, mersenne_twister=True)
    np.testing.assert_array_equal(order, before)


def test_another_state_is_not_taken_for_a_twister():
    generator = np.random.MT19937(0)
    state = generator.state["state"]
    assert _core.holds_words(generator.capsule, state["key"], state["pos"])
    assert not _core.holds_words(generator.capsule, state["key"], state["pos"] + 1)
    assert not _core.holds_words(generator.capsule, state["key"] + 1, state["pos"])


def test_shuffles_by_a_subclass_as_it_says():
    class Reversing(np.random.RandomState):
        def shuffle(self, x):
            x[:] = x[::-1].copy()

    order = np.arange(5)
    shuffle(Reversing(0), order)
    np.testing.assert_array_equal(order, [4, 3, 2, 1, 0])


@pytest.mark.parametrize("drawn", [0, 1, 300, 622, 623, 624, 625, 1500])
@pytest.mark.parametrize("shape", [(0,), (1,), (311,), (312,), (313,), (30, 41)])
def test_uniform_numbers_are_numpys(drawn, shape, dtype):
    """From any place in the twister, and it stands where NumPy would leave it."""
    ours, numpys = np.random.RandomState(drawn), np.random.RandomState(drawn)
    assert ours.bytes(4 * drawn) == numpys.bytes(4 * drawn)
    for bound in (1e-3, 0.7, np.sqrt(6 / 128)):
        found = uniform(ours, bound, shape, dtype)
        expected = numpys.uniform(-bound, bound, shape).astype(dtype)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)
    for part, other in zip(ours.get_state(), numpys.get_state(), strict=True):
        np.testing.assert_array_equal(part, other)


def test_the_core_draws_wherever_numpy_rounds_twice():
    x = np.random.RandomState(0).random_sample(1000)
    rounded_twice = -0.1 + 0.2 * x
    numbers = np.random.RandomState(0).uniform(-0.1, 0.1, x.size)
    assert _random._draws_alike() == np.array_equal(numbers, rounded_twice)


class Halving(np.random.RandomState):
    def uniform(self, low, high, size):
        return super().uniform(low / 2, high / 2, size)


@pytest.mark.parametrize("kind", ["another generator", "a subclass", "not alike"])
def test_uniform_numbers_of_any_generator(kind, dtype, monkeypatch):
    def make():
        match kind:
            case "another generator":
                return np.random.RandomState(np.random.PCG64(3))
            case "a subclass":
                return Halving(3)
        return np.random.RandomState(3)

    if kind == "not alike":
        monkeypatch.setattr(_random, "_draws_alike", lambda: False)
    found = uniform(make(), 0.3, (20, 30), dtype)
    expected = make().uniform(-0.3, 0.3, (20, 30)).astype(dtype)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("position", [-1, 625, 1000])
def test_refuses_an_impossible_place_in_the_twister(position):
    random_state = np.random.RandomState(0)
    name, words, *_ = random_state.get_state()
    random_state.set_state((name, words, position))
    match = rf"position in a Mersenne twister must be in \[0, 624\], got {position}"
    with pytest.raises(ValueError, match=match):
        shuffle(random_state, np.arange(10))
    with pytest.raises(ValueError, match=match):
        uniform(random_state, 1.0, (3,), "float64")


def test_refuses_what_it_cannot_draw():
    generator = np.random.MT19937(0)
    capsule = generator.capsule
    with pytest.raises(
        TypeError, match="numbers must have the dtype float32 or float64"
    ):
        _core.uniform(np.zeros(3, "int32"), 0.0, 1.0, capsule)
    with pytest.raises(ValueError, match="numbers must have the shape"):
        _core.uniform(np.zeros((3, 2)), 0.0, 1.0, capsule)
    with pytest.raises(
        TypeError, match="capsule must be that of a NumPy bit generator"
    ):
        _core.uniform(np.zeros(3), 0.0, 1.0, dt.datetime_CAPI)
