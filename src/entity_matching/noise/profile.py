"""What the source looks like: learnt without labels, so that synthetic records resemble real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.noise.agreement import usual_disagreement
from entity_matching.noise.styles import BUILT_IN, Style, common_limits, learn_styles
from entity_matching.records import part
from entity_matching.schema import Attribute, Kind, Schema

STYLES = 4_000
"""Styles are learnt from at most so many names, evenly spaced: more would not change their shares."""


@dataclass(frozen=True)
class ColumnProfile:
    """One attribute of the source. Shares are 0 to 1.

    ``missing``: share without a value. ``formed``: share of names with a legal form. ``ascii``: share without a
    letter beyond ASCII. ``plus``: share of ``+`` among the signs for "and". ``changed``: share of values that
    differ between the two tables although the records agree. ``limits``: lengths at which values are cut.
    ``styles``: how names are written (case, limit, ending), a sample.
    """

    missing: float = 0.1
    formed: float = 0.75
    ascii: float = 0.9
    plus: float = 0.3
    changed: float = 0.12
    limits: tuple[int, ...] = ()
    styles: tuple[Style, ...] = BUILT_IN


def profile_source(
    sources: pa.Table | None,
    schema: Schema,
    *,
    changed: Mapping[str, float] | None = None,
    sample: int = 20_000,
) -> dict[str, ColumnProfile]:
    """Profile each attribute of the normalised source.

    :param sources: the normalised source table; ``None`` gives the built-in profile of market listings.
    :param changed: share of values that differ although the records agree, per attribute, as
        :func:`entity_matching.noise.disagreement` gives it; what is usual, where it says nothing.
    :param sample: at most so many records are looked at, evenly spaced.
    """
    known = changed or {}
    shares = {
        attribute.name: known.get(attribute.name, usual_disagreement(attribute)) for attribute in schema.attributes
    }
    if sources is None or sources.num_rows == 0:
        return {name: ColumnProfile(changed=share) for name, share in shares.items()}
    some = _evenly(sources, sample)
    return {attribute.name: _profile(some, attribute, shares[attribute.name]) for attribute in schema.attributes}


def _evenly(table: pa.Table, most: int) -> pa.Table:
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))


def _profile(table: pa.Table, attribute: Attribute, changed: float) -> ColumnProfile:
    column = part(attribute.name, "raw")
    if column not in table.column_names:
        return ColumnProfile(missing=1.0, changed=changed)
    given = table.filter(pc.not_equal(pc.fill_null(table[column], ""), ""))
    if not given.num_rows:
        return ColumnProfile(missing=1.0, changed=changed)
    missing = 1 - given.num_rows / table.num_rows
    values = given[column]
    if attribute.kind is Kind.NAME:
        return _name_profile(given, attribute, missing)
    lengths = np.asarray(pc.utf8_length(values).to_numpy(), dtype=np.int64)
    limits = common_limits(lengths) if attribute.kind is Kind.TEXT else ()
    return ColumnProfile(
        missing=missing, formed=0.0, ascii=_share(pc.string_is_ascii(values)), changed=changed, limits=limits
    )


def _name_profile(given: pa.Table, attribute: Attribute, missing: float) -> ColumnProfile:
    some = _evenly(given, STYLES)
    names = some[part(attribute.name, "raw")]
    has_form = pc.not_equal(some[part(attribute.name, "form")], "")
    styles = learn_styles(names.to_pylist(), has_form.to_pylist())
    plus, ands = _count(names, "+"), _count(names, "&")
    return ColumnProfile(
        missing=missing,
        formed=_share(has_form),
        ascii=_share(pc.string_is_ascii(names)),
        plus=(plus + 0.3) / (plus + ands + 1),
        limits=tuple(sorted({style.limit for style in styles if style.limit})),
        styles=styles,
    )


def _count(names: pa.ChunkedArray, sign: str) -> int:
    return int(pc.sum(pc.match_substring(names, sign)).as_py() or 0)


def _share(flags: pa.ChunkedArray) -> float:
    return float(pc.mean(flags.cast(pa.float64())).as_py() or 0.0)
