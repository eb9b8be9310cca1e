"""What an error tells the user."""

from __future__ import annotations

import pytest

from entity_matching.errors import (
    ArtifactError,
    EntityMatchingError,
    InputError,
    LabelsError,
    NoRowsError,
    OptionalDependencyError,
    OutputError,
    SchemaError,
    SettingsError,
)


@pytest.mark.parametrize(
    "error",
    [
        SchemaError("a"),
        SettingsError("a"),
        InputError("a"),
        NoRowsError("a", columns=["id"]),
        LabelsError("a"),
        OutputError("a"),
        ArtifactError("a"),
        OptionalDependencyError("torch", "train", "Training"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_one_root_catches_every_error(error: Exception) -> None:
    with pytest.raises(EntityMatchingError) as caught:
        raise error
    assert caught.value.exit_code == 1


def test_the_remedy_follows_the_message() -> None:
    error = EntityMatchingError("The disk is full.", remedy="Free some space.")
    assert str(error) == "The disk is full. Free some space."
    assert (error.message, error.remedy) == ("The disk is full.", "Free some space.")


def test_without_a_remedy_the_message_stands_alone() -> None:
    assert str(EntityMatchingError("The disk is full.")) == "The disk is full."


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, "is empty."),
        ({"file": "a.csv"}, "a.csv: is empty."),
        ({"file": "a.csv", "row": 12345}, "a.csv, row 12,345: is empty."),
        ({"file": "a.csv", "row": 0, "column": "name"}, "a.csv, row 0, column 'name': is empty."),
        ({"column": "name"}, "column 'name': is empty."),
    ],
)
def test_an_input_error_names_the_place_as_far_as_it_is_known(where: dict[str, str | int], expected: str) -> None:
    error = InputError("is empty.", **where)  # type: ignore[arg-type]
    assert str(error) == expected


def test_an_input_error_keeps_the_place_for_programs() -> None:
    error = InputError("is empty.", file="a.csv", row=3, column="name", remedy="Fill it.")
    assert (error.file, error.row, error.column) == ("a.csv", 3, "name")
    assert str(error).endswith("is empty. Fill it.")


def test_labels_errors_are_input_errors() -> None:
    with pytest.raises(InputError, match=r"labels\.csv, row 2: contradicts row 1"):
        raise LabelsError("contradicts row 1.", file="labels.csv", row=2)


def test_a_missing_package_comes_with_the_command_that_installs_it() -> None:
    error = OptionalDependencyError("torch", "train", "Training a language model")
    assert error.message == "Training a language model needs the package 'torch', which is not installed."
    assert error.remedy == "Install it with: pip install 'entity-matching[train]'"
