"""What each attribute adds to Ditto's verdict on a pair: its verdict with all of them, and with one left out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.matcher.calibrate import expit
from entity_matching.matcher.cascade import Cascade


def contributions(cascade: Cascade, sources: pa.Table, references: pa.Table) -> pa.Table:
    """Explain pairs by leaving out one attribute at a time, on both sides.

    Costs one reading of a pair per attribute and one more. Attributes that say the same share their contribution in
    no fair way: leaving out one of two that repeat each other changes little.

    :param sources: the normalised source rows, one per pair; ``references``: the normalised reference rows.
    :returns: one row per pair and attribute, with ``pair`` (number, from 0), ``attribute``, ``probability`` (Ditto's
        own, not calibrated, 0 to 1, with all attributes) and ``contribution`` (that less the probability without the
        attribute, -1 to 1; above 0: it speaks for a match).
    """
    whole = _probability(cascade, sources, references, ())
    names = [attribute.name for attribute in cascade.reader.serializer.schema.attributes]
    without = [_probability(cascade, sources, references, (name,)) for name in names]
    size = len(whole)
    return pa.table(
        {
            "pair": pa.array(np.repeat(np.arange(size), len(names))),
            "attribute": pa.array(names * size, pa.string()),
            "probability": pa.array(np.repeat(whole, len(names))),
            "contribution": pa.array((whole[:, None] - np.stack(without, axis=1)).ravel()),
        }
    )


def _probability(
    cascade: Cascade, sources: pa.Table, references: pa.Table, hidden: tuple[str, ...]
) -> NDArray[np.float64]:
    rows = np.arange(sources.num_rows)
    return expit(cascade.model.predict_tokens(cascade.reader.tokenized(sources, references, rows, rows, hidden)))
