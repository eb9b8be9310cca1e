"""Share-class and listing suffixes at the end of a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.normalize.listings import strip_listing
from entity_matching.normalize.text import to_ascii


@pytest.mark.parametrize(
    ("raw", "rest", "suffix"),
    [
        ("YEXT INC.  DL 0,001", "yext inc.", ""),
        ("HERSHEY CO.  DL 1", "hershey co.", ""),
        ("T-MOBILE US INC.DL,-00001", "t-mobile us inc.", ""),
        ("CURIOSITYSTREAM A -,0001", "curiositystream", "cl a"),
        ("ALTEN SAEO 1", "alten sa", ""),
        ("ELECTRICI.D.FRANCE E0-,50", "electrici.d.france", ""),
        ("361 DEG. INTERNAT. HK-,01", "361 deg. internat.", ""),
        ("CABASSE GROUP S.A. EO 1,-", "cabasse group s.a.", ""),
        ("NIIIO FIN.GRP AG  NA O.N.", "niiio fin.grp ag", "nom"),
        ("MUELLER-LILA LOG. INH ON", "mueller-lila log.", "inh"),
        ("ACS,ACT.CO.SER.INH.EO-,50", "acs,act.co.ser.", "inh"),
        ("BIOTEST AG VZ O.N.", "biotest ag", "pref"),
        ("CHINA VANKE CO. LTD. H YC 1", "china vanke co. ltd.", "cl h"),
        ("MASTERCARD INC.A DL-,0001", "mastercard inc.", "cl a"),
        ("FASTLY INC. CL.ADL-,001", "fastly inc.", "cl a"),
        ("ALANDSBANKEN-A", "alandsbanken", "cl a"),
        ("H+H INTERNATIONAL A/S-B", "h+h international a/s", "cl b"),
        ("RAISIO OYJ-V SHS", "raisio oyj", "cl v"),
        ("LIGHTINTHEBOX HLDGS S.ADR", "lightinthebox hldgs", "adr"),
        ("SOC. QUIMICA MIN.ADR B 1", "soc. quimica min.", "adr"),
        ("NIU TECH. ADR/2 A -,0001", "niu tech.", "adr"),
        ("SAMS.EL.0,5SP.GDRS144A/95", "sams.el.", "gdr"),
        ("SISTEMA GDR REGS 1/50", "sistema", "gdr"),
        ("TESLA INC TESLA ORD (CDI)", "tesla inc tesla", "ord"),
        ("DE LONGHI SPA DE'LONGHI ORD SHS", "de longhi spa de'longhi", "ord"),
        ("New Pacific Metals Corp. Common Shares", "new pacific metals corp.", "ord"),
        ("Petroleo Brasileiro SA Sponsored ADR", "petroleo brasileiro sa", "adr"),
        ("Alphabet Inc. Class A", "alphabet inc.", "cl a"),
        ("TECK RES LTD. B SUB.VTG", "teck res ltd.", "cl b sub"),
        ("CP ALL PCL -FOREIGN- BA 1", "cp all pcl", "foreign"),
        ("BIOMERIEUX (P.S.)  O.N.", "biomerieux", ""),
        ("LANDORE R. O.N.(POST CONS", "landore r.", ""),
    ],
)
def test_suffixes_are_taken_off(raw: str, rest: str, suffix: str) -> None:
    assert strip_listing(to_ascii(raw), capitals=raw.isupper()) == (rest, suffix)


@pytest.mark.parametrize(
    "name",
    [
        "NA",
        "3M",
        "A SPAC I",
        "Class Ltd",
        "ISS AS",
        "Nordic American Tankers",
        "E.ON",
        "Viet Nam",
        "ORD",
        "DL 1",
        "South32 Ltd.",
        "Media 6",
        "Leverage Shares",
        "On Holding",
        "Vita 34 AG",
        "HERA S.P.A.",
        "BALYO S.A.",
        "TRUST FUND A",
        "B. Gaon",
    ],
)
def test_names_that_only_look_like_suffixes_survive(name: str) -> None:
    assert strip_listing(to_ascii(name), capitals=name.isupper()) == (to_ascii(name), "")


def test_a_lone_letter_counts_only_in_a_line_of_capitals() -> None:
    assert strip_listing("beasley broadcast a", capitals=True) == ("beasley broadcast", "cl a")
    assert strip_listing("beasley broadcast a", capitals=False) == ("beasley broadcast a", "")


@given(st.text(alphabet="abdehilnoprst 01/-.,()&'", max_size=90), st.booleans())
def test_something_is_always_left_and_it_is_the_beginning(text: str, capitals: bool) -> None:  # noqa: FBT001
    rest, suffix = strip_listing(text, capitals=capitals)
    if rest == text:
        assert suffix == ""
    assert text.startswith(rest.removesuffix("."))
    assert any(map(str.isalnum, rest)) == any(map(str.isalnum, text))
