"""The same figures for a part of the records: one country, one method, entities never seen before."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np

from entity_matching.evaluate.decisions import rates
from entity_matching.evaluate.outcomes import Booleans, Outcomes, Strings

log = logging.getLogger(__name__)

EMPTY = "(empty)"
OTHER = "(all others)"


@dataclass(frozen=True)
class Slice:
    """Figures of the records that have one value in common; shares are 0 to 1, ``None`` where undefined.

    ``with_counterpart``: records that have one. ``review``: share sent to review.
    """

    value: str
    records: int
    with_counterpart: int
    precision: float | None
    recall: float | None
    f1: float | None
    review: float

    def to_dict(self) -> dict[str, str | float | None]:
        """Return the values by name."""
        return asdict(self)


def slices_of(outcomes: Outcomes, values: Strings, *, name: str, limit: int) -> tuple[Slice, ...]:
    """Return the figures for each value, the most frequent first.

    :param values: one per record, shape (records,).
    :param name: what the values are, for the log.
    :param limit: values shown; the rest are put together as :data:`OTHER`, which is logged.
    """
    values = np.where(values == "", EMPTY, values).astype(object)
    common = [value for value, _ in sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))]
    if len(common) > limit:
        log.info("%s has %d values; %d are shown and the others put together", name, len(common), limit)
        values = np.where(np.isin(values, common[:limit]), values, OTHER).astype(object)
        common = [*common[:limit], OTHER]
    return tuple(_slice(outcomes, value, np.asarray(values == value, dtype=bool)) for value in common)


def _slice(outcomes: Outcomes, value: str, inside: Booleans) -> Slice:
    precision, recall, f1 = rates(outcomes, inside)
    return Slice(
        value=value,
        records=int(inside.sum()),
        with_counterpart=int((outcomes.has_truth & inside).sum()),
        precision=precision,
        recall=recall,
        f1=f1,
        review=float((outcomes.decision[inside] == "review").mean()),
    )
