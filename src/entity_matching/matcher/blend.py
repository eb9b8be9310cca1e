"""Blending: Ditto taught, its scores of what it had not seen, and the second scorer that learns from them."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.config import CascadeSettings, MatcherSettings
from entity_matching.ditto.serialize import Serializer
from entity_matching.errors import LabelsError
from entity_matching.matcher.cascade import Cascade, deep_block, grey
from entity_matching.matcher.checks import keep
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.fit import Fitted, Progress, fit, hard
from entity_matching.matcher.lessons import Provenance, lesson, weak_lessons
from entity_matching.matcher.rank import exclusive
from entity_matching.matcher.reader import PairReader
from entity_matching.matcher.reference import Reference
from entity_matching.matcher.teach import Exported, Pupil, Start, cross_taught, pretraining
from entity_matching.records import part
from entity_matching.schema import Kind, Schema

log = logging.getLogger(__name__)

_LEFT_OUT = "Ditto is left out: there are too few records to teach it. The model decides by the features alone."


@dataclass(frozen=True)
class Pretrained:
    """Ditto taught without labels, on at most half of the records made by noise.

    ``held``: which were not, on which the blend is learnt; shape (records,). ``reference``: that both were made from.
    """

    pupil: Pupil
    reference: Reference
    held: NDArray[np.bool_]

    def scored(
        self,
        examples: Examples,
        raw: NDArray[np.float64],
        settings: MatcherSettings,
        also: NDArray[np.bool_] | None = None,
    ) -> Scored:
        """Return what Ditto says of examples made by noise.

        :param raw: probability by the feature scorer, shape (pairs,).
        :param also: pairs that it is to be asked of besides those that the cascade sends to it.
        """
        assert settings.ditto is not None
        chosen = _with(grey(raw, settings.cascade), also)
        return Scored(examples, raw, self.pupil.predict(examples, self.reference.table, chosen, settings.ditto))


def pretrain(
    synthetic: Examples,
    made_from: Reference,
    sources: pa.Table | None,
    reference: Reference,
    schema: Schema,
    settings: MatcherSettings,
    start: Start,
    progress: Progress | None = None,
) -> Pretrained:
    """Teach Ditto without labels: from noise, and from what shared identifiers and unique names say.

    :param made_from: the reference whose records the synthetic ones are copies of.
    :param sources: the normalised source table, or ``None``.
    """
    from entity_matching.ditto.tokens import PairTokenizer  # noqa: PLC0415

    assert settings.ditto is not None
    rng = np.random.default_rng([settings.seed, 3])
    serializer = Serializer.fit(reference.table, readable(schema, sources, reference.table))
    reader = PairReader(serializer, PairTokenizer(start.encoder.tokenizer, settings.ditto, serializer.idf))
    entities = np.unique(synthetic.group)
    most = settings.cascade.pretraining_records
    if len(entities) // 2 > most:
        log.info("of %d records with noisy copies, %d are taught to Ditto", len(entities), most)
    held = ~np.isin(synthetic.group, rng.permutation(entities)[: min(len(entities) // 2, most)])
    shown = hard(synthetic.of_records(~held), settings.scorer.rivals)
    lessons = [lesson(shown, made_from.table, reader, Provenance.NOISE)]
    if sources is not None:
        lessons += weak_lessons(sources, reference, schema, reader, most, rng)
    pupil = start.pupil(reader, settings.ditto, settings.seed)
    try:
        pupil = pupil.taught(lessons, pretraining(settings), settings.seed, "pretraining", progress)
    except LabelsError as error:
        log.info("Ditto is not taught without labels: %s", error)
    return Pretrained(pupil, made_from, held)


def readable(schema: Schema, sources: pa.Table | None, references: pa.Table) -> Schema:
    """Return the schema with the attributes that can tell Ditto something.

    Of these both sides say something; of categories one is enough: that a company is in biotechnology tells of one that
    is called "cement".
    """
    tables = [references] if sources is None else [sources, references]
    said = {
        attribute.name: [_says_something(table, part(attribute.name, "raw")) for table in tables]
        for attribute in schema.attributes
    }
    if not any(all(sides) for sides in said.values()):
        return schema
    categories = {attribute.name for attribute in schema.of_kind(Kind.CATEGORY)}
    return keep(schema, {name for name, sides in said.items() if all(sides) or (name in categories and any(sides))})


def _says_something(table: pa.Table, column: str) -> bool:
    return column in table.column_names and bool(pc.any(pc.not_equal(table[column], "")).as_py())


@dataclass(frozen=True)
class Scored:
    """Examples, and what feature scorer and Ditto say of their pairs, neither having seen the record's entity.

    ``raw``: probability by the feature scorer, 0 to 1, shared with the record's rivals. ``odds``: log-odds by Ditto,
    NaN where it was not asked. Both of shape (pairs,).
    """

    examples: Examples
    raw: NDArray[np.float64]
    odds: NDArray[np.float64]

    def with_ditto(self, settings: CascadeSettings) -> Examples:
        """Return the examples with Ditto's features, for those pairs that the cascade would send to it."""
        odds = np.where(grey(self.raw, settings), self.odds, np.nan)
        return self.examples.with_block(deep_block(self.examples.record, odds))

    def sent(self, settings: CascadeSettings) -> NDArray[np.bool_]:
        """Say of each pair, but those of counterfactual records, whether the cascade would send it to Ditto."""
        return grey(self.raw, settings)[self.examples.real]


