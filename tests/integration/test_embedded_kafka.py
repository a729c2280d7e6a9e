"""The built-in broker: what the first run relies on, and what it must not be taken for."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from glowplug.embedded import kafka_builtin
from glowplug.embedded.kafka_builtin import CLUSTER_ID, BuiltinBroker
from glowplug.embedded.places import free_port
from glowplug.errors import PortInUse
from glowplug.settings import KafkaSettings, Settings
from glowplug.stream.clients import consumer_config, group_id, producer_config, transactional_id
from tests.support.kafka import read_to_end
from tests.support.waiting import wait_until

pytestmark = pytest.mark.embedded

PARTITIONS = 16


@pytest.fixture
def broker() -> Iterator[BuiltinBroker]:
    with BuiltinBroker() as started:
        started.create_topics(["in", "also-in", "out"], PARTITIONS)
        yield started


def settings_of(broker: BuiltinBroker) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap, builtin=True))


def test_another_process_produces_and_a_transaction_answers(broker: BuiltinBroker) -> None:
    settings = settings_of(broker)
    program = (
        "from confluent_kafka import Producer\n"
        f"producer = Producer({{'bootstrap.servers': {broker.bootstrap!r}}})\n"
        "producer.produce('in', key=b'k', value=b'from outside')\n"
        "raise SystemExit(producer.flush(10))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    consumer = Consumer(consumer_config(settings, group_id(settings, "answer")))
    producer = Producer(producer_config(settings, transactional_id(settings, "answer")))
    producer.init_transactions(10)
    consumer.subscribe(["in"])

    message = wait_until(lambda: _record(consumer), 10, "the record of the other process")
    producer.begin_transaction()
    producer.produce("out", key=message[2], value=b"answer")
    producer.send_offsets_to_transaction(
        [TopicPartition("in", message[0], message[1] + 1)], consumer.consumer_group_metadata(), 10
    )
    producer.commit_transaction(10)
    consumer.close()

    assert [record.value for record in read_to_end(broker.bootstrap, "out")] == [b"answer"]


def test_range_gives_a_member_the_same_partitions_of_every_topic(broker: BuiltinBroker) -> None:
    settings = settings_of(broker)
    members = [Consumer(consumer_config(settings, group_id(settings, "shared"))) for _ in range(2)]
    for member in members:
        member.subscribe(["in", "also-in"])

    def shares() -> list[dict[str, list[int]]]:
        for member in members:
            member.poll(0.02)
        assigned = [member.assignment() for member in members]
        return [
            {topic: sorted(p.partition for p in ours if p.topic == topic) for topic in ("in", "also-in")}
            for ours in assigned
        ]

    wait_until(lambda: all(len(share["in"]) == PARTITIONS // 2 for share in shares()), 20, "two halves")

    for share in shares():
        assert share["in"] == share["also-in"]
    for member in members:
        member.close()


def test_a_record_reaches_a_waiting_consumer_soon(broker: BuiltinBroker) -> None:
    settings = settings_of(broker)
    consumer = Consumer(consumer_config(settings, group_id(settings, "quick")))
    producer = Producer(producer_config(settings, None))
    consumer.subscribe(["in"])
    producer.produce("in", b"first")
    wait_until(lambda: _record(consumer), 10, "the first record")

    waits = []
    for _ in range(5):
        started = time.monotonic()
        producer.produce("in", b"next")
        wait_until(lambda: _record(consumer), 10, "the next record")
        waits.append(time.monotonic() - started)
    consumer.close()

    # Without BUILTIN_FETCH_WAIT_MS it is more than half a second.
    assert sorted(waits)[2] < 0.25, waits


def test_its_cluster_id_tells_it_from_a_real_one(broker: BuiltinBroker) -> None:
    assert Producer({"bootstrap.servers": broker.bootstrap}).cluster_id(5).startswith(CLUSTER_ID)


def test_a_fixed_port_leads_to_it() -> None:
    port = free_port()
    with BuiltinBroker(port) as broker:
        assert broker.bootstrap == f"127.0.0.1:{port}"
        broker.create_topics(["t"], 3)
        topics = Producer({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=5).topics
    assert len(topics["t"].partitions) == 3


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"127\.0\.0\.1:{port} .*--kafka-port"):
            BuiltinBroker(port)


def test_it_starts_where_the_library_cannot_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_builtin, "_library", lambda: None)
    with BuiltinBroker() as broker:
        broker.create_topics(["t"])
        topics = Producer({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=5).topics
    assert len(topics["t"].partitions) == 4


def _record(consumer: Consumer) -> tuple[int, int, bytes | None] | None:
    message = consumer.poll(0.05)
    if message is None or message.error() is not None:
        return None
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset, message.key()
