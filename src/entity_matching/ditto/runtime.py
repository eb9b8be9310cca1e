"""A saved network in ONNX Runtime: pairs in, log-odds out; neither torch nor transformers is needed.

A few pairs of one length are computed at a time, on one thread, as many times at once as there are threads. There is
no padding, and 8-bit integers have a scale per token. So a pair's log-odds depend on nothing else that is asked: in any
order, with any other pairs and on any number of threads they are the same, but for rounding (some 1e-6).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from entity_matching.errors import ArtifactError, OptionalDependencyError

if TYPE_CHECKING:
    from entity_matching.ditto.tokens import TokenizedPair

INPUTS = ("input_ids", "attention_mask", "types")
OUTPUT = "logits"
RUN_TOKENS = 256
"""Tokens computed at a time: more do not stay in the processor's cache, fewer read the weights too often."""


class Runtime:
    """A network, ready to run; several threads may use it at once.

    :param content: of an ONNX file with the inputs :data:`INPUTS`, int64 of shape (pairs, tokens), and the output
        :data:`OUTPUT`, float32 of shape (pairs,).
    :param threads: pairs that are computed at once.
    :param name: of the network, for messages.
    :raises ArtifactError: if it is damaged, or another network.
    :raises OptionalDependencyError: if onnxruntime is not installed.
    """

    def __init__(self, content: bytes, threads: int, name: str = "The Ditto model") -> None:
        self._session = _session(content, name)
        self._threads = threads
        self._name = name

    def score(self, pairs: Sequence[TokenizedPair]) -> NDArray[np.float64]:
        """Return the log-odds of each pair's being a match, shape (pairs,); equal pairs are computed once."""
        places: dict[tuple[bytes, bytes], int] = {}
        at = [places.setdefault((pair.ids.tobytes(), pair.types.tobytes()), len(places)) for pair in pairs]
        distinct = np.unique(np.array(at, np.int64), return_index=True)[1]
        runs = _runs([len(pairs[number]) for number in distinct.tolist()])
        odds = np.zeros(len(distinct), np.float64)

        def run(places: NDArray[np.int64]) -> None:
            odds[places] = self._run([pairs[number] for number in distinct[places].tolist()])

        if self._threads == 1 or len(runs) <= 1:
            for one in runs:
                run(one)
        else:
            with ThreadPoolExecutor(min(self._threads, len(runs)), "ditto") as pool:
                list(pool.map(run, runs))
        return odds[at]

    def _run(self, pairs: Sequence[TokenizedPair]) -> NDArray[np.float32]:
        ids, types = (np.stack([getattr(pair, name) for pair in pairs]).astype(np.int64) for name in ("ids", "types"))
        try:
            odds = self._session.run([OUTPUT], dict(zip(INPUTS, (ids, np.ones_like(ids), types), strict=True)))[0]
        except Exception as error:  # onnxruntime's own errors have no class in common
            raise _damaged(self._name, f"it fails at a pair of {len(pairs[0])} tokens: {_first_line(error)}") from error
        return np.asarray(odds, np.float32)


def _runs(lengths: Sequence[int]) -> list[NDArray[np.int64]]:
    """Deal pairs into runs of one length each; the longest come first, so that the threads end together."""
    order = np.argsort(-np.array(lengths, np.int64), kind="stable")
    result: list[NDArray[np.int64]] = []
    for same in np.split(order, np.flatnonzero(np.diff(np.array(lengths, np.int64)[order])) + 1):
        if len(same):
            most = max(1, RUN_TOKENS // max(1, lengths[int(same[0])]))
            result += np.split(same, np.arange(most, len(same), most))
    return result


def _session(content: bytes, name: str) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise OptionalDependencyError("onnxruntime", "train", "A Ditto model") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # errors come as exceptions
    try:
        session = onnxruntime.InferenceSession(
            content,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # slower than what it fuses
        )
        found = tuple(one.name for one in (*session.get_inputs(), *session.get_outputs()))
    except Exception as error:  # onnxruntime's own errors have no class in common
        raise _damaged(name, _first_line(error)) from error
    if found != (*INPUTS, OUTPUT):
        raise _damaged(name, f"its inputs and outputs are {', '.join(found)}")
    return session


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _damaged(name: str, why: str) -> ArtifactError:
    return ArtifactError(
        f"{name} is no Ditto network that can be run: {why}.", remedy="Restore it from a copy, or train again."
    )
