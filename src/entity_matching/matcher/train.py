"""Training: from tables and labels, or from the reference alone, to a model."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.config import MatcherSettings
from entity_matching.errors import LabelsError
from entity_matching.features import FeatureSpace, TextLimits
from entity_matching.matcher.alone import Alone, FittedAlone
from entity_matching.matcher.blend import Pretrained, Taught, pretrain, teach_labels, teach_noise
from entity_matching.matcher.card import held_out_quality
from entity_matching.matcher.cascade import grey
from entity_matching.matcher.compare import compare
from entity_matching.matcher.exact import EXACT_NAME, IDENTIFIER, WHOLE_NAME, exact_matches
from entity_matching.matcher.examples import Examples, counterfactual_examples, synthetic_examples
from entity_matching.matcher.fit import Fitted, Progress, check_kinds, fit
from entity_matching.matcher.folds import entities
from entity_matching.matcher.model import Model
from entity_matching.matcher.reference import Reference
from entity_matching.matcher.teach import Start
from entity_matching.noise import disagreement, profile_source
from entity_matching.normalize import normalize_table
from entity_matching.records import KEY
from entity_matching.schema import Schema, Side

log = logging.getLogger(__name__)

UNLIKE_ANY_NOISE = 0.02
"""Chance that a best candidate is right although it looks wholly wrong, where no label was seen: real sources
rename, translate and abbreviate in ways that no noise made here does."""
EXACT_PRIOR, EXACT_PRIOR_WEIGHT = 0.995, 50.0
"""What is believed of the exact stage before any label is seen, and how many records that belief is worth."""


@dataclass(frozen=True)
class Task:
    """What is to be learnt from, made ready once: cross-validation trains on it many times.

    ``sources``: the labelled source records, normalised. ``truth``: row of the reference each denotes, -1 if
    none. ``examples``: their compared candidates. ``synthetic``: examples made by noise. Without labels,
    ``sources``, ``truth`` and ``examples`` are ``None``. ``deep``: Ditto taught without labels, if there is to be one.
    ``counterfactual``: the same records with their counterparts hidden, if they are to be learnt from.
    """

    reference: Reference
    space: FeatureSpace
    synthetic: Examples
    sources: pa.Table | None
    truth: NDArray[np.int64] | None
    examples: Examples | None
    deep: Pretrained | None = None
    counterfactual: Examples | None = None

    @classmethod
    def prepare(
        cls,
        source: pa.Table | None,
        reference: pa.Table,
        labels: pa.Table | None,
        schema: Schema,
        settings: MatcherSettings,
        progress: Progress | None = None,
        checkpoints: Path | None = None,
    ) -> Task:
        """Normalise, index, search and compare; and teach Ditto what needs no labels, if it is wanted.

        :param source: the source table as given; without labels it only shows what sources look like.
        :param labels: columns ``source_key`` and ``reference_key`` (null or "": none of them).
        :param checkpoints: the folder in which Ditto's trainings keep where they stand.
        :raises LabelsError: if no label fits the tables.
        :raises SettingsError: if there is no such encoder.
        """
        tell = progress or (lambda stage, share: None)
        start = None if settings.ditto is None else Start.of(settings.ditto, checkpoints)
        tell("normalising", 0.0)
        prepared = Reference.prepare(reference, schema, settings.search)
        space = FeatureSpace.fit(prepared.table, schema, TextLimits(threads=settings.scorer.threads))
        sources = None if source is None else normalize_table(source, schema, Side.SOURCE).combine_chunks()
        profiles = profile_source(sources, schema, changed=_changed(sources, prepared, schema))
        tell("learning from the reference", 0.0)
        rng = np.random.default_rng(settings.seed)
        raw, told_apart = _told_apart(reference, prepared, schema, settings)
        synthetic = synthetic_examples(raw, told_apart, space, profiles, settings.scorer, rng)
        task = cls(prepared, space, synthetic, None, None, None)
        if labels is not None and sources is not None:
            labelled, truth, group = _labelled(sources, prepared, labels)
            tell("comparing", 0.0)
            candidates = prepared.index.search(labelled)
            block = compare(labelled, prepared, candidates, space)
            examples = Examples.of(labelled, candidates, block, truth, group)
            task = cls(prepared, space, synthetic.with_features(examples.features), labelled, truth, examples)
            if settings.scorer.counterfactual_weight:
                absent = counterfactual_examples(labelled, candidates, truth, group, prepared, space)
                task = replace(task, counterfactual=absent)
        if start is None:
            return task
        if task.examples is not None:
            check_kinds(task.examples)  # before the minutes that Ditto takes
        deep = pretrain(synthetic, told_apart, sources, prepared, schema, settings, start, progress)
        return replace(task, deep=deep)

    def train(
        self,
        settings: MatcherSettings,
        chosen: NDArray[np.bool_] | None = None,
        progress: Progress | None = None,
        *,
        pairs: bool = False,
    ) -> Model:
        """Train a model.

        :param chosen: the labelled records to learn from, shape (labelled,); default: all.
        :param pairs: whether the model is to judge pairs by themselves, too.
        :raises LabelsError: if the labels hold one class only.
        """
        return self.learn(settings, chosen, progress, pairs=pairs).model(settings)

    def learn(
        self,
        settings: MatcherSettings,
        chosen: NDArray[np.bool_] | None = None,
        progress: Progress | None = None,
        *,
        pairs: bool = False,
    ) -> Learnt:
        """Do the part of :meth:`train` that takes long; models of several cascades can be made of it."""
        taught: Taught | None = None
        alone = self._alone(settings, chosen) if pairs else None
        doubtful = None if alone is None else grey(alone.raw, settings.cascade)
        if self.examples is None or self.sources is None or self.truth is None:
            first = fit(self.synthetic, None, settings.scorer, settings.seed, progress, floor=UNLIKE_ANY_NOISE)
            if self.deep is not None:
                taught = teach_noise(self.deep, first, self.synthetic, settings, UNLIKE_ANY_NOISE, also=doubtful)
            exact = dict.fromkeys((IDENTIFIER, WHOLE_NAME, EXACT_NAME), EXACT_PRIOR)
        else:
            chosen = np.ones(len(self.truth), dtype=bool) if chosen is None else chosen
            examples = self._with_counterfactual(chosen)
            first = fit(examples, self.synthetic, settings.scorer, settings.seed, progress)
            if self.deep is not None:
                rows = self.reference.table
                also = None if doubtful is None else np.pad(doubtful, (0, len(examples.record) - len(doubtful)))
                taught = teach_labels(self.deep, first, examples, self.synthetic, rows, settings, progress, also=also)
            exact = exact_confidence(
                self.sources.filter(pa.array(chosen)), self.truth[chosen], self.reference, self.space.schema
            )
        judge = None if alone is None else self._judge(alone, taught)
        return Learnt(self.space, first, taught, exact, self._provenance(chosen), self._entities(chosen), judge)

    def _alone(self, settings: MatcherSettings, chosen: NDArray[np.bool_] | None) -> FittedAlone:
        """Learn to judge pairs by themselves, from what the model learns from."""
        if self.examples is None:
            return FittedAlone.fit(self.synthetic, None, settings.scorer, settings.seed)
        examples = self.examples if chosen is None else self.examples.of_records(chosen)
        return FittedAlone.fit(examples, self.synthetic, settings.scorer, settings.seed)

    def _with_counterfactual(self, chosen: NDArray[np.bool_]) -> Examples:
        """Return the examples of labelled records, and after them the same with their counterparts hidden."""
        assert self.examples is not None
        examples = self.examples.of_records(chosen)
        if self.counterfactual is None:
            return examples
        found = np.zeros(len(chosen), dtype=np.bool_)
        found[self.counterfactual.record] = True
        return Examples.join([examples, self.counterfactual.of_records(chosen & found)])

    def _judge(self, alone: FittedAlone, taught: Taught | None) -> Alone:
        if taught is None or self.deep is None:
            return alone.judge
        if self.examples is None:
            return alone.blended(taught.scored.odds, self.deep.held[self.synthetic.record])
        return alone.blended(taught.scored.odds[taught.scored.examples.real])

    def _entities(self, chosen: NDArray[np.bool_] | None) -> tuple[str, ...]:
        """Return the keys of the reference records that the chosen labels name."""
        if self.truth is None or chosen is None:
            return ()
        rows = np.unique(self.truth[chosen & (self.truth >= 0)])
        return tuple(self.reference.keys.take(pa.array(rows)).to_pylist())

    def _provenance(self, chosen: NDArray[np.bool_] | None) -> dict[str, Any]:
        labelled = 0 if self.truth is None else int(len(self.truth) if chosen is None else chosen.sum())
        return {
            "labels": labelled,
            "labels_without_counterpart": 0 if self.truth is None else int((self.truth < 0).sum()),
            "synthetic_records": len(self.synthetic.truth),
            "reference_records": self.reference.table.num_rows,
            "fingerprint": self.fingerprint(),
        }

    def fingerprint(self) -> str:
        """Return a digest of the labelled pairs, the same for the same labels in any order."""
        if self.sources is None or self.truth is None:
            return ""
        keys = self.reference.keys.to_pylist()
        pairs = sorted(
            f"{left}\x1f{keys[row] if row >= 0 else ''}"
            for left, row in zip(self.sources[KEY].to_pylist(), self.truth.tolist(), strict=True)
        )
        return hashlib.sha256("\x1e".join(pairs).encode()).hexdigest()


@dataclass(frozen=True)
class Learnt:
    """What training learnt: the feature scorer, and Ditto if there is to be one."""

    space: FeatureSpace
    first: Fitted
    taught: Taught | None
    exact: Mapping[str, float]
    provenance: Mapping[str, Any]
    entities: tuple[str, ...] = ()
    alone: Alone | None = None

    def model(self, settings: MatcherSettings) -> Model:
        """Return the model; the settings' cascade may have a narrower band than the one it was learnt for."""
        fitted, provenance, cascade = self.first, dict(self.provenance), None
        if self.taught is not None:
            cascade, fitted = self.taught.blend(settings)
            thresholds = self.first.outcomes.thresholds(settings.decision)
            alone = held_out_quality(self.first.outcomes, thresholds, settings.seed)
            provenance["ditto"] = {**self.taught.card(settings), "features_alone": alone}
        return Model(
            space=self.space,
            scorer=self.first.scorer,
            calibration=fitted.calibration,
            outcomes=fitted.outcomes,
            exact=self.exact,
            settings=settings,
            provenance=provenance,
            cascade=cascade,
            entities=self.entities,
            alone=self.alone,
        )


