"""The network: an encoder that reads both records at once, and a head that says whether they are one.

Every token carries, besides its word, a type: on which side it stands, whether its word is in the other record too, as
it is or nearly so, and what its word is (number, code, place, legal form). The types' vectors start at zero, so that
training begins with the encoder as it was pretrained, whatever encoder it is.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from entity_matching.ditto.encoders import Encoder, build_encoder

TYPES = 30
"""Side (2) by what the word is to the other record (3) by span type (5)."""


class SharedDropout(nn.Module):
    """Dropout that drops the same dimensions of all tokens of a pair (Gal and Ghahramani, NeurIPS 2016).

    On a CPU drawing one number per token and dimension takes a quarter of the training's time.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.p = share  # the name that torch's own dropout has, for encoders that read it

    def forward(self, states: Tensor) -> Tensor:
        """Drop dimensions of states, shape (pairs, tokens, dimensions) or (pairs, dimensions)."""
        if not self.training or not self.p:
            return states
        shape = (states.shape[0], *([1] * (states.dim() - 2)), states.shape[-1])
        kept = torch.empty(shape, dtype=states.dtype, device=states.device).bernoulli_(1 - self.p)
        return states * kept.div_(1 - self.p)


class PairNetwork(nn.Module):
    """Reads a pair, gives the log-odds of its being a match."""

    def __init__(self, encoder: Any, config: Any, dropout: float) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.config = config
        self.has_sides = (getattr(config, "type_vocab_size", 0) or 0) > 1
        # ALBERT's and ELECTRA's words have fewer dimensions than what is made of them
        self.types = nn.Embedding(TYPES, int(encoder.get_input_embeddings().embedding_dim))
        nn.init.zeros_(self.types.weight)
        self.dropout = SharedDropout(dropout)
        self.head = nn.Linear(int(config.hidden_size), 1)
        _share_dropout(self.encoder, dropout)

    @classmethod
    def of(cls, encoder: Encoder, dropout: float, seed: int) -> Self:
        """Put a head, drawn at random, on a pretrained encoder."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed % 2**63)  # torch takes no longer ones
            return cls(encoder.model, encoder.config, dropout)

    @classmethod
    def blank(cls, config: dict[str, Any], dropout: float) -> Self:
        """Build the network without its weights, to load a checkpoint into."""
        encoder = build_encoder(config)
        return cls(encoder, encoder.config, dropout)

    @property
    def most_tokens(self) -> int | None:
        """Tokens of a pair that the encoder knows places for; ``None``: any number."""
        for name, part in self.encoder.named_modules():
            if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
                unused = 0 if part.padding_idx is None else part.padding_idx + 1  # RoBERTa counts from there
                return part.num_embeddings - unused
        return None

    def forward(self, input_ids: Tensor, attention_mask: Tensor, types: Tensor) -> Tensor:
        """Return the log-odds of each pair, shape (pairs,).

        :param input_ids: of the tokens, shape (pairs, tokens).
        :param attention_mask: 1 where a token is, 0 where padding is.
        :param types: of each token, 0 to 29.
        """
        return self.judge(self.read(input_ids, attention_mask, types))

    def read(self, input_ids: Tensor, attention_mask: Tensor, types: Tensor) -> Tensor:
        """Return what the encoder makes of each pair: its first token's state, shape (pairs, dimensions)."""
        embedded = self.encoder.get_input_embeddings()(input_ids) + self.types(types)
        given = {"token_type_ids": types % 2} if self.has_sides else {}
        states = self.encoder(inputs_embeds=embedded, attention_mask=attention_mask, **given).last_hidden_state
        first: Tensor = states[:, 0]
        return first

    def judge(self, reading: Tensor) -> Tensor:
        """Return the log-odds of what :meth:`read` gave."""
        odds: Tensor = self.head(self.dropout(reading)).squeeze(1)
        return odds.float()


def _share_dropout(module: nn.Module, share: float) -> None:
    """Replace the encoder's own dropout, but for that of the attention, which is off."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout) and child.p > 0:
            setattr(module, name, SharedDropout(share))
        else:
            _share_dropout(child, share)
