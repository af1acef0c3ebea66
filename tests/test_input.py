"""How the core reads X: sparse matrices, chosen rows, numbers that are not finite."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import sparse

layers = [("dense", (37, 19)), ("tanh", ()), ("dense", (19, 3))]


def draw(n=130, dtype="float64"):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, 37)) * (rng.random((n, 37)) < 0.2)
    return x.astype(dtype), rng.normal(size=(n, 3)).astype(dtype)


def csr(x, index):
    x = sparse.csr_array(x)
    x.indices, x.indptr = x.indices.astype(index), x.indptr.astype(index)
    return x


@pytest.fixture
def net(core, dtype):
    network = core(layers, dtype, 2)
    return network, network.draw(np.random.default_rng(0))


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("values", ["float32", "float64"])
def test_sparse_predictions_are_the_dense_ones(net, dtype, index, values):
    network, parameters = net
    x, _ = draw(dtype="float32")  # the same numbers in either precision
    found = network.predict(csr(x.astype(values), index), parameters)
    np.testing.assert_array_equal(found, network.predict(x.astype(dtype), parameters))


def test_entries_of_one_place_add_up(net, dtype):
    network, parameters = net
    twice = sparse.csr_array(
        (np.array([1.0, 2.0, 4.0], dtype), np.array([5, 5, 36]), np.array([0, 2, 3])),
        shape=(2, 37),
    )
    found = network.predict(twice, parameters)
    np.testing.assert_array_equal(found, network.predict(twice.toarray(), parameters))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_training_on_sparse_rows_is_training_on_dense_ones(core, dtype, n_threads):
    x, target = draw(dtype=dtype)
    order = np.random.default_rng(2).permutation(len(target))
    results = [
        core(layers, dtype, n_threads).after_epochs(data, target, [order], 32)
        for data in (x, csr(x, np.int32))
    ]
    for dense, sparse_ in zip(*results, strict=True):
        np.testing.assert_array_equal(dense, sparse_)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("indices", np.array([37, 0], np.int32)),
        ("indices", np.array([-1, 0], np.int32)),
        ("indptr", np.array([0, 2, 1], np.int32)),
        ("indptr", np.array([0, 1, 9], np.int32)),
        ("indptr", np.array([0, 2], np.int32)),
        ("data", np.array([1.0])),
    ],
)
def test_sparse_matrices_that_lie_are_refused(core, field, value):
    class Csr:
        format, shape = "csr", (2, 37)
        data = np.array([1.0, 2.0])
        indices = np.array([3, 4], np.int32)
        indptr = np.array([0, 1, 2], np.int32)

    network = core(layers)
    parameters = network.draw(np.random.default_rng(0))
    network.predict(Csr(), parameters)
    setattr(Csr, field, value)
    with pytest.raises(ValueError, match="x"):
        network.predict(Csr(), parameters)


def test_other_formats_and_columns_are_refused(net):
    network, parameters = net
    x, _ = draw()
    with pytest.raises(TypeError, match="x must be a NumPy array or a CSR matrix"):
        network.predict(sparse.csc_array(x), parameters)
    with pytest.raises(ValueError, match=r"\(n, 37\), got \(130, 36\)"):
        network.predict(sparse.csr_array(x[:, :36]), parameters)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_chosen_rows(core, dtype, form, n_threads):
    network = core(layers, dtype, n_threads)
    parameters = network.draw(np.random.default_rng(0))
    x, _ = draw(500, dtype)
    rows = np.random.default_rng(1).integers(500, size=333)
    everything = network.predict(x, parameters)
    found = network.predict(form(x), parameters, rows=rows)
    np.testing.assert_array_equal(found, everything[rows])
    none = network.predict(form(x), parameters, rows=rows[:0])
    assert none.shape == (0, 3)


@pytest.mark.parametrize("n_in", [1, 5, 16, 17, 40, 300])
@pytest.mark.parametrize("n_out", [1, 3, 12, 36])
@pytest.mark.parametrize("n", [1, 7, 50])
def test_rows_read_in_place(core, dtype, n_in, n_out, n):
    """Rows that lie as products take them are not gathered, and nobody can tell."""
    network = core([("dense", (n_in, n_out)), ("relu", ())], dtype, 1)
    parameters = network.draw(np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(n, n_in)).astype(dtype)
    gathered = network.predict(x, parameters, rows=np.arange(n))
    frame = np.full((n + 2, n_in + 5), np.nan, dtype)
    within = frame[1:-1, 2:-3]
    within[...] = x
    forms = [x, within, within[::-1].copy()[::-1], np.repeat(x, 2, axis=0)[::2]]
    for form in forms:
        found = network.predict(form, parameters, check_finite=True)
        np.testing.assert_array_equal(found, gathered)
    same = np.broadcast_to(x[:1], x.shape)
    found = network.predict(same, parameters, check_finite=True)
    np.testing.assert_array_equal(found, np.broadcast_to(gathered[:1], found.shape))
    for place in [(0, 0), (n // 2, n_in // 2), (n - 1, n_in - 1)]:
        within[...] = x
        within[place] = np.inf
        with pytest.raises(ValueError, match="x must hold finite numbers"):
            network.predict(within, parameters, check_finite=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mprotect")
def test_nothing_behind_x_and_weights_is_read(run_python):
    """They end where a page begins that nobody may read."""
    result = run_python(
        """
import ctypes, mmap
import numpy as np
from conftest import Core

page, pages = mmap.PAGESIZE, 24
memory = mmap.mmap(-1, pages * page + page)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
protect = ctypes.CDLL(None, use_errno=True).mprotect
protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
assert protect(address + pages * page, page, 0) == 0
for dtype in ("float32", "float64"):
    numbers = np.frombuffer(memory, dtype)[: pages * page // np.dtype(dtype).itemsize]
    for n_in in (1, 5, 16, 17, 36, 300):
        for n_out in (1, 3, 7, 16, 19, 31, 32, 36):
            network = Core([("dense", (n_in, n_out))], dtype, 1)
            parameters = network.draw(np.random.default_rng(0))
            for n in (1, 3, 7, 13):
                x = numbers[-n * n_in :].reshape(n, n_in)
                network.predict(x, parameters, check_finite=True)
                network.predict(x, parameters, rows=np.arange(n))
                weights = numbers[-n_in * n_out :].reshape(n_in, n_out)
                network.predict(x.copy(), [weights, parameters[1]])
print("done")
"""
    )
    assert result.stdout == "done\n", result.stderr


@pytest.mark.parametrize("row", [-1, 130])
def test_rows_that_are_not_there_are_refused(net, row):
    network, parameters = net
    with pytest.raises(ValueError, match="rows must hold row numbers from 0 to 129"):
        network.predict(draw()[0], parameters, rows=np.array([3, row]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (129, 36), (70, 16)])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_numbers_that_are_not_finite(net, dtype, bad, place, form):
    network, parameters = net
    x, _ = draw(dtype=dtype)
    network.predict(form(x), parameters, check_finite=True)
    x[place] = bad
    with pytest.raises(ValueError, match="x must hold finite numbers"):
        network.predict(form(x), parameters, check_finite=True)
    rows = np.delete(np.arange(130), place[0])
    network.predict(form(x), parameters, check_finite=True, rows=rows)
