"""Writes all-MiniLM-L6-v2 as one ONNX graph. Runs once, at set-up; needs the package onnx and no training framework.

Inputs `ids` and `mask`, int64 of shape (batch, tokens); outputs `embedding`, shape (batch, 384) and of unit length,
and `tokens`, the last hidden states, shape (batch, tokens, 384). The operators are the plain ones that OpenVINO and
ONNX Runtime fuse into their own attention kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from memapp.models.minilm import DIMENSION, EPSILON, HEADS, LAYERS

if TYPE_CHECKING:
    from memapp.models.minilm import Weights

OPSET = 20
IR_VERSION = 9
HIDDEN = -10_000.0
"""Added to the scores of padding: exp of it is 0, and bfloat16 holds it."""


def build(weights: Weights) -> bytes:
    """The graph with its weights, serialised. The same weights give the same bytes."""
    graph = _Graph(weights)
    states = _embeddings(graph)
    visible = graph.add("Cast", "mask", to=TensorProto.FLOAT)
    hidden = graph.add("Mul", graph.add("Sub", graph.scalar(1), visible), graph.scalar(HIDDEN))
    bias = graph.add("Unsqueeze", hidden, graph.integers(1, 2))
    for layer in range(LAYERS):
        states = _layer(graph, states, bias, f"encoder.layer.{layer}.")
    graph.add("Identity", states, output="tokens")
    _pool(graph, states, visible)
    return graph.serialise()


class _Graph:
    """Nodes and constants in the order in which they were added."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """One operator with one output; gives the output's name."""
        output = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def integers(self, *values: int) -> str:
        return self.constant(f"integers_{values}", np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        return self.constant(f"scalar_{value}", np.float32(value).reshape(()))

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def linear(self, x: str, name: str) -> str:
        product = self.add("MatMul", x, self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T))
        return self.add("Add", product, self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON)

    def serialise(self) -> bytes:
        tokens = ["batch", "tokens"]
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, tokens) for name in ("ids", "mask")]
        outputs = [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSION]),
            helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [*tokens, DIMENSION]),
        ]
        graph = helper.make_graph(self._nodes, "minilm", inputs, outputs, list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def _embeddings(graph: _Graph) -> str:
    tables = [graph.weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("position", "token_type")]
    # A text is never a pair here, so its only token type is part of its position.
    positions = graph.constant("positions", tables[0] + tables[1][0])
    length = graph.add("Shape", "ids", start=1, end=2)
    words = graph.add("Gather", graph.weight("embeddings.word_embeddings.weight"), "ids", axis=0)
    places = graph.add("Slice", positions, graph.integers(0), length)
    return graph.norm(graph.add("Add", words, places), "embeddings.LayerNorm")


def _layer(graph: _Graph, states: str, bias: str, prefix: str) -> str:
    attended = graph.linear(_attention(graph, states, bias, prefix), f"{prefix}attention.output.dense")
    states = graph.norm(graph.add("Add", attended, states), f"{prefix}attention.output.LayerNorm")
    inner = graph.add("Gelu", graph.linear(states, f"{prefix}intermediate.dense"))
    outer = graph.linear(inner, f"{prefix}output.dense")
    return graph.norm(graph.add("Add", outer, states), f"{prefix}output.LayerNorm")


def _attention(graph: _Graph, states: str, bias: str, prefix: str) -> str:
    def heads(part: str, order: list[int]) -> str:
        flat = graph.linear(states, f"{prefix}attention.self.{part}")
        split = graph.add("Reshape", flat, graph.integers(0, 0, HEADS, DIMENSION // HEADS))
        return graph.add("Transpose", split, perm=order)

    product = graph.add("MatMul", heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]))
    scores = graph.add("Mul", product, graph.scalar((DIMENSION // HEADS) ** -0.5))
    shares = graph.add("Softmax", graph.add("Add", scores, bias), axis=-1)
    mixed = graph.add("Transpose", graph.add("MatMul", shares, heads("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3])
    return graph.add("Reshape", mixed, graph.integers(0, 0, DIMENSION))


def _pool(graph: _Graph, states: str, visible: str) -> None:
    """Sum over the visible tokens, then unit length: dividing by their number before would cancel out."""
    kept = graph.add("Mul", states, graph.add("Unsqueeze", visible, graph.integers(2)))
    total = graph.add("ReduceSum", kept, graph.integers(1), keepdims=0)
    length = graph.add("ReduceL2", total, graph.integers(1), keepdims=1)
    graph.add("Div", total, length, output="embedding")
