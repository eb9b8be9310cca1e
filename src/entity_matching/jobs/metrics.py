"""Figures of a run, written down in ``gold.pipeline_metrics``."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from entity_matching.jobs.job import Context
from entity_matching.lakehouse.tables import PIPELINE_METRICS
from entity_matching.lakehouse.writes import merge

Figure = tuple[str, str, float | None]
"""What is measured, of what (``""``: of the whole), and the figure."""


def record_metrics(context: Context, stage: str, rows: Iterable[Figure]) -> int:
    """Write down figures of a stage; those that the run wrote before under the same names are replaced.

    :param stage: ``ingest``, ``quality``, ``exact``, ``score``, ``write``, ``run`` or ``train``.
    :param rows: metric, label and value; of two with one metric and label the last counts.
    :returns: how many were written.
    """
    figures = {(metric, label): value for metric, label, value in rows}
    if not figures:
        return 0
    count = len(figures)
    table = pa.table(
        {
            "run_id": pa.array([context.run_id] * count, pa.string()),
            "stage": pa.array([stage] * count, pa.string()),
            "metric": pa.array([metric for metric, _ in figures], pa.string()),
            "label": pa.array([label for _, label in figures], pa.string()),
            "value": pa.array(figures.values(), pa.float64()),
            "measured_at": pa.array([context.clock()] * count, pa.timestamp("us", "UTC")),
        }
    )
    merge(context.lake, PIPELINE_METRICS, context.lake.frame(table), distinct=True)
    return count
