from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entity_matching.errors import ArtifactError
from entity_matching.jobs import loaded
from entity_matching.jobs.loaded import loaded_matcher, loaded_reference
from entity_matching.matcher import Matcher
from entity_matching.matcher.reference import Reference

if TYPE_CHECKING:
    from tests.jobs.conftest import Companies


@pytest.fixture
def folder(companies: Companies, plain_matcher: Matcher, tmp_path: Path) -> Path:
    plain_matcher.save(tmp_path / "model")
    plain_matcher.prepare(companies.reference.slice(0, 50)).save(tmp_path / "reference")
    return tmp_path


def test_partitions_that_ask_at_once_read_the_files_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    load = Reference.load

    def slowly(path: Any) -> Reference:
        reads.append(path)
        time.sleep(0.1)
        return load(path)

    monkeypatch.setattr(Reference, "load", slowly)
    found: list[Reference] = []
    threads = [threading.Thread(target=lambda: found.append(loaded_reference(folder / "reference"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert all(one is found[0] for one in found)


def test_what_was_written_again_is_read_again(folder: Path, companies: Companies, plain_matcher: Matcher) -> None:
    before = loaded_matcher(folder / "model"), loaded_reference(folder / "reference")
    assert loaded_matcher(folder / "model") is before[0]
    plain_matcher.with_target_precision(0.7).save(folder / "model")
    plain_matcher.prepare(companies.reference.slice(0, 60)).save(folder / "reference")
    assert loaded_matcher(folder / "model").settings.decision.target_precision == 0.7
    assert loaded_reference(folder / "reference").table.num_rows == 60


def test_a_model_without_ditto_cannot_send_all_to_it(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="needs a model with Ditto"):
        loaded_matcher(folder / "model", cascade=False)


def test_what_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no model\.json"):
        loaded.loaded_matcher(tmp_path)
    with pytest.raises(ArtifactError, match="not there"):
        loaded.loaded_reference(tmp_path)
