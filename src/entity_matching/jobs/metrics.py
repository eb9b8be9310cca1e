"""Figures of a run, written down in ``gold.pipeline_metrics``."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from entity_matching.jobs.job import Context
from entity_matching.lakehouse.tables import PIPELINE_METRICS
from entity_matching.lakehouse.writes import merge

Figure = tuple[str, str, float | None]
"""What is measured, of what (``""``: of the whole), and the figure."""


def record_metrics(context: Context, **stages: Iterable[Figure]) -> int:
    """Write down figures in one commit; those that the run wrote before under the same names are replaced.

    :param stages: figures by their stage: ``ingest``, ``quality``, ``exact``, ``score``, ``write``, ``run`` or
        ``train``; of two with one metric and label the last counts.
    :returns: how many were written.
    """
    figures = {(stage, metric, label): value for stage, rows in stages.items() for metric, label, value in rows}
    if not figures:
        return 0
    count = len(figures)
    names = {place: pa.array(column, pa.string()) for place, column in enumerate(zip(*figures, strict=True))}
    table = pa.table(
        {
            "run_id": pa.array([context.run_id] * count, pa.string()),
            "stage": names[0],
            "metric": names[1],
            "label": names[2],
            "value": pa.array(figures.values(), pa.float64()),
            "measured_at": pa.array([context.clock()] * count, pa.timestamp("us", "UTC")),
        }
    )
    merge(context.lake, PIPELINE_METRICS, context.lake.frame(table), distinct=True)
    return count
