"""What ``POST /invocations`` takes and gives, as the OpenAPI page tells it. MLflow does the reading and writing."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from entity_matching.registry.signature import LEFT, RIGHT

INVOCATIONS = "/invocations"
"""MLflow's own path; the other one is Databricks', and names the endpoint."""
_LEFT = '{"company_name": "DEUTSCHE BANK AG NA O.N.", "country": "Germany"}'
_RIGHT = "COL company_name VAL Deutsche Bank Aktiengesellschaft COL country VAL DE"
_PAIR = {LEFT: _LEFT, RIGHT: _RIGHT}
_EXAMPLES = {
    "dataframe_records": {"value": {"dataframe_records": [_PAIR]}},
    "dataframe_split": {"value": {"dataframe_split": {"columns": [LEFT, RIGHT], "data": [[_LEFT, _RIGHT]]}}},
    "inputs": {"value": {"inputs": [_PAIR]}},
    "instances": {"value": {"instances": [_PAIR]}},
}
_TEXT = {"type": "string", "description": "A JSON object of attributes, or Ditto's text: COL name VAL words ..."}
_PAIRS = {
    "type": "array",
    "items": {"type": "object", "required": [LEFT, RIGHT], "properties": {LEFT: _TEXT, RIGHT: _TEXT}},
}
_SPLIT = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "data": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
    },
}
_REQUEST = {
    "type": "object",
    "description": "Exactly one of these keys.",
    "minProperties": 1,
    "properties": {"dataframe_records": _PAIRS, "dataframe_split": _SPLIT, "inputs": _PAIRS, "instances": _PAIRS},
}


class Prediction(BaseModel):
    """What is said of a pair."""

    prediction: int = Field(ge=0, le=1, description="1 if both denote the same entity.")
    confidence: float = Field(ge=0, le=1, description="Calibrated probability that they do.")


class Predictions(BaseModel):
    """What is said of pairs, in their order."""

    predictions: list[Prediction]


class Refusal(BaseModel):
    """What every request gets that cannot be answered."""

    error_code: str
    message: str


_REFUSED = {
    400: "The request cannot be read, or a value in it cannot be taken.",
    401: "No valid token.",
    403: "The token does not allow it.",
    408: "The request took too long to arrive.",
    413: "More bytes than one request may have.",
    415: "Neither JSON, CSV nor Parquet.",
    429: "As many requests wait as may; try again in a moment.",
    500: "The endpoint failed; its log tells where.",
    503: "The endpoint is stopping.",
    504: "It took too long.",
}


def described() -> dict[str, Any]:
    """Return what the OpenAPI page says of the route."""
    content = {"application/json": {"schema": _REQUEST, "examples": _EXAMPLES}}
    refused: dict[int, Any] = {status: {"model": Refusal, "description": text} for status, text in _REFUSED.items()}
    return {
        "tags": ["invocations"],
        "response_model": None,
        "responses": {200: {"model": Predictions}, **refused},
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
    }
