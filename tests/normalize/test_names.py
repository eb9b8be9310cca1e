"""Names split into core, legal form and listing suffix."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.normalize.names import normalize_name


@pytest.mark.parametrize(
    ("raw", "core", "form", "suffix"),
    [
        ("YEXT INC.  DL 0,001", "yext", "inc", ""),
        ("UBISOFT ENTMT IN.EO-,0775", "ubisoft entertainment", "", "inh"),
        ("LUMENTUM HLDGS IN.DL-,001", "lumentum holding", "inc", ""),
        ("NIIIO FIN.GRP AG  NA O.N.", "niiio finance group", "ag", "nom"),
        ("TELEVIS. FSE 1 INH.EO 0,2", "televis fse 1", "", "inh"),
        ("PT PERUSAHA.GAS NEG.RP100", "perusaha gas neg", "pt", ""),
        ("SCSK CORP.", "scsk", "corp", ""),
        ("IMERYS SA IMERYS ORD SHS", "imerys", "sa", "ord"),
        ("METROVACESA SA METROVACESA ORD ", "metrovacesa", "sa", "ord"),
        ("AKZO NOBEL NV AKZO NOBEL ORD SH", "akzo nobel", "nv", "ord"),
        ("KGHM POLSKA MIEDZ SA KGHM POLSK", "kghm polska miedz", "sa", ""),
        ("DE LONGHI SPA DE'LONGHI ORD SHS", "de longhi", "spa", "ord"),
        ("SOCIETE GENERALE SOCIETE GENERA", "societe generale", "", ""),
        ("OESTERREICHISCHE POST AG OSTERR", "oesterreichische post", "ag", ""),
        ("ICADE SA ICADE REIT ORD SHS", "icade", "sa", "ord"),
        ("CHINA VANKE CO. LTD. H YC 1", "china vanke", "coltd", "cl h"),
        ("BAKKAVOR GRP PLC LS -,1", "bakkavor group", "plc", ""),
        ("SUMITOMO CHEMICAL INDIA LIMITE", "sumitomo chemical india", "ltd", ""),
        ("RailTel Corporation of India L", "railtel corporation of india", "ltd", ""),
        ("Indian Railway Finance Corpora", "indian railway finance", "corp", ""),
        ("BORUSSIA DORTMUND GMBH & CO KGA", "borussia dortmund", "gmbhcokgaa", ""),
        ("Shenzhen Zhenye (Group) Co.,Ltd.", "shenzhen zhenye group", "coltd", ""),
        ("The Southern Company", "southern", "co", ""),
        ("Gap Inc., The", "gap", "inc", ""),
        ("Medivir AB (publ)", "medivir", "ab", ""),
        ("A2A S.P.A.  EO 0,52", "a2a", "spa", ""),
        ("Hennes & Mauritz AB", "hennes mauritz", "ab", ""),
        ("H+M HEN.+MAU.UNSP.ADR 1/5", "hm hen mau", "", "adr"),
        ("Brigade Forty 4", "brigade forty 4", "", ""),
        ("Муромский завод", "muromskiy zavod", "", ""),
        ("3M", "3m", "", ""),
        ("A SPAC I", "a spac 1", "", ""),
        ("Class Ltd", "class", "ltd", ""),
        ("ISS AS", "iss", "as", ""),
        ("Limited", "limited", "", ""),
        ("The", "the", "", ""),
    ],
)
def test_parts_of_real_names(raw: str, core: str, form: str, suffix: str) -> None:
    name = normalize_name(raw)
    assert (name.core, name.form, name.suffix) == (core, form, suffix)


@pytest.mark.parametrize(
    ("messy", "clean"),
    [
        ("EVERSPIN TECHN. DL -,0001", "Everspin Technologies, Inc."),
        ("CELLAVISION AB CELLAVISION ORD ", "CellaVision AB (publ)"),
        ("FUJIFILM Holdings Corp.", "FUJIFILM Holdings Corporation"),
        ("KENMARE RES PLC  EO-,001", "Kenmare Resources plc"),
        ("LEIFHEIT AG O.N.", "Leifheit Aktiengesellschaft"),
        ("MICRON TECHN. INC. DL-,10", "Micron Technology, Inc."),
        ("S+P GLOBAL INC.  DL 1", "S&P Global Inc."),
        ("THE ODP CORP. DL-,01", "ODP Corporation"),
    ],
)
def test_a_listing_and_the_master_record_share_their_core(messy: str, clean: str) -> None:
    assert normalize_name(messy).core == normalize_name(clean).core


def test_the_text_keeps_everything_the_name_says() -> None:
    assert normalize_name("MASTERCARD INC.A DL-,0001").text == "mastercard inc a dl 0001"


@given(st.text(max_size=80))
def test_any_string_has_a_core_if_it_has_a_text(raw: str) -> None:
    name = normalize_name(raw)
    assert bool(name.core) == bool(name.text)
    assert all(part.isascii() and part == " ".join(part.split()) for part in name)


@given(st.text(alphabet="ALTDSEO INCRP.,-01/&()'", max_size=60))
def test_any_line_of_capitals_has_a_core_if_it_has_a_text(raw: str) -> None:
    name = normalize_name(raw)
    assert bool(name.core) == bool(name.text)


@given(st.text(alphabet="abcdefghij 123", min_size=1, max_size=30))
def test_case_does_not_matter_for_the_text(raw: str) -> None:
    assert normalize_name(raw.upper()).text == normalize_name(raw).text


@pytest.mark.parametrize(
    "cell", ["Ltd " * 300_000, "a" * 2_000_000, "a.b " * 300_000, "DL -,01 " * 100_000, "& + " * 200_000]
)
def test_a_huge_cell_takes_time_in_proportion_to_its_length(cell: str) -> None:
    start = time.process_time()
    assert normalize_name(cell).core
    assert time.process_time() - start < 10
