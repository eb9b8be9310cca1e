"""Features of a candidate among the other candidates of its record: rank, margin, crowd.

What a pair looks like says less than how it stands beside the rival candidates (as EMM and ComEM found).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from entity_matching.features.block import Block, Values

CONTEXT = ("rank", "behind", "margin", "crowd")
"""Last parts of the names of these features."""
SEARCH = "search."
"""What the names of features begin with that come from the search."""


def context_features(starts: NDArray[np.int64], values: Values, label: str, *, close: float = 0.05) -> Block:
    """Place each pair's value among those of the same source record.

    :param starts: where each record's pairs begin, ending with the number of pairs.
    :param values: a score per pair, higher is closer; NaN counts as 0.
    :param close: how near to the pair's own value a rival must be to be counted as crowding it.
    """
    values = np.nan_to_num(values, nan=0.0)
    block = Block(len(values))
    lengths = np.diff(starts)
    group = np.repeat(np.arange(len(lengths)), lengths)
    best = _per_group(starts, values, np.maximum)
    second = _second(starts, values, best)
    top = best[group]
    runner_up = np.where(values >= top, second[group], top)
    order = np.lexsort((-values, group))
    rank = np.empty(len(values), dtype=np.float32)
    rank[order] = np.arange(len(values)) - np.repeat(starts[:-1], lengths)
    crowd = _crowd(group, values, close)
    block.add(f"{label}.rank", rank, -1, "place among the record's candidates, 0 is best")
    block.add(f"{label}.behind", values - top, 1, "how far behind the best candidate")
    block.add(f"{label}.margin", values - runner_up, 1, "how far ahead of the best rival")
    block.add(f"{label}.crowd", crowd, 0, "rivals about as good or better")
    return block


def _per_group(starts: NDArray[np.int64], values: Values, how: np.ufunc) -> Values:
    return how.reduceat(values, starts[:-1]).astype(np.float32) if len(values) else np.zeros(0, dtype=np.float32)


def _second(starts: NDArray[np.int64], values: Values, best: Values) -> Values:
    """Return the runner-up's value per group; the best again where it is shared; 0 in a group of one."""
    if not len(values):
        return np.zeros(0, dtype=np.float32)
    lengths = np.diff(starts)
    group = np.repeat(np.arange(len(lengths)), lengths)
    is_best = values >= best[group]
    ties = np.add.reduceat(is_best.astype(np.int64), starts[:-1])
    rest = _per_group(starts, np.where(is_best, -np.inf, values).astype(np.float32), np.maximum)
    rest = np.where(np.isfinite(rest), rest, 0.0)
    return np.where(ties > 1, best, rest).astype(np.float32)


def _crowd(group: NDArray[np.int64], values: Values, close: float) -> Values:
    """Count the rivals of each pair whose value is at least its own less ``close``."""
    spread = float(np.ptp(values)) + 2 * close + 1.0 if len(values) else 1.0
    keys = group * spread + values.astype(np.float64)
    ordered = np.sort(keys)
    ends = np.searchsorted(ordered, (group + 1) * spread + values.min(initial=0.0) - close - 1e-9)
    at_least = np.searchsorted(ordered, keys - close)
    return np.asarray(ends - at_least - 1, dtype=np.float32)
