"""The guessed schema."""

from __future__ import annotations

import logging
from functools import cache
from importlib import resources

import pyarrow as pa

from entity_matching.errors import SchemaError
from entity_matching.guess.concepts import Called, read_names
from entity_matching.guess.keys import guess_key
from entity_matching.guess.kinds import LONGEST_NAME, Guess, guess_kind
from entity_matching.guess.pairing import Pair, pair_columns
from entity_matching.guess.values import Sample, both, sample
from entity_matching.schema import IDENTIFIER_TYPES, Attribute, Key, Kind, Schema

_log = logging.getLogger(__name__)


@cache
def default_schema(entity: str = "companies") -> Schema:
    """Return a schema that comes with the package.

    :param entity: its name; there is ``companies``.
    """
    path = resources.files("entity_matching").joinpath("schemas", f"{entity}.yml")
    return Schema.from_yaml(path.read_text(encoding="utf-8"), origin=f"{entity}.yml")


def guess_schema(source: pa.Table, reference: pa.Table) -> Schema:
    """Guess a schema from the columns of two tables: what they are called and a sample of what they hold.

    The default for companies is taken if it fits: both keys are there, and it names every column that
    both tables have. Columns of one table only are left out, but for strong identifiers.

    :raises SchemaError: if the tables have no column in common.
    """
    default = default_schema()
    if _fits(default, source, reference):
        return _present(default, source, reference)
    left, right = read_names(source.column_names), read_names(reference.column_names)
    key = Key(source=guess_key(source, left), reference=guess_key(reference, right))
    _hint_if_swapped(key)
    left_rest = [called for called in left if called.column != key.source or _is_strong(called)]
    right_rest = [called for called in right if called.column != key.reference or _is_strong(called)]
    pairs = pair_columns(left_rest, right_rest)
    if not pairs:
        raise SchemaError(
            "The two tables have no column in common. "
            f"Columns of the source: {', '.join(source.column_names)}. "
            f"Columns of the reference: {', '.join(reference.column_names)}.",
            remedy="Say in a schema file (--schema) which hold the same, for instance: attributes: "
            f"{{name: {{kind: name, source_column: '{(left_rest or left)[0].column}', "
            f"reference_column: '{(right_rest or right)[0].column}'}}}}",
        )
    guesses = [(pair, *_guess(pair, source, reference)) for pair in pairs]
    attributes = _attributes(guesses)
    alone = [called for called in left_rest if called not in [one for one, _ in pairs]]
    attributes += _alone(alone, source, attributes)
    alone = [called for called in right_rest if called not in [other for _, other in pairs]]
    attributes += _alone(alone, reference, attributes)
    return Schema(key=key, attributes=tuple(_linked(attributes)))


def _fits(schema: Schema, source: pa.Table, reference: pa.Table) -> bool:
    here, there = set(source.column_names), set(reference.column_names)
    if schema.key.source not in here or schema.key.reference not in there:
        return False
    named = {attribute.name for attribute in schema.attributes}
    names = {attribute.name for attribute in schema.of_kind(Kind.NAME)}
    return bool(names & here & there) and (here & there) <= named


def _present(schema: Schema, source: pa.Table, reference: pa.Table) -> Schema:
    """Return the schema without the attributes that neither table has."""
    columns = {*source.column_names, *reference.column_names}
    kept = [attribute for attribute in schema.attributes if attribute.name in columns]
    return schema.model_copy(update={"attributes": tuple(_linked(kept))})


def _hint_if_swapped(key: Key) -> None:
    left, right = (key.source or "").lower(), (key.reference or "").lower()
    if right.startswith("source") or left.startswith(("reference", "master", "golden")):
        _log.warning(
            "The key of the source is '%s' and that of the reference '%s': source and reference seem to be swapped. "
            "The messy records come first, then the master list.",
            key.source or "row number",
            key.reference or "row number",
        )


