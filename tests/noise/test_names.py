"""Names as another system might write them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entity_matching.noise import ColumnProfile
from entity_matching.noise.names import noisy_name
from entity_matching.noise.styles import Style
from entity_matching.noise.words import is_fixed
from entity_matching.normalize import normalize_name

seeds = st.integers(0, 2**32 - 1)
styles = st.builds(
    Style,
    case=st.sampled_from(["", "upper", "lower"]),
    limit=st.sampled_from([0, 8, 25, 31]),
    formed=st.booleans(),
    abbreviated=st.booleans(),
    repeated=st.booleans(),
    ending=st.sampled_from(["", "  DL-,01", ".DL-,001", "-A"]),
)
profiles = st.builds(
    ColumnProfile,
    formed=st.floats(0, 1),
    ascii=st.floats(0, 1),
    plus=st.floats(0, 1),
    styles=st.lists(styles, max_size=3).map(tuple),
)
company_names = (
    st.lists(
        st.sampled_from(
            "Siemens Deutsche Holdings Technology Co., Ltd. II 3 IV 2000 & Growth-Fund Müller and Acquisition Inc. of "
            "A12 Capital, S.A. Pharmaceuticals Æther Løvenskiold".split()
        ),
        min_size=1,
        max_size=8,
    )
    .map(" ".join)
    .filter(lambda name: name[0] != "&")
)


def _plain(**style: object) -> ColumnProfile:
    return ColumnProfile(ascii=0.0, styles=(Style(**style),))  # type: ignore[arg-type]


def _draws(name: str, profile: ColumnProfile, count: int = 400) -> list[str]:
    return [noisy_name(name, profile, np.random.default_rng(seed)) for seed in range(count)]


@given(st.text(max_size=60), profiles, seeds)
@example("\x00", ColumnProfile(), 0)
@example("🙂🙂", ColumnProfile(ascii=1), 3)
@example("&", ColumnProfile(), 1)
def test_no_name_becomes_blank_nor_raises(name: str, profile: ColumnProfile, seed: int) -> None:
    noisy = noisy_name(name, profile, np.random.default_rng(seed))
    assert bool(noisy.strip()) == bool(name.strip())


@given(company_names, profiles, seeds)
def test_the_first_letter_stays(name: str, profile: ColumnProfile, seed: int) -> None:
    noisy = noisy_name(name, profile, np.random.default_rng(seed))
    assert normalize_name(noisy).text[:1] == normalize_name(name).text[:1]


@given(company_names, st.lists(styles, min_size=1, max_size=3), seeds)
def test_numbers_stay_and_no_other_comes(name: str, some: list[Style], seed: int) -> None:
    chosen = tuple(Style(s.case, s.limit, s.formed, s.abbreviated) for s in some)  # no endings: they bring numbers
    noisy = noisy_name(name, ColumnProfile(styles=chosen), np.random.default_rng(seed))
    wanted = [word.lower() for word in name.split() if is_fixed(word)]
    assert [word for word in noisy.lower().replace("+", " ").split() if is_fixed(word)] == wanted


@given(company_names, profiles, seeds)
def test_one_seed_gives_one_name(name: str, profile: ColumnProfile, seed: int) -> None:
    first = noisy_name(name, profile, np.random.default_rng(seed))
    assert noisy_name(name, profile, np.random.default_rng(seed)) == first


def test_some_names_come_back_as_they_are_but_for_case() -> None:
    name = "Everspin Technologies Holdings, Inc."
    profile = ColumnProfile(styles=(Style("upper", 12, formed=False, abbreviated=True, ending=" O.N."),))
    same = [noisy == name.upper() for noisy in _draws(name, profile)]
    assert 0.04 < np.mean(same) < 0.13


@pytest.mark.parametrize("case", ["upper", "lower"])
def test_the_case_is_that_of_the_style(case: str) -> None:
    for noisy in _draws("Everspin Technologies, Inc.", _plain(case=case), 50):
        assert noisy == (noisy.upper() if case == "upper" else noisy.lower())


def test_the_limit_is_kept_with_the_ending() -> None:
    profile = _plain(case="upper", limit=25, ending=" DL-,01")
    noisy = _draws("Chongqing Three Gorges Water Conservancy and Electric Power Co., Ltd.", profile)
    cut = [name for name in noisy if name.endswith(" DL-,01")]
    assert len(cut) > 300
    assert max(map(len, cut)) == 25
    assert np.mean([len(name) == 25 for name in cut]) > 0.3  # the room is used


def test_a_style_without_a_legal_form_mostly_leaves_it_out() -> None:
    forms = [normalize_name(noisy).form for noisy in _draws("Siemens Aktiengesellschaft", _plain(formed=False))]
    assert np.mean([form == "" for form in forms]) > 0.7
    kept = [normalize_name(noisy).form for noisy in _draws("Siemens Aktiengesellschaft", _plain(formed=True))]
    assert np.mean([form == "" for form in kept]) < 0.25


def test_a_repeated_style_writes_the_name_twice() -> None:
    noisy = _draws("Imerys SA", _plain(case="upper", repeated=True))
    assert "IMERYS SA IMERYS ORD SHS" in noisy
    assert max(map(len, noisy)) <= 31


def test_abbreviations_read_back_as_the_words_they_stand_for() -> None:
    noisy = _draws("Acme Pharmaceutical Holdings", _plain(abbreviated=True))
    cores = [normalize_name(name).core for name in noisy]
    shortened = [name for name in noisy if "Holdings" not in name or "Pharmaceutical" not in name]
    assert len(shortened) > 200
    assert np.mean([core == "acme pharmaceutical holding" for core in cores]) > 0.4


def test_letters_beyond_ascii_are_written_as_the_source_does() -> None:
    ascii_only = ColumnProfile(ascii=1.0, styles=(Style(),))
    changed = [noisy for noisy in _draws("Müller Öl AG", ascii_only) if noisy != "Müller Öl AG"]
    assert all(noisy.isascii() for noisy in changed)
    assert {noisy.split()[0] for noisy in changed} >= {"Mueller", "Muller"}
    assert "Müller" in {noisy.split()[0] for noisy in _draws("Müller Öl AG", _plain())}


def test_the_sign_for_and_is_the_sources() -> None:
    plus = ColumnProfile(ascii=0, plus=1.0, styles=(Style(),))
    ampersand = ColumnProfile(ascii=0, plus=0.0, styles=(Style(),))
    assert any("Johnson+Johnson" in noisy for noisy in _draws("Johnson & Johnson", plus))
    assert not any("+" in noisy for noisy in _draws("Johnson & Johnson", ampersand))


def test_peoples_names_get_initials_and_companies_do_not() -> None:
    people = ColumnProfile(formed=0.0, styles=(Style(formed=False),))
    companies = ColumnProfile(formed=0.8, styles=(Style(formed=False),))
    assert "G. Washington" in _draws("George Washington", people)
    assert "G. Washington" not in _draws("George Washington", companies)


def test_noise_leaves_names_recognisable() -> None:
    profile = ColumnProfile()
    names = ["Kenmare Resources plc", "Shenzhen Zhenye (Group) Co.,Ltd.", "Hennes & Mauritz AB", "Moderna, Inc."]
    for name in names:
        first = normalize_name(name).core.split()[0]
        cores = [normalize_name(noisy).core for noisy in _draws(name, profile)]
        assert np.mean([core.startswith(first[:3]) for core in cores]) > 0.8
        assert len(set(cores)) > 5


@pytest.mark.parametrize("name", ["word " * 50_000, "x" * 200_000, "a & " * 50_000, "12 " * 50_000, "Inc. " * 50_000])
def test_a_name_of_any_length_takes_time_in_proportion(name: str) -> None:
    start = time.process_time()
    for style in (Style(limit=25, abbreviated=True), Style(repeated=True), Style(ending=" ADR")):
        noisy_name(name, ColumnProfile(styles=(style,)), np.random.default_rng(1))
    assert time.process_time() - start < 10
