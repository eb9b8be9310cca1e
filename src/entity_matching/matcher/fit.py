"""Fitting: a scorer, its calibration and what the thresholds are derived from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from entity_matching.config import ScorerSettings
from entity_matching.errors import LabelsError
from entity_matching.matcher.calibrate import Calibration
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.folds import entity_folds
from entity_matching.matcher.outcomes import Outcomes
from entity_matching.matcher.rank import best_of_each, exclusive
from entity_matching.matcher.scorer import PairScorer

Progress = Callable[[str, float], None]
"""Called with a stage's name and the share of it that is done, 0 to 1."""


@dataclass(frozen=True)
class Fitted:
    """A trained scorer with its calibration, and the held-out outcomes it was calibrated on.

    ``raw``: the uncalibrated probability of each example, 0 to 1, by a scorer that has not seen its entity,
    shared with its rivals; shape (pairs,).
    """

    scorer: PairScorer
    calibration: Calibration
    outcomes: Outcomes
    raw: NDArray[np.float64]


def fit(
    examples: Examples,
    extra: Examples | None,
    settings: ScorerSettings,
    seed: int,
    progress: Progress | None = None,
    *,
    floor: float = 0.0,
) -> Fitted:
    """Train on examples, and calibrate on the same examples by cross-validation over entities.

    Each fold is scored by a scorer that has not seen its entities; the scorer that is kept is trained on all.

    :param examples: what is learnt from, and, but for counterfactual records, calibrated on.
    :param extra: examples that are learnt from but not calibrated on, at the weight ``extra_weight``.
    :param floor: least confidence of a record's best candidate.
    :raises LabelsError: if no candidate is a match, or every one is.
    """
    check_kinds(examples)
    raw = exclusive(examples.record, held_out(examples, extra, settings, seed, progress))
    real = ~examples.counterfactual
    best = best_of_each(examples.record, raw, len(examples.truth))[real]
    truth = examples.truth[real]
    right = (best >= 0) & (examples.reference[best] == truth)
    confidence = np.where(best >= 0, raw[best], 0.0)
    calibration = replace(Calibration.fit(confidence[best >= 0], right[best >= 0]), floor=floor)
    calibrated = np.where(best >= 0, calibration.lift(calibration.apply(confidence)), 0.0)
    if progress is not None:
        progress("training", settings.folds / (settings.folds + 1))
    scorer = train_scorer(examples, extra, settings, seed)
    return Fitted(scorer, calibration, Outcomes(calibrated, right, truth >= 0), raw)


def held_out(
    examples: Examples, extra: Examples | None, settings: ScorerSettings, seed: int, progress: Progress | None = None
) -> NDArray[np.float64]:
    """Return the probability of each example, 0 to 1, by a scorer that has not seen its entity; shape (pairs,).

    :param extra: examples that all scorers learn from.
    """
    folds = entity_folds(examples.group, settings.folds, seed)
    raw = np.zeros(len(examples.record), dtype=np.float64)
    used = np.unique(folds)
    for step, fold in enumerate(used):
        if progress is not None:
            progress("training", step / (len(used) + 1))
        inside = folds[examples.record] == fold
        rest = examples.of_records(folds != fold)
        if rest.match.any() and not rest.match.all():
            raw[inside] = train_scorer(rest, extra, settings, seed).predict_matrix(examples.matrix[inside])
    return raw


def check_kinds(examples: Examples) -> None:
    """Check that there are matches and others among the candidates.

    :raises LabelsError: if one kind is missing.
    """
    match = examples.match
    if not match.any() or match.all():
        what = "no match" if not match.any() else "nothing but matches"
        raise LabelsError(
            f"there is {what} among the {len(match):,} candidate pairs to learn from.",
            remedy="Give labels with some records that are in the reference, and some rivals for them.",
        )


def train_scorer(examples: Examples, extra: Examples | None, settings: ScorerSettings, seed: int) -> PairScorer:
    """Train a scorer on each record's nearest candidates, on counterfactual records and ``extra`` at lower weights."""
    parts = [hard(examples, settings.rivals)]
    weights = [np.where(examples.counterfactual[parts[0].record], settings.counterfactual_weight, 1.0)]
    if extra is not None:
        parts.append(hard(extra, settings.rivals))
        weights.append(np.full(len(parts[1].match), settings.extra_weight))
    together = Examples.join(parts)
    return PairScorer.train(
        list(together.features), together.matrix, together.match, np.concatenate(weights), settings, seed
    )


def hard(examples: Examples, rivals: int) -> Examples:
    """Keep the first candidates of each record, and its match wherever it stands: the rest teach nothing new."""
    starts = np.searchsorted(examples.record, np.arange(len(examples.truth)))
    place = np.arange(len(examples.record)) - starts[examples.record]
    return examples.of_pairs((place < rivals) | examples.match)
