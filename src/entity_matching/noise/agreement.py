"""How often an attribute differs between records of one entity: learnt from pairs that are surely matches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.records import part
from entity_matching.schema import Attribute, Kind, Schema

USUAL = {"ticker": 0.5, "phone": 0.3, "website": 0.15}
"""Share of differing values by identifier type, before anything is seen: venues have symbols of their own."""
USUALLY = {Kind.CATEGORY: 0.12, Kind.IDENTIFIER: 0.03, Kind.NUMBER: 0.12, Kind.DATE: 0.05}
"""The same by kind, for all other attributes."""
BELIEF = 10
"""How many pairs the usual share counts as beside the pairs seen."""


def usual_disagreement(attribute: Attribute) -> float:
    """Return the share of values expected to differ, 0 to 1, before any pair of records is seen."""
    return USUAL.get(attribute.type or "", USUALLY.get(attribute.kind, 0.12))


def disagreement(
    sources: pa.Table,
    references: pa.Table,
    source_rows: NDArray[np.int64],
    reference_rows: NDArray[np.int64],
    schema: Schema,
) -> dict[str, float]:
    """Return the share of values that differ although the records agree, per category and identifier.

    Only pairs with both values count. The usual share is mixed in as if :data:`BELIEF` more pairs had shown
    it, so that a handful of pairs does not decide alone.

    :param sources: the normalised source table.
    :param references: the normalised reference table.
    :param source_rows: source rows of pairs that are matches by other evidence (a name that agrees and is
        unique), shape (n,).
    :param reference_rows: their reference rows, shape (n,).
    :returns: share by attribute, 0 to 1; one that either table lacks is left out.
    """
    shares: dict[str, float] = {}
    for attribute in schema.of_kind(Kind.CATEGORY, Kind.IDENTIFIER):
        column = part(attribute.name, "value")
        if column not in sources.column_names or column not in references.column_names:
            continue
        left = sources[column].take(pa.array(source_rows))
        right = references[column].take(pa.array(reference_rows))
        both = pc.and_(pc.not_equal(left, ""), pc.not_equal(right, ""))
        differing = pc.sum(pc.and_(both, pc.not_equal(left, right))).as_py() or 0
        seen = pc.sum(both).as_py() or 0
        shares[attribute.name] = (differing + BELIEF * usual_disagreement(attribute)) / (seen + BELIEF)
    return shares
