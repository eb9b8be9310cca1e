"""Candidates as Ditto reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from entity_matching.config import DittoSettings
from entity_matching.ditto.serialize import Serializer, serialize
from entity_matching.ditto.tokens import EncodedRecord, PairTokenizer, TokenizedPair
from entity_matching.ditto.words import Record
from entity_matching.errors import SchemaError
from entity_matching.matcher.reader import PairReader
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.from_yaml("{attributes: {name: name, city: {kind: category, type: place}}}")
SOURCES = normalize_table(
    pa.table({"name": ["DT. BANK", "Siemens AG", ""], "city": ["Frankfurt", "", ""]}), SCHEMA, Side.SOURCE
)
REFERENCES = normalize_table(
    pa.table({"name": ["Deutsche Bank AG", "Siemens AG", "Acme"], "city": ["Frankfurt", "Munich", "Bonn"]}),
    SCHEMA,
    Side.REFERENCE,
)


def rows(*numbers: int) -> npt.NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)


@pytest.fixture
def reader(small_encoder: Path) -> PairReader:
    serializer = Serializer.fit(REFERENCES, SCHEMA)
    settings = DittoSettings(max_tokens=96)
    return PairReader(serializer, PairTokenizer.from_file(small_encoder / "tokenizer.json", settings, serializer.idf))


def _same(one: TokenizedPair, other: TokenizedPair) -> bool:
    return bool(np.array_equal(one.ids, other.ids) and np.array_equal(one.types, other.types))


def test_a_pair_is_its_two_rows_whatever_the_order_of_the_pairs(reader: PairReader) -> None:
    left, right = rows(1, 0, 2, 0), rows(1, 2, 0, 0)
    pairs = reader.tokenized(SOURCES, REFERENCES, left, right)
    one, two = reader.serializer.records(SOURCES), reader.serializer.records(REFERENCES)
    assert len(pairs) == 4
    for pair, here, there in zip(pairs, left, right, strict=True):
        assert _same(pair, reader.tokenizer.pair(one[here], two[there]))


def test_each_row_is_read_once_however_many_pairs_it_is_in(reader: PairReader, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Record] = []
    encode = PairTokenizer.encode

    def spy(self: PairTokenizer, record: Record) -> EncodedRecord:
        read.append(record)
        return encode(self, record)

    monkeypatch.setattr(PairTokenizer, "encode", spy)
    reader.tokenized(SOURCES, REFERENCES, rows(0, 0, 0, 1), rows(0, 1, 2, 1))
    assert len(read) == 2 + 3


def test_an_attribute_that_is_hidden_is_shown_on_neither_side(reader: PairReader) -> None:
    shown = reader.tokenized(SOURCES, REFERENCES, rows(0), rows(0))
    hidden = reader.tokenized(SOURCES, REFERENCES, rows(0), rows(0), ("city",))
    source, reference = (
        table.drop_columns([name for name in table.column_names if name.startswith("city")])
        for table in (SOURCES, REFERENCES)
    )
    assert len(hidden[0]) < len(shown[0])
    assert _same(hidden[0], reader.tokenized(source, reference, rows(0), rows(0))[0])


def test_an_unknown_attribute_cannot_be_hidden(reader: PairReader) -> None:
    with pytest.raises(SchemaError, match="'street'"):
        reader.tokenized(SOURCES, REFERENCES, rows(0), rows(0), ("street",))


def test_labelled_pairs_name_their_records_and_each_counts_the_same(reader: PairReader) -> None:
    left, right = rows(1, 0, 1), rows(2, 0, 1)
    pairs = reader.pairs(SOURCES, REFERENCES, left, right, np.array([False, True, True]), "cities", ("name",))
    assert (len(pairs), len(pairs.left), len(pairs.right)) == (3, 2, 3)
    texts = [(serialize(pairs.left[a]), serialize(pairs.right[b])) for a, b in pairs.pairs.tolist()]
    assert texts == [("", "COL city VAL bonn"), ("COL city VAL frankfurt",) * 2, ("", "COL city VAL munich")]
    assert pairs.matches.tolist() == [False, True, True]
    assert pairs.weight.tolist() == [1.0, 1.0, 1.0]
    assert pairs.name == "cities"


def test_no_pairs_are_no_tokens(reader: PairReader) -> None:
    assert reader.tokenized(SOURCES, REFERENCES, rows(), rows()) == []
    assert len(reader.pairs(SOURCES, REFERENCES, rows(), rows(), np.zeros(0, dtype=bool), "none")) == 0


def test_two_records_that_say_nothing_are_a_pair_all_the_same(reader: PairReader) -> None:
    pair = reader.tokenized(SOURCES, SOURCES, rows(2), rows(2))[0]
    assert pair.ids.tolist() == [reader.tokenizer.cls_id, reader.tokenizer.sep_id, reader.tokenizer.sep_id]