def _told_apart(
    raw: pa.Table, reference: Reference, schema: Schema, settings: MatcherSettings
) -> tuple[pa.Table, Reference]:
    """Return a reference to learn from: the first record of each wording, if most only repeat another's.

    Among a thousand records of one name no candidate is the right one, and nothing could be learnt.
    """
    rows = reference.distinct_rows(schema)
    if 2 * len(rows) >= reference.table.num_rows:
        return raw, reference
    log.info("%d of %d reference records repeat the words of another", raw.num_rows - len(rows), raw.num_rows)
    distinct = raw.take(pa.array(rows))
    return distinct, Reference.prepare(distinct, schema, settings.search)


def _changed(sources: pa.Table | None, reference: Reference, schema: Schema) -> Mapping[str, float] | None:
    """Estimate, from names that agree and are unique, how often the other attributes differ all the same."""
    if sources is None:
        return None
    found = exact_matches(sources, reference.table, schema, veto=False)
    rows = np.flatnonzero(np.isin(found.method, (WHOLE_NAME, EXACT_NAME)))
    return disagreement(sources, reference.table, rows, found.reference[rows], schema)


def _labelled(
    sources: pa.Table, reference: Reference, labels: pa.Table
) -> tuple[pa.Table, NDArray[np.int64], NDArray[np.int64]]:
    """Return the labelled source rows in the source's order, their truth, and their entities."""
    known = pc.fill_null(labels["reference_key"].cast(pa.string()), "").combine_chunks()
    names = labels["source_key"].cast(pa.string()).combine_chunks()
    _check_agreement(names, known)
    place = pc.index_in(sources[KEY], value_set=names)
    has_label = place.is_valid()
    if not pc.any(has_label).as_py():
        raise LabelsError(
            f"none of the {labels.num_rows:,} labels speaks of a record of the source.",
            remedy="Check that the labels' first key is the source's key, and the second the reference's.",
        )
    rows = sources.filter(has_label).combine_chunks()
    wanted = known.take(place.drop_null().combine_chunks())
    found = pc.fill_null(pc.index_in(wanted, value_set=reference.keys), -1).to_numpy(zero_copy_only=False)
    unknown = np.flatnonzero((found < 0) & pc.not_equal(wanted, "").to_numpy(zero_copy_only=False))
    if len(unknown):
        raise LabelsError(
            f"{len(unknown):,} labels name records that the reference does not have, the first is "
            f"'{wanted[int(unknown[0])].as_py()}'.",
            remedy="Give the reference the labels were made for, or leave these labels out.",
        )
    group = entities(rows[KEY].to_pylist(), wanted.to_pylist())
    return rows, found.astype(np.int64), group


