"""Abbreviations and numbers written out."""

from __future__ import annotations

import pytest

from entity_matching.normalize.words import standard_words, write_out


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("niiio fin grp", "niiio finance group"),
        ("cardinal hldgs intl", "cardinal holding international"),
        ("corvus pharmac", "corvus pharmaceutical"),
        ("everspin techn", "everspin technology"),
        ("everspin technologies", "everspin technology"),
        ("power technolo", "power technology"),
        ("seven i holdings", "7 i holding"),
        ("fund iii", "fund 3"),
        ("acquisition corp ii", "acquisition corp 2"),
        ("aspac fund v", "aspac fund 5"),
        ("ii vi", "ii 6"),
        ("v x i", "v x i"),
        ("1st bk", "first bank"),
        ("hong kong land", "hongkong land"),
        ("hk land", "hongkong land"),
        ("accentro r est", "accentro real estate"),
        ("el ezz steel", "el ezz steel"),
        ("chubu el pwr", "chubu electric power"),
        ("bank of america", "bank of america"),
        ("", ""),
    ],
)
def test_words_are_written_out(words: str, written: str) -> None:
    assert write_out(words.split()) == written.split()


def test_writing_out_is_stable() -> None:
    known = standard_words()
    assert {word: known[target] for word, target in known.items() if target in known} == {}


def test_an_abbreviation_is_not_longer_than_a_cut_of_its_word() -> None:
    assert standard_words()["technolog"] == "technology"
    assert "technology" not in standard_words()