@dataclass(frozen=True)
class Taught:
    """Ditto, taught all there is, and what the blend is learnt from.

    ``extra``: examples that are learnt from but not calibrated on. ``floor``: least confidence of a best candidate.
    """

    pupil: Pupil
    exported: Exported
    scored: Scored
    extra: Scored | None
    floor: float

    def blend(self, settings: MatcherSettings) -> tuple[Cascade, Fitted]:
        """Learn how to blend Ditto with the features, for the cascade of the settings.

        Its band may be narrower than the one that Ditto was asked in, not wider.
        """
        extra = None if self.extra is None else self.extra.with_ditto(settings.cascade)
        examples = self.scored.with_ditto(settings.cascade)
        scorer = replace(settings.scorer, extra_weight=settings.cascade.extra_weight)
        fitted = fit(examples, extra, scorer, settings.seed, floor=self.floor)
        return Cascade(self.pupil.reader, self.exported.model, fitted.scorer, settings.cascade), fitted

    def card(self, settings: MatcherSettings) -> dict[str, Any]:
        """Return what the model card says of Ditto: what it was taught, how it compares with PyTorch, its cost."""
        sent = self.scored.sent(settings.cascade)
        records = max(1, int((~self.scored.examples.counterfactual).sum()))
        return {
            "encoder": settings.ditto.encoder if settings.ditto is not None else None,
            "attributes": [attribute.name for attribute in self.pupil.reader.serializer.schema.attributes],
            "taught": self.pupil.record,
            "export": asdict(self.exported.model.parity),
            "cost": {
                "share_of_candidates": round(float(sent.mean()), 4) if len(sent) else 0.0,
                "pairs_per_1000_records": round(1000 * float(sent.sum()) / records, 1),
                "seconds_per_1000_pairs": round(1000 * self.exported.seconds_per_pair, 3),
            },
        }


def teach_labels(
    start: Pretrained,
    first: Fitted,
    examples: Examples,
    synthetic: Examples,
    reference: pa.Table,
    settings: MatcherSettings,
    progress: Progress | None = None,
    *,
    also: NDArray[np.bool_] | None = None,
) -> Taught | None:
    """Teach Ditto the labels.

    :param first: the feature scorer, trained on the same examples.
    :param also: pairs of the examples that it is to be asked of besides those that the cascade sends to it.
    :returns: ``None``, with a warning, if there is too little to teach Ditto anything.
    """
    assert settings.ditto is not None
    chosen = _with(grey(first.raw, settings.cascade), also)
    pupil, odds = cross_taught(start.pupil, examples, reference, chosen, settings, progress)
    if not pupil.record:
        log.warning(_LEFT_OUT)
        return None
    made = synthetic.of_records(start.held)
    raw = exclusive(made.record, first.scorer.predict_matrix(made.matrix))
    extra = start.scored(made, raw, settings) if settings.cascade.extra_weight else None
    exported = pupil.exported(examples, reference, settings.ditto, settings.seed)
    return Taught(pupil, exported, Scored(examples, first.raw, odds), extra, 0.0)


def teach_noise(
    start: Pretrained,
    first: Fitted,
    synthetic: Examples,
    settings: MatcherSettings,
    floor: float,
    *,
    also: NDArray[np.bool_] | None = None,
) -> Taught | None:
    """Take Ditto as it was taught without labels.

    :param first: the feature scorer, trained on the same examples.
    :param floor: least confidence of a record's best candidate.
    :param also: pairs of the examples that it is to be asked of besides those that the cascade sends to it.
    :returns: ``None``, with a warning, if there is too little to teach Ditto anything, or to learn the blend from.
    """
    assert settings.ditto is not None
    held = synthetic.of_records(start.held)
    if not start.pupil.record or not held.match.any() or held.match.all():
        log.warning(_LEFT_OUT)
        return None
    shown = start.held[synthetic.record]
    scored = start.scored(held, first.raw[shown], settings, None if also is None else also[shown])
    exported = start.pupil.exported(held, start.reference.table, settings.ditto, settings.seed)
    return Taught(start.pupil, exported, scored, None, floor)


def _with(chosen: NDArray[np.bool_], also: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return chosen if also is None else np.asarray(chosen | also, dtype=np.bool_)
