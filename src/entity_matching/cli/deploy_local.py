"""``entity-matching deploy PHASE -t local``, and ``deploy all``: the phases on this machine."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.cli.console import Terminal, grid, program
from entity_matching.cli.deploying import Site, ask, check_can_ask, show_checks, show_steps

if TYPE_CHECKING:
    from entity_matching.deploy.local.deployed import Deployed
    from entity_matching.deploy.local.deployment import LocalDeployment, LocalPlan
    from entity_matching.deploy.phase_bundles import PhaseBundles
    from entity_matching.lakehouse import Lakehouse, LakehouseSettings
    from entity_matching.schema import Attribute

PHASES = (1, 2, 3)
PIPELINE, TRAINING, ADHOC = "entity_matching_pipeline", "train_ditto_model", "adhoc_entity_matching"
RUN_AFTER = {1: ("setup_unity_catalog", TRAINING), 3: (PIPELINE,)}
"""Jobs that ``deploy all`` runs after a phase; the third then has one run of the ad-hoc job, as by itself."""
ADHOC_TABLE = "gold.adhoc_example"
"""Table that the first ad-hoc run writes: not that which people's own runs write unless told otherwise."""
_RECORDS = 5
"""Records of that run."""


@dataclass
class _Timed:
    """How long each step took, in seconds."""

    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.steps[name] = round(time.perf_counter() - began, 1)


def deploy_here(phase: int, site: Site, *, yes: bool, plan: bool, allow_delete: bool) -> None:
    """Deploy a phase to this machine; with the ad-hoc job comes a first run of it."""
    from entity_matching.deploy.next_steps import next_steps

    if not plan:
        check_can_ask(yes=yes, instead="or --plan to see what would be done")
    deployment, bundles = site.here()
    terminal = site.terminal
    with deployment.held():
        prepared = _prepared(deployment, phase, terminal, allow_delete=allow_delete)
        told: dict[str, Any] = {"phase": phase, "target": "local", "steps": [vars(step) for step in prepared.steps]}
        if plan:
            terminal.say("Nothing was changed.")
            terminal.result({**told, "deployed": False})
            return
        if not yes:
            lost = f"{len(prepared.deleted)} of these are deleted for good. " if prepared.deleted else ""
            ask(f"{lost}Deploy phase {phase} to this machine?")
        deployed = deployment.carry_out(prepared, terminal.note)
    if any(step.key == f"jobs.{ADHOC}" and step.action == "create" for step in prepared.steps):
        told["adhoc"] = _adhoc(deployed, terminal)
    steps = next_steps(bundles.load(phase))
    terminal.say(f"Phase {phase} is deployed to this machine ({site.home}). Next:")
    for step in steps:
        terminal.say(f"  {step}")
    terminal.result({**told, "deployed": True, "next": steps})


def deploy_all(site: Site, *, yes: bool, plan: bool, allow_delete: bool) -> None:
    """Deploy the three phases to this machine and run their jobs; end with matched entities on screen."""
    deployment, bundles = site.here()
    terminal, timed = site.terminal, _Timed()
    if plan:
        with deployment.held():
            _prepared(deployment, PHASES[0], terminal, allow_delete=allow_delete)
        terminal.say("Nothing was changed. The other phases, and the jobs between them, come after this one.")
        return
    check_can_ask(yes=yes, instead="or --plan to see what would be done")
    if not yes:
        ask(f"Deploy all three phases to this machine ({site.home}), and run their jobs?")
    deployment.check_port(bundles.load(PHASES[-1]))  # before the minutes of the training
    deployed: Deployed | None = None
    figures: dict[str, Any] = {}
    for phase in PHASES:
        with timed.step(f"phase {phase}: deploy"), deployment.held():
            wanted = _wanted(deployment, phase, bundles)
            if deployed is None or wanted > deployed.phase:
                prepared = _prepared(deployment, wanted, terminal, allow_delete=allow_delete, brief=True)
                deployed = deployment.carry_out(prepared, terminal.note)
        for job in RUN_AFTER.get(phase, ()):
            assert deployed is not None  # noqa: S101 - for the type checker
            with timed.step(f"phase {phase}: {job}"):
                figures[job] = _run(deployed, job, terminal)
    assert deployed is not None  # noqa: S101 - likewise
    with timed.step(f"phase 3: {ADHOC}"):
        figures[ADHOC] = _adhoc(deployed, terminal)
    with timed.step("matches read"):
        rows = matched(deployed)
    _show_matched("Some of the matched entities (gold.matched_entities)", rows, terminal)
    tell_ditto(figures[TRAINING].get(TRAINING, {}), terminal)
    _show_times(timed.steps, terminal)
    _tell_next(site, deployed, rows)
    terminal.result({"seconds": timed.steps, "matched": rows, "jobs": figures})


