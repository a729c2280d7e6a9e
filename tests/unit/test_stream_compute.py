"""A batch's computation: tried again after what passes, given up when nobody wants it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import pytest

from glowplug.errors import Fatal, ModelUnavailable, StoreUnavailable, StoreWiped, WrongPartitioner
from glowplug.serving.memory_store import MemoryStore
from glowplug.settings import Settings
from glowplug.stream import compute
from glowplug.stream.compute import Lane, Work
from glowplug.stream.partitioner import check_partitions
from glowplug.stream.reader import Names
from glowplug.stream.step import Batch, StoreWrite
from tests.support.counting import Counting, Counts
from tests.support.records import record

RECORDS = (record(0, value=b'{"n": 1}'),)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "FIRST_RETRY_S", 0.0)


def batch() -> Batch:
    return Batch(RECORDS, datetime(2026, 2, 1, tzinfo=UTC), 0.0)


def fails(times: int, error: Exception) -> Callable[[Batch], None]:
    left = iter([error] * times)

    def before(_: Batch) -> None:
        for each in left:
            raise each

    return before


def test_a_recoverable_error_is_the_same_batch_again() -> None:
    step, work = Counting(before=fails(3, ModelUnavailable("gone"))), Work[Counts](RECORDS, None)
    work.run(step, None, batch)

    effects = work.effects()
    assert effects is not None
    assert effects.changes == {"k": (1, 0)}
    assert [each.records for each in step.batches] == [RECORDS] * 4


def test_a_store_that_is_down_gets_the_same_writes_again_without_a_second_step() -> None:
    class Down(MemoryStore):
        attempts = 0

        def fold(self, writes: Sequence[StoreWrite]) -> None:
            self.attempts += 1
            if self.attempts < 3:
                raise StoreUnavailable("down")
            super().fold(writes)

    step, work, store = Counting(), Work[Counts](RECORDS, None), Down()
    work.run(step, store, batch)

    assert work.effects() is not None
    assert (len(step.batches), store.attempts) == (1, 3)
    assert store.get("k") == {"count": b"1"}


@pytest.mark.parametrize("error", [Fatal("stop"), StoreWiped("gone"), ZeroDivisionError()])
def test_any_other_error_ends_the_work_and_is_raised_where_it_is_waited_for(error: Exception) -> None:
    work = Work[Counts](RECORDS, None)
    work.run(Counting(before=fails(1, error)), None, batch)

    assert work.wait(0)
    with pytest.raises(type(error)):
        work.effects()


def test_abandoned_work_ends_between_two_attempts_without_effects() -> None:
    work = Work[Counts](RECORDS, None)

    def give_up(_: Batch) -> None:
        work.abandon()
        raise ModelUnavailable("gone")

    work.run(Counting(before=give_up), None, batch)

    assert work.effects() is None


def test_the_lane_runs_one_task_after_the_other_in_one_thread() -> None:
    lane = Lane("test")
    ran: list[tuple[int, str]] = []
    done = threading.Event()
    for number in range(3):
        lane.submit(partial(lambda done: ran.append((done, threading.current_thread().name)), number))
    lane.submit(done.set)
    lane.close()

    assert done.wait(10)
    assert ran == [(0, "test"), (1, "test"), (2, "test")]


def test_the_lane_holds_nothing_of_a_task_that_is_done() -> None:
    class Held:
        def run(self) -> None:
            pass

    lane, held, gone = Lane("test"), Held(), threading.Event()
    weakref.finalize(held, gone.set)
    lane.submit(held.run)
    del held

    assert gone.wait(10)
    lane.close()


KILLED = "from glowplug.stream.killpoints import reached\nfor _ in range(3): reached('c:here'); print('passed')"


@pytest.mark.parametrize(("target", "passed"), [("c:here", 0), ("c:here:3", 2)])
def test_a_kill_point_kills_at_the_passing_that_is_named(target: str, passed: int) -> None:
    environment = {**os.environ, "GLOWPLUG_KILL_AT": target, "PYTHONUNBUFFERED": "1"}
    process = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, check=False)

    assert process.returncode == -signal.SIGKILL
    assert process.stdout.count(b"passed") == passed


@pytest.mark.parametrize("target", ["", "c:elsewhere", "other:here"])
def test_other_kill_points_kill_nobody(target: str) -> None:
    environment = {**os.environ, "GLOWPLUG_KILL_AT": target}
    process = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, check=False)

    assert process.returncode == 0


def test_a_key_where_murmur2_does_not_put_it_is_told_with_both_partitions() -> None:
    names, counts = Names(Settings()), {"interactions": 1_000}

    check_partitions([record(key=b"21", partition=340), record(key=None, partition=7)], counts, names)
    with pytest.raises(WrongPartitioner, match=r"key 21 lies in partition 341 \(offset 0\).* puts it in 340"):
        check_partitions([record(key=b"21", partition=341)], counts, names)
