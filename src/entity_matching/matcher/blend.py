"""Blending: Ditto taught, its scores of what it had not seen, and the second scorer that learns from them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.config import MatcherSettings
from entity_matching.ditto.serialize import Serializer
from entity_matching.matcher.cascade import Cascade, deep_block
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.fit import Fitted, Progress, fit, hard
from entity_matching.matcher.lessons import Provenance, lesson, weak_lessons
from entity_matching.matcher.reader import PairReader
from entity_matching.matcher.reference import Reference
from entity_matching.matcher.teach import Pupil, cross_taught, new_pupil, pretraining
from entity_matching.records import part
from entity_matching.schema import Schema

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pretrained:
    """Ditto taught without labels, on half of the records made by noise.

    ``held``: the other half, on which the blend is learnt. ``reference``: that both were made from.
    """

    pupil: Pupil
    reference: Reference
    held: NDArray[np.bool_]


def pretrain(
    synthetic: Examples,
    made_from: Reference,
    sources: pa.Table | None,
    reference: Reference,
    schema: Schema,
    settings: MatcherSettings,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> Pretrained:
    """Teach Ditto without labels: from noise, and from what shared identifiers and unique names say.

    :param made_from: the reference whose records the synthetic ones are copies of.
    :param sources: the normalised source table, or ``None``.
    :param checkpoints: the folder in which the trainings keep where they stand.
    """
    from entity_matching.ditto.encoders import load_encoder  # noqa: PLC0415 - heavy
    from entity_matching.ditto.tokens import PairTokenizer  # noqa: PLC0415

    assert settings.ditto is not None
    rng = np.random.default_rng([settings.seed, 3])
    serializer = Serializer.fit(reference.table, readable(schema, sources, reference.table))
    encoder = load_encoder(settings.ditto.encoder)
    reader = PairReader(serializer, PairTokenizer(encoder.tokenizer, settings.ditto, serializer.idf))
    entities = np.unique(synthetic.group)
    held = np.isin(synthetic.group, rng.permutation(entities)[: len(entities) // 2])
    shown = hard(synthetic.of_records(~held), settings.scorer.rivals)
    lessons = [lesson(shown, made_from.table, reader, Provenance.NOISE)]
    if sources is not None:
        lessons += weak_lessons(sources, reference, schema, reader, settings.scorer.synthetic_records, rng)
    pupil = new_pupil(reader, encoder, settings.ditto, settings.seed, checkpoints)
    return Pretrained(
        pupil.taught(lessons, pretraining(settings), settings.seed, "pretraining", progress), made_from, held
    )


def readable(schema: Schema, sources: pa.Table | None, references: pa.Table) -> Schema:
    """Return the schema with the attributes of which both sides say something: the others tell Ditto nothing."""
    tables = [references] if sources is None else [sources, references]
    kept = tuple(
        attribute
        for attribute in schema.attributes
        if all(_says_something(table, part(attribute.name, "raw")) for table in tables)
    )
    return schema.model_copy(update={"attributes": kept}) if kept else schema


def _says_something(table: pa.Table, column: str) -> bool:
    return column in table.column_names and bool(pc.any(pc.not_equal(table[column], "")).as_py())


def blend_labels(
    start: Pretrained,
    first: Fitted,
    examples: Examples,
    synthetic: Examples,
    reference: pa.Table,
    settings: MatcherSettings,
    progress: Progress | None = None,
) -> tuple[Cascade, Fitted, Pupil]:
    """Teach Ditto the labels, and learn how to blend it with the features.

    :param first: the feature scorer, trained on the same examples.
    """
    grey = _grey(first.raw, settings)
    pupil, odds = cross_taught(start.pupil, examples, reference, grey, settings, progress)
    extra = synthetic.of_records(start.held)
    raw = first.scorer.predict_matrix(extra.matrix)
    extra_odds = _odds(start, extra, _grey(raw, settings), settings)
    fitted = fit(
        examples.with_block(deep_block(examples.record, odds)),
        extra.with_block(deep_block(extra.record, extra_odds)),
        settings.scorer,
        settings.seed,
    )
    assert settings.ditto is not None
    model = pupil.exported(examples, reference, settings.ditto, settings.seed)
    return Cascade(pupil.reader, model, fitted.scorer, settings.cascade), fitted, pupil


def blend_noise(
    start: Pretrained,
    first: Fitted,
    synthetic: Examples,
    settings: MatcherSettings,
    floor: float,
) -> tuple[Cascade, Fitted, Pupil]:
    """Learn how to blend Ditto with the features where there are no labels.

    :param first: the feature scorer, trained on the same examples.
    :param floor: least confidence of a record's best candidate.
    """
    held = synthetic.of_records(start.held)
    grey = _grey(first.raw[start.held[synthetic.record]], settings)
    odds = _odds(start, held, grey, settings)
    fitted = fit(held.with_block(deep_block(held.record, odds)), None, settings.scorer, settings.seed, floor=floor)
    assert settings.ditto is not None
    model = start.pupil.exported(held, start.reference.table, settings.ditto, settings.seed)
    return Cascade(start.pupil.reader, model, fitted.scorer, settings.cascade), fitted, start.pupil


def _grey(raw: NDArray[np.float64], settings: MatcherSettings) -> NDArray[np.bool_]:
    return np.asarray((raw >= settings.cascade.low) & (raw <= settings.cascade.high), dtype=np.bool_)


def _odds(
    start: Pretrained, examples: Examples, chosen: NDArray[np.bool_], settings: MatcherSettings
) -> NDArray[np.float64]:
    assert settings.ditto is not None
    odds: NDArray[np.float64] = start.pupil.predict(examples, start.reference.table, chosen, settings.ditto)
    return odds
