"""Folds that never put one entity on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def entities(source_keys: Sequence[str], reference_keys: Sequence[str | None]) -> NDArray[np.int64]:
    """Number the entities that labelled pairs connect.

    Two labels belong to one entity if they share a source or a reference key, directly or through
    others. A source record that is in the reference nowhere is an entity of its own.

    :returns: the entity of each label, shape (labels,).
    """
    _, left = np.unique(np.asarray(source_keys, dtype=object).astype(str), return_inverse=True)
    given = np.array([bool(key) for key in reference_keys], dtype=bool)
    keys = np.array([key or "" for key in reference_keys], dtype=object).astype(str)
    _, right = np.unique(keys, return_inverse=True)
    lefts, rights = int(left.max(initial=-1)) + 1, int(right.max(initial=-1)) + 1
    size = lefts + rights
    edges = coo_matrix((np.ones(int(given.sum())), (left[given], lefts + right[given])), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    return np.asarray(component[left], dtype=np.int64)


def entity_folds(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal the entities at random into folds of about the same size.

    :param groups: the entity of each label, shape (labels,).
    :param folds: number of folds; fewer are used when there are fewer entities.
    :returns: the fold of each label, 0 to folds - 1.
    """
    names, inverse = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = np.empty(len(names), dtype=np.int64)
    fold_of[order] = np.arange(len(names)) % folds
    return fold_of[inverse]
