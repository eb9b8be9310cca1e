"""The exact stage: strong identifiers and unique names decide, unless something contradicts them.

What is contradicted is not decided here: it goes on to scoring with the conflict as a feature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from entity_matching.lookup import Lookup
from entity_matching.records import part
from entity_matching.schema import Attribute, Kind, Schema

Rows = NDArray[np.int64]

IDENTIFIER, EXACT_NAME = "identifier", "exact_name"
WHOLE_NAME = "whole_name"
"""All that the name says agrees, not just its distinguishing words and legal form. It is trusted apart from
:data:`EXACT_NAME`, since labels seldom hold such records; the answer calls both an exact name."""
_NOBODY = -2
"""Stands for the reference row while two identifiers of a record name two records."""
ENTITY_LEVEL = frozenset({"lei", "vat", "registration", "own"})
"""Identifiers of which one entity has one, so that two different ones speak against a match. A company has
many securities: two ISINs may both be its own."""
LEAST_NAME = 40.0
"""Word-set similarity of the names, 0 to 100, below which a shared identifier is doubted."""


@dataclass(frozen=True)
class ExactMatches:
    """What the stage decided; arrays of shape (sources,).

    ``reference``: row of the reference, -1 where nothing was decided. ``method``: ``identifier``,
    ``whole_name``, ``exact_name`` or "". ``attribute``: the attribute that decided. ``conflict``: the attribute that
    contradicted an agreement, so that the record was left to scoring; "" if none.
    """

    reference: Rows
    method: NDArray[np.str_]
    attribute: NDArray[np.object_]
    conflict: NDArray[np.object_]


class KnownValues:
    """The values of a table's columns, looked up again and again."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._lookups: dict[tuple[str, ...], Lookup] = {}

    def of(self, columns: Sequence[str]) -> Lookup:
        """Return what finds rows by the values of some columns together."""
        wanted = tuple(columns)
        if wanted not in self._lookups:  # two threads may both make it: they make the same
            self._lookups[wanted] = Lookup(_joined(self.table, columns))
        return self._lookups[wanted]


def exact_matches(
    sources: pa.Table,
    references: pa.Table,
    schema: Schema,
    *,
    veto: bool = True,
    known: KnownValues | None = None,
) -> ExactMatches:
    """Match what needs no score.

    :param sources: the normalised source table.
    :param references: the normalised reference table.
    :param veto: whether what an attribute contradicts is taken back.
    :param known: the values of the references, if they are asked more than once.
    """
    known = known or KnownValues(references)
    size = sources.num_rows
    found = ExactMatches(
        np.full(size, -1, dtype=np.int64),
        np.full(size, "", dtype="<U10"),
        np.full(size, "", dtype=object),
        np.full(size, "", dtype=object),
    )
    if not size or not references.num_rows:
        return found
    for attribute in schema.attributes:
        if attribute.kind is Kind.IDENTIFIER and attribute.is_strong:
            _decide(found, _unique_agreement(sources, known, [part(attribute.name, "value")]), attribute, IDENTIFIER)
    if veto:
        _veto(found, sources, references, schema, IDENTIFIER, _name_contradicts)
    found.reference[found.reference == _NOBODY] = -1
    names = schema.of_kind(Kind.NAME)
    if names:
        for method, columns in _name_keys(names[0], sources, references):
            _decide(found, _unique_agreement(sources, known, columns), names[0], method)
    if veto:
        for method in (WHOLE_NAME, EXACT_NAME):
            _veto(found, sources, references, schema, method, _attribute_contradicts)
    return found


def _name_keys(name: Attribute, sources: pa.Table, references: pa.Table) -> list[tuple[str, list[str]]]:
    """All the name says, then its distinguishing words with the legal form."""
    keys = [
        (WHOLE_NAME, [part(name.name, "text")]),
        (EXACT_NAME, [part(name.name, "core"), part(name.name, "form")]),
    ]
    have = set(sources.column_names) & set(references.column_names)
    return [(method, columns) for method, columns in keys if have.issuperset(columns)]


def _decide(found: ExactMatches, rows: Rows, attribute: Attribute, method: str) -> None:
    """Take agreements where nothing is decided yet; note where two identifiers point to different records."""
    differs = (found.reference >= 0) & (rows >= 0) & (found.reference != rows)
    if method == IDENTIFIER and differs.any():
        found.reference[differs] = _NOBODY
        found.method[differs] = ""
        found.attribute[differs] = ""
        found.conflict[differs] = attribute.name
    free = (found.reference == -1) & (rows >= 0) & (found.conflict == "")
    found.reference[free] = rows[free]
    found.method[free] = method
    found.attribute[free] = attribute.name


