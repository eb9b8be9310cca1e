"""VAT and register numbers."""

from __future__ import annotations

import pytest

from entity_matching.normalize.registers import registration, vat


@pytest.mark.parametrize(
    ("raw", "country", "value"),
    [
        ("DE 136.695.976", "", "DE136695976"),
        ("136695976", "DE", "DE136695976"),
        ("FR 40 303 265 045", "", "FR40303265045"),
        ("40303265045", "FR", "FR40303265045"),
        ("EL 094259216", "", "GR094259216"),
        ("EL094259216", "GR", "GR094259216"),
        ("CHE-107.787.577 IVA", "CH", "CHE107787577"),
        ("CHE-107.787.577 MWST", "CH", "CHE107787577"),
        ("136695977", "DE", None),
        ("DE136695977", "FR", None),
        ("12345", "US", "US12345"),
        ("no digits", "DE", None),
    ],
)
def test_a_vat_number_is_checked_by_the_rules_of_its_country(raw: str, country: str, value: str | None) -> None:
    assert vat(raw, country) == value


@pytest.mark.parametrize(
    ("raw", "country", "value"),
    [
        ("923 609 016", "NO", "NO923609016"),
        ("923 609 017", "NO", None),
        ("552 081 317", "FR", "FR552081317"),
        ("13585628", "DK", "DK13585628"),
        ("DK13585628", "DK", "DK13585628"),
        ("00445790", "GB", "GB00445790"),
        ("HRB 6684", "DE", "DEHRB6684"),
        ("HRB 6684", "", "HRB6684"),
    ],
)
def test_a_register_number_is_checked_by_the_rules_of_its_country(raw: str, country: str, value: str | None) -> None:
    assert registration(raw, country) == value


def test_the_same_figures_in_two_countries_are_two_numbers() -> None:
    assert registration("00445790", "GB") != registration("00445790", "IE")
