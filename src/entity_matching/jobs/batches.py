"""Arrow batches as an engine gives them, put together into the size that is worked on."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def regrouped(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Give tables of exactly so many rows, but for the last; none is empty.

    :param batches: of one schema, of any size.
    """
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        start = 0
        while size + batch.num_rows - start >= rows:
            end = start + rows - size
            yield pa.Table.from_batches([*waiting, batch.slice(start, end - start)]).combine_chunks()
            waiting, size, start = [], 0, end
        if start < batch.num_rows:
            waiting.append(batch.slice(start))
            size += batch.num_rows - start
    if waiting:
        yield pa.Table.from_batches(waiting).combine_chunks()
