"""The saved model: a folder of text, JSON and Arrow files; no pickles.

=================== ===================================================================================
file                what it holds
=================== ===================================================================================
``model.json``      format, versions, settings, calibration, provenance, digest of each other file
``schema.yml``      the schema
``scorer.txt``      the trees, in LightGBM's text format
``outcomes.arrow``  held-out outcomes, from which thresholds are derived
``entities.arrow``  keys of the reference records that labels named
``words-N.arrow``   word counts of the N-th attribute of ``model.json``'s ``words``
``ditto/``          the Ditto model, if there is one: see :mod:`entity_matching.ditto.predict`
``blend.txt``       the trees that blend Ditto with the features, if there is one
``alone.txt``       the trees that judge a pair by itself
=================== ===================================================================================
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa

from entity_matching.config import MatcherSettings
from entity_matching.errors import ArtifactError, SchemaError, SettingsError
from entity_matching.features import FeatureSpace, TextLimits
from entity_matching.features.weights import WordWeights
from entity_matching.matcher.alone import Alone
from entity_matching.matcher.calibrate import Calibration
from entity_matching.matcher.cascade import Cascade
from entity_matching.matcher.model import Model
from entity_matching.matcher.outcomes import Outcomes
from entity_matching.matcher.reader import PairReader
from entity_matching.matcher.scorer import PairScorer
from entity_matching.matcher.stack import Stack
from entity_matching.schema import Schema
from entity_matching.storage import read_table, replace_folder, write_table
from entity_matching.version import __version__

FORMAT = 2
"""Version of the layout; a model with a higher one was written by a newer release. Models of format 1
have no Ditto, and are read as they are."""
MANIFEST = "model.json"
DITTO = "ditto"
_LIBRARIES = (
    "lightgbm",
    "numpy",
    "pyarrow",
    "rapidfuzz",
    "sparse-dot-topn",
    "anyascii",
    "publicsuffixlist",
    "python-stdnum",
)

_DITTO_LIBRARIES = ("onnxruntime", "tokenizers")


def is_model(folder: str | Path) -> bool:
    """Say whether a folder holds a saved model, whole or not."""
    return (Path(folder) / MANIFEST).is_file()


def save_model(model: Model, folder: Path) -> None:
    """Write a model into a folder, whole or not at all; an older model there is replaced."""
    replace_folder(folder, lambda new: _write(model, new))


def _write(model: Model, folder: Path) -> None:
    (folder / "schema.yml").write_text(model.space.schema.to_yaml(), encoding="utf-8")
    (folder / "scorer.txt").write_text(model.scorer.to_text(), encoding="utf-8")
    write_table(folder, "outcomes", model.outcomes.to_table())
    write_table(folder, "entities", pa.table({"key": pa.array(model.entities, pa.string())}))
    for number, weights in enumerate(model.space.weights.values()):
        write_table(folder, f"words-{number}", weights.to_table())
    if model.cascade is not None:
        (folder / "blend.txt").write_text(model.cascade.scorer.to_text(), encoding="utf-8")
        (folder / DITTO).mkdir()
        model.cascade.model.save(folder / DITTO)
    if model.alone is not None:
        (folder / "alone.txt").write_text(model.alone.scorer.to_text(), encoding="utf-8")
    manifest = {
        "format": FORMAT,
        "version": __version__,
        "python": platform.python_version(),
        "libraries": _versions(_LIBRARIES if model.cascade is None else _LIBRARIES + _DITTO_LIBRARIES),
        "settings": model.settings.to_dict(),
        "limits": asdict(model.space.limits),
        "calibration": asdict(model.calibration),
        "exact": dict(model.exact),
        "features": list(model.scorer.features),
        "blend": None if model.cascade is None else list(model.cascade.scorer.features),
        "alone": None if model.alone is None else _alone(model.alone),
        "words": {name: weights.documents for name, weights in model.space.weights.items()},
        "provenance": dict(model.provenance),
        "sha256": {
            path.relative_to(folder).as_posix(): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def load_model(folder: Path) -> Model:
    """Read a model.

    :raises ArtifactError: if there is none, a file is missing or changed, or the format is newer.
    """
    manifest = _manifest(folder)
    for name, digest in manifest["sha256"].items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing.", remedy="Restore the model from a copy, or train it again.")
        if _digest(path) != digest:
            raise ArtifactError(
                f"{path} is not as it was written.", remedy="Restore the model from a copy, or train it again."
            )
    try:
        settings = MatcherSettings.from_dict(manifest["settings"])
        schema = Schema.load(folder / "schema.yml")
        weights = {
            name: WordWeights.from_table(read_table(folder, f"words-{number}"), documents)
            for number, (name, documents) in enumerate(manifest["words"].items())
        }
        trees = (folder / "scorer.txt").read_text(encoding="utf-8")
        return Model(
            space=FeatureSpace(schema, weights, TextLimits(**manifest["limits"])),
            scorer=PairScorer.from_text(trees, tuple(manifest["features"]), settings.scorer.threads),
            calibration=Calibration(**manifest["calibration"]),
            outcomes=Outcomes.from_table(read_table(folder, "outcomes")),
            exact=manifest["exact"],
            settings=settings,
            provenance=manifest["provenance"],
            cascade=_load_cascade(folder, manifest.get("blend"), settings),
            alone=_load_alone(folder, manifest.get("alone"), settings),
            entities=tuple(read_table(folder, "entities")["key"].to_pylist()) if manifest["format"] > 1 else (),
        )
    except (KeyError, TypeError, SchemaError, SettingsError) as error:
        raise ArtifactError(f"{folder} holds no whole model: {error}.", remedy="Train it again.") from error


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    return {name: metadata.version(name) for name in names}


def _alone(alone: Alone) -> dict[str, Any]:
    return {
        "features": list(alone.scorer.features),
        "calibration": asdict(alone.calibration),
        "stack": None if alone.stack is None else asdict(alone.stack),
    }


def _load_alone(folder: Path, data: dict[str, Any] | None, settings: MatcherSettings) -> Alone | None:
    """Read what judges pairs by themselves, if the model has it."""
    if data is None:
        return None
    trees = (folder / "alone.txt").read_text(encoding="utf-8")
    return Alone(
        PairScorer.from_text(trees, tuple(data["features"]), settings.scorer.threads),
        Calibration(**data["calibration"]),
        None if data["stack"] is None else Stack(**data["stack"]),
    )


def _load_cascade(folder: Path, features: list[str] | None, settings: MatcherSettings) -> Cascade | None:
    """Read Ditto and its blend, if the model has them."""
    if features is None:
        return None
    from entity_matching.ditto.predict import DittoModel  # noqa: PLC0415 - onnxruntime is an extra

    threads = settings.ditto.threads if settings.ditto is not None else settings.scorer.threads
    model = DittoModel.load(folder / DITTO, threads=threads)
    trees = (folder / "blend.txt").read_text(encoding="utf-8")
    scorer = PairScorer.from_text(trees, tuple(features), settings.scorer.threads)
    return Cascade(PairReader(model.serializer, model.tokenizer), model, scorer, settings.cascade)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactError(
            f"There is no model in {folder}: it has no {MANIFEST}.",
            remedy="Name a folder that 'entity-matching train' wrote.",
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format"]
        manifest["sha256"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", remedy="Train the model again.") from error
    if not isinstance(version, int) or version > FORMAT:
        raise ArtifactError(
            f"{folder} was written in format {version}; this release ({__version__}) reads formats up to {FORMAT}.",
            remedy="Update entity-matching, or train the model again.",
        )
    return dict(manifest)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