def _is_strong(called: Called) -> bool:
    concept = called.concept
    strong = concept is not None and concept.kind is Kind.IDENTIFIER and concept.strong is not False
    return strong and IDENTIFIER_TYPES[concept.type or "own"] if concept is not None else False


def _guess(pair: Pair, source: pa.Table, reference: pa.Table) -> tuple[Guess, Sample]:
    one, other = pair
    concept = one.concept if one.exact or other.concept is None else other.concept
    values = both(sample(source.column(one.column)), sample(reference.column(other.column)))
    return guess_kind(concept, values), values


def _attributes(guesses: list[tuple[Pair, Guess, Sample]]) -> list[Attribute]:
    """Return the attributes of both tables, what names the record first."""
    main = _main(guesses)
    named = guesses[main][1].kind if main is not None else Kind.NAME
    if main is not None:
        guesses = [guesses[main], *guesses[:main], *guesses[main + 1 :]]
    made: list[Attribute] = []
    for (one, other), guess, _ in guesses:
        # search puts names before texts: beside a title, further names are texts like it
        kind = Kind.TEXT if guess.kind is Kind.NAME and named is Kind.TEXT else guess.kind
        same = one.column == other.column
        made.append(
            Attribute(
                name=_unused(one.column if same else "_".join(one.words), made),
                kind=kind,
                type=guess.type,
                strong=guess.strong,
                source_column=None if same else one.column,
                reference_column=None if same else other.column,
            )
        )
    return made


def _main(guesses: list[tuple[Pair, Guess, Sample]]) -> int | None:
    """Return the place of the attribute that names the record; text that is alone in it becomes a name."""
    for kind in ("name", "title"):
        named = [
            (not (one.is_a(kind) and one.exact), place)
            for place, ((one, other), guess, _) in enumerate(guesses)
            if (one.is_a(kind) or other.is_a(kind)) and guess.kind in (Kind.NAME, Kind.TEXT)
        ]
        if named:
            return min(named)[1]
    texts = [
        (values.repetition, place)
        for place, (_, guess, values) in enumerate(guesses)
        if guess.kind in (Kind.NAME, Kind.TEXT, Kind.CATEGORY) and guess.type is None
    ]
    if not texts:
        return None
    place = min(texts)[1]
    pair, _, values = guesses[place]
    guesses[place] = (pair, Guess(Kind.NAME if values.words <= LONGEST_NAME else Kind.TEXT), values)
    return place


def _alone(columns: list[Called], table: pa.Table, before: list[Attribute]) -> list[Attribute]:
    """Return attributes for columns that one table has alone: strong identifiers, and a ticker's exchange."""
    has_ticker = any(attribute.type == "ticker" for attribute in before)
    made: list[Attribute] = []
    for called in columns:
        if not (_is_strong(called) or (called.is_a("exchange") and has_ticker)):
            continue
        guess = guess_kind(called.concept, sample(table.column(called.column)))
        if called.concept is not None and guess.kind is called.concept.kind:
            name = _unused(called.column, [*before, *made])
            made.append(
                Attribute(
                    name=name,
                    kind=guess.kind,
                    type=guess.type,
                    strong=guess.strong,
                    column=None if name == called.column else called.column,
                )
            )
    return made


def _unused(name: str, attributes: list[Attribute]) -> str:
    taken = {attribute.name for attribute in attributes}
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _linked(attributes: list[Attribute]) -> list[Attribute]:
    """Return the attributes with tickers linked to their exchange, and national numbers to their country."""
    names = {attribute.name for attribute in attributes}
    exchange = next((a.name for a in attributes if "exchange" in a.name.lower() and a.kind is Kind.CATEGORY), None)
    country = next((a.name for a in attributes if a.type == "country"), None)
    linked = []
    for attribute in attributes:
        update: dict[str, str | None] = {}
        if attribute.type == "ticker" and attribute.exchange not in names:
            update["exchange"] = exchange
        if attribute.type in ("vat", "registration") and attribute.country not in names:
            update["country"] = country
        linked.append(attribute.model_copy(update=update))
    return linked
