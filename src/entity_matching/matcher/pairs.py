"""Pairs by themselves: how sure it is that two records denote one entity, whatever else is asked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from entity_matching.errors import ArtifactError, InputError
from entity_matching.features import Pairs
from entity_matching.matcher.cascade import grey
from entity_matching.matcher.exact import IDENTIFIER, same_by_identifier
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
    :returns: a table of :data:`JUDGED`. A shared identifier counts as it does in the exact stage; a shared name does
        not, since only a reference shows whether it is the only one of its name. A confidence from which the
        pipeline accepts a candidate makes a match.
    :raises ArtifactError: if the model was trained without what judges pairs.
    """
    if model.alone is None:
        raise ArtifactError("This model cannot judge pairs by themselves.", remedy="Train it again.")
    rows = np.arange(left.num_rows, dtype=np.int64)
    raw = model.alone.raw(model.space.compute(Pairs(left, right, rows, rows)))
    odds = np.full(len(raw), np.nan)
    if model.cascade is not None and model.alone.stack is not None:
        asked = np.flatnonzero(grey(raw, model.cascade.settings))
        odds[asked] = model.cascade.model.predict_tokens(model.cascade.reader.tokenized(left, right, asked, asked))
    confidence = model.alone.confidence(raw, odds)
    known = model.exact.get(IDENTIFIER, 0.0)
    if known >= model.settings.decision.target_precision:
        same = same_by_identifier(left, right, model.space.schema)
        confidence = np.where(same, np.maximum(confidence, known), confidence)
    prediction = (confidence >= model.thresholds.match).astype(np.int64)
    return pa.Table.from_arrays([pa.array(prediction), pa.array(confidence)], schema=JUDGED)
