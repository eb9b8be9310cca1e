"""Any text to ASCII words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.normalize.text import normalize_text, normalize_words, to_ascii


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Société Générale S.A.", "societe generale sa"),
        ("Klöckner & Co SE", "klockner and co se"),
        ("Муромский завод", "muromskiy zavod"),
        ("中文", "zhongwen"),
        ("ＡＢＣ　Ｌｔｄ", "abc ltd"),
        ("Tsingtao\u0301\u0308 Brewery", "tsingtao brewery"),
        ("Macy's, Inc.", "macys inc"),
        ("Trainers’ House Oyj", "trainers house oyj"),
        ("arnie morton 's of chicago", "arnie mortons of chicago"),
        ("L'Oréal", "loreal"),
        ("AT&amp;T Inc.", "at and t inc"),
        ("H+M HEN.+MAU.", "h and m hen and mau"),
        ("CANAL+ SA", "canal plus sa"),
        ("Landi Renzo S.p.A.", "landi renzo spa"),
        ("Koninklijke KPN N. V.", "koninklijke kpn nv"),
        ("PKP CARGO S.A. A,B", "pkp cargo sa a b"),
        ("NKT A/S", "nkt as"),
        ("H.LUNDBECK", "h lundbeck"),
        ("Acme® Robotics™", "acme robotics"),
        ("line\x00one\ttwo\r\nthree", "line one two three"),
        ("=SUM(A1)", "sum a1"),
        ("1&1 AG", "1 and 1 ag"),
        ("  ", ""),
        ("\u200b\u00a0\x07", ""),
        ("!!!", "!!!"),
    ],
)
def test_words_of_a_name(raw: str, words: str) -> None:
    assert normalize_words(raw) == words


def test_a_text_of_emoji_is_not_empty_and_two_emoji_differ() -> None:
    assert normalize_words("😀😀")
    assert normalize_words("😀") != normalize_words("🚀")


def test_symbols_without_transliteration_still_differ() -> None:
    first, second = "\ue000", "\ue001"
    assert normalize_words(first) not in ("", normalize_words(second))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Sony Cyber-shot DSC-W55", "sony cyber shot dscw55"),
        ("sony dscw55", "sony dscw55"),
        ("ifrogz cs40-orange marin", "ifrogz cs40orange marin"),
        ("panasonic kx-tga820b (black)", "panasonic kxtga820b black"),
        ("geometry-based similarity", "geometry based similarity"),
        ('10.1" tablet, $1,299.00', "10.1 tablet 1299.00"),
        ("am/fm radio 2008/2009", "am fm radio 2008 2009"),
        ("daniel a. keim", "daniel a keim"),
        ("Rock &amp; Roll [ Explicit ]", "rock roll explicit"),
        ("Buckley 's Beers", "buckleys beers"),
        ("5.30 %", "5.30"),
        ("...", "..."),
    ],
)
def test_words_and_codes_of_a_text(raw: str, words: str) -> None:
    assert normalize_text(raw) == words


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(raw: str) -> None:
    for normalize in (normalize_words, normalize_text):
        once = normalize(raw)
        assert normalize(once) == once
        assert once.isascii()
        assert once == " ".join(once.split())


@given(st.text(alphabet="ab1 .,&+'/-;#xlt", max_size=40))
def test_normalising_punctuation_twice_changes_nothing(raw: str) -> None:
    for normalize in (normalize_words, normalize_text):
        once = normalize(raw)
        assert normalize(once) == once


@given(st.text(max_size=40))
def test_letters_and_digits_never_vanish(raw: str) -> None:
    if any(char.isascii() and char.isalnum() for char in raw):
        assert any(char.isalnum() for char in to_ascii(raw))


@pytest.mark.parametrize(
    "cell",
    [
        "a." * 200_000 + "b!",
        "a" * 500_000,
        "a-" * 200_000,
        "\u0301\u0316" * 200_000,
        "&amp;" * 100_000,
        "' s" * 200_000,
    ],
)
def test_a_huge_cell_takes_time_in_proportion_to_its_length(cell: str) -> None:
    start = time.process_time()
    normalize_words(cell)
    normalize_text(cell)
    assert time.process_time() - start < 10
