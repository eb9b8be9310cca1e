"""A new model before the gate: both are applied to records that neither has learnt from, and one is in force then."""

from __future__ import annotations

import getpass
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.errors import EntityMatchingError
from entity_matching.evaluate.outcomes import Outcomes, join_outcomes
from entity_matching.jobs.attributes import RECORD, keyed, record_keys
from entity_matching.jobs.models import CURRENT, home_of, model_folder
from entity_matching.jobs.registered import mirror
from entity_matching.jobs.training_pairs import EVALUATION, LABEL, REVIEW, TRAIN, Stored
from entity_matching.lakehouse import Lakehouse, LakehouseSettings
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.settings import DATABRICKS
from entity_matching.lakehouse.tables import TRAINING_PAIRS
from entity_matching.matcher import Matcher
from entity_matching.registry.gate import GateRule, Verdict, judge
from entity_matching.registry.location import CHAMPION
from entity_matching.registry.versions import FINGERPRINT, REASON, VERDICT, Version, Versions
from entity_matching.schema import Key

log = logging.getLogger(__name__)


class Promote(StrEnum):
    """When a new version is put in force: if the gate lets it, always, or never."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


PASSED, REFUSED, UNJUDGED = "passed", "refused", "not judged"
"""What the tag ``verdict`` of a version says."""


@dataclass(frozen=True)
class Outcome:
    """How it ended: whether the version is in force, why, and what the gate measured, if it was asked."""

    promoted: bool
    reason: str
    verdict: Verdict | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the values, ready for JSON."""
        gate = {} if self.verdict is None else {"gate": self.verdict.to_dict()}
        return {"promoted": self.promoted, "reason": self.reason, **gate}


@dataclass(frozen=True)
class Gate:
    """What the gate needs: the records, the rule, and how many are compared at most."""

    lake: Lakehouse
    stored: Stored
    rule: GateRule
    limit: int

    def decide(self, versions: Versions, number: str, wanted: Promote) -> Outcome:
        """Say whether a version is to be in force, and why."""
        champion = versions.by_alias(CHAMPION)
        if champion is not None and champion.number == number:
            return Outcome(True, "it is in force already")
        if wanted is Promote.NEVER:
            return Outcome(False, "it was asked not to be put in force (--promote never)")
        if wanted is Promote.ALWAYS:
            return Outcome(True, "it was asked to be put in force (--promote always)")
        if champion is None:
            return Outcome(True, "it is the first: no version was in force")
        try:
            verdict = self.compare(champion, versions.get(number))
        except EntityMatchingError as error:
            why = f"it could not be compared with the champion {champion.number}: {error.message}"
            return Outcome(False, why)
        return Outcome(verdict.passed, verdict.reason, verdict)

    def compare(self, champion: Version, challenger: Version) -> Verdict:
        """Apply both versions to the records that the challenger's training kept for evaluation.

        Records that the champion has learnt from, or whose entity it has, are left out.

        :raises EntityMatchingError: if a model cannot be loaded or applied.
        """
        one, other = (_loaded(self.lake.settings, version.number) for version in (champion, challenger))
        labels = self._labels(champion, challenger, {*one.model.entities, *other.model.entities})
        if not labels.num_rows:
            return Verdict(False, "there are no evaluation records that neither it nor the champion has learnt from")
        return judge(self._outcomes(one, labels), self._outcomes(other, labels), self.rule)

    def _labels(self, champion: Version, challenger: Version, learnt: set[str]) -> pa.Table:
        rows = self.lake.sql(
            "SELECT training_id, source_system, source_id, entity_id, split, provenance"
            f" FROM {self.lake.name(TRAINING_PAIRS)} WHERE training_id IN"
            f" ({literal(champion.tags.get(FINGERPRINT, ''))}, {literal(challenger.tags.get(FINGERPRINT, ''))})"
        ).toArrow()
        rows = rows.append_column(RECORD, record_keys(rows["source_system"], rows["source_id"]))
        by_people = pc.is_in(rows["provenance"], value_set=pa.array([REVIEW, LABEL]))
        own = pc.equal(rows["training_id"], challenger.tags.get(FINGERPRINT, ""))
        kept = rows.filter(pc.and_(pc.and_(own, by_people), pc.equal(rows["split"], EVALUATION)))
        seen = rows.filter(pc.equal(rows["split"], TRAIN))[RECORD].combine_chunks()
        for column, values in ((RECORD, seen), ("entity_id", pa.array(sorted(learnt), pa.string()))):
            kept = kept.filter(pc.invert(pc.is_in(kept[column], value_set=values)))
        kept = kept.filter(pc.is_in(kept[RECORD], value_set=self.stored.source[RECORD].combine_chunks()))
        kept = kept.sort_by(RECORD)
        if kept.num_rows > self.limit:
            log.warning("The models are compared on %d of %d records (--gate-records).", self.limit, kept.num_rows)
        kept = kept.slice(0, self.limit)
        return pa.table({"source_key": kept[RECORD], "reference_key": kept["entity_id"]})

    def _outcomes(self, matcher: Matcher, labels: pa.Table) -> Outcomes:
        stored = self.stored.for_schema(self.lake, keyed(matcher.schema))
        rows = pc.index_in(labels["source_key"], value_set=stored.source[RECORD].combine_chunks())
        result = with_key(matcher, keyed(matcher.schema).key).match(stored.source.take(rows), stored.reference)
        return join_outcomes(result, labels)


def settle(
    versions: Versions, settings: LakehouseSettings, number: str, outcome: Outcome, *, by: str, at: datetime
) -> None:
    """Write down in the registry what was decided of a version, and put it in force or make it the challenger."""
    judged = UNJUDGED if outcome.verdict is None else (PASSED if outcome.verdict.passed else REFUSED)
    tags = {VERDICT: judged, REASON: outcome.reason}
    if outcome.promoted:
        promote(versions, settings, number, by=by, at=at, tags=tags)
    else:
        versions.challenge(number, tags)
        log.warning("Version %s is not put in force: %s.", number, outcome.reason)


def promote(
    versions: Versions,
    settings: LakehouseSettings,
    number: str,
    *,
    by: str,
    at: datetime,
    tags: dict[str, str] | None = None,
) -> str | None:
    """Put a version in force, in the registry and on disk; return the one that was before."""
    before = versions.promote(number, by=by, at=at, tags=tags)
    mirror(home_of(settings) / CURRENT, number, versions.location.stamp())
    return before


def rollback(versions: Versions, settings: LakehouseSettings, *, by: str, at: datetime) -> tuple[str, str]:
    """Put the version in force that was before, in the registry and on disk; return both numbers, the old one first."""
    before, now = versions.rollback(by=by, at=at)
    mirror(home_of(settings) / CURRENT, now, versions.location.stamp())
    return before, now


def who(lake: Lakehouse | None = None) -> str:
    """Return the name of whoever works here."""
    if lake is not None and lake.settings.target == DATABRICKS:
        return str(lake.sql("SELECT current_user() AS name").collect()[0]["name"])
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no user
        return "unknown"


def with_key(matcher: Matcher, key: Key) -> Matcher:
    """Return the model reading the keys of records from other columns."""
    space = matcher.model.space
    schema = space.schema.model_copy(update={"key": key})
    return replace(matcher, model=replace(matcher.model, space=replace(space, schema=schema)))


def _loaded(settings: LakehouseSettings, number: str) -> Matcher:
    return Matcher.load(model_folder(settings, number))
