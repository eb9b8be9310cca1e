"""``train-ditto-model``: from what people and identifiers said to a model in force."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pydantic import Field

from entity_matching.config import DittoSettings, MatcherSettings
from entity_matching.errors import SettingsError
from entity_matching.evaluate import Evaluation, evaluate_matches
from entity_matching.jobs.attributes import CONTENT, ENTITY, RECORD, keyed, stored_schema
from entity_matching.jobs.drift import PROFILE, make_profile
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.metrics import record_metrics
from entity_matching.jobs.models import TRAINING, publish
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.training_pairs import Pairs, Stored
from entity_matching.lakehouse.names import folder_name, literal
from entity_matching.lakehouse.settings import DATABRICKS, LakehouseSettings
from entity_matching.lakehouse.tables import TRAINING_PAIRS
from entity_matching.matcher import Matcher
from entity_matching.matcher.result import RESULT
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side
from entity_matching.version import __version__

log = logging.getLogger(__name__)

_DIGITS = 12


class TrainParameters(Parameters):
    """How the model is trained."""

    ditto: bool = Field(True, description="Train Ditto, the language model for the hard cases, too (default: true).")
    encoder: str | None = Field(None, description="What Ditto starts from: minilm (default), a folder, or a hub name.")
    epochs: int | None = Field(None, ge=1, description="Passes of Ditto over the labels, at most (default: 5).")
    device: str | None = Field(None, description="What Ditto is trained on: auto (default), cpu or cuda.")
    target_precision: float | None = Field(
        None, gt=0, le=1, description="Share of the automatic matches that must be right (default: 0.98)."
    )
    evaluation_share: float = Field(
        0.2, ge=0, lt=1, description="Share of the labelled entities to measure the model on (default: 0.2)."
    )
    seed: int | None = Field(None, ge=0, description="Of every draw at random (default: 0).")
    settings: Path | None = Field(None, description="File with further settings of the matcher, as YAML.")
    source_limit: int = Field(100_000, ge=1, description="Source records to read, at most (default: 100000).")
    profile_records: int = Field(
        2_000, ge=1, description="Records matched to learn the usual confidence, at most (default: 2000)."
    )

    def matcher_settings(self) -> MatcherSettings:
        """Return the settings of the matcher; what is given here goes before what the file says."""
        settings = MatcherSettings() if self.settings is None else _from_file(self.settings)
        asked = {"encoder": self.encoder, "epochs": self.epochs, "device": self.device}
        given = {name: value for name, value in asked.items() if value is not None}
        ditto = replace(settings.ditto or DittoSettings(), **given) if self.ditto else None  # type: ignore[arg-type]
        decision = settings.decision
        if self.target_precision is not None:
            decision = replace(decision, target_precision=self.target_precision)
        seed = settings.seed if self.seed is None else self.seed
        return replace(settings, ditto=ditto, decision=decision, seed=seed)


def _from_file(path: Path) -> MatcherSettings:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.", remedy="Correct it.") from error
    return MatcherSettings.from_dict({} if data is None else data)


def _work(context: Context, given: TrainParameters) -> Figures:
    lake, settings = context.lake, given.matcher_settings()
    schema = keyed(stored_schema(lake.settings))
    stored = Stored.read(lake, schema, given.source_limit)
    sources = normalize_table(stored.source, schema, Side.SOURCE).combine_chunks()
    reference = normalize_table(stored.reference, schema, Side.REFERENCE).combine_chunks()
    pairs = Pairs.gather(
        stored.labels, sources, reference, schema, share=given.evaluation_share, seed=settings.seed
    )  # fmt: skip
    version = fingerprint(stored, pairs, schema, settings)
    _write_pairs(context, pairs.to_table(stored.source, version, context.clock()), version)
    with _checkpoints(lake.settings, version) as checkpoints:
        matcher = _train(context, stored, pairs, settings, checkpoints)
        result = _match_unseen(matcher, stored, pairs, given.profile_records)
        evaluation = _evaluate(result, pairs, settings)
        figures = _figures(matcher, pairs, evaluation)
        profile = make_profile(sources, schema, result["confidence"].to_numpy())
        written = {**figures, "trained_at": context.clock().isoformat(), "run_id": context.run_id}
        folder = publish(
            lake.settings, _for_people(matcher, lake.settings), version, documents={PROFILE: profile, TRAINING: written}
        )
    record_metrics(context, train=_metrics(figures))
    return {"model": version, "folder": str(folder), **figures}


def fingerprint(stored: Stored, pairs: Pairs, schema: Schema, settings: MatcherSettings) -> str:
    """Return a digest of all that a training depends on: trained again on the same, a model has the same version."""
    digest = hashlib.sha256()
    parts = [
        __version__,
        schema.to_yaml(),
        json.dumps(settings.to_dict(), sort_keys=True),
        *_sorted(stored.reference[ENTITY], stored.reference[CONTENT]),
        *_sorted(stored.source[RECORD], stored.source[CONTENT]),
        *sorted(f"{pairs.record[row]}\x1f{pairs.entity[row]}\x1f{pairs.evaluation[row]}" for row in range(len(pairs))),
    ]
    for text in parts:
        digest.update(text.encode() + b"\x1e")
    return digest.hexdigest()[:_DIGITS]


def _sorted(keys: pa.ChunkedArray, content: pa.ChunkedArray) -> Sequence[str]:
    return sorted(pc.binary_join_element_wise(keys.cast(pa.string()), content.cast(pa.string()), "\x1f").to_pylist())


def _write_pairs(context: Context, rows: pa.Table, version: str) -> None:
    lake = context.lake
    lake.execute(
        f"INSERT INTO {lake.name(TRAINING_PAIRS)} REPLACE WHERE training_id = {literal(version)}"
        " SELECT * FROM {rows}",
        rows=lake.frame(rows.select(TRAINING_PAIRS.column_names)),
    )


@contextmanager
def _checkpoints(settings: LakehouseSettings, version: str) -> Iterator[Path]:
    """Give the folder in which a training keeps where it stands; it goes, with older ones, when the block ends well."""
    home = settings.artifacts if settings.target == DATABRICKS else settings.home
    kept = home / "training" / folder_name(settings.catalog)
    yield kept / version
    shutil.rmtree(kept, ignore_errors=True)


def _train(context: Context, stored: Stored, pairs: Pairs, settings: MatcherSettings, checkpoints: Path) -> Matcher:
    """Train on all that is not kept for evaluation.

    The model that is measured is the one that is kept: its figures are its own, and the entities it was measured on
    stay unseen, so that the next model can be compared with it on them. (With all labels in training,
    ``--evaluation-share 0``, there are no figures.)
    """
    aside = pc.is_in(stored.source[RECORD], value_set=pa.array(pairs.record[pairs.evaluation], pa.string()))
    source = stored.source.filter(pc.invert(aside))
    labels = pairs.labels(evaluation=False)
    teaches = bool(pc.any(pc.not_equal(labels["reference_key"], "")).as_py())
    if not teaches:
        log.warning("No label names an entity: the model learns from noisy copies of the reference's own records.")
    return Matcher.train(
        source if source.num_rows else None,
        stored.reference,
        labels if teaches else None,
        schema=keyed(stored_schema(context.lake.settings)),
        settings=settings,
        progress=context.progress or _Stages(),
        checkpoints=checkpoints,
    )


class _Stages:
    """Says in the log which stage a training has reached."""

    def __init__(self) -> None:
        self.stage = ""

    def __call__(self, stage: str, share: float) -> None:
        """Note the stage, if it is another."""
        if stage != self.stage:
            log.info("%s", stage)
            self.stage = stage


def _match_unseen(matcher: Matcher, stored: Stored, pairs: Pairs, limit: int) -> pa.Table:
    """Match records whose labels the model has not seen: all that are kept for evaluation, then unlabelled ones."""
    learnt = pairs.record[pairs.labelled & ~pairs.evaluation]
    keys = np.array(stored.source[RECORD].to_pylist(), dtype=object)
    unseen = np.flatnonzero(~np.isin(keys.astype(str), learnt.astype(str)))
    kept = np.isin(keys[unseen].astype(str), pairs.record[pairs.labelled & pairs.evaluation].astype(str))
    rows = np.r_[unseen[kept], unseen[~kept][: max(0, limit - int(kept.sum()))]]
    if not len(rows):
        return RESULT.empty_table()
    return matcher.match(stored.source.take(pa.array(rows)), stored.reference)


def _evaluate(result: pa.Table, pairs: Pairs, settings: MatcherSettings) -> Evaluation | None:
    labels = pairs.labels(evaluation=True)
    if not labels.num_rows:
        return None
    return evaluate_matches(
        result, labels, target_precision=settings.decision.target_precision, seed=settings.seed
    )  # fmt: skip


def _figures(matcher: Matcher, pairs: Pairs, evaluation: Evaluation | None) -> dict[str, Any]:
    thresholds = matcher.thresholds
    sides = np.where(pairs.evaluation, "evaluation", "train")
    counted = {
        f"{provenance}/{side}": int(((pairs.provenance == provenance) & (sides == side)).sum())
        for provenance in sorted(set(pairs.provenance.tolist()))
        for side in ("train", "evaluation")
    }
    measured: dict[str, Any] = {"records": 0}
    if evaluation is not None:
        measured = {"records": evaluation.records}
        measured |= {name: getattr(evaluation, name).to_dict() for name in ("f1", "precision", "recall", "ece")}
    return {
        "ditto": matcher.settings.ditto is not None,
        "pairs": counted,
        "evaluation": measured,
        "thresholds": {"match": thresholds.match, "review": thresholds.review},
    }


def _metrics(figures: dict[str, Any]) -> Iterator[tuple[str, str, float | None]]:
    """Return the figures as rows of ``gold.pipeline_metrics``: metric, label, value."""
    for label, count in figures["pairs"].items():
        yield "pairs", label, count
    for name, value in figures["thresholds"].items():
        yield "threshold", name, value
    for name, value in figures["evaluation"].items():
        if name == "records":
            yield "evaluated", "", value
            continue
        yield name, "", value["value"]
        yield f"{name}_low", "", value["low"]
        yield f"{name}_high", "", value["high"]


def _for_people(matcher: Matcher, settings: LakehouseSettings) -> Matcher:
    """Return the model with the key columns that people's own tables have, in place of the lakehouse's."""
    space = matcher.model.space
    schema = space.schema.model_copy(update={"key": stored_schema(settings).key})
    return replace(matcher, model=replace(matcher.model, space=replace(space, schema=schema)))


JOB = Job(
    "train-ditto-model",
    "Trains a model on labels, review decisions and what identifiers say, measures it and puts it in force.",
    TrainParameters,
    _work,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Do the job as a process."""
    JOB.main(argv)
