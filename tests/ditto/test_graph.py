from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from entity_matching.ditto.encoders import load_encoder
from entity_matching.ditto.export import trace
from entity_matching.ditto.graph import first_token_only, fused, quantized, stripped
from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.runtime import Runtime
from entity_matching.ditto.tokens import TokenizedPair

WORDS = 1_200
"""As many as make a table of vectors worth storing in integers."""


def pair(tokens: int, seed: int) -> TokenizedPair:
    rng = np.random.default_rng([tokens, seed])
    types = (np.arange(tokens) >= tokens // 2) + 2 * rng.integers(10, size=tokens)
    return TokenizedPair(rng.integers(3, WORDS, tokens).astype(np.int32), types.astype(np.uint8))


PAIRS = [pair(tokens, seed) for tokens in (3, 7, 16, 33, 64) for seed in range(6)]


class Graphs(NamedTuple):
    """The graphs of a network, and what PyTorch says of :data:`PAIRS`."""

    traced: ModelProto
    fused: ModelProto
    quantized: ModelProto
    wanted: NDArray[np.float64]


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert", "electra"])
def graphs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, save_encoder: Callable[..., Path]
) -> Graphs:
    folder = save_encoder(tmp_path_factory.mktemp("encoder"), request.param, vocab_size=WORDS)
    network = PairNetwork.of(load_encoder(str(folder)), 0.1, seed=1).eval()
    with torch.no_grad():
        network.types.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(3))
        wanted = [float(network(*(torch.from_numpy(array) for array in inputs([one])))) for one in PAIRS]
    traced = trace(network)
    quick = fused(traced, heads=2, width=32)
    return Graphs(traced, quick, quantized(quick), np.array(wanted))


def inputs(pairs: list[TokenizedPair]) -> tuple[NDArray[np.int64], ...]:
    """Pad pairs: ids, mask and types."""
    ids = np.zeros((len(pairs), max(map(len, pairs))), np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, one in enumerate(pairs):
        ids[row, : len(one)], mask[row, : len(one)], types[row, : len(one)] = one.ids, 1, one.types
    return ids, mask, types


def traced_module(module: torch.nn.Module) -> ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (torch.ones(2, 16, 4),), file, opset_version=17, dynamo=False)  # type: ignore[arg-type]
    model = ModelProto()
    model.ParseFromString(file.getvalue())
    return model


def odds(model: ModelProto) -> NDArray[np.float64]:
    return Runtime(stripped(model), threads=1).score(PAIRS)


def shown(model: ModelProto, operator: str) -> bytes:
    """Return a graph that also gives what each of some operators gives."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for node in model.graph.node:
        if node.op_type == operator:
            copy.graph.output.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None))
    return stripped(copy)


def operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_a_graph_says_what_the_network_says_fused_or_not(graphs: Graphs) -> None:
    assert np.ptp(graphs.wanted) > 0.5
    assert odds(graphs.traced) == pytest.approx(graphs.wanted, abs=1e-4)
    assert operators(graphs.fused)["Attention"] == 2
    assert odds(graphs.fused) == pytest.approx(graphs.wanted, abs=1e-4)


def test_a_graph_in_integers_says_nearly_what_the_network_says(graphs: Graphs) -> None:
    assert operators(graphs.quantized)["MatMul"] == 0
    assert np.abs(odds(graphs.quantized) - graphs.wanted).mean() < 0.1 * graphs.wanted.std()
    assert len(stripped(graphs.quantized)) < 0.5 * len(stripped(graphs.fused))


def test_a_graph_that_cannot_be_fused_is_put_in_integers_as_well(graphs: Graphs) -> None:
    small = quantized(graphs.traced)
    assert np.abs(odds(small) - graphs.wanted).mean() < 0.1 * graphs.wanted.std()
    assert operators(small)["MatMulIntegerToFloat"] >= 2 * 6


def test_no_two_weights_that_are_multiplied_together_need_more_than_16_bits(graphs: Graphs) -> None:
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graphs.quantized.graph.initializer}
    found = [weights[node.input[1]] for node in graphs.quantized.graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert found
    for values in found:
        both = values.astype(np.int64).reshape(-1, 2, values.shape[1])
        for signed in (both, -both):
            assert 255 * np.maximum(signed, 0).sum(axis=1).max() <= 32_767
        assert np.abs(values).max() > 64


def test_what_is_said_of_a_pair_does_not_depend_on_the_batch_it_is_in(graphs: Graphs) -> None:
    session = onnxruntime.InferenceSession(stripped(graphs.quantized))
    names = [one.name for one in session.get_inputs()]
    (together,) = session.run(None, dict(zip(names, inputs(PAIRS), strict=True)))
    assert together == pytest.approx(odds(graphs.quantized), abs=1e-4)


def test_the_last_layer_is_computed_for_the_first_token_alone(graphs: Graphs) -> None:
    last = onnxruntime.InferenceSession(shown(graphs.fused, "BiasGelu"))
    *_, first, second = last.run(None, dict(zip(("input_ids", "attention_mask", "types"), inputs(PAIRS), strict=True)))
    assert first.shape[:2] == (len(PAIRS), 64)
    assert second.shape[:2] == (len(PAIRS), 1)


def test_a_layer_of_which_more_is_read_is_not_cut_short() -> None:
    class Reader(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 4, bias=False)

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            done = torch.relu(self.layer(states))
            return done[:, 0] + done.mean(1)

    model = traced_module(Reader())
    before = operators(model)
    assert before["Gather"] == 1
    assert operators(first_token_only(model)) == before


def test_what_is_read_by_a_table_and_not_by_token_is_not_cut_short() -> None:
    class Reader(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = torch.nn.Parameter(torch.ones(16, 4))

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return (states + self.places)[:, 0]

    model = traced_module(Reader())
    before = operators(model)
    assert operators(first_token_only(model)) == before


def test_a_file_says_nothing_of_the_code_it_was_made_from(graphs: Graphs) -> None:
    assert b".py" not in stripped(graphs.fused)
