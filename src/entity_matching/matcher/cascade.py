"""The cascade: candidates that the feature scorer is unsure of go to Ditto, and a second scorer blends the two."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.config import CascadeSettings
from entity_matching.features import Block
from entity_matching.matcher.rank import best_rival, exclusive
from entity_matching.matcher.reader import PairReader
from entity_matching.matcher.scorer import PairScorer

if TYPE_CHECKING:
    from entity_matching.ditto.predict import Parity
    from entity_matching.ditto.tokens import TokenizedPair

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]


class DeepModel(Protocol):
    """A trained Ditto model, however it is run. ``parity``: how it compares with the network that was trained."""

    parity: Parity

    def predict_tokens(self, pairs: Sequence[TokenizedPair]) -> Floats:
        """Return the log-odds of each pair's being a match, shape (pairs,)."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model into an existing, empty folder."""
        ...


@dataclass(frozen=True)
class Asked:
    """Candidates and what the feature scorer says of them; arrays of shape (pairs,).

    ``record``: number of each pair's source record in ``sources``, ascending; ``reference``: row of the normalised
    ``references``. ``raw``: probability, 0 to 1, shared with the record's rivals.
    """

    sources: pa.Table
    references: pa.Table
    record: NDArray[np.int64]
    reference: NDArray[np.int64]
    raw: Floats


def grey(raw: Floats, settings: CascadeSettings) -> NDArray[np.bool_]:
    """Say of which pairs the feature scorer is unsure, so that Ditto is to read them.

    :param raw: its probability, 0 to 1, shared with the record's rivals, shape (pairs,).
    """
    return np.asarray((raw >= settings.low) & (raw <= settings.high), dtype=np.bool_)


@dataclass(frozen=True)
class Cascade:
    """Ditto, and the scorer that blends what it says with the features."""

    reader: PairReader
    model: DeepModel
    scorer: PairScorer
    settings: CascadeSettings

    def judged(self, asked: Asked, block: Block) -> tuple[Floats, Floats]:
        """Judge pairs by Ditto and the features together.

        :param block: the features of the pairs.
        :returns: Ditto's log-odds, NaN where it was not asked; and the probability of a match, 0 to 1, shared with the
            record's rivals.
        """
        odds = self.odds(asked, grey(asked.raw, self.settings))
        full = Block(block.rows, list(block.features), list(block.columns))
        full.extend(deep_block(asked.record, odds))
        return odds, exclusive(asked.record, self.scorer.predict(full))

    def odds(self, asked: Asked, chosen: NDArray[np.bool_]) -> Floats:
        """Return what Ditto says of the chosen pairs, NaN of the others."""
        share = chosen.sum() / max(1, len(chosen))
        log.info("%d of %d candidates go to Ditto (%.1f%%)", chosen.sum(), len(chosen), 100 * share)
        odds = np.full(len(chosen), np.nan)
        pairs = self.reader.tokenized(asked.sources, asked.references, asked.record[chosen], asked.reference[chosen])
        odds[chosen] = self.model.predict_tokens(pairs)
        return odds


def deep_block(record: NDArray[np.int64], odds: Floats) -> Block:
    """Return what Ditto says as features.

    :param record: number of each pair's record, ascending, shape (pairs,).
    :param odds: log-odds of each pair, NaN where Ditto was not asked.
    """
    block = Block(len(odds))
    block.add("ditto", odds, 1, "log-odds of a match, by Ditto")
    block.add("ditto_margin", odds - best_rival(record, odds), 1, "Ditto's log-odds less those of the best rival")
    return block
