from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from entity_matching.signals import INTERRUPTED, TERMINATED, ends_orderly

JOB = """
import sys, time
from entity_matching.jobs.job import Job
from entity_matching.jobs.parameters import Parameters
class Sleeping(Job):
    def run(self, argv=None, **_):
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("tidied", flush=True)
Sleeping("sleep", "Sleeps.", Parameters, None).main([])
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_a_job_that_is_stopped_tidies_up_and_says_so_by_its_exit_code(sent: signal.Signals, code: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", JOB], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sent)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert out == "tidied\n"
    assert "Traceback" not in err
    assert ("Interrupted" in err) == (sent == signal.SIGINT)


def test_the_handlers_that_were_there_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ends_orderly():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_have_no_handlers_to_set() -> None:
    entered = []

    def enter() -> None:
        with ends_orderly():
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]
