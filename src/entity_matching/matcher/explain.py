"""Why: the reason of a decision in words, from what was compared.

One phrase per attribute that agrees or differs, one for a name that is the other record's web address, then how the
next best candidate stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.features.sites import own_hosts
from entity_matching.features.weights import combine
from entity_matching.records import part
from entity_matching.schema import Attribute, Kind, Schema

SHOWN = 40
"""Characters of a value that a reason shows; longer ones end in an ellipsis."""
FAR, NEAR = 0.2, 0.7
"""Confidence of the next best candidate, as a share of the best one's, below which it is far behind and
from which it is close."""


def reasons(
    sources: pa.Table, references: pa.Table, schema: Schema, best: NDArray[np.float64], second: NDArray[np.float64]
) -> list[str]:
    """Explain pairs of records.

    :param sources: the normalised source rows, one per pair.
    :param references: the normalised reference rows, one per pair.
    :param best: confidence of each pair, 0 to 1.
    :param second: confidence of the record's next best candidate, NaN if it has none.
    :returns: one sentence per pair.
    """
    if not sources.num_rows:
        return []
    phrases: list[list[str]] = [[] for _ in range(sources.num_rows)]
    for attribute in schema.attributes:
        for row, phrase in enumerate(_attribute_phrases(attribute, sources, references)):
            if phrase:
                phrases[row].append(phrase)
    for row, phrase in _site_phrases(schema, sources, references):
        phrases[row].append(phrase)
    for row, (one, two) in enumerate(zip(best.tolist(), second.tolist(), strict=True)):
        phrases[row].append(_rival(one, two))
    return ["; ".join(parts) for parts in phrases]


def _attribute_phrases(attribute: Attribute, sources: pa.Table, references: pa.Table) -> Iterator[str]:
    """Say what one attribute adds, pair by pair; nothing where a side has no value."""
    label = _label(attribute)
    have = set(sources.column_names) & set(references.column_names)

    def both(name: str) -> list[tuple[Any, Any]]:
        column = part(attribute.name, name)
        left = sources[column].to_pylist() if column in have else [""] * sources.num_rows
        right = references[column].to_pylist() if column in have else [""] * sources.num_rows
        return list(zip(left, right, strict=True))

    if attribute.kind is Kind.NAME:
        for words, forms in zip(both("core"), both("form"), strict=True):
            yield _name_phrase(label, words, forms)
    elif attribute.kind is Kind.TEXT:
        for words in both("text"):
            yield _words_phrase(label, *words)
    else:
        # a ticker, a host or a telephone differs between two records of one company more often than not
        telling = attribute.kind is not Kind.IDENTIFIER or attribute.is_strong
        for values, raws in zip(both("value"), both("raw"), strict=True):
            phrase = _value_phrase(label, values, raws)
            yield phrase if telling or phrase.endswith("agrees") else ""


def _site_phrases(schema: Schema, sources: pa.Table, references: pa.Table) -> Iterator[tuple[int, str]]:
    """Say of which pairs one record's name, unlike the other's, is the other's web address."""
    for site in schema.of_kind(Kind.IDENTIFIER):
        for name in schema.of_kind(Kind.NAME) if site.type == "website" else ():
            for side, named, sited in (("reference", sources, references), ("source", references, sources)):
                for row, domain in _named_by_site(named, sited, name, site):
                    yield row, f"{_label(name)} is the {side}'s {_label(site)} ({domain})"


def _named_by_site(named: pa.Table, sited: pa.Table, name: Attribute, site: Attribute) -> Iterator[tuple[int, str]]:
    """Yield the rows whose name is the host of the other record, with its domain, but for those whose names agree."""
    core, text, value = part(name.name, "core"), part(name.name, "text"), part(site.name, "value")
    if value not in sited.column_names or core not in named.column_names:
        return
    others = sited[core].to_pylist() if core in sited.column_names else [""] * sited.num_rows
    hosts = own_hosts(combine(sited[value]))
    for row, (host, short, long, other) in enumerate(
        zip(hosts.to_pylist(), named[core].to_pylist(), named[text].to_pylist(), others, strict=True)
    ):
        if host and host in (short.replace(" ", ""), long.replace(" ", "")) and short != other:
            yield row, _short(sited[value][row].as_py())


def _name_phrase(label: str, words: tuple[str, str], forms: tuple[str, str]) -> str:
    phrase = _words_phrase(label, *words)
    left, right = forms
    if not phrase or not left or not right or set(left.split()) & set(right.split()):
        return phrase
    joint = "but for" if phrase.endswith("agrees") else "and"
    return f"{phrase} {joint} the legal form ({left.upper()} / {right.upper()})"


def _words_phrase(label: str, left: str, right: str) -> str:
    if not left or not right:
        return ""
    if left == right:
        return f"{label} agrees"
    if left.replace(" ", "") == right.replace(" ", ""):
        return f"{label} agrees but for spaces"
    one, two = left.split(), right.split()
    lacks = _unmatched(one, two)
    extra = _unmatched(two, one)
    if not lacks and not extra:
        return f"{label} agrees, some words cut or abbreviated"
    if len(lacks) == len(one):
        return f"{label} differs: {_short(left)} / {_short(right)}"
    parts = []
    if lacks:
        parts.append(f"only in the source: {_short(' '.join(lacks))}")
    if extra:
        parts.append(f"only in the reference: {_short(' '.join(extra))}")
    return f"{label} agrees in part ({'; '.join(parts)})"


def _unmatched(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the words that neither stand among the others nor begin with, or are begun by, one of them."""
    pool = set(others)
    return [
        word
        for word in words
        if word not in pool and not any(_shortens(word, other) or _shortens(other, word) for other in others)
    ]


def _shortens(short: str, long: str) -> bool:
    """Say whether one word is the other cut, or the other with letters left out."""
    if len(short) >= len(long) or short[0] != long[0] or not short.isalpha():
        return False
    letters = iter(long)
    return all(letter in letters for letter in short) and (long.startswith(short) or len(short) >= 3)


def _value_phrase(label: str, values: tuple[Any, Any], raws: tuple[str, str]) -> str:
    left, right = values
    if left in ("", None) or right in ("", None):
        return ""
    if left == right:
        return f"{label} agrees"
    return f"{label} differs: {_short(raws[0])} / {_short(raws[1])}"


def _rival(best: float, second: float) -> str:
    if np.isnan(second):
        return "no other candidate"
    if second <= FAR * best:
        return "next best candidate far behind"
    return "next best candidate close" if second >= NEAR * best else "next best candidate behind"


def _label(attribute: Attribute) -> str:
    return attribute.name.replace("_", " ")


def _short(value: str) -> str:
    return value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
