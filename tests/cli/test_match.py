from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entity_matching.files import read_table

Command = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("fake_matcher")


def test_the_output_has_the_sources_columns_and_then_ours(command: Command, folder: Any) -> None:
    done = command("match", folder.source, folder.reference, "-o", folder.out)
    assert done.code == 0, done.err
    table = read_table(folder.out)
    assert table.column_names == [
        "source_id", "name", "city", "decision", "entity_id", "confidence", "method", "reason", "candidates",
    ]  # fmt: skip
    assert table.column("source_id").to_pylist() == ["S1", "S2", "S3"]
    assert table.column("decision").to_pylist() == ["match", "review", "no_match"]
    assert table.column("entity_id").to_pylist() == ["E1", "E1", ""]
    assert table.column("candidates").to_pylist()[0] == '[{"entity_id":"E1","confidence":0.99}]'


@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl", "parquet", "xlsx", "csv.gz"])
def test_any_format_can_be_written(command: Command, folder: Any, extension: str) -> None:
    out = folder.path / f"out.{extension}"
    assert command("match", folder.source, folder.reference, "-o", out).code == 0
    assert out.stat().st_size > 0


def test_a_column_name_that_is_taken_gets_a_prefix_and_is_told(command: Command, folder: Any) -> None:
    folder.write("source.csv", "source_id,name,decision,match_decision\nS1,Siemens AG,mine,also mine\n")
    done = command("match", folder.source, folder.reference, "-o", folder.out)
    table = read_table(folder.out).to_pylist()[0]
    assert (table["decision"], table["match_decision"], table["match_match_decision"]) == ("mine", "also mine", "match")
    assert "a column 'decision' of its own; ours is written as 'match_match_decision'" in done.err


def test_values_of_the_source_come_back_as_they_were(command: Command, folder: Any) -> None:
    folder.write("source.csv", 'source_id,name,note\n000123,Siemens AG,=1+1\n2,"a ""b""\nc",+49\n')
    command("match", folder.source, folder.reference, "-o", folder.out)
    assert read_table(folder.out).select(["source_id", "name", "note"]).to_pydict() == {
        "source_id": ["000123", "2"],
        "name": ["Siemens AG", 'a "b"\nc'],
        "note": ["=1+1", "+49"],
    }


def test_the_guessed_columns_and_a_summary_are_printed(command: Command, folder: Any) -> None:
    done = command("match", folder.source, folder.reference, "-o", folder.out)
    assert "Columns, as guessed" in done.err
    assert "key: source 'source_id' = reference 'entity_id'" in done.err
    assert "city: category (place)" in done.err
    assert "33.3%" in done.out
    assert "exact_name 1" in done.out
    assert f"Written to {folder.out}" in done.out


def test_json_is_all_there_is_on_stdout(command: Command, folder: Any) -> None:
    done = command("match", folder.source, folder.reference, "-o", folder.out, "--json")
    data = json.loads(done.out)
    assert {key: data[key] for key in ("output", "records", "decisions", "methods")} == {
        "output": str(folder.out),
        "records": 3,
        "decisions": {"match": 1, "review": 1, "no_match": 1},
        "methods": {"exact_name": 1},
    }
    assert "Written to" in done.err


def test_a_schema_is_used_and_not_guessed(command: Command, folder: Any, fake_matcher: list[dict[str, Any]]) -> None:
    schema = folder.write("s.yml", "key: {source: source_id, reference: entity_id}\nattributes: {name: name}\n")
    done = command("match", folder.source, folder.reference, "-o", folder.out, "--schema", schema)
    assert "guessed" not in done.err
    assert [attribute.name for attribute in fake_matcher[0]["schema"].attributes] == ["name"]


def test_labels_and_the_target_precision_reach_the_matcher(
    command: Command, folder: Any, fake_matcher: list[dict[str, Any]]
) -> None:
    command("match", folder.source, folder.reference, "-o", folder.out, "--labels", folder.labels,
            "--target-precision", "0.9")  # fmt: skip
    assert fake_matcher[0]["labels"].column("reference_key").to_pylist() == ["E1", "E1", ""]
    assert fake_matcher[0]["settings"].decision.target_precision == 0.9


@pytest.mark.parametrize("precision", ["0", "1.01", "-1", "nan", "high"])
def test_a_target_precision_that_is_no_share_is_wrong_use(command: Command, folder: Any, precision: str) -> None:
    done = command("match", folder.source, folder.reference, "-o", folder.out, "--target-precision", precision)
    assert done.code == 2
    assert "--target-precision" in done.err
    assert not folder.out.exists()


@pytest.mark.parametrize("option", ["--labels", "--schema"])
def test_a_model_goes_with_neither_labels_nor_schema(command: Command, folder: Any, option: str) -> None:
    done = command("match", folder.source, folder.reference, "-o", folder.out, "--model", "m", option, folder.labels)
    assert done.code == 2
    assert option in done.err


def test_sending_all_to_ditto_needs_a_model(command: Command, folder: Any) -> None:
    done = command("match", folder.source, folder.reference, "-o", folder.out, "--no-cascade")
    assert done.code == 2
    assert "--no-cascade" in done.err
    assert "--model" in done.err
    assert not folder.out.exists()


