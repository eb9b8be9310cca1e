from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.evaluate.outcomes import join_outcomes
from entity_matching.evaluate.slices import slices_of

Small = tuple[pa.Table, pa.Table]
COUNTRIES = np.array(["DE", "DE", "DE", "FR", "FR", "", "IT", "ES"], dtype=object)


def test_each_value_has_its_own_figures(small: Small) -> None:
    slices = slices_of(join_outcomes(*small), COUNTRIES, name="country", limit=10)
    assert [(each.value, each.records) for each in slices] == [
        ("DE", 3), ("FR", 2), ("(empty)", 1), ("ES", 1), ("IT", 1),
    ]  # fmt: skip
    german, french = slices[:2]
    assert (german.precision, german.recall) == pytest.approx((2 / 3, 2 / 3))
    assert (french.precision, french.recall, french.review) == (0.0, 0.0, 0.5)
    assert slices[3].recall is None  # its one record has no counterpart


def test_a_cap_keeps_every_record_and_is_logged(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="entity_matching"):
        slices = slices_of(join_outcomes(*small), COUNTRIES, name="country", limit=2)
    assert [(each.value, each.records) for each in slices] == [("DE", 3), ("FR", 2), ("(all others)", 3)]
    assert "country has 5 values; 2 are shown" in caplog.text
