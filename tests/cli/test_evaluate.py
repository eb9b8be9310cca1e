from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Command = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("fake_matcher")


def test_the_figures_are_shown_in_words(command: Command, folder: Any) -> None:
    done = command("evaluate", folder.source, folder.reference, "--labels", folder.labels)
    assert done.code == 0, done.err
    # S1 is matched rightly, S2 sent to review, S3 rightly matched to nothing
    lines = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in done.out.splitlines() if "│" in line}
    assert (lines["precision"], lines["recall"], lines["F1"], lines["review"]) == ("1.000", "0.500", "0.667", "0.333")
    assert lines["candidate recall @1"] == "1.000"
    assert "3 labelled records" in done.out


def test_json_has_every_figure(command: Command, folder: Any) -> None:
    done = command("evaluate", folder.source, folder.reference, "--labels", folder.labels, "--json")
    data = json.loads(done.out)
    assert data["recall"]["value"] == 0.5
    assert data["records"] == 3
    assert data["report"] is None
    assert {each["value"] for each in data["slices"]["city"]} >= {"Munich"}


def test_all_candidates_are_listed_so_that_their_recall_can_be_told(
    command: Command, folder: Any, fake_matcher: list[dict[str, Any]]
) -> None:
    command("evaluate", folder.source, folder.reference, "--labels", folder.labels)
    assert fake_matcher[0]["settings"].decision.listed == fake_matcher[0]["settings"].search.limit


def test_the_report_is_written(command: Command, folder: Any) -> None:
    report = folder.path / "report.html"
    done = command("evaluate", folder.source, folder.reference, "--labels", folder.labels, "--report", report)
    assert done.code == 0, done.err
    assert "<html" in report.read_text(encoding="utf-8")
    assert str(report) in done.out


def test_a_report_that_cannot_be_written_is_refused_at_once(
    command: Command, folder: Any, fake_matcher: list[dict[str, Any]]
) -> None:
    report = folder.path / "nowhere" / "report.html"
    done = command("evaluate", folder.source, folder.reference, "--labels", folder.labels, "--report", report)
    assert done.code == 1
    assert "is not there. Make it first" in done.err
    assert fake_matcher == []


def test_labels_are_needed(command: Command, folder: Any) -> None:
    done = command("evaluate", folder.source, folder.reference)
    assert done.code == 2
    assert "--labels" in done.err


def test_a_model_goes_without_a_schema(command: Command, folder: Any) -> None:
    done = command("evaluate", folder.source, folder.reference, "--labels", folder.labels, "--model", "m",
                   "--schema", "s.yml")  # fmt: skip
    assert done.code == 2
    assert "--schema" in done.err
