"""Noise of what is no name: texts, numbers, and values that differ between systems."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from entity_matching.noise.profile import ColumnProfile
from entity_matching.noise.words import abbreviate, can_shorten, is_fixed, misspell
from entity_matching.normalize.numbers import parse_number

_TRIES = 4


def noisy_text(text: str, pool: Sequence[str], profile: ColumnProfile, rng: np.random.Generator) -> str:
    """Write a title or description as another system might.

    Words are left out, swapped, abbreviated, misspelt, and some of another record's put in; words with digits
    (model numbers) stay. A text that is not blank never becomes so.

    :param pool: texts of other records.
    """
    words = text.split()
    if not words:
        return text
    loss = rng.choice((0.0, 0.1, 0.3))
    kept = [word for word in words if is_fixed(word) or rng.random() >= loss]
    if len(kept) > 2 and rng.random() < 0.3:
        at = int(rng.integers(len(kept) - 1))
        kept[at], kept[at + 1] = kept[at + 1], kept[at]
    if rng.random() < 0.2:
        kept = [abbreviate(word, rng) if can_shorten(word) and rng.random() < 0.2 else word for word in kept]
    if rng.random() < 0.15:
        kept = misspell(kept, rng)
    if pool and rng.random() < 0.2:
        others = [word for word in pool[int(rng.integers(len(pool)))].split() if not is_fixed(word)]
        kept[len(kept) :] = others[: int(rng.integers(1, 4))]
    result = " ".join(kept) or text
    limit = next((limit for limit in profile.limits if rng.random() < 0.5), 0)
    return (result[:limit].strip() or result) if limit else result


def another(value: str, pool: Sequence[str], rng: np.random.Generator) -> str:
    """Return another record's value; the value itself if a few draws bring no other."""
    for _ in range(_TRIES if pool else 0):
        drawn = pool[int(rng.integers(len(pool)))]
        if drawn != value:
            return drawn
    return value


def noisy_number(value: str, rng: np.random.Generator) -> str:
    """Change a number a little: a year by one, another number by a few per cent.

    What is no plain number stays as it is; whole numbers stay whole.
    """
    number = parse_number(value)
    if number is None:
        return value
    if number == int(number):
        if 1000 <= number < 2200:
            return str(int(number) + (1 if rng.random() < 0.5 else -1))
        return str(round(number * rng.uniform(0.9, 1.1)))
    return f"{number * rng.uniform(0.9, 1.1):.4g}"
