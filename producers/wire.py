"""The product's side of a running stack: events out, published lists in. No thread, no group, nothing committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import orjson
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from glowplug.errors import BadTopics, BrokerUnavailable, Unreachable, shown
from glowplug.settings import Settings
from glowplug.stream.clients import producer_config, reader_config

ANSWER_S = 10.0  # for metadata: a broker that is up answers in milliseconds
FLUSH_S = 30.0  # for what was sent last
AT_ONCE = 500  # messages taken in one call: some megabytes of lists
List = tuple[str, list[str], frozenset[str]]  # user id, item ids by rank, ids of the events it covers


class Wire:
    """`with Wire(settings) as wire: wire.send(…); for user_id, listed, covers in wire.heard(1.0): …`

    Hears every list from the topic's beginning. Raises Unreachable, BadTopics at the start.
    """

    def __init__(self, settings: Settings, gate: Callable[[], None] | None = None) -> None:
        self._names: dict[str, str] = settings.kafka.topics.model_dump()
        self._gate = gate
        self._settings = settings
        self._producer = Producer(producer_config(settings, None, client_id=f"{settings.kafka.application}-replay"))
        self._consumer = Consumer(reader_config(settings, "replay"))
        self._failure: KafkaError | None = None

    def __enter__(self) -> Self:
        topic = self._names["recommendations"]
        try:
            found = self._consumer.list_topics(timeout=ANSWER_S).topics.get(topic)
        except KafkaException as error:
            self._consumer.close()
            raise Unreachable(
                f"kafka.bootstrap_servers {shown(self._settings.kafka.bootstrap_servers)}: no broker answers "
                f"within {ANSWER_S:.0f} s ({error.args[0].str()}): start it, or correct the address"
            ) from error
        if found is None:
            self._consumer.close()
            raise BadTopics(f"topic {shown(topic)} does not exist on this broker: start `glowplug up` first")
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in found.partitions])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.flush(FLUSH_S)
        self._consumer.close()

    def wait_for_room(self) -> None:
        if self._gate is not None:
            self._gate()

    def send(self, topic: str, key: str, value: bytes) -> None:
        """topic: logical. Returns at once: a later call raises BrokerUnavailable for a failed delivery."""
        while True:
            try:
                self._producer.produce(
                    self._names[topic], key=key.encode(), value=value, on_delivery=self._delivered
                )
            except BufferError:  # librdkafka's queue is full: let it send some
                self._producer.poll(0.1)
            else:
                break
        self._producer.poll(0)
        if self._failure is not None:
            raise BrokerUnavailable(f"an event was not confirmed ({self._failure.str()}): start anew")

    def heard(self, timeout_s: float) -> Iterator[List]:
        """What has arrived; waits so long for a first one."""
        self._producer.poll(0)
        first = self._consumer.poll(timeout_s)
        if first is None:
            return
        for message in (first, *self._consumer.consume(AT_ONCE, 0)):
            if message.error() is None and message.value() is not None:
                yield list_in(message)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._failure = self._failure or error


def list_in(message: Message) -> List:
    content = orjson.loads(message.value() or b"")
    return content["user_id"], [item["item_id"] for item in content["items"]], frozenset(content["covers"])
