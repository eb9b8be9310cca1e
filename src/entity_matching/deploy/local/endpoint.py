"""The endpoint of a deployment to this machine: started in the background, and asked whether it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from entity_matching.deploy.local.deployed import Deployed
from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.attributes import stored_schema
from entity_matching.lakehouse.settings import LakehouseSettings
from entity_matching.schema import Kind
from entity_matching.serving import background
from entity_matching.serving.client import Client
from entity_matching.serving.server import Running, listener
from entity_matching.serving.settings import ServingSettings
from entity_matching.serving.tokens import Permission, Tokens, utc_now

START_S = 300.0
"""Seconds that an endpoint has to begin to answer."""
_TOKEN = "deployment-check"
_TOKEN_LIFE = timedelta(minutes=10)
_SAMPLE = "Example Holdings"


@dataclass(frozen=True)
class Answered:
    """An endpoint that answered. ``started``: whether it was started for that. ``seconds``: that a query took."""

    running: Running
    started: bool
    seconds: float
    prediction: Mapping[str, Any]


def settings_of(deployed: Deployed) -> ServingSettings:
    """Return the settings of the endpoint that is deployed; it serves the champion, and follows it."""
    return ServingSettings(
        lakehouse=deployed.lakehouse, name=deployed.endpoint_name or ServingSettings.name, port=deployed.port
    )


def start(deployed: Deployed, environment: Mapping[str, str], tell: Callable[[str], None]) -> Answered:
    """Start the endpoint unless it runs, and wait until it answers a query.

    One that runs at another port than is wanted now is stopped first.

    :raises EntityMatchingError: if it cannot start, for instance since its port is taken; or does not answer.
    """
    settings = settings_of(deployed)
    running = Running.find(settings)
    if running is not None and settings.port not in (0, running.port):
        tell(f"Stopping {running.name}, which listened at port {running.port}.")
        background.stop(settings, settings.timeout_s + START_S, force=True)
        running = None
    started = running is None or not running.ready
    if running is None:
        tell(f"Starting {settings.name} ...")
        running = _started(settings, environment)
    seconds, prediction = ask(settings, running)
    return Answered(running, started, seconds, prediction)


def check_port(deployed: Deployed) -> None:
    """Check that the endpoint could listen, if it does not run yet.

    :raises EntityMatchingError: if another program has its port.
    """
    settings = settings_of(deployed)
    if Running.find(settings) is not None or settings.port == 0:
        return
    try:
        listener(settings).close()
    except EntityMatchingError as error:
        raise _taken(error) from error


def _started(settings: ServingSettings, environment: Mapping[str, str]) -> Running:
    try:
        return background.start(settings, environment, START_S)
    except EntityMatchingError as error:
        if f"port {settings.port}" not in error.message:
            raise
        raise _taken(error) from error


def _taken(error: EntityMatchingError) -> EntityMatchingError:
    return EntityMatchingError(
        error.message.partition(" Give another")[0],
        remedy="Give another with --var endpoint_port=N, or stop what listens there.",
    )


def stop(deployed: Deployed) -> Running | None:
    """Stop the endpoint, if it runs."""
    settings = settings_of(deployed)
    return background.stop(settings, settings.timeout_s + 30.0, force=True)


def ask(settings: ServingSettings, running: Running) -> tuple[float, dict[str, Any]]:
    """Ask an endpoint about a pair of records that are the same, with a token made for that.

    :returns: the seconds it took, and what it answered of the pair.
    :raises EntityMatchingError: if it does not answer, or with something else.
    """
    with _token(settings) as secret:
        headers = {"authorization": f"Bearer {secret}"}
        client = Client(settings.name, running.url, lambda: headers, patience=60.0)
        record = json.dumps(_sample(settings.lakehouse))
        payload = {"dataframe_records": [{"left_entity": record, "right_entity": record}]}
        client.invoke(payload)  # the first one makes it ready for others
        began = time.perf_counter()
        answer = client.invoke(payload)
        took = time.perf_counter() - began
    try:
        return took, dict(answer["predictions"][0])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EntityMatchingError(
            f"{settings.name} answers a query with something else than a prediction: {str(answer)[:200]}",
            remedy=f"Its log tells more: {background.log_of(settings)}",
        ) from error


@contextmanager
def _token(settings: ServingSettings) -> Iterator[str]:
    """Make a token that holds while the block runs, and no longer than minutes if that is killed."""
    tokens = Tokens(settings.tokens)
    if any(token.name == _TOKEN and token.revoked is None for token in tokens.all()):
        tokens.revoke(_TOKEN)
    secret = tokens.create(_TOKEN, Permission.CAN_QUERY, utc_now() + _TOKEN_LIFE)
    try:
        yield secret
    finally:
        tokens.revoke(_TOKEN)


def _sample(lakehouse: LakehouseSettings) -> dict[str, str]:
    schema = stored_schema(lakehouse)
    names = [attribute.name for attribute in schema.attributes if attribute.kind is Kind.NAME]
    return dict.fromkeys(names or [attribute.name for attribute in schema.attributes][:1], _SAMPLE)
