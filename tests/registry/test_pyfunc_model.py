from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pytest

from entity_matching.config import CascadeSettings, DittoSettings, MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.matcher import Matcher
from entity_matching.registry.pyfunc_model import logged_model
from entity_matching.registry.signature import LEFT, RIGHT
from entity_matching.schema import Schema

SCHEMA = Schema.from_yaml("""
key: {source: id, reference: id}
attributes:
  company_name: {kind: name, source_column: listing}
  isin: {kind: identifier, type: isin}
  country: {kind: category, type: country}
""")
FIRST = ("alpha", "borealis", "cumulus", "delta", "epsilon", "fjord", "granite", "harbour", "indigo", "juniper")
SECOND = ("mining", "bank", "software", "foods", "airlines", "textiles")


class Saved(NamedTuple):
    """A model as MLflow keeps it, and the matcher it was made of."""

    folder: Path
    matcher: Matcher


def _reference() -> pa.Table:
    names = [f"{first} {second} plc" for first in FIRST for second in SECOND]
    places = ["DE", "FR", "GB"]
    return pa.table(
        {
            "id": [str(row) for row in range(len(names))],
            "company_name": names,
            "country": [places[row % 3] for row in range(len(names))],
        }
    )


@pytest.fixture(scope="module", params=["plain", "with Ditto"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small_encoder: Path) -> Saved:
    import mlflow  # noqa: PLC0415 - heavy

    small = {"epochs": 1, "max_tokens": 48, "learning_rate": 1e-3, "precision": "fp32", "device": "cpu", "threads": 1}
    ditto = DittoSettings(encoder=str(small_encoder), **small)  # type: ignore[arg-type]  # of several types
    settings = MatcherSettings(
        search=SearchSettings(limit=10, threads=1),
        scorer=ScorerSettings(trees=40, folds=2, synthetic_records=200, threads=1),
        ditto=None if request.param == "plain" else ditto,
        cascade=CascadeSettings(folds=2, pretraining_epochs=1),
    )
    matcher = Matcher.train(None, _reference(), schema=SCHEMA, settings=settings)
    folder = tmp_path_factory.mktemp("saved")
    matcher.save(folder / "model")
    mlflow.pyfunc.save_model(folder / "served", **logged_model(folder / "model", matcher.schema))
    return Saved(folder / "served", matcher)


@pytest.fixture(scope="module")
def model(saved: Saved) -> Any:
    import mlflow  # noqa: PLC0415

    return mlflow.pyfunc.load_model(str(saved.folder))


def _request() -> pd.DataFrame:
    copies = [{"listing": name.upper(), "country": "Germany"} for name in _reference()["company_name"].to_pylist()[:20]]
    names = _reference()["company_name"].to_pylist()
    left = [json.dumps(record) for record in copies]
    right = [f"COL company_name VAL {name} COL country VAL DE" for name in names[:10]]
    right += [json.dumps({"company_name": name, "isin": None, "staff": 3}) for name in names[30:40]]
    return pd.DataFrame({LEFT: left, RIGHT: right})


def test_nothing_is_pickled(saved: Saved) -> None:
    names = [path.name for path in saved.folder.rglob("*")]
    assert not [name for name in names if name.endswith((".pkl", ".pickle")) or name.startswith("__pycache__")]
    assert (saved.folder / "pair_model.py").is_file()


def test_copies_match_and_others_do_not(model: Any) -> None:
    answer = model.predict(_request())
    assert answer.dtypes.astype(str).to_dict() == {"prediction": "int64", "confidence": "float64"}
    assert answer["prediction"].tolist() == [1] * 10 + [0] * 10


def test_a_served_pair_gets_the_matchers_own_answer(saved: Saved, model: Any) -> None:
    left = pa.table({"listing": ["ALPHA MINING"], "country": ["GB"]})
    right = pa.table({"company_name": ["alpha mining plc"], "country": ["DE"]})
    one = '{"company_name": "ALPHA MINING", "country": "GB"}'
    asked = pd.DataFrame({LEFT: [one], RIGHT: ["COL company name VAL alpha mining plc COL country VAL DE"]})
    expected = saved.matcher.score_pairs(left, right).to_pylist()
    assert model.predict(asked).to_dict("records") == expected


CLEAN = """
import json, sys
blocked = set(json.load(open(sys.argv[3])))
class Blocker:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is not installed", name=name)
sys.meta_path.insert(0, Blocker())
sys.path[:] = [path for path in sys.path if not path.endswith("/src")]
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
answer = model.predict(pandas.read_json(sys.argv[2], orient="split", dtype=str))
import entity_matching
print(json.dumps({
    "answer": answer.to_dict("records"),
    "code": entity_matching.__file__,
    "blocked": sorted(blocked & set(sys.modules)),
}))
"""


def test_a_model_predicts_the_same_where_only_its_requirements_are_installed(
    saved: Saved, model: Any, tmp_path: Path
) -> None:
    lines = (saved.folder / "requirements.txt").read_text().splitlines()
    brought = _closure(line.partition("==")[0] for line in lines)
    owners = metadata.packages_distributions()
    others = [name for name, owner in owners.items() if not brought & {_plain(one) for one in owner}]
    assert {"torch", "transformers", "pyspark", "pysail", "deltalake", "rich"} <= set(others)
    blocked, asked = tmp_path / "blocked.json", tmp_path / "asked.json"
    blocked.write_text(json.dumps([name for name in others if name not in ("entity_matching", "_distutils_hack")]))
    asked.write_text(_request().to_json(orient="split"))
    done = subprocess.run(
        [sys.executable, "-c", CLEAN, str(saved.folder), str(asked), str(blocked)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["answer"] == model.predict(_request()).to_dict("records")
    assert found["blocked"] == []
    assert Path(found["code"]).is_relative_to(saved.folder)  # the package that the model brings along


def _closure(names: Iterable[str]) -> set[str]:
    """Return distributions and all that they require, without extras."""
    waiting, found = [_plain(name) for name in names], set[str]()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        waiting += [_plain(re.split(r"[\s;<>=!~\[(]", line)[0]) for line in required if "extra ==" not in line]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({LEFT: ["{}"]}, "right_entity"),
        ({LEFT: [1], RIGHT: [2]}, "Incompatible input types"),
        ({LEFT: ["{"], RIGHT: ["{}"]}, "row 1, column 'left_entity': the JSON object cannot be read"),
        ({LEFT: ['{"isin": "A"}'] * 2, RIGHT: ['{"isin": "A"}', None]}, "row 2, column 'right_entity': expected text"),
        ({LEFT: ['{"listing": "A"}'], RIGHT: ['{"foo": "A"}']}, "column 'right_entity': the record says nothing"),
    ],
)  # fmt: skip
def test_bad_requests_are_errors_that_servers_answer_with_400(model: Any, frame: Any, message: str) -> None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    with pytest.raises(MlflowException, match=message) as caught:
        model.predict(pd.DataFrame(frame))
    error: Any = caught.value
    assert error.get_http_status_code() == 400


def test_no_pairs_and_odd_values_are_answered(model: Any) -> None:
    nothing = pd.DataFrame({LEFT: pd.Series(dtype=str), RIGHT: pd.Series(dtype=str)})
    assert len(model.predict(nothing)) == 0
    odd = ["\u0000", "\u0000a", "😀", "ß" * 3, "a" * 50_000, "null", "-", "\u202eabc", "1" * 300, "ﬁ ǆ"]
    for value in odd:
        texts = [json.dumps({"company_name": value, "isin": value, "country": value})]
        answer = model.predict(pd.DataFrame({LEFT: texts, RIGHT: texts}))
        assert 0 <= answer["confidence"][0] <= 1


def test_a_request_keeps_its_index(model: Any) -> None:
    asked = _request().set_index(pd.Index(range(100, 120)))
    assert model.predict(asked).index.tolist() == list(range(100, 120))
