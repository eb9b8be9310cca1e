from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.features import Block, FeatureSpace, Pairs, TextLimits
from entity_matching.features.table import whole_record
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

LIMITS = TextLimits(threads=1)


class Comparer:
    """Compares rows of two tables as given: the first source row with the first reference row, and so on."""

    def __init__(self, kinds: dict[str, object]) -> None:
        self.schema = Schema.model_validate({"attributes": kinds})

    def tables(
        self, sources: Sequence[dict[str, object]], references: Sequence[dict[str, object]]
    ) -> tuple[pa.Table, pa.Table]:
        names = [attribute.name for attribute in self.schema.attributes]
        sides = ((sources, Side.SOURCE), (references, Side.REFERENCE))
        one, two = (
            normalize_table(
                pa.table({name: pa.array([row.get(name, "") for row in rows], pa.string()) for name in names}),
                self.schema,
                side,
            )
            for rows, side in sides
        )
        return one, two

    def __call__(
        self,
        sources: Sequence[dict[str, object]],
        references: Sequence[dict[str, object]],
        limits: TextLimits = LIMITS,
    ) -> Block:
        left, right = self.tables(sources, references)
        rows = np.arange(left.num_rows, dtype=np.int64)
        return FeatureSpace.fit(right, self.schema, limits).compute(Pairs(left, right, rows, rows))


@pytest.fixture
def products() -> Comparer:
    return Comparer({"title": "text", "modelno": {"kind": "identifier", "type": "own"}, "price": "number"})


@pytest.fixture
def companies() -> Comparer:
    return Comparer({"company": "name", "country": {"kind": "category", "type": "country"}})


def test_each_feature_says_what_it_means_and_no_name_comes_twice(products: Comparer, companies: Comparer) -> None:
    for block in (products([{"title": "a"}], [{"title": "a"}]), companies([{"company": "a"}], [{"company": "a"}])):
        names = [feature.name for feature in block.features]
        assert len(set(names)) == len(names)
        assert all(feature.meaning and feature.direction in (-1, 0, 1) for feature in block.features)


def test_a_model_number_in_the_others_title_is_found(products: Comparer) -> None:
    block = products(
        [{"title": "binder", "modelno": "36834NBL"}, {"title": "binder", "modelno": "36834NBL"}],
        [{"title": "wilson 36834nbl round binder"}, {"title": "wilson 36835nbl round binder"}],
    )
    assert block.column("record.codes_found_source").tolist() == [1, 0]
    assert block.column("record.codes_clash").tolist() == [0, 1]


def test_a_value_in_the_wrong_column_is_found_in_the_whole_record(products: Comparer) -> None:
    block = products([{"title": "sling pack 39.99"}], [{"title": "sling pack", "price": "$ 39.99"}])
    assert block.column("record.exact_source")[0] == pytest.approx(1.0)
    assert np.isnan(block.column("price.relative")[0])


def test_names_alone_are_spared_what_serves_titles(companies: Comparer) -> None:
    names = [feature.name for feature in companies([{"company": "a"}], [{"company": "a"}]).features]
    assert "company.covered_source" in names
    assert not [name for name in names if name.startswith("record.")]


def test_an_exact_copy_is_as_close_as_can_be(companies: Comparer, products: Comparer) -> None:
    rows: list[dict[str, object]] = [
        {
            "company": "Acme Steel AG",
            "country": "Germany",
            "title": "canon cli 221 4tb",
            "modelno": "x-1",
            "price": "9.5",
        }
    ]
    for compare in (companies, products):
        block = compare(rows, rows)
        for feature, column in zip(block.features, block.columns, strict=True):
            end = feature.name.rsplit(".", 1)[1]
            if end in ("ratio", "sorted", "set", "same", "form", "covered_source", "exact_reference", "words_cosine"):
                assert column[0] == pytest.approx(1.0), feature.name
            if end.startswith(("missing", "lost", "codes_lost", "relative")) or end.endswith("clash"):
                assert column[0] == pytest.approx(0.0), feature.name


