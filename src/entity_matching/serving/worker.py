"""One process of an endpoint: it loads model and reference, and answers at the socket that all of them share.

It is started by :mod:`entity_matching.serving.supervisor`, with which it talks over a second socket: it tells when it
answers or why it cannot, and ends when the other side is gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Sequence

import uvicorn

from entity_matching.errors import EntityMatchingError
from entity_matching.serving import references
from entity_matching.serving.app import create_app
from entity_matching.serving.http import protocol
from entity_matching.serving.loaded import Current
from entity_matching.serving.logs import configure
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.settings import BACKLOG, ServingSettings
from entity_matching.serving.tokens import Tokens
from entity_matching.startup import begin_process

READY, FAILED = "ready", "failed"
"""What a process tells: a line of JSON with one of these as its key."""


class Server(uvicorn.Server):
    """Answers at a shared socket, and tells when it does."""

    def __init__(self, config: uvicorn.Config, control: socket.socket) -> None:
        super().__init__(config)
        self.control = control

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets=sockets)
        for listener in sockets or []:
            listener.listen(BACKLOG)  # see _config()
        asyncio.get_running_loop().add_reader(self.control.fileno(), self._parent_is_gone)
        _tell(self.control, READY, os.getpid())

    def _parent_is_gone(self) -> None:
        asyncio.get_running_loop().remove_reader(self.control.fileno())
        self.should_exit = True


def main(argv: Sequence[str] | None = None) -> int:
    """Run a process, given the numbers of its two sockets.

    :returns: 0 if it ended as it was told to, 1 if it could not begin.
    """
    listener, control = (socket.socket(fileno=int(number)) for number in (sys.argv[1:] if argv is None else argv))
    begin_process()
    try:
        settings = ServingSettings.from_environment(os.environ)
        configure(settings.log)
        metrics = Metrics()
        current = Current(settings, metrics, references.ready)
        current.load()
        app = create_app(settings, current, Tokens(settings.tokens))
    except EntityMatchingError as error:
        _tell(control, FAILED, str(error))
        return 1
    metrics.starts.inc()
    Server(_config(settings, app), control).run(sockets=[listener])
    return 0


def _config(settings: ServingSettings, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=protocol(settings.read_timeout_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # asyncio takes in as many connections at once as its backlog is: a process that takes in few at a time leaves
        # the others theirs
        backlog=1,
        timeout_keep_alive=max(1, int(settings.keep_alive_s)),
        timeout_graceful_shutdown=max(1, int(settings.timeout_s)),
    )


def _tell(control: socket.socket, what: str, value: object) -> None:
    control.sendall(json.dumps({what: value}).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
