from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from entity_matching.config import DittoSettings
from entity_matching.ditto.data import PairSet
from entity_matching.ditto.inference import predict
from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.tokens import PairTokenizer
from entity_matching.ditto.train import Pass, best_f1, log_loss
from entity_matching.ditto.words import Record, Value, Word
from entity_matching.errors import LabelsError, SettingsError

if TYPE_CHECKING:
    from tests.ditto.conftest import Trainer

Weights = dict[str, torch.Tensor]
BATCHES = math.ceil((24 + 48) / 16)
"""Of a pass under the settings ``RICH``."""


def finite(network: PairNetwork) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


def warned(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


# what training gives


def test_it_learns_that_other_numbers_mean_another_record(trainer: Trainer, tiny_settings: DittoSettings) -> None:
    unseen = trainer.make_set(matches=30, others=60, seed=2)
    network, passes = trainer.train(training=[trainer.make_set(matches=80, others=320)], negatives=2.0)
    odds = predict(network, unseen.tokenizer, unseen.tokenized(), tiny_settings)
    assert best_f1(odds, unseen.pairs.matches) > 0.9
    assert passes[-1].loss < passes[0].loss
    assert not network.training


def test_each_pass_is_told_with_loss_and_f1(trainer: Trainer) -> None:
    _, passes = trainer.train()
    assert [one.number for one in passes] == [0, 1, 2]
    for one in passes:
        assert one.loss > 0
        assert 0 <= one.f1 <= 1
        assert one.validation_loss > 0
        assert one.seconds > 0


def test_the_loss_of_a_pass_is_the_mean_over_its_pairs(trainer: Trainer, tiny_settings: DittoSettings) -> None:
    still: dict[str, Any] = {"learning_rate": 1e-12, "head_rate": 1e-12, "dropout": 0.0, "augment": 0.0}
    network, passes = trainer.train(negatives=99.0, **still)
    data = trainer.training[0]
    expected = log_loss(predict(network, data.tokenizer, data.tokenized(), tiny_settings), data.pairs.matches)
    assert [one.loss for one in passes] == pytest.approx([expected] * 3, rel=1e-4)


def test_the_loss_of_a_pass_is_that_of_its_own_batches(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    train: Any = importlib.import_module("entity_matching.ditto.train")
    monkeypatch.setattr(train._Run, "_step", lambda run, examples: float(run.state.epoch))
    assert [one.loss for one in trainer.train()[1]] == [0.0, 1.0, 2.0]


def test_training_leaves_threads_and_draws_alone(trainer: Trainer) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    trainer.train(epochs=1, threads=threads + 1)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_seed_gives_the_same_network(trainer: Trainer, whole: tuple[Weights, list[Pass]]) -> None:
    torch.rand(7)  # what was drawn before does not matter
    network, passes = trainer.train(**trainer.RICH)
    assert trainer.same(trainer.weights(network), whole[0])
    assert trainer.told(passes) == trainer.told(whole[1])


def test_another_seed_gives_another_network(trainer: Trainer, whole: tuple[Weights, list[Pass]]) -> None:
    network, passes = trainer.train(seed=1, **trainer.RICH)
    assert not trainer.same(trainer.weights(network), whole[0])
    assert trainer.told(passes) != trainer.told(whole[1])


def test_a_seed_may_be_of_any_length(trainer: Trainer) -> None:
    assert trainer.train(seed=2**80, epochs=1)[1]


@pytest.mark.parametrize("changed", [{"augment": 0.0}, {"mixda": False}, {"mine_every": 9}, {"dropout": 0.0}], ids=str)
def test_each_part_of_the_recipe_makes_a_difference(
    trainer: Trainer, whole: tuple[Weights, list[Pass]], changed: dict[str, Any]
) -> None:
    network, _ = trainer.train(**{**trainer.RICH, **changed})
    assert not trainer.same(trainer.weights(network), whole[0])


def test_how_much_is_computed_at_once_changes_no_more_than_rounding(trainer: Trainer) -> None:
    plain: dict[str, Any] = {"dropout": 0.0, "mixda": False, "epochs": 1}
    large, small = (trainer.train(step_tokens=tokens, **plain)[1][0] for tokens in (100_000, 16))
    assert small.loss == pytest.approx(large.loss, rel=1e-3)
    assert small.validation_loss == pytest.approx(large.validation_loss, rel=1e-2)


def test_never_more_tokens_at_once_than_asked(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    read = PairNetwork.read

    def count(self: PairNetwork, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        if self.training:
            sizes.append(ids.numel())
        return read(self, ids, mask, types)

    monkeypatch.setattr(PairNetwork, "read", count)
    trainer.train(epochs=1, step_tokens=200, augment=0.7)
    assert max(sizes) <= 200
    assert np.mean(sizes) > 100


def test_bf16_learns_as_well(trainer: Trainer) -> None:
    training = [trainer.make_set(matches=80, others=320)]
    _, passes = trainer.train(training=training, negatives=2.0, precision="bf16")
    assert passes[-1].f1 > 0.9


# when it stops, and what it tells


def scripted(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, f1s: Sequence[float], losses: Sequence[float]
) -> list[Weights]:
    """Let validation find what is given, pass by pass; return the weights that it is asked about."""
    train: Any = importlib.import_module("entity_matching.ditto.train")
    seen: list[Weights] = []

    def validate(run: Any) -> tuple[float, float]:
        seen.append(trainer.weights(run.network))
        return f1s[len(seen) - 1], losses[len(seen) - 1]

    monkeypatch.setattr(train._Run, "_validate", validate)
    return seen


def test_training_stops_when_no_pass_is_better_and_ends_with_the_best(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = scripted(trainer, monkeypatch, [0.5, 0.8, 0.7, 0.6, 0.9], [1.0] * 5)
    network, passes = trainer.train(epochs=5, patience=2)
    assert [one.f1 for one in passes] == [0.5, 0.8, 0.7, 0.6]
    assert trainer.same(trainer.weights(network), seen[1])
    assert not trainer.same(seen[1], seen[3])


def test_patience_begins_anew_with_each_better_pass(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = scripted(trainer, monkeypatch, [0.5, 0.4, 0.6, 0.5, 0.7, 0.1], [1.0] * 6)
    network, passes = trainer.train(epochs=6, patience=2)
    assert len(passes) == 6
    assert trainer.same(trainer.weights(network), seen[4])


def test_of_passes_with_the_same_f1_the_one_of_less_loss_is_best(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = scripted(trainer, monkeypatch, [1.0, 1.0, 1.0], [0.3, 0.1, 0.2])
    network, _ = trainer.train(epochs=3)
    assert trainer.same(trainer.weights(network), seen[1])


def test_a_killed_training_stops_where_it_would_have(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(trainer, monkeypatch, [0.8, 0.7, 0.6, 0.5, 0.4], [1.0] * 5)
    trainer.killed(2 * BATCHES + 1, checkpoint=tmp_path, epochs=5, patience=2, **trainer.RICH)
    network, passes = trainer.train(checkpoint=tmp_path, epochs=5, patience=2, **trainer.RICH)
    assert [one.f1 for one in passes] == [0.8, 0.7, 0.6]


@pytest.mark.parametrize("patience", [1, 9])
def test_progress_tells_loss_and_f1_and_never_goes_back(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    scripted(trainer, monkeypatch, [0.75, 0.5, 0.5], [1.0] * 3)
    heard: list[tuple[str, float]] = []
    trainer.train(patience=patience, progress=lambda stage, share: heard.append((stage, share)))
    shares = [share for _, share in heard]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2
    assert shares[-1] == 1.0
    assert heard[0][0].startswith("Ditto, pass 1/3: loss ")
    assert "F1" not in heard[0][0]
    assert "F1 0.750" in next(stage for stage, _ in heard if "pass 2/3" in stage)
    assert "F1 0.750" in heard[-1][0]


def test_what_progress_raises_ends_the_training(trainer: Trainer) -> None:
    def stop(stage: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(progress=stop)


# several data sets


def test_all_data_sets_are_learnt_from(trainer: Trainer) -> None:
    other = trainer.make_set(matches=16, others=32, seed=7, name="other")
    alone, _ = trainer.train(epochs=1)
    both, passes = trainer.train(training=[*trainer.training, other], epochs=1)
    reversed_, _ = trainer.train(training=[other, *trainer.training], epochs=1)
    assert passes[0].loss > 0
    assert not trainer.same(trainer.weights(alone), trainer.weights(both))
    assert not trainer.same(trainer.weights(both), trainer.weights(reversed_))


def by_last_letter(word: str) -> float:
    """Return some weight of a word, other than its length."""
    return float(ord(word[-1]))


def test_data_sets_may_weigh_words_in_their_own_way(trainer: Trainer, encoder_folder: Path) -> None:
    settings, path = replace(trainer.settings, max_tokens=20), encoder_folder / "tokenizer.json"
    pairs = trainer.training[0].pairs
    by_length, by_end = (
        PairSet.of(pairs, PairTokenizer.from_file(path, settings, weigh)) for weigh in (len, by_last_letter)
    )
    one, _ = trainer.train(training=[by_length, by_end], validation=[by_length], max_tokens=20, epochs=1)
    other, _ = trainer.train(training=[by_length, by_length], validation=[by_length], max_tokens=20, epochs=1)
    assert not trainer.same(trainer.weights(one), trainer.weights(other))


def test_words_of_other_weight_are_another_training(
    trainer: Trainer, encoder_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for weigh in (len, by_last_letter):
        tokenizer = PairTokenizer.from_file(
            encoder_folder / "tokenizer.json", replace(trainer.settings, max_tokens=20), weigh
        )
        data = [PairSet.of(trainer.training[0].pairs, tokenizer)]
        trainer.train(training=data, validation=data, max_tokens=20, epochs=1, checkpoint=tmp_path)
    assert "is of another training" in warned(caplog)


def test_validation_is_the_mean_over_its_data_sets(trainer: Trainer) -> None:
    large, small = trainer.validation[0], trainer.make_set(matches=3, others=6, seed=4)
    found = [trainer.train(validation=sets, epochs=1)[1][0] for sets in ([large], [small], [large, small])]
    one, two, both = found
    assert both.f1 == pytest.approx((one.f1 + two.f1) / 2)
    assert both.validation_loss == pytest.approx((one.validation_loss + two.validation_loss) / 2)


# labels and values that are hard to learn from


@pytest.mark.parametrize(("matches", "others"), [(5, 0), (0, 5)])
def test_labels_of_one_kind_are_refused(trainer: Trainer, matches: int, others: int) -> None:
    one_kind = [trainer.make_set(matches=matches, others=others, name="lopsided")]
    with pytest.raises(LabelsError, match="training pairs of 'lopsided'"):
        trainer.train(training=[*trainer.training, *one_kind])
    with pytest.raises(LabelsError, match="validation pairs of 'lopsided'"):
        trainer.train(validation=one_kind)


@pytest.mark.parametrize("role", ["training", "validation"])
def test_no_data_set_at_all_is_refused(trainer: Trainer, role: str) -> None:
    given: dict[str, Any] = {role: []}
    with pytest.raises(LabelsError, match=f"there are no {role} pairs"):
        trainer.train(**given)


def test_three_pairs_are_enough_to_train_without_failure(trainer: Trainer) -> None:
    few = [trainer.make_set(matches=1, others=2)]
    network, passes = trainer.train(training=few, validation=few, mine_every=1)
    assert len(passes) == 3
    assert finite(network)


def test_pairs_given_twice_and_pairs_that_contradict_each_other_do_no_harm(
    trainer: Trainer, make_record: Callable[[str, str], Record]
) -> None:
    one, two = make_record("acme steel", "12"), make_record("delta paper", "34")
    labels = np.array([True, True, True, False, False, False])
    pairs = RecordPairs.of([one] * 6, [one, one, two, two, two, one], labels)
    data = [trainer.make_set(pairs)]
    network, passes = trainer.train(training=data, validation=data)
    assert finite(network)
    assert passes


LONG = "x" * 100_000
ODD_RECORDS: dict[str, Record] = {
    "empty": (),
    "one word of 100,000 letters": (Value("name", (Word(LONG),)),),
    "one word 20,000 times": (Value("name", (Word("steel"),) * 20_000),),
    "20,000 words": (Value("name", tuple(Word(f"w{number}") for number in range(20_000))),),
    "word of no known letter": (Value("name", (Word("名"),)),),
}


@pytest.mark.parametrize("odd", ODD_RECORDS.values(), ids=ODD_RECORDS)
def test_odd_records_are_trained_on_without_failure(
    trainer: Trainer, odd: Record, make_record: Callable[[str, str], Record]
) -> None:
    usual = make_record("acme steel", "12")
    pairs = RecordPairs.of([odd, odd, usual, usual], [odd, usual, usual, odd], np.array([True, False, True, False]))
    data = [trainer.make_set(pairs)]
    network, passes = trainer.train(training=data, validation=data, epochs=1, augment=0.9)
    assert len(passes) == 1
    assert finite(network)


def test_more_tokens_than_the_encoder_reads_are_refused(trainer: Trainer) -> None:
    with pytest.raises(SettingsError, match="'max_tokens' is 200; the encoder reads at most 160") as caught:
        trainer.train(max_tokens=200)
    assert "160" in caught.value.remedy


# how passes are judged


def test_f1_is_that_of_the_best_threshold() -> None:
    truth = np.array([True, True, False, True, False, False])
    assert best_f1(np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0]), truth) == pytest.approx(6 / 7)
    assert best_f1(np.array([3.0, 3.0, 0.0, 3.0, 0.0, 0.0]), truth) == 1.0


def test_equal_scores_are_accepted_together() -> None:
    assert best_f1(np.zeros(4), np.array([True, False, False, False])) == pytest.approx(0.4)


def test_loss_is_the_cross_entropy_however_sure_the_score() -> None:
    truth = np.array([True, False])
    assert log_loss(np.zeros(2), truth) == pytest.approx(math.log(2))
    assert log_loss(np.array([1e4, -1e4]), truth) == 0.0
    assert log_loss(np.array([-1e4, -1e4]), truth) == pytest.approx(5e3)
