"""A registry of a test's own: a copy of the one with two versions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registering import Register

from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.versions import Versions


@pytest.fixture(scope="session")
def register(tmp_path_factory: pytest.TempPathFactory) -> Register:
    return Register(tmp_path_factory.mktemp("register"))


@pytest.fixture
def settings(two_versions: Path, tmp_path: Path) -> LakehouseSettings:
    """Return settings of a home of the test's own, with a copy of the registry."""
    shutil.copytree(two_versions, tmp_path / "home")
    return LakehouseSettings(home=tmp_path / "home")


@pytest.fixture
def versions(settings: LakehouseSettings) -> Iterator[Versions]:
    with Versions.open(settings) as opened:
        yield opened
