"""What the values of a column look like, from a sample of them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from entity_matching.normalize.categories import normalize_country, normalize_currency
from entity_matching.normalize.dates import parse_date
from entity_matching.normalize.identifiers import MISSING, normalize_identifier
from entity_matching.normalize.numbers import parse_number
from entity_matching.normalize.strings import to_strings
from entity_matching.schema import Kind

_ROWS = 5_000
"""Rows looked at, spread evenly over the table."""
_VALUES = 500
"""Different values looked at."""
_URL = re.compile(r"(https?://|www\.)\S+$|^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}(/\S*)?$", re.IGNORECASE)
_PHONE = re.compile(r"^[+(]?[\d\s().+/-]{7,24}$")
_UNIT = re.compile(r"([^A-Za-z]*\d[^A-Za-z]*)?([A-Za-z]{0,3}|thousand|[mb]illion)[^A-Za-z]*")
_ZERO = re.compile(r"^0\d")
_BARE = re.compile(r"^\d{1,8}(\.0)?$")


@dataclass(frozen=True)
class Sample:
    """Some values of one column.

    :param values: different non-empty values, trimmed; at most some hundreds.
    :param filled: rows looked at that have a value.
    :param different: different values among them.
    :param native: the kind that the column's Arrow type tells, if it is not text.
    """

    values: tuple[str, ...]
    filled: int
    different: int
    native: Kind | None = None

    @property
    def repetition(self) -> float:
        """Share of the rows, 0 to 1, whose value another row has too."""
        return 1 - self.different / self.filled if self.filled else 0.0

    @property
    def words(self) -> float:
        """Median number of words."""
        return statistics.median(len(value.split()) for value in self.values) if self.values else 0.0

    def share(self, test: Callable[[str], bool]) -> float:
        """Return the share of the values, 0 to 1, that pass a test; 0 if there is none."""
        return sum(map(test, self.values)) / len(self.values) if self.values else 0.0


def sample(column: pa.ChunkedArray) -> Sample:
    """Look at rows spread evenly over a column."""
    rows = len(column)
    if rows > _ROWS:
        column = column.take(pa.array(np.linspace(0, rows - 1, _ROWS).astype(np.int64)))
    filled = [value for value in to_strings(column).to_pylist() if value and value.lower() not in MISSING]
    different = list(dict.fromkeys(filled))
    return Sample(_spread(different), len(filled), len(different), _native(column.type))


def both(left: Sample, right: Sample) -> Sample:
    """Return the sample of two columns taken together."""
    native = left.native if left.native is right.native else None
    return Sample(left.values + right.values, left.filled + right.filled, left.different + right.different, native)


def _spread(values: Sequence[str]) -> tuple[str, ...]:
    step = max(1, -(-len(values) // _VALUES))
    return tuple(values[::step])


def _native(kind: pa.DataType) -> Kind | None:
    if pt.is_boolean(kind):
        return Kind.CATEGORY
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
        return Kind.NUMBER
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return Kind.DATE
    return None


def is_identifier(type_: str) -> Callable[[str], bool]:
    """Return a test: is a value a valid identifier of this type, check digit included."""
    return lambda value: bool(normalize_identifier(value, type_)[0])


def is_website(value: str) -> bool:
    """Whether a value is a web address or a domain."""
    return _URL.search(value) is not None


def is_phone(value: str) -> bool:
    """Whether a value is written as telephone numbers are."""
    return _PHONE.match(value) is not None and sum(char.isdigit() for char in value) >= 7


def is_country(value: str) -> bool:
    """Whether a value is a country's name or code."""
    code = normalize_country(value)
    return len(code) == 2 and code.isupper()


def is_currency(value: str) -> bool:
    """Whether a value is a currency's code, sign or name."""
    code = normalize_currency(value)
    return len(code) == 3 and code.isupper()


def is_number(value: str) -> bool:
    """Whether a value is a number and its unit at most; one with leading zeros is a code."""
    plain = _ZERO.match(value) is None and value.count("-") < 2 and _UNIT.fullmatch(value) is not None
    return plain and parse_number(value) is not None


def is_date(value: str) -> bool:
    """Whether a value is a date; a bare number is not."""
    return _BARE.match(value) is None and parse_date(value) is not None
