"""Which source records a change of the reference may concern."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.jobs.changes import Changes, Mask, changes_between
from entity_matching.jobs.loaded import loaded_reference
from entity_matching.matcher.exact import agrees_with_any
from entity_matching.matcher.reference import Reference
from entity_matching.records import KEY
from entity_matching.schema import Schema
from entity_matching.search import CandidateIndex
from entity_matching.search.candidates import rank_in_group


@dataclass(frozen=True)
class Neighbourhood:
    """The present reference, what changed in it, and a small index of what is new; ``None`` if nothing is."""

    reference: Reference
    changes: Changes
    added: pa.Table
    index: CandidateIndex | None
    schema: Schema

    @classmethod
    def load(cls, old: Path, present: Path, schema: Schema) -> Neighbourhood:
        """Read two saved references and compare them."""
        return cls.of(loaded_reference(present), changes_between(old, present), schema)

    @classmethod
    def of(cls, reference: Reference, changes: Changes, schema: Schema) -> Neighbourhood:
        """Index what is new in a reference, with the settings of its own index."""
        added = reference.table.take(pa.array(changes.new)).combine_chunks()
        index = CandidateIndex.build(added, schema, reference.index.settings) if added.num_rows else None
        return cls(reference, changes, added, index, schema)

    def touches(self, listed: pa.ListArray) -> Mask:
        """Say of which records a candidate was changed or removed.

        :param listed: keys of each record's candidates.
        """
        hit = pc.is_in(pc.list_flatten(listed), value_set=self.changes.gone[KEY].combine_chunks())
        mask = np.zeros(len(listed), dtype=bool)
        mask[pc.list_parent_indices(listed).filter(hit).to_numpy()] = True
        return mask

    def agrees(self, sources: pa.Table) -> Mask:
        """Say which records share a strong identifier or all of the name with what is new or gone.

        The exact stage decides where one reference record alone agrees, so that one more or less may turn it.
        """
        here, there = (agrees_with_any(sources, table, self.schema) for table in (self.added, self.changes.gone))
        return np.asarray(here | there, dtype=np.bool_)

    def comes_near(self, sources: pa.Table, listed: pa.ListArray, nearest: int) -> Mask:
        """Say for which records something new may be among the ``nearest`` of its candidates.

        New and old candidates are scored alike, with the weights of the whole present reference. Where a record
        lists fewer candidates, whatever is found counts.
        """
        if self.index is None:
            return np.zeros(sources.num_rows, dtype=bool)
        hits = self.index.search(sources)
        best = np.zeros(sources.num_rows, dtype=np.float32)
        np.maximum.at(
            best, hits.source, self.reference.index.score(sources, hits.source, self.changes.new[hits.reference])
        )
        return np.asarray((best > 0) & (best >= self._nearness(sources, listed, nearest)), dtype=np.bool_)

    def _nearness(self, sources: pa.Table, listed: pa.ListArray, nearest: int) -> npt.NDArray[np.float32]:
        """Return the score of each record's candidate at that place by score, 0 where it has fewer."""
        rows = pc.index_in(pc.list_flatten(listed), value_set=self.reference.keys)
        there = rows.is_valid()
        left = pc.list_parent_indices(listed).filter(there).to_numpy().astype(np.int32)
        score = self.reference.index.score(sources, left, rows.filter(there).to_numpy().astype(np.int32))
        order = np.lexsort((-score, left))
        at = order[rank_in_group(left[order]) == nearest - 1]
        nearness = np.zeros(sources.num_rows, dtype=np.float32)
        nearness[left[at]] = score[at]
        return nearness
