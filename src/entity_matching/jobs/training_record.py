"""What a training's run says in MLflow: settings, curves, figures with intervals, plots, the evaluation report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from entity_matching.errors import EntityMatchingError
from entity_matching.evaluate import Evaluation, render_report
from entity_matching.evaluate.bootstrap import Estimate
from entity_matching.evaluate.plots import PLOTS
from entity_matching.jobs.job import Context
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.training_pairs import Stored
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.maintenance import history
from entity_matching.lakehouse.tables import TRAINING_PAIRS
from entity_matching.matcher import Matcher
from entity_matching.registry.tracking import TrainingRecord

_ESTIMATES = ("f1", "precision", "recall", "best_f1", "ece", "ece_equal_mass", "brier", "review")
_WHERE = ("catalog", "target", "home", "volume", "run_id", "wait", "settings")
"""Parameters that say where and when, not how."""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation, and what it was made from."""

    evaluation: Evaluation
    result: pa.Table
    labels: pa.Table
    stored: Stored


def training_record(
    context: Context,
    given: Parameters,
    fingerprint: str,
    matcher: Matcher,
    documents: Mapping[str, Any],
    evaluated: Evaluated | None,
) -> TrainingRecord:
    """Return what is to be logged of a training.

    :param evaluated: ``None`` if no records were kept for evaluation.
    """
    described = matcher.describe()
    pairs_version = _table_version(context.lake)
    parameters = given.model_dump(mode="json", exclude=set(_WHERE), exclude_none=True)
    held_out = described["held_out"]
    metrics: dict[str, float | None] = {
        **dict(_figures("held_out", {name: held_out[name] for name in held_out if isinstance(held_out[name], dict)})),
        **{f"threshold.{name}": value for name, value in described["thresholds"].items()},
    }
    card = json.dumps(described, indent=1, default=str) + "\n"
    files = {"model_card.json": card.encode(), "schema.yml": matcher.schema.to_yaml().encode()}
    files |= {name: (json.dumps(value, indent=1) + "\n").encode() for name, value in documents.items()}
    if evaluated is not None:
        metrics |= dict(_of_evaluation(evaluated.evaluation))
        files |= dict(_pictures(evaluated, matcher))
    return TrainingRecord(
        fingerprint=fingerprint,
        parameters={"job": parameters, "matcher": matcher.settings.to_dict(), "training_pairs_version": pairs_version},
        metrics=metrics,
        curves=dict(_curves(described)),
        files=files,
        tags={"run_id": context.run_id, "training_pairs_version": pairs_version},
    )


def _table_version(lake: Lakehouse) -> str:
    """Return the version of the table of training pairs; empty where it has none."""
    with suppress(EntityMatchingError):
        return str(history(lake, TRAINING_PAIRS, 1)[0].version)
    return ""


def _of_evaluation(evaluation: Evaluation) -> Iterator[tuple[str, float | None]]:
    yield "evaluation.records", float(evaluation.records)
    for name in _ESTIMATES:
        yield from _interval(f"evaluation.{name}", getattr(evaluation, name))
    for at, estimate in evaluation.recall_at_precision.items():
        yield from _interval(f"evaluation.recall_at_precision_{at:g}", estimate)
    for rank, estimate in evaluation.candidate_recall.items():
        yield from _interval(f"evaluation.candidate_recall_{rank}", estimate)


def _interval(name: str, estimate: Estimate) -> Iterator[tuple[str, float | None]]:
    yield from _figures(name.rpartition(".")[0], {name.rpartition(".")[2]: estimate.to_dict()})


def _figures(above: str, figures: Mapping[str, Mapping[str, float | None]]) -> Iterator[tuple[str, float | None]]:
    for name, figure in figures.items():
        yield f"{above}.{name}", figure["value"]
        yield f"{above}.{name}_low", figure["low"]
        yield f"{above}.{name}_high", figure["high"]


def _curves(described: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Yield Ditto's curves, pass by pass, of each of its trainings."""
    for stage, record in described["trained_on"].get("ditto", {}).get("taught", {}).items():
        for name, values in record.get("curve", {}).items():
            yield f"ditto.{stage}.{name}", values


def _pictures(evaluated: Evaluated, matcher: Matcher) -> Iterator[tuple[str, bytes]]:
    evaluation = evaluated.evaluation.with_details(matcher.describe())
    for title, draw in PLOTS.items():
        yield f"plots/{title.lower().replace(' ', '_')}.png", draw(evaluation, "png")
    page = render_report(
        evaluation,
        result=evaluated.result,
        labels=evaluated.labels,
        source=evaluated.stored.source,
        reference=evaluated.stored.reference,
        schema=evaluated.stored.schema,
    )
    yield "evaluation.html", page.encode()
