"""What ``POST /match`` takes: records as JSON objects, to a table as the matcher takes it."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from entity_matching.normalize.strings import to_strings
from entity_matching.schema import Schema, Side
from entity_matching.serving.errors import BadRequestError, InvalidValueError
from entity_matching.serving.settings import ServingSettings

log = logging.getLogger(__name__)

Record = Mapping[str, Any]
EXAMPLES: dict[str, dict[str, Any]] = {
    "one": {
        "summary": "One record",
        "value": {"record": {"company_name": "TELEVIS. FSE 1 INH.EO 0,2", "country": "Germany"}},
    },
    "several": {
        "summary": "Several records, each with at most two candidates",
        "value": {
            "records": [
                {"company_name": "Siemens Aktiengesellschaft", "country": "DE"},
                {"company_name": "BP PLC ORD", "country": "United Kingdom", "city": None},
            ],
            "candidates": 2,
        },
    },
}
"""Requests as the OpenAPI page shows them."""
_SHOWN = 40
"""Characters of a name that a message repeats."""


class MatchRequest(BaseModel):
    """Records to be matched: either one, or several, by the attributes' names or the source's columns."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [example["value"] for example in EXAMPLES.values()]}
    )

    record: dict[str, str | int | float | None] | None = Field(None, description="One record.")
    records: list[dict[str, str | int | float | None]] | None = Field(
        None, description="Several records; their answers come in the same order."
    )
    candidates: int | None = Field(
        None, ge=1, description="So many candidates at most are listed for each record; by default as in training."
    )
    unknown_attributes: Literal["reject", "ignore"] = Field(
        "reject", description="Whether a record may have attributes that the model does not know."
    )


class _Envelope(BaseModel):
    """The same, with records that are looked at one by one: so a message can say which one is wrong, and why."""

    model_config = ConfigDict(extra="forbid")

    record: dict[str, Any] | None = None
    records: list[Any] | None = None
    candidates: StrictInt | None = Field(None, ge=1)
    unknown_attributes: Literal["reject", "ignore"] = "reject"


@dataclass(frozen=True)
class Asked:
    """A request that was read: the records as a table of the source's columns, and how many candidates are wanted."""

    table: pa.Table
    candidates: int | None
    keys: tuple[str | None, ...]
    """The records' own keys, ``None`` where a record gives none."""


def read_request(body: bytes, schema: Schema, limits: ServingSettings) -> Asked:
    """Read the body of a request.

    :param limits: how many records and candidates it may ask for.

    :raises BadRequestError: if it is not JSON.
    :raises InvalidValueError: naming the record, counted from 1, and the attribute that cannot be taken.
    """
    envelope = _envelope(body)
    records = envelope.records if envelope.record is None else [envelope.record]
    if (envelope.record is None) == (envelope.records is None) or records is None:
        raise InvalidValueError("expected either 'record' or 'records'.", remedy="Give one of the two.")
    if not records:
        raise InvalidValueError("'records' is empty.", remedy="Give at least one record.")
    if len(records) > limits.match_records:
        log.warning("A request has %s records; 'match_records' allows %s.", len(records), limits.match_records)
        raise InvalidValueError(
            f"there are {len(records):,} records; one request may have {limits.match_records:,}.",
            remedy="Send them in several requests.",
        )
    if envelope.candidates is not None and envelope.candidates > limits.match_candidates:
        log.warning("A request wants more candidates than 'match_candidates' allows: %s.", limits.match_candidates)
        raise InvalidValueError(
            f"'candidates' is {envelope.candidates:,}; at most {limits.match_candidates:,} are listed.",
            remedy="Ask for fewer.",
        )
    reader = _Reader(schema, ignore=envelope.unknown_attributes == "ignore")
    rows = [reader.row(record, number) for number, record in enumerate(records, start=1)]
    keys = tuple(row.get(reader.key) for row in rows)
    return Asked(reader.table(rows), envelope.candidates, keys)


