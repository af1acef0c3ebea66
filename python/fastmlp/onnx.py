"""Export to ONNX: importing this module teaches skl2onnx the estimators.

Needs the extra ``onnx`` (``pip install "fastmlp[onnx]"``). From then on they convert as
scikit-learn's own do, alone or inside a pipeline::

    import fastmlp.onnx
    from skl2onnx import to_onnx

    onnx_model = to_onnx(model, X[:1], options={"zipmap": False})

The graph computes in float64 where the input is float64, else in float32. Batch norm
before an activation is folded into the weights, dropout is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._architecture import fitted_arrays, make_activation, member_name, network_of
from ._classifier import MLPClassifier
from ._core import nn
from ._regressor import MLPRegressor

try:
    import skl2onnx  # type: ignore[import-not-found,import-untyped,unused-ignore]
except ImportError as error:
    msg = 'fastmlp.onnx needs skl2onnx: pip install "fastmlp[onnx]"'
    raise ImportError(msg, name=error.name) from error

__all__: list[str] = []

_types = skl2onnx.proto.TensorProto
_tensors = skl2onnx.common.data_types


class _Graph:
    """Adds nodes and constants to skl2onnx's container, in one floating-point type."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self.scope, self.container = scope, container
        self.outputs = [output.full_name for output in operator.outputs]
        is_double = isinstance(operator.inputs[0].type, _tensors.DoubleTensorType)
        self.type = _types.DOUBLE if is_double else _types.FLOAT
        self.input = self.node("Cast", operator.inputs[0].full_name, to=self.type)

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node; return its output's name, a new one unless given."""
        output = output or self.scope.get_unique_variable_name(kind.lower())
        name = self.scope.get_unique_operator_name(kind)
        self.container.add_node(kind, list(inputs), output, name=name, **attributes)
        return output

    def constant(self, values: Any, type: int | None = None) -> str:
        """Add a constant, of the graph's type unless given; return its name."""
        name: str = self.scope.get_unique_variable_name("constant")
        values, type = np.asarray(values), type or self.type
        flat = values.ravel().tolist()
        self.container.add_initializer(name, type, values.shape, flat)
        return name

    def single(self, kind: str, value: str, **attributes: Any) -> str:
        """Add a node that onnxruntime, in some versions, has in float32 only."""
        if self.type == _types.FLOAT:
            return self.node(kind, value, **attributes)
        value = self.node("Cast", value, to=_types.FLOAT)
        return self.node("Cast", self.node(kind, value, **attributes), to=self.type)


# Activations: of a name in the graph and the core's layer, which has the parameters -----


def _swish(graph: _Graph, z: str, layer: Any) -> str:
    # As a product with Sigmoid, onnxruntime 1.20 fuses it into a kernel for float32 only.
    power = graph.node("Exp", graph.node("Mul", z, graph.constant(-layer.beta)))
    return graph.node("Div", z, graph.node("Add", graph.constant(1.0), power))


def _gelu(graph: _Graph, z: str, _: Any) -> str:
    erf = graph.single("Erf", graph.node("Mul", z, graph.constant(np.sqrt(0.5))))
    twice = graph.node("Mul", z, graph.node("Add", erf, graph.constant(1.0)))
    return graph.node("Mul", twice, graph.constant(0.5))


_activations: dict[str, Callable[[_Graph, str, Any], str]] = {
    "identity": lambda graph, z, _: graph.node("Identity", z),
    "logistic": lambda graph, z, _: graph.node("Sigmoid", z),
    "tanh": lambda graph, z, _: graph.node("Tanh", z),
    "relu": lambda graph, z, _: graph.node("Relu", z),
    "leaky_relu": lambda graph, z, layer: graph.single(
        "LeakyRelu", z, alpha=layer.slope
    ),
    "elu": lambda graph, z, layer: graph.single("Elu", z, alpha=layer.alpha),
    "swish": _swish,
    "gelu": _gelu,
}

# `out_activation_` -> the node that it is.
_links = {
    "softmax": "Softmax",
    "logistic": "Sigmoid",
    "identity": "Identity",
    "exp": "Exp",
}


# Layers ---------------------------------------------------------------------------------

Layer: TypeAlias = dict[str, NDArray[np.float64]]  # role, as "weight" -> array


def _layers_with_arrays(model: Any) -> dict[int, Layer]:
    """Return the arrays of the model's network by position and role."""
    dtype = np.dtype(np.float64)
    slices = network_of(model, dtype).slices
    arrays = fitted_arrays(model, slices, dtype)
    layers: dict[int, Layer] = {}
    for (name, _, _), array in zip(slices, arrays, strict=True):
        position, role = name.split(".")
        layers.setdefault(int(position), {})[role] = array
    return layers


