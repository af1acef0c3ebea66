"""`Sequential`: layers in a row, the arrays they read and write, forward and backward."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.utils import check_random_state

from . import _aligned, _core
from ._threads import effective_n_threads
from .initializers import _draw


def _as_floats(values: ArrayLike, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array that the core reads, the same one wherever it can."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.dtype not in _core.networks:  # integers, float16, foreign byte order
        array = array.astype(dtype)
    return np.require(array, requirements=["ALIGNED"])


def _views(
    shapes: dict[str, tuple[int, ...]], dtype: np.dtype[Any]
) -> dict[str, NDArray[Any]]:
    """Return arrays of zeros that lie one after the other in one aligned block."""
    sizes = [prod(shape) for shape in shapes.values()]
    ends = np.cumsum(sizes, dtype=np.intp)
    parts = np.split(_aligned.zeros((sum(sizes),), dtype), ends[:-1])
    return {
        name: part.reshape(shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=False)
    }


class Sequential:
    """Layers one after the other, with their parameters and gradients.

    Parameters
    ----------
    layers : iterable of layers
        `Dense`, `BatchNorm`, `Dropout` and activations, in order.
    dtype : {"float32", "float64"}, default="float32"
        The precision of the parameters and of all computing.
    random_state : int, RandomState or None, default=None
        Source of the weights and dropout masks. Dense layers start as scikit-learn's MLP
        draws them (`fastmlp.initializers.sklearn`; as for its "logistic" where one of
        the layers is a `Sigmoid`), batch norm as the identity.
    n_threads : int or None, default=None
        The most threads to use, as in `fastmlp.MLPClassifier`; results do not depend on
        it.

    Attributes
    ----------
    layers : list
        The layers. Arrays are named by their index here: ``"0.weight"``.
    dtype : dtype
    n_threads : int or None

    Raises
    ------
    TypeError
        Where one of `layers` is not a layer.
    ValueError
        Where there is no layer with a width, the widths of two neighbours differ, or the
        dtype is unknown.

    Examples
    --------
    The four equations of backpropagation [1]_, by hand, against `backward`. The error
    of the output, of the hidden layer, and the gradients of biases and weights:

    >>> import numpy as np
    >>> from fastmlp import nn
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(8, 3)), rng.integers(2, size=8)
    >>> layers = [nn.Dense(3, 4), nn.Sigmoid(), nn.Dense(4, 2)]
    >>> net = nn.Sequential(layers, dtype="float64", random_state=0)
    >>> w = net.parameters()
    >>> a = 1 / (1 + np.exp(-(x @ w["0.weight"] + w["0.bias"])))
    >>> value, d2 = nn.SoftmaxCrossEntropy()(net.forward(x), y)  # 1: dL/dz
    >>> d1 = (d2 @ w["2.weight"].T) * a * (1 - a)  # 2: the error, one layer back
    >>> dx = net.backward(d2)
    >>> g = net.gradients()
    >>> bool(np.allclose(g["0.bias"], d1.sum(axis=0)))  # 3
    True
    >>> bool(np.allclose(g["0.weight"], x.T @ d1))  # 4
    True

    References
    ----------
    .. [1] D. Rumelhart, G. Hinton and R. Williams, "Learning representations by
       back-propagating errors", Nature 323, 1986.
    """

    def __init__(
        self,
        layers: Iterable[Any],
        dtype: DTypeLike = "float32",
        random_state: int | np.random.RandomState | None = None,
        *,
        n_threads: int | None = None,
    ) -> None:
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a list of layers, got {layers!r}")
        self.layers = list(layers)
        self.dtype = _check_dtype(dtype)
        self.n_threads = n_threads
        self._allocate()

        source = check_random_state(random_state)
        logistic = _core.activations["logistic"]
        has_logistic = any(isinstance(layer, logistic) for layer in self.layers)
        activation = "logistic" if has_logistic else "identity"
        drawn = _draw(self._network.slices, "sklearn", activation, source, self.dtype)
        for array, values in zip(self._arrays(), drawn, strict=True):
            array[...] = values
        has_dropout = any(isinstance(layer, _core.nn.Dropout) for layer in self.layers)
        self._seed = (
            int(source.randint(2**63 - 1, dtype=np.int64)) if has_dropout else 0
        )
        self._training_forwards = 0  # the step that dropout masks are drawn for

    def _allocate(self) -> None:
        """Make the network and its blocks of zeros."""
        try:
            self._network = _core.networks[self.dtype](self.layers)
        except TypeError as error:
            msg = f"layers must be layers of fastmlp.nn, got {self.layers!r}"
            raise TypeError(msg) from error
        slices = self._network.slices
        trainable = {name: shape for name, shape, learnt in slices if learnt}
        fixed = {name: shape for name, shape, learnt in slices if not learnt}
        self._parameters = _views(trainable, self.dtype)
        self._gradients = _views(trainable, self.dtype)
        self._buffers = _views(fixed, self.dtype)
        self._workspace: Any = None

    def _arrays(self) -> list[NDArray[Any]]:
        """Return parameters and buffers in the network's order."""
        named = self._parameters | self._buffers
        return [named[name] for name, _, _ in self._network.slices]

    def forward(self, x: ArrayLike, training: bool = False) -> NDArray[Any]:
        """Compute the outputs, and keep what `backward` needs.

        Parameters
        ----------
        x : array-like of shape (n_rows, in_features)
            Real numbers; float32 and float64 arrays are not copied. Kept in use until
            `backward`: do not change it in between.
        training : bool, default=False
            Whether batch norm uses the statistics of these rows (and updates the running
            ones), and dropout drops.

        Returns
        -------
        ndarray of shape (n_rows, out_features)
            The raw outputs, as the losses take them: no softmax, no logistic.

        Raises
        ------
        TypeError
            Where x does not hold real numbers.
        ValueError
            Where its shape is not (n_rows, in_features).
        """
        output, self._workspace = self._network.forward(
            _as_floats(x, "x", self.dtype),
            self._arrays(),
            training=bool(training),
            seed=self._seed,
            step=self._training_forwards,
            n_threads=effective_n_threads(self.n_threads),
        )
        self._training_forwards += bool(training)
        return output

    def backward(self, gradient: ArrayLike) -> NDArray[Any]:
        """Compute the gradients of the parameters; `gradients` shows them.

        They belong to the last `forward`, and replace those of the last `backward`.

        Parameters
        ----------
        gradient : array-like of shape (n_rows, out_features)
            The gradient of the loss with respect to the outputs, as a loss returns it.

        Returns
        -------
        ndarray of shape (n_rows, in_features)
            The gradient of the loss with respect to x.

        Raises
        ------
        RuntimeError
            Before the first `forward`.
        TypeError, ValueError
            Where `gradient` does not hold real numbers, or its shape is not that of the
            outputs.
        """
        if self._workspace is None:
            raise RuntimeError("backward needs a forward before it: net.forward(x)")
        gradient = _as_floats(gradient, "gradient", self.dtype)
        return self._network.backward(
            np.ascontiguousarray(gradient, dtype=self.dtype),
            list(self._gradients.values()),
            self._workspace,
            n_threads=effective_n_threads(self.n_threads),
        )

    def predict(self, x: ArrayLike, loss: Any) -> NDArray[Any]:
        """Compute predictions: inference, then the inverse link of a loss.

        Parameters
        ----------
        x : array-like of shape (n_rows, in_features)
            As in `forward`, but of any length: memory is bounded, nothing is kept.
        loss : a loss
            `SoftmaxCrossEntropy` gives probabilities that add up to one,
            `BinaryCrossEntropy` one for each output, `SquaredError` the outputs.

        Returns
        -------
        ndarray of shape (n_rows, out_features)

        Raises
        ------
        TypeError, ValueError
            As in `forward`; TypeError where `loss` is not a loss.
        """
        return self._network.predict(
            _as_floats(x, "x", self.dtype),
            self._arrays(),
            _check_loss(loss),
            n_threads=effective_n_threads(self.n_threads),
        )

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Return what is learnt: name -> writable view, the same memory every time.

        ``"i.weight"``, shape (in_features, out_features), and ``"i.bias"`` of the dense
        layer at index i; ``"i.scale"`` and ``"i.shift"`` (gamma and beta) of batch norm.
        All lie in one contiguous block.
        """
        return dict(self._parameters)

    def gradients(self) -> dict[str, NDArray[Any]]:
        """Return the gradients of `parameters`, under their names; zero at first."""
        return dict(self._gradients)

    def buffers(self) -> dict[str, NDArray[Any]]:
        """Return batch norm's running ``"i.mean"`` and ``"i.variance"`` (biased)."""
        return dict(self._buffers)

    def __getstate__(self) -> dict[str, Any]:
        state = {
            name: value
            for name, value in vars(self).items()
            if name in ("layers", "dtype", "n_threads", "_seed", "_training_forwards")
        }
        return state | {"arrays": [array.copy() for array in self._arrays()]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        arrays = state.pop("arrays")
        vars(self).update(state)
        self._allocate()
        for array, values in zip(self._arrays(), arrays, strict=True):
            array[...] = values


def _check_dtype(dtype: Any) -> np.dtype[Any]:
    with suppress(TypeError):
        found: np.dtype[Any] = np.dtype(dtype)
        if dtype is not None and found in _core.networks:
            return found
    known = ", ".join(sorted(known.name for known in _core.networks))
    raise ValueError(f"dtype must be one of {known}, got {dtype!r}")


def _check_loss(loss: Any) -> Any:
    kinds = tuple(_core.losses.values())
    if not isinstance(loss, kinds):
        known = ", ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"loss must be an instance of one of {known}, got {loss!r}")
    return loss