def _envelope(body: bytes) -> _Envelope:
    try:
        data = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_object)
    except RecursionError as error:
        raise BadRequestError("the request is nested too deeply.", remedy=_EXPECTED) from error
    except ValueError as error:  # of JSON, of UTF-8, or a number with thousands of digits
        raise BadRequestError(f"the request is not JSON ({_reason(error)}).", remedy=_EXPECTED) from error
    if not isinstance(data, dict):
        raise InvalidValueError(f"expected a JSON object, found {_kind(data)}.", remedy=_EXPECTED)
    try:
        return _Envelope.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = _short(".".join(str(part) for part in first["loc"]))
        told = "there is no such key" if first["type"] == "extra_forbidden" else first["msg"]
        raise InvalidValueError(f"'{where}': {told}.", remedy=_EXPECTED) from error


def _reason(error: ValueError) -> str:
    """Return what is wrong with a text, without any of the text."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}: line {error.lineno} column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return str(error) if isinstance(error, _RefusedError) else "a number has too many digits"


class _RefusedError(ValueError):
    """Raised for what Python's JSON would take."""


def _no_constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is no JSON number; leave the attribute out, or give null")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f"the key '{_short(twice)}' is there twice in one object")
    return found


class _Reader:
    """Reads records by what the schema says of the source."""

    def __init__(self, schema: Schema, *, ignore: bool) -> None:
        self.ignore = ignore
        given = schema.key.on(Side.SOURCE)
        self.columns = list(dict.fromkeys(attribute.column_on(Side.SOURCE) for attribute in schema.attributes))
        self.key = given or ""
        """The column of the key, "" if the source has none."""
        self.column_of = {column: column for column in [*self.columns, *([given] if given else [])]}
        # an attribute's name is taken too, unless it is the column of another one
        for attribute in schema.attributes:
            self.column_of.setdefault(attribute.name, attribute.column_on(Side.SOURCE))
        self.names = list(dict.fromkeys(attribute.name for attribute in schema.attributes))

    def row(self, record: Any, number: int) -> dict[str, str]:
        """Return a record's values by the source's columns, as text.

        :param number: its place, counted from 1, for messages.
        """
        if not isinstance(record, dict):
            raise InvalidValueError(
                f"record {number:,} is {_kind(record)}; expected an object of attributes.", remedy=_EXPECTED
            )
        row: dict[str, str] = {}
        origin: dict[str, str] = {}
        for name, value in record.items():
            column = self.column_of.get(name)
            if column is None:
                self._unknown(name, number)
                continue
            if column in origin:
                raise InvalidValueError(
                    f"record {number:,} gives the same attribute as '{origin[column]}' and as '{name}'.",
                    remedy="Give it once.",
                )
            origin[column] = name
            text = _text(value, number, name)
            if text:
                row[column] = text
        if not row.keys() & set(self.columns):
            raise InvalidValueError(
                f"record {number:,} is empty: it has no attribute with a value.",
                remedy=f"Give at least one of: {', '.join(self.names)}.",
            )
        return row

    def table(self, rows: Sequence[Mapping[str, str]]) -> pa.Table:
        """Return records as a table; what a record does not have is empty, as in a file."""
        columns = {column: pa.array([row.get(column, "") for row in rows], pa.string()) for column in self.columns}
        if self.key and self.key not in columns:
            keys = (row.get(self.key) or str(number) for number, row in enumerate(rows, start=1))
            columns[self.key] = pa.array(list(keys), pa.string())
        return pa.table(columns)

    def _unknown(self, name: str, number: int) -> None:
        if not self.ignore:
            raise InvalidValueError(
                f"record {number:,} has the attribute '{_short(name)}', which the model does not know. "
                f"Attributes are: {', '.join(self.names)}.",
                remedy='Leave it out, or send "unknown_attributes": "ignore".',
            )


def _text(value: Any, number: int, name: str) -> str:
    """Return a value as a table of text would have it."""
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidValueError(
                f"record {number:,}, '{name}': the text holds half of a surrogate pair, which is no character.",
                remedy="Correct the escape \\ud800 to \\udfff.",
            ) from error
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(to_strings(pa.chunked_array([[value]]))[0])
    found = "a number too large" if isinstance(value, float) else _kind(value)
    raise InvalidValueError(
        f"record {number:,}, '{name}': expected text, a number or null, found {found}.",
        remedy="Give a single value.",
    )


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _short(text: str) -> str:
    """Return a name from a request as a message may repeat it."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return plain if len(plain) <= _SHOWN else f"{plain[: _SHOWN - 1]}…"


_EXPECTED = 'Send {"record": {...}} or {"records": [{...}, ...]}, with attributes by their names.'
