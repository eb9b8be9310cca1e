"""Brands: what an organisation is called where its full name is not, as its web address shows.

People write ``TOTAL`` for ``TotalEnergies SE`` and ``IIJ`` for ``Internet Initiative Japan``: no abbreviation of the
name leads there, but ``total.com`` and ``iij.ad.jp`` do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from entity_matching.normalize.websites import own_part, website

BRANDED = 0.2
"""Share of names with a web address that are written as the address has them. Of 0.05, 0.1, 0.2 and 0.3 the held-out
log-loss on ``companies-wild`` was lowest from 0.2 on."""
SHORTEST_BRAND = 3
"""Addresses of fewer letters say too little: they stand for many names."""


def branded(names: Sequence[str], sites: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Write some names as their web addresses have them; one that is blank stays so.

    :param names: names as given, "" where there is none.
    :param sites: web addresses as given, "" where there is none; as many.
    """
    result = list(names)
    drawn = np.flatnonzero(rng.random(len(result)) < BRANDED).tolist()
    chosen = own_part(pa.array([website(sites[place]) or "" for place in drawn], type=pa.string())).to_pylist()
    for place, brand in zip(drawn, chosen, strict=True):
        if result[place].strip() and len(brand) >= SHORTEST_BRAND:
            result[place] = brand.replace("-", " ").title()
    return result
