"""What a job is called with: the same on the command line, in a task graph and on Databricks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from entity_matching.errors import SettingsError
from entity_matching.lakehouse.settings import LakehouseSettings

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


class Parameters(BaseModel):
    """Parameters that every job has; a job adds its own by subclassing.

    A field is the option of its name (or alias, where pydantic keeps the name for itself) with dashes: ``run_id`` is
    ``--run-id``. An empty value means "not given", since a task graph cannot leave a parameter out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    catalog: str | None = Field(default=None, description="The catalog (default: entity_matching).")
    target: str | None = Field(
        default=None, description="local, databricks or sc://host:port (default: what is there)."
    )
    home: Path | None = Field(
        default=None, description="Folder of what is kept on this machine (default: .entity-matching)."
    )
    volume: Path | None = Field(default=None, description="Folder of models and indexes, for every worker to read.")
    run_id: str | None = Field(
        default=None, description="Name of the run that this task is part of (default: a new one)."
    )
    wait: float = Field(default=0.0, ge=0, description="Seconds to wait for another run to end; 0 refuses at once.")

    def lakehouse(self, environment: Mapping[str, str]) -> LakehouseSettings:
        """Return where the lakehouse is."""
        given = {name: getattr(self, name) for name in ("catalog", "target", "home", "volume")}
        return LakehouseSettings.from_environment(
            environment, **{name: None if value is None else str(value) for name, value in given.items()}
        )


P = TypeVar("P", bound=Parameters)


def parse(kind: type[P], argv: Sequence[str], *, program: str, description: str) -> P:
    """Read the arguments of a job.

    :raises SettingsError: if a value is not what it should be. (What argparse finds wrong ends the process with 2.)
    """
    parser = argparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)
    for name, field in kind.model_fields.items():
        extra: dict[str, Any] = {"nargs": "?", "const": "true"} if field.annotation is bool else {}
        option = field.alias or name
        parser.add_argument(f"--{option.replace('_', '-')}", metavar=option.upper(), help=field.description, **extra)
    given = {name: text for name, text in vars(parser.parse_args(argv)).items() if text not in (None, "")}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "the parameters"
        raise SettingsError(
            f"{option}: {first['msg']}.", remedy=f"Correct it; '{program} --help' lists what each may be."
        ) from error
