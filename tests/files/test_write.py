from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.errors import OutputError
from entity_matching.files import check_output, read_table, write_table
from entity_matching.files.write import replacing

CANDIDATES = [[{"entity_id": "C1", "confidence": 0.98}, {"entity_id": "C2", "confidence": 0.4}], []]
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


@pytest.mark.parametrize(
    "extension", ["csv", "tsv", "txt", "csv.gz", "tsv.gz", "parquet", "jsonl", "ndjson", "jsonl.gz"]
)
def test_what_is_written_is_read_back(tmp_path: Path, extension: str) -> None:
    table = pa.table({"id": ["000123", "2"], "name": ['=1+1 "q", \r x\n', "-ä漢😀"], "note": ["", "@a"]})
    write_table(table, tmp_path / f"a.{extension}")
    assert read_table(tmp_path / f"a.{extension}").to_pydict() == table.to_pydict()


@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_any_text_survives_csv(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    table = pa.table({"left": [left for left, _ in rows], "right": [right for _, right in rows]})
    write_table(table, path)
    assert read_table(path).to_pydict() == table.to_pydict()


@given(values=st.lists(CELL, min_size=1, max_size=5))
def test_any_text_survives_a_csv_of_one_column(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    write_table(pa.table({"name": values}), path)
    assert read_table(path).to_pydict() == {"name": values}


def test_candidates_are_json_in_csv_and_native_elsewhere(tmp_path: Path) -> None:
    table = pa.table({"id": ["a", "b"], "candidates": CANDIDATES})
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        write_table(table, tmp_path / name)
    assert read_table(tmp_path / "a.csv").column("candidates").to_pylist() == [
        '[{"entity_id":"C1","confidence":0.98},{"entity_id":"C2","confidence":0.4}]',
        "[]",
    ]
    assert read_table(tmp_path / "a.parquet").column("candidates").to_pylist() == CANDIDATES
    assert '"candidates": [{"entity_id": "C1", "confidence": 0.98}' in (tmp_path / "a.jsonl").read_text()


def test_nan_is_written_as_null_in_json_lines(tmp_path: Path) -> None:
    write_table(pa.table({"n": [float("nan"), 1.5]}), tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_text() == '{"n": null}\n{"n": 1.5}\n'


def test_ordinary_csv_has_no_needless_quotes(tmp_path: Path) -> None:
    write_table(pa.table({"id": ["1"], "name": ["Foo, Inc."], "confidence": [0.5], "none": [None]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b'id,name,confidence,none\n1,"Foo, Inc.",0.5,\n'


def test_two_writes_give_the_same_bytes(tmp_path: Path) -> None:
    table = pa.table({"id": ["1"]})
    for name in ("a.csv.gz", "b.csv.gz"):
        write_table(table, tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_a_file_that_was_there_is_replaced_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    path.chmod(0o640)
    write_table(pa.table({"id": ["1"]}), path)
    assert path.read_text() == "id\n1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write_table(pa.table({"id": ["1"]}), tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "id\n1\n"


FILL_THE_DISK = """
import hashlib, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import pyarrow as pa
from entity_matching.errors import OutputError
from entity_matching.files import write_table
try:
    table = pa.table({"id": [hashlib.sha256(bytes([n % 256, n // 256])).hexdigest() for n in range(5000)]})
    write_table(table, sys.argv[1])
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("extension", ["csv", "csv.gz", "parquet", "jsonl", "xlsx"])
def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FILL_THE_DISK, str(path)], capture_output=True, text=True, check=False)
    assert "could not be written: the disk is full" in done.stdout, done.stderr
    assert done.stderr == ""
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


DIE_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from entity_matching.files.write import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half a ta")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("before", ["old", None])
def test_a_killed_process_leaves_the_old_file_or_none(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "a.csv"
    if before is not None:
        path.write_text(before)
    done = subprocess.run([sys.executable, "-c", DIE_WHILE_WRITING, str(path)], capture_output=True, check=False)
    assert done.returncode == -9
    assert (path.read_text() if path.exists() else None) == before


def test_two_runs_at_once_leave_one_whole_file_the_later_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with replacing(path) as first:
        first.write(b"first ")
        with replacing(path) as second:
            second.write(b"second ")
            first.write(b"and whole")
            second.write(b"and whole")
        assert path.read_text() == "second and whole"
    assert path.read_text() == "first and whole"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_table(pa.table({"name": ["x" * 40_000]}), tmp_path / "a.xlsx")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("a.docx", r"unknown extension '\.docx'"),
        ("a.xls", r"only a whole \.xlsx file can be written"),
        ("a.xlsx#Sheet2", r"only a whole \.xlsx file can be written"),
        ("nowhere/a.csv", "The folder .*nowhere.* is not there. Make it first: mkdir -p"),
        ("folder.csv", "is a folder; expected a file to write"),
        ("source.csv", "is also an input, and would be overwritten"),
        ("./link.csv", "is also an input, and would be overwritten"),
        ("book.xlsx", "is also an input, and would be overwritten"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(tmp_path: Path, out: str, message: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "source.csv").write_text("id\n1\n")
    (tmp_path / "link.csv").symlink_to("source.csv")
    inputs = [str(tmp_path / "source.csv"), f"{tmp_path / 'book.xlsx'}#Sheet1"]
    with pytest.raises(OutputError, match=message):
        check_output(tmp_path / out, inputs)


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_args, **_options: False)
    with pytest.raises(OutputError, match="may not be written to by this user"):
        check_output(tmp_path / "a.csv")


WRITE_OFTEN = """
import sys
import pyarrow as pa
from entity_matching.files import write_table
table = pa.table({"id": [sys.argv[2]] * 20_000})
for _ in range(20):
    write_table(table, sys.argv[1])
"""


def test_two_runs_at_once_leave_the_whole_of_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    runs = [subprocess.Popen([sys.executable, "-c", WRITE_OFTEN, str(path), letter]) for letter in "AB"]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    values = read_table(path).column("id").to_pylist()
    assert len(values) == 20_000
    assert len(set(values)) == 1
    assert list(tmp_path.iterdir()) == [path]
