"""Registered versions: in force, gone back to, fetched."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.registering import NOW

from entity_matching.errors import ArtifactError, EntityMatchingError
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.versions import Versions, shortened

if TYPE_CHECKING:
    from tests.registering import Register


def champion(versions: Versions) -> str | None:
    found = versions.by_alias("champion")
    return None if found is None else found.number


def test_versions_are_listed_with_what_is_known_of_them(versions: Versions) -> None:
    second, first = versions.all()
    assert (first.number, first.aliases, first.state) == ("1", ("champion",), "ready")
    assert first.tags["promoted_by"] == "ann"
    assert first.tags["promoted_at"] == "2026-05-04T03:02:01+00:00"
    assert first.tags["fingerprint"] == "first" and len(first.tags["checksum"]) == 64
    assert (second.number, second.aliases, second.tags["reason"]) == ("2", ("challenger",), "worse: F1 -0.1")
    assert versions.get("2") == second


def test_what_is_not_there_is_said(versions: Versions) -> None:
    assert versions.by_alias("nobody") is None
    with pytest.raises(EntityMatchingError, match="no version 9 of the model entity_matching.models"):
        versions.get("9")


def test_a_training_is_found_by_its_fingerprint(versions: Versions) -> None:
    found = versions.by_fingerprint("second")
    assert found is not None and found.number == "2"
    assert versions.by_fingerprint("third") is None


def test_a_promoted_version_is_in_force_and_no_challenger_any_more(versions: Versions) -> None:
    assert versions.promote("2", by="bea", at=NOW) == "1"
    assert champion(versions) == "2"
    assert versions.by_alias("challenger") is None
    assert versions.get("2").tags["promoted_by"] == "bea"
    assert versions.promote("2", by="cleo", at=NOW) == "2"
    assert versions.get("2").tags["promoted_by"] == "bea"  # nothing was done


def test_going_back_goes_back_one_by_one(versions: Versions, register: Register) -> None:
    versions.promote("2", by="bea", at=NOW)
    versions.promote(register(versions, "third"), by="bea", at=NOW)
    assert versions.rollback(by="cleo", at=NOW + timedelta(hours=1)) == ("3", "2")
    assert versions.get("3").tags["rolled_back_by"] == "cleo"
    assert versions.get("2").tags["restored_at"] == "2026-05-04T04:02:01+00:00"
    assert versions.rollback(by="cleo", at=NOW) == ("2", "1")
    with pytest.raises(EntityMatchingError, match="only version 1 ever was in force.*models promote"):
        versions.rollback(by="cleo", at=NOW)
    assert champion(versions) == "1"


def test_a_version_put_in_force_again_can_be_gone_back_from(versions: Versions) -> None:
    for number in ("2", "1"):
        versions.promote(number, by="bea", at=NOW)
    assert versions.rollback(by="bea", at=NOW) == ("1", "2")
    assert versions.rollback(by="bea", at=NOW) == ("2", "1")


def test_an_alias_that_was_moved_by_hand_is_taken_into_account(versions: Versions) -> None:
    versions.client.set_registered_model_alias(versions.location.model, "champion", "2")
    assert versions.rollback(by="bea", at=NOW) == ("2", "1")


def test_a_kill_between_history_and_alias_does_no_harm(versions: Versions) -> None:
    versions.client.set_registered_model_tag(versions.location.model, "champions", "1 2")  # and the alias not moved
    assert champion(versions) == "1"
    assert versions.promote("2", by="bea", at=NOW) == "1"
    assert versions.rollback(by="bea", at=NOW) == ("2", "1")
    with pytest.raises(EntityMatchingError, match="only version 1"):
        versions.rollback(by="bea", at=NOW)


def test_without_a_champion_there_is_nothing_to_go_back_from(versions: Versions) -> None:
    versions.client.delete_registered_model_alias(versions.location.model, "champion")
    with pytest.raises(EntityMatchingError, match="none was in force"):
        versions.rollback(by="bea", at=NOW)


def test_half_a_version_is_never_in_force(versions: Versions) -> None:
    whole = versions.get("2")
    versions.client.create_model_version(versions.location.model, whole.source, tags={"fingerprint": "half"})
    assert versions.get("3").state == "incomplete"
    assert versions.by_fingerprint("half") is None
    with pytest.raises(EntityMatchingError, match="Version 3 .* is incomplete"):
        versions.promote("3", by="bea", at=NOW)
    with pytest.raises(ArtifactError, match="never registered completely"):
        versions.fetch("3", Path("anywhere"))
    assert champion(versions) == "1"


def test_a_version_whose_files_are_gone_is_never_in_force(versions: Versions, tmp_path: Path) -> None:
    artifacts = versions.location.artifacts
    assert artifacts is not None
    shutil.rmtree(artifacts / "models")
    assert {version.state for version in versions.all()} == {"files missing"}
    with pytest.raises(EntityMatchingError, match="is files missing|files missing"):
        versions.promote("2", by="bea", at=NOW)
    with pytest.raises(ArtifactError, match="files of version 2 .* are missing"):
        versions.fetch("2", tmp_path / "2")
    assert not (tmp_path / "2").exists()


def test_a_version_is_fetched_whole_although_the_home_was_moved(versions: Versions, tmp_path: Path) -> None:
    versions.fetch("1", tmp_path / "1")
    assert (tmp_path / "1" / "model.json").read_text() == '{"text": "first"}'
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == ["checksums.json", "model.json", "training.json"]


def test_files_that_changed_in_the_registry_are_refused(versions: Versions, tmp_path: Path) -> None:
    artifacts = versions.location.artifacts
    assert artifacts is not None
    for path in artifacts.rglob("artifacts/model/model.json"):
        path.write_text("{}")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "old").write_text("kept")
    with pytest.raises(ArtifactError, match=r"model\.json is not as it was written"):
        versions.fetch("1", tmp_path / "1")
    assert (tmp_path / "1" / "old").read_text() == "kept"


def test_catalogs_of_one_home_have_models_of_their_own(settings: LakehouseSettings) -> None:
    with Versions.open(LakehouseSettings(home=settings.home, catalog="it's")) as others:
        assert others.all() == []


def test_a_long_reason_fits_into_a_tag(versions: Versions) -> None:
    versions.tag("1", {"reason": "x" * 1_000})
    assert versions.get("1").tags["reason"] == shortened("x" * 1_000)
    assert len(shortened("x" * 1_000)) == 256
