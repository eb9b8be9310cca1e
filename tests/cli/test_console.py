from __future__ import annotations

import sys

import pytest

from entity_matching.cli.console import program


def test_a_program_that_is_not_on_the_path_is_named_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/there/bin/entity-matching", "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == "/there/bin/entity-matching"
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert program() == "entity-matching"
