"""Whether resources are what the platform knows: by Databricks' own library, and by the JSON schema of bundles.

Neither comes with this project. The library is asked where it is installed, the schema where it is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from entity_matching.deploy.bundle import Bundle
from entity_matching.deploy.check import Check, found
from entity_matching.deploy.yaml_source import Node

SCHEMA_VARIABLE = "DATABRICKS_BUNDLE_SCHEMA"
"""Environment variable that names the file of a JSON schema: what 'databricks bundle schema' prints."""
_NAME = "resources"
_SCHEMA = "schema"


def library_checks(bundle: Bundle) -> list[Check]:
    """Let ``databricks-bundles`` read every resource."""
    try:
        from databricks.bundles.jobs import Job  # noqa: PLC0415 - takes a second, and is not always there
        from databricks.bundles.model_serving_endpoints import ModelServingEndpoint  # noqa: PLC0415
    except ImportError:
        return [Check(_NAME, True, "not read by databricks-bundles, which is not installed")]
    readers: dict[str, Any] = {"jobs": Job, "model_serving_endpoints": ModelServingEndpoint}
    members = {("jobs", key): job for key, job in bundle.jobs.items()}
    members |= {("model_serving_endpoints", key): endpoint for key, endpoint in bundle.endpoints.items()}
    problems = []
    for (kind, key), member in members.items():
        try:
            readers[kind].from_dict(member)
        except (ValueError, TypeError, AttributeError) as error:
            where = bundle.where("resources", kind, key)
            problems.append((f"{where}: {kind}.{key}: {error}", "Correct it; its keys are those of the REST API."))
    return found(_NAME, problems, f"{len(members)} resources read by databricks-bundles")


def schema_checks(bundle: Bundle, schema: str | None) -> list[Check]:
    """Validate the files as they are written, and the resources as they are resolved, by a JSON schema.

    :param schema: the schema's file; without one nothing is checked.
    """
    if not schema:
        return []
    try:
        content = json.loads(Path(schema).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [Check(_SCHEMA, False, f"{SCHEMA_VARIABLE} names {schema}: {error}", "Correct or unset it.")]
    try:
        from jsonschema_rs import validator_for  # noqa: PLC0415 - not always there
    except ImportError:
        return [Check(_SCHEMA, True, "not checked: jsonschema-rs is not installed")]
    validator = validator_for(content)
    resolved = {
        key: node.plain() for key in ("resources", "permissions", "artifacts", "sync") if (node := bundle.tree.get(key))
    }
    problems = [
        (f"{_where(tree, path, bundle)}: {'.'.join(map(str, path))}: {message}", "Correct this line.")
        for document, tree in ((bundle.raw.plain(), bundle.raw), (resolved, bundle.tree))
        for error in validator.iter_errors(document)
        for message, path in _innermost(error)
    ]
    return found(_SCHEMA, dict.fromkeys(problems), "the files fit the JSON schema of bundles")


def _innermost(error: Any) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Yield what is wrong in the first of alternatives, which is that of a value that is no reference."""
    alternatives = getattr(error.kind, "context", None)
    if not alternatives or not alternatives[0]:
        yield str(error.message), tuple(error.instance_path)
        return
    for inner in alternatives[0]:
        yield from _innermost(inner)


def _where(tree: Node, path: tuple[str | int, ...], bundle: Bundle) -> str:
    for length in range(len(path), 0, -1):
        node = tree.get(*path[:length])
        if node is not None:
            return str(node.place)
    return bundle.files[0]
