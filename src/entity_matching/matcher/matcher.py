"""The matcher: what a user trains, keeps and asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from entity_matching.config import MatcherSettings
from entity_matching.errors import ArtifactError
from entity_matching.guess import guess_schema
from entity_matching.matcher.artifact import load_model, save_model
from entity_matching.matcher.card import held_out_quality
from entity_matching.matcher.cascade import Cascade
from entity_matching.matcher.checks import Given, check_tables, pick, present
from entity_matching.matcher.contributions import contributions
from entity_matching.matcher.decide import Thresholds
from entity_matching.matcher.fit import Progress
from entity_matching.matcher.folds import entity_folds
from entity_matching.matcher.model import Model
from entity_matching.matcher.pairs import judge_pairs, paired
from entity_matching.matcher.reference import Reference
from entity_matching.matcher.tables import to_table
from entity_matching.matcher.train import Task
from entity_matching.normalize import normalize_table
from entity_matching.schema import Key, Schema, Side


@dataclass(frozen=True)
class Matcher:
    """Finds the reference record that each source record denotes.

    Tables may be pyarrow tables or any dataframe with the Arrow PyCapsule interface.
    """

    model: Model

    @property
    def schema(self) -> Schema:
        """What the records are."""
        return self.model.space.schema

    @property
    def settings(self) -> MatcherSettings:
        """The settings it was trained with."""
        return self.model.settings

    @property
    def thresholds(self) -> Thresholds:
        """The confidence, 0 to 1, from which a candidate is accepted, and below which none is worth a look."""
        return self.model.thresholds

    @classmethod
    def train(
        cls,
        source: Any,
        reference: Any,
        labels: Any = None,
        *,
        schema: Schema | None = None,
        settings: MatcherSettings | None = None,
        progress: Progress | None = None,
        checkpoints: str | Path | None = None,
    ) -> Self:
        """Train a matcher; with Ditto, if the settings have ``ditto``.

        :param source: source records; with labels, those the labels speak of. ``None``: learn from the
            reference alone.
        :param reference: the master list.
        :param labels: a table with the columns ``source_key`` and ``reference_key`` (null or "" where the
            record is in the reference nowhere). ``None``: learn from noisy copies of the reference's records.
        :param schema: what the records are; by default it is guessed from the columns.
        :param progress: called with a stage's name and the share of it that is done, 0 to 1.
        :param checkpoints: a folder in which the trainings of Ditto keep where they stand, so that one that was
            killed goes on from there when this is called again; it can be removed afterwards.
        :raises InputError: if a table or the labels cannot be taken.
        :raises SchemaError: if the schema does not fit the tables.
        :raises TrainingError: if Ditto's loss is no longer a number.
        """
        folder = None if checkpoints is None else Path(checkpoints)
        task, settings = _task(source, reference, labels, schema, settings, progress, folder)
        return cls(task.train(settings, progress=progress, pairs=True))

    def match(self, source: Any, reference: Any, *, progress: Progress | None = None) -> pa.Table:
        """Decide each source record.

        :returns: one row per source record, in the order given, with the columns ``source_key``, ``decision``,
            ``entity_id``, ``confidence``, ``method``, ``reason`` and ``candidates``.
        :raises InputError: if a table cannot be taken, e.g. a key of the reference is there twice.
        :raises SchemaError: if the tables do not have the columns the matcher was trained on.
        """
        left, right = self._tables(source, reference)
        if progress is not None:
            progress("normalising", 0.0)
        prepared = Reference.prepare(right, self.schema, self.settings.search)
        return self.match_prepared(left, prepared, progress=progress)

    def match_prepared(self, source: Any, reference: Reference, *, progress: Progress | None = None) -> pa.Table:
        """Do the same against a reference made ready before: what a server and a worker do."""
        sources = normalize_table(to_table(source, "the source"), self.schema, Side.SOURCE).combine_chunks()
        return self.model.decide(sources, reference, progress)

    def prepare(self, reference: Any) -> Reference:
        """Make a reference ready to be matched against many times."""
        return Reference.prepare(to_table(reference, "the reference"), self.schema, self.settings.search)

    def score_pairs(self, left: Any, right: Any) -> pa.Table:
        """Say of pairs of records whether they denote the same entity, each pair by itself.

        What is answered of a pair depends on nothing else that is asked.

        :param left: records such as the source's, one per pair; columns that are missing count as empty.
        :param right: records such as the reference's, one per pair, in the same order.
        :returns: one row per pair: ``prediction`` (int64, 1 for a match) and ``confidence`` (float64, 0 to 1).
        :raises InputError: if a table cannot be taken, or they have not the same number of rows.
        """
        tables = paired(to_table(left, "the left records"), to_table(right, "the right records"))
        schema = self.schema.model_copy(update={"key": Key()})
        sides = zip(tables, (Side.SOURCE, Side.REFERENCE), strict=True)
        return judge_pairs(
            self.model, *(normalize_table(table, schema, side).combine_chunks() for table, side in sides)
        )

    def with_target_precision(self, target_precision: float) -> Self:
        """Return the same matcher deciding at another precision of automatic matches, above 0, at most 1."""
        decision = replace(self.settings.decision, target_precision=target_precision)
        return replace(self, model=self.model.with_decision(decision))

    def without_cascade(self) -> Self:
        """Return the same matcher sending every candidate to Ditto, not only those the features leave in doubt.

        :raises ArtifactError: if the matcher has no Ditto.
        """
        cascade = self._cascade("Sending every candidate to Ditto")
        everything = replace(cascade.settings, low=0.0, high=1.0)
        settings = replace(self.settings, cascade=everything)  # which is what is saved
        return replace(
            self, model=replace(self.model, settings=settings, cascade=replace(cascade, settings=everything))
        )

    def contributions(self, source: Any, reference: Any, pairs: Any) -> pa.Table:
        """Say what each attribute adds to Ditto's verdict on some pairs, by leaving it out.

        :param pairs: a table with the columns ``source_key`` and ``reference_key``.
        :returns: one row per pair and attribute: ``source_key``, ``reference_key``, ``attribute``, ``probability``
            (Ditto's, with all attributes, 0 to 1), ``contribution`` (-1 to 1, above 0 speaks for a match).
        :raises ArtifactError: if the matcher has no Ditto.
        :raises InputError: if a table cannot be taken, or a pair names a record that is not there.
        :raises SchemaError: if the tables do not have the columns the matcher was trained on.
        """
        cascade = self._cascade("Explaining by attributes left out")
        wanted = to_table(pairs, "the pairs")
        left, right = self._tables(source, reference)
        sides = (("source_key", left, Side.SOURCE), ("reference_key", right, Side.REFERENCE))
        rows = [pick(normalize_table(table, self.schema, side), wanted, column) for column, table, side in sides]
        found = contributions(cascade, *rows)
        at = found["pair"]
        keys = {column: wanted[column].cast(pa.string()).take(at) for column, _, _ in sides}
        return pa.table(keys | {name: found[name] for name in ("attribute", "probability", "contribution")})

    def _tables(self, source: Any, reference: Any) -> tuple[pa.Table, pa.Table]:
        """Return the two tables, if they are such as the matcher was trained on."""
        left, right = to_table(source, "the source"), to_table(reference, "the reference")
        schema = present(self.schema, left.column_names, right.column_names)
        check_tables(Given(left, "the source"), Given(right, "the reference"), schema)
        return left, right

    def _cascade(self, what: str) -> Cascade:
        if self.model.cascade is None:
            raise ArtifactError(
                f"{what} needs a model with Ditto; this one has none.", remedy="Train one with --ditto."
            )
        return self.model.cascade

    def save(self, folder: str | Path) -> None:
        """Write the matcher into a folder, whole or not at all."""
        save_model(self.model, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged, or of a newer format.
        """
        return cls(load_model(Path(folder)))

    def describe(self) -> dict[str, Any]:
        """Return what the matcher is, as values ready for JSON: data, thresholds, settings, what counts most."""
        thresholds = self.thresholds
        gains = self.model.scorer.importance()
        total = sum(gains.values()) or 1.0
        return {
            "schema": self.schema.model_dump(mode="json", exclude_none=True),
            "settings": self.settings.to_dict(),
            "thresholds": {
                "match": thresholds.match,
                "review": thresholds.review,
                "best_f1": thresholds.best_f1,
            },
            "calibration": {"slope": self.model.calibration.slope, "intercept": self.model.calibration.intercept},
            "held_out": {
                "measured_on": "labelled records" if self.model.provenance["labels"] else "noisy copies",
                **held_out_quality(self.model.outcomes, thresholds, self.settings.seed),
            },
            "exact": dict(self.model.exact),
            "trained_on": dict(self.model.provenance),
            "features": {name: round(gain / total, 4) for name, gain in list(gains.items())[:20]},
        }


def match(
    source: Any,
    reference: Any,
    *,
    labels: Any = None,
    schema: Schema | None = None,
    settings: MatcherSettings | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Train on what there is and match: the quick way, with or without labels.

    The parameters are those of :meth:`Matcher.train`, the result that of :meth:`Matcher.match`.
    """
    task, settings = _task(source, reference, labels, schema, settings, progress)
    model = task.train(settings, progress=progress)
    sources = normalize_table(to_table(source, "the source"), task.space.schema, Side.SOURCE).combine_chunks()
    return model.decide(sources, task.reference, progress)


def crossvalidate(
    source: Any,
    reference: Any,
    labels: Any,
    *,
    schema: Schema | None = None,
    settings: MatcherSettings | None = None,
    folds: int = 5,
    progress: Progress | None = None,
) -> pa.Table:
    """Decide each labelled record by a matcher that has not seen its entity.

    Thresholds, too, are derived inside the training folds. Without enough entities for the folds, fewer are made.

    :param folds: parts the entities are dealt into, at random by the settings' seed.
    :returns: what :meth:`Matcher.match` gives, for the labelled records alone, in the source's order.
    """
    task, settings = _task(source, reference, labels, schema, settings, progress)
    assert task.sources is not None and task.examples is not None  # labels were given
    fold = entity_folds(task.examples.group, folds, settings.seed)
    parts, rows = [], []
    for number, held_out in enumerate(np.unique(fold)):
        if progress is not None:
            progress("cross-validating", number / folds)
        model = task.train(settings, fold != held_out)
        chosen = np.flatnonzero(fold == held_out)
        parts.append(model.decide(task.sources.take(pa.array(chosen)).combine_chunks(), task.reference))
        rows.append(chosen)
    order = np.argsort(np.concatenate(rows), kind="stable")
    return pa.concat_tables(parts).take(pa.array(order)).combine_chunks()


def _task(
    source: Any,
    reference: Any,
    labels: Any,
    schema: Schema | None,
    settings: MatcherSettings | None,
    progress: Progress | None,
    checkpoints: Path | None = None,
) -> tuple[Task, MatcherSettings]:
    """Take what the user gave, check it, and make it ready."""
    right = to_table(reference, "the reference")
    left = to_table(source, "the source") if source is not None else None
    known = to_table(labels, "the labels") if labels is not None else None
    settings = settings or MatcherSettings()
    if left is None:
        schema = schema or guess_schema(right, right)
    else:
        schema = schema or guess_schema(left, right)
        schema = check_tables(Given(left, "the source"), Given(right, "the reference"), schema)
    return Task.prepare(left, right, known, schema, settings, progress, checkpoints), settings
