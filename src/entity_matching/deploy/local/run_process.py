"""A run of a job as a process of its own: what ``python -m entity_matching.deploy.local.run_process JOB`` does."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from entity_matching.deploy.local.deployed import Deployed
from entity_matching.deploy.local.records import DONE
from entity_matching.deploy.local.runner import SCHEDULE, Runner, failure
from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.settings import DEFAULT_HOME, HOME_VARIABLE
from entity_matching.signals import ends_orderly


def main(argv: Sequence[str] | None = None) -> int:
    """Run a job of the home that the environment names; the second argument is what started it.

    :returns: 0 if it went well, else 1.
    """
    key, trigger, *_ = [*(sys.argv[1:] if argv is None else argv), SCHEDULE]
    home = Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).absolute()
    with ends_orderly():
        try:
            runner = Runner(Deployed.find(home), os.environ, _say)
            record = runner.run(key, trigger=trigger)
            if record.status != DONE:
                raise failure(record, runner.runs)
        except EntityMatchingError as error:
            _say(f"Error: {error}")
            return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