def _tell_next(site: Site, deployed: Deployed, rows: list[dict[str, Any]]) -> None:
    """Say what goes on running, how to look at it, and how to stop it.

    :param rows: some of the matched entities, the surest first.
    """
    from entity_matching.deploy.local.endpoint import settings_of
    from entity_matching.serving.server import Running

    terminal, command = site.terminal, program()
    where = "" if site.home == Path.cwd() / ".entity-matching" else f" --home {shlex.quote(str(site.home))}"
    running = Running.find(settings_of(deployed))
    if running is not None:
        terminal.say(f"The endpoint {running.name} ({running.url}) and the scheduler go on running. Look further:")
    terminal.say(f"  {command} status -t local{where}")
    terminal.say(f"  {command} sql \"SELECT * FROM gold.matched_entities WHERE decision = 'review'\"{where}")
    if running is not None and rows and rows[0]["entity"]:
        name = _shown(deployed.lakehouse).name
        pair = [shlex.quote(json.dumps({name: rows[0][side]}, ensure_ascii=False)) for side in ("record", "entity")]
        terminal.say(f"  export ENTITY_MATCHING_TOKEN=$({command} endpoint token create me{where})")
        terminal.say(f"  {command} endpoint query -t local --left {pair[0]} --right {pair[1]}{where}")
    if (site.root / "examples" / "companies").is_dir():
        terminal.say(f"Measured on truth held back, without labels, with them, and with Ditto: {command} demo")
    terminal.say(f"Stop both, and keep the tables: {command} destroy -t local --yes{where}")


def _shown(settings: LakehouseSettings) -> Attribute:
    """Return the attribute that records are shown by."""
    from entity_matching.jobs.attributes import stored_schema
    from entity_matching.schema import Kind

    schema = stored_schema(settings)
    return next(iter([*schema.of_kind(Kind.NAME), *schema.attributes]))


def tell_ditto(trained: dict[str, Any], terminal: Terminal) -> None:
    """Say what Ditto adds: the features alone beside the blend, on the same records, which neither had seen."""
    held = trained.get("held_out", {})
    alone, blended = held.get("features"), held.get("with_ditto")
    if not alone or not blended:
        return
    table = grid(f"What Ditto adds ({held['records']:,} held-out records)",
                 "", "#precision", "#recall", "#F1")  # fmt: skip
    for name, figures in (("features alone", alone), ("features and Ditto", blended)):
        texts = ("–" if figures[one] is None else f"{figures[one]:.3f}" for one in ("precision", "recall", "f1"))
        table.add_row(name, *texts)
    terminal.show(table)


def _wanted(deployment: LocalDeployment, phase: int, bundles: PhaseBundles) -> int:
    """Return the phase to deploy: a later one that is deployed already, to go back from which would be of no use."""
    before = deployment.deployed
    if before is None or before.catalog != bundles.load(phase).catalog:  # another catalog has no model yet
        return phase
    return max(phase, before.phase)


def _prepared(
    deployment: LocalDeployment, phase: int, terminal: Terminal, *, allow_delete: bool, brief: bool = False
) -> LocalPlan:
    """Check a phase, find out what its deployment would do, and show it.

    :param brief: whether checks that were passed are only named.
    """
    from entity_matching.deploy.preflight import checks

    bundle = deployment.load(phase)
    found = checks(bundle, deployment.root)
    if brief and all(check.ok for check in found):
        terminal.note(f"Checked: {', '.join(dict.fromkeys(check.name for check in found))}.")
    else:
        show_checks(found, terminal)
    prepared = deployment.prepare(phase, allow_delete=allow_delete)
    show_steps(f"Phase {phase} on this machine", prepared.steps, terminal)
    if prepared.ignored and not (brief and phase < PHASES[-1]):
        terminal.note(f"Of no effect on this machine: {', '.join(prepared.ignored)}.")
    return prepared


