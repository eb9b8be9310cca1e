"""Search by identifiers: records that share a valid one.

A ticker says nothing by itself, since venues give the same one to different companies: it counts only
together with its venue (the attribute the schema names under ``exchange``), else with the country.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching import storage
from entity_matching.config import SearchSettings
from entity_matching.errors import ArtifactError
from entity_matching.lookup import Lookup
from entity_matching.records import part
from entity_matching.schema import Kind, Schema
from entity_matching.search.base import Hits, ordered
from entity_matching.search.candidates import Rows, Scores
from entity_matching.search.fields import joined, strings

_STRONG, _WEAK = 1.0, 0.8


class Rule(NamedTuple):
    """One identifier: the columns that must all be there and agree, and what agreement is worth."""

    columns: tuple[str, ...]
    worth: float


class _Held(NamedTuple):
    """The values the reference holds, ascending rows of value ``v`` at ``[starts[v], starts[v + 1])``."""

    values: pa.Array
    known: Lookup
    rows: Rows
    starts: npt.NDArray[np.int64]
    code: Rows  # per reference row its value's number, -1: none


class IdentifierSearcher:
    """Finds records that have the same valid identifier. The score is 1 for a strong one, 0.8 for a weak one."""

    name = "identifiers"

    def __init__(self, rules: tuple[Rule, ...], held: list[_Held]) -> None:
        self.rules = rules
        self.held = held

    @classmethod
    def build(cls, reference: pa.Table, schema: Schema, settings: SearchSettings) -> Self:
        """Index the reference.

        :param reference: the normalised reference table.
        """
        rules = _rules(schema)
        return cls(rules, [_hold(_values(reference, rule)) for rule in rules])

    def encode(self, table: pa.Table) -> npt.NDArray[np.int32]:
        """Return per rule and record the number of its value in the reference, -1 if it has none there."""
        codes = [
            held.known.any(_values(table, rule)).astype(np.int32)
            for rule, held in zip(self.rules, self.held, strict=True)
        ]
        return np.stack(codes) if codes else np.empty((0, table.num_rows), np.int32)

    def search(self, queries: npt.NDArray[np.int32], limit: int) -> Hits:
        """Return the records that share an identifier; at most ``limit`` per identifier are looked at."""
        found: list[Hits] = [Hits.none()]
        for code, rule, held in zip(queries, self.rules, self.held, strict=True):
            source = np.flatnonzero(code >= 0).astype(np.int32)
            begin = held.starts[code[source]]
            size = np.minimum(held.starts[code[source] + 1] - begin, limit)
            which = np.repeat(np.arange(len(source)), size)
            place = np.arange(len(which)) - np.repeat(np.cumsum(size) - size, size)
            row = held.rows[begin[which] + place]
            found.append(Hits(source[which], row, np.full(len(which), rule.worth, np.float32)))
        source, row, score = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((-score, row, source))
        source, row, score = source[order], row[order], score[order]
        first = np.ones(len(source), bool)
        first[1:] = (source[1:] != source[:-1]) | (row[1:] != row[:-1])
        return ordered(source[first], row[first], score[first], limit)

    def similarity(self, queries: npt.NDArray[np.int32], source: Rows, reference: Rows) -> Scores:
        """Return the worth of the best identifier each pair shares, 0 if it shares none."""
        score = np.zeros(len(source), np.float32)
        for code, rule, held in zip(queries, self.rules, self.held, strict=True):
            same = (code[source] >= 0) & (code[source] == held.code[reference])
            np.maximum(score, np.where(same, np.float32(rule.worth), 0), out=score)
        return score

    def save(self, folder: Path) -> None:
        """Write the index into an existing, empty folder."""
        storage.write_meta(folder, {"rules": self.rules})
        for number, held in enumerate(self.held):
            storage.write_table(folder, f"values-{number}", pa.table({"value": held.values}))
            storage.write_array(folder, f"codes-{number}", held.code)

    @classmethod
    def load(cls, folder: Path, settings: SearchSettings) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged or of a newer format.
        """
        data = storage.read_meta(folder, "rules")["rules"]
        try:
            rules = tuple(Rule(tuple(map(str, columns)), float(worth)) for columns, worth in data)
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"{folder} names no identifiers: {error}.", remedy="Build the index again.") from error
        held = []
        for number in range(len(rules)):
            values = storage.read_table(folder, f"values-{number}").column("value").combine_chunks()
            held.append(_invert(values, storage.read_array(folder, f"codes-{number}")))
        return cls(rules, held)


def _rules(schema: Schema) -> tuple[Rule, ...]:
    countries = [attribute.name for attribute in schema.of_kind(Kind.CATEGORY) if attribute.type == "country"]
    kinds = {attribute.name: attribute.kind for attribute in schema.attributes}
    rules = []
    for attribute in schema.of_kind(Kind.IDENTIFIER):
        columns = [part(attribute.name, "value")]
        if attribute.type == "ticker":
            scope = attribute.exchange or next(iter(countries), None)
            if scope is None or kinds[scope] not in (Kind.CATEGORY, Kind.IDENTIFIER):
                continue  # the venue is not known: the ticker proves nothing
            columns.append(part(scope, "value"))
        rules.append(Rule(tuple(columns), _STRONG if attribute.is_strong else _WEAK))
    return tuple(rules)


def _values(table: pa.Table, rule: Rule) -> pa.Array:
    """Return the joined values of a rule, null where one is missing."""
    parts = [strings(table, column) for column in rule.columns]
    return joined([pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values) for values in parts])


def _hold(values: pa.Array) -> _Held:
    encoded = pc.dictionary_encode(values)
    code = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return _invert(encoded.dictionary, code)


def _invert(values: pa.Array, code: Rows) -> _Held:
    rows = np.argsort(code, kind="stable").astype(np.int32)[np.count_nonzero(code < 0) :]
    starts = np.concatenate(([0], np.cumsum(np.bincount(code[code >= 0], minlength=len(values))))).astype(np.int64)
    return _Held(values, Lookup(values), rows, starts, code)
