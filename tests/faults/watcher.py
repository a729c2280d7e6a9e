"""A reader at read_committed that is in no group and runs all along, through whatever happens to the broker."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from glowplug.stream.positions import Place
from glowplug.stream.reader import Names
from glowplug.stream.step import Record
from tests.faults.oracle import Spot
from tests.support.waiting import wait_until

MOST = 1_000  # records a poll
WAIT_S = 0.05
READ_S = 30.0  # a new reader's way to the end, with a transaction open that the broker has to time out first


class Watcher:
    """`records` grows in the order of reading. Its thread ends with `close`."""

    def __init__(self, bootstrap: str, names: Names, partitions: Mapping[str, int]) -> None:
        """partitions: of each logical topic to read."""
        self.records: list[Record] = []
        self._names = names
        self._position: dict[Place, int] = {}
        self._closing = threading.Event()
        self._failure: BaseException | None = None
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"watcher-{uuid.uuid4().hex}",  # librdkafka wants one; nothing joins it
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",  # a log that lost records is a violation, not a reason to go on
                "fetch.wait.max.ms": 20,  # an end that is a control record shows only in an empty answer
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,  # it lives through kills of its broker
            }
        )
        places = [Place(topic, number) for topic, count in partitions.items() for number in range(count)]
        self._consumer.assign([self._at_beginning(place) for place in places])
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Raises what ended the reader before its time."""
        self._closing.set()
        self._thread.join()
        self._consumer.close()
        if self._failure is not None:
            raise self._failure

    def has_reached(self, ends: Mapping[Place, int]) -> bool:
        if self._failure is not None:
            raise self._failure
        return all(self._position.get(place, 0) >= end for place, end in ends.items())

    def missing(self, ends: Mapping[Place, int]) -> list[str]:
        """What is not read up to there, and up to where it is."""
        return [
            f"{place}: {self._position.get(place, 0)} of {end}"
            for place, end in ends.items()
            if self._position.get(place, 0) < end
        ]

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                for message in self._consumer.consume(MOST, WAIT_S):
                    self._take(message)
        except BaseException as error:  # noqa: BLE001  raised again in `has_reached` and `close`
            self._failure = error

    def _take(self, message: Any) -> None:
        """message: a confluent_kafka.Message, whose accessors are optional only for errors."""
        error = message.error()
        if error is None:
            record = self._names.record(message)
            self.records.append(record)
            self._position[Place(record.topic, record.partition)] = record.offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            place = self._names.place(TopicPartition(message.topic(), message.partition()))
            self._position[place] = max(self._position.get(place, 0), message.offset())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise AssertionError(f"the log lost records that were read: {error.str()}")

    def _at_beginning(self, place: Place) -> TopicPartition:
        return self._names.partition(place, OFFSET_BEGINNING)


def found_again(
    bootstrap: str, names: Names, partitions: Mapping[str, int], ends: Mapping[Place, int]
) -> frozenset[Spot]:
    """Where a new reader at read_committed finds records, up to `ends`."""
    with contextlib.closing(Watcher(bootstrap, names, partitions)) as reader:
        wait_until(
            lambda: reader.has_reached(ends),
            READ_S,
            lambda: f"a new reader does not get to the end of {reader.missing(ends)}",
        )
        return frozenset(
            Spot(record.topic, record.partition, record.offset)
            for record in reader.records
            if record.offset < ends[Place(record.topic, record.partition)]
        )
