"""The errors, with the records side by side, so that a person sees why."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from entity_matching.errors import SchemaError
from entity_matching.evaluate.outcomes import Outcomes, Strings, texts
from entity_matching.schema import Schema, Side

LONGEST = 400
"""Characters of a value that are shown; a longer one says how much is left out."""


class Fault(enum.StrEnum):
    """What is wrong with a decision."""

    WRONG_RECORD = "Matched to the wrong record"
    NO_COUNTERPART = "Matched, but has no counterpart"
    MISSED = "Not matched, but has a counterpart"


@dataclass(frozen=True)
class Cell:
    """A reference record's value, and whether it differs from the source's (both being there)."""

    text: str
    differs: bool = False


@dataclass(frozen=True)
class Line:
    """One attribute: the source's value, and those of the chosen and the right reference record."""

    attribute: str
    source: str
    chosen: Cell
    right: Cell


@dataclass(frozen=True)
class Case:
    """One error. ``rank``: place of the right record among the candidates, from 1; 0 if it is not there."""

    source_key: str
    chosen_key: str
    right_key: str
    confidence: float
    method: str
    reason: str
    rank: int
    lines: tuple[Line, ...]


class Records:
    """A table's rows by their key, as text.

    :param table: the source or reference table, as given to ``match``.
    :param schema: names its key and columns; without a key the row number (from 0) is the key.
    :param side: which of the two it is.
    :raises SchemaError: if the table does not have the key column.
    """

    def __init__(self, table: Any, schema: Schema, side: Side) -> None:
        self._table = table if isinstance(table, pa.Table) else pa.table(table)
        self._schema, self._side = schema, side
        key = schema.key.on(side)
        if key is not None and key not in self._table.column_names:
            raise SchemaError(
                f"The {side} table has no key column '{key}'. Its columns are: {', '.join(self._table.column_names)}.",
                remedy="Correct 'key' in the schema.",
            )
        keys = range(self._table.num_rows) if key is None else texts(self._table[key])
        self._rows = {str(value): row for row, value in enumerate(keys)}

    @property
    def fields(self) -> dict[str, str]:
        """The columns to show: the schema's attributes first, under their names, then all others."""
        have = self._table.column_names
        named = {each.name: each.column_on(self._side) for each in self._schema.attributes}
        taken = {*named.values(), self._schema.key.on(self._side)}
        return {
            **{name: column for name, column in named.items() if column in have},
            **{column: column for column in have if column not in taken},
        }

    def values(self, key: str) -> dict[str, str]:
        """Return a record's values as trimmed text, by field; nothing if no record has this key."""
        row = self._rows.get(key)
        if row is None:
            return {}
        one = self._table.slice(row, 1)
        return {field: str(texts(one[column])[0]) for field, column in self.fields.items()}


def find_cases(
    outcomes: Outcomes, result: Any, source: Records, reference: Records, *, limit: int
) -> dict[Fault, tuple[int, tuple[Case, ...]]]:
    """Return the errors by fault: how many there are, and the worst of them.

    The worst are those that were surest: accepted with the highest confidence, or refused with the
    lowest. What waits for review is no error.

    :param result: the table that ``match`` returned, for the reasons.
    :param limit: errors of each fault that are returned.
    """
    accepted, refused = outcomes.accepted, np.asarray(outcomes.decision == "no_match", dtype=bool)
    faults = {
        Fault.WRONG_RECORD: (accepted & outcomes.has_truth & ~outcomes.right, -outcomes.confidence),
        Fault.NO_COUNTERPART: (accepted & ~outcomes.has_truth, -outcomes.confidence),
        Fault.MISSED: (refused & outcomes.has_truth, outcomes.confidence),
    }
    reasons = _reasons(outcomes, result)
    found = {}
    for fault, (inside, severity) in faults.items():
        places = np.flatnonzero(inside)
        worst = places[np.argsort(severity[places], kind="stable")][:limit]
        cases = tuple(_case(outcomes, int(place), reasons, source, reference) for place in worst)
        found[fault] = (len(places), cases)
    return found


def _reasons(outcomes: Outcomes, result: Any) -> Strings:
    if "reason" not in result.column_names:
        return np.full(len(outcomes), "", dtype=object)
    return texts(result["reason"])[outcomes.row]


def _case(outcomes: Outcomes, place: int, reasons: Strings, source: Records, reference: Records) -> Case:
    chosen, right = str(outcomes.best[place]), str(outcomes.true[place])
    given = source.values(str(outcomes.source_key[place]))
    chosen_values, right_values = reference.values(chosen), reference.values(right)
    lines = []
    for field in dict.fromkeys([*source.fields, *reference.fields]):
        values = [values.get(field, "") for values in (given, chosen_values, right_values)]
        if any(values):
            ours, theirs, true = values
            lines.append(Line(field, _shown(ours), _cell(ours, theirs), _cell(ours, true)))
    return Case(
        source_key=str(outcomes.source_key[place]),
        chosen_key=chosen,
        right_key=right,
        confidence=float(outcomes.confidence[place]),
        method=str(outcomes.method[place]),
        reason=str(reasons[place]),
        rank=int(outcomes.rank[place]),
        lines=tuple(lines),
    )


def _cell(ours: str, theirs: str) -> Cell:
    return Cell(_shown(theirs), bool(ours and theirs) and ours.casefold() != theirs.casefold())


def _shown(value: str) -> str:
    left_out = len(value) - LONGEST
    return value if left_out <= 0 else f"{value[:LONGEST]} ... ({left_out:,} more characters)"
