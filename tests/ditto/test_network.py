from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from entity_matching.config import DittoSettings
from entity_matching.ditto.data import PairSet
from entity_matching.ditto.encoders import load_encoder
from entity_matching.ditto.inference import tensors
from entity_matching.ditto.network import TYPES, PairNetwork, SharedDropout
from entity_matching.ditto.tokens import TYPES as TOKEN_TYPES
from entity_matching.ditto.tokens import TokenizedPair

MakeNetwork = Callable[..., PairNetwork]
MakeSet = Callable[..., PairSet]
CPU = torch.device("cpu")


def inputs(data: PairSet, count: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    return tensors(data.tokenizer, data.tokenized()[:count], CPU)


def odds(network: PairNetwork, given: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    network.eval()
    with torch.inference_mode():
        found: Tensor = network(*given)
    return found


def test_the_network_has_a_vector_for_each_type_of_token() -> None:
    assert TYPES == TOKEN_TYPES


def test_types_say_nothing_before_training(make_network: MakeNetwork, make_set: MakeSet) -> None:
    network, (ids, mask, types) = make_network(), inputs(make_set())
    others = (types + 2 * torch.randint(0, 10, types.shape)) % TYPES
    others += types % 2 - others % 2  # the sides are the encoder's own
    assert not torch.equal(types, others)
    assert torch.equal(odds(network, (ids, mask, types)), odds(network, (ids, mask, others)))


def test_types_once_learnt_tell_pairs_apart(make_network: MakeNetwork, make_set: MakeSet) -> None:
    network, (ids, mask, types) = make_network(), inputs(make_set())
    nn.init.normal_(network.types.weight)
    assert not torch.allclose(odds(network, (ids, mask, types)), odds(network, (ids, mask, types % 4)))


def test_an_encoder_that_knows_segments_is_told_the_sides(make_network: MakeNetwork, make_set: MakeSet) -> None:
    network, (ids, mask, types) = make_network(), inputs(make_set())
    assert not torch.allclose(odds(network, (ids, mask, types)), odds(network, (ids, mask, types * 0)), atol=1e-6)


def test_padding_does_not_change_a_score(make_network: MakeNetwork, make_set: MakeSet) -> None:
    network, data = make_network(), make_set()
    nn.init.normal_(network.types.weight, std=0.1)
    alone = torch.cat([odds(network, tensors(data.tokenizer, [pair], CPU)) for pair in data.tokenized()])
    filler = TokenizedPair(np.full(60, 3, np.int32), np.zeros(60, np.uint8))
    together = odds(network, tensors(data.tokenizer, [*data.tokenized(), filler], CPU))[:-1]
    assert torch.allclose(alone, together, atol=1e-5)


def test_a_score_is_the_judgement_of_a_reading(make_network: MakeNetwork, make_set: MakeSet) -> None:
    network, given = make_network(), inputs(make_set(matches=2, others=3))
    network.eval()
    with torch.inference_mode():
        reading = network.read(*given)
        assert reading.shape == (5, 32)
        assert network.judge(reading).shape == (5,)
        assert torch.equal(network.judge(reading), network(*given))


def test_a_seed_gives_a_head_and_leaves_other_draws_alone(make_network: MakeNetwork) -> None:
    state = torch.get_rng_state()
    one, again, other = (make_network(seed=seed).head.weight for seed in (3, 3, 4))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_seed_may_be_of_any_length(make_network: MakeNetwork) -> None:
    assert torch.isfinite(make_network(seed=2**70).head.weight).all()


def test_a_blank_network_takes_the_weights_of_another(make_network: MakeNetwork, make_set: MakeSet) -> None:
    network, given = make_network(), inputs(make_set())
    nn.init.normal_(network.types.weight)
    blank = PairNetwork.blank(network.config.to_dict(), 0.1)
    assert not torch.allclose(odds(blank, given), odds(network, given))
    blank.load_state_dict(network.state_dict())
    assert torch.equal(odds(blank, given), odds(network, given))


def test_dropout_drops_the_same_dimensions_of_all_tokens_of_a_pair() -> None:
    torch.manual_seed(0)
    dropped = SharedDropout(0.4)(torch.ones(50, 7, 20))
    assert torch.equal(dropped, dropped[:, :1].expand(-1, 7, -1))
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / 0.6)]
    assert float((dropped[:, 0] == 0).float().mean()) == pytest.approx(0.4, abs=0.05)
    assert not torch.equal(dropped[0], dropped[1])


def test_dropout_of_readings_drops_dimensions_of_each() -> None:
    torch.manual_seed(0)
    dropped = SharedDropout(0.5)(torch.ones(50, 20))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("share", "training"), [(0.4, False), (0.0, True)])
def test_dropout_changes_nothing_in_prediction_or_where_there_is_none(share: float, training: bool) -> None:
    states = torch.randn(3, 4, 5)
    assert torch.equal(SharedDropout(share).train(training)(states), states)


def test_all_of_the_encoders_dropout_is_shared(make_network: MakeNetwork, make_set: MakeSet) -> None:
    parts = list(make_network(dropout=0.25).modules())
    assert not [part for part in parts if isinstance(part, nn.Dropout) and part.p > 0]
    assert {part.p for part in parts if isinstance(part, SharedDropout)} == {0.25}
    still = make_network(dropout=0.0).train()
    given = inputs(make_set(matches=2, others=2))
    assert torch.equal(still(*given), still(*given))


def test_the_network_knows_how_many_tokens_its_encoder_reads(
    tmp_path: Path, make_network: MakeNetwork, save_encoder: Callable[..., Path]
) -> None:
    folder = save_encoder(tmp_path / "roberta", "roberta", max_position_embeddings=66, pad_token_id=1)
    roberta = PairNetwork.of(load_encoder(str(folder)), 0.1, 0).eval()
    assert make_network().most_tokens == 160
    assert roberta.most_tokens == 64
    full = torch.ones(1, 64, dtype=torch.int64)
    assert roberta(full * 7, full, full * 0).shape == (1,)
    longer = torch.ones(1, 65, dtype=torch.int64)
    with pytest.raises(IndexError):
        roberta(longer * 7, longer, longer * 0)


def test_an_encoder_without_learnt_places_reads_any_number_of_tokens(make_network: MakeNetwork) -> None:
    network = make_network()
    network.encoder.embeddings.position_embeddings = None
    assert network.most_tokens is None


def test_the_default_encoder_has_room_for_the_default_length() -> None:
    network = PairNetwork.of(load_encoder("minilm"), 0.1, 0)
    assert network.most_tokens is not None
    assert network.most_tokens >= DittoSettings().max_tokens
