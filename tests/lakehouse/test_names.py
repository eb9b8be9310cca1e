from __future__ import annotations

import pytest

from entity_matching.errors import SettingsError
from entity_matching.lakehouse.names import check_name, folder_name, literal, quoted


def test_each_level_of_a_name_is_quoted() -> None:
    assert quoted("a-b", "gold", "odd`name") == "`a-b`.`gold`.`odd``name`"


def test_a_text_keeps_its_quotes_and_backslashes() -> None:
    assert literal("it's a \\ path") == "'it\\'s a \\\\ path'"


@pytest.mark.parametrize("name", ["a.b", "a/b", "a b", "a\tb", "a\x00b"])
def test_what_unity_catalog_forbids_is_refused_with_the_sign(name: str) -> None:
    with pytest.raises(SettingsError, match="catalog name.*holds"):
        check_name(name, "the catalog name")


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_has_a_length(name: str) -> None:
    with pytest.raises(SettingsError, match=f"has {len(name)} characters"):
        check_name(name, "the catalog name")


def test_names_are_kept_in_lower_case() -> None:
    assert check_name("Anna_Entity-Matching", "the catalog name") == "anna_entity-matching"


def test_folders_of_different_catalogs_differ_and_hold_plain_letters_only() -> None:
    names = ["a-b", "a_b", "ab", "a'b", 'a"b', "a`b", "aüb", "a+b", "a日b"]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(folder.isascii() and not set(folder) & set("'\"` %/\\") for folder in folders)
