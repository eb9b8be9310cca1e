from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.features import Pairs, TextLimits
from entity_matching.features.values import (
    category_features,
    date_features,
    form_features,
    identifier_features,
    number_features,
)

LIMITS = TextLimits(threads=1)


def pairs(sources: list[Any], references: list[Any], kind: pa.DataType | None = None) -> Pairs:
    rows = np.arange(len(sources), dtype=np.int64)
    kind = kind or pa.string()
    return Pairs(pa.table({"v": pa.array(sources, kind)}), pa.table({"v": pa.array(references, kind)}), rows, rows)


def test_a_category_agrees_differs_or_is_unknown() -> None:
    block = category_features(pairs(["DE", "DE", "", "DE"], ["DE", "AT", "DE", ""]), "v", "c", LIMITS)
    assert block.column("c.same")[:2].tolist() == [1, 0]
    assert np.isnan(block.column("c.same")[2:]).all()
    assert np.isnan(block.column("c.alike")[2:]).all()


def test_categories_written_alike_are_nearer_than_others() -> None:
    alike = category_features(pairs(["printers", "printers"], ["printer", "cameras"]), "v", "c", LIMITS).column(
        "c.alike"
    )
    assert alike[0] > 0.9 > alike[1]


def test_an_identifier_agrees_or_begins_the_same() -> None:
    block = identifier_features(pairs(["AAPL.O", "AAPL", ""], ["AAPL", "MSFT", "MSFT"]), "v", "i", LIMITS)
    assert block.column("i.same")[:2].tolist() == [0, 0]
    assert block.column("i.start")[:2].tolist() == [1, 0]
    assert np.isnan(block.matrix()[2]).all()


def test_numbers_differ_by_share_and_amount() -> None:
    block = number_features(pairs([100.0, 0.0, None, -5.0], [80.0, 0.0, 1.0, 5.0], pa.float64()), "v", "n")
    assert block.column("n.relative")[[0, 1, 3]] == pytest.approx([0.2, 0.0, 2.0])
    assert block.column("n.absolute")[[0, 1, 3]] == pytest.approx([20, 0, 10])
    assert np.isnan(block.matrix()[2]).all()


def test_dates_differ_by_days_either_way() -> None:
    days = date_features(pairs([10, 12, None], [12, 10, 1], pa.date32()), "v", "d").column("d.days")
    assert days[:2].tolist() == [2, 2]
    assert np.isnan(days[2])


def test_legal_forms_agree_overlap_or_are_not_given() -> None:
    forms = Pairs(
        pa.table({"f": ["ag", "ag", "coltd ag", ""], "s": ["adr", "", "", "adr"]}),
        pa.table({"f": ["ag", "gmbh", "ag", "ag"], "s": ["adr", "adr", "", ""]}),
        np.arange(4),
        np.arange(4),
    )
    block = form_features(forms, "f", "s", "name")
    assert block.column("name.form")[:3].tolist() == [1, 0, 0]
    assert block.column("name.form_overlap")[:3].tolist() == [1, 0, 1]
    assert np.isnan(block.column("name.form")[3])
    assert np.isnan(block.column("name.form_overlap")[3])
    assert block.column("name.form_given").tolist() == [3, 3, 3, 2]
    assert block.column("name.suffix_given").tolist() == [1, 0, 0, 1]


def test_no_pairs_give_no_rows() -> None:
    none = pairs([], [])
    assert category_features(none, "v", "c", LIMITS).matrix().shape == (0, 2)
    assert identifier_features(none, "v", "i", LIMITS).matrix().shape == (0, 2)
    assert form_features(none, "v", "v", "f").matrix().shape == (0, 5)
