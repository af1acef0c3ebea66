"""Between an estimator and the core: its parameters to layers, its arrays to slices."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _aligned, _core
from ._core import nn
from ._sklearn_compat import StrOptions

ActivationLike: TypeAlias = str | tuple[str, dict[str, Any]]
Slices: TypeAlias = list[tuple[str, tuple[int, ...], bool]]
# Widths, activation, batch norm, dropout.
NetworkSettings: TypeAlias = tuple[tuple[int, ...], ActivationLike, bool | str, float]

# The core's name for a kind of parameter array -> the attribute that lists them.
_attributes = {
    "weight": "coefs_",
    "bias": "intercepts_",
    "scale": "batch_norm_scale_",
    "shift": "batch_norm_shift_",
    "mean": "batch_norm_mean_",
    "variance": "batch_norm_var_",
}


_READABLE: tuple[Literal["C", "A"], ...] = ("C", "A")
_WRITABLE: tuple[Literal["C", "A", "W"], ...] = ("C", "A", "W")


class Member(StrOptions):
    """A constraint: a registered name, or a pair of it and a dict of its parameters."""

    def is_satisfied_by(self, val: object) -> bool:
        match val:
            case (name, dict()) if isinstance(val, tuple):
                return super().is_satisfied_by(name)
        return super().is_satisfied_by(val)

    def __str__(self) -> str:
        return f"{super().__str__()}, a tuple (such a str, dict of its parameters)"


def member_name(member: ActivationLike) -> str:
    """Return the registered name in ``name`` or ``(name, parameters)``."""
    return member if isinstance(member, str) else member[0]


def make_activation(activation: ActivationLike) -> Any:
    """Return the activation layer for ``name`` or ``(name, parameters)``.

    Raises
    ------
    TypeError
        Where it has no parameter of that name, or the value is not a number.
    ValueError
        Where the value of a parameter is out of its range.
    """
    parameters = {} if isinstance(activation, str) else activation[1]
    _check_settings(activation)
    return _core.activations[member_name(activation)](**parameters)


def _check_settings(activation: ActivationLike) -> None:
    name = member_name(activation)
    parameters = {} if isinstance(activation, str) else activation[1]
    fields = vars(_core.activations[name]).items()
    known = [field for field, value in fields if isinstance(value, property)]
    for field, value in parameters.items():
        if field not in known:
            raise TypeError(
                f"activation={activation!r}: {name!r} has no parameter {field!r}; "
                f"known: {', '.join(known) or 'none'}"
            )
        if not isinstance(value, Real):
            raise TypeError(
                f"activation={activation!r}: {field!r} must be a number, got {value!r}"
            )


def check_hidden_layer_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Return the widths of the hidden layers as a list of Python's integers."""
    sizes = hidden_layer_sizes
    if not hasattr(sizes, "__iter__"):
        sizes = [sizes]
    try:
        sizes = [operator.index(size) for size in sizes]
    except TypeError as error:
        msg = f"hidden_layer_sizes must hold integers > 0, got {hidden_layer_sizes!r}"
        raise TypeError(msg) from error
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return sizes


def make_network(
    widths: Sequence[int],
    activation: ActivationLike,
    batch_norm: bool | str,
    dropout: float,
    dtype: np.dtype[Any],
) -> Any:
    """Return the core's network: dense layers of these widths, hidden ones activated.

    Parameters
    ----------
    widths : sequence of int
        Features, hidden layers, outputs.
    activation, batch_norm, dropout
        As in the estimators.
    dtype : dtype
        The precision of the parameters and of all computing.
    """
    described: tuple[str, tuple[tuple[str, float], ...]]
    if isinstance(activation, str):
        described = activation, ()
    else:
        _check_settings(activation)
        described = activation[0], tuple(sorted(activation[1].items()))
    return _make_network(tuple(widths), described, batch_norm, dropout, dtype)


# A network holds no numbers that matter, so that all estimators of one shape may share
# it.
@lru_cache(maxsize=64)
def _make_network(
    widths: tuple[int, ...],
    activation: tuple[str, tuple[tuple[str, float], ...]],
    batch_norm: bool | str,
    dropout: float,
    dtype: np.dtype[Any],
) -> Any:
    function = make_activation((activation[0], dict(activation[1])))
    *hidden, output = (nn.Dense(*pair) for pair in pairwise(widths))
    layers: list[Any] = []
    for dense in hidden:
        block = [dense, function]
        if batch_norm:
            place = 2 if batch_norm == "after" else 1
            block.insert(place, nn.BatchNorm(dense.out_features))
        if dropout:
            block.append(nn.Dropout(dropout))
        layers += block
    return _core.networks[dtype]([*layers, output])


