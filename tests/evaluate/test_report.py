from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.errors import OutputError
from entity_matching.evaluate import evaluate_matches, render_report, write_report
from entity_matching.schema import Schema

Make = Callable[..., pa.Table]
Small = tuple[pa.Table, pa.Table]

EVIL = "<script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>"
SCHEMA = Schema.from_yaml("""
key: {source: id, reference: company}
attributes: {name: name, country: {kind: category, type: country}}
""")
VOID = {"meta", "br", "col", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page: its elements, its words, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def inputs(small: Small) -> dict[str, Any]:
    result, labels = small
    return {
        "result": result,
        "labels": labels,
        "source": pa.table({"id": list("abcdefgh"), "name": [EVIL] * 8, "country": ["DE"] * 8, "=cmd()": [EVIL] * 8}),
        "reference": pa.table({"company": list("ABCEFGXY"), "name": ["Alpha"] * 8, "country": ["FR"] * 8}),
        "schema": SCHEMA,
    }


def render(inputs: dict[str, Any], **options: Any) -> str:
    evaluation = evaluate_matches(inputs["result"], inputs["labels"], draws=20, columns={"country": [EVIL] * 8})
    return render_report(evaluation.with_details({"settings": {"seed": 7, "note": EVIL}}), **inputs, **options)


def test_the_page_is_whole_and_has_its_parts(inputs: dict[str, Any]) -> None:
    page = Page(render(inputs, title="Listings"))
    assert page.open == []
    assert [tag for tag, _ in page.elements].count("svg") == 4
    for text in ("Listings", "Of 8 labelled records", "50.0%", "33.3%", "settings.seed", "lightgbm"):
        assert text in page.words
    assert "Matched to the wrong record: 1" in page.words
    assert "The right record is candidate 2." in page.words
    assert "The right record is not among the candidates." in page.words


def test_what_the_tables_hold_is_shown_and_never_run(inputs: dict[str, Any]) -> None:
    page = Page(render(inputs, title=EVIL))
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "iframe", "link", "object"})
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.words.count("<script>alert('x')</script>") >= 5


def test_the_reason_and_the_keys_are_escaped_too(inputs: dict[str, Any], make_result: Make) -> None:
    inputs["result"] = make_result(("a", "match", 0.9, [EVIL]), reason=EVIL)
    inputs["labels"] = pa.table({"source_key": ["a"], "reference_key": [EVIL + "2"]})
    evaluation = evaluate_matches(inputs["result"], inputs["labels"], draws=0)
    page = Page(render_report(evaluation, **inputs))
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img"})
    assert page.words.count("<script>") >= 3


def test_the_page_asks_nothing_of_the_network(inputs: dict[str, Any]) -> None:
    text = render(inputs)
    page = Page(text)
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_every_element_has_a_name_of_its_own(inputs: dict[str, Any]) -> None:
    page = Page(render(inputs))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 20
    named = {f"#{each}" for each in ids}
    linked = {
        value or "" for _, attributes in page.elements for key, value in attributes.items() if key.endswith("href")
    }
    assert linked <= named


def test_a_list_cut_short_says_so(inputs: dict[str, Any]) -> None:
    page = Page(render(inputs, errors=1))
    assert "Not matched, but has a counterpart: 2 (the first 1 are shown)" in page.words


def test_undefined_figures_are_dashes(inputs: dict[str, Any], make_result: Make, make_labels: Make) -> None:
    inputs |= {"result": make_result(("a", "no_match", 0.0, [])), "labels": make_labels(a="")}
    page = Page(render_report(evaluate_matches(inputs["result"], inputs["labels"]), **inputs))
    assert "no threshold to choose" in page.words
    assert "nan" not in page.words.lower()
    assert "None" not in page.words


def test_the_file_is_written_whole(inputs: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    evaluation = evaluate_matches(inputs["result"], inputs["labels"], draws=0)
    write_report(evaluation, **inputs, path=target, title="Listings")
    assert Page(target.read_text(encoding="utf-8")).open == []
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_a_clear_error(inputs: dict[str, Any], tmp_path: Path) -> None:
    evaluation = evaluate_matches(inputs["result"], inputs["labels"], draws=0)
    with pytest.raises(OutputError, match="could not be written: No such file or directory"):
        write_report(evaluation, **inputs, path=tmp_path / "nowhere" / "report.html")
