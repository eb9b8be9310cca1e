"""How an endpoint runs: address, processes, limits, and whose model it serves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from entity_matching.errors import SettingsError
from entity_matching.lakehouse.settings import LOCAL, LakehouseSettings
from entity_matching.registry.location import CHAMPION

VARIABLE = "ENTITY_MATCHING_SERVING"
"""Environment variable by which an endpoint's processes are told its settings. They hold no secret."""
BACKLOG = 2048
"""Connections that may wait to be taken in, by any of the processes."""
MEBIBYTE = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""What Databricks takes as the name of an endpoint."""
_START = "Start it with: entity-matching endpoint start"


@dataclass(frozen=True)
class ServingSettings:
    """Settings of an endpoint. Limits are those of one worker process.

    :param lakehouse: the catalog whose model and reference are served.
    :param name: the endpoint's name, part of its address.
    :param host: address it listens at. :param port: 0 takes any that is free.
    :param workers: processes that answer.
    :param model: an alias, a version, ``models:/...`` or a folder; an alias is followed when it moves.
    :param max_body: bytes of a request at most.
    :param memory: bytes of all requests at most that are held at once.
    :param timeout_s: seconds at most that a request may take once it is read; as many are given to stop.
    :param read_timeout_s: seconds at most that a client may take to send a request.
    :param keep_alive_s: seconds after which a connection that is not used is closed.
    :param queue: requests at most that wait or are answered at once; further ones get 429.
    :param threads: requests at most that are read and written at once.
    :param batch_rows: pairs at most that are judged at once.
    :param batch_wait_ms: milliseconds at most that a pair or a record waits for others that are about to come.
    :param match_records: records at most that one request may have matched.
    :param match_candidates: candidates at most that are listed for a record.
    :param match_rows: records at most that are matched at once.
    :param refresh_s: seconds between two looks for a new model or reference.
    :param remote_refresh_s: the same for a reference that is not on this machine, where a look needs a session.
    :param log: file that the log is appended to; by default it goes to stderr.
    """

    lakehouse: LakehouseSettings = field(default_factory=LakehouseSettings)
    name: str = f"ditto-em-{LOCAL}"
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    model: str = CHAMPION
    max_body: int = 16 * MEBIBYTE
    memory: int = 256 * MEBIBYTE
    timeout_s: float = 60.0
    read_timeout_s: float = 30.0
    keep_alive_s: float = 65.0
    queue: int = 256
    threads: int = 64
    batch_rows: int = 256
    batch_wait_ms: float = 2.0
    match_records: int = 1_000
    match_candidates: int = 50
    match_rows: int = 128
    refresh_s: float = 5.0
    remote_refresh_s: float = 300.0
    log: Path | None = None

    def __post_init__(self) -> None:
        """Check the values.

        :raises SettingsError: naming the one that is out of its range.
        """
        if not _NAME.fullmatch(self.name):
            raise SettingsError(
                f"'{self.name}' cannot be an endpoint's name.",
                remedy="Use letters, digits, '-' and '_', 63 characters at most, the first a letter or digit.",
            )
        if not 0 <= self.port <= 65_535:
            raise SettingsError(f"the port is {self.port}.", remedy="Give one from 0 to 65535.")
        counts = ("workers", "max_body", "memory", "queue", "threads", "batch_rows")
        for name in (*counts, "match_records", "match_candidates", "match_rows"):
            if getattr(self, name) < 1:
                raise SettingsError(f"'{name}' is {getattr(self, name)}.", remedy="Give at least 1.")
        for name in ("timeout_s", "read_timeout_s", "keep_alive_s", "refresh_s", "remote_refresh_s"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"'{name}' is {getattr(self, name)}.", remedy="Give seconds, above 0.")
        if not self.batch_wait_ms >= 0:
            raise SettingsError(f"'batch_wait_ms' is {self.batch_wait_ms}.", remedy="Give 0 or more.")
        if self.memory < self.max_body:
            raise SettingsError(
                f"'memory' is {self.memory}, less than one request may have ('max_body', {self.max_body}).",
                remedy="Give more memory, or allow less.",
            )

    @property
    def folder(self) -> Path:
        """Folder of what endpoints keep: tokens, and what is known of those that run."""
        return self.lakehouse.home / "endpoint"

    @property
    def tokens(self) -> Path:
        """File of the tokens."""
        return self.folder / "tokens.json"

    @property
    def path(self) -> str:
        """Path of the endpoint, as Databricks has it."""
        return f"/serving-endpoints/{self.name}/invocations"

    def to_json(self) -> str:
        """Return the settings as text that :meth:`from_json` reads."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote.

        :raises SettingsError: if it cannot be read.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            place = data.pop("lakehouse")
            volume, log = place.pop("volume"), data.pop("log")
            lakehouse = LakehouseSettings(volume=Path(volume) if volume else None, **place)
            return cls(lakehouse=lakehouse, log=Path(log) if log else None, **data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"the settings of the endpoint cannot be read: {error}.",
                remedy="Start it with: entity-matching endpoint start",
            ) from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings that a process was started with.

        :raises SettingsError: if there are none.
        """
        if VARIABLE not in environment:
            raise SettingsError(f"{VARIABLE} is not set.", remedy=_START)
        return cls.from_json(environment[VARIABLE])
