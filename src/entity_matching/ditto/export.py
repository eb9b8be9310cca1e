"""Export: from the network in PyTorch to one that ONNX Runtime runs, several times as fast and a quarter as large.

It is asserted, on a sample of pairs, that both say the same.
"""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.predict import DittoModel, Parity
from entity_matching.ditto.runtime import INPUTS, OUTPUT, Runtime
from entity_matching.ditto.serialize import Serializer
from entity_matching.ditto.tokens import PairTokenizer, TokenizedPair
from entity_matching.errors import ArtifactError, InputError, OptionalDependencyError

try:
    from onnx import ModelProto

    from entity_matching.ditto.graph import OPSET, fused, quantized, stripped
except ImportError as error:
    raise OptionalDependencyError("onnx", "train", "Exporting a Ditto model") from error

log = logging.getLogger(__name__)

_TOKENS = 16
"""Tokens of the pairs that the network is traced with; it is then good for any number."""


@dataclass(frozen=True)
class Bounds:
    """How far an exported network's probabilities may be from PyTorch's, 0 to 1, over a sample of pairs.

    ``exact``: largest difference of the network in float32; one that is further off is an error. ``largest`` and
    ``mean``: differences of the one in 8-bit integers; where it is further off, float32 is taken.
    """

    exact: float = 1e-3
    largest: float = 0.3
    mean: float = 0.01


def export_onnx(
    network: PairNetwork,
    folder: Path,
    serializer: Serializer,
    tokenizer: PairTokenizer,
    sample: Sequence[TokenizedPair],
    bounds: Bounds | None = None,
) -> Parity:
    """Export a network and write it with all that prediction needs into an existing folder.

    The parameters and errors are those of :func:`export_model`.

    :return: how the written network compares with the one in PyTorch.
    :raises OutputError: if it cannot be written, e.g. on a full disk; no file of it is left in the folder then.
    """
    model = export_model(network, serializer, tokenizer, sample, bounds)
    model.save(folder)
    return model.parity


def export_model(
    network: PairNetwork,
    serializer: Serializer,
    tokenizer: PairTokenizer,
    sample: Sequence[TokenizedPair],
    bounds: Bounds | None = None,
    *,
    threads: int = 2,
) -> DittoModel:
    """Export a network; it stays as it is.

    :param sample: pairs to compare both on; a few hundred, of either kind and of all lengths, take some seconds.
    :param threads: of the comparison, and of the model that is returned.
    :raises InputError: if the sample is empty.
    :raises ArtifactError: if the exported network says something else than the one in PyTorch.
    :raises OptionalDependencyError: if onnxruntime is not installed.
    """
    bounds = bounds or Bounds()
    if not sample:
        raise InputError(
            "there is no pair to compare the exported network on.", file="the sample", remedy="Give some hundred."
        )
    network = copy.deepcopy(network).cpu().float().eval()
    compare = _Comparison(sample, _probability(_torch_odds(network, sample)), threads)
    content, parity = _faithful(_graphs(network), compare, bounds)
    log.info(
        "Ditto exported in %s, %.1f MB; over %d pairs its probabilities differ from PyTorch's by up to %.4f, %.5f on "
        "average",
        *(parity.precision, len(content) / 1e6, parity.pairs, parity.largest, parity.mean),
    )
    return DittoModel(content, serializer, tokenizer, parity, threads=threads)


@dataclass(frozen=True)
class _Comparison:
    """Compares exported networks with PyTorch: ``wanted`` are its probabilities, shape (pairs,)."""

    sample: Sequence[TokenizedPair]
    wanted: NDArray[np.float64]
    threads: int

    def parity(self, content: bytes, precision: str) -> Parity:
        """Return how an exported network compares; one that cannot be run differs by 1."""
        try:
            off = np.abs(_probability(Runtime(content, self.threads).score(self.sample)) - self.wanted)
        except ArtifactError as error:
            log.info("The network exported in %s does not run: %s", precision, error.message)
            off = np.ones(1)
        return Parity(len(self.sample), float(off.max()), float(off.mean()), precision)


def _faithful(graphs: Iterator[ModelProto], compare: _Comparison, bounds: Bounds) -> tuple[bytes, Parity]:
    """Return the smallest network that keeps the bounds, made of the first graph that is exact.

    :raises ArtifactError: if none is.
    """
    best = 1.0
    for model in graphs:
        content = stripped(model)
        exact = compare.parity(content, "fp32")
        if exact.largest <= bounds.exact:
            smaller = stripped(quantized(model))
            integers = compare.parity(smaller, "int8")
            if integers.largest <= bounds.largest and integers.mean <= bounds.mean:
                return smaller, integers
            log.warning(
                "In 8-bit integers the probabilities differ from PyTorch's by up to %.3f, %.4f on average (allowed: "
                "%.3f and %.4f); the network is kept in float32, which is slower",
                *(integers.largest, integers.mean, bounds.largest, bounds.mean),
            )
            return content, exact
        best = min(best, exact.largest)
    raise ArtifactError(
        f"The exported network does not say what the trained one says: probabilities differ by up to {best:.4f} "
        f"(allowed: {bounds.exact:.4f}).",
        remedy="The weights may be damaged; otherwise take another encoder, such as minilm.",
    )


def _graphs(network: PairNetwork) -> Iterator[ModelProto]:
    """Yield graphs of a network, the quickest first; the last is as it was traced, for encoders of unusual make."""
    traced = trace(network)
    heads, width = (int(getattr(network.config, name, 0)) for name in ("num_attention_heads", "hidden_size"))
    try:
        quick = fused(traced, heads, width)
    except Exception as error:  # the fusions assume what they do not check
        log.info("The network's graph cannot be fused: %s", error)
    else:
        yield quick
    yield traced


def trace(network: PairNetwork) -> ModelProto:
    """Return a network as a graph for any number of pairs and tokens."""
    # Two pairs of different lengths: padding must not be taken for a constant.
    mask = torch.ones(2, _TOKENS, dtype=torch.int64)
    mask[1, _TOKENS // 2 :] = 0
    types = (torch.arange(_TOKENS) % 2).repeat(2, 1)
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated; its successor makes graphs nothing fuses
        torch.onnx.export(
            network,
            (torch.ones_like(mask), mask, types),
            file,  # type: ignore[arg-type] # the tracing exporter takes a file in memory, its types name paths alone
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={**dict.fromkeys(INPUTS, {0: "pairs", 1: "tokens"}), OUTPUT: {0: "pairs"}},
            opset_version=OPSET,
            dynamo=False,
        )
    model = ModelProto()
    model.ParseFromString(file.getvalue())
    return model


def _torch_odds(network: PairNetwork, pairs: Sequence[TokenizedPair]) -> NDArray[np.float64]:
    """Return what the network itself says of each pair, alone and in float32."""
    odds = []
    with torch.inference_mode():
        for pair in pairs:
            ids, types = (torch.from_numpy(values[np.newaxis].astype(np.int64)) for values in (pair.ids, pair.types))
            odds.append(float(network(ids, torch.ones_like(ids), types)[0]))
    return np.array(odds, np.float64)


def _probability(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of log-odds; those of what is no number are none either."""
    return 0.5 * (1 + np.tanh(odds / 2))
