"""A Databricks CLI with a workspace in a folder, for tests: put on PATH as ``databricks``, or called by ``main``.

It reads the bundle by itself, and does with it what the real one does where that matters here: what is in its state and
not in the configuration is deleted on deploy, without a question; ``unbind`` keeps the remote object; deploying without
binding makes a second copy; a saved plan is refused once the state has moved on.

Environment: ``FAKE_DATABRICKS`` the folder; ``FAKE_DATABRICKS_VERSION``; ``FAKE_DATABRICKS_FAIL`` a list, separated by
commas, of commands that fail (``validate``, ``plan``, ``bind``, ...), ``deploy:N`` (after N resources),
``network:COMMAND``, ``lock``; ``FAKE_DATABRICKS_HANG`` a command that waits for a signal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.deploy.fake_databricks.bundle_commands import BundleCommands
from tests.deploy.fake_databricks.workspace import Failure, Workspace, register

__all__ = ["Program", "Workspace", "main", "register"]


class Program(BundleCommands):
    """All commands."""

    def do_version(self) -> None:
        """Tell the version."""
        self.out.append(f"Databricks CLI v{self._version()}")

    def do_current_user_me(self) -> None:
        """Tell the user."""
        self._tell({"userName": self.space.data["user"], "displayName": "First Last"})

    def do_jobs_get(self) -> None:
        """Tell one job."""
        job = self._there("jobs", self.words[2], f"Error: Job {self.words[2]} does not exist.")
        self._tell({"job_id": int(self.words[2]), "creator_user_name": job["creator"], "settings": job})

    def do_jobs_list(self) -> None:
        """Tell jobs of a name."""
        jobs = self.space.data["jobs"].items()
        self._tell([{"job_id": int(identifier), "settings": {"name": job["name"]}} for identifier, job in jobs
                    if job["name"] == self.options.get("name", job["name"])])  # fmt: skip

    def do_jobs_update(self) -> None:
        """Change one job."""
        given = json.loads(self.options["json"])
        job = self._there("jobs", str(given["job_id"]), f"Error: Job {given['job_id']} does not exist.")
        job.update(given["new_settings"])

    def do_serving_endpoints_get(self) -> None:
        """Tell one endpoint."""
        name = self.words[2]
        self._tell(self._there("endpoints", name, f"Error: Endpoint with name '{name}' does not exist."))

    def do_model_versions_get_by_alias(self) -> None:
        """Tell the version that has an alias."""
        name, alias = self.words[2:4]
        model = self._there("models", name, f"Error: Routine or Model '{name}' does not exist.")
        if alias not in model["aliases"]:
            raise Failure(f"Error: Alias '{alias}' does not exist.")
        self._tell({"model_name": name, "version": model["aliases"][alias]})

    def do_model_versions_list(self) -> None:
        """Tell all versions."""
        name = self.words[2]
        model = self._there("models", name, f"Error: Model '{name}' does not exist.")
        self._tell([{"version": version} for version in model["versions"]])

    def do_model_versions_delete(self) -> None:
        """Delete one version."""
        self.space.data["models"][self.words[2]]["versions"].remove(int(self.words[3]))

    def do_registered_models_delete(self) -> None:
        """Delete a model without versions."""
        name = self.words[2]
        if self._there("models", name, f"Error: Model '{name}' does not exist.")["versions"]:
            raise Failure("Error: the model is not empty")
        del self.space.data["models"][name]

    def do_schemas_list(self) -> None:
        """Tell the schemas of a catalog."""
        name = self.words[2]
        schemas = self._there("catalogs", name, f"Error: Catalog '{name}' does not exist.")
        self._tell([{"name": schema} for schema in (*schemas, "information_schema")])

    def do_tables_list(self) -> None:
        """Tell the tables of a schema."""
        catalog, schema = self.words[2:4]
        tables = self.space.data["catalogs"][catalog][schema]
        self._tell([{"name": table, "full_name": f"{catalog}.{schema}.{table}"} for table in tables])

    def do_catalogs_delete(self) -> None:
        """Delete a catalog with all that is in it."""
        self._there("catalogs", self.words[2], f"Error: Catalog '{self.words[2]}' does not exist.")
        if "force" not in self.options:
            raise Failure("Error: Catalog is not empty")
        del self.space.data["catalogs"][self.words[2]]


def main(argv: list[str], environ: Mapping[str, str], cwd: Path) -> tuple[int, str, str]:
    """Run the program; return its exit code, and what it writes on stdout and stderr."""
    program = None
    try:
        program = Program(argv, environ, cwd)
        program.run()
    except Failure as failure:
        told = program.err if program is not None else []
        return 1, "", "\n".join([*told, str(failure)]) + "\n"
    return 0, "\n".join(program.out) + "\n", "".join(f"{line}\n" for line in program.err)


if __name__ == "__main__":
    code, out, err = main(sys.argv[1:], os.environ, Path.cwd())
    sys.stdout.write(out)
    sys.stderr.write(err)
    sys.exit(code)
