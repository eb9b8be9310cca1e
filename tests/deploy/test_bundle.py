"""The bundle as it is read from its files: for each phase and target, with what is given, and what is wrong in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from entity_matching.deploy.bundle import Bundle, BundleError, User, load, read_phase, targets

ROOT = Path(__file__).parents[2]
ANN = User("Ann.O'Neil+test@example.com")
Read = Callable[..., Bundle]
Edit = Callable[[str, str, str], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "resources", folder / "resources")
    for path in ROOT.glob("databricks-phase?.yml"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def edit(root: Path) -> Edit:
    def change(name: str, old: str, new: str) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return change


@pytest.fixture
def read(root: Path) -> Read:
    def bundle(
        phase: int = 3,
        target: str = "dev",
        *,
        environment: Mapping[str, str] | None = None,
        user: User = ANN,
        **variables: str,
    ) -> Bundle:
        values = {"model_version": "7", **variables}
        return load(root, phase, target, variables=values, user=user, environment=environment or {})

    return bundle


def test_each_phase_holds_all_of_the_one_before(read: Read) -> None:
    held = [{*bundle.jobs, *bundle.endpoints} for bundle in (read(1), read(2), read(3))]

    assert held[0] == {"setup_unity_catalog", "train_ditto_model"}
    assert held[1] - held[0] == {"ditto_matcher"}
    assert held[2] - held[1] == {"entity_matching_pipeline", "adhoc_entity_matching"}
    assert held[0] < held[1] < held[2]


def test_names_are_those_of_the_guide(read: Read) -> None:
    bundle = read()

    assert [job["name"] for job in bundle.jobs.values()] == [
        "[dev] Entity Matching - Setup Unity Catalog",
        "[dev] Entity Matching - Train Ditto Model",
        "[dev] Entity Matching - Production Pipeline",
        "[dev] Entity Matching - Ad-hoc Run",
    ]
    assert bundle.endpoints["ditto_matcher"]["name"] == "ditto-em-dev"
    assert bundle.model_name == "ann_o_neil_test_entity_matching_dev.models.entity_matching_ditto"


def test_the_pipeline_is_its_stages_in_order_with_one_run_id(read: Read) -> None:
    job = read().jobs["entity_matching_pipeline"]
    tasks = {task["task_key"]: task for task in job["tasks"]}

    assert [[need["task_key"] for need in task.get("depends_on", [])] for task in tasks.values()] == [
        [],
        ["ingest_source_entities"],
        ["exact_match"],
        ["score_candidates"],
        ["write_results"],
    ]
    assert {task["python_wheel_task"]["named_parameters"]["run-id"] for task in tasks.values()} == {"{{job.run_id}}"}
    assert (job["max_concurrent_runs"], job["queue"], job["schedule"]["pause_status"]) == (
        1,
        {"enabled": True},
        "PAUSED",
    )


@pytest.mark.parametrize(
    ("target", "catalog", "paused"),
    [
        ("dev", "ann_o_neil_test_entity_matching_dev", "PAUSED"),
        ("staging", "entity_matching_staging", "PAUSED"),
        ("prod", "entity_matching_prod", "UNPAUSED"),
        ("local", "entity_matching", "UNPAUSED"),
    ],
)
def test_a_target_has_its_own_values(read: Read, target: str, catalog: str, paused: str) -> None:
    bundle = read(3, target)

    assert bundle.catalog == catalog
    assert bundle.jobs["entity_matching_pipeline"]["schedule"]["pause_status"] == paused
    assert bundle.endpoints["ditto_matcher"]["name"] == f"ditto-em-{target}"


def test_in_dev_the_user_may_manage_and_all_may_view(read: Read) -> None:
    assert read().permissions == [
        {"level": "CAN_MANAGE", "user_name": "Ann.O'Neil+test@example.com"},
        {"level": "CAN_VIEW", "group_name": "users"},
    ]


def test_on_this_machine_uploaded_files_are_those_that_are_there(read: Read, root: Path) -> None:
    assert read(1, "local").variables["example_data"] == str(root / "examples" / "companies")
    assert read(1, "dev").variables["example_data"].startswith("/Workspace/Users/Ann.O'Neil+test@example.com/.bundle/")


def test_the_value_nearest_to_the_command_wins(read: Read, root: Path) -> None:
    own = root / ".databricks/bundle/prod/variable-overrides.json"
    values = [read(3, "prod").variables["pipeline_pause_status"]]
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps({"pipeline_pause_status": "of the file", "of_a_later_phase": 1}))
    environment = {"BUNDLE_VAR_pipeline_pause_status": "of the environment"}

    values.append(read(3, "prod").variables["pipeline_pause_status"])
    values.append(read(3, "prod", environment=environment).variables["pipeline_pause_status"])
    given = read(3, "prod", environment=environment, pipeline_pause_status="of the command")

    assert [*values, given.variables["pipeline_pause_status"]] == [
        "UNPAUSED",
        "of the file",
        "of the environment",
        "of the command",
    ]


def test_a_value_given_as_text_has_the_type_of_its_default(read: Read) -> None:
    bundle = read(endpoint_scale_to_zero="false", task_retries="5")

    assert bundle.endpoints["ditto_matcher"]["config"]["served_entities"][0]["scale_to_zero_enabled"] is False
    assert bundle.jobs["entity_matching_pipeline"]["tasks"][0]["max_retries"] == 5


def test_the_training_can_be_moved_to_a_gpu_cluster(read: Read, root: Path) -> None:
    own = root / ".databricks/bundle/dev/variable-overrides.json"
    own.parent.mkdir(parents=True)
    shutil.copy(ROOT / "examples/databricks/gpu-cluster.json", own)

    task = read(1).jobs["train_ditto_model"]["tasks"][0]

    assert task["new_cluster"]["node_type_id"] == "g5.xlarge"
    assert task["python_wheel_task"]["named_parameters"]["catalog"] == "ann_o_neil_test_entity_matching_dev"


def test_nothing_is_kept_in_the_folder_that_destroy_removes(read: Read) -> None:
    training = read(1).jobs["train_ditto_model"]["tasks"][0]["python_wheel_task"]["named_parameters"]

    assert not [value for value in training.values() if "/Workspace" in str(value)]


def test_a_place_is_told_for_everything(read: Read, root: Path) -> None:
    bundle = read()
    lines = (root / "resources/jobs_pipeline.yml").read_text().splitlines()

    file, _, line = bundle.where("resources", "jobs", "adhoc_entity_matching").partition(":")

    assert file == "resources/jobs_pipeline.yml" and lines[int(line) - 1].strip() == "adhoc_entity_matching:"
    assert bundle.where("resources", "jobs", "adhoc_entity_matching", "no", "such") == f"{file}:{line}"


@pytest.mark.parametrize(
    ("phase", "target", "said"),
    [
        (4, "dev", "There is no phase 4. Phases are 1, 2 and 3."),
        (0, "dev", "There is no phase 0"),
        (1, "stagin", "There is no target 'stagin'. Did you mean 'staging'"),
        (1, "", "There is no target ''"),
    ],
)
def test_an_unknown_phase_or_target_is_told(read: Read, phase: int, target: str, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        read(phase, target)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"catalog": "x"}, "'catalog' is not declared. Did you mean 'catalog_name'"),
        ({"task_retries": "often"}, "--var task_retries is 'often'; the variable is a whole number"),
        ({"endpoint_scale_to_zero": "maybe"}, "the variable is true or false"),
        ({"job_environment": "{}"}, "a list or mapping, which cannot be given as text"),
    ],
)
def test_a_wrong_value_is_told(read: Read, given: dict[str, str], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        read(3, **given)


def test_a_value_for_a_later_phase_does_no_harm(read: Read) -> None:
    assert "task_retries" not in read(1, task_retries="3").variables


def test_a_variable_without_a_value_is_told_with_its_place(root: Path) -> None:
    with pytest.raises(
        BundleError, match=r"resources/model_serving.yml:\d+: the variable 'model_version' has no value"
    ):
        load(root, 2, "dev", variables={}, user=ANN, environment={})


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "resources/jobs_pipeline.yml",
            "${var.adhoc_output}",
            "${var.adhoc_outptu}",
            r"jobs_pipeline.yml:\d+: .*Did you",
        ),
        ("resources/targets.yml", "default: UTC", "default: ${var.pipeline_time_zone}", "refers to itself: var.pip"),
        ("resources/targets.yml", "  pipeline_time_zone:", "\tpipeline_time_zone:", r"targets.yml:\d+: there is a tab"),
        (
            "resources/targets.yml",
            "  readers:",
            "  model_name:",
            r"targets.yml:\d+: the key 'model_name' is there twice",
        ),
        ("resources/model_serving.yml", "endpoint_size:", "readers:", r"'variables.readers.description' is defined"),
        (
            "databricks-phase3.yml",
            "jobs_pipeline.yml",
            "jobs_pipe.yml",
            r"phase3.yml:\d+: no file fits 'resources/jobs_p",
        ),
        (
            "resources/targets.yml",
            "artifacts:",
            "bundle: {name: x}\nartifacts:",
            r"targets.yml:\d+: 'bundle' may stand",
        ),
        (
            "resources/targets.yml",
            "      pipeline_pause_status: UN",
            "      pause: UN",
            r"targets.yml:\d+: .*'pause' is not",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(
    read: Read, edit: Edit, file: str, old: str, new: str, said: str
) -> None:
    edit(file, old, new)

    with pytest.raises(BundleError, match=said):
        read(3, "prod")


def test_a_file_that_is_missing_is_named(read: Read, root: Path) -> None:
    (root / "databricks-phase2.yml").unlink()

    with pytest.raises(BundleError, match="There is no file databricks-phase2.yml"):
        read(2)


def test_files_can_be_included_by_a_pattern(read: Read, edit: Edit) -> None:
    everything = read()
    for name in ("jobs_setup_training", "model_serving", "jobs_pipeline"):
        edit("databricks-phase3.yml", f"  - resources/{name}.yml\n", "")
    edit("databricks-phase3.yml", "  - resources/targets.yml", "  - resources/*.yml")

    assert read().jobs == everything.jobs


def test_all_targets_are_listed(root: Path) -> None:
    assert targets(read_phase(root, 1)[0]) == ("local", "dev", "staging", "prod")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Laurent.Prat@databricks.com", "laurent_prat"),
        ("ann+test@example.com", "ann_test"),
        ("o'neil@example.com", "o_neil"),
        ("Zoë.Müller@example.com", "zoë_müller"),
        ("李.雷@example.com", "李_雷"),
        ("..x..@example.com", "x"),
        ("root", "root"),
        ("12ab34cd-1234-5678-9abc-1234567890ab", "12ab34cd_1234_5678_9abc_1234567890ab"),
    ],
)
def test_a_user_name_is_shortened_as_the_databricks_cli_does(read: Read, name: str, short: str) -> None:
    assert read(1, user=User(name)).catalog == f"{short}_entity_matching_dev"


def test_a_service_principal_goes_by_its_display_name() -> None:
    assert User("12ab34cd-1234-5678-9abc-1234567890ab", "Nightly Matching").short_name == "nightly_matching"