def same_by_identifier(left: pa.Table, right: pa.Table, schema: Schema) -> NDArray[np.bool_]:
    """Say which pairs share a strong identifier that nothing contradicts, whatever other records there are.

    :param left: normalised records, one per pair; ``right`` the others.
    :returns: shape (pairs,).
    """
    same = np.zeros(left.num_rows, dtype=bool)
    for attribute in schema.of_kind(Kind.IDENTIFIER):
        column = part(attribute.name, "value")
        if attribute.is_strong and column in left.column_names and column in right.column_names:
            one, two = left[column].combine_chunks(), right[column].combine_chunks()
            equal = pc.and_(pc.equal(one, two), pc.not_equal(one, ""))
            same |= equal.to_numpy(zero_copy_only=False)
    if same.any():
        for attribute in schema.attributes:
            same &= ~_name_contradicts(attribute, left, right)
    return same


def agrees_with_any(sources: pa.Table, references: pa.Table, schema: Schema) -> NDArray[np.bool_]:
    """Say which source records share a strong identifier, or all of the name, with some reference record.

    Whatever the exact stage decides or leaves open of other records, these references have no say in it.

    :param sources: the normalised source table.
    :param references: a normalised reference table.
    :returns: shape (sources,).
    """
    keys = [[part(attribute.name, "value")] for attribute in schema.of_kind(Kind.IDENTIFIER) if attribute.is_strong]
    for name in schema.of_kind(Kind.NAME)[:1]:
        keys += [columns for _, columns in _name_keys(name, sources, references)]
    agrees = np.zeros(sources.num_rows, dtype=bool)
    have = set(sources.column_names) & set(references.column_names)
    for columns in keys:
        if have.issuperset(columns):
            known = pc.is_in(_joined(sources, columns), value_set=_joined(references, columns))
            filled = pc.not_equal(_joined(sources, columns[:1]), "")
            agrees |= pc.and_(known, filled).to_numpy(zero_copy_only=False)
    return agrees


def _unique_agreement(sources: pa.Table, known: KnownValues, columns: list[str]) -> Rows:
    """Return the only reference row with the same non-empty values, -1 where there is none or several."""
    if any(column not in table.column_names for column in columns for table in (sources, known.table)):
        return np.full(sources.num_rows, -1, dtype=np.int64)
    found = known.of(columns).only(_joined(sources, columns))
    empty = pc.equal(_joined(sources, columns[:1]), "").to_numpy(zero_copy_only=False)
    return np.where(empty, -1, found)


def _joined(table: pa.Table, columns: Sequence[str]) -> pa.Array:
    arrays = [table[column].combine_chunks() for column in columns]
    return arrays[0] if len(arrays) == 1 else pc.binary_join_element_wise(*arrays, "|")


def _veto(
    found: ExactMatches,
    sources: pa.Table,
    references: pa.Table,
    schema: Schema,
    method: str,
    contradicts: Callable[[Attribute, pa.Table, pa.Table], NDArray[np.bool_]],
) -> None:
    """Take back what an attribute contradicts of one method's decisions."""
    decided = np.flatnonzero((found.reference >= 0) & (found.method == method))
    if not len(decided):
        return
    left = sources.take(pa.array(decided))
    right = references.take(pa.array(found.reference[decided]))
    for attribute in schema.attributes:
        against = contradicts(attribute, left, right)
        against &= found.attribute[decided] != attribute.name
        rows = decided[against]
        found.conflict[rows] = attribute.name
        found.reference[rows] = -1
        found.method[rows] = ""
        found.attribute[rows] = ""


def _differs(left: pa.Table, right: pa.Table, column: str) -> NDArray[np.bool_]:
    if column not in left.column_names or column not in right.column_names:
        return np.zeros(left.num_rows, dtype=bool)
    one, two = left[column].combine_chunks(), right[column].combine_chunks()
    both = pc.and_(pc.not_equal(one, ""), pc.not_equal(two, ""))
    return np.asarray(pc.and_(both, pc.not_equal(one, two)).to_numpy(zero_copy_only=False), dtype=bool)


def _name_contradicts(attribute: Attribute, left: pa.Table, right: pa.Table) -> NDArray[np.bool_]:
    """Doubt a shared identifier where another one of the entity's own differs, or the names do not resemble."""
    if attribute.kind is Kind.IDENTIFIER and attribute.is_strong and attribute.type in ENTITY_LEVEL:
        return _differs(left, right, part(attribute.name, "value"))
    if attribute.kind is not Kind.NAME:
        return np.zeros(left.num_rows, dtype=bool)
    column = part(attribute.name, "core")
    unlike = _differs(left, right, column)
    if unlike.any():
        similar = process.cpdist(left[column].to_pylist(), right[column].to_pylist(), scorer=fuzz.token_set_ratio)
        unlike &= np.asarray(similar) < LEAST_NAME
    return unlike


def _attribute_contradicts(attribute: Attribute, left: pa.Table, right: pa.Table) -> NDArray[np.bool_]:
    """Doubt a shared name where a category with a fixed spelling or an entity's own identifier differs."""
    own = attribute.kind is Kind.IDENTIFIER and attribute.is_strong and attribute.type in ENTITY_LEVEL
    fixed = attribute.kind is Kind.CATEGORY and attribute.type == "country"
    if own or fixed:
        return _differs(left, right, part(attribute.name, "value"))
    return np.zeros(left.num_rows, dtype=bool)
