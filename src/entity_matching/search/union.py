"""The candidate index: everything the searchers find, scored by each of them, best first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from entity_matching import storage
from entity_matching.config import SearchSettings
from entity_matching.errors import ArtifactError, SettingsError
from entity_matching.schema import Schema
from entity_matching.search.agreement import Agreement
from entity_matching.search.base import Searcher
from entity_matching.search.candidates import FUSED, Candidates, Rows, Scores, distinct_sorted, ranking
from entity_matching.search.dense import DenseSearcher, Encoder
from entity_matching.search.identifiers import IdentifierSearcher
from entity_matching.search.lexical import LexicalSearcher
from entity_matching.search.words import WordSearcher

logger = logging.getLogger(__name__)

_KINDS: dict[str, type[Any]] = {kind.name: kind for kind in (LexicalSearcher, WordSearcher, IdentifierSearcher)}
_BYTES_PER_PAIR = 100  # measured: what one batch holds per hit
_BYTES_PER_BYTE = 60  # measured: and per byte of its records


class CandidateIndex:
    """Finds the reference records worth comparing with a source record.

    The candidates are the union of what each searcher finds. Every pair is then scored by every
    searcher, also by those that did not find it, and the scores are fused::

        fused = 1 - (1 - weighted mean of the text cosines) * (1 - 0.9 * identifier score)

    with a small part given to agreement of the categories, which orders namesakes.
    """

    def __init__(
        self, searchers: Sequence[Searcher], agreement: Agreement, rows: int, settings: SearchSettings
    ) -> None:
        self.searchers = tuple(searchers)
        self.agreement = agreement
        self.rows = rows
        self.settings = settings

    @property
    def names(self) -> list[str]:
        """The names of the scores of each candidate."""
        return [searcher.name for searcher in self.searchers] + [FUSED]

    @classmethod
    def build(
        cls,
        reference: pa.Table,
        schema: Schema,
        settings: SearchSettings | None = None,
        extra: Sequence[Searcher] = (),
    ) -> Self:
        """Index the reference.

        :param reference: the normalised reference table.
        :param settings: by default those of :class:`SearchSettings`.
        :param extra: further searchers over the same reference, such as a dense one.
        """
        settings = settings or SearchSettings()
        searchers = [kind.build(reference, schema, settings) for kind in _KINDS.values()]
        return cls([*searchers, *extra], Agreement.build(reference, schema), reference.num_rows, settings)

    def search(self, source: pa.Table, limit: int | None = None) -> Candidates:
        """Find candidates.

        :param source: the normalised source table.
        :param limit: candidates per source record; by default the setting ``limit``.
        """
        limit = self.settings.limit if limit is None else limit
        if limit < 1:
            raise SettingsError(f"The limit is {limit}; expected at least 1.", remedy="Correct it.")
        batch = self._batch_rows(source)
        parts = [
            self._search_batch(source.slice(start, batch), start, limit) for start in range(0, source.num_rows, batch)
        ]
        return Candidates.concatenate(parts, self.names)

    def _batch_rows(self, source: pa.Table) -> int:
        text = _BYTES_PER_BYTE * source.nbytes / max(source.num_rows, 1)
        pairs = _BYTES_PER_PAIR * self.settings.depth * len(self.searchers)
        allowed = max(int(self.settings.memory_mb * 1_000_000 / (text + pairs)), 1)
        if allowed < min(self.settings.batch_rows, source.num_rows):
            logger.info(
                "Searching %d records at a time, not %d, to keep within %d MB (setting 'memory_mb').",
                allowed,
                self.settings.batch_rows,
                self.settings.memory_mb,
            )
        return min(allowed, self.settings.batch_rows)

    def _search_batch(self, source: pa.Table, start: int, limit: int) -> Candidates:
        queries = [searcher.encode(source) for searcher in self.searchers]
        depth = max(self.settings.depth, limit)
        hits = [searcher.search(query, depth) for searcher, query in zip(self.searchers, queries, strict=True)]
        keys = np.concatenate([hit.source.astype(np.int64) * self.rows + hit.reference for hit in hits])
        rows, columns = np.divmod(distinct_sorted(keys), max(self.rows, 1))
        left, right = rows.astype(np.int32), columns.astype(np.int32)
        scores = self._scores(source, queries, left, right)
        order = ranking(left, right, scores[FUSED])
        candidates = Candidates(left, right, scores).take(order).best(limit)
        return Candidates(candidates.source + np.int32(start), candidates.reference, candidates.scores)

    def score(self, source: pa.Table, left: Rows, right: Rows) -> Scores:
        """Return the fused score of pairs, from 0 to 1, higher is closer, whether or not a search would find them.

        :param source: the normalised source table.
        :param left: its rows, ascending, shape (pairs,).
        :param right: reference rows, shape (pairs,).
        """
        return self._scores(source, [searcher.encode(source) for searcher in self.searchers], left, right)[FUSED]

    def _scores(self, source: pa.Table, queries: list[Any], left: Rows, right: Rows) -> dict[str, Scores]:
        scores = {
            searcher.name: searcher.similarity(query, left, right)
            for searcher, query in zip(self.searchers, queries, strict=True)
        }
        scores[FUSED] = fuse(scores, self.agreement.of(source, left, right))
        # Rounded, so that a copy has exactly 1 and the order does not hang on the last bit of a sum.
        return {name: np.round(values, _DECIMALS) for name, values in scores.items()}

    def save(self, folder: str | Path) -> None:
        """Write the index into a folder, whole or not at all; an older index there is replaced."""
        storage.replace_folder(Path(folder), self._write)

    def _write(self, folder: Path) -> None:
        names = [searcher.name for searcher in self.searchers]
        unknown = [name for name in names if name not in (*_KINDS, DenseSearcher.name)]
        storage.write_meta(folder, {"searchers": names, "rows": self.rows, "settings": asdict(self.settings)})
        if unknown:
            raise ArtifactError(f"The searcher '{unknown[0]}' cannot be saved.", remedy="Leave it out.")
        for searcher in self.searchers:
            (folder / searcher.name).mkdir()
            searcher.save(folder / searcher.name)
        (folder / "agreement").mkdir()
        self.agreement.save(folder / "agreement")

    @classmethod
    def load(cls, folder: str | Path, encode: Encoder | None = None) -> Self:
        """Read what :meth:`save` wrote.

        :param encode: what a dense index was built with; by default MiniLM.
        :raises ArtifactError: if a file is missing, damaged or of a newer format.
        """
        folder = Path(folder)
        meta = storage.read_meta(folder, "searchers", "rows", "settings")
        try:
            settings = SearchSettings(**meta["settings"])
            searchers = [
                DenseSearcher.load(folder / name, settings, encode)
                if name == DenseSearcher.name
                else _KINDS[name].load(folder / name, settings)
                for name in meta["searchers"]
            ]
        except (KeyError, TypeError, SettingsError) as error:
            raise storage.damaged(folder, str(error)) from error
        return cls(searchers, Agreement.load(folder / "agreement"), int(meta["rows"]), settings)


_DECIMALS = 5
_WEIGHTS = {LexicalSearcher.name: 3}  # any other text searcher counts 1
_AGREEMENT_SHARE = 0.05
_IDENTIFIER_SHARE = 0.9


def fuse(scores: dict[str, Scores], agreement: Scores | None) -> Scores:
    """Return one score per pair from those of the searchers, from 0 to 1, higher is closer.

    :param scores: per searcher the score of each pair, from 0 to 1.
    :param agreement: share of the categories that agree, from 0 to 1; ``None`` if there are none.
    """
    texts = {name: _WEIGHTS.get(name, 1) for name in scores if name != IdentifierSearcher.name}
    fused: Scores = np.zeros(len(next(iter(scores.values()))), np.float32)
    for name, weight in texts.items():
        fused += scores[name] * np.float32(weight / sum(texts.values()))
    if agreement is not None:
        fused = fused * np.float32(1 - _AGREEMENT_SHARE) + agreement * np.float32(_AGREEMENT_SHARE)
    identifiers = scores.get(IdentifierSearcher.name)
    if identifiers is not None:
        fused = 1 - (1 - fused) * (1 - np.float32(_IDENTIFIER_SHARE) * identifiers)
    clipped: Scores = np.clip(fused, 0, 1).astype(np.float32)
    return clipped
