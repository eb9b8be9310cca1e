"""A tiny encoder, and pairs from which it learns in a second that other numbers mean another record."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase, digits
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from entity_matching.config import DittoSettings
from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.words import Record, SpanType, Value, Word

if TYPE_CHECKING:
    import torch

    from entity_matching.ditto.data import PairSet
    from entity_matching.ditto.network import PairNetwork
    from entity_matching.ditto.train import Pass, Progress

    Weights = dict[str, torch.Tensor]

NAMES = ("acme", "borealis", "castor", "delta", "ember", "fjord", "garnet", "harbour")
PLAIN = ("steel", "foods", "paper", "glass", "energy", "marine")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (
    *SPECIAL,
    *(*ascii_lowercase, *digits),
    *(f"##{sign}" for sign in ascii_lowercase + digits),
    *("col", "val", "name", "number"),
    *(*NAMES, *PLAIN),
)
SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 160,
    "initializer_range": 0.2,  # so that untrained scores differ by more than rounding does
}
"""Of a tiny encoder; a type that has other names for them is told under those too."""


def save_tokenizer(folder: Path) -> None:
    """Save a WordPiece tokenizer with the words of :func:`named` beside an encoder."""
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415 - heavy, for all tests of the folder

    transformers: Any = importlib.import_module("transformers")
    words = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **dict(zip(roles, SPECIAL, strict=True)))
    wrapped.save_pretrained(folder)


def named(name: str, number: str) -> Record:
    """Make a record in one line: a name, and a number that tells it from its like."""
    words = tuple(Word(word) for word in name.split())
    return (Value("name", words), Value("number", (Word(number, SpanType.NUMBER),)))


class Killed(BaseException):
    """Ends a training as a kill does: nothing catches it."""


class Trainer:
    """Trains the tiny network, from the same start each time unless told otherwise.

    ``RICH``: settings under which all parts of the recipe are on, and each batch ends with a checkpoint.
    """

    RICH: ClassVar[dict[str, Any]] = {"augment": 0.5, "mine_every": 1, "negatives": 2.0, "checkpoint_minutes": 0.0}

    def __init__(self, make_network: Any, make_set: Any, settings: DittoSettings) -> None:
        self.make_network, self.make_set, self.settings = make_network, make_set, settings
        self.training = [make_set(matches=24, others=100)]
        self.validation = [make_set(matches=20, others=40, seed=1)]

    def train(
        self,
        network: PairNetwork | None = None,
        *,
        training: Sequence[PairSet] | None = None,
        validation: Sequence[PairSet] | None = None,
        seed: int = 0,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
        **changed: Any,
    ) -> tuple[PairNetwork, list[Pass]]:
        from entity_matching.ditto.train import train_network  # noqa: PLC0415

        settings = replace(self.settings, **changed)
        network = network or self.make_network(dropout=settings.dropout)
        passes = train_network(
            network,
            self.training if training is None else training,
            self.validation if validation is None else validation,
            settings,
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
        )
        return network, passes

    def killed(self, after: int, **given: Any) -> None:
        """Train until so many batches are done."""
        done = 0

        def kill(stage: str, share: float) -> None:
            nonlocal done
            done += 1
            if done == after:
                raise Killed

        with pytest.raises(Killed):
            self.train(progress=kill, **given)

    @staticmethod
    def weights(network: PairNetwork) -> Weights:
        """Return a copy of a network's weights."""
        return {name: value.clone() for name, value in network.state_dict().items()}

    @staticmethod
    def same(one: Weights, other: Weights) -> bool:
        """Say whether weights are the same to the last bit."""
        return one.keys() == other.keys() and all(bool((value == other[name]).all()) for name, value in one.items())

    @staticmethod
    def told(passes: Sequence[Pass]) -> list[Pass]:
        """Return a history without the time it took."""
        return [replace(one, seconds=0.0) for one in passes]


