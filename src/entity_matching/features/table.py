"""All features of pairs of records, by the schema."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.features.block import Block, Values
from entity_matching.features.context import SEARCH, context_features
from entity_matching.features.marks import mark_features
from entity_matching.features.pairs import Pairs, TextLimits
from entity_matching.features.profiles import profile_features
from entity_matching.features.sites import site_features
from entity_matching.features.texts import compare_texts, text_features
from entity_matching.features.values import (
    category_features,
    date_features,
    form_features,
    identifier_features,
    number_features,
)
from entity_matching.features.weights import WordWeights, combine
from entity_matching.records import part
from entity_matching.schema import Attribute, Kind, Schema

log = logging.getLogger(__name__)

WHOLE = "record"
"""Label of the features that compare all words of a record, whichever attribute they stand in."""
SHARED = 2_000
"""Pairs that are worth several threads; fewer are compared sooner by one than threads are started."""


@dataclass(frozen=True)
class FeatureSpace:
    """What features need to know beyond the pair: the schema and the word weights of the reference.

    ``weights``: per name or text attribute, and under :data:`WHOLE` for the whole record.
    """

    schema: Schema
    weights: Mapping[str, WordWeights]
    limits: TextLimits

    @classmethod
    def fit(cls, references: pa.Table, schema: Schema, limits: TextLimits) -> FeatureSpace:
        """Learn the word weights from the normalised reference."""
        weights = {
            attribute.name: WordWeights.fit(references[column])
            for attribute in schema.attributes
            if (column := words_column(attribute)) in references.column_names
        }
        weights[WHOLE] = WordWeights.fit(whole_record(references, schema))
        return cls(schema, weights, limits)

    def compute(self, pairs: Pairs, scores: Mapping[str, Values] | None = None) -> Block:
        """Compute all features of pairs.

        :param scores: search scores per pair, 0 to 1, higher is closer; with them come the features of
            rank and margin among a source record's candidates.
        """
        starts = pairs.group_starts()
        block = self._for(len(pairs))._compared(pairs.compact(compared_columns(self.schema)))
        for name, values in (scores or {}).items():
            block.add(f"{SEARCH}{name}", values, 1, f"score of the {name} search")
        if scores:
            block.extend(context_features(starts, scores["search"], "search"))
            block.extend(_attribute_context(block, starts, self.schema))
        return block

    def _for(self, pairs: int) -> FeatureSpace:
        """Return the same with as many threads as so many pairs are worth."""
        return self if pairs >= SHARED else replace(self, limits=replace(self.limits, threads=1))

    def _compared(self, pairs: Pairs) -> Block:
        """Compare the attributes, one by one and all together."""
        block = Block(len(pairs))
        for attribute in self.schema.attributes:
            block.extend(self._attribute(pairs, attribute))
        block.extend(self._sites(pairs))
        block.extend(self._whole(pairs))
        return block

    def _attribute(self, pairs: Pairs, attribute: Attribute) -> Block:
        """Compare one attribute; an attribute that a table lacks gives no features."""
        kind, name = attribute.kind, attribute.name
        column = words_column(attribute) if kind in (Kind.NAME, Kind.TEXT) else part(name, "value")
        if column not in pairs.sources.column_names or column not in pairs.references.column_names:
            return Block(len(pairs))
        if kind in (Kind.NAME, Kind.TEXT):
            self._note_long(pairs, column, name)
            block = text_features(pairs, column, name, self._weights(name), self.limits)
            if kind is Kind.NAME:
                block.extend(form_features(pairs, part(name, "form"), part(name, "suffix"), name))
            return block
        if kind is Kind.IDENTIFIER:
            return identifier_features(pairs, column, name, self.limits)
        if kind is Kind.CATEGORY:
            return category_features(pairs, column, name, self.limits)
        return number_features(pairs, column, name) if kind is Kind.NUMBER else date_features(pairs, column, name)

    def _sites(self, pairs: Pairs) -> Block:
        """Compare names with web addresses."""
        block = Block(len(pairs))
        for attribute in self.schema.of_kind(Kind.IDENTIFIER):
            for named in self.schema.of_kind(Kind.NAME) if attribute.type == "website" else ():
                name, site = words_column(named), part(attribute.name, "value")
                block.extend(site_features(pairs, name, site, f"{attribute.name}.{named.name}", self.limits))
        return block

    def _whole(self, pairs: Pairs) -> Block:
        """Compare all words of the records, whichever attribute they stand in.

        Words move between names and texts; to one name with its categories this would add nothing but time.
        """
        block = Block(len(pairs))
        has_text = self._has_text(pairs)
        several = len(self.schema.of_kind(Kind.NAME)) > 1 or (has_text and len(whole_columns(self.schema)) > 1)
        if not several and not has_text:
            return block
        sources = whole_record(pairs.sources, self.schema)
        references = whole_record(pairs.references, self.schema)
        weights = self._weights(WHOLE)
        if several:
            block.extend(compare_texts(sources, references, pairs, WHOLE, weights, self.limits))
        if has_text:  # what these bring to names alone is not worth their time
            block.extend(mark_features(sources, references, pairs, WHOLE))
            block.extend(profile_features(sources, references, pairs, WHOLE, weights))
        return block

    def _has_text(self, pairs: Pairs) -> bool:
        columns = [words_column(attribute) for attribute in self.schema.of_kind(Kind.TEXT)]
        return any(name in pairs.sources.column_names and name in pairs.references.column_names for name in columns)

    def _weights(self, name: str) -> WordWeights:
        return self.weights.get(name) or WordWeights(pa.array([], type=pa.string()), np.zeros(0, dtype=np.int64), 1)

    def _note_long(self, pairs: Pairs, column: str, name: str) -> None:
        for table in (pairs.sources, pairs.references):
            longest = pc.max(pc.utf8_length(table[column])).as_py() or 0
            if longest > self.limits.characters:
                log.info(
                    "'%s': the longest value has %d characters; its first %d are compared letter by letter",
                    name,
                    longest,
                    self.limits.characters,
                )


def words_column(attribute: Attribute) -> str:
    """Return the column of the normalised table whose words are compared."""
    return part(attribute.name, "core" if attribute.kind is Kind.NAME else "text")


def compared_columns(schema: Schema) -> set[str]:
    """Return all columns of the normalised table that any feature looks at."""
    columns = set(whole_columns(schema))
    for attribute in schema.attributes:
        if attribute.kind in (Kind.NAME, Kind.TEXT):
            columns |= {words_column(attribute), part(attribute.name, "form"), part(attribute.name, "suffix")}
        else:
            columns.add(part(attribute.name, "value"))
    return columns


def whole_columns(schema: Schema) -> list[str]:
    """Return the columns whose words make up the whole record, in the schema's order.

    Identifiers of the two tables' own are among them (a model number may stand in the other's title), those
    of registers are not. Numbers are taken as written.
    """
    columns = []
    for attribute in schema.attributes:
        if attribute.kind in (Kind.NAME, Kind.TEXT):
            columns.append(words_column(attribute))
        elif attribute.kind is Kind.CATEGORY or attribute.type == "own":
            columns.append(part(attribute.name, "value"))
        elif attribute.kind is Kind.NUMBER:
            columns.append(part(attribute.name, "raw"))
    return columns


def whole_record(table: pa.Table, schema: Schema) -> pa.Array:
    """Join the words of all attributes of each record, in the schema's order."""
    columns = [
        combine(table[column].cast(pa.string())) for column in whole_columns(schema) if column in table.column_names
    ]
    if not columns:
        return pa.array([""] * table.num_rows, type=pa.string())
    joined = pc.binary_join_element_wise(*columns, " ", null_handling="replace", null_replacement="")
    return pc.utf8_trim(pc.replace_substring_regex(pc.ascii_lower(joined), r"[^a-z0-9.]+", " "), " ")


def _attribute_context(block: Block, starts: np.ndarray[tuple[int], np.dtype[np.int64]], schema: Schema) -> Block:
    """Rank and margin of each name among the record's candidates."""
    found = Block(block.rows)
    for attribute in schema.of_kind(Kind.NAME):
        for measure in ("ratio", "covered_source"):
            label = f"{attribute.name}.{measure}"
            if any(feature.name == label for feature in block.features):
                found.extend(context_features(starts, block.column(label), label))
    return found
