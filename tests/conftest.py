"""What all tests share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # two workers on two cores: threads that wait must not spin

# The first example reads the tables of words and forms, and machines are busy: time is tested where it matters.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Give each test the package's logger as it was: commands set its level and handlers for their process."""
    logger = logging.getLogger("entity_matching")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers
