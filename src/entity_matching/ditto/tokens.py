"""Pairs of records as a language model's tokens, each token with what is known of its word."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from entity_matching.config import DittoSettings
from entity_matching.ditto.likeness import ByInitial, are_alike, by_initial
from entity_matching.ditto.serialize import COLUMN, VALUE, spoken_name
from entity_matching.ditto.words import Record, SpanType, Word, words_of
from entity_matching.errors import ArtifactError, OptionalDependencyError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TYPES = 2 * 3 * len(SpanType)
"""Different types of token: ``side + 2 * kin + 6 * span_type``; ``kin`` is 0 for a word that is in one record only, 1
for one that is in both, 2 for one that the other has cut, abbreviated or misspelt."""
WORD_TOKENS = 16
"""Tokens of one word, and of an attribute's name, at most; the rest is cut."""
WORD_LETTERS = 96
"""Letters of a word that are read at most; BERT's tokenizer gives up on words of more than 100."""
WORDS_CACHED = 200_000
"""Words whose tokens are remembered, the latest used ones; some 30 MB."""
TYPED_WEIGHT = 1.5
"""How much more a number or code weighs in a summary than a plain word of its frequency.

Figures meet by chance in records that have nothing to do with each other ("32", "2010"), and so look commoner than
they are, while among records that are alike it is the figure that tells them apart.
"""