@pytest.fixture(scope="session")
def save_encoder() -> Callable[..., Path]:
    """Return a function that saves a tiny model of some type, with the tokenizer, into a folder."""

    def save(folder: Path, model_type: str = "bert", **given: Any) -> Path:
        import torch  # noqa: PLC0415

        transformers: Any = importlib.import_module("transformers")
        config = transformers.AutoConfig.for_model(model_type, **{**SIZES, **given})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            transformers.AutoModel.from_config(config).save_pretrained(folder)
        save_tokenizer(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory, save_encoder: Callable[..., Path]) -> Path:
    """Return the folder of a tiny BERT; tests that change it copy it first."""
    return save_encoder(tmp_path_factory.mktemp("encoder") / "tiny-bert")


@pytest.fixture(scope="session")
def tiny_settings(encoder_folder: Path) -> DittoSettings:
    """Return settings under which the tiny encoder learns quickly, the same on every machine."""
    return DittoSettings(
        mixda=True,
        encoder=str(encoder_folder),
        max_tokens=64,
        epochs=3,
        batch=16,
        step_tokens=512,
        learning_rate=1e-3,
        head_rate=2e-2,
        precision="fp32",
        device="cpu",
        threads=1,
    )


@pytest.fixture(scope="session")
def make_record() -> Callable[[str, str], Record]:
    """Return a function that makes a record of a name and a number."""
    return named


@pytest.fixture(scope="session")
def make_pairs() -> Callable[..., RecordPairs]:
    """Return a function that makes labelled pairs of like names, matches first: those of one number match."""

    def make(matches: int = 40, others: int = 80, seed: int = 0, name: str = "tiny") -> RecordPairs:
        rng = np.random.default_rng(seed)
        left, right = [], []
        for at in range(matches + others):
            shared = " ".join(rng.choice(NAMES, rng.integers(2, 5), replace=False).tolist())
            here, there = rng.choice(PLAIN, 2, replace=False).tolist()
            number, other = rng.choice(np.arange(10, 100), 2, replace=False).tolist()
            left.append(named(f"{shared} {here}", str(number)))
            right.append(named(f"{shared} {there}", str(number if at < matches else other)))
        return RecordPairs.of(left, right, np.arange(matches + others) < matches, name)

    return make


@pytest.fixture(scope="session")
def make_set(encoder_folder: Path, tiny_settings: DittoSettings, make_pairs: Callable[..., RecordPairs]) -> Any:
    """Return a function that makes a data set for training, of pairs or of what makes pairs."""
    from entity_matching.ditto.data import PairSet  # noqa: PLC0415
    from entity_matching.ditto.tokens import PairTokenizer  # noqa: PLC0415

    tokenizer = PairTokenizer.from_file(encoder_folder / "tokenizer.json", tiny_settings, lambda word: 1.0)

    def make(pairs: RecordPairs | None = None, **given: Any) -> PairSet:
        return PairSet.of(make_pairs(**given) if pairs is None else pairs, tokenizer)

    return make


@pytest.fixture(scope="session")
def make_network(encoder_folder: Path) -> Any:
    """Return a function that makes the network of the tiny encoder, fresh each time."""
    from entity_matching.ditto.encoders import load_encoder  # noqa: PLC0415
    from entity_matching.ditto.network import PairNetwork  # noqa: PLC0415

    def make(seed: int = 0, dropout: float = 0.1) -> PairNetwork:
        return PairNetwork.of(load_encoder(str(encoder_folder)), dropout, seed)

    return make


@pytest.fixture(scope="session")
def trainer(make_network: Any, make_set: Any, tiny_settings: DittoSettings) -> Trainer:
    """Return what trains the tiny network."""
    return Trainer(make_network, make_set, tiny_settings)


@pytest.fixture(scope="session")
def whole(trainer: Trainer) -> tuple[Weights, list[Pass]]:
    """Return the weights and the history of a training under ``RICH`` without a break."""
    network, passes = trainer.train(**trainer.RICH)
    return trainer.weights(network), passes
