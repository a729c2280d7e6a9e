"""What a test does to a broker from outside, with plain confluent-kafka clients and nothing of the engine."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from glowplug.settings import TopicNames
from tests.support.waiting import wait_until

ASK_S = 10.0  # one question to the broker
QUIET = {"log_level": 0}  # librdkafka would write to stderr of tests that kill brokers


class Read(NamedTuple):
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def json(self) -> Any:
        return None if self.value is None else json.loads(self.value)


def topic_names(prefix: str) -> TopicNames:
    """Every topic under a name of its own, so that tests share a broker and nothing else."""
    return TopicNames(**{name: f"{prefix}.{default}" for name, default in TopicNames().model_dump().items()})


def unique_prefix() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


def create_topic(bootstrap: str, topic: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    created = admin.create_topics([NewTopic(topic, num_partitions=partitions, config=dict(config or {}))])
    created[topic].result(ASK_S)
    # The controller answers before the brokers have heard.
    wait_until(lambda: topic in admin.list_topics(timeout=ASK_S).topics, ASK_S, f"{topic} appears")


def produce(
    bootstrap: str,
    topic: str,
    key: str | bytes | None,
    value: object,
    *,
    headers: Iterable[tuple[str, bytes]] = (),
    partition: int = -1,
) -> None:
    """One record, acknowledged. `value`: bytes or None as they are, anything else as JSON."""
    with producing(bootstrap) as producer:
        send(producer, topic, key, value, headers=headers, partition=partition)


@contextmanager
def producing(bootstrap: str, **properties: Any) -> Iterator[Producer]:
    """A Java-compatible producer; at the end everything is acknowledged."""
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error)

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "on_delivery": delivered,
            **QUIET,
            **properties,
        }
    )
    yield producer
    assert producer.flush(ASK_S) == 0, "the broker did not acknowledge in time"
    assert not refused, refused


def send(
    producer: Producer,
    topic: str,
    key: str | bytes | None,
    value: object,
    *,
    headers: Iterable[tuple[str, bytes]] = (),
    partition: int = -1,
) -> None:
    body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    producer.produce(topic, value=body, key=key, headers=list(headers), partition=partition)
    producer.poll(0)


def end_offsets(bootstrap: str, topic: str, isolation: str = "read_uncommitted") -> dict[int, int]:
    """Partition → the offset after its last record; under read_committed, after the last stable one."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends", "isolation.level": isolation, **QUIET})
    try:
        found = consumer.list_topics(topic, timeout=ASK_S).topics[topic].partitions
        watermarks = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=ASK_S) for p in found}
    finally:
        consumer.close()
    return {partition: high for partition, (_, high) in watermarks.items()}


def read_to_end(bootstrap: str, topic: str, *, isolation: str = "read_committed") -> list[Read]:
    """All records up to the ends that the topic has now, in order per partition; control records are not shown.

    Waits for open transactions to end: nothing committed before the call is missed.
    """
    ends = {partition: end for partition, end in end_offsets(bootstrap, topic).items() if end > 0}
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"reader-{uuid.uuid4().hex}",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,  # an end that is a control record shows only in an empty answer
            **QUIET,
        }
    )
    records: list[Read] = []
    deadline = time.monotonic() + 6 * ASK_S
    try:
        # 0, because librdkafka takes .5 s to find a logical offset; where 0 is gone, earliest is where it begins.
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        while ends:
            assert time.monotonic() < deadline, f"{topic}: {ends} not reached, is a transaction open?"
            message = consumer.poll(1.0)
            if message is None:
                continue
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            error = message.error()
            if error is None:
                records.append(_read(message, partition, offset))
                offset += 1
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            # Control records make offsets jump: an end of partition at or past the snapshot is the end.
            if offset >= ends.get(partition, offset + 1):
                ends.pop(partition)
    finally:
        consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def latest_by_key(records: Iterable[Read]) -> dict[str, Any]:
    """What a compacted topic says in the end: key → decoded value, without tombstoned keys."""
    table: dict[str, Any] = {}
    for record in records:
        assert record.key is not None
        if record.value is None:
            table.pop(record.key.decode(), None)
        else:
            table[record.key.decode()] = record.json()
    return table


def _read(message: Message, partition: int, offset: int) -> Read:
    pairs = cast("list[tuple[str, bytes | None]]", message.headers() or [])  # of a consumed message, always a list
    headers = tuple((name, value or b"") for name, value in pairs)
    return Read(partition, offset, message.key(), message.value(), headers)
