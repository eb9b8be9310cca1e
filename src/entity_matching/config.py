"""Settings, frozen and handed in; nothing here is read at import or changed later.

Every limit the project has is a field here, and is logged when it bites.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from entity_matching.errors import SettingsError


def _check(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise SettingsError(f"The setting '{name}' is {value!r}; expected {expected}.", remedy="Correct the setting.")


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
    depth: int = 50
    threads: int = 2
    batch_rows: int = 20_000
    memory_mb: int = 2_000
    max_postings: int = 20_000

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        for name in ("limit", "depth", "threads", "batch_rows", "memory_mb", "max_postings"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "a number of at least 1")


@dataclass(frozen=True)
class ScorerSettings:
    """The feature scorer (LightGBM).

    ``trees``, ``leaves``, ``learning_rate``: as LightGBM has them. ``folds``: parts of the
    cross-validation that gives the scores calibration is learnt from. ``synthetic_records``: at most so
    many reference records get noisy copies to learn from. ``threads``: of LightGBM and rapidfuzz.
    """

    trees: int = 300
    leaves: int = 15
    learning_rate: float = 0.05
    folds: int = 5
    synthetic_records: int = 4_000
    threads: int = 2

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        for name, least in {"trees": 1, "leaves": 2, "folds": 2, "synthetic_records": 1, "threads": 1}.items():
            _check(getattr(self, name) >= least, name, getattr(self, name), f"a number of at least {least}")
        _check(0 < self.learning_rate <= 1, "learning_rate", self.learning_rate, "a number above 0, at most 1")


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
            _check(0 < getattr(self, name) <= 1, name, getattr(self, name), "a share above 0, at most 1")
        _check(self.listed >= 1, "listed", self.listed, "a number of at least 1")


@dataclass(frozen=True)
class MatcherSettings:
    """All settings of a matcher; they are saved with it."""

    search: SearchSettings = field(default_factory=SearchSettings)
    scorer: ScorerSettings = field(default_factory=ScorerSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MatcherSettings:
        """Read what :meth:`to_dict` gave.

        :raises SettingsError: if a setting is unknown or outside its range.
        """
        try:
            return cls(
                search=SearchSettings(**data.get("search", {})),
                scorer=ScorerSettings(**data.get("scorer", {})),
                decision=DecisionSettings(**data.get("decision", {})),
                seed=int(data.get("seed", 0)),
            )
        except TypeError as error:
            raise SettingsError(f"Unknown setting: {error}.", remedy="Correct its name.") from error
