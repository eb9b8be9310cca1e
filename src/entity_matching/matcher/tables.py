"""Tables as people have them, to Arrow tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from entity_matching.errors import InputError


def to_table(data: Any, name: str) -> pa.Table:
    """Take a table of any library.

    :param data: a pyarrow table or record batch, or any dataframe with the Arrow PyCapsule interface (pandas,
        polars, duckdb, ...).
    :param name: what it is, for messages.
    :raises InputError: if it is no table, or has a column name twice.
    """
    if isinstance(data, pa.Table):
        table = data
    elif isinstance(data, pa.RecordBatch) or hasattr(data, "__arrow_c_stream__"):
        table = pa.table(data)
    else:
        raise InputError(
            f"expected a table, found {type(data).__name__}.",
            file=name,
            remedy="Give a pyarrow table, or a dataframe of pandas, polars or another library with its interface.",
        )
    twice = sorted({column for column in table.column_names if table.column_names.count(column) > 1})
    if twice:
        raise InputError("there are two columns of this name.", file=name, column=twice[0], remedy="Rename one.")
    return table
