from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from entity_matching.config import DittoSettings, SearchSettings
from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.serialize import Serializer, serialize
from entity_matching.ditto.tokens import PairTokenizer
from entity_matching.matcher.lessons import Lesson, Provenance, summary, weak_lessons
from entity_matching.matcher.reader import PairReader
from entity_matching.matcher.reference import Reference
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.from_yaml(
    """
    key: {source: id, reference: id}
    attributes:
      name: name
      isin: {kind: identifier, type: isin}
      city: {kind: category, type: place}
    """
)
REFERENCE = pa.table(
    {
        "id": ["r0", "r1", "r2", "r3"],
        "name": ["Deutsche Bank AG", "Siemens AG", "Siemens Energy AG", "Deutsche Telekom AG"],
        "isin": ["DE0005140008", "DE0007236101", "DE000ENER6Y0", "DE0005557508"],
        "city": ["Frankfurt", "Munich", "Munich", "Bonn"],
    }
)
SOURCE = pa.table(
    {
        "id": ["s0", "s1", "s2"],
        "name": ["DT. BANK", "Siemens AG", "Deutsche Post"],
        "isin": ["DE0005140008", "", ""],
        "city": ["Frankfurt", "Munich", "Bonn"],
    }
)


@pytest.fixture
def reader() -> PairReader:
    vocabulary = {token: at for at, token in enumerate(("[PAD]", "[CLS]", "[SEP]", "[UNK]", "col", "val", "name"))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - not a password
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    serializer = Serializer.fit(normalize_table(REFERENCE, SCHEMA, Side.REFERENCE), SCHEMA)
    return PairReader(serializer, PairTokenizer(tokenizer, DittoSettings(), serializer.idf))


def _weak(reader: PairReader, most: int = 100) -> dict[Provenance, Lesson]:
    reference = Reference.prepare(REFERENCE, SCHEMA, SearchSettings(threads=1))
    sources = normalize_table(SOURCE, SCHEMA, Side.SOURCE).combine_chunks()
    found = weak_lessons(sources, reference, SCHEMA, reader, most, np.random.default_rng(0))
    return {one.provenance: one for one in found}


def test_shared_identifiers_and_unique_names_become_matches(reader: PairReader) -> None:
    weak = _weak(reader)
    assert set(weak) == {Provenance.IDENTIFIER, Provenance.EXACT_NAME}
    for one in weak.values():
        assert one.pairs.matches.sum() == 1
        assert (~one.pairs.matches).any()


def test_what_shows_the_match_is_hidden_on_both_sides_of_every_pair(reader: PairReader) -> None:
    weak = _weak(reader)
    for provenance, hidden in ((Provenance.IDENTIFIER, "isin"), (Provenance.EXACT_NAME, "name")):
        table = weak[provenance].to_table("train")
        for text in table["left"].to_pylist() + table["right"].to_pylist():
            assert f"COL {hidden} VAL" not in text
            assert "COL city VAL" in text
        assert set(map(tuple, table["hidden"].to_pylist())) == {(hidden,)}


def test_the_match_is_not_among_the_pairs_that_are_none(reader: PairReader) -> None:
    table = _weak(reader)[Provenance.IDENTIFIER].to_table("train").to_pylist()
    right = {row["right"] for row in table if row["match"]}
    assert not right & {row["right"] for row in table if not row["match"]}
    assert {row["provenance"] for row in table} == {"identifier", "search"}


def test_no_more_records_are_taken_than_asked(reader: PairReader) -> None:
    assert sum(one.pairs.matches.sum() for one in _weak(reader, most=1).values()) == 2


def _lesson(entities: int, reader: PairReader) -> Lesson:
    """Two pairs of each entity, a match and another."""
    records = reader.serializer.records(normalize_table(REFERENCE, SCHEMA, Side.REFERENCE))
    size = 2 * entities
    rows = np.zeros((size, 2), dtype=np.int64)
    matches = np.arange(size) % 2 == 0
    pairs = RecordPairs(records, records, rows, matches, np.ones(size, np.float32))
    return Lesson(pairs, Provenance.LABEL, np.arange(size) // 2)


@pytest.mark.parametrize("entities", [2, 3, 40])
def test_a_split_never_puts_an_entity_on_both_sides(reader: PairReader, entities: int) -> None:
    kept, aside = _lesson(entities, reader).split(0.15, np.random.default_rng(1))
    assert not set(kept.entity.tolist()) & set(aside.entity.tolist())
    assert len(kept.pairs) + len(aside.pairs) == 2 * entities
    for side in (kept, aside):
        assert side.pairs.matches.any()
        assert not side.pairs.matches.all()


def test_one_entity_alone_is_not_split(reader: PairReader) -> None:
    kept, aside = _lesson(1, reader).split(0.15, np.random.default_rng(1))
    assert (len(kept.pairs), len(aside.pairs)) == (2, 0)


def test_the_table_holds_what_the_model_is_shown(reader: PairReader) -> None:
    one = _lesson(2, reader)
    row = one.to_table("train").to_pylist()[0]
    assert row["left"] == serialize(one.pairs.left[0])
    assert (row["match"], row["provenance"], row["split"]) == (True, "label", "train")


def test_the_summary_counts_pairs_by_where_they_come_from(reader: PairReader) -> None:
    lessons = [_lesson(3, reader), *_weak(reader).values()]
    counts = summary(lessons)
    assert counts["label"] == 3
    assert counts["identifier"] == counts["exact_name"] == 1
    assert sum(counts.values()) == sum(len(one.pairs) for one in lessons)
