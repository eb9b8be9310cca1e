"""The job ``ingest-source-entities``: what came in is taken over into bronze."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from entity_matching.errors import SettingsError
from entity_matching.jobs.ingest.arrivals import columns_of, landing
from entity_matching.jobs.ingest.columns import STAGE as QUALITY
from entity_matching.jobs.ingest.columns import columns_before, type_figures
from entity_matching.jobs.ingest.expectations import Expectations, check_expectations, load_expectations
from entity_matching.jobs.ingest.load import Opened, Prepared, Rules, open_origins, prepare
from entity_matching.jobs.ingest.origins import find_origins
from entity_matching.jobs.ingest.quality import LONG
from entity_matching.jobs.ingest.record_schema import keep_schema, resolve_schema
from entity_matching.jobs.job import Context, Job
from entity_matching.jobs.metrics import Figure, record_metrics
from entity_matching.jobs.parameters import Parameters
from entity_matching.schema import Schema, Side

_WHERE = (
    "a file (CSV, Parquet, JSON lines, Excel), a folder or a pattern of files, a Delta folder, or a table "
    "(schema.table or catalog.schema.table)"
)


class LoadParameters(Parameters):
    """Parameters of a job that loads a reference."""

    reference: str | None = Field(None, description=f"The whole master list, in place of the stored one: {_WHERE}.")
    schema_file: Path | None = Field(
        None, alias="schema", description="The records' schema (YAML); it is kept. Default: the kept one, or a guess."
    )
    max_shrink: float = Field(
        0.5, ge=0, le=1, description="Share of the stored records (0 to 1) that a reference or snapshot may remove."
    )
    allow_shrink: bool = Field(default=False, description="Let any number of stored records be removed.")


class IngestParameters(LoadParameters):
    """Parameters of ``ingest-source-entities``."""

    source: str | None = Field(None, description=f"Source records, one or more separated by commas: {_WHERE}.")
    source_system: str | None = Field(
        None,
        description="The system they come from. Default: a file's name without extension and date "
        "(crm_2026-11-23.csv is crm), of part files the folder's name; the last part of a table's name.",
    )
    feed: Literal["changes", "snapshot"] = Field(
        "changes",
        description="changes: records that are not in it stay. snapshot: it is all its system has; records that are "
        "not in it are removed.",
    )
    strict: bool = Field(default=False, description="Stop at a file that cannot be read, even beside good ones.")
    allow_missing: bool = Field(default=False, description="Take a source that lacks a column it had the last time.")
    expectations: Path | None = Field(
        None, description="Limits of the data's quality (YAML); rows beyond them stop the run before it writes."
    )
    longest: int = Field(LONG, ge=1, description="Characters beyond which a value counts as over-long.")
    optional: bool = Field(
        default=False, description="Where neither source nor reference is given, do nothing, and do not fail."
    )


def load(context: Context, parameters: IngestParameters) -> dict[str, Any]:
    """Take over a source, a reference, or both; nothing is written unless all of it can be.

    :returns: figures, ready for JSON: numbers of rows, the same per file and of the reference, quality by attribute,
        and notes on what a person should know.
    """
    given = None if parameters.schema_file is None else Schema.load(parameters.schema_file)
    with landing(context.lake, context.run_id) as rows:
        opened = {side: _open(context, parameters, side) for side in (Side.REFERENCE, Side.SOURCE)}
        source, reference = opened[Side.SOURCE].filled, opened[Side.REFERENCE].filled
        before = columns_before(context)
        schema, keep = resolve_schema(context.lake, given, source, reference)
        expected = load_expectations(parameters.expectations, schema) if parameters.expectations else {}
        others = {
            Side.REFERENCE: [*columns_of(source), *before.columns(Side.SOURCE)],
            Side.SOURCE: columns_of(reference) or before.columns(Side.REFERENCE),
        }
        prepared = [
            prepare(context, rows, opened[side], schema, _rules(parameters, side), before, others[side])
            for side in (Side.REFERENCE, Side.SOURCE)
            if _given(parameters, side)
        ]
        _check(expected, prepared)
        for one in prepared:
            one.write(context)
        if keep:
            keep_schema(context.lake, schema)
        _record(context, prepared)
        return _figures(prepared)


def _work(context: Context, parameters: IngestParameters) -> Mapping[str, Any]:
    if parameters.source is None and parameters.reference is None:
        if parameters.optional:
            return {}
        raise SettingsError("There is nothing to ingest.", remedy="Give --source, --reference, or both.")
    return load(context, parameters)


def _given(parameters: IngestParameters, side: Side) -> str | None:
    return parameters.source if side is Side.SOURCE else parameters.reference


def _open(context: Context, parameters: IngestParameters, side: Side) -> Opened:
    given = _given(parameters, side)
    if given is None:
        return Opened(side)
    system = parameters.source_system if side is Side.SOURCE else ""
    origins = find_origins(context.lake, given, system=system)
    # of a reference a file that is left out would look like records that are gone
    return open_origins(context, origins, side, strict=parameters.strict or side is Side.REFERENCE)


def _rules(parameters: IngestParameters, side: Side) -> Rules:
    return Rules(
        max_shrink=None if parameters.allow_shrink else parameters.max_shrink,
        may_lack=parameters.allow_missing,
        snapshot=side is Side.REFERENCE or parameters.feed == "snapshot",
        long=parameters.longest,
    )


def _check(expected: Expectations, prepared: Sequence[Prepared]) -> None:
    found = {one.opened.side: one.measured for one in prepared}
    names = {one.opened.side: [arrival.origin.name for arrival in one.opened.arrivals] for one in prepared}
    check_expectations(expected, found, names)


def _record(context: Context, prepared: Sequence[Prepared]) -> None:
    counts = [figure for one in prepared for figure in _counts(one)]
    quality = [figure for one in prepared for figure in _quality(one)]
    types = [figure for one in prepared for figure in type_figures(one.opened.side, one.opened.filled)]
    record_metrics(context, **{"ingest": counts, QUALITY: quality + types})


def _counts(prepared: Prepared) -> Iterator[Figure]:
    """Yield numbers of rows; the label is empty for the source as a whole, else ``reference`` or the file."""
    whole = "" if prepared.opened.side is Side.SOURCE else "reference"
    for metric, value in prepared.figures.items():
        yield metric, whole, float(value)
    for file in prepared.files:
        for metric, value in file.items():
            if isinstance(value, int):
                yield metric, f"{whole} {file['origin']}".strip(), float(value)


def _quality(prepared: Prepared) -> Iterator[Figure]:
    """Yield quality figures; the label is the attribute, of the reference with ``reference.`` before it."""
    before = "" if prepared.opened.side is Side.SOURCE else "reference."
    for label, figures in prepared.measured.items():
        for metric, value in figures.items():
            yield metric, before + label, value


def _figures(prepared: Sequence[Prepared]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for one in prepared:
        part = {**one.figures, "files": one.files, "quality": one.measured}
        told = told | part if one.opened.side is Side.SOURCE else told | {"reference": part}
    return told | {"notes": [note for one in prepared for note in one.notes]}


JOB = Job(
    "ingest-source-entities",
    "Takes source records, and a new master list, over into bronze.",
    IngestParameters,
    _work,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job as a process."""
    JOB.main(argv)
