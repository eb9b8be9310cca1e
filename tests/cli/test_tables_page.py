"""The statements that docs/tables.md shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import MATCHED_ENTITIES
from entity_matching.lakehouse.writes import merge

pytestmark = pytest.mark.spark

Command = Callable[..., Any]
PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
SHOWN = [shlex.split(text, comments=True) for text in re.findall(r'^entity-matching sql [^"]*"[^"]*"', BLOCKS, re.M)]
CANDIDATES = pa.list_(pa.struct([("entity_id", pa.string()), ("confidence", pa.float64())]))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with a decision."""
    folder = tmp_path_factory.mktemp("home")
    with open_lakehouse(LakehouseSettings(home=folder)) as lake:
        lake.create()
        now = datetime.now(UTC)
        merge(lake, MATCHED_ENTITIES, lake.frame(pa.table({
            "source_system": ["crm"], "source_id": ["S000041"], "decision": ["match"], "entity_id": ["E1"],
            "confidence": [0.9], "method": ["scored"], "reason": ["names agree"],
            "candidates": pa.array([[]], CANDIDATES), "version": pa.array([1], pa.int32()), "content_hash": ["h"],
            "reference_version": ["r"], "model_version": ["m"], "run_id": ["run"],
            "matched_at": pa.array([now], pa.timestamp("us", "UTC")),
        })))  # fmt: skip
    return folder


def test_there_are_some() -> None:
    assert len(SHOWN) > 10
    assert any("--write" in words for words in SHOWN)


@pytest.mark.parametrize("words", SHOWN, ids=lambda words: words[-1][:40])
def test_a_statement_of_the_page_works(command: Command, home: Path, words: list[str]) -> None:
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"  # the home is younger than the days of the page
    asked = [word.replace("2026-11-17 08:00:00", now).replace(" - INTERVAL 7 DAYS", "") for word in words[1:]]
    done = command(*asked, "--home", home)
    assert done.code == 0, done.err
