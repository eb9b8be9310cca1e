"""The registered versions of a model: which there are, which is in force, how that changes, and their files."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from entity_matching.errors import ArtifactError, EntityMatchingError
from entity_matching.lakehouse.settings import LakehouseSettings
from entity_matching.registry.checksums import CHECKSUMS, check_checksums
from entity_matching.registry.client import open_client
from entity_matching.registry.location import CHALLENGER, CHAMPION, RegistryLocation
from entity_matching.storage import replace_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

FINGERPRINT, CHECKSUM, VERDICT, REASON = "fingerprint", "checksum", "verdict", "reason"
"""Tags of a version: what it was trained on, the digest of its list of files, and what the gate said and why."""
CHAMPIONS = "champions"
"""Tag of the registered model: the versions that were in force, one after the other, that in force last."""
LONGEST_TAG = 256
"""Characters of a tag's value, which Unity Catalog limits."""
READY, INCOMPLETE, NO_FILES = "ready", "incomplete", "files missing"
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")
_PAGE = 100


@dataclass(frozen=True)
class Version:
    """One version. ``state``: ``ready``; or ``incomplete`` or ``files missing``, with which it cannot be used."""

    number: str
    state: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    run_id: str
    source: str
    registered_at: datetime


@dataclass(frozen=True)
class Versions:
    """The versions of one registered model. Errors of the registry are raised as :func:`open_client` says."""

    client: MlflowClient
    location: RegistryLocation

    @classmethod
    @contextmanager
    def open(cls, settings: LakehouseSettings) -> Iterator[Versions]:
        """Open the registry that belongs to a lakehouse."""
        location = RegistryLocation.of(settings)
        with open_client(location) as client:
            yield cls(client, location)

    def all(self) -> list[Version]:
        """Return every version, the newest first."""
        mark = '"' if "'" in self.location.model else "'"
        found, token = [], None
        while True:
            page = self.client.search_model_versions(
                f"name = {mark}{self.location.model}{mark}", max_results=_PAGE, page_token=token
            )
            found += [str(one.version) for one in page]
            token = page.token
            if not token:
                break
        # one by one, since Unity Catalog tells neither tags nor aliases in a search
        return [self.get(number) for number in sorted(found, key=int, reverse=True)]

    def get(self, number: str) -> Version:
        """Return a version.

        :raises EntityMatchingError: if it is not registered.
        """
        found = self._asked(lambda: self.client.get_model_version(self.location.model, number))
        if found is None:
            raise EntityMatchingError(
                f"There is no version {number} of the model {self.location.model}.",
                remedy="Versions there are: entity-matching models list",
            )
        return self._version(found)

    def by_alias(self, alias: str) -> Version | None:
        """Return the version of an alias; ``None`` if no version has it."""
        found = self._asked(lambda: self.client.get_model_version_by_alias(self.location.model, alias))
        return None if found is None else self._version(found)

    def by_fingerprint(self, fingerprint: str) -> Version | None:
        """Return the newest version that was trained on just this, and is whole; ``None`` if there is none."""
        whole = (one for one in self.all() if one.state == READY)
        return next((one for one in whole if one.tags.get(FINGERPRINT) == fingerprint), None)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version; a long value is cut, as Unity Catalog would refuse it."""
        for name, value in tags.items():
            self.client.set_model_version_tag(self.location.model, number, name, shortened(value))

    def challenge(self, number: str, tags: Mapping[str, str]) -> None:
        """Make a version the challenger, which is what was registered last without being promoted."""
        self.tag(number, tags)
        self.client.set_registered_model_alias(self.location.model, CHALLENGER, number)

    def promote(self, number: str, *, by: str, at: datetime, tags: Mapping[str, str] | None = None) -> str | None:
        """Put a version in force.

        :returns: the version that was in force before; ``None`` if there was none.
        :raises EntityMatchingError: if the version is not there or not whole.
        """
        version = self.get(number)
        if version.state != READY:
            raise EntityMatchingError(
                f"Version {number} of {self.location.model} is {version.state}.",
                remedy="It cannot be put in force; train again: entity-matching run train-ditto-model",
            )
        before = self.by_alias(CHAMPION)
        if before is not None and before.number == number:
            self.tag(number, tags or {})
            return number
        history = self._champions(before)
        self.tag(number, {"promoted_by": by, "promoted_at": _text(at), **(tags or {})})
        self._put_in_force([*history, number])
        if CHALLENGER in version.aliases:
            self.client.delete_registered_model_alias(self.location.model, CHALLENGER)
        return None if before is None else before.number

    def rollback(self, *, by: str, at: datetime) -> tuple[str, str]:
        """Put the version in force that was so before.

        :returns: the version that was in force, and the one that now is.
        :raises EntityMatchingError: if there was none before, or it is gone.
        """
        present = self.by_alias(CHAMPION)
        history = self._champions(present)[:-1] if present is not None else []
        if present is None or not history:
            raise EntityMatchingError(
                f"There is no version of {self.location.model} to go back to: "
                f"{'none was' if present is None else f'only version {present.number} ever was'} in force.",
                remedy="Put another one in force: entity-matching models promote VERSION",
            )
        before = self.get(history[-1])
        if before.state != READY:
            raise EntityMatchingError(
                f"Version {before.number}, which was in force before, is {before.state}.",
                remedy="Put another one in force: entity-matching models promote VERSION",
            )
        self.tag(present.number, {"rolled_back_by": by, "rolled_back_at": _text(at)})
        self.tag(before.number, {"restored_by": by, "restored_at": _text(at)})
        self._put_in_force(history)
        return present.number, before.number

    def fetch(self, number: str, folder: Path) -> None:
        """Bring a version's model into a folder, whole or not at all.

        :raises ArtifactError: if its files are missing or not as they were registered.
        """
        version = self.get(number)
        if version.state == INCOMPLETE:
            raise ArtifactError(
                f"Version {number} of {self.location.model} was never registered completely.",
                remedy="Train it again, or name another version.",
            )

        def write(new: Path) -> None:
            with tempfile.TemporaryDirectory() as temporary:
                root = self._files(version, Path(temporary))
                found = next(iter(sorted(root.rglob(CHECKSUMS))), None) if root.is_dir() else None
                if found is None:
                    raise ArtifactError(
                        f"The files of version {number} of {self.location.model} are missing: {root} holds no model.",
                        remedy="Restore the folder from a copy, name another version, or train again.",
                    )
                shutil.copytree(found.parent, new, dirs_exist_ok=True)
            check_checksums(new, version.tags[CHECKSUM])

        log.info("Version %s of %s is fetched.", number, self.location.model)
        replace_folder(folder, write)

    def _files(self, version: Version, temporary: Path) -> Path:
        if self.location.artifacts is not None:
            return self._local_files(version)
        import mlflow  # noqa: PLC0415 - optional

        return Path(mlflow.artifacts.download_artifacts(self.location.uri(version.number), dst_path=str(temporary)))

    def _local_files(self, version: Version) -> Path:
        """Return the folder of a version's files."""
        address = version.source
        if address.startswith("models:/"):
            found: Any = self._asked(lambda: self.client.get_logged_model(address.removeprefix("models:/")))
            address = "" if found is None else found.artifact_location
        path = Path(unquote(urlsplit(address).path) if address.startswith("file:") else address)
        return self._relocated(path)

    def _relocated(self, path: Path) -> Path:
        """Return where a path within the registry's own folder of files is now: a home can be moved, or copied."""
        root = self.location.artifacts
        own = [] if root is None else [at for at, two in enumerate(pairwise(path.parts)) if two == root.parts[-2:]]
        return path if root is None or not own else root.joinpath(*path.parts[own[0] + 2 :])

    def _version(self, found: Any) -> Version:
        tags = dict(found.tags)
        version = Version(
            number=str(found.version),
            state=READY if found.status == "READY" and CHECKSUM in tags else INCOMPLETE,
            aliases=tuple(sorted(found.aliases)),
            tags=tags,
            run_id=found.run_id or "",
            source=found.source or "",
            registered_at=datetime.fromtimestamp(found.creation_timestamp / 1_000, UTC),
        )
        if version.state == READY and self.location.artifacts is not None and not self._local_files(version).is_dir():
            return Version(**{**vars(version), "state": NO_FILES})
        return version

    def _champions(self, present: Version | None) -> list[str]:
        """Return the versions that were in force, the present one last, whatever was done to the alias meanwhile."""
        model = self._asked(lambda: self.client.get_registered_model(self.location.model))
        history = str(dict(model.tags).get(CHAMPIONS, "")).split() if model is not None else []
        if present is None:
            return history
        if present.number not in history:
            return [*history, present.number]
        return history[: len(history) - history[::-1].index(present.number)]

    def _put_in_force(self, history: Sequence[str]) -> None:
        """Write down the history, then move the alias: a kill in between is put right by :meth:`_champions`."""
        kept = list(history)
        while len(" ".join(kept)) > LONGEST_TAG:
            log.info("Version %s is too long ago to be gone back to.", kept.pop(0))
        self.client.set_registered_model_tag(self.location.model, CHAMPIONS, " ".join(kept))
        self.client.set_registered_model_alias(self.location.model, CHAMPION, history[-1])

    @staticmethod
    def _asked(question: Any) -> Any:
        """Return the answer to a question; ``None`` if what it is about is not there."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - optional

        try:
            return question()
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise


def shortened(value: str) -> str:
    """Return a text that fits into a tag."""
    return value if len(value) <= LONGEST_TAG else f"{value[: LONGEST_TAG - 4]} ..."


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
