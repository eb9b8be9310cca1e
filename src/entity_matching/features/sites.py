"""Features of a name beside a web address: a host is a second name, which its owner chose.

Where one table alone has addresses, the other's names are what they can be compared with. ``Total SE`` is nearer to
the names of others than to ``TotalEnergies``, and stands letter by letter in ``total.com``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rapidfuzz.distance import Indel, LCSseq, Prefix

from entity_matching.features.block import Block, Values
from entity_matching.features.letters import glued, initials, measured
from entity_matching.features.pairs import Pairs, TextLimits
from entity_matching.features.weights import combine
from entity_matching.normalize.websites import own_part

_FEW = 3  # initials of two words begin too many hosts by chance
_MEASURES = {
    "ratio": (1, "share of letters that name and host have in common order"),
    "beside_own": (1, "how much closer the host is to this name than to that of its own record"),
    "inside_name": (1, "share of the host's letters found in the name in order"),
    "inside_site": (1, "share of the name's letters found in the host in order"),
    "start": (1, "share of the shorter that both begin with"),
    "initials": (1, "the host begins with the name's initials"),
    "length": (0, "letters of the host"),
}


def site_features(pairs: Pairs, name: str, site: str, label: str, limits: TextLimits) -> Block:
    """Compare the name of one record with the web address of the other, either way round.

    Where both have an address the better of the two comparisons counts. NaN where a name or an address is missing; no
    features where the tables lack them.

    :param name: the column of the normalised tables that holds the words of the name.
    :param site: the column that holds the registered domain.
    :param label: what the features' names begin with.
    """
    block = Block(len(pairs))
    one, two = _Side(pairs.sources, pairs.source), _Side(pairs.references, pairs.reference)
    found = [_compared(*sides, name, site, limits) for sides in ((one, two), (two, one))]
    given = [values for values in found if values]
    if given:
        best = _closest(given)
        for measure, (direction, meaning) in _MEASURES.items():
            block.add(f"{label}.{measure}", best[measure], direction, meaning)
    return block


def own_hosts(sites: pa.Array) -> pa.Array:
    """Return the letters and digits of each domain that its owner chose: ``total`` of ``total.com``."""
    return pc.replace_substring_regex(own_part(sites), r"[^a-z0-9]", "")


@dataclass(frozen=True)
class _Side:
    """One side's table, and which of its rows each pair has, shape (pairs,)."""

    table: pa.Table
    rows: NDArray[np.int64]


def _compared(named: _Side, sited: _Side, name: str, site: str, limits: TextLimits) -> dict[str, Values]:
    """Compare the names of one side with the addresses of the other; nothing where a table lacks them."""
    if site not in sited.table.column_names or name not in named.table.column_names:
        return {}
    hosts = own_hosts(combine(sited.table[site]))
    at_name, at_host = pa.array(named.rows), pa.array(sited.rows)
    values = _measures(_words(named.table, name, limits).take(at_name), hosts.take(at_host), limits)
    own = np.zeros(sited.table.num_rows, dtype=np.float32)
    if name in sited.table.column_names:
        names = glued(_words(sited.table, name, limits))
        own = measured(names.to_pylist(), hosts.to_pylist(), Indel.normalized_similarity, limits)
    return values | {"beside_own": values["ratio"] - own[sited.rows]}


def _measures(words: pa.Array, hosts: pa.Array, limits: TextLimits) -> dict[str, Values]:
    """Compare names with hosts, pair by pair."""
    solid, firsts = glued(words), initials(words)
    name, host, first = (np.maximum(_length(texts), 1) for texts in (solid, hosts, firsts))
    one, two, three = solid.to_pylist(), hosts.to_pylist(), firsts.to_pylist()
    shared = measured(one, two, LCSseq.similarity, limits)
    values = {
        "ratio": measured(one, two, Indel.normalized_similarity, limits),
        "inside_name": shared / host,
        "inside_site": shared / name,
        "start": measured(one, two, Prefix.similarity, limits) / np.minimum(name, host),
        "initials": (measured(three, two, Prefix.similarity, limits) == first) & (first >= _FEW),
        "length": host,
    }
    unknown = pc.or_(pc.equal(solid, ""), pc.equal(hosts, "")).to_numpy(zero_copy_only=False)
    return {key: np.where(unknown, np.nan, value).astype(np.float32) for key, value in values.items()}


def _closest(found: list[dict[str, Values]]) -> dict[str, Values]:
    """Return the highest value of each measure, pair by pair."""
    return {measure: np.fmax.reduce([values[measure] for values in found]) for measure in found[0]}


def _words(table: pa.Table, column: str, limits: TextLimits) -> pa.Array:
    return pc.utf8_slice_codeunits(combine(table[column]), 0, limits.characters)


def _length(texts: pa.Array) -> NDArray[np.int32]:
    return np.asarray(pc.utf8_length(texts).to_numpy(zero_copy_only=False), dtype=np.int32)
