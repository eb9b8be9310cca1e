from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from entity_matching.guess.concepts import read_names
from entity_matching.guess.keys import guess_key

LEIS = ["529900T8BM49AURSDO55", "549300IA8G5ML1T0ZB22", "5493006MHB84DD0ZWV18"]


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"name": ["a", "b", "c"], "id": ["1", "2", "3"]}, "id"),
        ({"name": ["a", "b", "c"], "CompanyID": ["1", "2", "3"]}, "CompanyID"),
        ({"parent_id": ["1", "1", "2"], "entity_id": ["1", "2", "3"]}, "entity_id"),
        ({"name": ["a", "b", "c"], "customer_no": [1, 2, 3]}, "customer_no"),
        ({"name": ["a", "b", "c"], "lei": LEIS}, "lei"),
        ({"id": ["1", "2", "3"], "lei": LEIS}, "id"),
        ({"name": ["a", "b", "c"], "phone number": ["1", "2", "3"]}, None),
        ({"name": ["a", "b", "c"], "modelno": ["1", "2", "3"]}, None),
        ({"name": ["a", "b", "c"], "city": ["1", "2", "3"]}, None),
        ({"name": ["a", "b", "c"], "zip code": ["1", "2", "3"]}, None),
        ({"id": ["1", "2", "3"]}, None),
        ({"name": ["a", "b", "c"], "group_id": ["1", "1", "1"]}, None),
    ],
)
def test_the_key_is_unique_complete_and_named_like_one(columns: dict[str, list[Any]], key: str | None) -> None:
    table = pa.table(columns)
    assert guess_key(table, read_names(table.column_names)) == key


def test_a_key_with_a_few_duplicates_stays_the_key_so_that_its_check_can_name_them() -> None:
    table = pa.table({"id": [str(n) for n in range(99)] + ["5"], "name": [str(n) for n in range(100)]})
    assert guess_key(table, read_names(table.column_names)) == "id"
