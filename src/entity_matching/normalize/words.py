"""Words that are written in several ways: abbreviations, plurals, numbers spelt out or in Roman figures."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()
_ROMAN = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx".split()
# A lone letter is a number only after one of these: "Fund I", "Acquisition Corp V".
_COUNTED = frozenset(
    "acquisition fund funds trust partner growth income series opportunity phase unit spac portfolio".split()
)
# Articles and names at the start of a name, abbreviations elsewhere: "El Ezz Steel", "Chubu El. Power".
_NOT_FIRST = frozenset("el en gp gr hl ld res sol tr".split())
_PAIRS = {
    ("hong", "kong"): ["hongkong"],
    ("r", "estate"): ["real", "estate"],
    ("health", "care"): ["healthcare"],
    ("semi", "conductor"): ["semiconductor"],
    ("bio", "technology"): ["biotechnology"],
    ("bio", "pharmaceutical"): ["biopharmaceutical"],
    ("bio", "science"): ["bioscience"],
    ("new", "york"): ["ny"],
    ("united", "states"): ["us"],
    ("united", "kingdom"): ["uk"],
}
_SECOND = frozenset(second for _, second in _PAIRS)


@cache
def standard_words() -> dict[str, str]:
    """Return each known spelling with the one word it stands for.

    :raises ValueError: if the data file gives one spelling two meanings.
    """
    text = resources.files(__package__).joinpath("data/words.yml").read_text(encoding="utf-8")
    result = {name: str(number) for number, name in enumerate(_NUMBERS)}
    entries = yaml.safe_load(text)
    for word, entry in entries.items():
        for spelling in (*entry.get("also", ()), *entry.get("short", ())):
            if result.setdefault(spelling, word) != word:
                raise ValueError(f"words.yml: '{spelling}' stands for '{result[spelling]}' and '{word}'")
    # The longest beginning wins: "industria" is cut from "industrial", "industr" from "industry".
    for word, entry in sorted(entries.items(), key=lambda item: -len(item[1].get("from", ""))):
        start = entry.get("from")
        if start is None:
            continue
        for full in (word, *entry.get("also", ())):
            for length in range(len(start), len(full)):
                if full.startswith(start):
                    result.setdefault(full[:length], word)
    for word in entries:
        result.pop(word, None)
    return result


@cache
def _roman() -> dict[str, str]:
    return {figure: str(number) for number, figure in enumerate(_ROMAN, start=1)}


def write_out(words: list[str]) -> list[str]:
    """Return the words with abbreviations written out and numbers in Arabic figures.

    Roman figures of two letters or more are read anywhere but at the start; ``i``, ``v`` and ``x`` only after a
    word that is counted (``fund``, ``acquisition``, ...).
    """
    known = standard_words()
    result = [known.get(word, word) for word in words]
    if result and words[0] in _NOT_FIRST:
        result[0] = words[0]
    roman = _roman()
    pairs = False
    for place in range(1, len(words)):
        word = result[place]
        if word in roman and (len(word) > 1 or result[place - 1] in _COUNTED):
            result[place] = roman[word]
        pairs = pairs or word in _SECOND
    return _with_pairs(result) if pairs else result


def _with_pairs(words: list[str]) -> list[str]:
    """Bring pairs of words that are also written otherwise to one spelling."""
    result = words[:1]
    for word in words[1:]:
        replacement = _PAIRS.get((result[-1], word)) if result else None
        if replacement is None:
            result.append(word)
        else:
            result[-1:] = replacement
    return result
