"""Training pairs as the network reads them: tokenised once, augmented anew on each pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entity_matching.ditto.augment import Augmenter, mix_weight
from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.tokens import EncodedRecord, PairTokenizer, TokenizedPair


@dataclass(frozen=True)
class PairSet:
    """One data set with its own tokenizer (word weights differ between data sets), its records tokenised."""

    pairs: RecordPairs
    tokenizer: PairTokenizer
    left: Sequence[EncodedRecord]
    right: Sequence[EncodedRecord]

    @classmethod
    def of(cls, pairs: RecordPairs, tokenizer: PairTokenizer) -> PairSet:
        """Tokenise the records."""
        return cls(
            pairs, tokenizer, *([tokenizer.encode(record) for record in side] for side in (pairs.left, pairs.right))
        )

    def tokenized(self, numbers: NDArray[np.int64] | None = None) -> list[TokenizedPair]:
        """Return some pairs, by number; default: all."""
        chosen = self.pairs.pairs if numbers is None else self.pairs.pairs[numbers]
        return [self.tokenizer.join(self.left[left], self.right[right]) for left, right in chosen.tolist()]


@dataclass(frozen=True)
class Example:
    """One pair to learn from, and how.

    ``second``: the augmented pair to mix in, with the weight ``kept`` (0.5 to 1) of the original; or ``None``.
    """

    pair: TokenizedPair
    match: bool
    weight: float
    second: TokenizedPair | None = None
    kept: float = 1.0


@dataclass(frozen=True)
class ExampleMaker:
    """Makes examples of pairs.

    ``share``: of pairs that are augmented. ``alpha``: of MixDA's Beta distribution; ``None``: an augmented pair
    stands in for the original.
    """

    sets: Sequence[PairSet]
    augmenter: Augmenter
    share: float
    alpha: float | None

    def example(self, number: tuple[int, int], rng: np.random.Generator) -> Example:
        """Make the example of a data set's pair.

        :param number: of the data set, and of the pair in it.
        """
        data = self.sets[number[0]]
        left, right = data.pairs.pairs[number[1]].tolist()
        pair = data.tokenizer.join(data.left[left], data.right[right])
        match, weight = bool(data.pairs.matches[number[1]]), float(data.pairs.weight[number[1]])
        if rng.random() >= self.share:
            return Example(pair, match, weight)
        changed = self.augmenter.augment((data.pairs.left[left], data.pairs.right[right]), rng)
        second = data.tokenizer.pair(*changed)
        if self.alpha is None:
            return Example(second, match, weight)
        return Example(pair, match, weight, second, mix_weight(self.alpha, rng))
