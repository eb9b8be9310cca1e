from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import entity_matching
from entity_matching.config import MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.errors import ArtifactError, InputError, LabelsError, SchemaError
from entity_matching.matcher import Matcher, crossvalidate, match
from entity_matching.matcher.cascade import Asked, Cascade
from entity_matching.matcher.result import RESULT
from entity_matching.schema import Schema

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies


SMALL = MatcherSettings(
    search=SearchSettings(limit=10, threads=1),
    scorer=ScorerSettings(trees=40, folds=2, synthetic_records=300, threads=1),
)
"""Those of the trained matchers in conftest.py."""


def figures(result: pa.Table, labels: pa.Table) -> tuple[float, float]:
    """Precision and recall of the automatic matches."""
    truth = dict(zip(labels["source_key"].to_pylist(), labels["reference_key"].to_pylist(), strict=True))
    rows = [row for row in result.to_pylist() if row["source_key"] in truth]
    accepted = [row for row in rows if row["decision"] == "match"]
    right = sum(row["entity_id"] == truth[row["source_key"]] for row in accepted)
    return right / len(accepted), right / sum(bool(truth[row["source_key"]]) for row in rows)


def test_with_no_label_at_all_most_listings_find_their_company(companies: Companies, blind: Matcher) -> None:
    result = blind.match(companies.source, companies.reference)
    precision, recall = figures(result, companies.labels)
    assert precision > 0.95
    assert recall > 0.85


def test_labels_are_learnt_from(companies: Companies) -> None:
    result = crossvalidate(
        companies.source, companies.reference, companies.labels, schema=companies.schema, settings=SMALL, folds=3
    )
    assert result["source_key"].to_pylist() == companies.source["source_id"].to_pylist()
    precision, recall = figures(result, companies.labels)
    assert precision > 0.95
    assert recall > 0.85


def test_one_row_per_source_record_in_the_order_given(companies: Companies, blind: Matcher) -> None:
    backwards = companies.source.take(pa.array(range(companies.source.num_rows - 1, -1, -1)))
    result = blind.match(backwards, companies.reference)
    assert result.schema.equals(RESULT)
    assert result["source_key"].to_pylist() == backwards["source_id"].to_pylist()


@pytest.mark.parametrize("kind", ["taught", "deep_taught", "deep_blind"])
def test_the_answer_holds_together(companies: Companies, kind: str, request: pytest.FixtureRequest) -> None:
    matcher: Matcher = request.getfixturevalue(kind)
    for row in matcher.match(companies.source, companies.reference).to_pylist():
        assert row["decision"] in {"match", "review", "no_match"}
        assert 0 <= row["confidence"] <= 1
        assert row["reason"]
        confidences = [candidate["confidence"] for candidate in row["candidates"]]
        assert confidences == sorted(confidences, reverse=True)
        if row["decision"] == "no_match":
            assert row["entity_id"] is None
        else:
            assert row["entity_id"] == row["candidates"][0]["entity_id"]
            assert row["confidence"] == confidences[0]


def test_the_answer_does_not_depend_on_the_batches(companies: Companies, blind: Matcher) -> None:
    whole = blind.match(companies.source, companies.reference)
    settings = replace(blind.settings, search=replace(blind.settings.search, batch_rows=7))
    small = Matcher(replace(blind.model, settings=settings)).match(companies.source, companies.reference)
    assert small.equals(whole)
    one = blind.match_prepared(companies.source.slice(3, 1), blind.prepare(companies.reference))
    assert one.equals(whole.slice(3, 1).combine_chunks())


def test_training_twice_gives_the_same_answers(companies: Companies, blind: Matcher) -> None:
    again = match(companies.source, companies.reference, schema=companies.schema, settings=SMALL)
    assert again.equals(blind.match(companies.source, companies.reference))


@pytest.mark.parametrize("way", ["as given", "name alone", "capitals"])
@pytest.mark.parametrize("kind", ["blind", "taught"])
def test_exact_copies_are_matched_to_themselves(
    companies: Companies, way: str, kind: str, request: pytest.FixtureRequest
) -> None:
    matcher: Matcher = request.getfixturevalue(kind)
    names = companies.reference["company_name"]
    once = pc.is_in(
        names, value_set=pc.value_counts(names).filter(pc.equal(pc.value_counts(names).field(1), 1)).field(0)
    )
    copies = (
        companies.reference.filter(once)
        .slice(0, 300)
        .rename_columns(["source_id" if name == "company_id" else name for name in companies.reference.column_names])
    )
    if way == "name alone":
        copies = copies.select(["source_id", "company_name"])
    elif way == "capitals":
        copies = copies.set_column(1, "company_name", pc.utf8_upper(copies["company_name"]))
    result = matcher.match(copies, companies.reference)
    same = sum(row["entity_id"] == row["source_key"] and row["decision"] == "match" for row in result.to_pylist())
    assert same >= 0.99 * copies.num_rows


