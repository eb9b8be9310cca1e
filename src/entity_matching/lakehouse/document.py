"""The tables as documentation: ``python -m entity_matching.lakehouse.document PAGE`` brings the page up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from entity_matching.errors import InputError
from entity_matching.lakehouse.layout import Column, Table, View
from entity_matching.lakehouse.tables import SCHEMAS, TABLES, VERSION, VIEWS

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
"""What stands around the part of the page that is made here."""

USES = {
    "bronze.reference_entities": (
        "`ingest-source-entities`, `setup-unity-catalog`",
        "`exact-match`, `score-candidates`, `write-results`, `train-ditto-model`",
    ),
    "bronze.source_entities": (
        "`ingest-source-entities`, `setup-unity-catalog`",
        "every later stage, `train-ditto-model`, `gold.review_queue`",
    ),
    "bronze.quarantine": ("`ingest-source-entities`, `setup-unity-catalog`", "`generate-metrics`, `status`, people"),
    "bronze.labeled_pairs": ("`ingest-source-entities`, `setup-unity-catalog`", "`train-ditto-model`"),
    "silver.exact_matches": ("`exact-match`", "`score-candidates`, `write-results`, `generate-metrics`"),
    "silver.scored_candidates": ("`score-candidates`", "`write-results`, `generate-metrics`"),
    "silver.training_pairs": ("`train-ditto-model`", "people"),
    "gold.matched_entities": (
        "`write-results`",
        "`exact-match`, `generate-metrics`, `gold.review_queue`, whoever needs matches",
    ),
    "gold.match_history": ("`write-results`", "`generate-metrics`, people"),
    "gold.review_decisions": ("people", "`exact-match`, `write-results`, `train-ditto-model`, `gold.review_queue`"),
    "gold.pipeline_runs": ("every job", "`generate-metrics`, `status`"),
    "gold.pipeline_metrics": ("every stage, `generate-metrics`", "`status`, `gold.daily_stats`"),
    "gold.model_comparisons": ("`models compare`", "people"),
    "gold.review_queue": ("", "people, `status`"),
    "gold.daily_stats": ("", "people"),
}
"""What writes and what reads each table and view."""


def markdown() -> str:
    """Return every table and view as Markdown."""
    lines = [
        f"Layout version {VERSION}. A column that can be empty is marked `null`; the others always hold a value.",
        "",
    ]
    for schema, comment in SCHEMAS.items():
        kinds = [kind for kind in (*TABLES, *VIEWS) if kind.schema == schema]
        lines += [f"## {schema}", "", f"{comment}.", ""]
        for kind in kinds:
            lines += [*_described(kind), ""]
    return "\n".join(lines).rstrip() + "\n"


def updated(page: str) -> str:
    """Return a page with the tables between its two marks written anew.

    :raises InputError: if the marks are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"the page has no lines '{BEGIN}' and '{END}'.", remedy="Put them where the tables belong.")
    return f"{before}{BEGIN}\n\n{markdown()}\n{END}{after}"


def main(argv: Sequence[str] | None = None) -> None:
    """Bring a page up to date: its path is the only argument."""
    (name,) = sys.argv[1:] if argv is None else argv
    path = Path(name)
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")


def _described(kind: Table | View) -> Iterator[str]:
    view = isinstance(kind, View)
    yield f"### `{kind.full_name}`{' (view)' if view else ''}"
    yield ""
    written, read = USES[kind.full_name]
    uses = f"Written by {written}; read by {read}." if written else f"Read by {read}."
    yield f"{kind.comment}. {uses}"
    if isinstance(kind, Table):
        yield f"Key: {', '.join(f'`{name}`' for name in kind.key)}."
        if kind.checks:
            yield f"Checks: {'; '.join(f'`{condition}`' for _, condition in kind.checks)}."
    yield ""
    yield "| column | type | | holds |"
    yield "| --- | --- | --- | --- |"
    for column in kind.columns:
        yield _row(column, null=column.nullable and not view)


def _row(column: Column, *, null: bool) -> str:
    since = "" if column.since == 1 else f" (since layout {column.since})"
    return f"| `{column.name}` | `{column.type}` | {'`null`' if null else ''} | {column.comment}{since} |"


if __name__ == "__main__":
    main()
