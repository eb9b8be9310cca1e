"""Ditto on labelled pairs, without a search: taught on several data sets at once, then on each by itself."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.config import DittoSettings
from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.serialize import Serializer
from entity_matching.matcher.calibrate import Calibration, expit, logit
from entity_matching.matcher.pairwise import LabelledPairs, PairwiseModel, distinct, half_best_f1, normalized
from entity_matching.matcher.reader import PairReader
from entity_matching.matcher.rivals import Rivals
from entity_matching.matcher.stack import Stack, first_guess
from entity_matching.schema import Schema

if TYPE_CHECKING:
    from entity_matching.ditto.data import PairSet
    from entity_matching.ditto.encoders import Encoder
    from entity_matching.ditto.network import PairNetwork
    from entity_matching.ditto.tokens import TokenizedPair

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]
Predict = Callable[["Sequence[TokenizedPair]"], NDArray[np.float64]]


@dataclass(frozen=True)
class PairTask:
    """One data set: its training pairs, and validation pairs by which passes, blend and threshold are chosen."""

    name: str
    schema: Schema
    reader: PairReader
    training: PairSet
    validation: PairSet

    @classmethod
    def of(
        cls,
        name: str,
        training: LabelledPairs,
        validation: LabelledPairs,
        schema: Schema,
        encoder: Encoder,
        settings: DittoSettings,
    ) -> PairTask:
        """Normalise, serialise and tokenise the pairs; words are weighed by the training records."""
        from entity_matching.ditto.data import PairSet  # noqa: PLC0415 - heavy
        from entity_matching.ditto.tokens import PairTokenizer  # noqa: PLC0415

        serializer = Serializer.fit(distinct(*normalized(training.left, training.right, schema)), schema)
        tokenizer = PairTokenizer(encoder.tokenizer, settings, serializer.idf)
        reader = PairReader(serializer, tokenizer)
        sets = [PairSet.of(_record_pairs(pairs, reader, name), tokenizer) for pairs in (training, validation)]
        return cls(name, schema, reader, *sets)

    def without(self, left_out: NDArray[np.bool_]) -> PairTask:
        """Return the task with fewer training pairs, e.g. without those that another set is tested on."""
        kept = self.training.pairs.take(~left_out)
        return replace(self, training=replace(self.training, pairs=kept))

    def tokenized(self, left: pa.Table, right: pa.Table) -> list[TokenizedPair]:
        """Return pairs, given row by row, as the network reads them."""
        one, two = normalized(left, right, self.schema)
        rows = np.arange(one.num_rows)
        return self.reader.tokenized(one, two, rows, rows)


def teach_together(
    network: PairNetwork,
    tasks: Sequence[PairTask],
    settings: DittoSettings,
    *,
    seed: int = 0,
    validation_negatives: float = 3.0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> PairNetwork:
    """Return a network taught on several data sets at once (multi-set pre-fine-tuning).

    :param validation_negatives: validation pairs that do not match, per match; the others are not looked at
        here, since they are many and this only chooses the best pass.
    """
    rng = np.random.default_rng([seed, 11])
    validation = [
        replace(task.validation, pairs=task.validation.pairs.thinned(validation_negatives, rng)) for task in tasks
    ]
    return _trained(network, [task.training for task in tasks], validation, settings, seed, checkpoint, progress)


def adapt(
    network: PairNetwork,
    task: PairTask,
    settings: DittoSettings,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> PairNetwork:
    """Return a network taught on one data set more."""
    return _trained(network, [task.training], [task.validation], settings, seed, checkpoint, progress)


DITTO, PAIRWISE, BLENDED = "ditto", "pairwise", "blended"
"""Ditto alone; its blend with the features, each pair by itself; the blend that hears rivals too."""


@dataclass(frozen=True)
class DeepPairwiseModel:
    """Feature scorer and Ditto, blended, for one data set.

    ``predict``: Ditto, however it is run: log-odds of tokenised pairs. ``calibration``: of Ditto alone. ``rivals``:
    the matches that are known. ``pairwise``, ``blended``: the blend without and with rivals. ``thresholds``: by
    :data:`DITTO`, :data:`PAIRWISE` and :data:`BLENDED`, the probability from which a pair is a match.
    """

    task: PairTask
    features: PairwiseModel
    predict: Predict
    calibration: Calibration
    rivals: Rivals
    pairwise: Stack
    blended: Stack
    thresholds: Mapping[str, float]

    @classmethod
    def blend(
        cls,
        task: PairTask,
        features: PairwiseModel,
        predict: Predict,
        training: LabelledPairs,
        validation: LabelledPairs,
    ) -> DeepPairwiseModel:
        """Learn the blend and the thresholds on the validation pairs, which neither scorer was trained on.

        :param training: pairs whose matches are known when others are judged.
        """
        rivals, matches = Rivals.of(training), validation.matches
        odds = predict(task.validation.tokenized())
        given = logit(features.predict(validation.left, validation.right))
        chances = rivals.chances(validation.left, validation.right, first_guess(given, odds))
        calibration = Calibration.fit(expit(odds), matches)
        alone = Stack.fit(given, odds, np.zeros_like(chances), matches)
        model = cls(task, features, predict, calibration, rivals, alone, Stack.fit(given, odds, chances, matches), {})
        scores = model._scores(given, odds, chances)
        thresholds = {name: half_best_f1(probability, matches) for name, probability in scores.items()}
        return replace(model, thresholds=thresholds)

    def scores(self, left: pa.Table, right: pa.Table) -> dict[str, NDArray[np.float64]]:
        """Return the probability of each pair, given row by row, as each way of judging sees it.

        Keys are :data:`DITTO`, :data:`PAIRWISE` and :data:`BLENDED`. The last takes pairs that share a record as
        rivals, so it depends on which pairs are given together.
        """
        odds = self.predict(self.task.tokenized(left, right))
        given = logit(self.features.predict(left, right))
        return self._scores(given, odds, self.rivals.chances(left, right, first_guess(given, odds)))

    def _scores(
        self, features: NDArray[np.float64], odds: NDArray[np.float64], chances: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        return {
            DITTO: self.calibration.apply(expit(odds)),
            PAIRWISE: self.pairwise.apply(features, odds, np.zeros_like(chances)),
            BLENDED: self.blended.apply(features, odds, chances),
        }


def _record_pairs(pairs: LabelledPairs, reader: PairReader, name: str) -> RecordPairs:
    left, right = normalized(pairs.left, pairs.right, reader.serializer.schema)
    rows = np.arange(left.num_rows)
    return reader.pairs(left, right, rows, rows, pairs.matches, name)


def _trained(
    network: PairNetwork,
    training: Sequence[PairSet],
    validation: Sequence[PairSet],
    settings: DittoSettings,
    seed: int,
    checkpoint: Path | None,
    progress: Progress | None,
) -> PairNetwork:
    from entity_matching.ditto.train import train_network  # noqa: PLC0415 - heavy

    learner = copy.deepcopy(network)
    train_network(learner, training, validation, settings, seed=seed, checkpoint=checkpoint, progress=progress)
    return learner
