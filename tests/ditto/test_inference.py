from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from entity_matching.config import DittoSettings
from entity_matching.ditto.data import PairSet
from entity_matching.ditto.inference import (
    THREAD_LIMIT,
    computes_in_bf16,
    computing,
    device_of,
    predict,
    tensors,
    threads_of,
)
from entity_matching.ditto.network import PairNetwork
from entity_matching.errors import SettingsError

MakeNetwork = Callable[..., PairNetwork]
MakeSet = Callable[..., PairSet]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def network(make_network: MakeNetwork) -> PairNetwork:
    made = make_network()
    nn.init.normal_(made.types.weight, std=0.3)
    return made


def test_scores_come_in_the_order_of_the_pairs_whatever_it_is(
    network: PairNetwork, make_set: MakeSet, tiny_settings: DittoSettings
) -> None:
    data = make_set()
    pairs = data.tokenized()
    odds = predict(network, data.tokenizer, pairs, tiny_settings)
    shuffled = np.random.default_rng(0).permutation(len(pairs))
    others = predict(network, data.tokenizer, [pairs[at] for at in shuffled.tolist()], tiny_settings)
    assert odds.shape == (len(pairs),)
    assert np.ptp(odds) > 0.05
    np.testing.assert_allclose(others, odds[shuffled], atol=1e-5)


@pytest.mark.parametrize("step_tokens", [16, 100, 100_000])
def test_scores_do_not_depend_on_how_many_are_computed_at_once(
    network: PairNetwork, make_set: MakeSet, tiny_settings: DittoSettings, step_tokens: int
) -> None:
    data = make_set(matches=5, others=10)
    alone = [predict(network, data.tokenizer, [pair], tiny_settings)[0] for pair in data.tokenized()]
    settings = replace(tiny_settings, step_tokens=step_tokens)
    np.testing.assert_allclose(predict(network, data.tokenizer, data.tokenized(), settings), alone, atol=1e-5)


def test_no_pairs_have_no_scores(network: PairNetwork, make_set: MakeSet, tiny_settings: DittoSettings) -> None:
    odds = predict(network, make_set().tokenizer, [], tiny_settings)
    assert odds.shape == (0,)
    assert odds.dtype == np.float64


@pytest.mark.parametrize("training", [True, False])
def test_prediction_is_without_dropout_and_leaves_the_network_as_it_was(
    network: PairNetwork, make_set: MakeSet, tiny_settings: DittoSettings, training: bool
) -> None:
    data = make_set(matches=3, others=3)
    network.train(training)
    one, again = (predict(network, data.tokenizer, data.tokenized(), tiny_settings) for _ in range(2))
    assert one.tolist() == again.tolist()
    assert network.training is training


def test_bf16_scores_are_near_those_of_fp32(
    network: PairNetwork, make_set: MakeSet, tiny_settings: DittoSettings
) -> None:
    data = make_set(matches=5, others=5)
    exact, rounded = (
        predict(network, data.tokenizer, data.tokenized(), replace(tiny_settings, precision=precision))
        for precision in ("fp32", "bf16")
    )
    assert exact.tolist() != rounded.tolist()
    np.testing.assert_allclose(rounded, exact, atol=0.05)


def test_pairs_become_tensors_padded_to_the_longest(make_set: MakeSet) -> None:
    data = make_set(matches=2, others=2)
    pairs = data.tokenized()
    ids, mask, types = tensors(data.tokenizer, pairs, CPU)
    longest = max(map(len, pairs))
    for tensor in (ids, mask, types):
        assert tensor.shape == (4, longest)
        assert tensor.dtype == torch.int64
    assert mask.sum(1).tolist() == [len(pair) for pair in pairs]
    assert ids[0, : len(pairs[0])].tolist() == pairs[0].ids.tolist()


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(THREAD_LIMIT, raising=False)


@pytest.mark.usefixtures("unlimited")
def test_threads_and_draws_are_afterwards_as_before(tiny_settings: DittoSettings) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with computing(replace(tiny_settings, threads=threads + 1)):
        assert torch.get_num_threads() == threads + 1
        torch.manual_seed(5)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.usefixtures("unlimited")
def test_threads_and_draws_are_as_before_after_an_error_too(tiny_settings: DittoSettings) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt), computing(replace(tiny_settings, threads=threads + 1)):
        torch.rand(1)
        raise KeyboardInterrupt
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
@pytest.mark.parametrize(("precision", "expected"), [("bf16", True), ("fp32", False)])
def test_precision_is_as_asked(precision: str, expected: bool, device: torch.device) -> None:
    assert computes_in_bf16(DittoSettings(precision=precision), device) is expected


@pytest.mark.parametrize(
    ("avx512", "amx", "expected"), [(True, True, True), (True, False, True), (False, True, True), (False, False, False)]
)
def test_a_processor_computes_in_bf16_where_it_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, avx512: bool, amx: bool, expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert computes_in_bf16(DittoSettings(), CPU) is expected


def test_where_torch_cannot_tell_bf16_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported", raising=False)
    assert computes_in_bf16(DittoSettings(), CPU) is False


@pytest.mark.parametrize("supported", [True, False])
def test_a_gpu_computes_in_bf16_where_it_can(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert computes_in_bf16(DittoSettings(), CUDA) is supported


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch, there: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert device_of(DittoSettings()).type == expected
    assert device_of(DittoSettings(device="cpu")) == CPU


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(SettingsError, match=f"'device' is '{name}'") as caught:
        device_of(DittoSettings(device=name))
    assert "auto" in caught.value.remedy


@pytest.mark.parametrize(("limit", "threads"), [(None, 2), ("", 2), ("0", 2), ("nonsense", 2), ("1", 1), ("8", 2)])
def test_no_more_threads_are_asked_for_than_openmp_starts(limit: str | None, threads: int) -> None:
    environment = {} if limit is None else {THREAD_LIMIT: limit}
    assert threads_of(DittoSettings(threads=2), environment) == threads
