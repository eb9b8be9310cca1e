from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("nowhere/model", "is not there. Make it first"),
        ("labels.csv", "labels.csv is a file; expected a folder"),
        ("full", "is not empty, and what is in it is no model"),
    ],
)
def test_a_folder_that_cannot_hold_the_model_is_refused_at_once(
    command: Command, folder: Any, out: str, message: str
) -> None:
    (folder.path / "full").mkdir()
    folder.write("full/thesis.txt", "precious")
    done = command("train", folder.source, folder.reference, "--labels", folder.labels, "-o", folder.path / out)
    assert done.code == 1
    assert message in done.err
    assert (folder.path / "full" / "thesis.txt").read_text() == "precious"
