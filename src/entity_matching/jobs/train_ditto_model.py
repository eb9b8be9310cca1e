"""``train-ditto-model``: from what people and identifiers said to a model in force."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from entity_matching.jobs import registered
from entity_matching.jobs.attributes import CONTENT, ENTITY, RECORD, keyed, stored_schema
from entity_matching.jobs.drift import PROFILE, make_profile
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.metrics import record_metrics
from entity_matching.jobs.models import TRAINING, document, home_of, keep, model_folder, write_model
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.promotion import Gate, Outcome, Promote, settle, who, with_key
from entity_matching.jobs.training_pairs import Pairs, Stored
from entity_matching.jobs.training_record import Evaluated, training_record
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import folder_name, literal
from entity_matching.lakehouse.settings import DATABRICKS, LakehouseSettings
from entity_matching.lakehouse.tables import TRAINING_PAIRS
from entity_matching.matcher import Matcher
from entity_matching.matcher.result import RESULT
from entity_matching.normalize import normalize_table
from entity_matching.registry.checksums import write_checksums
from entity_matching.registry.gate import GateRule
from entity_matching.registry.location import CHAMPION
from entity_matching.registry.pyfunc_model import logged_model
from entity_matching.registry.tracking import log_and_register
from entity_matching.registry.versions import REASON, VERDICT, Versions
from entity_matching.schema import Schema, Side
from entity_matching.storage import remove_abandoned
from entity_matching.version import __version__

log = logging.getLogger(__name__)

SPLIT = 0
"""Seed of what is kept for evaluation; not the training's own, so that models of all seeds have it in common."""
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

    promote: Promote = Field(
        Promote.AUTO,
        description="When to put it in force: auto, if it is not worse than the champion; always; never.",
    )
    again: bool = Field(False, description="Train even if a model was trained on just this before (default: false).")
    max_loss: float = Field(
        0.02, ge=0, le=1, description="What the gate lets a figure lose by chance, 0 to 1 (default: 0.02)."
    )
    gate_draws: int = Field(2_000, ge=1, description="Draws of the gate's bootstrap (default: 2000).")
    gate_records: int = Field(
        20_000, ge=1, description="Evaluation records the gate compares models on, at most (default: 20000)."
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
    pairs = Pairs.gather(stored.labels, sources, reference, schema, share=given.evaluation_share, seed=SPLIT)
    training = fingerprint(stored, pairs, schema, settings)
    number, repeated = _registered(lake, training, again=given.again), True
    if number is None:
        number, repeated = _trained(context, given, Inputs(stored, pairs, sources, settings, training)), False
    outcome = _settled(context, given, stored, number, repeated=repeated)
    folder = model_folder(lake.settings, number)
    told = document(folder, TRAINING) or {}
    figures = {name: told[name] for name in ("ditto", "pairs", "evaluation", "held_out", "thresholds") if name in told}
    if repeated:
        log.info("The model was trained on just this before: it is version %s (--again trains it again).", number)
    identity = {"model": number, "folder": str(folder), "fingerprint": training, "trained_before": repeated}
    return {**identity, **outcome.to_dict(), **figures}


@dataclass(frozen=True)
class Inputs:
    """What a training learns from. ``fingerprint``: a digest of it all."""

    stored: Stored
    pairs: Pairs
    sources: pa.Table
    settings: MatcherSettings
    fingerprint: str


def _registered(lake: Lakehouse, training: str, *, again: bool) -> str | None:
    """Return the version that was trained on just this; ``None`` if there is none, or it is to be trained again."""
    if again or not registered.is_there(lake.settings):
        return None
    with Versions.open(lake.settings) as versions:
        found = versions.by_fingerprint(training)
    return None if found is None else found.number


def _trained(context: Context, given: TrainParameters, inputs: Inputs) -> str:
    """Train a model, measure it, and register it; return its number."""
    lake, pairs, stored = context.lake, inputs.pairs, inputs.stored
    version = inputs.fingerprint
    _write_pairs(context, pairs.to_table(stored.source, version, context.clock()), version)
    with _checkpoints(lake.settings, version) as checkpoints:
        matcher = _train(context, stored, pairs, inputs.settings, checkpoints)
        result = _match_unseen(matcher, stored, pairs, given.profile_records)
        evaluation = _evaluate(result, pairs, inputs.settings)
        figures = _figures(matcher, pairs, evaluation)
        profile = make_profile(inputs.sources, stored.schema, result["confidence"].to_numpy())
        written = {**figures, "trained_at": context.clock().isoformat(), "run_id": context.run_id}
        documents = {PROFILE: profile, TRAINING: {**written, "fingerprint": version}}
        evaluated = None if evaluation is None else Evaluated(evaluation, result, pairs.labels(evaluation=True), stored)
        # people's own tables have other key columns than the lakehouse
        matcher = with_key(matcher, stored_schema(lake.settings).key)
        number = _register(context, given, inputs, matcher, documents, evaluated)
    record_metrics(context, train=_metrics(figures))
    return number


def _register(
    context: Context,
    given: TrainParameters,
    inputs: Inputs,
    matcher: Matcher,
    documents: dict[str, Any],
    evaluated: Evaluated | None,
) -> str:
    """Log the training and register its model, then keep it in the cache."""
    settings = context.lake.settings
    home = home_of(settings)
    home.mkdir(parents=True, exist_ok=True)
    remove_abandoned(home)
    record = training_record(context, given, inputs.fingerprint, matcher, documents, evaluated)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=home) as temporary:
        draft = Path(temporary) / "model"
        draft.mkdir()
        write_model(draft, matcher, documents)
        checksum = write_checksums(draft)
        with Versions.open(settings) as versions:
            number = log_and_register(versions, record, logged_model(draft, matcher.schema), checksum)
        keep(settings, number, draft)
    log.info("Registered as version %s.", number)
    return number


def _settled(context: Context, given: TrainParameters, stored: Stored, number: str, *, repeated: bool) -> Outcome:
    """Decide whether the version is in force; of one that was decided on before only what is asked for outright."""
    lake = context.lake
    settings = given.matcher_settings()
    rule = GateRule(settings.decision.target_precision, given.max_loss, given.gate_draws, settings.seed)
    gate = Gate(lake, stored, rule, given.gate_records)
    with Versions.open(lake.settings) as versions:
        before = versions.get(number)
        if repeated and VERDICT in before.tags and given.promote is not Promote.ALWAYS:
            return Outcome(CHAMPION in before.aliases, f"decided before: {before.tags.get(REASON, '')}")
        outcome = gate.decide(versions, number, given.promote)
        settle(versions, lake.settings, number, outcome, by=who(lake), at=context.clock())
    return outcome


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
        "held_out": _held_out(matcher),
        "thresholds": {"match": thresholds.match, "review": thresholds.review},
    }


def _held_out(matcher: Matcher) -> dict[str, Any]:
    """Return how good the decisions are on what the folds held out, and how good they would be without Ditto."""
    described = matcher.describe()
    told = {"with_ditto": described["held_out"]}
    told |= {"features": described["trained_on"].get("ditto", {}).get("features_alone", described["held_out"])}
    names = ("precision", "recall", "f1")
    if matcher.model.cascade is None:
        del told["with_ditto"]
    figures = {key: {name: held[name]["value"] for name in names} for key, held in told.items()}
    return {"records": described["held_out"]["records"], **figures}


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


JOB = Job(
    "train-ditto-model",
    "Trains a model on labels, review decisions and what identifiers say, registers it, and lets the gate decide.",
    TrainParameters,
    _work,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Do the job as a process."""
    JOB.main(argv)
