"""Draw this folder's CSV files from the whole data set, the same ones every time.

    python examples/companies/make_example.py --data DIR

``DIR`` holds ``reference.csv``, ``source.csv`` and ``truth.csv``. Whole entities are drawn: a company
is in the sample with all of its listings, and in one half only (``labels.csv`` or ``heldout.csv``).
The order of drawing is that of a SHA-256 of the seed and the id, so it depends on no random generator.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process, utils

SEED = 0
SOURCES = 600
REFERENCES = 3_000
NEIGHBOURS = 2
HERE = Path(__file__).parent

Row = dict[str, str]
log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the four CSV files beside this script.

    :param argv: the command line without the program's name.
    :return: 0.
    """
    parser = argparse.ArgumentParser(description="Draw the example from the whole data set.")
    parser.add_argument("--data", type=Path, required=True, help="folder of reference.csv, source.csv and truth.csv")
    data = parser.parse_args(argv).data
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    reference, source = read(data / "reference.csv"), read(data / "source.csv")
    truth = {row["source_id"]: row["company_id"] for row in read(data / "truth.csv")}
    halves = draw_sources(source, truth)
    drawn = sorted(halves[0] + halves[1], key=lambda row: row["source_id"])
    kept = draw_references(reference, drawn, truth)

    write("source.csv", drawn)
    write("reference.csv", kept)
    for name, half in zip(("labels.csv", "heldout.csv"), halves, strict=True):
        rows = sorted(half, key=lambda row: row["source_id"])
        write(name, [{"source_id": row["source_id"], "company_id": truth[row["source_id"]]} for row in rows])
    return 0


def draw_sources(source: list[Row], truth: dict[str, str]) -> tuple[list[Row], list[Row]]:
    """Draw whole entities until there are enough source records; deal them into two halves.

    :return: the records of the training half and of the held-out half; no entity is in both.
    """
    entities: dict[str, list[Row]] = defaultdict(list)
    for row in source:
        # A record with no counterpart is an entity of its own.
        entities[truth[row["source_id"]] or row["source_id"]].append(row)
    halves: tuple[list[Row], list[Row]] = ([], [])
    for entity in shuffled(entities):
        if len(halves[0]) + len(halves[1]) >= SOURCES:
            break
        smaller = int(len(halves[1]) < len(halves[0]))
        halves[smaller].extend(entities[entity])
    return halves


def draw_references(reference: list[Row], drawn: list[Row], truth: dict[str, str]) -> list[Row]:
    """Keep the right companies, those of a similar name, and others by chance.

    Similar are the :data:`NEIGHBOURS` companies nearest to each drawn listing's name, and as many other
    companies nearest to each right one's name, by rapidfuzz's token sort ratio: without them the example
    would be easier than the whole.

    :return: :data:`REFERENCES` rows in the order of the reference.
    """
    right = {truth[row["source_id"]] for row in drawn} - {""}
    names = [utils.default_process(row["company_name"]) for row in reference]
    queries = [utils.default_process(row["company_name"]) for row in drawn]
    queries += [name for row, name in zip(reference, names, strict=True) if row["company_id"] in right]
    scores = process.cdist(queries, names, scorer=fuzz.token_sort_ratio, dtype=np.float32)
    nearest = np.argsort(-scores, axis=1, kind="stable")
    rows = [nearest[: len(drawn), :NEIGHBOURS], nearest[len(drawn) :, 1 : NEIGHBOURS + 1]]  # [0] is the company itself
    similar = {reference[int(row)]["company_id"] for row in np.unique(np.concatenate(rows))}

    chosen = right | similar
    log.info("%d right companies, %d with their neighbours", len(right), len(chosen))
    for company in shuffled(row["company_id"] for row in reference):
        if len(chosen) >= REFERENCES:
            break
        chosen.add(company)
    return [row for row in reference if row["company_id"] in chosen]


def shuffled(ids: Iterable[str]) -> list[str]:
    """Return the ids in an order that looks random and is always the same."""
    return sorted(ids, key=lambda value: hashlib.sha256(f"{SEED}:{value}".encode()).hexdigest())


def read(path: Path) -> list[Row]:
    """Read a CSV file as text, one mapping per row."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(name: str, rows: list[Row]) -> None:
    """Write rows beside this script, and say how many."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    log.info("%s: %d rows", name, len(rows))


if __name__ == "__main__":
    raise SystemExit(main())
