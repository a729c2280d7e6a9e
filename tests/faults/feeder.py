"""Sends a workload as a product would: in order, acknowledged, and on through a broker that is away."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, Message, Producer

from glowplug.stream.reader import Names
from tests.faults.workload import LABEL, Sent, Workload
from tests.support.waiting import wait_until

ACKNOWLEDGED_S = 60.0  # a broker that was killed is back by then
BURST = 12  # most records at once: batches of one and batches of many are both to be met
BY_KEY = -1  # librdkafka's RD_KAFKA_PARTITION_UA: the partitioner chooses
PER_S = 40.0  # on average: busy all the time, and no backlog on two cores


class Feeder:
    """sent: records handed to the producer so far."""

    def __init__(self, bootstrap: str, names: Names, seed: int, scattered: int = 0) -> None:
        """scattered: partitions of interactions, if they are to lie where another partitioner puts them."""
        self.sent = 0
        self._scattered = scattered
        self._names = names
        self._workload = Workload(seed)
        self._random = random.Random(seed)
        self._refused: list[KafkaError] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,  # what is sent again by the client is in the log once
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
                "on_delivery": self._delivered,
            }
        )

    def send(self, count: int) -> None:
        """The next `count` records of the workload."""
        for sent in self._workload.take(count):
            self._produce(sent)

    @contextmanager
    def feeding(self, per_s: float = PER_S) -> Iterator[None]:
        """All the time, in bursts of different sizes."""
        ending = threading.Event()

        def run() -> None:
            while True:
                burst = self._random.randint(1, BURST)
                self.send(burst)
                if ending.wait(burst / per_s):
                    return

        thread = threading.Thread(target=run, name="feeder", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    def wait_acknowledged(self) -> None:
        wait_until(lambda: not self._producer.flush(0.1), ACKNOWLEDGED_S, "inputs are not acknowledged")
        assert not self._refused, self._refused

    def _produce(self, sent: Sent) -> None:
        is_scattered = sent.topic == "interactions" and self._scattered
        self._producer.produce(
            self._names.cluster(sent.topic),
            sent.value,
            sent.key,
            partition=zlib.crc32(sent.key or b"") % self._scattered if is_scattered else BY_KEY,
            headers=[(LABEL, sent.label.encode())],
        )
        self.sent += 1
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._refused.append(error)
