"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# The first example reads the tables of words and forms, and machines are busy: time is tested where it matters.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
