"""How good the arriving rows are: figures per attribute, by what the schema says it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.jobs.ingest.rows import KEY, SYSTEM, map_values
from entity_matching.normalize import normalize_table
from entity_matching.normalize.identifiers import MISSING
from entity_matching.records import part
from entity_matching.schema import Attribute, Key, Kind, Schema, Side

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEY_LABEL = "(key)"
"""What the key is called among the attributes."""
LONG = 1_000
"""Characters beyond which a value counts as over-long, unless told otherwise."""
Measured = Mapping[str, Mapping[str, float]]
"""Figures by attribute: ``rows``, ``null_share``, ``distinct``, ``unique_share`` (different values among those there),
``valid_share`` (of identifiers, numbers and dates: those that are one), ``length_min``, ``length_mean``, ``length_max``
(characters) and ``overlong_share``. Shares are 0 to 1; those of values that are there are missing if none is."""

_PARTIAL = "attribute STRING, value STRING, rows BIGINT, filled BIGINT, invalid BIGINT, shortest BIGINT, " \
           "longest BIGINT, letters BIGINT, overlong BIGINT"  # fmt: skip
_CHECKED = (Kind.IDENTIFIER, Kind.NUMBER, Kind.DATE)


def measure(staged: DataFrame, schema: Schema, side: Side, columns: Iterable[str], *, long: int = LONG) -> Measured:
    """Measure the attributes that arrived, and the key.

    :param staged: columns of :data:`.rows.STAGED`.
    :param columns: the columns that came; attributes of others are left out.
    :param long: characters beyond which a value counts as over-long.
    :returns: figures by attribute, in the schema's order, the key first; none if there is no row.
    """
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    there = set(columns)
    names = [attribute.name for attribute in schema.attributes if attribute.column_on(side) in there]
    found = partial(measure_batches, schema=schema.to_yaml(), side=str(side), names=tuple(names), long=long)
    # by the value's hash: a value may be megabytes long
    values = staged.select("attributes").mapInArrow(found, _PARTIAL).withColumn("value", F.xxhash64("value"))
    sums = [F.sum(name).alias(name) for name in ("rows", "filled", "invalid", "letters", "overlong")]
    ends = [F.min("shortest").alias("shortest"), F.max("longest").alias("longest")]
    distinct = F.count_if(F.col("filled") > 0).alias("distinct")
    figures = values.groupBy("attribute", "value").agg(*sums, *ends).groupBy("attribute").agg(*sums, *ends, distinct)
    measured = {row["attribute"]: _shares(row.asDict(), schema) for row in figures.collect()}
    if not measured:
        return {}
    return {KEY_LABEL: _measure_key(staged), **{name: measured[name] for name in names}}


def measure_batches(
    batches: Iterable[pa.RecordBatch], schema: str, side: str, names: tuple[str, ...], long: int
) -> Iterator[pa.RecordBatch]:
    """Yield, for each batch of ``attributes``, what its different values add to the figures.

    :param schema: as YAML text.
    :param names: the attributes to measure.
    """
    whole, checked, on = _schema(schema), _checked(schema, names), Side(side)
    for batch in batches:
        if not batch.num_rows:
            continue
        columns = {attribute.column_on(on) for attribute in whole.attributes}
        table = pa.table({name: map_values(batch.column(0), name) for name in sorted(columns)})
        normalized = None if checked is None else normalize_table(table, checked, on)
        for attribute in whole.attributes:
            if attribute.name in names:
                raw = table.column(attribute.column_on(on)).combine_chunks()
                yield _partial(attribute, raw, normalized, long)


@lru_cache(maxsize=4)
def _schema(text: str) -> Schema:
    return Schema.from_yaml(text)


@lru_cache(maxsize=4)
def _checked(text: str, names: tuple[str, ...]) -> Schema | None:
    """Return the schema of what a check can find wrong, and of the countries that the checks look at."""
    schema = _schema(text)
    checked = [attribute for attribute in schema.of_kind(*_CHECKED) if attribute.name in names]
    countries = {attribute.country for attribute in checked}
    kept = [
        attribute.model_copy(update={"exchange": None})
        for attribute in schema.attributes
        if attribute in checked or attribute.name in countries
    ]
    return Schema(key=Key(), attributes=tuple(kept)) if kept else None


def _partial(attribute: Attribute, raw: pa.Array, normalized: pa.Table | None, long: int) -> pa.RecordBatch:
    filled, invalid, values = _judge(attribute, raw, normalized)
    lengths = pc.cast(pc.utf8_length(raw), pa.int64())
    there = pc.if_else(filled, lengths, pa.scalar(None, pa.int64()))
    rows = pa.table(
        {
            "value": pc.if_else(filled, values, ""),
            "filled": filled.cast(pa.int64()),
            "invalid": invalid.cast(pa.int64()),
            "length": there,
            "overlong": pc.fill_null(pc.greater(there, long), fill_value=False).cast(pa.int64()),
        }
    )
    summed = rows.group_by("value").aggregate(
        [([], "count_all"), ("filled", "sum"), ("invalid", "sum"), ("length", "min"), ("length", "max"),
         ("length", "sum"), ("overlong", "sum")]
    )  # fmt: skip
    names = ("count_all", "filled_sum", "invalid_sum", "length_min", "length_max", "length_sum", "overlong_sum")
    return pa.RecordBatch.from_arrays(
        [
            pa.array([attribute.name] * summed.num_rows, pa.string()),
            summed.column("value").combine_chunks(),
            *(summed.column(name).combine_chunks().cast(pa.int64()) for name in names),
        ],
        names=["attribute", "value", "rows", "filled", "invalid", "shortest", "longest", "letters", "overlong"],
    )


def _judge(attribute: Attribute, raw: pa.Array, normalized: pa.Table | None) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return where something is there, where it is not valid, and the values by which it is one and the same."""
    filled = pc.not_equal(raw, "")
    if normalized is None or attribute.kind not in _CHECKED:
        return filled, pa.array([False] * len(raw)), raw
    filled = pc.and_(filled, pc.invert(pc.is_in(pc.utf8_lower(raw), value_set=pa.array(sorted(MISSING)))))
    if attribute.kind is not Kind.IDENTIFIER:
        value = normalized.column(part(attribute.name, "value")).combine_chunks()
        return filled, pc.and_(filled, value.is_null()), raw
    value = normalized.column(part(attribute.name, "value")).combine_chunks()
    invalid = normalized.column(part(attribute.name, "invalid")).combine_chunks()
    return filled, invalid, pc.if_else(invalid, raw, value)