def _check_agreement(names: pa.Array, known: pa.Array) -> None:
    """Check that no source record is said to be two things; said twice is no harm."""
    named = pa.table({"source": names, "reference": known}).filter(pc.not_equal(names, ""))
    told = named.group_by("source").aggregate([("reference", "distinct")])
    several = told.filter(pc.greater(pc.list_value_length(told["reference_distinct"]), 1))
    if several.num_rows:
        first = several.slice(0, 1).to_pylist()[0]
        said = " and ".join(f"'{key}'" for key in sorted(first["reference_distinct"]))
        more = f" ({several.num_rows:,} records have such labels)" if several.num_rows > 1 else ""
        raise LabelsError(
            f"labels contradict each other: '{first['source']}' is {said}{more}.",
            remedy="Keep one label per source record; an empty one means it is in the reference nowhere.",
        )


def exact_confidence(
    sources: pa.Table, truth: NDArray[np.int64], reference: Reference, schema: Schema
) -> dict[str, float]:
    """Measure how often the exact stage is right, with a prior for the few records it decides.

    :returns: the confidence of each method, 0 to 1: ``(right + 0.995 * 50) / (decided + 50)``.
    """
    found = exact_matches(sources, reference.table, schema)
    confidence = {}
    for method in (IDENTIFIER, WHOLE_NAME, EXACT_NAME):
        decided = found.method == method
        right = float((found.reference[decided] == truth[decided]).sum())
        total = float(decided.sum()) + EXACT_PRIOR_WEIGHT
        confidence[method] = (right + EXACT_PRIOR * EXACT_PRIOR_WEIGHT) / total
        log.info("exact stage, %s: %d of %d decided rightly", method, right, decided.sum())
    return confidence
