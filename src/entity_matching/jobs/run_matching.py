"""``run-matching``: all stages over any table, written beside the pipeline's own tables, which stay as they are."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import Field

from entity_matching.errors import OutputError, SchemaError
from entity_matching.jobs.chosen_rows import ROW, ChosenRows, open_source
from entity_matching.jobs.destinations import Counts, Destination, To, find_destination, table_levels
from entity_matching.jobs.equipment import Equipment, equip
from entity_matching.jobs.ingest.arrivals import Arrival
from entity_matching.jobs.ingest.origins import From
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.records import from_map, partitions_of, present_columns, read_columns, work_on
from entity_matching.jobs.references import KEPT
from entity_matching.jobs.workers import DECIDED, Work, match
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.tables import MATCHED_ENTITIES
from entity_matching.matcher.checks import present
from entity_matching.schema import Key, Side

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)


class RunMatchingParameters(Parameters):
    """What is matched, and where the answer goes."""

    source_table: str = Field(description="What to match: a table (schema.table or catalog.schema.table) or a file.")
    output_table: str = Field(
        description="Where to write, in place of what is there: a table, a file, or a folder (a Delta table)."
    )
    filter: str | None = Field(
        default=None, description="Condition in SQL that a row of the source must meet to be matched."
    )
    model: str | None = Field(
        default=None, description="The model: a version, an alias, models:/... or a folder (default: champion)."
    )
    source_key: str | None = Field(
        default=None,
        description="Column of the source whose values must be there and all differ (default: the schema's key).",
    )
    partitions: int | None = Field(
        default=None, ge=1, description="Parts to spread the records over (default: 1 on one machine, else 32)."
    )
    batch_rows: int = Field(
        default=20_000, ge=1, description="Records that a worker has in memory at once (default: 20000)."
    )
    keep_references: int = Field(
        default=KEPT, ge=1, description=f"Versions of the reference to keep, those used last (default: {KEPT})."
    )


def _work(context: Context, given: RunMatchingParameters) -> Figures:
    lake = context.lake
    destination = find_destination(lake, given.output_table)
    arrival = open_source(lake, given.source_table)
    _check_apart(lake, arrival, destination)
    equipment = equip(lake, given.model, kept=given.keep_references)
    source = ChosenRows.of(lake, arrival)
    if given.filter is not None:
        source = source.filtered(given.filter)
    key = given.source_key or equipment.schema.key.source
    if key is not None and (given.source_key or key in source.names):
        source.check_key(key)
    names, order = _free(source.names), [ROW] if source.ordered else []
    found = _matched(lake, source, equipment, given).toDF(*source.names, *order, *names)
    counts = destination.write(lake, found, [names[DECIDED.index(name)] for name in ("decision", "method")], *order)
    return {
        "output": given.output_table,
        **_figures(counts),
        "model_version": equipment.model_version,
        "reference_version": equipment.reference.version,
    }


def _check_apart(lake: Lakehouse, arrival: Arrival, destination: Destination) -> None:
    """Check that the answer is not written over what it is read from.

    :raises OutputError: if it would be.
    """
    origin = arrival.origin
    if origin.kind is From.TABLE:
        levels = table_levels(lake, origin.name) or ()
        same = tuple(level.lower() for level in levels) == destination.levels
    else:
        same = destination.kind is not To.TABLE and origin.path.resolve() == destination.path.resolve()
    if same:
        raise OutputError(
            f"{destination.name} is also the source, and would be overwritten.", remedy="Give the output another name."
        )


def _free(taken: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of what is added; one that the source has gets a prefix."""
    names = []
    for wanted in DECIDED:
        name = wanted
        while name.lower() in {column.lower() for column in taken}:
            name = f"match_{name}"
        if name != wanted:
            log.info("The source has a column '%s' of its own; ours is written as '%s'.", wanted, name)
        names.append(name)
    return tuple(names)


def _matched(lake: Lakehouse, source: ChosenRows, equipment: Equipment, given: RunMatchingParameters) -> DataFrame:
    """Return the rows, by the numbers of their columns, with what is decided on each.

    :raises SchemaError: if the source does not have the columns that the model was trained on.
    """
    columns, rows, systems = source.columns, source.numbered, None
    if source.is_bronze:
        columns, systems = read_columns(equipment.schema), present_columns(source.frame, equipment.schema)
        rows = source.frame.select("*", *from_map(columns)).toDF(*source.handed_on, *columns.values())
    there = columns if systems is None else {name for names in systems.values() for name in names}
    _check_columns(tuple(there), equipment, given.source_table)
    read = {attribute.column_on(Side.SOURCE) for attribute in equipment.schema.attributes}
    work = Work(
        model=str(equipment.model),
        reference=str(equipment.reference.folder),
        columns={name: place for name, place in columns.items() if name in read},
        handed_on=source.handed_on,
        added=DECIDED,
        batch_rows=given.batch_rows,
        present=systems,
        system=source.columns.get("source_system", ""),
    )
    like = lake.read(MATCHED_ENTITIES).select(*DECIDED)
    return work_on(rows, match, work, like, partitions_of(lake, given.partitions))


def _check_columns(columns: tuple[str, ...], equipment: Equipment, table: str) -> None:
    """Check that the source has what the schema names, and something to compare.

    :raises SchemaError: if it lacks a column.
    """
    other = equipment.reference.columns(equipment.schema)
    # the key is checked for itself
    schema = present(equipment.schema, columns, other).model_copy(update={"key": Key()})
    schema.check_columns(columns, other, side=Side.SOURCE, table=table)
    read = [attribute for attribute in schema.attributes if attribute.column_on(Side.REFERENCE) in other]
    if not any(attribute.column_on(Side.SOURCE) in columns for attribute in read):
        wanted = ", ".join(attribute.column_on(Side.SOURCE) for attribute in read)
        raise SchemaError(
            f"{table} has none of the columns that the model compares: {wanted}. Its columns: {', '.join(columns)}.",
            remedy="Rename its columns as the model knows them ('entity-matching describe' names them).",
        )


def _figures(counts: Counts) -> dict[str, Any]:
    decisions: dict[str, int] = {}
    methods: dict[str, int] = {}
    for (decided, how), records in sorted(counts.items()):
        decisions[decided] = decisions.get(decided, 0) + records
        if decided == "match":
            methods[how] = methods.get(how, 0) + records
    return {"records": sum(decisions.values()), "decisions": decisions, "methods": methods}


JOB = Job(
    "run-matching",
    "Match the rows of any table, and write the answer to another; the pipeline's own tables stay as they are.",
    RunMatchingParameters,
    _work,
)


def main(argv: list[str] | None = None) -> None:
    """Do the job with the arguments of the process."""
    JOB.main(argv)
