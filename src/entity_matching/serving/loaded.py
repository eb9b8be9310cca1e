"""The model and the reference that are served, and their replacement while requests go on."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from entity_matching.errors import ArtifactError, EntityMatchingError
from entity_matching.jobs import models
from entity_matching.jobs.references import SavedReference
from entity_matching.matcher import Matcher
from entity_matching.matcher.reference import Reference
from entity_matching.registry.entities import read_entities
from entity_matching.registry.location import RegistryLocation
from entity_matching.registry.signature import LEFT, RIGHT
from entity_matching.schema import Side
from entity_matching.serving.batching import Batcher
from entity_matching.serving.logs import FIELDS
from entity_matching.serving.match_request import read_request
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.scoring import Scoring
from entity_matching.serving.settings import ServingSettings

log = logging.getLogger(__name__)


_WARMED = 3
"""Times that an example is matched first: values that are asked for a third time are kept sorted."""


class FindReference(Protocol):
    """Finds the catalog's present reference made ready for a matcher."""

    def __call__(
        self, settings: ServingSettings, matcher: Matcher, damaged: str | None = None
    ) -> SavedReference | None:
        """Return it; ``None`` if the catalog has none.

        :param damaged: a version that was found and cannot be read: it is made ready anew.
        """
        ...


@dataclass(frozen=True, eq=False)
class Loaded:
    """What a request is answered with, from its beginning to its end."""

    model_version: str
    matcher: Matcher
    reference: Reference | None = None
    reference_version: str | None = None


