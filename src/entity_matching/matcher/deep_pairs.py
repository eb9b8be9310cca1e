"""Ditto on labelled pairs, without a search: taught on several data sets at once, then on each by itself."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
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
from entity_matching.matcher.stack import Stack
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


@dataclass(frozen=True)
class DeepPairwiseModel:
    """Feature scorer and Ditto, blended, for one data set.

    ``predict``: Ditto, however it is run: log-odds of tokenised pairs. ``calibration``: of Ditto alone.
    ``ditto_threshold``, ``threshold``: probability from which a pair is a match, by Ditto alone and by the blend.
    """

    task: PairTask
    features: PairwiseModel
    predict: Predict
    calibration: Calibration
    stack: Stack
    ditto_threshold: float
    threshold: float

    @classmethod
    def blend(
        cls, task: PairTask, features: PairwiseModel, predict: Predict, validation: LabelledPairs
    ) -> DeepPairwiseModel:
        """Learn the blend and the thresholds on the validation pairs, which neither was trained on."""
        odds = predict(task.validation.tokenized())
        given = logit(features.predict(validation.left, validation.right))
        matches = validation.matches
        calibration, stack = Calibration.fit(expit(odds), matches), Stack.fit(given, odds, matches)
        alone, blended = calibration.apply(expit(odds)), stack.apply(given, odds)
        thresholds = (half_best_f1(probability, matches) for probability in (alone, blended))
        return cls(task, features, predict, calibration, stack, *thresholds)

    def scores(self, left: pa.Table, right: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probability of each pair, given row by row: by Ditto alone, and blended."""
        odds = self.predict(self.task.tokenized(left, right))
        return self.calibration.apply(expit(odds)), self.stack.apply(logit(self.features.predict(left, right)), odds)


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
