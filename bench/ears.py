"""What a client hears of its events: the first list that covers each, and when that list stands in Redis."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import orjson
import redis
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from glowplug.serving.documents import recommendations_key
from glowplug.settings import Settings
from glowplug.stream.clients import reader_config

POLL_S = 0.05
LOOK_S = 0.0005  # between two looks into Redis: a twentieth of what is measured
ANSWER_S = 10.0
VISIBLE_S = 5.0


def listen_from_now(consumer: Consumer, topics: Iterable[str]) -> None:
    """Assign it all partitions of the topics, at the ends that they have on return."""
    ends = []
    for topic in topics:
        for number in consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_S)
            ends.append(TopicPartition(topic, number, end if end > 0 else OFFSET_END))
    consumer.assign(ends)


@dataclass(slots=True)
class Heard:
    """perf_counter when the first list that covers the event was in our hands, and when Redis showed it."""

    user_id: str
    listed_at: float
    visible_at: float | None = None


class Ears:
    """`with Ears(settings) as ears: … ears.heard["event id"]`; only events in `awaited` are kept."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.kafka.topics.recommendations
        self._prefix = settings.redis.key_prefix
        self._consumer = Consumer(reader_config(settings, "bench-ears"))
        self._redis = redis.Redis.from_url(settings.redis.url)
        self._closing = threading.Event()
        self._appeared: queue.SimpleQueue[tuple[Heard, datetime]] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._look)]
        self.awaited: set[str] = set()
        self.heard: dict[str, Heard] = {}

    def __enter__(self) -> Self:
        listen_from_now(self._consumer, [self._topic])
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._consumer.close()
        self._redis.close()

    def _listen(self) -> None:
        while not self._closing.is_set():
            message = self._consumer.poll(POLL_S)
            now = time.perf_counter()
            if message is None or message.error() is not None or not (value := message.value()):
                continue
            listed = orjson.loads(value)
            for event_id in self.awaited.intersection(listed["covers"]):
                if event_id not in self.heard:
                    heard = self.heard[event_id] = Heard(listed["user_id"], now)
                    self._appeared.put((heard, datetime.fromisoformat(listed["generated_at"])))

    def _look(self) -> None:
        """Redis follows the topic, so looking begins when the list was on the topic: nothing is polled in vain."""
        while not self._closing.is_set():
            try:
                heard, made_at = self._appeared.get(timeout=POLL_S)
            except queue.Empty:
                continue
            key = self._prefix + recommendations_key(heard.user_id)
            end = time.perf_counter() + VISIBLE_S
            while time.perf_counter() < end:
                found = self._redis.hget(key, "doc")
                now = time.perf_counter()
                if found and datetime.fromisoformat(orjson.loads(found)["generated_at"]) >= made_at:
                    heard.visible_at = now
                    break
                time.sleep(LOOK_S)


def round_trip_s(settings: Settings, count: int) -> list[float]:
    """One write and one read of a list's size: Redis's part of the floor."""
    client = redis.Redis.from_url(settings.redis.url)
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        client.hset("bench", "doc", b"x" * 6_000)
        client.hget("bench", "doc")
        taken.append(time.perf_counter() - started)
    client.delete("bench")
    client.close()
    return taken
