"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # two workers on two cores: threads that wait must not spin

# The first example reads the tables of words and forms, and machines are busy: time is tested where it matters.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
