"""Teaching Ditto: first on pairs that need no labels, then on labels; and scores of what it had not seen."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.config import DittoSettings, MatcherSettings
from entity_matching.errors import LabelsError
from entity_matching.matcher.cascade import DeepModel
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.fit import Progress, hard
from entity_matching.matcher.folds import entity_folds
from entity_matching.matcher.lessons import Lesson, Provenance, lesson, summary
from entity_matching.matcher.reader import PairReader

if TYPE_CHECKING:
    from entity_matching.ditto.encoders import Encoder
    from entity_matching.ditto.network import PairNetwork

log = logging.getLogger(__name__)

ASIDE = 0.15
"""Share of the entities by which it is seen which pass was best."""
ASIDE_NEGATIVES = 2.0
"""Pairs that do not match among those put aside, per match, as a multiple of those learnt from in a pass: the others
would take longer to read than they tell."""
COMPARED = 300
"""Pairs on which the exported network is compared with the trained one."""
FEWEST = 4
"""Entities with a match below which Ditto learns nothing from labels, and stays as it was pretrained."""


@dataclass(frozen=True)
class Exported:
    """The network as it is deployed, and how long it takes over a pair on this machine."""

    model: DeepModel
    seconds_per_pair: float


@dataclass(frozen=True)
class Pupil:
    """Ditto in training.

    ``record``: what it was taught so far, in values ready for JSON. ``checkpoints``: the folder in which each
    training keeps where it stands, so that one that was killed goes on from there; ``None``: nothing is kept.
    """

    network: PairNetwork
    reader: PairReader
    record: dict[str, Any]
    checkpoints: Path | None = None

    def predict(
        self, examples: Examples, reference: pa.Table, chosen: NDArray[np.bool_], settings: DittoSettings
    ) -> Any:
        """Return the log-odds of the chosen pairs, NaN of the others, shape (pairs,)."""
        from entity_matching.ditto.inference import computing, predict  # noqa: PLC0415 - heavy

        odds = np.full(len(chosen), np.nan)
        assert examples.sources is not None
        pairs = self.reader.tokenized(examples.sources, reference, examples.record[chosen], examples.reference[chosen])
        with computing(settings):
            odds[chosen] = predict(self.network, self.reader.tokenizer, pairs, settings)
        return odds

    def exported(self, examples: Examples, reference: pa.Table, settings: DittoSettings, seed: int) -> Exported:
        """Return the network as it is deployed, compared with this one and timed on some of the examples' pairs."""
        from entity_matching.ditto.export import export_model  # noqa: PLC0415 - heavy

        assert examples.sources is not None
        size = len(examples.record)
        rows = np.sort(np.random.default_rng([seed, 5]).choice(size, min(size, COMPARED), replace=False))
        pairs = self.reader.tokenized(examples.sources, reference, examples.record[rows], examples.reference[rows])
        network, reader = self.network, self.reader
        model = export_model(network, reader.serializer, reader.tokenizer, pairs, threads=settings.threads)
        started = time.perf_counter()
        model.predict_tokens(pairs)
        return Exported(model, (time.perf_counter() - started) / len(pairs))

    def taught(
        self,
        lessons: Sequence[Lesson],
        settings: DittoSettings,
        seed: int,
        stage: str,
        progress: Progress | None = None,
    ) -> Pupil:
        """Return a pupil that was taught some lessons more; this one stays as it is.

        A lesson of so few entities that none can be put aside is left out.

        :param stage: the training's name, in the record and among the checkpoints.
        :raises LabelsError: if no lesson is left.
        """
        from entity_matching.ditto.data import PairSet  # noqa: PLC0415
        from entity_matching.ditto.train import train_network  # noqa: PLC0415 - heavy

        rng = np.random.default_rng([seed, 7])
        splits = _usable([one.split(ASIDE, rng) for one in lessons])
        most = ASIDE_NEGATIVES * settings.negatives
        training = [PairSet.of(one.pairs, self.reader.tokenizer) for one, _ in splits]
        aside = [PairSet.of(one.pairs.thinned(most, rng), self.reader.tokenizer) for _, one in splits]
        network = copy.deepcopy(self.network)
        folder = None if self.checkpoints is None else self.checkpoints / stage
        passes = train_network(network, training, aside, settings, seed=seed, checkpoint=folder, progress=progress)
        best = max(passes, key=lambda one: (one.f1, -one.validation_loss))
        record = {
            "pairs": summary([one for sides in splits for one in sides]),
            "passes": len(passes),
            "validation_f1": round(best.f1, 4),
            "seconds": round(sum(one.seconds for one in passes), 1),
            "curve": {
                "loss": [round(one.loss, 6) for one in passes],
                "validation_loss": [round(one.validation_loss, 6) for one in passes],
                "validation_f1": [round(one.f1, 4) for one in passes],
            },
        }
        return replace(self, network=network, record={**self.record, stage: record})


