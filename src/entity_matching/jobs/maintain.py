"""The job that keeps the tables small: ``maintain-tables``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from pydantic import Field

from entity_matching.errors import SettingsError
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.parameters import Parameters
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.maintenance import RETENTION_DAYS, maintain
from entity_matching.lakehouse.tables import TABLES


class MaintainParameters(Parameters):
    """What the upkeep is called with."""

    retention_days: int = Field(
        RETENTION_DAYS, ge=1, description=f"Days whose states stay readable (default: {RETENTION_DAYS})."
    )
    tables: str | None = Field(None, description="Tables, as schema.table with commas between (default: all).")


def chosen(names: str | None) -> tuple[Table, ...]:
    """Return the tables that a list of names names; all of them by default.

    :param names: as ``schema.table``, with commas between.
    :raises SettingsError: if there is no table of a name.
    """
    if names is None:
        return TABLES
    known = {table.full_name: table for table in TABLES}
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in known]
    if unknown or not asked:
        raise SettingsError(
            f"--tables: there is no table '{', '.join(unknown)}'.", remedy=f"There are: {', '.join(known)}."
        )
    return tuple(known[name] for name in dict.fromkeys(asked))


def _work(context: Context, parameters: MaintainParameters) -> Figures:
    done = maintain(context.lake, chosen(parameters.tables), retention_days=parameters.retention_days)
    return {"retention_days": parameters.retention_days, "tables": [asdict(upkeep) for upkeep in done]}


JOB = Job(
    "maintain-tables",
    "Puts small files of the tables together and removes those that no state of the last days needs.",
    MaintainParameters,
    _work,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Do the job as a process."""
    JOB.main(argv)
