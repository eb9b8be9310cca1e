"""The commands with the real matcher, on a small part of the example data and with few trees."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import entity_matching.cli.inputs
from entity_matching.config import DecisionSettings, MatcherSettings, ScorerSettings
from entity_matching.files import read_table
from entity_matching.matcher import Matcher

Command = Callable[..., Any]
EXAMPLE = Path(__file__).parents[2] / "examples" / "companies"


def _quick(target_precision: float | None, *, listed: int | None = None) -> MatcherSettings:
    decision = DecisionSettings(target_precision=target_precision or 0.98, listed=listed or 5)
    return MatcherSettings(
        scorer=ScorerSettings(trees=40, folds=2, synthetic_records=150, threads=1), decision=decision
    )


@pytest.fixture(autouse=True)
def _quick_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entity_matching.cli.inputs, "settings_for", _quick)


@dataclass(frozen=True)
class Example:
    """Files with a part of the example."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        """Return the path of a file."""
        return self.folder / f"{name}.csv"


def _rows(name: str) -> list[dict[str, str]]:
    with (EXAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    folder = tmp_path_factory.mktemp("example")
    labels, held = _rows("labels.csv")[:60], _rows("heldout.csv")[:40]
    wanted = {row["source_id"] for row in labels + held}
    companies = {row["company_id"] for row in labels + held}
    _write(folder / "source.csv", [row for row in _rows("source.csv") if row["source_id"] in wanted])
    reference = [row for n, row in enumerate(_rows("reference.csv")) if row["company_id"] in companies or n % 20 == 0]
    _write(folder / "reference.csv", reference)
    _write(folder / "labels.csv", labels)
    _write(folder / "held.csv", held)
    return Example(folder)


@pytest.fixture(scope="module")
def model(example: Example) -> Iterator[Path]:
    labels = read_table(example.labels).rename_columns(["source_key", "reference_key"])
    matcher = Matcher.train(read_table(example.source), read_table(example.reference), labels, settings=_quick(None))
    matcher.save(example.folder / "model")
    yield example.folder / "model"


def _share_right(out: Path, example: Example) -> float:
    truth = {row["source_id"]: row["company_id"] for row in csv.DictReader(example.held.open(encoding="utf-8"))}
    rows: list[dict[str, Any]] = [row for row in read_table(out).to_pylist() if row["source_id"] in truth]
    assert len(rows) == len(truth)
    right: int = sum((row["entity_id"] or "") == truth[row["source_id"]] for row in rows)
    return right / len(rows)


def test_two_tables_are_enough(command: Command, example: Example, tmp_path: Path) -> None:
    done = command("match", example.source, example.reference, "-o", tmp_path / "out.csv")
    assert done.code == 0, done.err
    table = read_table(tmp_path / "out.csv")
    assert table.select(read_table(example.source).column_names).equals(read_table(example.source))
    assert _share_right(tmp_path / "out.csv", example) > 0.8
    assert all(table.column("reason").to_pylist())
    assert all(len(value.partition(".")[2]) <= 6 for value in table.column("confidence").to_pylist())


def test_a_model_trained_by_the_command_matches_the_same_way(
    command: Command, example: Example, tmp_path: Path
) -> None:
    done = command("train", example.source, example.reference, "--labels", example.labels, "-o", tmp_path / "model",
                   "--json")  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads(done.out)["labels"] == 60
    done = command("match", example.source, example.reference, "--model", tmp_path / "model", "-o",
                   tmp_path / "out.parquet")  # fmt: skip
    assert done.code == 0, done.err
    assert _share_right(tmp_path / "out.parquet", example) > 0.8
    candidates = read_table(tmp_path / "out.parquet").schema.field("candidates").type
    assert candidates.value_type.names == ["entity_id", "confidence"]


def test_a_lower_target_precision_accepts_no_fewer(
    command: Command, example: Example, model: Path, tmp_path: Path
) -> None:
    accepted = []
    for precision in ("0.5", "1.0"):
        done = command("match", example.source, example.reference, "--model", model, "-o", tmp_path / "out.csv",
                       "--target-precision", precision, "--json")  # fmt: skip
        assert done.code == 0, done.err
        accepted.append(json.loads(done.out)["decisions"]["match"])
    assert accepted[0] >= accepted[1]


def test_entities_the_model_has_seen_are_measured_apart(command: Command, example: Example, model: Path) -> None:
    done = command("evaluate", example.source, example.reference, "--labels", example.labels, "--model", model)
    assert done.code == 0, done.err
    assert "F1, entity seen in training" in done.out
    data = json.loads(
        command("evaluate", example.source, example.reference, "--labels", example.held, "--model", model, "--json").out
    )
    assert "not seen" in {part["value"] for part in data["slices"]["entity"]}


def test_a_model_is_evaluated_on_labels_it_has_not_seen(
    command: Command, example: Example, model: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    done = command("evaluate", example.source, example.reference, "--labels", example.held, "--model", model,
                   "--report", report, "--json")  # fmt: skip
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["records"] == 40
    assert data["f1"]["value"] > 0.8
    assert "<html" in report.read_text(encoding="utf-8")


def test_without_a_model_the_labels_are_split(command: Command, example: Example) -> None:
    done = command("evaluate", example.source, example.reference, "--labels", example.labels, "--json")
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["records"] == 60
    assert data["f1"]["value"] > 0.8
    assert data["details"]["protocol"] == "cross-validated by entity"


def test_a_model_is_described(command: Command, model: Path) -> None:
    assert "thresholds:" in command("describe", model).out
    assert json.loads(command("describe", model, "--json").out)["schema"]["entity"] == "company"


def test_a_model_is_replaced_but_nothing_else(command: Command, example: Example, model: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    arguments = ("train", example.source, example.reference, "--labels", example.labels, "-o")
    done = command(*arguments, tmp_path / "full")
    assert done.code == 1
    assert "is not empty, and what is in it is no model" in done.err
    before = (model / "model.json").stat().st_mtime_ns
    assert command(*arguments, model).code == 0
    assert (model / "model.json").stat().st_mtime_ns > before


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_a_model_is_named(command: Command, example: Example, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    done = command("match", example.source, example.reference, "--model", tmp_path / name, "-o", tmp_path / "out.csv")
    assert done.code == 1
    assert f"no model in {tmp_path / name}" in done.err
    assert not (tmp_path / "out.csv").exists()


def test_a_model_trained_on_other_columns_says_which_is_missing(
    command: Command, example: Example, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.csv").write_text("source_id,title\nS1,a book\n")
    done = command("match", tmp_path / "other.csv", example.reference, "--model", model, "-o", tmp_path / "out.csv")
    assert done.code == 1
    assert "The model was trained on other columns." in done.err
    assert "Its columns are: source_id, title" in done.err
    assert "train a model for these" in done.err
    assert not (tmp_path / "out.csv").exists()


def test_the_python_functions_take_what_the_files_hold(example: Example, model: Path) -> None:
    source, reference = read_table(example.source).slice(0, 5), read_table(example.reference)
    result = Matcher.load(model).match(source, reference)
    assert isinstance(result, pa.Table)
    assert result.column("source_key").to_pylist() == source.column("source_id").to_pylist()


def test_one_column_and_one_row_are_enough(command: Command, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("customer\nSiemens AG\n")
    (tmp_path / "r.csv").write_text("company\nSiemens AG\n")
    done = command("match", tmp_path / "s.csv", tmp_path / "r.csv", "-o", tmp_path / "out.csv")
    assert done.code == 0, done.err
    assert read_table(tmp_path / "out.csv").select(["decision", "entity_id", "method"]).to_pylist() == [
        {"decision": "match", "entity_id": "0", "method": "exact_name"}
    ]
