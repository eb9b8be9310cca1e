"""A trained model: everything that is needed to repeat a decision, and nothing of the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from entity_matching.config import DecisionSettings, MatcherSettings
from entity_matching.features import FeatureSpace
from entity_matching.matcher.alone import Alone
from entity_matching.matcher.calibrate import Calibration
from entity_matching.matcher.cascade import Asked, Cascade, Floats
from entity_matching.matcher.compare import Compared, compared_batches
from entity_matching.matcher.decide import Thresholds
from entity_matching.matcher.exact import EXACT_NAME, WHOLE_NAME, ExactMatches, exact_matches
from entity_matching.matcher.explain import reasons
from entity_matching.matcher.fit import Progress
from entity_matching.matcher.outcomes import Outcomes
from entity_matching.matcher.rank import exclusive, ranked
from entity_matching.matcher.reference import Reference
from entity_matching.matcher.result import Decided, Scored, assemble
from entity_matching.matcher.scorer import PairScorer


@dataclass(frozen=True)
class Model:
    """What training gives.

    ``exact``: the confidence, 0 to 1, of what each method of the exact stage decides. ``provenance``: what it
    was trained on, by which versions; values ready for JSON. ``cascade``: Ditto and what blends it in, if there
    is one; calibration and outcomes are then of the blend. ``entities``: keys of the reference records that
    labels named, so that it can be told how well it does on entities it has not seen. ``alone``: judges pairs by
    themselves; models trained only to be measured have none.
    """

    space: FeatureSpace
    scorer: PairScorer
    calibration: Calibration
    outcomes: Outcomes
    exact: Mapping[str, float]
    settings: MatcherSettings
    provenance: Mapping[str, Any]
    cascade: Cascade | None = None
    entities: tuple[str, ...] = ()
    alone: Alone | None = None

    @cached_property
    def thresholds(self) -> Thresholds:
        """The confidence from which a candidate is accepted, and below which none is worth a look."""
        return self.outcomes.thresholds(self.settings.decision)

    def with_decision(self, decision: DecisionSettings) -> Model:
        """Return the same model with other thresholds, derived from the same held-out outcomes."""
        return replace(self, settings=replace(self.settings, decision=decision))

    def decide(self, sources: pa.Table, reference: Reference, progress: Progress | None = None) -> pa.Table:
        """Decide each record: first the exact stage, then by score what it left.

        :param sources: the normalised source table.
        :returns: one row per source record, in the order given; see :mod:`entity_matching.matcher.result`.
        """
        settled, conflicts = self.settle(sources, reference)
        rest = np.setdiff1d(np.arange(sources.num_rows), settled.rows, assume_unique=True)
        scored = self.score(sources.take(pa.array(rest)), reference, conflicts[rest], progress)
        return assemble(sources, reference, [settled, *(part.decided.within(rest) for part in scored)])

    def settle(self, sources: pa.Table, reference: Reference) -> tuple[Decided, NDArray[np.object_]]:
        """Decide what the exact stage decides with enough confidence.

        :param sources: the normalised source table.
        :returns: the decisions, on some of its rows; and the attribute that contradicted an exact match of each of
            its rows, "" if none did, shape (sources,).
        """
        target = self.settings.decision.target_precision
        trusted = {method: confidence for method, confidence in self.exact.items() if confidence >= target}
        exact = exact_matches(sources, reference.table, self.space.schema, known=reference.known)
        rows = np.flatnonzero(np.isin(exact.method, list(trusted)))
        return self._exact(sources, reference, exact, rows, trusted), exact.conflict

    def score(
        self,
        sources: pa.Table,
        reference: Reference,
        conflicts: NDArray[np.object_],
        progress: Progress | None = None,
    ) -> Iterator[Scored]:
        """Decide records by the score of their candidates, some thousand at a time (setting ``batch_rows``).

        :param sources: the normalised source table, without what was settled.
        :param conflicts: the attribute that contradicted an exact match of each of its rows, "" if none did.
        :returns: decisions on its rows, in their order.
        """
        for compared in compared_batches(sources, reference, self.space, self.settings.search.batch_rows):
            end = compared.first + compared.rows
            rows = np.arange(compared.first, end)
            yield self._scored(compared, reference, rows, conflicts[rows])
            if progress is not None:
                progress("scoring", end / sources.num_rows)

    def _exact(
        self,
        sources: pa.Table,
        reference: Reference,
        exact: ExactMatches,
        rows: NDArray[np.int64],
        trusted: Mapping[str, float],
    ) -> Decided:
        """Take over what the exact stage decided."""
        if not len(rows):
            return Decided.none()
        found = exact.reference[rows]
        confidence = np.array([trusted[method] for method in exact.method[rows]], dtype=np.float64)
        alone = np.full(len(rows), np.nan)
        words = reasons(
            sources.take(pa.array(rows)), reference.table.take(pa.array(found)), self.space.schema, confidence, alone
        )
        return Decided(
            rows=rows,
            decision=np.full(len(rows), "match", dtype=object),
            method=np.where(exact.method[rows] == WHOLE_NAME, EXACT_NAME, exact.method[rows]).astype(object),
            reason=[text.removesuffix("; no other candidate") for text in words],
            offsets=np.arange(len(rows) + 1),
            reference=found,
            confidence=confidence,
        )

    def _scored(
        self, compared: Compared, reference: Reference, rows: NDArray[np.int64], conflicts: NDArray[np.object_]
    ) -> Scored:
        """Score a batch's candidates and decide its records."""
        candidates = compared.candidates
        raw, odds, blended = self._raw(compared, reference)
        probability = self.calibration.apply(blended)
        order = ranked(candidates.source, probability)
        offsets = candidates.offsets(compared.rows)
        found = candidates.reference[order].astype(np.int64)
        probability = probability[order]
        listed = _first(offsets, self.settings.decision.listed)
        best = np.where(np.diff(offsets) > 0, offsets[:-1], -1)
        has_any = best >= 0
        probability[best[has_any]] = self.calibration.lift(probability[best[has_any]])
        confidence = np.where(has_any, probability[np.maximum(best, 0)] if len(probability) else 0.0, 0.0)
        decision = self.thresholds.decide(confidence).astype(object)
        decision[~has_any] = "no_match"
        decided = Decided(
            rows=rows,
            decision=decision,
            method=np.where(has_any, "scored", "none").astype(object),
            reason=self._reasons(compared, reference, found, probability, offsets, conflicts),
            offsets=np.r_[0, np.cumsum(np.minimum(np.diff(offsets), self.settings.decision.listed))],
            reference=found[listed],
            confidence=probability[listed],
        )
        shown = order[listed]
        return Scored(
            decided,
            search=candidates.fused[shown].astype(np.float64),
            features=raw[shown],
            ditto=expit(odds[shown]),
            asked=np.diff(offsets).astype(np.int32),
            asked_ditto=np.bincount(candidates.source[~np.isnan(odds)], minlength=compared.rows).astype(np.int32),
        )

    def _raw(self, compared: Compared, reference: Reference) -> tuple[Floats, Floats, Floats]:
        """Return what the scorers say of each candidate, shape (pairs,).

        :returns: the probability by the feature scorer; Ditto's log-odds, NaN where it was not asked; and the
            probability that the two make together. Probabilities are shared with the record's rivals.
        """
        candidates = compared.candidates
        raw = exclusive(candidates.source, self.scorer.predict(compared.block))
        if self.cascade is None:
            return raw, np.full(len(raw), np.nan), raw
        rows_of = candidates.source.astype(np.int64), candidates.reference.astype(np.int64)
        asked = Asked(compared.sources, reference.table, *rows_of, raw)
        return raw, *self.cascade.judged(asked, compared.block)

    def _reasons(
        self,
        compared: Compared,
        reference: Reference,
        found: NDArray[np.int64],
        probability: NDArray[np.float64],
        offsets: NDArray[np.int64],
        conflicts: NDArray[np.object_],
    ) -> list[str]:
        """Explain each record's best candidate."""
        counts = np.diff(offsets)
        rows = np.flatnonzero(counts > 0)
        first = offsets[rows]
        second = np.full(len(rows), np.nan)
        several = counts[rows] > 1
        second[several] = probability[first[several] + 1]
        words = reasons(
            compared.sources.take(pa.array(rows)),
            reference.table.take(pa.array(found[first])),
            self.space.schema,
            probability[first],
            second,
        )
        result = ["no candidate resembles it"] * compared.rows
        for row, text in zip(rows.tolist(), words, strict=True):
            conflict = conflicts[row]
            result[row] = f"{text}; an exact match was contradicted by {conflict}" if conflict else text
        return result


def _first(offsets: NDArray[np.int64], limit: int) -> NDArray[np.bool_]:
    """Say which elements are among the first ``limit`` of their group."""
    lengths = np.diff(offsets)
    place = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], lengths)
    return np.asarray(place < limit, dtype=np.bool_)