def _run(deployed: Deployed, job: str, terminal: Terminal, given: dict[str, str] | None = None) -> dict[str, Any]:
    from entity_matching.deploy.local.records import DONE
    from entity_matching.deploy.local.runner import DEPLOYMENT, Runner, failure

    terminal.note(f"Running {deployed.job(job).get('name', job)} ...")
    runner = Runner(deployed, os.environ, lambda text: terminal.note(f"  {text}"))
    record = runner.run(job, given, trigger=DEPLOYMENT)
    if record.status != DONE:
        raise failure(record, runner.runs)
    return {task: record.figures(task) for task in record.tasks}


def _adhoc(deployed: Deployed, terminal: Terminal) -> list[dict[str, Any]]:
    """Run the ad-hoc job once, on a few of the source records that are there, and show what it wrote.

    :returns: that.
    """
    from entity_matching.jobs.destinations import register
    from entity_matching.lakehouse import open_lakehouse
    from entity_matching.lakehouse.names import literal, quoted
    from entity_matching.lakehouse.tables import SOURCE_ENTITIES

    with open_lakehouse(deployed.lakehouse) as lake:
        found = lake.sql(f"SELECT source_id FROM {lake.name(SOURCE_ENTITIES)} ORDER BY source_id LIMIT {_RECORDS}")
        keys = [row["source_id"] for row in found.toArrow().to_pylist()]
    if not keys:
        terminal.note("There are no source records yet for an ad-hoc run.")
        return []
    given = {
        "source_table": f"{deployed.catalog}.{SOURCE_ENTITIES.full_name}",
        "output_table": f"{deployed.catalog}.{ADHOC_TABLE}",
        "filter": f"source_id IN ({', '.join(map(literal, keys))})",
    }
    _run(deployed, ADHOC, terminal, given)
    with open_lakehouse(deployed.lakehouse) as lake:
        levels = (deployed.catalog, *ADHOC_TABLE.split("."))
        register(lake, levels)
        rows = _with_names(lake, quoted(*levels))
    _show_matched(f"An ad-hoc run on {len(rows)} records ({ADHOC_TABLE})", rows, terminal)
    return rows


def matched(deployed: Deployed, limit: int = 10) -> list[dict[str, Any]]:
    """Return some of the matched entities with both names, spread over their confidence, the surest first."""
    from entity_matching.lakehouse import open_lakehouse
    from entity_matching.lakehouse.tables import MATCHED_ENTITIES

    with open_lakehouse(deployed.lakehouse) as lake:
        rows = _with_names(lake, lake.name(MATCHED_ENTITIES))
    step = max(1, len(rows) // limit)
    return rows[::step][:limit]


def _with_names(lake: Lakehouse, table: str) -> list[dict[str, Any]]:
    """Return the decisions of a table with the names of both records, the surest first."""
    from entity_matching.lakehouse.names import literal
    from entity_matching.lakehouse.tables import REFERENCE_ENTITIES, SOURCE_ENTITIES
    from entity_matching.schema import Side

    name = _shown(lake.settings)
    source, reference = (literal(name.column_on(side)) for side in (Side.SOURCE, Side.REFERENCE))
    found: list[dict[str, Any]] = (
        lake.sql(
            f"SELECT m.source_id, s.attributes[{source}] AS record, m.decision, m.entity_id,"
            f" r.attributes[{reference}] AS entity, m.confidence, m.method, m.reason"
            f" FROM {table} m"
            f" JOIN {lake.name(SOURCE_ENTITIES)} s ON m.source_system = s.source_system AND m.source_id = s.source_id"
            f" LEFT JOIN {lake.name(REFERENCE_ENTITIES)} r ON m.entity_id = r.entity_id"
            " ORDER BY m.confidence DESC, m.source_id"
        )
        .toArrow()
        .to_pylist()
    )
    return found


def _show_matched(title: str, rows: list[dict[str, Any]], terminal: Terminal) -> None:
    from rich.markup import escape

    columns = ("record", "decision", "entity", "#confidence", "reason")
    table = grid(title, *columns)
    for row in rows:
        confidence = "" if row["confidence"] is None else f"{row['confidence']:.3f}"
        texts = (row["record"], row["decision"], row["entity"], confidence, row["reason"])
        table.add_row(*(escape(text or "") for text in texts))
    terminal.show(table)


def _show_times(steps: dict[str, float], terminal: Terminal) -> None:
    table = grid(f"Seconds ({sum(steps.values()):.0f} in all)", "step", "#seconds")
    for name, seconds in sorted(steps.items(), key=lambda item: -item[1]):
        if seconds:  # what was there already takes none
            table.add_row(name, f"{seconds:.1f}")
    terminal.show(table)
