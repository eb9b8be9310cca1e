"""MLflow opened: quietly, without a trace, and with errors in words."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entity_matching.errors import EntityMatchingError, OptionalDependencyError
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry import client
from entity_matching.registry.client import open_client
from entity_matching.registry.location import RegistryLocation

OPEN = """
import sys
from pathlib import Path
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.versions import Versions
with Versions.open(LakehouseSettings(home=Path(sys.argv[1]))) as versions:
    versions.client.create_experiment("x")
    assert versions.all() == []
"""


def location_of(home: Path) -> RegistryLocation:
    return RegistryLocation.of(LakehouseSettings(home=home))


def test_a_new_registry_is_made_without_a_word_in_a_home_of_any_name(tmp_path: Path) -> None:
    home = tmp_path / "a?b %20 #ü"
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(home)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.relative_to(home).as_posix() for path in home.rglob("*")] == ["mlflow", "mlflow/mlflow.db"]
    assert [path.name for path in tmp_path.iterdir()] == [home.name]


def test_what_mlflow_was_set_to_is_as_before(tmp_path: Path, give_registry: Callable[[Path], None]) -> None:
    import mlflow  # noqa: PLC0415
    from mlflow.tracking._tracking_service import utils as tracking  # noqa: PLC0415

    give_registry(tmp_path)
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_DISABLE_TELEMETRY", "MLFLOW_HTTP_REQUEST_TIMEOUT")
    before = [os.environ.get(name) for name in names], tracking._tracking_uri, logging.getLogger("mlflow").level
    with open_client(location_of(tmp_path)):
        assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == location_of(tmp_path).tracking_uri
    after = [os.environ.get(name) for name in names], tracking._tracking_uri, logging.getLogger("mlflow").level
    assert after == before


def test_a_registry_that_another_process_holds_is_an_error_in_words(
    tmp_path: Path, give_registry: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_registry(tmp_path)
    monkeypatch.setattr(client, "PATIENCE", 0.05)
    location = location_of(tmp_path)
    other = sqlite3.connect(str(location.database), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with (
        pytest.raises(EntityMatchingError, match=r"mlflow\.db is in use by another process\. Wait"),
        open_client(location),
    ):
        pass
    other.close()
    with open_client(location) as opened:
        assert opened.search_registered_models() == []


def test_a_registry_that_is_no_database_is_an_error_in_words(tmp_path: Path) -> None:
    location = location_of(tmp_path)
    assert location.database is not None
    location.database.parent.mkdir()
    location.database.write_bytes(b"not SQLite at all" * 100)
    with pytest.raises(EntityMatchingError, match="is damaged.*Restore it from a copy"), open_client(location):
        pass


def test_a_registry_of_another_mlflow_is_an_error_in_words(
    tmp_path: Path, give_registry: Callable[[Path], None]
) -> None:
    give_registry(tmp_path)
    location = location_of(tmp_path)
    with sqlite3.connect(str(location.database)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    database.close()
    with (
        pytest.raises(EntityMatchingError, match="written by another version of MLflow"),
        open_client(location) as opened,
    ):
        opened.search_registered_models()


def test_a_workspace_that_cannot_be_reached_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {
        "DATABRICKS_HOST": f"http://127.0.0.1:{port}",
        "DATABRICKS_TOKEN": "secret-token",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
        "MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    location = RegistryLocation.of(LakehouseSettings(target="databricks"))
    with (
        pytest.raises(EntityMatchingError, match="cannot be reached.*--model VERSION") as found,
        open_client(location) as opened,
    ):
        opened.get_model_version_by_alias(location.model, "champion")
    assert "secret-token" not in str(found.value)


def test_without_mlflow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(OptionalDependencyError, match=r"entity-matching\[local\]"), open_client(location_of(tmp_path)):
        pass


def test_what_mlflow_refuses_is_passed_on_in_short(tmp_path: Path, give_registry: Callable[[Path], None]) -> None:
    give_registry(tmp_path)

    refused = pytest.raises(EntityMatchingError, match="could not do it: .*a/b")
    with refused, open_client(location_of(tmp_path)) as opened:
        opened.create_registered_model("a/b")
