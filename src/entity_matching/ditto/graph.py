"""The network as an ONNX graph, rewritten to be quick on a processor: fused, cut short, and in 8-bit integers.

Each rewriting keeps what the graph says, but for rounding; export asserts that it does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPSET = 17
"""Of the ONNX operators: the first with layer normalisation, which the fusions look for."""
_MICROSOFT = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""
_TOKENWISE = {"Add", "Sub", "Mul", "Div", "MatMul", "LayerNormalization", "BiasGelu", "Gelu", "Erf", "Tanh", "Relu"}
"""Operators that compute each token from itself alone, where what else they read is constant."""
_ATTENTION = {"num_heads", "unidirectional", "mask_filter_value"}
"""What ONNX Runtime's two kinds of attention can both be told."""
_TABLE_ROWS = 1_000
"""Rows of the smallest table of vectors that is worth storing in integers."""
_STEPS = 127
"""Steps of an 8-bit integer on either side of 0."""


def fused(model: ModelProto, heads: int, width: int) -> ModelProto:
    """Return a graph whose attention and activations are one operator each, and whose last layer is cut short.

    :param heads: attention heads; ``width``: dimensions of a token's state.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions  # noqa: PLC0415 - an extra
    from onnxruntime.transformers.optimizer import optimize_model  # noqa: PLC0415

    options = FusionOptions("bert")
    # ONNX Runtime's layer normalisation that adds as well is five times slower than the two apart.
    options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = options.enable_embed_layer_norm = False
    copy = ModelProto()
    copy.CopyFrom(model)
    result: ModelProto = optimize_model(
        copy, "bert", num_heads=heads, hidden_size=width, optimization_options=options, opt_level=0
    ).model
    return first_token_only(result)


def first_token_only(model: ModelProto) -> ModelProto:
    """Compute for the first token alone what only the first token's state is read of.

    That is all of the last layer but its attention. The graph is changed in place; one that reads other tokens too
    stays as it is.
    """
    nodes, constants = list(model.graph.node), _constants(model)
    readers: dict[str, list[int]] = defaultdict(list)
    for number, node in enumerate(nodes):
        for name in node.input:
            readers[name].append(number)
    outputs = {output.name for output in model.graph.output}
    short = {number for number, node in enumerate(nodes) if _takes_first(node, constants)}
    takers = set(short)
    for number in reversed(range(len(nodes))):
        read = [reader for name in nodes[number].output for reader in readers[name]]
        if read and short.issuperset(read) and outputs.isdisjoint(nodes[number].output):
            if _is_tokenwise(nodes[number], constants):
                short.add(number)
    made = {name for number in short - takers for name in nodes[number].output}
    cut = {
        name
        for number in short - takers
        for name in nodes[number].input
        if name and name not in made and name not in constants
    }
    for number in short - takers:
        _rename(nodes[number].input, lambda name: f"{name}_first" if name in cut else name)
    _insert(model, lambda node: [node, *(_slice(name) for name in node.output if name in cut)])
    if cut:
        for name, value in (("first_start", 0), ("first_end", 1), ("first_axis", 1)):
            model.graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), name))
    return model


def quantized(model: ModelProto) -> ModelProto:
    """Return a graph that multiplies 8-bit integers.

    Weights get a scale per output, tables of vectors one per row, and what is multiplied by weights one per token,
    found in that very run (dynamic quantisation). One scale for a whole run, as is common, is worse in two ways: a
    few tokens have values ten times those of the others, whose steps are then as coarse; and what is said of a pair
    depends on what it is run with.
    """
    result = ModelProto()
    result.CopyFrom(model)
    rewriting = _Quantizer(result)
    _insert(result, lambda node: list(rewriting.rewrite(node)))
    rewriting.finish()
    return result


def stripped(model: ModelProto) -> bytes:
    """Return a graph as the content of a file, without notes of the code it was made from."""
    for node in model.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    if all(domain.domain != _MICROSOFT for domain in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))
    return bytes(model.SerializeToString())


class _Quantizer:
    """Rewrites the nodes of a graph one by one, each weight once."""

    def __init__(self, model: ModelProto) -> None:
        self.graph = model.graph
        self.weights: dict[str, TensorProto] = {tensor.name: tensor for tensor in self.graph.initializer}
        self.made: dict[str, TensorProto] = {}
        self.least = self._constant("least_range", np.array(1e-6, np.float32))
        self.step = self._constant("step", np.array(1 / _STEPS, np.float32))
        self.zero = self._constant("zero", np.array(_STEPS + 1, np.uint8))

    def rewrite(self, node: NodeProto) -> Iterator[NodeProto]:
        weight = self.weights.get(node.input[1]) if len(node.input) > 1 else None
        if node.op_type == "MatMul" and weight is not None and _is_matrix(weight):
            yield from self._product(node.input[0], node.input[1], node.output[0])
        elif node.op_type == "Attention" and weight is not None and self._is_plain(node):
            yield from self._attention(node)
        elif node.op_type == "Gather" and self._is_table(node):
            yield from self._lookup(node)
        else:
            yield node

    def finish(self) -> None:
        """Put the weights in integers in the place of those that nothing reads any more."""
        used = Counter(name for node in self.graph.node for name in node.input)
        kept = [tensor for tensor in self.graph.initializer if used[tensor.name]]
        del self.graph.initializer[:]
        self.graph.initializer.extend([*kept, *(tensor for name, tensor in self.made.items() if used[name])])

    def _product(self, source: str, weight: str, result: str) -> Iterator[NodeProto]:
        values, scale = self._integers(weight, axis=0)
        size, most, largest, share, scaled, integers, product = (
            f"{result}_{part}" for part in ("size", "most", "largest", "share", "scaled", "integers", "product")
        )
        yield helper.make_node("Abs", [source], [size])
        yield helper.make_node("ReduceMax", [size], [most], axes=[-1], keepdims=1)
        yield helper.make_node("Clip", [most, self.least], [largest])
        yield helper.make_node("Reciprocal", [largest], [share])
        yield helper.make_node("Mul", [source, share], [scaled])
        yield helper.make_node("QuantizeLinear", [scaled, self.step, self.zero], [integers])
        yield _runtime_node("MatMulIntegerToFloat", [integers, values, self.step, scale, self.zero], product)
        yield helper.make_node("Mul", [product, largest], [result])

    def _attention(self, node: NodeProto) -> Iterator[NodeProto]:
        source, weight, bias, *mask = node.input
        result = node.output[0]
        parts = [f"{result}_{part}" for part in ("query", "key", "value")]
        yield from self._product(source, weight, f"{result}_all")
        yield helper.make_node("Split", [f"{result}_all"], parts, axis=-1)
        new = _runtime_node("MultiHeadAttention", [*parts, bias, *mask[:1]], result)
        new.attribute.extend(attribute for attribute in node.attribute if attribute.name in _ATTENTION)
        yield new

    def _lookup(self, node: NodeProto) -> Iterator[NodeProto]:
        table, rows = node.input
        values, scale = self._integers(table, axis=1)
        result = node.output[0]
        yield helper.make_node("Gather", [values, rows], [f"{result}_integers"], axis=0)
        yield helper.make_node("Gather", [scale, rows], [f"{result}_scale"], axis=0)
        yield helper.make_node("Cast", [f"{result}_integers"], [f"{result}_steps"], to=TensorProto.FLOAT)
        yield helper.make_node("Mul", [f"{result}_steps", f"{result}_scale"], [result])

    def _is_plain(self, node: NodeProto) -> bool:
        """Say whether the attention needs nothing but states, weights and a mask."""
        told = {attribute.name for attribute in node.attribute if attribute.name != "scale" or attribute.f}
        return told <= _ATTENTION and not any(node.input[4:]) and len(node.output) == 1

    def _is_table(self, node: NodeProto) -> bool:
        weight = self.weights.get(node.input[0])
        return weight is not None and _is_matrix(weight) and weight.dims[0] >= _TABLE_ROWS and not _axis(node)

    def _integers(self, name: str, axis: int) -> tuple[str, str]:
        """Return the names of a weight in integers and of its scales; ``axis``: over which a scale holds."""
        values = numpy_helper.to_array(self.weights[name])
        largest = np.abs(values).max(axis=1, keepdims=True) if axis else _largest_pair(values)
        scale = np.maximum(largest, 1e-12) / _STEPS
        rounded = np.round(values / scale).astype(np.int8)
        scales = self._constant(f"{name}_scale_{axis}", scale.astype(np.float32))
        return self._constant(f"{name}_integers_{axis}", rounded), scales

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        if name not in self.made:
            self.made[name] = numpy_helper.from_array(values, name)
        return name


def _largest_pair(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return, for each output, the largest size of two weights that follow each other and have one sign, added up.

    Processors without instructions of their own for 8-bit networks (VNNI) multiply two by two, and cut off a sum that
    needs more than 16 bits. With this as a weight's range none does, and each processor computes the same.

    :param values: shape (inputs, outputs).
    """
    padded = np.concatenate([values, np.zeros((len(values) % 2, values.shape[1]), values.dtype)])
    above, below = (np.maximum(signed, 0) for signed in (padded, -padded))
    largest: NDArray[np.float32] = np.maximum(
        (above[0::2] + above[1::2]).max(axis=0), (below[0::2] + below[1::2]).max(axis=0)
    )
    return largest


