from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from entity_matching.errors import InputError, LabelsError
from entity_matching.files import check_labels, read_labels
from entity_matching.schema import Key

KEY = Key(source="source_id", reference="company_id")


def _labels(folder: Path, text: str, key: Key | None = KEY) -> list[tuple[str, str]]:
    (folder / "labels.csv").write_text(text)
    table = read_labels(folder / "labels.csv", key)
    assert table.schema.types == [pa.string(), pa.string()]
    return list(zip(table.column("source_key").to_pylist(), table.column("reference_key").to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("source_id,company_id", KEY),
        ("source_id,note", KEY),
        ("source_key,reference_key", KEY),
        ("left_id,right_id", KEY),
        ("a,b", KEY),
        ("a,b", None),
        ("source_id,entity_id", Key(source="id", reference="id")),
        ("id,other", Key(source="id", reference="id")),
    ],
)
def test_the_columns_are_found(tmp_path: Path, header: str, key: Key | None) -> None:
    assert _labels(tmp_path, f"{header}\nS1,C1\nS2,\n", key) == [("S1", "C1"), ("S2", "")]


@pytest.mark.parametrize("header", ["company_id,source_id", "company_id,who", "who,source_id"])
def test_the_columns_may_come_in_the_other_order(tmp_path: Path, header: str) -> None:
    assert _labels(tmp_path, f"{header}\nC1,S1\n,S2\n") == [("S1", "C1"), ("S2", "")]


def test_further_columns_do_not_matter(tmp_path: Path) -> None:
    assert _labels(tmp_path, "who,source_id,when,company_id\nx,S1,y,C1\n") == [("S1", "C1")]


def test_rows_that_say_the_same_are_merged(tmp_path: Path) -> None:
    assert _labels(tmp_path, "source_id,company_id\nS1,C1\nS1, C1 \nS2,\nS2,\n") == [("S1", "C1"), ("S2", "")]


def test_keys_that_are_numbers_have_no_point(tmp_path: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only here

    pq.write_table(pa.table({"source_id": [1, 2], "company_id": [5.0, None]}), tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet", KEY).to_pydict() == {
        "source_key": ["1", "2"],
        "reference_key": ["5", ""],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source_id,company_id\nS1,C1\nS2,C1\nS1,C2\n", "1 labels .*: 'S1' is 'C1' in row 1 and 'C2' in row 3"),
        ("source_id,company_id\nS1,C1\nS1,\n", "'S1' is 'C1' in row 1 and '' in row 2"),
        ("source_id,company_id\n" + "".join(f"S{n},A\nS{n},B\n" for n in range(5)), r"5 labels .* \(and 2 more\)"),
        ("source_id,company_id\n,C1\n", "row 1, column 'source_id': the source's key is empty"),
        ("source_id\nS1\n", "expected two columns"),
        ("company_id,note,who\nC1,x,y\n", r"no column for the source's key \('source_id'\)"),
        ("source_id,note,who\nS1,x,y\n", r"no column for the reference's key \('company_id'\)"),
    ],
)
def test_wrong_labels_name_the_rows(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabelsError, match=message) as caught:
        _labels(tmp_path, text)
    assert caught.value.remedy


def test_labels_without_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row"):
        _labels(tmp_path, "source_id,company_id\n")


def _check(pairs: dict[str, str], source: list[str], reference: list[str]) -> None:
    labels = pa.table({"source_key": list(pairs), "reference_key": list(pairs.values())})
    check_labels(labels, source, reference, file="labels.csv")


def test_labels_of_known_records_pass() -> None:
    _check({"S1": "C1", "S2": ""}, ["S1", "S2", "S3"], ["C1"])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"S1": "C1", "S9": "C1"}, r"1 of 2 labels name a source record that is not there: 'S9'\. Correct these"),
        ({"S1": "C1", "S2": "C9"}, r"1 of 2 labels name a reference record that is not there: 'C9'\."),
        ({"C1": "S1", "C2": "S2"}, "2 of 2 .* seem to be swapped"),
        ({"1": "C1", "2": "C1"}, "2 of 2 .* Keys of the source look like 'S[123]'"),
        ({f"x{n}": "" for n in range(9)}, "9 of 9 .*: 'x0', 'x1', 'x2', ..."),
    ],
)
def test_labels_of_unknown_records_are_counted_and_shown(pairs: dict[str, str], message: str) -> None:
    with pytest.raises(LabelsError, match=message):
        _check(pairs, ["S1", "S2", "S3"], ["C1", "C2", "C3"])
