"""ONNX Runtime: the network as a graph, for prediction."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from cases import Case

from .session import Session

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}
TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def graph_of(case: Case, weights: list[tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Return the serialized model: x (rows, features) -> probabilities."""
    nodes, constants, name = [], [], "x"
    for i, layer in enumerate(weights):
        if i > 0:
            nodes.append(
                helper.make_node(ACTIVATIONS[case.activation], [name], [f"a{i}"])
            )
            name = f"a{i}"
        constants += [
            numpy_helper.from_array(a, f"{letter}{i}")
            for letter, a in zip("wb", layer, strict=True)
        ]
        nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [f"z{i}"]))
        name = f"z{i}"
    link = "Sigmoid" if case.units[-1] == 1 else "Softmax"
    nodes.append(helper.make_node(link, [name], ["p"]))
    x, p = (
        helper.make_tensor_value_info(name, TYPES[case.dtype], [None, n])
        for name, n in (("x", case.features), ("p", case.units[-1]))
    )
    graph = helper.make_graph(nodes, "mlp", [x], [p], constants)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    return model.SerializeToString()


class OnnxRuntime(Session):
    def __init__(self, case: Case, n_threads: int | None) -> None:
        super().__init__(case, n_threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads or 0
        options.inter_op_num_threads = 1
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        )
        self.run = onnxruntime.InferenceSession(
            graph_of(case, self.weights), options, providers=["CPUExecutionProvider"]
        ).run

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.run(None, {"x": x})[0]
