"""The normalised table: one row per record, one column per part of an attribute.

``normalize_table`` (in :mod:`entity_matching.normalize`) makes it; search, features and the rest read it.
All parts are non-null strings unless stated ("" means: nothing there). Columns are named
``<attribute>.<part>``; :func:`part` gives the name. The first column is ``__key`` (string).

=========== ============ ==========================================================================
kind        part         what it holds
=========== ============ ==========================================================================
all         ``raw``      the value as given, as a trimmed string
name        ``text``     ASCII lower-case words, single spaces; everything the name says
name        ``core``     the distinguishing words: no legal form, no listing suffix, abbreviations
                         and number words written out
name        ``form``     canonical legal forms, space-joined (``ag``, ``coltd``), in the order found
name        ``suffix``   listing or share-class suffix, canonical words (``cl a``, ``adr``, ``nom``)
identifier  ``value``    canonical value, "" if it is missing or its check digit is wrong
identifier  ``invalid``  bool: something is there, but not a valid identifier of its type
category    ``value``    canonical value (ISO alpha-2 of a country, ISO 4217 of a currency, ...)
text        ``text``     ASCII lower-case words and numbers, single spaces
number      ``value``    float64, null if missing
date        ``value``    date32, null if missing
=========== ============ ==========================================================================
"""

from __future__ import annotations

KEY = "__key"
"""Column of the normalised table that holds the record's key, as a string."""


def part(attribute: str, name: str) -> str:
    """Return the column of the normalised table that holds one part of an attribute."""
    return f"{attribute}.{name}"
