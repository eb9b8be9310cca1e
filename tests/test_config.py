"""Settings: their ranges, and how they are saved."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from entity_matching.config import (
    CascadeSettings,
    DecisionSettings,
    DittoSettings,
    MatcherSettings,
    ScorerSettings,
    SearchSettings,
)
from entity_matching.errors import SettingsError

GROUPS: list[Any] = [
    SearchSettings,
    ScorerSettings,
    DittoSettings,
    CascadeSettings,
    DecisionSettings,
    MatcherSettings,
]
WHOLE = [
    *((SearchSettings, field.name, 1) for field in dataclasses.fields(SearchSettings)),
    *((ScorerSettings, name, 1) for name in ("trees", "synthetic_records", "threads")),
    *((ScorerSettings, name, 2) for name in ("leaves", "folds", "rivals")),
    *((DittoSettings, name, 1) for name in ("epochs", "patience", "batch", "mine_every", "threads")),
    *((DittoSettings, name, 16) for name in ("max_tokens", "step_tokens")),
    (CascadeSettings, "folds", 2),
    (CascadeSettings, "pretraining_epochs", 1),
    (DecisionSettings, "listed", 1),
    (MatcherSettings, "seed", 0),
]
SHARES = [(DecisionSettings, "target_precision"), (DecisionSettings, "kept_share"), (ScorerSettings, "learning_rate")]


@pytest.mark.parametrize(("group", "name", "least"), WHOLE)
def test_a_whole_number_is_taken_from_its_least_value_on(group: Any, name: str, least: int) -> None:
    assert getattr(group(**{name: least}), name) == least
    for wrong in (least - 1, -5, 2.5, math.nan, "3", None, True):
        with pytest.raises(
            SettingsError, match=f"The setting '{name}' is .*; expected a whole number of at least {least}"
        ):
            group(**{name: wrong})


@pytest.mark.parametrize(("group", "name"), SHARES)
def test_a_share_is_above_0_and_at_most_1(group: Any, name: str) -> None:
    assert getattr(group(**{name: 1}), name) == 1
    for wrong in (0, -0.1, 1.01, math.nan, "0.5", None, False):
        with pytest.raises(SettingsError, match=f"The setting '{name}' is .*; expected a .* above 0, at most 1"):
            group(**{name: wrong})


@pytest.mark.parametrize(
    ("group", "name"),
    [(ScorerSettings, "extra_weight"), (ScorerSettings, "counterfactual_weight"), (CascadeSettings, "extra_weight")],
)
def test_the_weight_of_made_pairs_may_be_nothing_but_not_less(group: Any, name: str) -> None:
    assert getattr(group(**{name: 0}), name) == 0
    for wrong in (-0.1, math.inf, math.nan):
        with pytest.raises(SettingsError, match=f"'{name}'"):
            group(**{name: wrong})


@pytest.mark.parametrize("group", GROUPS)
def test_settings_cannot_be_changed_once_made(group: Any) -> None:
    made = group()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(made)[0].name, 1)


def test_settings_come_back_from_json_as_they_were() -> None:
    settings = MatcherSettings(
        search=SearchSettings(limit=7),
        scorer=ScorerSettings(learning_rate=0.2),
        decision=DecisionSettings(target_precision=0.9),
        ditto=DittoSettings(encoder="/models/roberta", epochs=2),
        cascade=CascadeSettings(low=0.1),
        seed=3,
    )
    assert MatcherSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_what_is_not_said_keeps_its_default() -> None:
    assert MatcherSettings.from_dict({}) == MatcherSettings()
    assert MatcherSettings.from_dict({"search": {"limit": 7}}) == MatcherSettings(search=SearchSettings(limit=7))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"serch": {}}, ["no setting 'serch' in 'settings'", "search, scorer, ditto, cascade, decision, seed"]),
        ({"search": {"limits": 3}}, ["no setting 'limits' in 'search'", "limit, depth"]),
        ({"scorer": {"leafs": 3}}, ["no setting 'leafs' in 'scorer'", "leaves"]),
        ({"decision": {"precision": 0.9}}, ["no setting 'precision' in 'decision'", "target_precision"]),
        ({"search": None}, ["'search' is None", "settings by their names"]),
        ({"ditto": {"epoch": 3}}, ["no setting 'epoch' in 'ditto'", "epochs"]),
        ({"ditto": {"precision": "int8"}}, ["'precision' is 'int8'", "one of auto, bf16, fp32"]),
        ({"ditto": {"dropout": 1}}, ["'dropout' is 1", "below 1"]),
        ({"ditto": {"learning_rate": 0}}, ["'learning_rate' is 0", "above 0"]),
        ({"ditto": {"max_tokens": 8}}, ["'max_tokens' is 8", "at least 16"]),
        ({"ditto": {"encoder": ""}}, ["'encoder' is ''", "a name or a path"]),
        ({"cascade": {"low": 0.5, "high": 0.4}}, ["'low' is 0.5", "less than high (0.4)"]),
        ({"cascade": {"high": 1.5}}, ["'high' is 1.5", "a probability"]),
        ({"decision": [1]}, ["'decision' is [1]"]),
        ({"seed": "x"}, ["'seed' is 'x'", "a whole number of at least 0"]),
        ({"search": {"limit": "many"}}, ["'limit' is 'many'", "a whole number of at least 1"]),
        ([], ["'settings' is []"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(data: Any, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        MatcherSettings.from_dict(data)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert caught.value.remedy
