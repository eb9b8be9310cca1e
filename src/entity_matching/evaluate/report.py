"""The report: one HTML file that shows how good a match is and where it errs."""

from __future__ import annotations

import datetime
import logging
import platform
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from entity_matching.errors import OutputError
from entity_matching.evaluate.cases import Records, find_cases
from entity_matching.evaluate.metrics import Evaluation
from entity_matching.evaluate.outcomes import join_outcomes
from entity_matching.evaluate.plots import COLOURS, PLOTS
from entity_matching.schema import Schema, Side

log = logging.getLogger(__name__)

PACKAGES = ("entity-matching", "lightgbm", "numpy", "pyarrow", "rapidfuzz", "scikit-learn", "sparse-dot-topn")
"""The packages whose versions a report names: those that a figure can depend on."""


def write_report(
    evaluation: Evaluation,
    *,
    result: Any,
    labels: Any,
    source: Any,
    reference: Any,
    schema: Schema,
    path: str | Path,
    title: str = "Entity matching: evaluation",
) -> None:
    """Write the report to a file, wholly or not at all. The parameters are those of :func:`render_report`.

    :param path: the HTML file to write.
    :raises OutputError: if it cannot be written.
    """
    page = render_report(
        evaluation, result=result, labels=labels, source=source, reference=reference, schema=schema, title=title
    )
    target = Path(path)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        draft.write_text(page, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise OutputError(
            f"The report {target} could not be written: {error.strerror or error}.",
            remedy="Name a file in a folder that is there and can be written to.",
        ) from error


def render_report(
    evaluation: Evaluation,
    *,
    result: Any,
    labels: Any,
    source: Any,
    reference: Any,
    schema: Schema,
    title: str = "Entity matching: evaluation",
    errors: int = 20,
) -> str:
    """Return the report as one HTML page that asks nothing of the network.

    Whatever comes from the tables is escaped.

    :param evaluation: of ``result`` against ``labels``; ``with_details`` adds the matcher's settings.
    :param result: the table that ``match`` returned.
    :param labels: the labels it was measured against.
    :param source: the source table, for the errors side by side.
    :param reference: the reference table, for the same.
    :param schema: names the keys and columns of both.
    :param title: of the page.
    :param errors: errors of each sort that are listed, the surest first; the page says how many there are.
    :return: the page.
    """
    import jinja2  # noqa: PLC0415 - heavy

    result = result if isinstance(result, pa.Table) else pa.table(result)
    outcomes = join_outcomes(result, labels)
    cases = find_cases(
        outcomes,
        result,
        Records(source, schema, Side.SOURCE),
        Records(reference, schema, Side.REFERENCE),
        limit=errors,
    )
    for fault, (total, shown) in cases.items():
        if total > len(shown):
            log.info("%s: %d errors, of which the report lists %d", fault, total, len(shown))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("entity_matching.evaluate"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=_share, number=_number)
    return environment.get_template("report.html.j2").render(
        title=title,
        evaluation=evaluation,
        cases=cases,
        plots={
            name: _inline(draw(evaluation, "svg"), f"plot{place}") for place, (name, draw) in enumerate(PLOTS.items())
        },
        details=list(_flat(evaluation.details)),
        versions=_versions(),
        written=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _inline(svg: bytes, prefix: str) -> Any:
    """Return a plot as an element of the page: in the page's colours, with names that no other plot has."""
    import markupsafe  # noqa: PLC0415 - comes with jinja2

    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    # Nothing in it comes from the tables: a plot's words are ours, its numbers the evaluation's.
    return markupsafe.Markup(text.replace("<svg ", '<svg aria-hidden="true" ', 1))


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}.")
        else:
            yield path, f"{value:g}" if isinstance(value, float) else str(value)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
