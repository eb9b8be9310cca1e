"""The application: routes, and the layers that every request passes through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from entity_matching.serving import errors, match_route
from entity_matching.serving.authorization import Authorized
from entity_matching.serving.invocations import INVOCATIONS, described
from entity_matching.serving.limits import Limited
from entity_matching.serving.loaded import Current
from entity_matching.serving.observed import Observed
from entity_matching.serving.seen import seen_of
from entity_matching.serving.settings import ServingSettings
from entity_matching.serving.tokens import Tokens
from entity_matching.version import __version__


def create_app(settings: ServingSettings, current: Current, tokens: Tokens) -> FastAPI:
    """Return the application that serves what is current to those who have a token.

    It must be run with its lifespan, which looks for new models and ends what is under way.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pool = ThreadPoolExecutor(settings.threads, "request")
        asyncio.get_running_loop().set_default_executor(pool)  # which MLflow's application reads and writes in
        current.start()
        try:
            yield
        finally:
            await asyncio.to_thread(current.close)

    app = FastAPI(
        title=settings.name,
        version=__version__,
        summary="Says whether records denote the same entity, and which record of a reference one denotes.",
        redoc_url=None,
        lifespan=lifespan,
    )
    errors.install(app)
    _add_invocations(app, settings, current)
    app.include_router(match_route.router(current, settings, current.metrics))
    _add_health(app, current)
    names = {settings.path: "invocations", INVOCATIONS: "invocations"}
    paths = ("/match", "/health", "/ready", "/metrics", "/openapi.json", "/docs")
    app.add_middleware(Limited, settings=settings, metrics=current.metrics)
    app.add_middleware(Authorized, tokens=tokens)
    app.add_middleware(Observed, metrics=current.metrics, routes=names | {path: path[1:] for path in paths})
    return app


def _add_invocations(app: FastAPI, settings: ServingSettings, current: Current) -> None:
    async def invocations(request: Request) -> Response:
        """Say of pairs of records whether they denote the same entity.

        The protocol is that of MLflow's and Databricks' model serving.
        """
        loaded, scoring = current.scoring()
        seen = seen_of(request.scope)
        seen.model_version = loaded.model_version
        answer = await scoring.answer(await request.body(), request.scope)
        seen.error_code = answer.error_code
        headers = {"served-model-name": f"{settings.name}-{loaded.model_version}"}
        return Response(answer.body, answer.status, headers, "application/json")

    summary = "Judge pairs of records"
    app.post(settings.path, summary=summary, **described())(invocations)
    app.post(INVOCATIONS, summary=f"{summary}, under MLflow's own path", **described())(invocations)


def _add_health(app: FastAPI, current: Current) -> None:
    @app.get("/health", tags=["operation"], summary="Whether the process is alive")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["operation"], summary="Whether requests can be answered, and with which versions")
    async def ready() -> Response:
        if not current.is_ready:
            return errors.answer(503, "The endpoint is starting or stopping.")
        loaded = current.get()
        told: dict[str, Any] = {
            "status": "ready" if current.problem is None else "outdated",
            "model_version": loaded.model_version,
            "reference_version": loaded.reference_version,
            "problem": current.problem,
        }
        return JSONResponse(told)

    @app.get("/metrics", tags=["operation"], summary="Counts, for Prometheus")
    async def metrics() -> Response:
        text, media_type = await asyncio.to_thread(current.metrics.text)
        return Response(text, media_type=media_type)

    @app.get("/.well-known/databricks-config", include_in_schema=False)
    async def databricks_config() -> dict[str, str]:
        return {}  # the SDK asks each host what it is; this is no workspace
