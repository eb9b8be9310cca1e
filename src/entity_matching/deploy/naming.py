"""Names of what is deployed, and what the platform allows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from entity_matching.deploy.bundle import Bundle
from entity_matching.errors import SettingsError
from entity_matching.lakehouse.names import check_name

LONGEST_ENDPOINT = 63
"""Characters of an endpoint's name at most."""
ENDPOINTS = ("resources", "model_serving_endpoints")
_ENDPOINT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?")
_DEVELOPMENT = "development"
_SPECIAL = re.compile(r"[^A-Za-z0-9]+")


def endpoint_names(bundle: Bundle) -> dict[str, str]:
    """Return the final names of the endpoints, with what the target puts before them, by their keys."""
    prefix = _SPECIAL.sub("_", name_prefix(bundle)).strip("_")
    before = f"{prefix}_" if prefix else ""
    return {key: before + str(endpoint.get("name", "")) for key, endpoint in bundle.endpoints.items()}


def name_prefix(bundle: Bundle) -> str:
    """Return what the target puts before the name of everything that it deploys; nothing as a rule."""
    preset = bundle.tree.get("presets", "name_prefix")
    if preset is not None and preset.value:
        return str(preset.value)
    return f"[dev {bundle.user.short_name}] " if _is_development(bundle) else ""


def endpoint_problems(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the final names of endpoints."""
    for key, name in endpoint_names(bundle).items():
        where = bundle.where(*ENDPOINTS, key, "name")
        if len(name) > LONGEST_ENDPOINT:
            too_long = f"{where}: the endpoint's name '{name}' has {len(name)} characters"
            yield f"{too_long}; {LONGEST_ENDPOINT} are allowed", "Shorten it, or the name of the target."
        elif not _ENDPOINT.fullmatch(name):
            yield (
                f"{where}: the endpoint's name '{name}' is not allowed",
                "Use letters, digits, '-' and '_', the first and last of them a letter or digit.",
            )


def endpoint_text(bundle: Bundle) -> str:
    """Return the names of the endpoints, for people."""
    told = [f"'{name}', {len(name)} of {LONGEST_ENDPOINT} characters" for name in endpoint_names(bundle).values()]
    return "; ".join(told) or "this phase has no endpoint"


def catalog_problems(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the catalog's name."""
    where = bundle.where("var", "catalog_name")
    try:
        kept = check_name(bundle.catalog, "the catalog name")
    except SettingsError as error:
        yield f"{where}: {error.message}", f"{error.remedy} Give another: --var catalog_name=NAME"
        return
    if kept != bundle.catalog:
        yield (
            f"{where}: the catalog name '{bundle.catalog}' has capital letters, which Unity Catalog does not keep",
            f"Write '{kept}'.",
        )


def mode_problems(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield that a target is in development mode, which renames jobs and endpoints."""
    mode = bundle.raw.get("targets", bundle.target, "mode")
    if mode is not None and _is_development(bundle):
        yield (
            f"{mode.place}: 'mode: development' puts the user's name before every name",
            "Leave the mode out; the target has a root_path of its own, and pauses schedules by a variable.",
        )


def _is_development(bundle: Bundle) -> bool:
    mode = bundle.raw.get("targets", bundle.target, "mode")
    return mode is not None and mode.value == _DEVELOPMENT