def _insert(model: ModelProto, rewrite: Callable[[NodeProto], Sequence[NodeProto]]) -> None:
    """Replace each node by those that ``rewrite`` makes of it."""
    nodes = [new for node in model.graph.node for new in rewrite(node)]
    copies = []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        copies.append(copy)
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _rename(names: Any, new: Callable[[str], str]) -> None:
    for at, name in enumerate(names):
        names[at] = new(name)


def _runtime_node(kind: str, inputs: Sequence[str], output: str) -> NodeProto:
    return helper.make_node(kind, inputs, [output], domain=_MICROSOFT)


def _slice(name: str) -> NodeProto:
    return helper.make_node("Slice", [name, "first_start", "first_end", "first_axis"], [f"{name}_first"])


def _constants(model: ModelProto) -> dict[str, TensorProto]:
    result = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    result[node.output[0]] = attribute.t
    return result


def _takes_first(node: NodeProto, constants: dict[str, TensorProto]) -> bool:
    if node.op_type != "Gather" or _axis(node) != 1 or node.input[1] not in constants:
        return False
    index = numpy_helper.to_array(constants[node.input[1]])
    return index.size == 1 and int(index.reshape(-1)[0]) == 0


def _is_tokenwise(node: NodeProto, constants: dict[str, TensorProto]) -> bool:
    """Say whether a node reads states of shape (pairs, tokens, dimensions) token by token."""
    if node.op_type == "LayerNormalization":
        return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1) in (-1, 2)
    if node.op_type == "MatMul":
        return node.input[1] in constants and node.input[0] not in constants
    return node.op_type in _TOKENWISE and all(len(constants[name].dims) < 2 for name in node.input if name in constants)


def _axis(node: NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "axis"), 0)


def _is_matrix(tensor: TensorProto) -> bool:
    return len(tensor.dims) == 2 and tensor.data_type == onnx.TensorProto.FLOAT
