"""The labels file: which reference record each source record is, as far as a person has said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from entity_matching.errors import LabelsError
from entity_matching.files.read import read_table
from entity_matching.normalize.strings import to_strings
from entity_matching.schema import Key

_SOURCE_NAMES = ("source_key", "source_id", "left_id")
_REFERENCE_NAMES = ("reference_key", "reference_id", "entity_id", "right_id")
_SHOWN = 3
"""Examples named in a message."""


def read_labels(path: str | Path, key: Key | None = None) -> pa.Table:
    """Read a labels file: the source's key, and the reference's key or nothing (it is none of them).

    The columns are those named as the keys of the schema, else ``source_key`` and ``reference_key`` (or
    ``..._id``), else the first two. Rows that say the same are merged.

    :param path: a table in any format :func:`read_table` takes.
    :param key: the key columns of the schema.
    :return: string columns ``source_key`` (each once) and ``reference_key`` ("" for none), in the file's order.
    :raises LabelsError: if two rows contradict each other, or a row names no source record.
    :raises InputError: if the file cannot be read.
    """
    return labels_of(read_table(path), key, file=str(path))


def labels_of(table: pa.Table, key: Key | None = None, *, file: str = "") -> pa.Table:
    """Return the labels that a table holds, as :func:`read_labels` does.

    :param file: the file or table it came from, for messages.
    :raises LabelsError: if two rows contradict each other, or a row names no source record.
    """
    source, reference = _columns(table, key or Key(), file)
    told: dict[str, tuple[str, int]] = {}
    against: list[str] = []
    pairs = zip(to_strings(table.column(source)).to_pylist(), to_strings(table.column(reference)).to_pylist(),
                strict=True)  # fmt: skip
    for row, (left, right) in enumerate(pairs, start=1):
        if not left:
            raise LabelsError(
                "the source's key is empty.",
                file=file,
                row=row,
                column=source,
                remedy="Fill it, or remove the row.",
            )
        before, first = told.setdefault(left, (right, row))
        if before != right:
            against.append(f"'{left}' is '{before}' in row {first:,} and '{right}' in row {row:,}")
    if against:
        more = f" (and {len(against) - _SHOWN:,} more)" if len(against) > _SHOWN else ""
        raise LabelsError(
            f"{len(against):,} labels contradict another: {'; '.join(against[:_SHOWN])}{more}.",
            file=file,
            column=reference,
            remedy="Keep one row per source record; an empty value means it is in the reference nowhere.",
        )
    keys = pa.array(list(told), pa.string())
    return pa.table({"source_key": keys, "reference_key": pa.array([right for right, _ in told.values()], pa.string())})


def _columns(table: pa.Table, key: Key, file: str) -> tuple[str, str]:
    names = table.column_names
    if len(names) < 2:
        raise LabelsError(
            f"expected two columns, the source's key and the reference's key; found only '{names[0]}'.",
            file=file,
            remedy="Add the reference's key (empty where the record is in the reference nowhere).",
        )
    source = [key.source] if key.source and key.source != key.reference else []
    reference = [key.reference] if key.reference and key.source != key.reference else []
    left = next((name for name in (*source, *_SOURCE_NAMES) if name in names), None)
    right = next((name for name in (*reference, *_REFERENCE_NAMES) if name in names and name != left), None)
    if left and right:
        return left, right
    if left is None and right is None:
        return names[0], names[1]
    if len(names) == 2:
        return left or next(name for name in names if name != right), right or next(n for n in names if n != left)
    missing = f"the reference's key ('{key.reference or 'reference_key'}')"
    if left is None:
        missing = f"the source's key ('{key.source or 'source_key'}')"
    raise LabelsError(
        f"there is no column for {missing}. Its columns are: {', '.join(names)}.",
        file=file,
        remedy="Name the columns as the keys of the schema, or source_key and reference_key.",
    )


def check_labels(
    labels: pa.Table, source_keys: Iterable[str], reference_keys: Iterable[str], *, file: str = ""
) -> None:
    """Check that labels speak of records that are there.

    :param labels: as :func:`read_labels` gives them.
    :param source_keys: the keys of the source records, as trimmed text.
    :param reference_keys: the keys of the reference records, as trimmed text.
    :param file: the labels file, for messages.
    :raises LabelsError: with the number of unknown keys and the first of them; it says so when source and
        reference seem to be swapped.
    """
    sources, references = set(source_keys), set(reference_keys)
    left = labels.column("source_key").to_pylist()
    right = [key for key in labels.column("reference_key").to_pylist() if key]
    for keys, known, other, side in ((left, sources, references, "source"), (right, references, sources, "reference")):
        unknown = [key for key in keys if key not in known]
        if not unknown:
            continue
        if sum(key in other for key in keys) > len(keys) / 2 > sum(key in known for key in keys):
            remedy = (
                "These are keys of the other table: source and reference seem to be swapped. Give the source first."
            )
        elif len(unknown) == len(keys):
            example = next(iter(known), "")
            remedy = f"Keys of the {side} look like '{example}'. Use the column that is the key in the schema."
        else:
            remedy = "Correct these labels, or remove them."
        examples = ", ".join(f"'{key}'" for key in list(dict.fromkeys(unknown))[:_SHOWN])
        raise LabelsError(
            f"{len(unknown):,} of {len(keys):,} labels name a {side} record that is not there: {examples}"
            f"{', ...' if len(set(unknown)) > _SHOWN else ''}.",
            file=file,
            column=f"{side}_key",
            remedy=remedy,
        )