def _factor_and_offset(norm: Layer) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return batch norm in inference as ``factor * x + offset``."""
    deviation = np.sqrt(norm["variance"] + nn.BatchNorm(len(norm["variance"])).eps)
    factor = norm["scale"] / deviation
    return factor, norm["shift"] - norm["mean"] * factor


def _dense(graph: _Graph, x: str, dense: Layer, norm: Layer | None = None) -> str:
    weight, bias = dense["weight"], dense["bias"]
    if norm:
        factor, offset = _factor_and_offset(norm)
        weight, bias = weight * factor, bias * factor + offset
    return graph.node("Gemm", x, graph.constant(weight), graph.constant(bias))


def _batch_norm(graph: _Graph, x: str, norm: Layer) -> str:
    factor, offset = (graph.constant(array) for array in _factor_and_offset(norm))
    return graph.node("Add", graph.node("Mul", x, factor), offset)


def _forward(graph: _Graph, model: Any) -> str:
    """Add the network and its inverse link; return the name of the predictions.

    An activation follows each hidden dense layer, or batch norm directly after it.
    """
    layers = _layers_with_arrays(model)
    norms = {i: layer for i, layer in layers.items() if "scale" in layer}
    *hidden, last = (i for i, layer in layers.items() if "weight" in layer)
    activation = make_activation(model.activation)
    activate = _activations[member_name(model.activation)]
    x = graph.input
    for i in hidden:
        z = _dense(graph, x, layers[i], norms.get(i + 1))
        x = activate(graph, z, activation)
        if i + 2 in norms:
            x = _batch_norm(graph, x, norms[i + 2])
    x = _dense(graph, x, layers[last])
    return graph.node(_links[model.out_activation_], x)


# What skl2onnx calls --------------------------------------------------------------------


def _is_multilabel(model: Any) -> bool:
    return bool(model.out_activation_ == "logistic" and model.n_outputs_ > 1)


def _label(graph: _Graph, probabilities: str, classes: NDArray[Any]) -> None:
    """Add the label output: the class of the largest probability."""
    if classes.dtype.kind in "UTO":
        encoded = [str(label).encode() for label in classes]
        values = graph.constant(np.array(encoded, dtype=object), _types.STRING)
    else:
        values = graph.constant(classes.astype(np.int64), _types.INT64)
    index = graph.node("ArgMax", probabilities, axis=1, keepdims=0)
    graph.node("Gather", values, index, output=graph.outputs[0])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    graph = _Graph(scope, operator, container)
    y = _forward(graph, model)
    if _is_multilabel(model):
        chosen = graph.node("Greater", y, graph.constant(0.5))
        graph.node("Cast", chosen, output=graph.outputs[0], to=_types.INT64)
    else:
        classes = skl2onnx.common.utils_classifier.get_label_classes(scope, model)
        if model.n_outputs_ == 1:
            first = graph.node("Sub", graph.constant(1.0), y)
            y = graph.node("Concat", first, y, axis=1)
            classes = classes.take([0, 1], mode="clip")  # one class: for both columns
        _label(graph, y, classes)
    graph.node("Identity", y, output=graph.outputs[1])


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, operator, container)
    y = _forward(graph, operator.raw_operator)
    graph.node("Identity", y, output=graph.outputs[0])


def _classifier_shapes(operator: Any) -> None:
    shapes = skl2onnx.common.shape_calculator
    shapes.calculate_linear_classifier_output_shapes(operator)
    if _is_multilabel(operator.raw_operator):
        labels, probabilities = operator.outputs
        labels.type.shape = probabilities.type.shape


def _regressor_shapes(operator: Any) -> None:
    kind = type(operator.inputs[0].type)
    kind = kind if kind is _tensors.DoubleTensorType else _tensors.FloatTensorType
    n_rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].set_type(kind([n_rows, operator.raw_operator.n_outputs_]))


skl2onnx.update_registered_converter(
    MLPClassifier,
    "FastmlpMLPClassifier",
    _classifier_shapes,
    _convert_classifier,
    options={
        "zipmap": [True, False, "columns"],
        "nocl": [True, False],
        "output_class_labels": [False, True],
    },
)
skl2onnx.update_registered_converter(
    MLPRegressor, "FastmlpMLPRegressor", _regressor_shapes, _convert_regressor
)
