"""The floor under every path: bare transactional hops on the same broker, and nothing else in between.

One hop: produce → consume → transactional produce with offsets → consume at read_committed. Two: twice the middle.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from glowplug.errors import NotInTime
from glowplug.settings import Settings
from glowplug.stream.clients import admin_config, consumer_config, producer_config, reader_config

POLL_S = 0.05
ANSWER_S = 10.0
WARM_UP = 20  # the first transactions of a producer find cold connections
PAYLOAD = b"x" * 1_000  # between an input event and a published list


def floors(settings: Settings, count: int, rate: float) -> dict[int, list[float]]:
    """Seconds from before the produce until the record is in our hands, by number of hops; `count` of each."""
    run = uuid.uuid4().hex[:8]
    topics = [f"bench-hops-{run}-{number}" for number in range(3)]
    _create(settings, topics)
    arrived: dict[int, dict[bytes, float]] = {1: {}, 2: {}}
    sent: dict[bytes, float] = {}
    with (
        _hop(settings, topics[0], topics[1]),
        _hop(settings, topics[1], topics[2]),
        _listening(settings, {topics[1]: arrived[1], topics[2]: arrived[2]}),
    ):
        producer = Producer(producer_config(settings, None))
        begun = time.perf_counter()
        for number in range(WARM_UP + count):
            time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            key = str(number).encode()
            sent[key] = time.perf_counter()
            producer.produce(topics[0], key=key, value=PAYLOAD, partition=0)
            producer.poll(0)
        end = time.monotonic() + ANSWER_S
        while len(arrived[2]) < WARM_UP + count:
            if time.monotonic() > end:
                raise NotInTime(f"{WARM_UP + count - len(arrived[2])} bare records have not arrived")
            time.sleep(POLL_S)
    counted = [str(number).encode() for number in range(WARM_UP, WARM_UP + count)]
    return {hops: [found[key] - sent[key] for key in counted] for hops, found in arrived.items()}


@contextmanager
def _hop(settings: Settings, source: str, target: str) -> Iterator[None]:
    consumer = Consumer(consumer_config(settings, f"{source}-hop"))
    consumer.assign([TopicPartition(source, 0, OFFSET_BEGINNING)])
    producer = Producer(producer_config(settings, f"{source}-hop"))
    producer.init_transactions(ANSWER_S)
    closing = threading.Event()

    def carry() -> None:
        while not closing.is_set():
            message = consumer.poll(POLL_S)
            if message is None or message.error() is not None:
                continue
            producer.begin_transaction()
            producer.produce(target, key=message.key(), value=message.value(), partition=0)
            following = TopicPartition(source, 0, (message.offset() or 0) + 1)
            producer.send_offsets_to_transaction([following], consumer.consumer_group_metadata(), ANSWER_S)
            producer.commit_transaction(ANSWER_S)

    with _thread(carry, closing):
        yield
    consumer.close()


@contextmanager
def _listening(settings: Settings, arrived: dict[str, dict[bytes, float]]) -> Iterator[None]:
    consumer = Consumer(reader_config(settings, "bench-hops"))
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in arrived])
    closing = threading.Event()

    def listen() -> None:
        while not closing.is_set():
            message = consumer.poll(POLL_S)
            if message is not None and message.error() is None:
                arrived[message.topic() or ""].setdefault(message.key() or b"", time.perf_counter())

    with _thread(listen, closing):
        yield
    consumer.close()


@contextmanager
def _thread(work: Callable[[], None], closing: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()


def _create(settings: Settings, topics: list[str]) -> None:
    """On the built-in broker asking is creating."""
    client = AdminClient(admin_config(settings))
    if settings.kafka.builtin:
        for topic in topics:
            client.list_topics(topic, timeout=ANSWER_S)
        return
    for future in client.create_topics([NewTopic(topic, num_partitions=1) for topic in topics]).values():
        future.result(ANSWER_S)
