from __future__ import annotations

import copy
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from entity_matching.config import DittoSettings
from entity_matching.ditto import export
from entity_matching.ditto.export import Bounds, export_model, export_onnx
from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.predict import DittoModel
from entity_matching.ditto.serialize import Serializer
from entity_matching.ditto.tokens import TokenizedPair
from entity_matching.errors import ArtifactError, InputError, OptionalDependencyError, OutputError
from entity_matching.schema import Schema

SERIALIZER = Serializer(Schema.model_validate({"attributes": {"name": {"kind": "name"}, "number": {"kind": "number"}}}))


@pytest.fixture(scope="module")
def data(make_set: Any) -> Any:
    return make_set(matches=20, others=30)


@pytest.fixture(scope="module")
def sample(data: Any) -> list[TokenizedPair]:
    pairs: list[TokenizedPair] = data.tokenized()
    return pairs


@pytest.fixture
def network(make_network: Any) -> PairNetwork:
    made: PairNetwork = make_network()
    with torch.no_grad():
        made.types.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(3))
    return made


def torch_odds(network: PairNetwork, data: Any, settings: DittoSettings) -> Any:
    from entity_matching.ditto.inference import predict  # noqa: PLC0415

    return predict(network, data.tokenizer, data.tokenized(), settings)


def probability(odds: Any) -> Any:
    return 1 / (1 + np.exp(-odds))


def test_what_is_exported_says_what_the_network_says_within_the_parity_told(
    network: PairNetwork, data: Any, sample: list[TokenizedPair], tiny_settings: DittoSettings, tmp_path: Path
) -> None:
    parity = export_onnx(network, tmp_path, SERIALIZER, data.tokenizer, sample)
    wanted = probability(torch_odds(network, data, tiny_settings))
    off = np.abs(probability(DittoModel.load(tmp_path).predict_tokens(sample)) - wanted)
    assert np.ptp(wanted) > 0.05
    assert parity.precision == "int8"
    assert parity.pairs == len(sample)
    assert 0 < parity.mean < parity.largest < 0.25
    assert off.max() == pytest.approx(parity.largest, abs=1e-4)
    assert off.mean() == pytest.approx(parity.mean, abs=1e-4)


def test_float32_is_kept_with_a_warning_where_integers_are_too_far_off(
    network: PairNetwork, data: Any, sample: list[TokenizedPair], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="entity_matching"):
        model = export_model(network, SERIALIZER, data.tokenizer, sample, Bounds(largest=1e-5))
    assert model.parity.precision == "fp32"
    assert model.parity.largest < 1e-3
    assert "kept in float32" in caplog.text


@pytest.mark.parametrize("bounds", [Bounds(mean=1e-7), Bounds(largest=1e-7)])
def test_either_bound_is_kept(network: PairNetwork, data: Any, sample: list[TokenizedPair], bounds: Bounds) -> None:
    assert export_model(network, SERIALIZER, data.tokenizer, sample, bounds).parity.precision == "fp32"


def test_a_graph_that_says_something_else_is_not_taken(
    network: PairNetwork, data: Any, sample: list[TokenizedPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.head.bias.add_(1)
    exporter = export.trace
    wrong = exporter(other.eval())
    monkeypatch.setattr(export, "fused", lambda *given: wrong)
    assert export_model(network, SERIALIZER, data.tokenizer, sample).parity.largest < 0.25
    monkeypatch.setattr(export, "trace", lambda network: wrong)
    with pytest.raises(ArtifactError, match="does not say what the trained one says"):
        export_model(network, SERIALIZER, data.tokenizer, sample)


def test_an_encoder_whose_graph_cannot_be_fused_is_exported_as_it_is(
    network: PairNetwork, data: Any, sample: list[TokenizedPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> None:
        raise ValueError("unknown pattern")

    monkeypatch.setattr(export, "fused", fail)
    parity = export_model(network, SERIALIZER, data.tokenizer, sample).parity
    assert parity.precision == "int8"


def test_a_network_of_no_numbers_is_refused(network: PairNetwork, data: Any, sample: list[TokenizedPair]) -> None:
    with torch.no_grad():
        network.head.weight.fill_(float("nan"))
    with pytest.raises(ArtifactError, match="weights may be damaged"):
        export_model(network, SERIALIZER, data.tokenizer, sample)


def test_the_network_stays_as_it_is(network: PairNetwork, data: Any, sample: list[TokenizedPair]) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    export_model(network, SERIALIZER, data.tokenizer, sample)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_an_empty_sample_is_refused(network: PairNetwork, data: Any) -> None:
    with pytest.raises(InputError, match="no pair to compare"):
        export_model(network, SERIALIZER, data.tokenizer, [])


def test_a_full_disk_is_told_and_leaves_nothing(
    network: PairNetwork, data: Any, sample: list[TokenizedPair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = export_model(network, SERIALIZER, data.tokenizer, sample)
    monkeypatch.setattr(export, "export_model", lambda *given: model)
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> None:
        write(path, content[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device.*Make room"):
        export_onnx(network, tmp_path, SERIALIZER, data.tokenizer, sample)
    assert list(tmp_path.iterdir()) == []


def test_without_onnx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in ("export", "graph"):
        monkeypatch.delitem(sys.modules, f"entity_matching.ditto.{name}")
    with pytest.raises(OptionalDependencyError, match=r"'onnx'.*entity-matching\[train\]"):
        __import__("entity_matching.ditto.export")
