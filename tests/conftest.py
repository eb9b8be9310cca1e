"""What all tests share."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_lowercase, digits
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

# two workers on two cores: threads would only wait for each other, and must not spin while they do
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # for LightGBM, too, which is told a number by the settings
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The first example reads the tables of words and forms, and machines are busy: time is tested where it matters.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SPARK_SERVER = "tests/spark/"
LONG = (SPARK_SERVER, "tests/deploy/local/", "tests/jobs/", "tests/serving/", "tests/cli/", "tests/lakehouse/")
"""Tests with processes and tables of their own, which take longest."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("col", "val", "company", "name", "country", "city", "title", "price")


@pytest.hookimpl(optionalhook=True)
def pytest_configure() -> None:
    """Take Ctrl-C as a terminal would give it, even if this was started where it is ignored: in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Have one process do all tests of a file, which share what it sets up, and one all that ask Apache Spark."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - only where several processes test

    class BySetUp(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return SPARK_SERVER if nodeid.startswith(SPARK_SERVER) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False  # else files of many tests go first
    return BySetUp(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that take longest where several processes test: none is then left to one at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: next((n for n, at in enumerate(LONG) if item.nodeid.startswith(at)), len(LONG)))


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Give each test the package's logger as it was: commands set its level and handlers for their process."""
    logger = logging.getLogger("entity_matching")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture(scope="session")
def small_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an encoder that reads letters and is trained in a second: BERT, two layers, 32 wide."""
    import torch  # noqa: PLC0415 - heavy
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415

    transformers: Any = importlib.import_module("transformers")
    signs = ascii_lowercase + digits
    vocabulary = [*SPECIAL, *WORDS, *signs, *(f"##{sign}" for sign in signs)]
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.2,  # so that untrained scores differ by more than rounding does
    )
    folder = tmp_path_factory.mktemp("encoder")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        transformers.BertModel(config).save_pretrained(folder)
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **dict(zip(roles, SPECIAL, strict=True)))
    wrapped.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def give_registry(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Give a home a registry of models without any; making one takes MLflow many seconds."""
    from entity_matching.lakehouse import LakehouseSettings  # noqa: PLC0415
    from entity_matching.registry.versions import Versions  # noqa: PLC0415

    template = LakehouseSettings(home=tmp_path_factory.mktemp("registry"))
    with Versions.open(template) as versions:
        assert versions.all() == []

    def give(home: Path) -> None:
        shutil.copytree(template.home / "mlflow", home / "mlflow")

    return give


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory, give_registry: Callable[[Path], None]) -> Path:
    """Return a home to copy, whose registry has two versions: the first in force, the second its challenger."""
    from tests.registering import NOW, Register  # noqa: PLC0415

    from entity_matching.lakehouse import LakehouseSettings  # noqa: PLC0415
    from entity_matching.registry.versions import Versions  # noqa: PLC0415

    register, home = Register(tmp_path_factory.mktemp("register")), tmp_path_factory.mktemp("registered")
    give_registry(home)
    with Versions.open(LakehouseSettings(home=home)) as versions:
        versions.promote(register(versions, "first"), by="ann", at=NOW)
        versions.challenge(register(versions, "second"), {"verdict": "refused", "reason": "worse: F1 -0.1"})
    return home


@pytest.fixture(scope="session")
def servable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home to copy, with 300 companies as its reference and a model."""
    from tests.serving.servable import make  # noqa: PLC0415

    return make(tmp_path_factory.mktemp("servable") / "home")