def test_any_dataframe_with_the_arrow_interface_is_taken(companies: Companies, blind: Matcher) -> None:
    source, reference = companies.source.to_pandas(), companies.reference.to_pandas()
    assert isinstance(source, pd.DataFrame)
    assert blind.match(source, reference).equals(blind.match(companies.source, companies.reference))


def test_what_is_no_table_is_refused(companies: Companies, blind: Matcher) -> None:
    with pytest.raises(InputError, match=r"the source: expected a table, found list.*pyarrow"):
        blind.match([1, 2], companies.reference)


def test_a_duplicate_key_in_the_reference_is_refused(companies: Companies, blind: Matcher) -> None:
    twice = pa.concat_tables([companies.reference, companies.reference.slice(0, 1)])
    with pytest.raises(InputError, match="is there twice, in rows 1 and"):
        blind.match(companies.source, twice)


def test_a_table_of_another_schema_is_refused(blind: Matcher) -> None:
    papers = pa.table({"id": ["1"], "title": ["On matching"]})
    with pytest.raises(SchemaError, match="source_id"):
        blind.match(papers, papers)


def test_labels_for_other_tables_are_refused(companies: Companies) -> None:
    labels = pa.table({"source_key": ["nobody"], "reference_key": ["C1"]})
    with pytest.raises(LabelsError, match="none of the 1 labels"):
        match(companies.source, companies.reference, labels=labels, schema=companies.schema, settings=SMALL)
    labels = pa.table({"source_key": companies.source["source_id"].slice(0, 1), "reference_key": ["C-none"]})
    with pytest.raises(LabelsError, match="'C-none'"):
        match(companies.source, companies.reference, labels=labels, schema=companies.schema, settings=SMALL)


def test_labels_without_any_match_are_refused(companies: Companies) -> None:
    labels = pa.table({"source_key": companies.source["source_id"], "reference_key": [""] * companies.source.num_rows})
    with pytest.raises(LabelsError, match="no match"):
        match(companies.source, companies.reference, labels=labels, schema=companies.schema, settings=SMALL)


def test_a_higher_target_precision_accepts_less(companies: Companies, taught: Matcher) -> None:
    strict, loose = taught.with_target_precision(0.999), taught.with_target_precision(0.8)
    assert strict.thresholds.match >= loose.thresholds.match
    accepted = [
        pc.sum(pc.equal(matcher.match(companies.source, companies.reference)["decision"], "match")).as_py()
        for matcher in (strict, loose)
    ]
    assert accepted[0] < accepted[1]


def test_the_reference_alone_is_enough_to_train(companies: Companies) -> None:
    matcher = Matcher.train(None, companies.reference, schema=companies.schema, settings=SMALL)
    precision, recall = figures(matcher.match(companies.source, companies.reference), companies.labels)
    assert precision > 0.9
    assert recall > 0.8


def test_a_description_says_what_it_was_trained_on(companies: Companies, taught: Matcher) -> None:
    about = taught.describe()
    assert about["trained_on"]["labels"] == companies.labels.num_rows
    assert len(about["trained_on"]["fingerprint"]) == 64
    assert 0 < about["thresholds"]["review"] <= about["thresholds"]["match"] <= 1
    assert next(iter(about["features"])).split(".")[0] in {"company_name", "record", "search"}


def test_other_things_than_companies_are_matched() -> None:
    titles = [
        f"{brand} {kind} camera model {number}"
        for number, (brand, kind) in enumerate(
            [
                (brand, kind)
                for brand in ("canon", "nikon", "sony", "leica", "pentax")
                for kind in ("compact", "mirrorless", "film", "action", "studio", "pocket", "bridge", "rugged")
            ]
        )
    ]
    reference = pa.table({"sku": [f"R{n}" for n in range(len(titles))], "title": titles})
    source = pa.table({"id": ["a", "b"], "title": ["CANON mirrorless camera mod. 1", "garden hose 20 m green"]})
    schema = Schema.from_yaml("{key: {source: id, reference: sku}, attributes: {title: text}}")
    result = entity_matching.match(source, reference, schema=schema, settings=SMALL).to_pylist()
    assert result[0]["candidates"][0]["entity_id"] == "R1"
    assert result[1]["decision"] != "match"


