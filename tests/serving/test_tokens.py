from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entity_matching.serving.tokens import Permission, Tokens, TokensError

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "endpoint" / "tokens.json", lambda: NOW)


def test_a_token_is_known_by_its_secret_alone(tokens: Tokens) -> None:
    one, two = tokens.create("one", Permission.CAN_QUERY), tokens.create("two", Permission.CAN_MANAGE)
    assert one.startswith("em_") and len(one) == len("em_") + 43
    found = tokens.check(two)
    assert found is not None and (found.name, found.permission) == ("two", Permission.CAN_MANAGE)
    for wrong in ("", one[:-1], one + "x", found.digest, "\ud800", "x" * 100_000):
        assert tokens.check(wrong) is None


def test_the_file_holds_no_secret_and_is_for_its_owner_alone(tokens: Tokens) -> None:
    secret = tokens.create("one", Permission.CAN_QUERY)
    assert secret not in tokens.path.read_text(encoding="utf-8")
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600


def test_a_revoked_token_fails_at_once_in_another_process(tokens: Tokens) -> None:
    secret = tokens.create("one", Permission.CAN_QUERY)
    other = Tokens(tokens.path, lambda: NOW)
    assert other.check(secret) is not None
    tokens.revoke("one")
    assert other.check(secret) is None
    assert [token.revoked for token in other.all()] == [NOW]


def test_a_token_ends_when_it_expires(tokens: Tokens) -> None:
    secret = tokens.create("one", Permission.CAN_QUERY, expires=NOW + timedelta(days=1))
    assert tokens.check(secret) is not None
    tokens.clock = lambda: NOW + timedelta(days=1)
    assert tokens.check(secret) is None


def test_a_name_is_free_again_once_its_token_is_revoked(tokens: Tokens) -> None:
    old = tokens.create("one", Permission.CAN_QUERY)
    with pytest.raises(TokensError, match="'one' already"):
        tokens.create("one", Permission.CAN_QUERY)
    tokens.revoke("one")
    new = tokens.create("one", Permission.CAN_QUERY)
    assert tokens.check(old) is None and tokens.check(new) is not None


@pytest.mark.parametrize("name", ["", "a b", "../x", "ü", "x" * 65])
def test_what_cannot_be_a_name_is_refused(name: str, tokens: Tokens) -> None:
    with pytest.raises(TokensError, match="cannot be a token's name"):
        tokens.create(name, Permission.CAN_QUERY)


def test_revoking_what_is_not_there_names_what_is(tokens: Tokens) -> None:
    tokens.create("one", Permission.CAN_QUERY)
    with pytest.raises(TokensError, match="Tokens there are: one"):
        tokens.revoke("two")


@pytest.mark.parametrize("text", ["", "{", "{}", '[{"name": "x"}]', '[{"name": "x", "permission": "ALL"}]'])
def test_a_damaged_file_lets_nobody_in(text: str, tokens: Tokens) -> None:
    secret = tokens.create("one", Permission.CAN_QUERY)
    tokens.path.write_text(text, encoding="utf-8")
    if text == "{}":
        assert tokens.check(secret) is None
        return
    with pytest.raises(TokensError, match="cannot be read"):
        tokens.check(secret)


def test_tokens_made_at_the_same_time_are_all_kept(tokens: Tokens) -> None:
    names = [f"n{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda name: Tokens(tokens.path).create(name, Permission.CAN_QUERY), names))
    assert sorted(token.name for token in tokens.all()) == sorted(names)
    assert all(tokens.check(secret) is not None for secret in made)
