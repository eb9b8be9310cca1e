from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest

from entity_matching.errors import InputError
from entity_matching.files import read_table


def test_types_are_kept_and_missing_keys_are_null(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "007", "n": 1}\n\n{"id": "8", "ok": true}\n{"n": 2, "id": null}\n')
    table = read_table(tmp_path / "a.jsonl")
    assert table.to_pydict() == {"id": ["007", "8", None], "n": [1, None, 2], "ok": [None, True, None]}


def test_a_column_of_mixed_types_becomes_text_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.ndjson").write_text('{"id": 1}\n{"id": "x"}\n{"id": 1.5}\n{"id": true}\n')
    with caplog.at_level(logging.WARNING):
        assert read_table(tmp_path / "a.ndjson").to_pydict() == {"id": ["1", "x", "1.5", "true"]}
    assert "Column 'id' mixes bool and float and int and str" in caplog.text


def test_numbers_too_large_for_their_type_keep_every_digit(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 12345678901234567890, "b": 9007199254740993}\n{"a": 1, "b": 0.5}\n')
    table = read_table(tmp_path / "a.jsonl").to_pydict()
    assert table == {"a": ["12345678901234567890", "1"], "b": ["9007199254740993", "0.5"]}


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"id": "1"}\n'))
    assert read_table(tmp_path / "a.jsonl.gz").to_pydict() == {"id": ["1"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": {"b": 1}}\n', "line 2: the value of 'a' is an object"),
        ('{"a": 1}\n\n{"a": [1]}\n', "line 3: the value of 'a' is a list"),
        ('[{"a": 1}]\n', "line 1: expected a JSON object, found list"),
        ('{"a": 1}\n{"a":\n', r"line 2: not valid JSON \(Expecting value"),
        ('{"a": 1, "a": 2}\n', "line 1: the key 'a' is there twice"),
        ('{"a": "\\ud800"}\n', "line 1: half of a surrogate pair"),
        ('{"a": ' + "[" * 100_000 + "\n", "line 1: not valid JSON"),
        ('{"": 1}\n', "no name for column 1"),
        ("{}\n", "there is no column"),
        ("", "the file is empty"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "a.jsonl")
