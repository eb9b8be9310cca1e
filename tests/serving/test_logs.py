from __future__ import annotations

import json
import logging

import pytest

from entity_matching.serving.logs import FIELDS, JsonFormatter

SECRET = "Zanzibar"


def line(name: str, message: str, *values: object, error: BaseException | None = None, **fields: object) -> str:
    found = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(name, logging.WARNING, "there.py", 7, message, values, found, "function")
    if fields:
        setattr(record, FIELDS, fields)
    return JsonFormatter().format(record)


def test_a_line_is_one_json_object() -> None:
    told = json.loads(line("entity_matching.serving.app", "two\nlines of %s", "us", status=200))
    assert (told["message"], told["status"], told["level"]) == ("two\nlines of us", 200, "warning")
    assert "\n" not in line("entity_matching.serving.app", "two\nlines")


def test_what_sees_records_is_logged_without_values() -> None:
    told = json.loads(line("entity_matching.search.words", "the word %s is everywhere", SECRET))
    assert told["message"] == "the word %s is everywhere"


def test_texts_of_other_packages_are_left_out() -> None:
    assert json.loads(line("mlflow.pyfunc", f"Failed to predict {SECRET}"))["message"] == "noted at there:7"


@pytest.mark.parametrize("name", ["entity_matching.serving.app", "uvicorn.error"])
def test_an_error_is_logged_by_type_and_place(name: str) -> None:
    try:
        raise ValueError(SECRET) from KeyError(SECRET)
    except ValueError as error:
        text = line(name, "it failed", error=error)
    told = json.loads(text)
    assert SECRET not in text
    assert told["error"] == "ValueError"
    assert any("test_an_error_is_logged" in frame for frame in told["at"])
