"""The process of one task: what ``python -m entity_matching.deploy.local.entry ENTRY_POINT ...`` does.

It works where the wheel's scripts are not on PATH. The process that started it holds the other end of its standard
input, and it ends when that is gone: what is killed does not leave a task behind that nobody waits for.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Sequence

from entity_matching.jobs.named import find_job

ORPHANED = 143
"""Exit code of a task whose run was killed."""


def main(argv: Sequence[str] | None = None) -> None:
    """Do the job that an entry point names, with the arguments after it."""
    name, *arguments = sys.argv[1:] if argv is None else argv
    threading.Thread(target=_end_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("entity_matching").setLevel(logging.INFO)
    find_job(name).main(arguments)


def _end_with_parent(pipe: int) -> None:
    while os.read(pipe, 4096):
        pass
    os._exit(ORPHANED)  # at once: a job can be killed anywhere, and the next one repairs what it left


if __name__ == "__main__":
    main()
