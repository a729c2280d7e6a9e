"""The engine on librdkafka's built-in broker: what a first run needs, and no proof of anything transactional."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from glowplug.embedded.kafka_builtin import BuiltinBroker
from glowplug.errors import StoreWiped
from glowplug.serving.memory_store import MemoryStore
from glowplug.stream.step import StoreWrite
from tests.support.counting import PARTITIONS, TOPICS, Counting, Running, expected
from tests.support.engine import Bench
from tests.support.waiting import wait_until

pytestmark = pytest.mark.embedded
PATIENCE_S = 20.0


@pytest.fixture
def bench(prefix: str) -> Iterator[Bench]:
    with BuiltinBroker() as broker:
        made = Bench(broker.bootstrap, prefix)
        broker.create_topics([made.name(topic) for topic in TOPICS], PARTITIONS)
        yield made


def has_counted(step: Counting, total: int) -> bool:
    return step.total == total


def test_records_are_counted_and_answered_in_milliseconds(bench: Bench) -> None:
    sent = bench.send((f"k{n % 7}", n) for n in range(200))
    with Running(step := Counting(), bench.settings(builtin=True)):
        wait_until(lambda: step.total == 200, PATIENCE_S, lambda: f"{step.total} of 200 counted")
        took = []
        for number in range(200, 220):
            started = time.monotonic()
            sent += bench.send([("k1", number)])
            wait_until(partial(has_counted, step, number + 1), PATIENCE_S, "the record is not counted")
            took.append(time.monotonic() - started)

    assert bench.told() == expected(sent)
    assert sorted(took)[len(took) // 2] < 0.2  # 1 s and more is what its sleeping fetches would cost


def test_renewed_clients_go_on_where_the_worker_was_although_the_broker_forgets(bench: Bench) -> None:
    class Wiped(MemoryStore):
        is_said = False

        def fold(self, writes: Sequence[StoreWrite]) -> None:
            if step.total == 50 and not self.is_said:
                self.is_said = True
                raise StoreWiped("it renews the clients: that is all that this test wants of it")
            super().fold(writes)

    sent = bench.send((f"k{n % 7}", n) for n in range(50))
    step, store = Counting(), Wiped()
    with Running(step, bench.settings(builtin=True), store):
        wait_until(lambda: step.total == 50, PATIENCE_S, "not counted")
        sent += bench.send((f"k{n % 7}", n) for n in range(50, 100))
        wait_until(lambda: step.total == 100, PATIENCE_S, lambda: f"{step.total} of 100 counted")

    assert store.is_said
    assert bench.told() == expected(sent)
