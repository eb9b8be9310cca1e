"""Reading one origin: its columns first, then its rows, laid down where every worker can read them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from entity_matching.errors import InputError, NoRowsError, OutputError
from entity_matching.files import read_table
from entity_matching.files.formats import Format, locate
from entity_matching.jobs.ingest.origins import From, Origin, table_name
from entity_matching.jobs.ingest.rows import STAGED, STAGED_SQL, Reading, stage_batches, stage_table
from entity_matching.lakehouse import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

EMPTY_TYPE = "null"
"""Type of a column that is told from its values, and has none."""
_PREFIX = "ingest-"
SAMPLE_ROWS = 5_000
"""Rows of a table that a schema is guessed from."""


@dataclass(frozen=True)
class Arrival:
    """An origin whose columns are known.

    ``types``: the type of each column, in order: Arrow's of a file, Spark's of a table. ``table``: what a file holds;
    of other origins ``frame``, read when it is asked for.
    """

    origin: Origin
    types: Mapping[str, str]
    table: pa.Table | None = field(default=None, repr=False)
    frame: DataFrame | None = field(default=None, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.types)

    @property
    def is_empty(self) -> bool:
        """Whether there is no row."""
        if self.table is not None:
            return bool(self.table.num_rows == 0)
        assert self.frame is not None
        return self.frame.isEmpty()

    def sample(self) -> pa.Table:
        """Return rows to guess a schema from: all of a file, the first of a table."""
        if self.table is not None:
            return self.table
        assert self.frame is not None
        return self.frame.limit(SAMPLE_ROWS).toArrow()


def arrive(lake: Lakehouse, origin: Origin) -> Arrival:
    """Open an origin. One that has columns but no row is fine, as is an empty file of JSON lines.

    :raises InputError: if it cannot be read.
    """
    if origin.kind is From.FILE:
        table = _read_file(origin.name)
        return Arrival(origin, {name: _type(table.column(name)) for name in table.column_names}, table=table)
    try:
        frame = _open(lake, origin)
        types = dict(frame.dtypes)
    except Exception as error:  # Spark raises many kinds
        raise InputError(
            f"it cannot be read: {str(error).splitlines()[0]}.", file=origin.name, remedy="Check that you may read it."
        ) from error
    return Arrival(origin, types, frame=frame)


def _read_file(name: str) -> pa.Table:
    try:
        return read_table(name)
    except NoRowsError as error:
        if not error.columns and locate(name).format is not Format.JSONL:
            raise  # not even a header: whoever wrote it did not get far
        return pa.table({column: pa.array([], pa.string()) for column in error.columns})


def _type(column: pa.ChunkedArray) -> str:
    empty = pt.is_null(column.type) or (pt.is_string(column.type) and column.null_count == len(column))
    return EMPTY_TYPE if empty else str(column.type)


def _open(lake: Lakehouse, origin: Origin) -> DataFrame:
    if origin.kind is From.DELTA:
        return lake.spark.read.format("delta").load(str(Path(origin.name).absolute()))
    return lake.spark.table(table_name(lake, origin.name))


@dataclass
class Landing:
    """A folder where the rows of a run wait, as Parquet, between being read and being merged.

    So they are read, and brought to text, once; and no table has to pass through the driver.
    """

    lake: Lakehouse
    folder: Path
    _paths: dict[str, list[str]] = field(default_factory=dict)

    def add(self, side: str, arrival: Arrival, reading: Reading) -> None:
        """Lay down the rows of an origin.

        :raises InputError: if a table's rows cannot be read.
        :raises OutputError: if the folder cannot be written.
        """
        paths = self._paths.setdefault(side, [])
        path = self.folder / f"{side}-{len(paths)}"
        try:
            if arrival.frame is not None:
                _write_frame(arrival.frame, arrival, reading, path)
            # of no row Spark may write no folder either
            path.mkdir(parents=True, exist_ok=True)
            if arrival.table is not None:
                _write_table(arrival.table, reading, path / "rows.parquet")
        except OSError as error:
            raise OutputError(
                f"The rows of {arrival.origin.name} cannot be laid down in {path}: {error.strerror or error}.",
                remedy="Make room on the disk, or name another folder with --home or --volume.",
            ) from error
        paths.append(str(path))

    def rows(self, side: str) -> DataFrame:
        """Return the rows of a side laid down so far, with the columns of :data:`.rows.STAGED`."""
        paths = self._paths.get(side, [])
        if not paths:
            return self.lake.frame(STAGED.empty_table())
        return self.lake.spark.read.schema(STAGED_SQL).parquet(*paths)


def _write_frame(frame: DataFrame, arrival: Arrival, reading: Reading, path: Path) -> None:
    # numbered, since a column's name may hold what has a meaning in SQL
    numbered = frame.toDF(*(f"c{number}" for number in range(len(arrival.columns))))
    try:
        numbered.mapInArrow(partial(stage_batches, reading=reading), STAGED_SQL).write.parquet(str(path))
    except Exception as error:  # Spark raises many kinds
        raise InputError(
            f"its rows cannot be read: {str(error).splitlines()[0]}.",
            file=arrival.origin.name,
            remedy="Repair it, or leave it out.",
        ) from error


def _write_table(table: pa.Table, reading: Reading, path: Path) -> None:
    with pq.ParquetWriter(path, STAGED) as writer:
        for batch in stage_table(table, reading):
            writer.write_batch(batch)


@contextmanager
def landing(lake: Lakehouse, run_id: str) -> Iterator[Landing]:
    """Give a folder for the rows of a run, and take it away at the end; so is what a killed run left."""
    root = lake.staging.parent
    mine = f"{_PREFIX}{run_id}"
    # on one machine no other run is going on
    left = root.glob(f"{_PREFIX}*") if lake.is_local else [root / mine]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        yield Landing(lake, root / mine)
    finally:
        shutil.rmtree(root / mine, ignore_errors=True)


def columns_of(arrivals: Sequence[Arrival]) -> tuple[str, ...]:
    """Return the columns of all of them, each once."""
    return tuple(dict.fromkeys(name for arrival in arrivals for name in arrival.columns))
