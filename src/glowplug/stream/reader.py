"""Reading without a group: committed records of partitions that we assign ourselves, and how far we are."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from glowplug.errors import BadSettings, BadTopics, BrokerUnavailable
from glowplug.settings import Settings
from glowplug.stream.positions import Place
from glowplug.stream.step import Record

log = logging.getLogger("glowplug.stream")

REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
UNKNOWN_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
NOT_SUPPORTED = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})


class ClientsLost(BrokerUnavailable):
    """A client can no longer be used: throw all of them away and start anew from what is committed."""


class End(NamedTuple):
    """The client has read `place` up to `offset`, where it ends for now."""

    place: Place
    offset: int


class Names:
    """Logical topic names to the cluster's, and back."""

    def __init__(self, settings: Settings) -> None:
        self._cluster: dict[str, str] = settings.kafka.topics.model_dump()
        self._logical = {cluster: logical for logical, cluster in self._cluster.items()}

    def cluster(self, logical: str) -> str:
        return self._cluster[logical]

    def place(self, partition: TopicPartition) -> Place:
        return Place(self._logical[partition.topic], partition.partition)

    def partition(self, place: Place, offset: int | None = None) -> TopicPartition:
        name = self._cluster[place.topic]
        if offset is None:
            return TopicPartition(name, place.partition)
        return TopicPartition(name, place.partition, offset)

    def record(self, message: Message) -> Record:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:  # only errors lack them
            raise ClientsLost("the client handed out a record without its place")
        return Record(
            topic=self._logical[topic],
            partition=partition,
            offset=offset,
            timestamp_ms=message.timestamp()[1],
            key=message.key(),
            value=message.value(),
            headers=_headers(message),
        )

    def reached_end(self, message: Message, error: KafkaError) -> End | None:
        """The end of the partition, where the message says that it is reached.

        Other errors that only inform are logged. Raises ClientsLost, BadSettings.
        """
        if error.code() == KafkaError._PARTITION_EOF:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if topic is None or partition is None or offset is None:
                return None
            return End(Place(self._logical[topic], partition), offset)
        if error.code() in UNKNOWN_TOPIC:  # it was there at the start; brokers hear of a new one one by one
            log.warning("kafka: %s", error.str())
        else:
            raise_if_final(error)
            log.debug("kafka: %s", error.str())
        return None


def raise_if_final(error: KafkaError) -> None:
    """Raises what a client's error amounts to, where the client does not recover from it by itself."""
    code = error.code()
    if code in REFUSED:
        raise BadSettings(f"the broker refuses access: {error.str()}; grant it, or check kafka.properties")
    if code in UNKNOWN_TOPIC:
        raise BadTopics(f"{error.str()}; create it: glowplug topics")
    if code in NOT_SUPPORTED:
        raise BadSettings(f"the broker is too old: {error.str()}; set kafka.group_protocol to classic")
    # A consumer's fatal error comes once, as a message with this code and without the flag, under KIP-848 for one
    # when a broker that has just come back does not know the group yet. After it the client never reads again.
    if error.fatal() or code == KafkaError._FATAL:
        raise ClientsLost(error.str())


class Reader:
    """Committed records of places chosen by us.

    position: by place, the offset below which everything is read, or is known to be no record.
    """

    def __init__(self, consumer: Consumer, names: Names) -> None:
        self._consumer = consumer
        self._names = names
        self.position: dict[Place, int] = {}

    def read(self, starts: Mapping[Place, int]) -> None:
        """Add these places, from these offsets: real ones, for librdkafka takes .5 s to find a logical one."""
        if starts:
            self.position.update(starts)
            self._consumer.incremental_assign([self._names.partition(place, at) for place, at in starts.items()])

    def leave(self, places: Iterable[Place]) -> None:
        gone = [self._names.partition(place) for place in places if self.position.pop(place, None) is not None]
        if gone:
            self._consumer.incremental_unassign(gone)

    def poll(self, most: int, wait_s: float) -> list[Record]:
        """Up to `most` records, in order per place; waits at most `wait_s` for the first."""
        records = []
        for message in self._consumer.consume(most, wait_s):
            error = message.error()
            if error is not None:
                end = self._names.reached_end(message, error)
                if end is not None and end.place in self.position:
                    self._pass(*end)
                continue
            record = self._names.record(message)
            place = Place(record.topic, record.partition)
            if place in self.position and record.offset >= self.position[place]:
                self._pass(place, record.offset + 1)
                records.append(record)
        return records

    def reached(self, ends: Mapping[Place, int]) -> bool:
        """Whether everything below `ends` is read. Places that were left count as read."""
        return all(self.position.get(place, end) >= end for place, end in ends.items())

    def known_end(self, place: Place) -> int:
        """The end that the last fetch told; 0 before the first."""
        return max(0, self._consumer.get_watermark_offsets(self._names.partition(place), cached=True)[1])

    def close(self) -> None:
        with contextlib.suppress(KafkaException, RuntimeError):  # it is being thrown away
            self._consumer.close()

    def _pass(self, place: Place, offset: int) -> None:
        self.position[place] = max(self.position[place], offset)


def _headers(message: Message) -> tuple[tuple[str, bytes], ...]:
    headers = message.headers()
    if not headers:
        return ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((name, value.encode() if isinstance(value, str) else value or b"") for name, value in pairs)