class Current:
    """What is served now. A new one is loaded beside the old one, which goes on to serve until then.

    :param find_reference: finds the reference; by default there is none.
    """

    def __init__(
        self, settings: ServingSettings, metrics: Metrics, find_reference: FindReference = lambda *_, **__: None
    ) -> None:
        self.settings, self.metrics, self.find_reference = settings, metrics, find_reference
        self.batcher = Batcher(settings, metrics)
        self.problem: str | None = None
        self._now: tuple[Loaded, Scoring] | None = None
        self._asked: object = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._refresh_always, name="refresh", daemon=True)

    @property
    def is_ready(self) -> bool:
        """Whether there is a model, and the endpoint is not stopping."""
        return self._now is not None and not self._stopped.is_set()

    def get(self) -> Loaded:
        """Return what is served now."""
        return self.scoring()[0]

    def scoring(self) -> tuple[Loaded, Scoring]:
        """Return what is served now, with MLflow's application for it."""
        assert self._now is not None, "load() comes first"
        return self._now

    def load(self) -> None:
        """Load the model and the reference for the first time.

        :raises EntityMatchingError: if the model cannot be had; without a reference pairs can still be judged.
        """
        self._asked = self._state()
        folder = models.model_folder(self.settings.lakehouse, self.settings.model)
        matcher = Matcher.load(folder)
        version = models.version_of(self.settings.lakehouse, folder)
        self._serve(Loaded(version, matcher))
        self._refresh_reference()
        self._note_memory()

    def start(self) -> None:
        """Begin to look for new ones."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking for new ones, and finish what is being judged."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(1.0)  # it may be in the middle of a long load, which nobody needs any more
        self.batcher.close()

    def refresh(self) -> None:
        """Look for a new model and a new reference, and serve them; if that fails, go on with what there is."""
        try:
            self._refresh_model()
            self.problem = None
        except Exception as error:  # noqa: BLE001 - whatever it is, what is served goes on
            self._failed("model", error)
        if self.problem is None:
            self._refresh_reference()
        self._note_memory()

    def _refresh_model(self) -> None:
        state = self._state()
        if state is not None and state == self._asked:
            return
        folder = models.model_folder(self.settings.lakehouse, self.settings.model)
        version = models.version_of(self.settings.lakehouse, folder)
        if version != self.get().model_version:
            self._serve(self._with_reference(Loaded(version, Matcher.load(folder))))
        self._asked = state

    def _refresh_reference(self) -> None:
        try:
            self._serve(self._with_reference(self.get()))
        except Exception as error:  # noqa: BLE001 - pairs can still be judged
            self._failed("reference", error)

    def _with_reference(self, loaded: Loaded) -> Loaded:
        """Return the same model with the present reference, which is read only if it is another one."""
        found = self.find_reference(self.settings, loaded.matcher)
        if found is None:
            return Loaded(loaded.model_version, loaded.matcher)
        present = self.get()
        same = present.reference_version == found.version
        there = present.reference if same else self._read(found, loaded.matcher)
        return Loaded(loaded.model_version, loaded.matcher, there, found.version)

    def _read(self, found: SavedReference, matcher: Matcher) -> Reference:
        """Read a saved reference; one that is damaged is made ready anew.

        :raises EntityMatchingError: if that cannot be done here.
        """
        try:
            return Reference.load(found.folder)
        except ArtifactError as damage:
            log.warning("The reference %s is made ready anew: %s", found.version, damage.message)
            try:
                again = self.find_reference(self.settings, matcher, damaged=found.version)
                return Reference.load((again or found).folder)
            except EntityMatchingError as error:
                told, why = (one.message.rstrip(".") for one in (damage, error))
                raise ArtifactError(
                    f"The saved reference is damaged ({told}), and cannot be made anew here ({why}).",
                    remedy="Make it anew where that can be done: entity-matching run run-pipeline",
                ) from error

    def _serve(self, loaded: Loaded) -> None:
        """Serve something else from now on; requests that have begun end as they began."""
        before, scoring = self._now or (None, None)
        if before is not None and before.matcher is loaded.matcher and before.reference is loaded.reference:
            return
        if loaded.reference is not None:
            _warm_up(loaded.matcher, loaded.reference)
        if before is None or scoring is None or before.matcher is not loaded.matcher:
            _warm_up(loaded.matcher)
            scoring = Scoring(loaded.matcher, self.batcher)
        self._now = (loaded, scoring)
        for one, serves in ((before, 0), (loaded, 1)):
            if one is not None:
                self.metrics.serving.labels(one.model_version, one.reference_version or "").set(serves)
        found = {"model_version": loaded.model_version, "reference_version": loaded.reference_version}
        log.info("Served from now on.", extra={FIELDS: found})

    def _note_memory(self) -> None:
        self.metrics.memory.set(psutil.Process().memory_info().rss)

    def _failed(self, what: str, error: Exception) -> None:
        self.metrics.refresh_failures.inc()
        told = str(error) if isinstance(error, EntityMatchingError) else type(error).__name__
        self.problem = f"The {what} could not be looked up or loaded: {told}"
        log.error("%s", self.problem, exc_info=error)

    def _state(self) -> object:
        """Return what changes whenever the model may be another one; ``None`` if there is no way to tell."""
        location = RegistryLocation.of(self.settings.lakehouse)
        if location.database is None:
            return None
        return location.stamp(), _stamp(models.home_of(self.settings.lakehouse) / models.CURRENT)

    def _refresh_always(self) -> None:
        while not self._stopped.wait(self.settings.refresh_s):
            self.refresh()


def _warm_up(matcher: Matcher, reference: Reference | None = None) -> None:
    """Ask about an example, so that what is read at the first use is read before the first request.

    Its values are known nowhere: so all is looked through, such as the names of countries in all languages.
    """
    example = {attribute.name: "example" for attribute in matcher.schema.attributes}
    if reference is None:
        text, sides = [json.dumps(example)], ((LEFT, Side.SOURCE), (RIGHT, Side.REFERENCE))
        matcher.score_pairs(*(read_entities(text, matcher.schema, side, column) for column, side in sides))
        return
    asked = read_request(json.dumps({"record": example}).encode(), matcher.schema, ServingSettings())
    for _ in range(_WARMED):
        matcher.match_prepared(asked.table, reference)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