SOURCE = "source_id,name,city\nS1,Siemens AG,\n"
REFERENCE = "entity_id,name,city\nE1,Siemens AG,Munich\n"
BAD_INPUT = {
    "missing file": ({"source.csv": None}, "source.csv: there is no such file"),
    "empty file": ({"source.csv": ""}, "source.csv: the file is empty"),
    "header only": ({"source.csv": "source_id,name\n"}, "source.csv: there is a header, but no row"),
    "ragged row": ({"source.csv": SOURCE + "S2,a,b,c\n"}, "source.csv: line 3: expected 3 fields, found 4"),
    "same column twice": ({"reference.csv": "id,name,name\n1,a,b\n"}, "columns 2 and 3 of the header"),
    "NUL byte": ({"source.csv": "source_id,name\n1,a\0b\n" + SOURCE * 9}, "line 2: there is a NUL byte"),
    "binary file": ({"source.csv": "\1\0\2\0\3" * 200}, "expected text, but the file is binary"),
    "duplicate key in the reference": (
        {"reference.csv": REFERENCE + "".join(f"E{n},x,\n" for n in range(2, 40)) + "E9,y,\n"},
        "column 'entity_id': the key 'E9' is there twice, in rows 9 and 40",
    ),
    "duplicate key in the source": (
        {"source.csv": SOURCE + "S1,b,\n", "schema.yml": "{key: {source: source_id}, attributes: {name: name}}"},
        "column 'source_id': the key 'S1' is there twice, in rows 1 and 2",
    ),
    "empty key": (
        {"source.csv": SOURCE + ",b,\n", "schema.yml": "{key: {source: source_id}, attributes: {name: name}}"},
        "row 2, column 'source_id': the key is empty",
    ),
    "no common column": ({"source.csv": "height,width\n1,2\n"}, "no column in common"),
    "schema that names a missing column": (
        {"schema.yml": "attributes: {company: name, city: category}"},
        "the schema names the column 'company', which the source table does not have",
    ),
    "schema with a wrong kind": ({"schema.yml": "attributes: {name: nonsense}"}, "attributes.name.kind"),
    "swapped tables": (
        {"schema.yml": "{key: {source: entity_id, reference: source_id}, attributes: {name: name}}"},
        "source and reference seem to be swapped",
    ),
    "swapped labels": ({"labels.csv": "source_id,entity_id\nE1,S1\n"}, "source and reference seem to be swapped"),
    "labels that contradict each other": (
        {"labels.csv": "source_id,entity_id\nS1,E1\nS1,\n"},
        "'S1' is 'E1' in row 1 and '' in row 2",
    ),
    "labels of unknown records": (
        {"labels.csv": "source_id,entity_id\nS1,E1\nS2,E1\nS3,E1\n", "source.csv": SOURCE + "S2,b,\n"},
        "1 of 3 labels name a source record that is not there: 'S3'",
    ),
}


@pytest.mark.parametrize(("files", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_gets_one_clear_error_and_leaves_no_file(
    command: Command, folder: Any, files: dict[str, str | None], message: str
) -> None:
    folder.write("source.csv", SOURCE)
    folder.write("reference.csv", REFERENCE)
    for name, text in files.items():
        if text is None:
            (folder.path / name).unlink()
        else:
            folder.write(name, text)
    options = [("--schema", folder.path / "schema.yml")] if "schema.yml" in files else []
    options += [("--labels", folder.labels)] if "labels.csv" in files else []
    done = command(
        "match", folder.source, folder.reference, "-o", folder.out, *(part for pair in options for part in pair)
    )
    assert done.code == 1
    assert message in done.err
    assert done.err.count("Error:") == 1
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not folder.out.exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("nowhere/out.csv", "is not there. Make it first"),
        ("out.docx", "unknown extension '.docx'"),
        ("source.csv", "is also an input"),
        ("labels.csv", "is also an input"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_at_once(
    command: Command, folder: Any, out: str, message: str
) -> None:
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    done = command("match", folder.source, folder.reference, "-o", folder.path / out, "--labels", folder.labels)
    assert done.code == 1
    assert message in done.err
    assert {path: path.read_bytes() for path in folder.path.iterdir()} == before


def test_a_table_that_excel_cannot_hold_is_refused_before_the_work(
    command: Command, folder: Any, fake_matcher: list[dict[str, Any]]
) -> None:
    folder.write("source.csv", f"source_id,name\nS1,{'x' * 40_000}\n")
    done = command("match", folder.source, folder.reference, "-o", folder.path / "out.xlsx")
    assert done.code == 1
    assert "a cell of Excel holds 32,767 characters" in done.err
    assert fake_matcher == []


def test_an_all_empty_column_is_ignored_with_a_warning(
    command: Command, folder: Any, fake_matcher: list[dict[str, Any]]
) -> None:
    folder.write("source.csv", "source_id,name,city\nS1,Siemens AG,\nS2,BP, \n")
    done = command("match", folder.source, folder.reference, "-o", folder.out)
    assert done.code == 0
    assert "Warning: " in done.err
    assert "column 'city' is empty; the attribute 'city' is ignored" in done.err
    assert [attribute.name for attribute in fake_matcher[0]["schema"].attributes] == ["name"]


def test_one_column_and_one_row_are_enough(command: Command, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("customer\nSiemens AG\n")
    (tmp_path / "r.csv").write_text("company\nSiemens AG\n")
    done = command("match", tmp_path / "s.csv", tmp_path / "r.csv", "-o", tmp_path / "out.csv")
    assert done.code == 0, done.err
    assert read_table(tmp_path / "out.csv").select(["customer", "decision", "entity_id"]).to_pylist() == [
        {"customer": "Siemens AG", "decision": "match", "entity_id": "0"}
    ]
