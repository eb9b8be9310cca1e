from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from entity_matching.registry.entities import read_entities
from entity_matching.registry.signature import LEFT, RIGHT, input_example, model_signature, requirements
from entity_matching.schema import IDENTIFIER_TYPES, Schema, Side

EVERYTHING = {
    "name": {"kind": "name"},
    "text": {"kind": "text"},
    "number": {"kind": "number"},
    "date": {"kind": "date"},
    "category": {"kind": "category"},
    **{name: {"kind": "category", "type": name} for name in ("country", "currency", "place")},
    **{name: {"kind": "identifier", "type": name} for name in IDENTIFIER_TYPES},
}


def test_two_texts_go_in_and_a_label_and_a_probability_come_out() -> None:
    signature = model_signature()
    assert signature.inputs.to_dict() == [
        {"type": "string", "name": LEFT, "required": True},
        {"type": "string", "name": RIGHT, "required": True},
    ]
    assert [(column["name"], column["type"]) for column in signature.outputs.to_dict()] == [
        ("prediction", "long"),
        ("confidence", "double"),
    ]


def test_the_example_gives_each_attribute_a_value_that_is_taken() -> None:
    from entity_matching.normalize import normalize_table  # noqa: PLC0415

    schema = Schema.model_validate({"attributes": EVERYTHING})
    example = input_example(schema)
    for column, side in ((LEFT, Side.SOURCE), (RIGHT, Side.REFERENCE)):
        assert set(json.loads(example[column][0])) == set(EVERYTHING)
        records = normalize_table(read_entities(example[column].tolist(), schema, side, column), schema, side)
        assert {
            name for name in records.column_names if name.endswith(".value") and not records[name][0].as_py()
        } == set()


@pytest.mark.parametrize("ditto", [False, True])
def test_requirements_are_exact_and_of_what_is_installed(tmp_path: Path, ditto: bool) -> None:
    if ditto:
        (tmp_path / "ditto").mkdir()
    found = dict(line.split("==") for line in requirements(tmp_path))
    assert all(metadata.version(name) == version for name, version in found.items())
    assert ("onnxruntime" in found) == ditto
    assert not {"torch", "transformers", "pyspark-client", "pysail", "deltalake"} & set(found)
