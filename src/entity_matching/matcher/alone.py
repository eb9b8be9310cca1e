"""What a pair says by itself, without the other candidates of its record.

Among candidates, rank and margin say most, and a scorer that learnt from them is at a loss without. So a second one
learns from the same pairs by what the two records hold alone, and is calibrated on all of them: of pairs that a search
proposes with some confidence, that share is right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from entity_matching.config import ScorerSettings
from entity_matching.features import Block
from entity_matching.features.context import CONTEXT, SEARCH
from entity_matching.matcher.calibrate import Calibration, logit
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.fit import check_kinds, held_out, train_scorer
from entity_matching.matcher.scorer import PairScorer
from entity_matching.matcher.stack import Stack

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Alone:
    """Judges pairs, each by itself. ``stack``: blends in what Ditto says; ``None`` if it was not taught."""

    scorer: PairScorer
    calibration: Calibration
    stack: Stack | None = None

    def raw(self, block: Block) -> Floats:
        """Return the scorer's probability of each pair, 0 to 1, by which it is seen whether Ditto is to read it."""
        return self.scorer.predict(block)

    def confidence(self, raw: Floats, odds: Floats) -> Floats:
        """Return the calibrated probability of each pair, 0 to 1.

        :param raw: the scorer's.
        :param odds: log-odds by Ditto, NaN where it was not asked.
        """
        found = self.calibration.apply(raw)
        asked = ~np.isnan(odds)
        if self.stack is not None and asked.any():
            found[asked] = self.stack.apply(logit(found[asked]), odds[asked], np.zeros((int(asked.sum()), 2)))
        return found


@dataclass(frozen=True)
class FittedAlone:
    """The judge, and what it says of each example that it was calibrated on, by a scorer that has not seen its entity.

    ``raw``: probability, 0 to 1, not calibrated, shape (pairs,). ``match``: whether each is one.
    """

    judge: Alone
    raw: Floats
    match: NDArray[np.bool_]

    @classmethod
    def fit(cls, examples: Examples, extra: Examples | None, settings: ScorerSettings, seed: int) -> FittedAlone:
        """Train on examples, and calibrate on them by cross-validation over entities.

        :param extra: examples that are learnt from but not calibrated on.
        :raises LabelsError: if no candidate is a match, or every one is.
        """
        check_kinds(examples)
        shown = _by_themselves(examples)
        more = None if extra is None else _by_themselves(extra)
        raw = held_out(shown, more, settings, seed)
        scorer = train_scorer(shown, more, settings, seed)
        return cls(Alone(scorer, Calibration.fit(raw, shown.match)), raw, shown.match)

    def blended(self, odds: Floats, chosen: NDArray[np.bool_] | None = None) -> Alone:
        """Return the judge that hears Ditto, too.

        :param odds: log-odds by Ditto of examples that it had not seen, NaN where it was not asked.
        :param chosen: which of the examples these are, as a mask; by default all.
        """
        within = np.flatnonzero(np.ones(len(self.raw), dtype=bool) if chosen is None else chosen)
        asked = ~np.isnan(odds)
        match, odds = self.match[within[asked]], odds[asked]
        if not match.any() or match.all():
            return self.judge
        own = logit(self.judge.calibration.apply(self.raw[within[asked]]))
        nobody = np.zeros((len(odds), 2))
        stack = Stack.fit(own, odds, nobody, match)
        after = Calibration.fit(stack.apply(own, odds, nobody), match)
        return replace(self.judge, stack=stack.scaled(after.slope, after.intercept))


def _by_themselves(examples: Examples) -> Examples:
    """Return the examples without the features of search and rivals."""
    kept = [place for place, feature in enumerate(examples.features) if not _is_context(feature.name)]
    return replace(
        examples, features=tuple(examples.features[place] for place in kept), matrix=examples.matrix[:, kept]
    )


def _is_context(name: str) -> bool:
    return name.startswith(SEARCH) or name.rpartition(".")[2] in CONTEXT
