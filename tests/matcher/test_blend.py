"""Ditto taught without labels, and the second scorer that blends it with the features."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from entity_matching.config import CascadeSettings, MatcherSettings, ScorerSettings
from entity_matching.errors import ArtifactError
from entity_matching.features import Block
from entity_matching.matcher import Matcher
from entity_matching.matcher.blend import Scored, Taught, pretrain, readable
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.lessons import Lesson, Provenance
from entity_matching.matcher.teach import Pupil, Start
from entity_matching.matcher.train import Learnt, Task
from entity_matching.normalize import normalize_table
from entity_matching.schema import Key, Schema, Side
from entity_matching.search import Candidates

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies

SCHEMA = Schema.from_yaml(
    "{attributes: {name: name, city: {kind: category, type: place}, isin: {kind: identifier, type: isin}}}"
)


def _sources(**columns: list[str]) -> pa.Table:
    return normalize_table(pa.table(columns), SCHEMA, Side.SOURCE)


def _references(**columns: list[str]) -> pa.Table:
    return normalize_table(pa.table(columns), SCHEMA, Side.REFERENCE)


def _names(schema: Schema) -> list[str]:
    return [attribute.name for attribute in schema.attributes]


def test_what_only_one_side_says_is_not_read_unless_it_is_a_category() -> None:
    reference = _references(name=["Acme"], city=["Bonn"], isin=["DE0005140008"])
    assert _names(readable(SCHEMA, _sources(name=["Acme"], city=["Bonn"]), reference)) == ["name", "city"]
    assert _names(readable(SCHEMA, _sources(name=["Acme"], city=[""]), reference)) == ["name", "city"]
    assert _names(readable(SCHEMA, _sources(name=["Acme"]), _references(name=["Acme"], city=[""]))) == ["name"]
    assert _names(readable(SCHEMA, None, reference)) == ["name", "city", "isin"]
    assert _names(readable(SCHEMA, None, _references(name=["Acme"], city=[""]))) == ["name"]


def test_an_attribute_that_looked_to_one_that_is_not_read_does_without_it() -> None:
    schema = Schema.from_yaml(
        "{attributes: {name: name, ticker: {kind: identifier, type: ticker, exchange: venue}, venue: text}}"
    )
    sources = normalize_table(pa.table({"name": ["Acme"], "ticker": ["ACM"], "venue": ["X"]}), schema, Side.SOURCE)
    references = normalize_table(pa.table({"name": ["Acme"], "ticker": ["ACM"]}), schema, Side.REFERENCE)
    found = readable(schema, sources, references)
    assert _names(found) == ["name", "ticker"]
    assert Schema.from_yaml(found.to_yaml()) == found


def test_where_nothing_is_shared_all_is_read() -> None:
    assert readable(SCHEMA, _sources(city=["Bonn"]), _references(name=["Acme"])) == SCHEMA


def test_the_model_reads_what_both_tables_fill(deep_taught: Matcher, deep_blind: Matcher) -> None:
    for matcher in (deep_taught, deep_blind):
        assert matcher.model.cascade is not None
        schema = matcher.model.cascade.reader.serializer.schema
        assert _names(schema) == ["company_name", "isin", "country", "city"]  # not website: the source has none
        assert matcher.describe()["trained_on"]["ditto"]["attributes"] == _names(schema)
    assert "website" in _names(deep_taught.schema)


def test_shared_identifiers_and_names_are_learnt_from(deep_blind: Matcher, listings: Companies) -> None:
    pairs = deep_blind.describe()["trained_on"]["ditto"]["taught"]["pretraining"]["pairs"]
    assert set(pairs) == {"noise", "identifier", "exact_name", "search"}
    shared = set(listings.source["isin"].to_pylist()) & set(listings.reference["isin"].to_pylist()) - {""}
    assert 0.5 * len(shared) < pairs["identifier"] <= len(shared)


def test_half_of_the_records_made_by_noise_are_kept_to_learn_the_blend(
    deep_task: Task, listings: Companies, deep_settings: MatcherSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lessons: list[Lesson] = []

    def spy(pupil: Pupil, given: Sequence[Lesson], *_: Any) -> Pupil:
        lessons.extend(given)
        return pupil

    monkeypatch.setattr(Pupil, "taught", spy)
    assert deep_task.deep is not None
    assert deep_settings.ditto is not None
    sources = normalize_table(listings.source, listings.schema, Side.SOURCE)
    made, reference = deep_task.synthetic, deep_task.reference
    start = Start.of(deep_settings.ditto, None)
    found = pretrain(made, deep_task.deep.reference, sources, reference, listings.schema, deep_settings, start)
    taught = {int(entity) for one in lessons if one.provenance is Provenance.NOISE for entity in one.entity}
    kept = set(made.group[found.held].tolist())
    assert not taught & kept
    assert len(taught) == pytest.approx(len(kept), abs=0.1 * len(kept))
    assert found.held.tolist() == deep_task.deep.held.tolist()


# --- the blend ---


def _scored(raw: list[float], odds: list[float]) -> Scored:
    """Two records with two candidates each."""
    block = Block(4)
    block.add("letters", np.zeros(4), 1, "letters")
    rows = np.array([0, 0, 1, 1], np.int32), np.array([0, 1, 1, 0], np.int32)
    truth: npt.NDArray[np.int64] = np.array([0, 1])
    examples = Examples.of(pa.table({"__key": ["a", "b"]}), Candidates(*rows), block, truth, truth)
    return Scored(examples, np.array(raw), np.array(odds))


def test_the_blend_learns_from_what_the_cascade_would_send() -> None:
    scored = _scored([0.6, 0.4, 0.99, 0.01], [3.0, -1.0, 5.0, -5.0])
    examples = scored.with_ditto(CascadeSettings(low=0.1, high=0.9))
    assert [feature.name for feature in examples.features] == ["letters", "ditto", "ditto_margin"]
    assert examples.matrix[:2, 1:].tolist() == [[3.0, 4.0], [-1.0, -4.0]]
    assert np.isnan(examples.matrix[2:, 1:]).all()
    everything = scored.with_ditto(CascadeSettings(low=0.0, high=1.0))
    assert everything.matrix[:, 1].tolist() == [3.0, -1.0, 5.0, -5.0]


def _many(records: int, right: float) -> Scored:
    """Records with two candidates each, of which the first is the match, and a Ditto that is right on so many."""
    record = np.repeat(np.arange(records), 2)
    block = Block(2 * records)
    block.add("letters", np.zeros(2 * records), 1, "letters")
    candidates = Candidates(record.astype(np.int32), np.arange(2 * records, dtype=np.int32))
    keys = pa.table({"__key": [str(row) for row in range(records)]})
    examples = Examples.of(keys, candidates, block, 2 * np.arange(records), np.arange(records))
    signs = np.where(np.arange(records) % 10 < 10 * right, 1.0, -1.0)
    return Scored(examples, np.full(2 * records, 0.5), np.column_stack([3 * signs, -3 * signs]).ravel())


def test_how_far_ditto_is_believed_is_learnt_from_labels_more_than_from_noise_that_it_was_taught() -> None:
    network: Any = SimpleNamespace(reader=None, model=None)
    taught = Taught(network, network, _many(60, right=0.7), _many(300, right=1.0), 0.0)
    believed = []
    for weight in (0.0, CascadeSettings().extra_weight, 1.0):
        cascade = CascadeSettings(low=0.0, high=1.0, extra_weight=weight)
        settings = MatcherSettings(scorer=ScorerSettings(trees=60, threads=1), cascade=cascade)
        scorer = taught.blend(settings)[0].scorer
        believed.append(float(scorer.predict_matrix(np.array([[0.0, 3.0, 6.0]], dtype=np.float32))[0]))
    assert believed[0] < believed[1] < 0.8
    assert believed[2] > 0.9


@pytest.fixture(scope="module")
def learnt(deep_task: Task, deep_settings: MatcherSettings) -> Learnt:
    """What is learnt without labels."""
    return replace(deep_task, sources=None, truth=None, examples=None).learn(deep_settings)


def test_the_card_counts_no_record_that_stands_there_once_more() -> None:
    scored = _scored([0.6, 0.4, 0.5, 0.5], [3.0, -1.0, 5.0, -5.0])
    examples = replace(scored.examples, counterfactual=np.array([False, True]))
    settings = CascadeSettings(low=0.45, high=0.9)
    assert scored.sent(settings).tolist() == [True, False, True, True]
    assert replace(scored, examples=examples).sent(settings).tolist() == [True, False]


def test_models_of_narrower_bands_are_made_of_one_training(
    learnt: Learnt, deep_settings: MatcherSettings, listings: Companies, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "entity_matching")
    shares, sent = [], []
    for low, high in ((0.02, 0.98), (0.2, 0.8)):
        settings = replace(deep_settings, cascade=replace(deep_settings.cascade, low=low, high=high))
        model = learnt.model(settings)
        assert model.cascade is not None
        shares.append(model.provenance["ditto"]["cost"]["share_of_candidates"])
        assert model.provenance["ditto"]["features_alone"]["records"] == len(learnt.first.outcomes.confidence)
        Matcher(model).match(listings.source, listings.reference)
        said = [record.getMessage() for record in caplog.records if "candidates go to Ditto" in record.msg]
        sent.append(int(said[-1].split()[0]))
    assert shares[0] > shares[1] > 0
    assert sent[0] > sent[1]


def test_the_card_says_what_ditto_costs_and_how_far_it_is_from_what_was_trained(learnt: Learnt) -> None:
    assert learnt.taught is not None
    card = learnt.taught.card(MatcherSettings(cascade=CascadeSettings(low=0.0, high=1.0)))
    assert card["cost"]["share_of_candidates"] == 1.0
    held = learnt.taught.scored.examples
    assert card["cost"]["pairs_per_1000_records"] == pytest.approx(1000 * len(held.record) / len(held.truth), abs=0.1)
    assert card["cost"]["seconds_per_1000_pairs"] > 0
    assert 0 <= card["export"]["mean"] <= card["export"]["largest"] < 0.25


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("labelled", [False, True])
def test_where_there_is_too_little_to_teach_ditto_is_left_out_and_the_rest_works(
    deep_settings: MatcherSettings, caplog: pytest.LogCaptureFixture, rows: int, labelled: bool
) -> None:
    schema = Schema.from_yaml("{key: {source: id, reference: id}, attributes: {name: name}}")
    reference = pa.table({"id": ["r0", "r1"], "name": ["Vestas Wind Systems A/S", "Novo Nordisk A/S"]}).slice(0, rows)
    source = pa.table({"id": ["s0", "s1"], "name": ["VESTAS WIND SYSTEMS", "Tivoli Vestas"]})
    labels = pa.table({"source_key": ["s0", "s1"], "reference_key": ["r0", ""]}) if labelled else None
    matcher = Matcher.train(source, reference, labels, schema=schema, settings=deep_settings)
    assert "Ditto is left out" in caplog.text
    assert matcher.match(source, reference)["source_key"].to_pylist() == ["s0", "s1"]
    assert matcher.model.cascade is None
    assert "ditto" not in matcher.describe()["trained_on"]
    with pytest.raises(ArtifactError, match="this one has none"):
        matcher.without_cascade()


@pytest.mark.parametrize("shared", ["name", "isin"])
def test_one_record_that_both_tables_share_is_no_lesson_and_no_error(
    deep_settings: MatcherSettings, shared: str
) -> None:
    schema = SCHEMA.model_copy(update={"key": Key(source="id", reference="id")})
    names = ["Vestas Wind", "Novo Nordisk", "Carlsberg", "Danske Bank", "Orsted", "Maersk", "Pandora", "Demant"]
    cities = ["Aarhus", "Bagsvaerd", "Kopenhagen", "Aalborg"] * 2
    reference = pa.table(
        {"id": [f"r{n}" for n in range(8)], "name": names, "city": cities, "isin": ["DK0010268606", *[""] * 7]}
    )
    first = {"name": ["Vestas Wind", "xyz"], "isin": ["Vstas W. Systems", "DK0010268606"]}[shared]
    source = pa.table(
        {"id": ["s0", "s1"], "name": [first[0], "Nvo Nrdsk"], "city": ["Aarhus", "Odense"],
         "isin": [first[1] if shared == "isin" else "", "" if shared == "isin" else "DK0060534915"]}
    )  # fmt: skip
    matcher = Matcher.train(source, reference, schema=schema, settings=deep_settings)
    pairs = matcher.describe()["trained_on"]["ditto"]["taught"]["pretraining"]["pairs"]
    assert set(pairs) == {"noise", "search"}
    assert matcher.match(source, reference).num_rows == 2