@pytest.mark.parametrize("rows", [0, 1])
def test_a_source_of_no_or_one_row(companies: Companies, blind: Matcher, rows: int) -> None:
    assert blind.match(companies.source.slice(0, rows), companies.reference).num_rows == rows


def test_a_reference_of_one_row() -> None:
    one = pa.table({"id": ["r"], "name": ["Vestas Wind Systems A/S"]})
    two = pa.table({"id": ["s", "t"], "name": ["VESTAS WIND SYSTEMS", "Novo Nordisk"]})
    result = match(two, one, settings=SMALL).to_pylist()
    assert result[0]["entity_id"] == "r"
    assert result[1]["decision"] != "match"


def test_a_column_that_neither_table_has_any_more_is_done_without(
    companies: Companies, blind: Matcher, caplog: pytest.LogCaptureFixture
) -> None:
    result = blind.match(companies.source.drop_columns(["city"]), companies.reference.drop_columns(["city"]))
    assert figures(result, companies.labels)[1] > 0.8
    assert "'city'" in caplog.text
    with pytest.raises(SchemaError, match="company_name"):
        blind.match(companies.source.drop_columns(["company_name"]), companies.reference.drop_columns(["company_name"]))


# --- with Ditto ---


@pytest.mark.parametrize("kind", ["deep_taught", "deep_blind"])
def test_with_ditto_most_listings_find_their_company_too(
    listings: Companies, kind: str, request: pytest.FixtureRequest
) -> None:
    matcher: Matcher = request.getfixturevalue(kind)
    result = matcher.match(listings.source, listings.reference)
    assert result.schema.equals(RESULT)
    assert result["source_key"].to_pylist() == listings.source["source_id"].to_pylist()
    precision, recall = figures(result, listings.labels)
    assert precision > 0.9
    assert recall > 0.85


def test_with_ditto_training_twice_gives_the_same_answers_and_another_seed_others(
    listings: Companies, deep_blind: Matcher, deep_settings: MatcherSettings
) -> None:
    before = deep_blind.match(listings.source, listings.reference)
    results = [
        match(listings.source, listings.reference, schema=listings.schema, settings=replace(deep_settings, seed=seed))
        for seed in (0, 1)
    ]
    assert results[0].equals(before)
    assert not results[1].equals(before)


def test_with_ditto_the_answer_does_not_depend_on_what_else_is_asked(listings: Companies, deep_taught: Matcher) -> None:
    whole = deep_taught.match(listings.source, listings.reference)
    prepared = deep_taught.prepare(listings.reference)
    assert deep_taught.match_prepared(listings.source, prepared).equals(whole)
    one = deep_taught.match_prepared(listings.source.slice(5, 1), prepared)
    assert one.equals(whole.slice(5, 1).combine_chunks())
    settings = replace(deep_taught.settings, search=replace(deep_taught.settings.search, batch_rows=7))
    small = Matcher(replace(deep_taught.model, settings=settings))
    assert small.match(listings.source, listings.reference).equals(whole)


def test_with_ditto_another_target_precision_can_be_asked(listings: Companies, deep_taught: Matcher) -> None:
    strict, loose = (deep_taught.with_target_precision(target) for target in (0.999, 0.6))
    assert strict.thresholds.match >= loose.thresholds.match
    accepted = [
        pc.sum(pc.equal(matcher.match(listings.source, listings.reference)["decision"], "match")).as_py()
        for matcher in (strict, loose)
    ]
    assert accepted[0] <= accepted[1]
    assert strict.model.cascade is deep_taught.model.cascade


