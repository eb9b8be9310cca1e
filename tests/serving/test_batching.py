from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from entity_matching.serving.batching import Batcher
from entity_matching.serving.errors import DeadlineError, UnavailableError
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.settings import ServingSettings


def table(*values: int) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.int64())})


class Judge:
    """Adds the two sides; remembers its batches; waits for a gate; fails at a 13."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()

    def __call__(self, left: pa.Table, right: pa.Table) -> pa.Table:
        self.busy.set()
        assert self.gate.wait(30)
        self.batches.append(left.num_rows)
        if 13 in left["x"].to_pylist():
            raise ValueError("13")
        both = zip(left["x"].to_pylist(), right["x"].to_pylist(), strict=True)
        return table(*(one + other for one, other in both))


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    made = Batcher(ServingSettings(batch_rows=4, timeout_s=0.5), Metrics())
    yield made
    made.close()


def together(batcher: Batcher, judge: Judge, numbers: list[int]) -> list[object]:
    """Ask for single pairs that come while the first batch is judged; return answers or errors."""
    judge.gate.clear()
    with ThreadPoolExecutor(len(numbers) + 1) as pool:
        first = pool.submit(batcher.judge, judge, table(0), table(0))
        assert judge.busy.wait(10)
        asked = []
        for place, number in enumerate(numbers, start=1):
            asked.append(pool.submit(batcher.judge, judge, table(number), table(1)))
            while len(batcher._parts) < place:
                pass
        judge.gate.set()
        first.result()
        return [one.exception() or one.result()["x"].to_pylist() for one in asked]


def test_what_comes_meanwhile_is_judged_together_and_each_gets_its_own(batcher: Batcher) -> None:
    judge = Judge()
    assert together(batcher, judge, [1, 2, 3, 4, 5]) == [[2], [3], [4], [5], [6]]
    assert judge.batches == [1, 4, 1]


def test_one_that_cannot_be_judged_does_not_fail_the_others(batcher: Batcher) -> None:
    answers = together(batcher, Judge(), [1, 13, 2])
    assert (answers[0], answers[2]) == ([2], [3])
    assert isinstance(answers[1], ValueError)


def test_a_large_request_is_judged_in_parts(batcher: Batcher) -> None:
    judge = Judge()
    assert batcher.judge(judge, table(*range(10)), table(*range(10)))["x"].to_pylist() == list(range(0, 20, 2))
    assert judge.batches == [4, 4, 2]
    assert asyncio.run(batcher.judged(judge, table(*range(5)), table(*range(5))))["x"].to_pylist() == [0, 2, 4, 6, 8]


def test_no_rows_are_an_answer(batcher: Batcher) -> None:
    assert batcher.judge(Judge(), table(), table()).num_rows == 0


def test_requests_for_two_models_are_not_mixed(batcher: Batcher) -> None:
    one, two = Judge(), Judge()
    one.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(batcher.judge, one, table(1), table(1))]
        assert one.busy.wait(10)
        for place, judge in enumerate((one, two), start=1):
            asked.append(pool.submit(batcher.judge, judge, table(2), table(2)))
            while len(batcher._parts) < place:
                pass
        one.gate.set()
        assert [done.result()["x"].to_pylist() for done in asked] == [[2], [4], [4]]
    assert (one.batches, two.batches) == ([1, 1], [1])


def test_who_waits_too_long_is_told_and_is_not_judged_any_more(batcher: Batcher) -> None:
    judge = Judge()
    judge.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(batcher.judge, judge, table(1), table(1))
        assert judge.busy.wait(10)
        with pytest.raises(DeadlineError, match="could not be judged in time"):
            batcher.judge(judge, table(2), table(2))
        judge.gate.set()
    assert batcher.judge(judge, table(3), table(3))["x"].to_pylist() == [6]
    assert judge.batches == [1, 1]


def test_a_batch_waits_for_a_request_that_is_being_read(batcher: Batcher) -> None:
    batcher.wait_s = 20.0
    judge = Judge()
    with ThreadPoolExecutor(2) as pool, batcher.coming() as coming:
        batcher.timeout_s = 30.0
        first = pool.submit(batcher.judge, judge, table(1), table(1))
        while not batcher._parts:
            pass
        assert batcher.judge(judge, table(2), table(2), coming)["x"].to_pylist() == [4]
        assert first.result()["x"].to_pylist() == [2]
    assert judge.batches == [2]


def test_after_its_end_it_takes_nothing(batcher: Batcher) -> None:
    batcher.close()
    with pytest.raises(UnavailableError):
        batcher.judge(Judge(), table(1), table(1))
