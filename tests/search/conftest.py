from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.schema import Schema
from entity_matching.search import Searcher
from entity_matching.search.dense import DenseSearcher
from entity_matching.search.identifiers import IdentifierSearcher
from entity_matching.search.lexical import LexicalSearcher
from entity_matching.search.words import WordSearcher

Build = Callable[..., Searcher]
Load = Callable[..., Searcher]

_SCHEMA = Schema.model_validate(
    {
        "entity": "company",
        "attributes": {
            "name": "name",
            "country": {"kind": "category", "type": "country"},
            "isin": {"kind": "identifier", "type": "isin"},
        },
    }
)


def _companies(*names: str, countries: list[str] | None = None, isins: list[str] | None = None) -> pa.Table:
    rows = len(names)
    return pa.table(
        {
            "__key": pa.array([str(row) for row in range(rows)], pa.string()),
            "name.text": pa.array(names, pa.string()),
            "name.core": pa.array([" ".join(name.split()[:-1]) for name in names], pa.string()),
            "country.value": pa.array(countries or [""] * rows, pa.string()),
            "isin.value": pa.array(isins or [""] * rows, pa.string()),
        }
    )


def _letter_counts(texts: list[str]) -> npt.NDArray[np.float32]:
    return np.array([[text.count(chr(97 + letter)) for letter in range(26)] for text in texts], np.float32)


@pytest.fixture
def schema() -> Schema:
    return _SCHEMA


@pytest.fixture
def companies() -> Callable[..., pa.Table]:
    """Return a function that makes a normalised table; the last word of a name is its legal form."""
    return _companies


@pytest.fixture
def letter_counts() -> Callable[[list[str]], npt.NDArray[np.float32]]:
    """Return an encoder of texts: how often they have each letter."""
    return _letter_counts


@pytest.fixture
def reference() -> pa.Table:
    return _companies(
        "siemens ag",
        "siemens energy ag",
        "ubisoft entertainment sa",
        "pond technologies holdings inc",
        "deutsche bank ag",
        "deutsche boerse ag",
        "",
        "siemens ag",
        countries=["DE", "DE", "FR", "CA", "DE", "DE", "", "US"],
        isins=["DE0007236101", "", "FR0000054470", "", "DE0005140008", "DE0005810055", "", "DE0007236101"],
    )


@pytest.fixture(params=["lexical", "words", "identifiers", "dense"])
def kind(request: pytest.FixtureRequest) -> tuple[Build, Load]:
    """Return how one of the searchers is built and loaded."""
    kinds: dict[str, Any] = {
        kind.name: kind for kind in (LexicalSearcher, WordSearcher, IdentifierSearcher, DenseSearcher)
    }
    chosen = kinds[request.param]
    encode = {"encode": _letter_counts} if request.param == "dense" else {}

    def build(table: pa.Table, schema: Schema = _SCHEMA, settings: SearchSettings | None = None) -> Searcher:
        searcher: Searcher = chosen.build(table, schema, settings or SearchSettings(), **encode)
        return searcher

    def load(folder: Any, settings: SearchSettings | None = None) -> Searcher:
        searcher: Searcher = chosen.load(folder, settings or SearchSettings(), **encode)
        return searcher

    return build, load
