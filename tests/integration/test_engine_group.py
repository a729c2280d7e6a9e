"""Several workers in one group, on a real Apache Kafka: who gets what, and what becomes of work in flight."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading

import pytest

from glowplug.stream.step import Batch
from tests.support.counting import Counting, Running, expected
from tests.support.engine import Bench
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka
PATIENCE_S = 30.0


@pytest.fixture
def bench(kafka: str, prefix: str) -> Bench:
    made = Bench(kafka, prefix)
    made.create()
    return made


def wait_for_told(bench: Bench, count: int) -> None:
    wait_until(lambda: sum(map(len, bench.told().values())) >= count, PATIENCE_S, f"not {count} counts are told")


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_two_workers_share_the_partitions_and_hand_them_over(bench: Bench, protocol: str) -> None:
    settings = bench.settings(group_protocol=protocol, session_timeout_ms=6_000)
    sent = bench.send((f"k{n % 9}", n) for n in range(90))
    with Running(first := Counting(), settings) as one:
        one.wait_ready()
        with Running(second := Counting(), settings):
            wait_until(lambda: len(first.numbers) == len(second.numbers) == 1, PATIENCE_S, "they do not share")
            sent += bench.send((f"k{n % 9}", n) for n in range(90, 180))
            wait_for_told(bench, 180)
        wait_until(lambda: len(first.numbers) == 2, PATIENCE_S, "the partition does not come back")
        sent += bench.send((f"k{n % 9}", n) for n in range(180, 270))
        wait_for_told(bench, 270)

    assert bench.told() == expected(sent)


def test_a_third_worker_for_two_partitions_is_ready_with_nothing_to_do(bench: Bench) -> None:
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Running(Counting(), bench.settings())) for _ in range(3)]
        for worker in workers:
            worker.wait_ready()
        wait_until(
            lambda: sorted(len(worker.step.numbers) for worker in workers) == [0, 1, 1], PATIENCE_S, "no such share"
        )


def test_the_survivor_takes_over_from_a_killed_worker(bench: Bench) -> None:
    sent = bench.send((f"k{n % 9}", n) for n in range(90))
    with bench.process() as doomed, Running(step := Counting(), bench.settings()):
        wait_until(lambda: len(step.numbers) == 1, PATIENCE_S, "they do not share")
        sent += bench.send((f"k{n % 9}", n) for n in range(90, 180))
        wait_for_told(bench, 100)
        doomed.send_signal(signal.SIGKILL)
        sent += bench.send((f"k{n % 9}", n) for n in range(180, 270))
        wait_for_told(bench, 270)

    assert bench.told() == expected(sent)


def test_a_revoked_batch_that_ends_within_the_budget_is_committed_first(bench: Bench) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(_: Batch) -> None:
        begun.set()
        finish.wait(20)

    sent = bench.send((f"k{n % 9}", n) for n in range(90))
    with Running(first := Counting(before=slow), bench.settings(revoke_budget_s=20)):
        assert begun.wait(PATIENCE_S)
        with Running(second := Counting(), bench.settings()):
            # The new member has asked for its share once its group has grown; the first has to answer.
            wait_until(lambda: bench.members() == 2, PATIENCE_S, "the second does not join")
            finish.set()
            wait_for_told(bench, 90)
            wait_until(lambda: len(second.numbers) == 1, PATIENCE_S, "they do not share")

    done_by_first = {(r.partition, r.offset) for batch in first.batches for r in batch.records}
    done_by_second = {(r.partition, r.offset) for batch in second.batches for r in batch.records}
    assert not done_by_first & done_by_second
    assert bench.told() == expected(sent)


def test_a_revoked_batch_that_takes_longer_is_dropped_and_done_by_the_next_owner(bench: Bench) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(_: Batch) -> None:
        begun.set()
        finish.wait(20)

    sent = bench.send((f"k{n % 9}", n) for n in range(90))
    with Running(first := Counting(before=slow), bench.settings(revoke_budget_s=0.1)):
        assert begun.wait(PATIENCE_S)
        with Running(second := Counting(), bench.settings()):
            wait_until(lambda: second.total, PATIENCE_S, "the second does nothing")
            finish.set()
            wait_for_told(bench, 90)
            wait_until(lambda: len(first.numbers) == 1, PATIENCE_S, "they do not share")

    first_batch = {(r.partition, r.offset) for r in first.batches[0].records}
    done_by_second = {(r.partition, r.offset) for batch in second.batches for r in batch.records}
    assert first_batch & done_by_second
    assert bench.told() == expected(sent)


def test_two_workers_with_one_declared_id_stop_and_name_the_setting(bench: Bench) -> None:
    settings = bench.settings(instance="a")
    workers = [Running(Counting(), settings) for _ in range(2)]
    numbers = itertools.count()

    def refused() -> Running | None:
        bench.send([(f"k{n % 9}", n) for n in itertools.islice(numbers, 9)])
        return next((worker for worker in workers if worker.failure is not None), None)

    with workers[0], workers[1]:
        stopped = wait_until(refused, 2 * PATIENCE_S, "they fence each other for ever")
        stopped.join()
    assert "another process has kafka.instance=a too" in str(stopped.failure)