def _usable(splits: Sequence[tuple[Lesson, Lesson]]) -> list[tuple[Lesson, Lesson]]:
    """Return the lessons from which one can learn and see what was learnt: both sides hold pairs of both kinds."""
    usable = []
    for sides in splits:
        if all(side.has_both for side in sides):
            usable.append(sides)
        else:
            log.info("too few pairs to learn from: %s", sides[0].provenance.value)
    if not usable:
        raise LabelsError(
            "there are too few pairs to learn from: of both kinds, some to be taught and others to be put aside.",
            remedy="Give more records or labels.",
        )
    return usable


@dataclass(frozen=True)
class Start:
    """What Ditto starts from, and the folder in which its trainings keep where they stand, or ``None``."""

    encoder: Encoder
    checkpoints: Path | None

    @classmethod
    def of(cls, settings: DittoSettings, checkpoints: Path | None) -> Self:
        """Load the encoder: first of all, so that a name that is wrong is told at once.

        :raises SettingsError: if there is no such encoder.
        """
        from entity_matching.ditto.encoders import load_encoder  # noqa: PLC0415 - heavy

        return cls(load_encoder(settings.encoder), checkpoints)

    def pupil(self, reader: PairReader, settings: DittoSettings, seed: int) -> Pupil:
        """Return a pupil that knows nothing but its encoder's language."""
        from entity_matching.ditto.network import PairNetwork  # noqa: PLC0415 - heavy

        return Pupil(PairNetwork.of(self.encoder, settings.dropout, seed), reader, {}, self.checkpoints)


def cross_taught(
    pupil: Pupil,
    examples: Examples,
    reference: pa.Table,
    asked: NDArray[np.bool_],
    settings: MatcherSettings,
    progress: Progress | None = None,
) -> tuple[Pupil, NDArray[np.float64]]:
    """Teach labels, and score each labelled record by a pupil that was not taught its entity.

    :param asked: the pairs that are scored, shape (pairs,).
    :returns: the pupil taught on all, and the log-odds of each pair, NaN where it was not asked.
    """
    assert settings.ditto is not None
    ditto = settings.ditto
    folds = entity_folds(examples.group, settings.cascade.folds, settings.seed)
    real = ~examples.counterfactual  # the pairs of the others are among these
    odds = np.full(len(asked), np.nan)
    numbers = np.unique(folds)
    for step, fold in enumerate(numbers):
        rest = hard(examples.of_records(real & (folds != fold)), settings.scorer.rivals)
        part = asked & (folds[examples.record] == fold)
        within = _within(progress, step, len(numbers) + 1)
        taught = _taught_labels(pupil, rest, reference, settings, f"labels-fold-{fold + 1}", within)
        odds[part] = taught.predict(examples, reference, part, ditto)[part]
    everything = hard(examples.of_records(real), settings.scorer.rivals)
    within = _within(progress, len(numbers), len(numbers) + 1)
    return _taught_labels(pupil, everything, reference, settings, "labels", within), odds


def _taught_labels(
    pupil: Pupil,
    examples: Examples,
    reference: pa.Table,
    settings: MatcherSettings,
    stage: str,
    progress: Progress | None,
) -> Pupil:
    assert settings.ditto is not None
    taught = lesson(examples, reference, pupil.reader, Provenance.LABEL)
    if len(np.unique(taught.entity[taught.pairs.matches])) < FEWEST:
        log.info("fewer than %d labelled entities have a match: Ditto is not taught labels", FEWEST)
        return pupil
    try:
        return pupil.taught([taught], settings.ditto, settings.seed, stage, progress)
    except LabelsError as error:
        log.info("Ditto is not taught labels: %s", error)
        return pupil


def pretraining(settings: MatcherSettings) -> DittoSettings:
    """Return the settings of the training without labels."""
    assert settings.ditto is not None
    return replace(settings.ditto, epochs=settings.cascade.pretraining_epochs)


def _within(progress: Progress | None, step: int, steps: int) -> Progress | None:
    if progress is None:
        return None
    return lambda stage, share: progress(f"{stage} (training {step + 1} of {steps})", (step + share) / steps)
