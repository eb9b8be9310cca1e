"""Rivals: the other pairs of a record, of which at most one is right where a record has one counterpart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.matcher.pairwise import LabelledPairs
from entity_matching.matcher.rank import best_rival

Floats = NDArray[np.float64]
_END_OF_VALUE, _NOTHING = "\x1f", "\x00"


@dataclass(frozen=True)
class Rivals:
    """What is known of records' other pairs: the matches among labelled pairs, by what their records hold.

    ``left``, ``right``: the two records of each, as text.
    """

    left: pa.Array
    right: pa.Array

    @classmethod
    def of(cls, labelled: LabelledPairs) -> Rivals:
        """Take the matches of labelled pairs."""
        matches = pa.array(labelled.matches, pa.bool_())
        return cls(contents(labelled.left).filter(matches), contents(labelled.right).filter(matches))

    def chances(self, left: pa.Table, right: pa.Table, probability: Floats) -> Floats:
        """Return how likely the best rival of each pair is, 0 to 1, for its left and its right record.

        Rivals are the other pairs given, and the known matches, which are certain.

        :param left: one record per pair, as given; ``right`` the other.
        :param probability: of each pair, seen for itself, 0 to 1, shape (pairs,).
        :returns: shape (pairs, 2); 0 where there is no rival.
        """
        sides = [contents(left), contents(right)]
        is_given = pc.is_in(_joined(self.left, self.right), value_set=_joined(*sides))  # no pair is its own rival
        sure = [known.filter(pc.invert(is_given)) for known in (self.left, self.right)]
        everything = np.r_[probability, np.ones(len(sure[0]))]
        chances = np.zeros((len(probability), 2))
        for side, (given, known) in enumerate(zip(sides, sure, strict=True)):
            record = pc.dictionary_encode(pa.concat_arrays([given, known])).indices.to_numpy()
            chances[:, side] = np.nan_to_num(best_rival(record, everything), nan=0.0)[: len(probability)]
        return chances


def contents(table: pa.Table) -> pa.Array:
    """Return what each record holds as one text, the same for records that hold the same."""
    columns = [pc.fill_null(table[name].combine_chunks().cast(pa.string()), _NOTHING) for name in table.column_names]
    if len(columns) == 1:
        return columns[0]
    return pc.binary_join_element_wise(*columns, _END_OF_VALUE)


def _joined(left: pa.Array, right: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(left, right, "\x1e")
