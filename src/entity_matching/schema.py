"""What a record is: its attributes, their kinds, and the column that is its key.

A schema is a YAML file::

    entity: company
    key: {source: source_id, reference: company_id}
    attributes:
      company_name: {kind: name}
      country: {kind: category, type: country}
      isin: {kind: identifier, type: isin}
      ticker: {kind: identifier, type: ticker, exchange: exchange}

An attribute is read from the column of its own name, unless ``column`` (both tables),
``source_column`` or ``reference_column`` names another.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from entity_matching.errors import SchemaError

Side = enum.StrEnum("Side", {"SOURCE": "source", "REFERENCE": "reference"})
Side.__doc__ = "Which of the two tables a record is in."


class Kind(enum.StrEnum):
    """What an attribute holds, and so how it is normalised and compared."""

    NAME = "name"
    IDENTIFIER = "identifier"
    CATEGORY = "category"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"


IDENTIFIER_TYPES: dict[str, bool] = {
    # type -> strong: agreement on a valid value decides by itself
    "lei": True,
    "isin": True,
    "cusip": True,
    "figi": True,
    "bic": True,
    "vat": True,
    "registration": True,
    "own": True,
    "ticker": False,
    "website": False,
    "phone": False,
}
"""Known identifier types, each with whether agreement on it is strong evidence."""

CATEGORY_TYPES = ("country", "currency", "place")
"""Category types whose values are brought to one spelling; others are compared as plain text."""

_TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.IDENTIFIER: tuple(IDENTIFIER_TYPES),
    Kind.CATEGORY: CATEGORY_TYPES,
}


class Attribute(BaseModel):
    """One attribute of a record.

    ``strong`` says whether agreement on an identifier decides by itself; by default its type tells.
    ``country`` (of a registration or VAT number) is an ISO 3166 alpha-2 code, or the name of the
    attribute that holds the country. ``exchange`` (of a ticker) is the attribute that holds the venue.
    ``search`` says whether candidate search looks at it; by default names and texts are searched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    kind: Kind
    type: str | None = None
    column: str | None = None
    source_column: str | None = None
    reference_column: str | None = None
    strong: bool | None = None
    country: str | None = None
    exchange: str | None = None
    search: bool | None = None

    @model_validator(mode="after")
    def _type_fits_kind(self) -> Attribute:
        allowed = _TYPES.get(self.kind, ())
        if self.type is not None and self.type not in allowed:
            hint = f"one of {', '.join(allowed)}" if allowed else "no type at all"
            raise ValueError(f"type '{self.type}' does not go with kind '{self.kind}'; expected {hint}")
        if self.kind is Kind.IDENTIFIER and self.type is None:
            raise ValueError(f"an identifier needs a type: one of {', '.join(allowed)}")
        if self.kind is not Kind.IDENTIFIER and (self.strong is not None or self.country or self.exchange):
            raise ValueError("'strong', 'country' and 'exchange' belong to attributes of kind 'identifier' only")
        return self

    @property
    def is_strong(self) -> bool:
        """Whether agreement on this identifier decides by itself."""
        if self.strong is not None:
            return self.strong
        return self.kind is Kind.IDENTIFIER and IDENTIFIER_TYPES[self.type or "own"]

    @property
    def is_searched(self) -> bool:
        """Whether candidate search looks at this attribute's words."""
        return self.search if self.search is not None else self.kind in (Kind.NAME, Kind.TEXT)

    def column_on(self, side: Side) -> str:
        """Return the column that holds the attribute in the table of ``side``."""
        given = self.source_column if side is Side.SOURCE else self.reference_column
        return given or self.column or self.name


