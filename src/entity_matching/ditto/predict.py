"""A saved Ditto model: records in, log-odds out.

=================== ===================================================================================
file                what it holds
=================== ===================================================================================
``ditto.json``      format, room for tokens, schema, parity with PyTorch, digest of the network
``model.onnx``      the network, in 8-bit integers or float32
``tokenizer.json``  the encoder's tokenizer
``words.arrow``     in how many records each word stands, and the places that are known
=================== ===================================================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entity_matching.config import DittoSettings
from entity_matching.ditto.runtime import Runtime
from entity_matching.ditto.serialize import Serializer
from entity_matching.ditto.tokens import EncodedRecord, PairTokenizer, TokenizedPair
from entity_matching.ditto.words import Record
from entity_matching.errors import ArtifactError, OutputError, SettingsError
from entity_matching.storage import read_table, write_table

FORMAT = 2
"""Version of the folder's layout and of what its network is told of each token; one with a higher one was written by a
newer release, and what one with a lower one is told is no longer known."""
MANIFEST, NETWORK, TOKENIZER, WORDS = "ditto.json", "model.onnx", "tokenizer.json", "words"
CHUNK = 20_000
"""Pairs that are in memory as tokens at once: some 50 MB."""
_REMEDY = "Restore the model from a copy, or train it again."


@dataclass(frozen=True)
class Parity:
    """How the exported network compares with the one in PyTorch, on a sample of pairs.

    ``largest``, ``mean``: difference of the probability of a match, 0 to 1, lower is closer. ``precision``: of the
    exported network, ``int8`` or ``fp32``.
    """

    pairs: int
    largest: float
    mean: float
    precision: str


class DittoModel:
    """A trained network with all it needs to read records; several threads may use it at once.

    :param network: content of the ONNX file.
    :param threads: pairs that are computed at once.
    :param name: of the network, for messages.
    :raises ArtifactError: if the network is damaged.
    :raises OptionalDependencyError: if onnxruntime is not installed.
    """

    def __init__(
        self,
        network: bytes,
        serializer: Serializer,
        tokenizer: PairTokenizer,
        parity: Parity,
        *,
        threads: int = 2,
        name: str = "The Ditto model",
    ) -> None:
        self.serializer = serializer
        self.tokenizer = tokenizer
        self.parity = parity
        self._network = network
        self._runtime = Runtime(network, threads, name)

    @classmethod
    def load(cls, folder: Path, threads: int = 2) -> DittoModel:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing or damaged, or the format is newer.
        :raises OptionalDependencyError: if onnxruntime or tokenizers is not installed.
        """
        folder = Path(folder)
        manifest = _manifest(folder / MANIFEST)
        path = folder / NETWORK
        try:
            network = path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read: {error}.", remedy=_REMEDY) from error
        try:
            settings = DittoSettings(max_tokens=manifest["max_tokens"])
            parity = Parity(**manifest["parity"])
            serializer = Serializer.from_dict(manifest["serializer"], read_table(folder, WORDS))
            digest = manifest["sha256"]
        except (KeyError, TypeError, SettingsError) as error:
            raise ArtifactError(f"{folder / MANIFEST} is damaged: {error}.", remedy=_REMEDY) from error
        if hashlib.sha256(network).hexdigest() != digest:
            raise ArtifactError(f"{path} is not as it was written.", remedy=_REMEDY)
        tokenizer = PairTokenizer.from_file(folder / TOKENIZER, settings, serializer.idf)
        return cls(network, serializer, tokenizer, parity, threads=threads, name=str(path))

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder.

        :raises OutputError: if that cannot be done, e.g. on a full disk; no file of the model is left there then.
        """
        folder = Path(folder)
        manifest = {
            "format": FORMAT,
            "max_tokens": self.tokenizer.max_tokens,
            "parity": asdict(self.parity),
            "serializer": self.serializer.to_dict(),
            "sha256": hashlib.sha256(self._network).hexdigest(),
        }
        try:
            (folder / NETWORK).write_bytes(self._network)
            (folder / TOKENIZER).write_text(self.tokenizer.to_json(), encoding="utf-8")
            write_table(folder, WORDS, self.serializer.to_table())
            (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            for name in (NETWORK, TOKENIZER, f"{WORDS}.arrow", MANIFEST):
                (folder / name).unlink(missing_ok=True)
            raise OutputError(
                f"The Ditto model cannot be written to {folder}: {error}.",
                remedy="Make room, or name another folder, and save it again.",
            ) from error

    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> NDArray[np.float64]:
        """Return the log-odds of each pair's being a match, shape (pairs,), higher is likelier.

        To the last bit they do not depend on the order or on what else is asked.
        """
        parts = [self._chunk(pairs[start : start + CHUNK]) for start in range(0, len(pairs), CHUNK)]
        return np.concatenate([np.zeros(0), *parts])

    def predict_tokens(self, pairs: Sequence[TokenizedPair]) -> NDArray[np.float64]:
        """Return what :meth:`predict` does, of pairs that :attr:`tokenizer` has made."""
        return self._runtime.score(pairs)

    def _chunk(self, pairs: Sequence[tuple[Record, Record]]) -> NDArray[np.float64]:
        """Score pairs, each distinct record tokenised once."""
        encoded: dict[Record, EncodedRecord] = {}
        for pair in pairs:
            for record in pair:
                if record not in encoded:
                    encoded[record] = self.tokenizer.encode(record)
        return self.predict_tokens([self.tokenizer.join(encoded[left], encoded[right]) for left, right in pairs])


def _manifest(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise ArtifactError(f"{path} {what}.", remedy=_REMEDY) from error
    if not isinstance(version, int) or version > FORMAT:
        raise ArtifactError(
            f"{path} has the format {version}; this release reads the format {FORMAT}.",
            remedy="Update entity-matching, or train the model again.",
        )
    if version < FORMAT:
        raise ArtifactError(
            f"{path} has the format {version} of an earlier release; this one reads the format {FORMAT}.",
            remedy="Train the model again.",
        )
    return dict(data)