_KIN, _SPAN = 2, 6
_SHARED, _ALIKE = 1, 2
_SPECIAL = (("[CLS]", "[SEP]", "[PAD]", 1), ("<s>", "</s>", "<pad>", 2))
"""The tokens that begin, end and fill a pair, and how many ends stand between its records."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenizedPair:
    """A pair of records: ``ids`` int32 and ``types`` uint8 (as :data:`TYPES` says), of one length."""

    ids: NDArray[np.int32]
    types: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """A record's tokens, computed once for all the pairs it is in.

    ``ids``: int32, of all tokens. ``types``: uint8, ``6 * span_type``. ``owner``: int32, the place in ``words`` of the
    token's word; markers belong to the last, which is "". ``vocabulary``: the record's distinct words;
    ``initials``: the same by their first character.
    ``rank``: int32, of a token's word in a summary, 0 stays longest; that of a marker is its value's best.
    ``need``: int64, tokens of the summary that ends with the word of each rank. Both are empty where the record
    never needs a summary.
    """

    ids: NDArray[np.int32]
    types: NDArray[np.uint8]
    owner: NDArray[np.int32]
    words: tuple[str, ...]
    vocabulary: frozenset[str]
    initials: ByInitial
    rank: NDArray[np.int32]
    need: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def summary(self, room: int) -> NDArray[np.intp]:
        """Return which tokens stay, ascending, where there is room for so many; at least one word, cut if need be."""
        words = max(int(np.searchsorted(self.need, room, side="right")), 1)
        return np.flatnonzero(self.rank < words)[:room]


class PairTokenizer:
    """Turns pairs of records into tokens: ``[CLS] left [SEP] right [SEP]``, never more than ``max_tokens``.

    Each record gets half of the room, and what the other does not use. One that is too long is summarised as in
    Ditto: the words of the highest TF-IDF stay, in their order, with the names of their attributes.

    :param tokenizer: WordPiece (BERT), byte-level BPE (RoBERTa) or SentencePiece; it is copied.
    :param idf: how much a word tells, higher is rarer.
    :raises ArtifactError: if the tokenizer has no tokens that begin, end and fill a pair.
    """

    def __init__(self, tokenizer: Tokenizer, settings: DittoSettings, idf: Callable[[str], float]) -> None:
        self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # a value that reads "</s>" is only a word
        self.cls_id, self.sep_id, self.pad_id, self._between = _special(self._tokenizer)
        self.max_tokens = settings.max_tokens
        self._room = settings.max_tokens - 2 - self._between
        self._idf = idf
        self._noted: set[str] = set()
        self._remembered = lru_cache(WORDS_CACHED)(self._tokenize)
        self._marker_ids = lru_cache(10_000)(self._marker)

    @classmethod
    def from_file(cls, path: str | Path, settings: DittoSettings, idf: Callable[[str], float]) -> PairTokenizer:
        """Read a ``tokenizer.json``.

        :raises ArtifactError: if it is not there, damaged, or has no tokens that begin, end and fill a pair.
        :raises OptionalDependencyError: if the package tokenizers is missing.
        """
        try:
            from tokenizers import Tokenizer  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise OptionalDependencyError("tokenizers", "train", "A Ditto model") from error
        try:
            tokenizer = Tokenizer.from_str(Path(path).read_text(encoding="utf-8"))
        except Exception as error:  # tokenizers raises nothing narrower
            raise ArtifactError(
                f"{path} is no tokenizer that can be read: {error}.", remedy="Restore it from a copy, or train again."
            ) from error
        return cls(tokenizer, settings, idf)

    def to_json(self) -> str:
        """Return the content of a ``tokenizer.json``, for :meth:`from_file`."""
        return str(self._tokenizer.to_str())

    def pair(self, left: Record, right: Record) -> TokenizedPair:
        """Return the tokens of a pair; see :meth:`join` where a record is in several."""
        return self.join(self.encode(left), self.encode(right))

    def encode(self, record: Record) -> EncodedRecord:
        """Return a record's tokens, with a ranking of its words where it may need a summary."""
        none = sum(len(value.words) for value in record)
        ids: list[int] = []
        types: list[int] = []
        owner: list[int] = []
        words: list[str] = []
        for value in record:
            marker = self._marker_ids(value.attribute)
            ids += marker
            types += [0] * len(marker)
            owner += [none] * len(marker)
            for word in value.words:
                tokens = self._word_ids(word.text)
                ids += tokens
                types += [_SPAN * word.type] * len(tokens)
                owner += [len(words)] * len(tokens)
                words.append(word.text)
        rank, need = self._ranking(record) if len(ids) > self._room // 2 else (_NO_RANK, _NO_NEED)
        encoded = EncodedRecord(
            ids=np.array(ids, np.int32),
            types=np.array(types, np.uint8),
            owner=np.array(owner, np.int32),
            words=(*words, ""),
            vocabulary=frozenset(words),
            initials=by_initial(frozenset(words)),
            rank=rank,
            need=need,
        )
        return encoded if len(ids) <= self._room else self._cut(encoded)

    def join(self, left: EncodedRecord, right: EncodedRecord) -> TokenizedPair:
        """Return the tokens of a pair of records that :meth:`encode` gave."""
        left_ids, left_types = self._side(left, right)
        right_ids, right_types = self._side(right, left)
        start = 1 + len(left_ids) + self._between
        length = start + len(right_ids) + 1
        ids = np.empty(length, np.int32)
        types = np.zeros(length, np.uint8)
        ids[0] = self.cls_id
        ids[1 : start - self._between] = left_ids
        ids[start - self._between : start] = self.sep_id
        ids[start:-1] = right_ids
        ids[-1] = self.sep_id
        types[1 : start - self._between] = left_types
        types[start:-1] = right_types
        types[start:] += 1
        return TokenizedPair(ids, types)

    def pad(self, pairs: Sequence[TokenizedPair]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return pairs of different lengths as arrays: ids, mask (1 where a token is, else 0), types.

        :return: three int64 arrays of shape (pairs, tokens of the longest pair).
        """
        lengths = np.fromiter(map(len, pairs), np.int64, len(pairs))
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        ids = np.full(mask.shape, self.pad_id, np.int64)
        types = np.zeros(mask.shape, np.int64)
        if pairs:
            ids[mask] = np.concatenate([pair.ids for pair in pairs])
            types[mask] = np.concatenate([pair.types for pair in pairs])
        return ids, mask.astype(np.int64), types

    def _side(self, record: EncodedRecord, other: EncodedRecord) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Return the tokens of one record of a pair, and their types but for the side."""
        kin = np.array([_kin(word, record, other) for word in record.words], np.uint8)
        ids, types = record.ids, record.types + _KIN * kin[record.owner]
        room = max(self._room // 2, self._room - len(other))
        if len(ids) > room:
            kept = record.summary(room)
            return ids[kept], types[kept]
        return ids, types

    def _cut(self, record: EncodedRecord) -> EncodedRecord:
        """Leave out what no summary can hold; the words are still all known, so that they can be shared."""
        self._note("records", "Some records have more than %d tokens and are summarised", self._room)
        kept = record.summary(self._room)
        places, owner = np.unique(record.owner[kept], return_inverse=True)
        words = tuple(record.words[place] for place in places)
        return EncodedRecord(
            record.ids[kept],
            record.types[kept],
            owner.astype(np.int32),
            words,
            record.vocabulary,
            record.initials,
            record.rank[kept],
            record.need,
        )

    def _ranking(self, record: Record) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the ranks of a record's tokens in a summary, and the tokens that each rank needs."""
        words = list(words_of(record))
        weights = self._weights(words)
        first = {word.text: place for place, word in reversed(list(enumerate(words)))}
        again = np.array([first[word.text] != place for place, word in enumerate(words)])
        order = np.lexsort((np.arange(len(words)), -weights, again))
        ranks = np.empty(len(words), np.int32)
        ranks[order] = np.arange(len(words))
        sizes = np.array([len(self._word_ids(word.text)) for word in words])
        by_token: list[NDArray[np.int32]] = []
        start = 0
        for value in record:
            end = start + len(value.words)
            best = start + int(ranks[start:end].argmin())
            marker = len(self._marker_ids(value.attribute))
            by_token += [np.full(marker, ranks[best]), np.repeat(ranks[start:end], sizes[start:end])]
            sizes[best] += marker
            start = end
        return np.concatenate(by_token), sizes[order].cumsum()

    def _weights(self, words: Sequence[Word]) -> NDArray[np.float64]:
        """Return each word's TF-IDF in its record; TF is ``1 + ln(count)``, so that no filler wins by repetition."""
        counts = Counter(word.text for word in words)
        weights = {text: (1.0 + math.log(count)) * self._idf(text) for text, count in counts.items()}
        typed = (SpanType.NUMBER, SpanType.CODE)
        return np.array([weights[word.text] * (TYPED_WEIGHT if word.type in typed else 1.0) for word in words])

    def _marker(self, attribute: str) -> tuple[int, ...]:
        name = [token for word in spoken_name(attribute).split() for token in self._word_ids(word)]
        return (*self._word_ids(COLUMN.lower()), *name[:WORD_TOKENS], *self._word_ids(VALUE.lower()))

    def _word_ids(self, word: str) -> tuple[int, ...]:
        """Return a word's tokens; no more of a huge one is kept in memory than tells that it is cut."""
        return self._remembered(word[: WORD_LETTERS + 1])

    def _tokenize(self, word: str) -> tuple[int, ...]:
        """Return a word's tokens; the space before it is what byte-level BPE knows the start of a word by."""
        ids = self._tokenizer.encode(f" {word[:WORD_LETTERS]}", add_special_tokens=False).ids
        if len(word) > WORD_LETTERS or len(ids) > WORD_TOKENS:
            self._note("words", "Some words are cut to %d letters and %d tokens", WORD_LETTERS, WORD_TOKENS)
        return tuple(ids[:WORD_TOKENS])

    def _note(self, what: str, message: str, *values: int) -> None:
        """Log once that a limit bites."""
        if what not in self._noted:
            self._noted.add(what)
            logger.info(message, *values)


_NO_RANK = np.empty(0, np.int32)
_NO_NEED = np.empty(0, np.int64)


def _kin(word: str, record: EncodedRecord, other: EncodedRecord) -> int:
    """Say what a word of a record is to the other record; a word that both have is not like another."""
    if word in other.vocabulary:
        return _SHARED
    rivals = other.initials.get(word[:1], ())
    return _ALIKE if any(rival not in record.vocabulary and are_alike(word, rival) for rival in rivals) else 0


def _special(tokenizer: Tokenizer) -> tuple[int, int, int, int]:
    for start, end, fill, between in _SPECIAL:
        ids = [found for token in (start, end, fill) if (found := tokenizer.token_to_id(token)) is not None]
        if len(ids) == 3:
            return ids[0], ids[1], ids[2], between
    expected = " or ".join(", ".join(row[:3]) for row in _SPECIAL)
    raise ArtifactError(
        f"The tokenizer has no tokens that begin, end and fill a pair; expected {expected}.",
        remedy="Choose an encoder such as bert-base-uncased or roberta-base.",
    )
