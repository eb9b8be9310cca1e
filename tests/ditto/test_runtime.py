from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from entity_matching.ditto.export import trace
from entity_matching.ditto.graph import quantized, stripped
from entity_matching.ditto.runtime import RUN_TOKENS, Runtime
from entity_matching.ditto.tokens import TokenizedPair
from entity_matching.errors import ArtifactError, OptionalDependencyError


@pytest.fixture(scope="module")
def content(make_network: Any) -> bytes:
    return stripped(quantized(trace(make_network().eval())))


def pair(tokens: int, seed: int) -> TokenizedPair:
    rng = np.random.default_rng([tokens, seed])
    return TokenizedPair(rng.integers(5, 60, tokens).astype(np.int32), rng.integers(20, size=tokens).astype(np.uint8))


PAIRS = [pair(3 + number % 23, number) for number in range(200)]


class Counting:
    """Stands before a session, and counts what it computes."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.shapes: list[tuple[int, int]] = []

    def run(self, names: Any, inputs: Any) -> Any:
        self.shapes.append(inputs["input_ids"].shape)
        return self.session.run(names, inputs)


def counted(runtime: Runtime) -> Counting:
    counting = Counting(runtime._session)
    runtime._session = counting
    return counting


def test_a_pair_scores_the_same_in_any_order_with_any_others_on_any_threads(content: bytes) -> None:
    alone = np.array([Runtime(content, 1).score([one])[0] for one in PAIRS[:60]])
    assert np.ptp(alone) > 0.1
    order = np.random.default_rng(0).permutation(len(PAIRS))
    for threads in (1, 2, 5):
        together = np.empty(len(PAIRS))
        together[order] = Runtime(content, threads).score([PAIRS[number] for number in order])
        assert together[:60] == pytest.approx(alone, abs=1e-6)


def test_equal_pairs_are_computed_once(content: bytes) -> None:
    runtime = Runtime(content, 1)
    counting = counted(runtime)
    odds = runtime.score([pair(9, 1), pair(9, 2), pair(9, 1), pair(9, 1)])
    assert odds[0] == odds[2] == odds[3] != odds[1]
    assert sum(pairs for pairs, _ in counting.shapes) == 2


def test_pairs_that_differ_in_their_types_alone_are_not_equal(content: bytes) -> None:
    one = pair(9, 1)
    odds = Runtime(content, 1).score([one, TokenizedPair(one.ids, (one.types + 1) % 20)])
    assert odds[0] != odds[1]


def test_runs_have_no_padding_and_a_bounded_size(content: bytes) -> None:
    runtime = Runtime(content, 2)
    counting = counted(runtime)
    runtime.score(PAIRS)
    assert sum(pairs * tokens for pairs, tokens in counting.shapes) == sum(map(len, PAIRS))
    assert max(pairs * tokens for pairs, tokens in counting.shapes) <= RUN_TOKENS
    assert len(counting.shapes) < len(PAIRS) / 2


def test_a_pair_longer_than_a_run_is_a_run_of_its_own(make_network: Any, content: bytes) -> None:
    runtime = Runtime(content, 1)
    runtime._session = counting = Counting(Constant())
    assert runtime.score([pair(RUN_TOKENS + 1, seed) for seed in range(3)]).shape == (3,)
    assert counting.shapes == [(1, RUN_TOKENS + 1)] * 3


class Constant:
    """A session that says the same of every pair."""

    def run(self, names: Any, inputs: Any) -> Any:
        return [np.zeros(len(inputs["input_ids"]), np.float32)]


def test_no_pairs_have_no_scores(content: bytes) -> None:
    assert Runtime(content, 2).score([]).shape == (0,)


def test_several_threads_may_use_it_at_once(content: bytes) -> None:
    runtime = Runtime(content, 2)
    wanted = runtime.score(PAIRS)
    with ThreadPoolExecutor(4) as pool:
        for odds in pool.map(runtime.score, [PAIRS] * 8):
            assert odds == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("cut", [0, 100, 0.5])
def test_damaged_content_is_refused(content: bytes, cut: float) -> None:
    part = content[: int(cut * len(content))] if cut < 1 else content[: int(cut)]
    with pytest.raises(ArtifactError, match="m.onnx is no Ditto network"):
        Runtime(part, 1, "m.onnx")


def test_another_network_is_refused() -> None:
    from onnx import TensorProto, helper  # noqa: PLC0415

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ArtifactError, match="its inputs and outputs are x, y"):
        Runtime(model.SerializeToString(), 1)


def test_a_pair_that_the_network_cannot_read_is_told(content: bytes) -> None:
    unknown = TokenizedPair(np.full(5, 1_000_000, np.int32), np.zeros(5, np.uint8))
    with pytest.raises(ArtifactError, match="fails at a pair of 5 tokens"):
        Runtime(content, 1).score([unknown])


def test_without_onnxruntime_it_says_what_to_install(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(OptionalDependencyError, match="onnxruntime"):
        Runtime(content, 1)
