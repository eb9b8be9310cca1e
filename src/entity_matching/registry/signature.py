"""What the model takes and gives, by type; an example; and what must be installed where it predicts."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.schema import Attribute, Kind, Schema

if TYPE_CHECKING:
    import pandas as pd

ARTIFACT = "matcher"
"""Name under which the matcher's folder is kept in an MLflow model."""
LEFT, RIGHT = "left_entity", "right_entity"
PREDICTION, CONFIDENCE = "prediction", "confidence"

_NEEDED = (
    "anyascii",
    "cleanco",
    "lightgbm",
    "numpy",
    "pandas",
    "publicsuffixlist",
    "pyarrow",
    "pycountry",
    "pydantic",
    "python-stdnum",
    "pyyaml",
    "rapidfuzz",
    "scipy",
    "sparse-dot-topn",
)
_NEEDED_BY_DITTO = ("onnxruntime", "tokenizers")
_SERVERS = ("mlflow", "mlflow-skinny")
_BY_TYPE = {
    "lei": ("7LTWFZYICNSX8D621K86",) * 2,
    "isin": ("DE0005140008",) * 2,
    "cusip": ("D18190898",) * 2,
    "figi": ("BBG000BBZTH2",) * 2,
    "bic": ("DEUTDEFF",) * 2,
    "vat": ("DE114103379",) * 2,
    "ticker": ("DBK.DE", "DBK"),
    "website": ("www.db.com", "https://www.db.com"),
    "phone": ("+49 69 910 00",) * 2,
    "country": ("Germany", "DE"),
    "currency": ("EUR",) * 2,
    "place": ("Frankfurt", "Frankfurt am Main"),
}
_BY_KIND = {
    Kind.NAME: ("DEUTSCHE BANK AG NA O.N.", "Deutsche Bank Aktiengesellschaft"),
    Kind.TEXT: ("global investment bank", "investment bank, global"),
    Kind.CATEGORY: ("bank", "Bank"),
    Kind.IDENTIFIER: ("A-1", "A-1"),
    Kind.NUMBER: ("1870", "1870"),
    Kind.DATE: ("1870-03-10", "10 March 1870"),
}


def model_signature() -> Any:
    """Return MLflow's signature of the model: two texts in, a label and a probability out."""
    from mlflow.models import ModelSignature  # noqa: PLC0415 - heavy
    from mlflow.types import ColSpec  # noqa: PLC0415
    from mlflow.types import Schema as Columns  # noqa: PLC0415

    return ModelSignature(
        inputs=Columns([ColSpec("string", LEFT), ColSpec("string", RIGHT)]),
        outputs=Columns([ColSpec("long", PREDICTION), ColSpec("double", CONFIDENCE)]),
    )


def input_example(schema: Schema) -> pd.DataFrame:
    """Return an example of a request for records of a schema: the same entity written twice, as JSON and as text."""
    import pandas as pd  # noqa: PLC0415 - heavy

    left = {attribute.name: _example(attribute)[0] for attribute in schema.attributes}
    right = {attribute.name: _example(attribute)[1] for attribute in schema.attributes}
    return pd.DataFrame({LEFT: [json.dumps(left)], RIGHT: [json.dumps(right)]})


def requirements(artifact: Path) -> list[str]:
    """Return what must be installed to predict, in the exact versions that are installed here.

    :param artifact: the matcher's folder; one with Ditto needs more.
    """
    needed = _NEEDED + (_NEEDED_BY_DITTO if (artifact / "ditto").is_dir() else ())
    server = next(name for name in _SERVERS if _version(name) is not None)
    return [f"{name}=={_version(name)}" for name in (server, *needed)]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _example(attribute: Attribute) -> tuple[str, str]:
    return _BY_TYPE.get(attribute.type or "", _BY_KIND[attribute.kind])
