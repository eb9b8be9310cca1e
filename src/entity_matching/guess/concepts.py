"""What a column is called, and what a column of that name usually holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml
from anyascii import anyascii

from entity_matching.schema import Kind

BOOKKEEPING = "bookkeeping"
"""Concept of columns that say how a row was stored; they are not compared."""

KEY_WORDS = frozenset(("id", "key", "uuid", "guid", "pk", "identifier", "uid", "nr", "no", "code", "number", "ref"))
"""Last words of the names that keys have."""

_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_QUALIFIERS = frozenset(
    "parent ultimate former previous old contact manager owner director ceo bank agent user login file sheet".split()
)
"""A column that begins so is about something else: 'parent name' is not the record's name."""


@dataclass(frozen=True)
class Concept:
    """What columns of some names hold.

    :param name: of the concept.
    :param kind: of the attribute; ``None`` if such columns are no attribute.
    :param type: of the attribute, if the kind has types.
    :param strong: whether agreement on such an identifier decides; ``None``: its type tells.
    """

    name: str
    kind: Kind | None
    type: str | None = None
    strong: bool | None = None


@dataclass(frozen=True)
class Called:
    """A column and what its name tells.

    :param column: its name as it is.
    :param words: its name in lower-case words, without what all columns of the table begin with.
    :param concept: what such a column usually holds, if the name is known.
    :param exact: whether the whole name is known, not only its end or beginning.
    """

    column: str
    words: tuple[str, ...]
    concept: Concept | None
    exact: bool

    @property
    def glued(self) -> str:
        """The words without spaces: ``companyname``."""
        return "".join(self.words)

    def is_a(self, concept: str) -> bool:
        """Whether the column is of this concept."""
        return self.concept is not None and self.concept.name == concept


def read_names(columns: Sequence[str]) -> list[Called]:
    """Tell from their names what the columns of one table hold."""
    words = [_words(column) for column in columns]
    # 'left_name', 'left_city', ...: what all begin with tells nothing
    firsts = Counter(each[0] for each in words if len(each) > 1)
    if len(columns) > 1 and firsts and firsts.most_common(1)[0][1] == len(columns):
        words = [each[1:] for each in words]
    return [Called(column, each, *_find(each)) for column, each in zip(columns, words, strict=True)]


def _words(column: str) -> tuple[str, ...]:
    words = tuple(word.lower() for word in _BOUNDARY.split(anyascii(column)) if word)
    return words or (column,)


@cache
def _known() -> dict[str, Concept]:
    """Return the concept of each known name, glued."""
    text = resources.files("entity_matching.guess").joinpath("columns.yml").read_text(encoding="utf-8")
    known: dict[str, Concept] = {}
    for name, entry in yaml.safe_load(text).items():
        kind = Kind(entry["kind"]) if "kind" in entry else None
        concept = Concept(name, kind, entry.get("type"), entry.get("strong"))
        for called in entry["names"]:
            known.setdefault("".join(called.split()), concept)
    return known


def _find(words: tuple[str, ...]) -> tuple[Concept | None, bool]:
    known = _known()
    exact = known.get("".join(words))
    if exact is not None:
        return exact, True
    if words[0] in _QUALIFIERS:
        return None, False
    for length in range(len(words) - 1, 0, -1):
        for part in (words[-length:], words[:length]):
            concept = known.get("".join(part))
            if concept is not None and _is_told_by(part, words, concept):
                return concept, False
    return None, False


def _is_told_by(part: tuple[str, ...], words: tuple[str, ...], concept: Concept) -> bool:
    """Whether the end or beginning of a column's name tells what it holds."""
    if concept.kind is None:
        return False
    if part == words[-len(part) :]:
        return True
    # 'customer_no' and 'company_size' are not the customer's and the company's name; 'name_local' is
    return words[-1] not in KEY_WORDS and (concept.kind is not Kind.NAME or "name" in part)