class _Spy:
    """Stands before the cascade, and notes what it is asked and what it sends to Ditto."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.raw: list[float] = []
        self.sent: list[bool] = []
        odds = Cascade.odds

        def spy(cascade: Cascade, asked: Asked, chosen: Any) -> Any:
            self.raw += asked.raw.tolist()
            self.sent += chosen.tolist()
            return odds(cascade, asked, chosen)

        monkeypatch.setattr(Cascade, "odds", spy)


def test_only_what_the_features_leave_in_doubt_goes_to_ditto(
    listings: Companies, deep_taught: Matcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "entity_matching")
    spy = _Spy(monkeypatch)
    deep_taught.match(listings.source, listings.reference)
    band = deep_taught.settings.cascade
    assert spy.sent == [band.low <= raw <= band.high for raw in spy.raw]
    assert 0 < sum(spy.sent) < len(spy.sent)
    assert f"{sum(spy.sent)} of {len(spy.sent)} candidates go to Ditto" in caplog.text


def test_without_the_cascade_every_candidate_goes_to_ditto(
    listings: Companies, deep_taught: Matcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = deep_taught.without_cascade()
    spy = _Spy(monkeypatch)
    before = everything.match(listings.source, listings.reference)
    assert all(spy.sent)
    assert len(spy.sent) > 100
    everything.save(tmp_path / "model")
    loaded = Matcher.load(tmp_path / "model")
    assert loaded.match(listings.source, listings.reference).equals(before)
    assert all(spy.sent)


def test_a_model_without_ditto_has_no_cascade_to_leave_out(taught: Matcher) -> None:
    with pytest.raises(ArtifactError, match=r"needs a model with Ditto; this one has none. Train one with --ditto"):
        taught.without_cascade()
    assert taught.model.cascade is None
    assert "ditto" not in taught.describe()["trained_on"]


def test_records_that_resemble_nothing_are_no_trouble_for_ditto(
    listings: Companies, deep_taught: Matcher, recwarn: pytest.WarningsRecorder
) -> None:
    names = pa.array(["", " \t", "---"])
    source = pa.table({"source_id": ["a", "b", "c"], "company_name": names})
    result = deep_taught.match(source, listings.reference)
    assert result["decision"].to_pylist() == ["no_match"] * 3
    assert [str(warning.message) for warning in recwarn] == []


def test_with_ditto_a_description_is_a_model_card(listings: Companies, deep_taught: Matcher) -> None:
    about = json.loads(json.dumps(deep_taught.describe()))
    held = about["held_out"]
    assert held["records"] == listings.labels.num_rows
    for name in ("precision", "recall", "f1", "calibration_error"):
        assert 0 <= held[name]["low"] <= held[name]["value"] <= held[name]["high"] <= 1
    ditto = about["trained_on"]["ditto"]
    assert list(ditto["taught"]) == ["pretraining", "labels"]
    matched = [key for key in listings.labels["reference_key"].to_pylist() if key]
    assert 0.8 * len(matched) < ditto["taught"]["labels"]["pairs"]["label"] <= len(matched)
    assert about["settings"]["ditto"]["epochs"] == 1
    assert about["settings"]["cascade"]["low"] == 0.02


def test_a_training_that_was_killed_goes_on_where_it_stood(
    listings: Companies,
    deep_taught: Matcher,
    deep_settings: MatcherSettings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "entity_matching.ditto.train")
    assert deep_settings.ditto is not None
    often = replace(deep_settings, ditto=replace(deep_settings.ditto, checkpoint_minutes=0.0))
    steps = 0

    def kill(stage: str, share: float) -> None:
        nonlocal steps
        steps += "training 1 of 3" in stage and "pass 1" in stage
        if steps == 4:
            raise KeyboardInterrupt

    def train(progress: Any) -> Matcher:
        return Matcher.train(
            listings.source, listings.reference, listings.labels, schema=listings.schema, settings=often,
            progress=progress, checkpoints=tmp_path / "kept",
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        train(kill)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"pretraining", "labels-fold-1"}
    first = len(caplog.messages)
    again = train(None)
    went_on = [message.partition(",")[0] for message in caplog.messages[first:] if message.startswith("going on")]
    assert went_on == ["going on from pass 2", "going on from pass 1"]  # the first, without labels, was done
    passes = [message for message in caplog.messages[first:] if message.startswith("pass")]
    assert len(passes) == 3
    result = again.match(listings.source, listings.reference)
    assert result.equals(deep_taught.match(listings.source, listings.reference))


def test_labels_teach_ditto_something(listings: Companies, deep_taught: Matcher, deep_blind: Matcher) -> None:
    pairs = listings.labels.filter(pc.not_equal(listings.labels["reference_key"], ""))
    found = [
        matcher.contributions(listings.source, listings.reference, pairs)["probability"].to_numpy()
        for matcher in (deep_taught, deep_blind)
    ]
    assert not np.array_equal(found[0], found[1])
