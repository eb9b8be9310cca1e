"""Pairs by themselves: how sure it is that two records denote one entity, whatever else is asked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from entity_matching.errors import InputError
from entity_matching.features import Pairs
from entity_matching.matcher.cascade import Asked, deep_block, grey
from entity_matching.matcher.model import Model

JUDGED = pa.schema([pa.field("prediction", pa.int64()), pa.field("confidence", pa.float64())])
"""Arrow schema of the answer."""


def paired(left: pa.Table, right: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the two sides of pairs, if there are as many of the one as of the other.

    :raises InputError: if there are not.
    """
    if left.num_rows != right.num_rows:
        raise InputError(
            f"expected as many left records as right ones, found {left.num_rows:,} and {right.num_rows:,}.",
            remedy="Give one row per pair in each.",
        )
    return left, right


def judge_pairs(model: Model, left: pa.Table, right: pa.Table) -> pa.Table:
    """Judge pairs, each alone.

    :param left: normalised records of the source's side, one per pair.
    :param right: normalised records of the reference's side, one per pair.
    :returns: a table of :data:`JUDGED`.
    """
    rows = np.arange(left.num_rows, dtype=np.int64)
    block = model.space.compute(Pairs(left, right, rows, rows))
    raw = model.scorer.predict(block)
    if model.cascade is not None:
        asked = Asked(left, right, rows, rows, raw)
        block.extend(deep_block(rows, model.cascade.odds(asked, grey(raw, model.cascade.settings))))
        raw = model.cascade.scorer.predict(block)
    confidence = model.calibration.apply(raw)
    prediction = (confidence >= model.thresholds.match).astype(np.int64)
    return pa.Table.from_arrays([pa.array(prediction), pa.array(confidence)], schema=JUDGED)
