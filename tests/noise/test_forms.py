"""Legal forms split off a name and written otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.noise.forms import Split, split_form, write_form
from entity_matching.normalize import normalize_name


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Siemens Aktiengesellschaft", Split(["Siemens"], ["Aktiengesellschaft"], "ag")),
        ("China Vanke Co., Ltd.", Split(["China", "Vanke"], ["Co.,", "Ltd."], "coltd")),
        ("GuoChuang Software Co.,Ltd.", Split(["GuoChuang", "Software"], ["Co.,Ltd."], "coltd")),
        ("Everspin Technologies, Inc.", Split(["Everspin", "Technologies"], ["Inc."], "inc")),
        ("Bar Public Company Limited", Split(["Bar"], ["Public", "Company", "Limited"], "pcl")),
        ("Enel S.p.A.", Split(["Enel"], ["S.p.A."], "spa")),
        ("Bank of America", Split(["Bank", "of", "America"], [], "")),
        ("Company of Heroes", Split(["Company", "of", "Heroes"], [], "")),
        ("Limited", Split(["Limited"], [], "")),
        ("  ", Split([], [], "")),
    ],
)
def test_the_legal_form_at_the_end_is_split_off_as_given(name: str, split: Split) -> None:
    assert split_form(name) == split


@given(st.text(max_size=40))
def test_no_word_is_lost(name: str) -> None:
    words, form, _ = split_form(name)
    assert "".join([*words, *form]).replace(",", "") == "".join(name.split()).replace(",", "")
    assert bool(words) == bool(name.split())


def test_a_form_is_mostly_the_same_form_in_another_spelling() -> None:
    split = split_form("Foo Corporation")
    written = [" ".join(write_form(split, np.random.default_rng(seed))) for seed in range(300)]
    assert {"Corp.", "Corp", "Corporation"} <= set(written)
    same = [normalize_name(f"Foo {form}").form == "corp" for form in written]
    assert 0.9 < sum(same) / len(same) < 1  # and now and then another: a company changes its form


def test_a_name_without_a_form_is_given_none() -> None:
    assert write_form(split_form("Foo Bar"), np.random.default_rng(0)) == []


def test_a_form_that_is_not_known_otherwise_is_kept_as_it_stands() -> None:
    split = split_form("Foo Sabanci Tbk")
    assert {tuple(write_form(split, np.random.default_rng(seed))) for seed in range(50)} == {("Tbk",)}
