"""The engine on a real Apache Kafka: batches, transactions, dead letters, restore, tables, stop."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence

import pytest

from glowplug import __version__
from glowplug.errors import (
    BadTopics,
    Fatal,
    ModelUnavailable,
    StoreUnavailable,
    TooManyDeadLetters,
    WrongPartitioner,
)
from glowplug.serving.memory_store import MemoryStore
from glowplug.stream.step import Batch, Outgoing, StoreWrite
from tests.support.counting import Counting, Counts, Running, expected
from tests.support.engine import Bench
from tests.support.kafka import produce, producing, send
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka
PATIENCE_S = 20.0


@pytest.fixture
def bench(kafka: str, prefix: str) -> Bench:
    made = Bench(kafka, prefix)
    made.create()
    return made


def counted(step: Counting, total: int) -> None:
    wait_until(lambda: step.total == total, PATIENCE_S, lambda: f"{step.total} of {total} records counted")


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_each_record_has_one_effect_and_each_invalid_one_is_one_dead_letter(bench: Bench, protocol: str) -> None:
    sent = bench.send((f"k{n % 7}", n) for n in range(500))
    produce(bench.kafka, bench.name("interactions"), "k1", b"{broken")
    produce(bench.kafka, bench.name("interactions"), None, {"n": 1})
    step = Counting()

    with Running(step, bench.settings(group_protocol=protocol)) as running:
        counted(step, 500)
        sent += bench.send([("k1", 500)])
        counted(step, 501)
        wait_until(lambda: running.worker.lag() == {"interactions": 0}, PATIENCE_S, "the lag does not go to 0")

    assert running.failure is None
    assert bench.told() == expected(sent)
    letters = [(letter.key, letter.value) for letter in bench.read("dead_letters")]
    assert len(letters) == 2
    assert set(letters) == {(b"k1", b"{broken"), (None, b'{"n": 1}')}


def test_a_dead_letter_carries_the_original_and_tells_place_and_cause(bench: Bench) -> None:
    bytes_of_no_text = b"\xff\x00{"
    produce(bench.kafka, bench.name("interactions"), b"\xfe", bytes_of_no_text, headers=[("h", b"1"), ("h", b"2")])
    step = Counting()

    with Running(step, bench.settings()):
        wait_until(lambda: step.applied, PATIENCE_S, "nothing is applied")

    (letter,) = bench.read("dead_letters")
    assert (letter.key, letter.value) == (b"\xfe", bytes_of_no_text)
    assert letter.headers[:2] == (("h", b"1"), ("h", b"2"))
    ours = dict(letter.headers[2:])
    (record,) = step.batches[0].records
    assert ours == {
        "glowplug-cause": b"malformed_json",
        "glowplug-message": b"value: no object with n",
        "glowplug-topic": bench.name("interactions").encode(),
        "glowplug-partition": str(record.partition).encode(),
        "glowplug-offset": b"0",
        "glowplug-timestamp": str(record.timestamp_ms).encode(),
        "glowplug-consumer": b"counting",
        "glowplug-version": __version__.encode(),
    }


def test_a_restart_restores_own_output_and_goes_on_behind_the_last_commit(bench: Bench) -> None:
    sent = bench.send((f"k{n % 3}", n) for n in range(60))
    with Running(first := Counting(), bench.settings()):
        counted(first, 60)
    sent += bench.send((f"k{n % 3}", n) for n in range(60, 90))

    with Running(second := Counting(), bench.settings()):
        counted(second, 90)

    assert sum(len(batch.records) for batch in second.batches) == 30
    assert bench.told() == expected(sent)


def test_an_input_is_restored_up_to_the_committed_offset_and_not_beyond(bench: Bench) -> None:
    bench.send((f"k{n % 3}", n) for n in range(30))
    with Running(first := Counting(), bench.settings()):
        counted(first, 30)
    bench.send((f"k{n % 3}", n) for n in range(30, 40))
    second = Counting()
    second.restores = {"user_states": "end", "interactions": "committed"}

    with Running(second, bench.settings()):
        counted(second, 40)

    restored = [
        json.loads(record.value or b"")["n"] for record in second.restored if record.topic == "interactions"
    ]
    worked = [json.loads(record.value or b"")["n"] for batch in second.batches for record in batch.records]
    assert sorted(restored) == list(range(30))
    assert sorted(worked) == list(range(30, 40))


def test_a_tailed_table_is_read_before_the_first_batch_and_followed_for_ever(bench: Bench) -> None:
    bench.send(((f"i{number}", number) for number in range(20)), topic="item_vectors")
    bench.send([("k", 0)])
    known: list[int] = []
    step = Counting(before=lambda _: known.append(len(step.absorbed)))
    step.tables = {"item_vectors": "tail"}

    with Running(step, bench.settings()):
        counted(step, 1)
        produce(bench.kafka, bench.name("item_vectors"), "i20", {"n": 20})
        wait_until(lambda: len(step.absorbed) == 21, PATIENCE_S, "the new record is not absorbed")

    assert known == [20]
    assert step.batches[0].caught_up


def test_a_table_of_the_assignment_is_read_to_its_end_and_then_left(bench: Bench) -> None:
    bench.send(((f"i{number}", number) for number in range(20)), topic="item_vectors")
    step = Counting()
    step.tables = {"item_vectors": "assign"}

    with Running(step, bench.settings()) as running:
        running.wait_ready()
        produce(bench.kafka, bench.name("item_vectors"), "i20", {"n": 20})
        bench.send([("k", 0)])
        counted(step, 1)

    assert len(step.absorbed) == 20


def test_a_batch_is_caught_up_once_it_holds_the_last_that_was_there_at_the_assignment(bench: Bench) -> None:
    bench.send(("k", n) for n in range(40))
    step = Counting()

    with Running(step, bench.settings(stream={"max_batch": 10})):
        counted(step, 40)
        bench.send([("k", 40)])
        counted(step, 41)

    caught_up = [batch.caught_up for batch in step.batches]
    assert caught_up == [False] * (len(caught_up) - 2) + [True, True]
    assert [batch.behind for batch in step.batches][-1] == 0


def test_a_small_buffer_holds_the_partitions_and_lets_them_go_again(bench: Bench) -> None:
    sent = bench.send((f"k{n % 5}", n) for n in range(300))
    step = Counting()

    with Running(step, bench.settings(stream={"max_batch": 7, "buffer": 10})):
        counted(step, 300)

    assert bench.told() == expected(sent)
    assert max(len(batch.records) for batch in step.batches) == 7


def test_an_oversized_output_is_the_dead_letter_of_the_input_that_caused_it(bench: Bench) -> None:
    long_key = "k" * 1_500
    bench.send([(long_key, 1), ("short", 2)])

    with Running(step := Counting(), bench.settings(stream={"max_record_bytes": 1_000, "dead_letter_ratio": 1.0})):
        counted(step, 2)

    (letter,) = bench.read("dead_letters")
    assert (letter.key, dict(letter.headers)["glowplug-cause"]) == (long_key.encode(), b"too_large")
    assert bench.told() == {"short": [(2, 1)]}


def test_an_oversized_output_without_a_cause_stops_the_consumer(bench: Bench) -> None:
    step = Counting()
    step.extra = (Outgoing("user_states", "k", b"x" * 2_000),)
    bench.send([("k", 1)])

    with Running(step, bench.settings(stream={"max_record_bytes": 1_000})) as running:
        running.join()

    assert isinstance(running.failure, Fatal)
    assert "stream.max_record_bytes" in str(running.failure)
    assert bench.told() == {}


def test_a_letter_too_large_for_its_topic_goes_without_the_value_after_an_abort(kafka: str, prefix: str) -> None:
    bench = Bench(kafka, prefix)
    bench.create(dead_letters={"max.message.bytes": "2000"})
    produce(kafka, bench.name("interactions"), "k", b"?" * 5_000)
    sent = bench.send([("k", 1)])

    with Running(step := Counting(), bench.settings()):
        counted(step, 1)

    (letter,) = bench.read("dead_letters")
    assert (letter.key, letter.value) == (b"k", None)
    assert dict(letter.headers)["glowplug-omitted-bytes"] == b"5000"
    assert bench.told() == expected(sent)
    assert len(step.applied) == 1


def test_an_output_that_its_topic_refuses_stops_the_consumer_and_names_the_setting(kafka: str, prefix: str) -> None:
    bench = Bench(kafka, prefix)
    bench.create(user_states={"max.message.bytes": "2000"})
    bench.send([("k" * 3_000, 1)])

    with Running(Counting(), bench.settings()) as running:
        running.join()

    assert isinstance(running.failure, BadTopics)
    assert "max.message.bytes" in str(running.failure)


def test_too_many_dead_letters_stop_the_consumer_after_their_commit(bench: Bench) -> None:
    with producing(bench.kafka) as producer:
        for number in range(20):
            send(producer, bench.name("interactions"), f"k{number}", b"{broken")
    settings = bench.settings(stream={"dead_letter_window": 100, "max_batch": 20})

    with Running(Counting(), settings) as running:
        running.join()

    assert isinstance(running.failure, TooManyDeadLetters)
    assert "malformed_json" in str(running.failure)
    assert len(bench.read("dead_letters")) >= 10
    with Running(again := Counting(), settings) as running:
        running.wait_ready()
        running.worker.stop()
        running.join()
    assert sum(len(batch.records) for batch in again.batches) <= 10


def test_a_step_that_is_due_gets_an_empty_batch(bench: Bench) -> None:
    step = Counting()
    step.due_at = time.monotonic() + 0.3

    def done(batch: Batch) -> None:
        step.due_at = None
        step.extra = (Outgoing("user_states", "window", b'{"n": 0, "count": 0}'),)

    step._before = done
    with Running(step, bench.settings()):
        wait_until(lambda: step.applied, PATIENCE_S, "the step is not called")

    assert [batch.records for batch in step.batches] == [()]
    assert bench.told() == {"window": [(0, 0)]}


def test_a_recoverable_error_is_tried_again_until_it_succeeds(bench: Bench) -> None:
    sent = bench.send((f"k{n}", n) for n in range(10))

    def fail_twice(_: Batch) -> None:
        if len(step.batches) <= 2:
            raise ModelUnavailable("the model is not there")

    step = Counting(before=fail_twice)
    with Running(step, bench.settings()):
        counted(step, 10)

    assert step.batches[0].records == step.batches[1].records == step.batches[2].records
    assert bench.told() == expected(sent)


def test_an_outage_of_the_store_delays_the_batch_and_computes_it_once(bench: Bench) -> None:
    class Flaky(MemoryStore):
        failures = 2

        def fold(self, writes: Sequence[StoreWrite]) -> None:
            if self.failures:
                self.failures -= 1
                raise StoreUnavailable("the store is not there")
            super().fold(writes)

    store = Flaky()
    bench.send([("k", 1), ("k", 2)])
    with Running(step := Counting(), bench.settings(), store):
        counted(step, 2)

    assert store.get("k") == {"count": b"2"}
    assert sum(len(batch.records) for batch in step.batches) == 2


def test_a_wiped_store_is_filled_again_from_the_beginning_of_the_log(bench: Bench) -> None:
    class Refilling(Counting):
        def from_beginning(self, topic: str, partition: int) -> bool:
            return not store.has_begun((topic, partition))

        def apply(self, changes: Counts) -> None:
            super().apply(changes)
            store.begin(("interactions", number) for number in self.numbers)

    store = MemoryStore()
    step = Refilling()
    step.restores = {}
    bench.send((f"k{n}", n) for n in range(20))
    with Running(step, bench.settings(), store):
        counted(step, 20)
        store.wipe()
        bench.send([("k0", 20)])
        wait_until(lambda: all(store.get(f"k{n}") for n in range(20)), PATIENCE_S, "not all is back")


def test_a_stop_finishes_the_batch_in_flight(bench: Bench) -> None:
    begun, finish = threading.Event(), threading.Event()

    def slow(_: Batch) -> None:
        begun.set()
        finish.wait(10)

    sent = bench.send([("k", 1), ("k", 2)])
    with Running(step := Counting(before=slow), bench.settings()) as running:
        assert begun.wait(20)
        running.worker.stop()
        finish.set()
        running.join()

    first = len(step.batches[0].records)
    assert bench.told() == expected(sent[:first])
    with Running(rest := Counting(), bench.settings()):
        counted(rest, 2)
    assert bench.told() == expected(sent)
    assert sum(len(batch.records) for batch in rest.batches) == 2 - first


def test_a_key_in_the_wrong_partition_stops_a_step_that_joins_two_topics(bench: Bench) -> None:
    step = Counting()
    step.inputs = ("interactions", "users")
    for partition in (0, 1):
        produce(bench.kafka, bench.name("interactions"), "k", {"n": 1}, partition=partition)

    with Running(step, bench.settings()) as running:
        running.join()

    assert isinstance(running.failure, WrongPartitioner)
    assert "murmur2_random" in str(running.failure)
    assert bench.name("interactions") in str(running.failure)
