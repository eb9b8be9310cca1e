"""The route ``POST /match``: records in, decisions and ranked candidates out."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from entity_matching.serving.errors import MediaTypeError, UnavailableError
from entity_matching.serving.invocations import Refusal
from entity_matching.serving.match_answer import EXAMPLE, MatchAnswer
from entity_matching.serving.match_request import EXAMPLES, MatchRequest, read_request
from entity_matching.serving.matching import Answering, Matching
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.seen import seen_of
from entity_matching.serving.settings import ServingSettings

PATH = "/match"
LONG = 100_000
"""Bytes of a request from which it is read beside the others, so that they need not wait."""
_REFUSED = {
    400: "The request cannot be read, or a value in it cannot be taken.",
    401: "No valid token.",
    403: "The token does not allow it.",
    408: "The request took too long to arrive.",
    413: "More bytes than one request may have.",
    415: "The request is not JSON.",
    429: "As many requests wait as may; try again in a moment.",
    500: "The endpoint failed; its log tells where.",
    503: "There is no reference to match against yet.",
    504: "It took too long.",
}


class Serves(Protocol):
    """Whatever knows which model and reference are in force."""

    @property
    def problem(self) -> str | None:
        """Why newer ones could not be taken; ``None`` if nothing is wrong."""
        ...

    def get(self) -> Answering:
        """Return them."""
        ...


def router(current: Serves, settings: ServingSettings, metrics: Metrics) -> APIRouter:
    """Return the route.

    :param current: asked once for each request.
    """
    matching = Matching(settings, metrics)
    routes = APIRouter(tags=["match"])

    @routes.post(PATH, summary="Match records against the reference", **_described(settings))
    async def match(request: Request) -> Response:
        """Say which record of the reference each record denotes: how sure, and why.

        Records are JSON objects with the attributes of the record schema, by their names or by the columns that the
        source has them in; an attribute that is left out counts as empty. Each gets a decision (`match`, `review` or
        `no_match`), the ranked candidates with their calibrated confidence, and the reason in words, the same as the
        pipeline and `entity-matching match` give.
        """
        _check_type(request.headers.get("content-type"))
        body = await request.body()
        answering, seen = current.get(), seen_of(request.scope)
        seen.model_version = answering.model_version
        reference, version = answering.reference, answering.reference_version
        if reference is None and current.problem is not None:
            raise UnavailableError(f"There is no reference to match against. {current.problem}")
        if reference is None:
            raise UnavailableError(
                "The catalog has no reference records to match against.",
                remedy="Load them: entity-matching run setup-unity-catalog -- --reference FILE",
            )
        given = (body, answering.matcher.schema, settings)
        asked = read_request(*given) if len(body) < LONG else await asyncio.to_thread(read_request, *given)
        seen.rows = asked.table.num_rows
        results = await matching.match(answering, reference, asked)
        answer = {"model_version": answering.model_version, "reference_version": version, "results": results}
        return Response(json.dumps(answer, ensure_ascii=False).encode(), media_type="application/json")

    return routes


def _check_type(given: str | None) -> None:
    kind = (given or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise MediaTypeError(
            "the content type is not application/json.", remedy="Send the header 'content-type: application/json'."
        )


def _described(settings: ServingSettings) -> dict[str, Any]:
    """Return what the OpenAPI page says of the route: it reads its request itself, to say what is wrong with it."""
    schema = MatchRequest.model_json_schema()
    for name, limit in (("records", {"maxItems": settings.match_records}),
                        ("candidates", {"maximum": settings.match_candidates})):  # fmt: skip
        schema["properties"][name]["anyOf"][0] |= limit  # the other one is null
    refused = {status: {"model": Refusal, "description": text} for status, text in _REFUSED.items()}
    answered = {"model": MatchAnswer, "content": {"application/json": {"example": EXAMPLE}}}
    return {
        "response_model": None,
        "responses": {200: answered, **refused},
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema, "examples": EXAMPLES}},
            }
        },
    }
