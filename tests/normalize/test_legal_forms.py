"""Legal forms in the words of a name."""

from __future__ import annotations

import pytest

from entity_matching.normalize.legal_forms import find_forms, split_forms


def _split(text: str) -> tuple[str, str]:
    words = text.split()
    rest, forms = split_forms(words, find_forms(words))
    return " ".join(rest), " ".join(forms)


@pytest.mark.parametrize(
    ("words", "rest", "form"),
    [
        ("siemens ag", "siemens", "ag"),
        ("siemens aktiengesellschaft", "siemens", "ag"),
        ("bosch gmbh", "bosch", "gmbh"),
        ("china vanke co ltd", "china vanke", "coltd"),
        ("yext incorporated", "yext", "inc"),
        ("vodafone group public limited company", "vodafone group", "plc"),
        ("borussia dortmund gmbh and co kgaa", "borussia dortmund", "gmbhcokgaa"),
        ("grupo bimbo sab de cv", "grupo bimbo", "sabcv"),
        ("pt telkom indonesia tbk", "telkom indonesia", "pt tbk"),
        ("sasseur real estate investment trust", "sasseur", "reit"),
        ("koc holding anonim sirketi", "koc holding", "as"),
        ("tokyo electric power co holdings inc", "tokyo electric power holdings", "co inc"),
        ("lufthansa ag vna", "lufthansa vna", "ag"),
    ],
)
def test_a_form_is_told_apart_and_brought_to_one_spelling(words: str, rest: str, form: str) -> None:
    assert _split(words) == (rest, form)


@pytest.mark.parametrize(
    "words",
    [
        "as creation tapeten",
        "sa sa international",
        "interpublic group of companies",
        "railtel corporation of india",
        "arab company for asset management",
        "ag growth international",
        "limited",
        "co",
        "is at in secs",
        "thermal spa hotels",
    ],
)
def test_words_that_only_look_like_forms_stay(words: str) -> None:
    assert _split(words) == (words, "")


def test_ag_and_gmbh_of_one_name_differ() -> None:
    assert _split("muster ag")[0] == _split("muster gmbh")[0]
    assert _split("muster ag")[1] != _split("muster gmbh")[1]


def test_very_many_forms_take_time_in_proportion() -> None:
    words = "alpha ltd gmbh " * 50_000
    rest, forms = split_forms(words.split(), find_forms(words.split()))
    assert rest[0] == "alpha"
    assert len(forms) > 50_000