def test_a_copy_is_found_whole_among_records_that_are_all_the_same(companies: Comparer, products: Comparer) -> None:
    same: list[dict[str, object]] = [{"company": "Acme Steel", "country": "DE"}] * 3
    block = companies(same, same)
    assert block.column("company.covered_source") == pytest.approx([1.0] * 3)
    titles: list[dict[str, object]] = [{"title": "sling pack", "modelno": "x-1"}] * 3
    assert products(titles, titles).column("record.exact_reference") == pytest.approx([1.0] * 3)


def test_a_column_that_one_table_lacks_gives_no_features(products: Comparer) -> None:
    left, right = products.tables([{"title": "a b"}], [{"title": "a b"}])
    row = np.zeros(1, dtype=np.int64)
    space = FeatureSpace.fit(right, products.schema, LIMITS)
    block = space.compute(Pairs(left.drop_columns(["price.value", "price.raw"]), right, row, row))
    names = [feature.name for feature in block.features]
    assert "title.ratio" in names
    assert not [name for name in names if name.startswith("price")]


def test_search_scores_bring_rank_and_margin_among_a_records_candidates(companies: Comparer) -> None:
    left, right = companies.tables([{"company": "acme steel"}], [{"company": "acme steel"}, {"company": "acme glass"}])
    pairs = Pairs(left, right, np.array([0, 0]), np.array([0, 1]))
    space = FeatureSpace.fit(right, companies.schema, LIMITS)
    block = space.compute(pairs, {"search": np.array([0.9, 0.6], dtype=np.float32)})
    assert block.column("search.rank").tolist() == [0, 1]
    assert block.column("search.margin") == pytest.approx([0.3, -0.3])
    assert block.column("company.ratio.behind")[0] == 0
    assert block.column("company.ratio.behind")[1] < 0


def test_a_pair_does_not_depend_on_the_pairs_beside_it(products: Comparer) -> None:
    left, right = products.tables(
        [{"title": "canon cli 221", "price": "5"}, {"title": "long " * 20 + "x100"}],
        [{"title": "canon cli221 ink", "price": "6"}, {"title": "x 100 long"}],
    )
    space = FeatureSpace.fit(right, products.schema, LIMITS)
    one, two = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    together = space.compute(Pairs(left, right, one, two)).matrix()
    for row in range(4):
        alone = space.compute(Pairs(left, right, one[row : row + 1], two[row : row + 1])).matrix()
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-5)


def test_no_pairs_have_the_same_features(products: Comparer) -> None:
    left, right = products.tables([{"title": "a"}], [{"title": "a"}])
    space = FeatureSpace.fit(right, products.schema, LIMITS)
    none = np.zeros(0, dtype=np.int64)
    some = space.compute(Pairs(left, right, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)))
    assert space.compute(Pairs(left, right, none, none)).matrix().shape == (0, len(some.features))


def test_a_long_text_is_logged(products: Comparer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        products([{"title": "x" * 50}], [{"title": "x"}], TextLimits(characters=10, threads=1))
    assert "'title': the longest value has 50 characters" in caplog.text


def test_the_whole_record_holds_all_words_but_no_register_numbers() -> None:
    compare = Comparer(
        {
            "title": "text",
            "modelno": {"kind": "identifier", "type": "own"},
            "isin": {"kind": "identifier", "type": "isin"},
            "price": "number",
        }
    )
    row: dict[str, object] = {"title": "Ink", "modelno": "HP-51645A", "isin": "US0378331005", "price": "$ 34.97"}
    table, _ = compare.tables([row], [row])
    assert whole_record(table, compare.schema).to_pylist() == ["ink hp 51645a 34.97"]
    assert whole_record(pa.table({"__key": ["0"]}), compare.schema).to_pylist() == [""]
