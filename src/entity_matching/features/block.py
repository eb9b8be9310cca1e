"""A block of features: named columns of one float32 matrix, one row per pair of records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Feature:
    """What one column says.

    ``direction``: +1 if a higher value can only speak for a match, -1 if only against one, 0 if it
    depends; the scorer holds to it (monotone constraint), so that a closer pair never scores lower.
    """

    name: str
    direction: int
    meaning: str


@dataclass
class Block:
    """Features under construction; columns keep the order in which they were added."""

    rows: int
    features: list[Feature] = field(default_factory=list)
    columns: list[Values] = field(default_factory=list)

    def add(self, name: str, values: NDArray[np.generic], direction: int, meaning: str) -> None:
        """Add one column.

        :param values: one value per pair, shape (rows,); NaN means that it cannot be told.
        :raises ValueError: if the length is not that of the block.
        """
        if values.shape != (self.rows,):
            raise ValueError(f"feature '{name}' has shape {values.shape}, expected ({self.rows},)")
        self.features.append(Feature(name, direction, meaning))
        self.columns.append(values.astype(np.float32, copy=False))

    def extend(self, other: Block) -> None:
        """Add all columns of another block over the same pairs.

        :raises ValueError: if it has another number of pairs.
        """
        if other.rows != self.rows:
            raise ValueError(f"a block of {other.rows} pairs cannot be added to one of {self.rows}")
        self.features.extend(other.features)
        self.columns.extend(other.columns)

    def column(self, name: str) -> Values:
        """Return one column by its feature's name.

        :raises KeyError: if there is no such feature.
        """
        for feature, column in zip(self.features, self.columns, strict=True):
            if feature.name == name:
                return column
        raise KeyError(name)

    def matrix(self, names: Iterable[str] | None = None) -> Values:
        """Return the columns side by side, shape (rows, features).

        :param names: the features wanted, in this order; one that the block lacks is NaN throughout
            (a table may lack a column that the model was trained with). Default: all.
        """
        if names is None:
            return np.column_stack(self.columns) if self.columns else np.zeros((self.rows, 0), dtype=np.float32)
        have = {feature.name: column for feature, column in zip(self.features, self.columns, strict=True)}
        wanted = list(names)
        matrix = np.full((self.rows, len(wanted)), np.nan, dtype=np.float32)
        for position, name in enumerate(wanted):
            if name in have:
                matrix[:, position] = have[name]
        return matrix