def _attribute(slice_name: str) -> str:
    return _attributes[slice_name.rpartition(".")[2]]


def set_fitted_arrays(
    model: object, slices: Slices, values: Iterable[NDArray[Any]]
) -> None:
    """Set coefs_, intercepts_ and, with batch norm, batch_norm_scale_ and the others."""
    for attribute in _attributes.values():
        vars(model).pop(attribute, None)
    for (name, _, _), array in zip(slices, values, strict=True):
        vars(model).setdefault(_attribute(name), []).append(array)


@lru_cache(maxsize=64)
def places_of_arrays(network: Any) -> list[tuple[str, int]]:
    """Return where a model lists each of the network's arrays: attribute and index."""
    attributes = [_attribute(name) for name, _, _ in network.slices]
    return [(a, attributes[:i].count(a)) for i, a in enumerate(attributes)]


def fitted_arrays(
    model: object, slices: Slices, dtype: np.dtype[Any], *, writable: bool = False
) -> list[NDArray[Any]]:
    """Return the model's arrays in the network's order; copies only where needed."""
    lists: dict[str, Any] = {}
    arrays = []
    for name, _, _ in slices:
        attribute = _attribute(name)
        if attribute not in lists:
            lists[attribute] = iter(getattr(model, attribute))
        array = next(lists[attribute], None)
        if array is None:
            raise ValueError(f"{attribute} must hold an array for each layer")
        if not _is_plain(array, dtype, writable):
            array = np.require(array, dtype, _WRITABLE if writable else _READABLE)
        arrays.append(array)
    return arrays


def _is_plain(array: object, dtype: np.dtype[Any], writable: bool) -> bool:
    """Tell whether the core can use the array where it is; cheaper than np.require."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        return False
    flags = array.flags
    return flags.carray or (not writable and flags.c_contiguous and flags.aligned)


def parameters_dtype(model: Any) -> np.dtype[Any]:
    """Return the precision of a fitted model: that of its weights."""
    first: np.dtype[Any] = model.coefs_[0].dtype
    # A loop: a generator over two arrays takes three times as long, in every prediction.
    for coef in model.coefs_:
        if coef.dtype != first:
            break
    else:
        if first in _core.networks:
            return first
    if any(coef.dtype.kind not in "biuf" for coef in model.coefs_):
        raise TypeError("coefs_ must hold arrays of real numbers")
    common = np.result_type(np.float32, *model.coefs_)
    return common if common in _core.networks else np.dtype(np.float64)


def network_settings(model: Any) -> NetworkSettings:
    """Return what `make_network` takes before the dtype, of a fitted model."""
    coefs = model.coefs_
    *settings, has_batch_norm = settings_beside_widths(model)
    if len(coefs) > 1 and bool(model.batch_norm) != has_batch_norm:
        with_or_without = "with" if has_batch_norm else "without"
        raise ValueError(
            f"batch_norm={model.batch_norm!r}, but the model was fitted "
            f"{with_or_without} batch norm"
        )
    widths = (coefs[0].shape[0], *[coef.shape[1] for coef in coefs])
    return (widths, *settings)


def settings_beside_widths(model: Any) -> tuple[Any, ...]:
    """Return what decides a fitted model's network beside its weights.

    Activation, batch norm and dropout, and whether it was fitted with batch norm.
    """
    has_batch_norm = "batch_norm_scale_" in vars(model)
    return model.activation, model.batch_norm, model.dropout, has_batch_norm


def network_of(model: Any, dtype: np.dtype[Any]) -> Any:
    """Return the core's network that a model's weights and parameters describe."""
    return make_network(*network_settings(model), dtype)


def array_attributes(model: object) -> list[str]:
    """Return the names of the attributes that list the model's arrays."""
    return [name for name in _attributes.values() if name in vars(model)]


def move_arrays(model: object) -> None:
    """Have the model's arrays begin where the core reads them fastest.

    By copies in lists of the model's own, where there are any that begin elsewhere.
    """
    for name in array_attributes(model):
        arrays = getattr(model, name)
        if not isinstance(arrays, list):
            continue
        moved = [_aligned.moved(array) for array in arrays]
        if any(new is not old for new, old in zip(moved, arrays, strict=True)):
            setattr(model, name, moved)


def copied_arrays(model: object) -> dict[str, list[NDArray[Any]]]:
    """Return the model's lists of arrays by attribute, copied."""
    return {
        name: [_aligned.copy(array) for array in getattr(model, name)]
        for name in array_attributes(model)
    }
