"""What a client hears of its newcomers: the first list, the profile that waits and the one that is there, the
refined list."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson
from confluent_kafka import Consumer

from bench.ears import listen_from_now
from glowplug.settings import Settings
from glowplug.stream.clients import reader_config

POLL_S = 0.05


@dataclass(slots=True)
class Newcomer:
    """perf_counter of each; None where it did not happen. user_id is the id of the event, too."""

    user_id: str
    sent_at: float
    listed_at: float | None = None
    pending_at: float | None = None
    read_at: float | None = None
    refined_at: float | None = None
    claims: int = 0


class NewcomerEars:
    """`with NewcomerEars(settings) as ears: ears.sent("id"); …; ears.newcomers()`"""

    def __init__(self, settings: Settings) -> None:
        topics = settings.kafka.topics
        self._hear = {topics.recommendations: self._list, topics.user_profiles: self._profile}
        self._consumer = Consumer(reader_config(settings, "bench-newcomers"))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._lock = threading.Lock()
        self._known: dict[str, Newcomer] = {}

    def __enter__(self) -> Self:
        listen_from_now(self._consumer, self._hear)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._consumer.close()

    def sent(self, user_id: str) -> None:
        """Now."""
        with self._lock:
            self._known[user_id] = Newcomer(user_id, time.perf_counter())

    def clear(self) -> None:
        with self._lock:
            self._known.clear()

    def newcomers(self) -> list[Newcomer]:
        with self._lock:
            return list(self._known.values())

    def is_complete(self, *, is_read: bool) -> bool:
        """Everybody has a list; is_read: and a profile that is ready."""
        return all(
            one.listed_at is not None and (one.read_at is not None or not is_read) for one in self.newcomers()
        )

    def _listen(self) -> None:
        while not self._closing.is_set():
            message = self._consumer.poll(POLL_S)
            now = time.perf_counter()
            if message is None or message.error() is not None or not (value := message.value()):
                continue
            record = orjson.loads(value)
            with self._lock:
                one = self._known.get(record["user_id"])
                if one is not None:
                    self._hear[str(message.topic())](one, record, now)

    @staticmethod
    def _list(one: Newcomer, record: dict[str, Any], now: float) -> None:
        if one.listed_at is None:
            one.listed_at = now
        if one.refined_at is None and record["stage"] == "refined":
            one.refined_at = now

    @staticmethod
    def _profile(one: Newcomer, record: dict[str, Any], now: float) -> None:
        if record["state"] == "pending":
            one.pending_at = one.pending_at or now
        elif one.read_at is None:
            one.read_at = now
            one.claims = len(record["interests"]) + len(record["avoid"])
