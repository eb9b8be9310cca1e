"""What a command is given: two tables, what their columns hold, and labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.cli.console import Terminal
from entity_matching.config import DecisionSettings, MatcherSettings
from entity_matching.errors import SchemaError
from entity_matching.files import check_labels, read_labels, read_table
from entity_matching.guess import describe_schema, guess_schema
from entity_matching.matcher.checks import Given, check_tables
from entity_matching.normalize.strings import to_strings
from entity_matching.schema import Kind, Schema, Side


@dataclass(frozen=True)
class Inputs:
    """The two tables and the schema that fits them."""

    source: Given
    reference: Given
    schema: Schema

    def keys(self, side: Side) -> pa.Array:
        """Return the keys of one table as trimmed text; without a key column, the row numbers from 0."""
        table = (self.source if side is Side.SOURCE else self.reference).table
        column = self.schema.key.on(side)
        if column is None:
            return pa.array([str(row) for row in range(table.num_rows)], pa.string())
        return to_strings(table.column(column))

    def labels(self, path: str) -> pa.Table:
        """Read labels and check them against the tables.

        :raises LabelsError: if they contradict each other or the tables.
        """
        labels = read_labels(path, self.schema.key)
        check_labels(labels, self.keys(Side.SOURCE).to_pylist(), self.keys(Side.REFERENCE).to_pylist(), file=path)
        return labels

    def categories(self, keys: list[str]) -> dict[str, list[str]]:
        """Return what the source says of each category of the schema, for the source records of these keys."""
        rows = {key: row for row, key in enumerate(self.keys(Side.SOURCE).to_pylist())}
        chosen = pa.array([rows[key] for key in keys], pa.int64())
        return {
            attribute.name: to_strings(
                self.source.table.column(attribute.column_on(Side.SOURCE)).take(chosen)
            ).to_pylist()
            for attribute in self.schema.of_kind(Kind.CATEGORY)
            if attribute.column_on(Side.SOURCE) in self.source.table.column_names
        }

    def labelled(self, labels: pa.Table) -> pa.Table:
        """Return the source records that have a label."""
        return self.source.table.filter(pc.is_in(self.keys(Side.SOURCE), labels.column("source_key").combine_chunks()))


def read_inputs(source: str, reference: str, schema: Path | Schema | None, terminal: Terminal) -> Inputs:
    """Read and check the two tables.

    :param schema: its file, or that of a model; ``None``: it is guessed, and the guess printed.
    :raises EntityMatchingError: if a table cannot be read, or the schema does not fit.
    """
    given = Schema.load(schema) if isinstance(schema, Path) else schema
    left, right = Given(read_table(source), source), Given(read_table(reference), reference)
    fitting = given or guess_schema(left.table, right.table)
    try:
        checked = check_tables(left, right, fitting)
    except SchemaError as error:
        if not isinstance(schema, Schema):
            raise
        raise SchemaError(
            f"The model was trained on other columns. {error.message}",
            remedy="Give tables with the columns it was trained on ('entity-matching describe' names them), "
            "or train a model for these.",
        ) from error
    if given is None:
        terminal.note("Columns, as guessed (say otherwise with --schema):")
        for line in describe_schema(checked, left.table.column_names, right.table.column_names):
            terminal.note(f"  {line}")
    return Inputs(left, right, checked)


def settings_for(target_precision: float | None, *, listed: int | None = None) -> MatcherSettings:
    """Return the settings with the target precision and the number of listed candidates asked for."""
    usual = DecisionSettings()
    decision = DecisionSettings(
        target_precision=usual.target_precision if target_precision is None else target_precision,
        listed=usual.listed if listed is None else listed,
    )
    return MatcherSettings(decision=decision)