def _shares(row: Mapping[str, float], schema: Schema) -> dict[str, float]:
    kinds = {attribute.name: attribute.kind for attribute in schema.attributes}
    rows, filled = row["rows"], row["filled"]
    shares = {"rows": float(rows), "null_share": (rows - filled) / rows, "distinct": float(row["distinct"])}
    if not filled:
        return shares
    shares["unique_share"] = row["distinct"] / filled
    if kinds[str(row["attribute"])] in _CHECKED:
        shares["valid_share"] = (filled - row["invalid"]) / filled
    lengths = {"length_min": row["shortest"], "length_mean": row["letters"] / filled, "length_max": row["longest"]}
    return shares | {name: float(value) for name, value in lengths.items()} | {
        "overlong_share": row["overlong"] / filled
    }  # fmt: skip


def _measure_key(staged: DataFrame) -> dict[str, float]:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    counted = staged.groupBy(SYSTEM, KEY).agg(F.count(F.lit(1)).alias("rows"))
    row = counted.agg(
        F.sum("rows").alias("rows"),
        F.sum(F.when(F.col(KEY) != "", F.col("rows")).otherwise(0)).alias("filled"),
        F.count_if(F.col(KEY) != "").alias("distinct"),
    ).collect()[0]
    shares = {"rows": float(row["rows"]), "null_share": (row["rows"] - row["filled"]) / row["rows"],
              "distinct": float(row["distinct"])}  # fmt: skip
    return shares | ({"unique_share": row["distinct"] / row["filled"]} if row["filled"] else {})
