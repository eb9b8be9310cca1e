"""On Databricks: MLflow's own client of Unity Catalog, with the workspace's answers made up here."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.registering import NOW

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import models
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.checksums import CHECKSUMS
from entity_matching.registry.location import RegistryLocation
from entity_matching.registry.versions import Versions

if TYPE_CHECKING:
    from tests.registering import Register

MODEL = "sales.models.entity_matching_ditto"


@dataclass
class Workspace:
    """A registry of Unity Catalog in memory, asked as MLflow asks; ``uploaded``: the files of each version."""

    uploaded: Path
    asked: list[str] = field(default_factory=list)
    versions: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    made: bool = False

    def answer(self, request: type, body: str, response: Any) -> Any:
        """Answer a request as the REST API would."""
        parse = importlib.import_module("google.protobuf.json_format").Parse
        message: Any = parse(body, request())
        name = request.__name__.removesuffix("Request")
        self.asked.append(name)
        told = getattr(message, "full_name", None) or getattr(message, "name", None) or MODEL
        assert told == MODEL  # every request is about our model, by its name of three levels
        getattr(self, f"_{name}")(message, response)
        return response

    def _CreateRegisteredModel(self, _message: Any, response: Any) -> None:  # noqa: N802
        if self.made:
            self._missing("RESOURCE_ALREADY_EXISTS")
        self.made = True
        response.registered_model.name = MODEL

    def _GetRegisteredModel(self, _message: Any, response: Any) -> None:  # noqa: N802
        response.registered_model.name = MODEL
        for key, value in self.tags.items():
            response.registered_model.tags.add(key=key, value=value)

    def _SetRegisteredModelTag(self, message: Any, _response: Any) -> None:  # noqa: N802
        self.tags[message.key] = message.value

    def _CreateModelVersion(self, message: Any, response: Any) -> None:  # noqa: N802
        number = str(len(self.versions) + 1)
        made = response.model_version
        made.name, made.version, made.run_id, made.status = MODEL, number, message.run_id, 1
        made.storage_location = f"s3://bucket/{number}"
        made.creation_timestamp = 1_700_000_000_000
        for tag in message.tags:
            made.tags.add(key=tag.key, value=tag.value)
        self.versions[number] = made

    def _FinalizeModelVersion(self, message: Any, response: Any) -> None:  # noqa: N802
        self.versions[message.version].status = 3
        response.model_version.CopyFrom(self.versions[message.version])

    def _GetModelVersion(self, message: Any, response: Any) -> None:  # noqa: N802
        if message.version not in self.versions:
            self._missing()
        found = response.model_version
        found.CopyFrom(self.versions[message.version])
        for alias, number in self.aliases.items():
            if number == message.version:
                found.aliases.add(alias=alias, version=number)

    def _GetModelVersionByAlias(self, message: Any, response: Any) -> None:  # noqa: N802
        if message.alias not in self.aliases:
            self._missing()
        self._GetModelVersion(_Wanted(self.aliases[message.alias]), response)

    def _SearchModelVersions(self, message: Any, response: Any) -> None:  # noqa: N802
        assert message.filter == f"name = '{MODEL}'"
        for number in self.versions:
            response.model_versions.add(name=MODEL, version=number)  # neither tags nor aliases, as there

    def _SetModelVersionTag(self, message: Any, _response: Any) -> None:  # noqa: N802
        self.versions[message.version].tags.add(key=message.key, value=message.value)

    def _SetRegisteredModelAlias(self, message: Any, _response: Any) -> None:  # noqa: N802
        self.aliases[message.alias] = message.version

    def _DeleteRegisteredModelAlias(self, message: Any, _response: Any) -> None:  # noqa: N802
        del self.aliases[message.alias]

    @staticmethod
    def _missing(code: str = "RESOURCE_DOES_NOT_EXIST") -> None:
        from mlflow.exceptions import RestException  # noqa: PLC0415

        raise RestException({"error_code": code, "message": "no"})  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Wanted:
    version: str


@dataclass(frozen=True)
class Uploads:
    """Where the files of one version go."""

    folder: Path

    def log_artifacts(self, local_dir: str, **_how: Any) -> None:
        """Take files."""
        shutil.copytree(local_dir, self.folder)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, give_registry: Callable[[Path], None]) -> Workspace:
    """Stand in for a workspace: its registry is made up; runs are logged in a local database instead of its own."""
    from mlflow.store._unity_catalog.registry.rest_store import UcModelRegistryStore  # noqa: PLC0415

    made = Workspace(tmp_path / "uploaded")

    def ask(store: Any, api: type, body: str, *_more: Any, **_given: Any) -> Any:
        return made.answer(api, body, store._get_response_from_method(api))

    def upload(_store: Any, version: Any, *_given: Any, **_more: Any) -> Uploads:
        return Uploads(made.uploaded / version.version)

    monkeypatch.setattr(UcModelRegistryStore, "_call_endpoint", ask)
    monkeypatch.setattr(UcModelRegistryStore, "_get_artifact_repo", upload)
    monkeypatch.setattr(UcModelRegistryStore, "_get_run_and_headers", lambda *_: (None, None))
    give_registry(tmp_path)
    local = RegistryLocation.of(LakehouseSettings(home=tmp_path))
    plain = RegistryLocation.of.__func__  # type: ignore[attr-defined]

    def of(kind: type[RegistryLocation], settings: LakehouseSettings) -> RegistryLocation:
        found: RegistryLocation = plain(kind, settings)
        assert (found.tracking_uri, found.registry_uri) == ("databricks", "databricks-uc")
        return replace(found, tracking_uri=local.tracking_uri, experiment="sales")

    monkeypatch.setattr(RegistryLocation, "of", classmethod(of))
    monkeypatch.chdir(tmp_path)  # where runs keep files that have no place of their own
    return made


@pytest.fixture
def settings(tmp_path: Path) -> LakehouseSettings:
    return LakehouseSettings(catalog="sales", target="databricks", volume=tmp_path / "volume", home=tmp_path)


def test_versions_are_registered_promoted_and_rolled_back_in_unity_catalog(
    workspace: Workspace, settings: LakehouseSettings, register: Register
) -> None:
    with Versions.open(settings) as versions:
        numbers = [register(versions, text) for text in ("first", "second")]
        assert numbers == ["1", "2"]
        assert [version.number for version in versions.all()] == ["2", "1"]
        assert {version.state for version in versions.all()} == {"ready"}
        found = versions.by_fingerprint("first")
        assert found is not None and found.number == "1"
        assert versions.promote("1", by="ann", at=NOW) is None
        versions.challenge("2", {"verdict": "refused"})
        assert workspace.aliases == {"champion": "1", "challenger": "2"}
        assert versions.promote("2", by="ann", at=NOW) == "1"
        assert workspace.aliases == {"champion": "2"}
        assert versions.rollback(by="bea", at=NOW) == ("2", "1")
    assert workspace.aliases == {"champion": "1"}
    assert workspace.tags == {"champions": "1"}
    # Unity Catalog takes no other characters in the name of a tag
    names = {tag.key for version in workspace.versions.values() for tag in version.tags}
    assert all(name.replace("_", "").isalnum() for name in names)


def test_a_model_without_a_signature_is_refused(
    workspace: Workspace, settings: LakehouseSettings, register: Register
) -> None:
    from entity_matching.registry.tracking import TrainingRecord, log_and_register  # noqa: PLC0415

    given, checksum = register.model("first", signed=False)
    refused = pytest.raises(EntityMatchingError, match="did not contain any signature")
    with refused, Versions.open(settings) as versions:
        log_and_register(versions, TrainingRecord("first", {}), given, checksum)
    assert workspace.versions == {}


def test_jobs_ask_the_workspace_for_the_champion_each_time(
    workspace: Workspace, settings: LakehouseSettings, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow  # noqa: PLC0415

    plain = mlflow.artifacts.download_artifacts

    def download(artifact_uri: str, dst_path: str | None = None, **more: Any) -> str:
        if not artifact_uri.startswith(f"models:/{MODEL}/"):
            return str(plain(artifact_uri, dst_path=dst_path, **more))
        assert dst_path is not None
        return str(shutil.copytree(workspace.uploaded / artifact_uri.rpartition("/")[2], Path(dst_path) / "model"))

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    with Versions.open(settings) as versions:
        for text in ("first", "second"):
            versions.promote(register(versions, text), by="ann", at=NOW)
    folder = models.model_folder(settings)
    assert folder == settings.artifacts / "models" / "2" and (folder / CHECKSUMS).is_file()
    with Versions.open(settings) as versions:
        versions.rollback(by="ann", at=NOW)
    assert models.current(settings) == "1"
    assert models.model_folder(settings, f"models:/{MODEL}@champion").name == "1"
    before = len(workspace.asked)
    models.model_folder(settings, "2")  # it is there, and whole
    assert len(workspace.asked) == before
