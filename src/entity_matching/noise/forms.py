"""Noise of legal forms: left out, shortened, written with or without dots, or taken for another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from entity_matching.normalize.legal_forms import find_forms
from entity_matching.normalize.text import ascii_words, to_ascii

CHANGED = 0.03
"""Share of legal forms that another one stands for: companies change theirs, and vendors are late."""

_SHORT = {
    "ag": ("AG",), "co": ("Co.", "Co"), "coltd": ("Co. Ltd.", "Co.Ltd", "Co Ltd", "Ltd.", "Co.", "Corp."),
    "corp": ("Corp.", "Corp", "Corporation"), "inc": ("Inc.", "Inc"), "kgaa": ("KGaA",), "ltd": ("Ltd.", "Ltd"),
    "nv": ("N.V.", "NV"), "pcl": ("PCL", "Public Co. Ltd."), "plc": ("plc", "PLC"), "sa": ("S.A.", "SA"),
    "sabcv": ("SAB de CV",), "se": ("SE", "S.E."), "spa": ("S.p.A.", "SpA"), "ab": ("AB",), "abpubl": ("AB",),
    "gmbh": ("GmbH",), "gmbhcokgaa": ("GmbH & Co. KGaA", "GmbH+Co.KGaA"), "tas": ("A.S.", "AS"), "as": ("A/S", "AS"),
}  # fmt: skip
_OTHER = {
    "ag": ("SE",), "se": ("AG",), "sa": ("SE", "SpA"), "inc": ("Corp.", "Ltd."), "corp": ("Inc.", "Co."),
    "ltd": ("PLC", "Inc."), "plc": ("Ltd.",), "coltd": ("Inc.", "PLC"), "co": ("Inc.", "Corp."), "gmbh": ("AG",),
    "oy": ("Oyj",), "oyj": ("Oy",), "as": ("ASA",), "asa": ("AS",), "nv": ("SE",), "spa": ("SA",), "kgaa": ("AG",),
    "llc": ("Inc.", "LP"), "lp": ("LLC",), "pcl": ("Ltd.",), "bhd": ("Ltd.",),
}  # fmt: skip


class Split(NamedTuple):
    """A name's words as given; the legal form at its end, as given and in its canonical spelling ("": none)."""

    words: list[str]
    form: list[str]
    canonical: str


def split_form(name: str) -> Split:
    """Split the legal form at the end off a name; at least one word is left."""
    given = name.split()
    words: list[str] = []
    owner: list[int] = []
    for place, word in enumerate(given):
        parts = ascii_words(to_ascii(word)).split()
        words.extend(parts)
        owner.extend([place] * len(parts))
    end, canonical = len(words), ""
    for form in reversed(find_forms(words)):
        if form.end != end or form.start == 0:
            break
        end, canonical = form.start, form.name
    if end == len(words) or owner[end - 1] == owner[end]:
        return Split(given, [], "")
    body = given[: owner[end]]
    body[-1] = body[-1].rstrip(",") or body[-1]
    return Split(body, given[owner[end] :], canonical)


def write_form(split: Split, rng: np.random.Generator) -> list[str]:
    """Return the words of the legal form as another system might write it."""
    if not split.form:
        return []
    if split.canonical in _OTHER and rng.random() < CHANGED:
        others = _OTHER[split.canonical]
        return others[int(rng.integers(len(others)))].split()
    if split.canonical in _SHORT and rng.random() < 0.6:
        variants = _SHORT[split.canonical]
        return variants[int(rng.integers(len(variants)))].split()
    if rng.random() < 0.6:
        return split.form
    return " ".join(split.form).replace(",", " ").rstrip(". ").split() or split.form