class Key(BaseModel):
    """The columns that tell records apart, one per table; ``None`` means the row number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = None
    reference: str | None = None

    def on(self, side: Side) -> str | None:
        """Return the key column of ``side``."""
        return self.source if side is Side.SOURCE else self.reference


class Schema(BaseModel):
    """The attributes of a record and its key. Immutable; equal schemas compare equal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entity: str = "record"
    key: Key = Key()
    attributes: Annotated[tuple[Attribute, ...], Field(min_length=1)]

    @field_validator("key", mode="before")
    @classmethod
    def _one_key_for_both(cls, value: Any) -> Any:
        return {"source": value, "reference": value} if isinstance(value, str) else value

    @field_validator("attributes", mode="before")
    @classmethod
    def _mapping_to_list(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return [
                {"name": name, **spec} if isinstance(spec, dict) else {"name": name, "kind": spec}
                for name, spec in value.items()
            ]
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Schema:
        names = [attribute.name for attribute in self.attributes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"attribute '{twice[0]}' is defined twice; remove one")
        for attribute in self.attributes:
            other = attribute.exchange
            if other is not None and other not in names:
                raise ValueError(f"'{attribute.name}' names the exchange attribute '{other}', which is not defined")
            country = attribute.country
            if country is not None and country not in names and not _COUNTRY_CODE.fullmatch(country):
                raise ValueError(
                    f"'{attribute.name}' names the country '{country}', which is neither an attribute that is defined "
                    "nor a code of two letters such as DE"
                )
        return self

    @classmethod
    def from_yaml(cls, text: str, *, origin: str = "schema") -> Schema:
        """Read a schema from YAML text.

        :param origin: the file's name, for error messages.
        :raises SchemaError: naming the key that is wrong and what would be right.
        """
        try:
            data = _read_yaml(text)
        except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that the calendar does not have
            raise SchemaError(f"{origin} is not valid YAML: {error}", remedy="Correct the line it names.") from error
        except RecursionError as error:
            raise SchemaError(f"{origin} is nested too deeply for a schema.", remedy=_EXAMPLE) from error
        if not isinstance(data, dict):
            raise SchemaError(
                f"{origin}: expected the keys 'entity', 'key' and 'attributes', found {type(data).__name__}.",
                remedy=_EXAMPLE,
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SchemaError(f"{origin}: {_explain(error, data)}", remedy=_remedy(error)) from error

    @classmethod
    def load(cls, path: str | Path) -> Schema:
        """Read a schema from a YAML file.

        :raises SchemaError: if the file is not there, or not a valid schema.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise SchemaError(f"There is no schema file {path}.", remedy="Check the path.") from error
        except UnicodeDecodeError as error:
            raise SchemaError(f"The schema file {path} is not UTF-8: {error}.", remedy="Save it as UTF-8.") from error
        except OSError as error:
            raise SchemaError(
                f"The schema file {path} cannot be read: {error.strerror or error}.",
                remedy="Check that it is a file you may read.",
            ) from error
        return cls.from_yaml(text, origin=str(path))

    def to_yaml(self) -> str:
        """Return the schema as YAML text that :meth:`from_yaml` reads back."""
        data: dict[str, Any] = {"entity": self.entity}
        key = self.key.model_dump(exclude_none=True)
        if key:
            data["key"] = key
        data["attributes"] = {
            attribute.name: attribute.model_dump(mode="json", exclude_none=True, exclude={"name"})
            for attribute in self.attributes
        }
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    def of_kind(self, *kinds: Kind) -> tuple[Attribute, ...]:
        """Return the attributes of the given kinds, in the schema's order."""
        return tuple(attribute for attribute in self.attributes if attribute.kind in kinds)

    def check_columns(self, columns: Iterable[str], other: Iterable[str], *, side: Side, table: str) -> None:
        """Check that the table of ``side`` has the columns the schema names.

        An attribute may be in one table only (it is then not compared), unless the schema names
        its column in this table outright.

        :param columns: the columns of this table.
        :param other: the columns of the other table.
        :param table: the table's name, for messages.
        :raises SchemaError: naming the missing column and the columns there are.
        """
        here, there = list(columns), set(other)
        other_side = Side.REFERENCE if side is Side.SOURCE else Side.SOURCE
        missing = []
        for attribute in self.attributes:
            column = attribute.column_on(side)
            explicit = attribute.source_column if side is Side.SOURCE else attribute.reference_column
            if column not in here and (explicit or attribute.column_on(other_side) not in there):
                missing.append(column)
        key = self.key.on(side)
        remedy = f"Correct the schema, or say where it is with '{side}_column'."
        if key is not None and key not in here:
            missing, remedy = [key], f"Correct 'key' in the schema: key: {{{side}: <column>}}."
        if missing:
            raise SchemaError(
                f"{table}: the schema names the column '{missing[0]}', which the {side} table does not have. "
                f"Its columns are: {', '.join(here) or 'none'}.",
                remedy=remedy,
            )


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which no key stands twice in one place: of two, YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping.

        :raises yaml.YAMLError: naming the key that stands twice and its line.
        """
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    raise yaml.MarkedYAMLError(
                        problem=f"the key '{key.value}' is there twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read_yaml(text: str) -> Any:
    loader = _UniqueKeys(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _explain(error: ValidationError, data: dict[str, Any]) -> str:
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    if len(parts) > 1 and parts[0] == "attributes" and parts[1].isdigit() and isinstance(data.get("attributes"), dict):
        parts[1] = str(list(data["attributes"])[int(parts[1])])
    where = ".".join(parts) or "the schema"
    message = _IN_WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}."


def _remedy(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return "Remove this key or correct its spelling."
    if first["type"] == "missing":
        return "Add this key."
    if first["type"] == "enum":
        return f"Kinds are: {', '.join(Kind)}."
    if first["type"] == "string_type":
        return 'Put the value (or the attribute\'s name) in quotes, as in "no" or "2020".'
    return "Correct this key; docs/model.md lists what each may hold."


_EXAMPLE = "docs/model.md shows a schema to start from."
_COUNTRY_CODE = re.compile(r"[A-Za-z]{2}")
# What pydantic says of these speaks of Python.
_IN_WORDS = {
    "missing": "this key is required",
    "extra_forbidden": "there is no such key",
    "string_type": "expected text, found something else",
    "string_too_short": "expected at least one character",
    "too_short": "expected at least one attribute",
    "tuple_type": "expected attributes by their names, each with its kind",
    "model_type": "expected keys with values, such as {kind: name} for an attribute",
    "model_attributes_type": "expected keys with values, such as {kind: name} for an attribute",
}
