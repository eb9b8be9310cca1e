"""What is expected of arriving rows; a run whose rows do not meet it stops before anything is written.

A file of expectations is YAML: attributes, or ``(key)``, each with limits. They hold for source and reference alike,
unless they stand under ``source:`` or ``reference:``::

    source:
      company_name: {max_null_share: 0.01, max_length: 300}
      isin: {min_valid_share: 0.95}
    reference:
      (key): {min_unique_share: 1}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from entity_matching.errors import InputError, SettingsError
from entity_matching.jobs.ingest.quality import KEY_LABEL, Measured
from entity_matching.schema import Schema, Side

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
_SHOWN = 5
"""Failed expectations that a message spells out."""


class Expectation(BaseModel):
    """Limits of one attribute's figures; what is not given is not limited. See :data:`.quality.Measured`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_null_share: Share | None = None
    min_valid_share: Share | None = None
    min_unique_share: Share | None = None
    min_distinct: Count | None = None
    min_length: Count | None = None
    max_length: Count | None = None
    max_overlong_share: Share | None = None


_FIGURES = {
    "max_null_share": "null_share",
    "min_valid_share": "valid_share",
    "min_unique_share": "unique_share",
    "min_distinct": "distinct",
    "min_length": "length_min",
    "max_length": "length_max",
    "max_overlong_share": "overlong_share",
}
"""The figure that each limit is for."""
_IN_WORDS = {
    "null_share": "share of empty values",
    "valid_share": "share of valid values",
    "unique_share": "share of different values",
    "distinct": "number of different values",
    "length_min": "length of the shortest value",
    "length_max": "length of the longest value",
    "overlong_share": "share of over-long values",
}
Expectations = Mapping[Side, Mapping[str, Expectation]]
_ADAPTER = TypeAdapter(dict[str, Expectation])


def load_expectations(path: Path, schema: Schema) -> Expectations:
    """Read a file of expectations.

    :raises SettingsError: if it is not there or not valid, or names an attribute that the schema does not have.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SettingsError(f"There is no file {path} of expectations.", remedy="Check the path.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read as YAML: {error}.", remedy="Correct it.") from error
    if not isinstance(data, dict) or not data:
        raise SettingsError(
            f"{path}: expected attributes with their limits, found {type(data).__name__}.",
            remedy="For instance: company_name: {max_null_share: 0.01}",
        )
    by_side = set(data) <= {str(side) for side in Side}
    parts = {side: data.get(str(side)) or {} if by_side else data for side in Side}
    return {side: _read(part, schema, path) for side, part in parts.items()}


def check_expectations(
    expected: Expectations, found: Mapping[Side, Measured], origins: Mapping[Side, Iterable[str]]
) -> None:
    """Check the figures of the rows that came; where none came there is nothing to check.

    :param origins: files and tables they came from, for messages.
    :raises InputError: naming attribute, expected and found.
    """
    failed = [
        (side, label, text)
        for side, measured in found.items()
        if measured
        for label, expectation in expected.get(side, {}).items()
        for text in _failures(label, expectation, measured)
    ]
    if not failed:
        return
    side, label, _ = failed[0]
    texts = [text for _, _, text in failed]
    more = f" (and {len(texts) - _SHOWN} more)" if len(texts) > _SHOWN else ""
    raise InputError(
        f"the {side} is not as expected: {'; '.join(texts[:_SHOWN])}{more}. Nothing was written.",
        file=", ".join(origins[side]),
        column=label if len({label for _, label, _ in failed}) == 1 else "",
        remedy="Have the data corrected, or change the file of expectations.",
    )


def _failures(label: str, expectation: Expectation, measured: Measured) -> Iterator[str]:
    if label not in measured:
        if expectation.max_null_share is not None and expectation.max_null_share < 1:
            limit = f"at most {expectation.max_null_share:g} (max_null_share)"
            yield f"'{label}': {_IN_WORDS['null_share']} expected {limit}, found no such column"
        return
    for limit, value in expectation.model_dump(exclude_none=True).items():
        figure = measured[label].get(_FIGURES[limit])
        if figure is None or (figure <= value if limit.startswith("max") else figure >= value):
            continue
        bound = "at most" if limit.startswith("max") else "at least"
        yield f"'{label}': {_IN_WORDS[_FIGURES[limit]]} expected {bound} {value:g}, found {figure:.6g} ({limit})"


def _read(data: Any, schema: Schema, path: Path) -> dict[str, Expectation]:
    try:
        read = _ADAPTER.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsError(
            f"{path}: {where}: {first['msg']}.", remedy=f"Limits are: {', '.join(_FIGURES)}."
        ) from error
    known = [KEY_LABEL, *(attribute.name for attribute in schema.attributes)]
    unknown = [name for name in read if name not in known]
    if unknown:
        raise SettingsError(
            f"{path}: there is no attribute '{unknown[0]}'.", remedy=f"Attributes are: {', '.join(known)}."
        )
    return read
