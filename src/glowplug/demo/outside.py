"""The product around Glowplug, as an outsider sees it: it sends events, and hears what is published, and when."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Generic, Self, TypeVar

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from glowplug.errors import BrokerUnavailable, NotInTime
from glowplug.events import Event, ItemAudience, Recommendations, UserProfile, event_type
from glowplug.settings import Settings
from glowplug.stream.clients import producer_config, reader_config
from producers.lines import topic_and_key

HEARD = ("recommendations", "item_audiences", "item_vectors", "user_profiles")
POLL_S = 0.05  # the longest that closing waits; a record that arrives ends a poll at once
ASK_S = 10.0  # for metadata of a broker that has just started
DELIVER_S = 10.0  # for one event
Told = TypeVar("Told")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Arrived(Generic[Told]):
    """at: the wall clock when the record was in our hands."""

    event: Told
    at: datetime

    def ms_since(self, moment: datetime) -> float:
        return (self.at - moment).total_seconds() * 1_000


@dataclass(slots=True)
class Heard:
    """Everything heard so far. lists: by user id, oldest first; audiences: by item id; vectors: item ids.
    profiles: by user id, the latest that is ready."""

    lists: defaultdict[str, list[Arrived[Recommendations]]] = field(default_factory=lambda: defaultdict(list))
    audiences: defaultdict[str, list[Arrived[ItemAudience]]] = field(default_factory=lambda: defaultdict(list))
    vectors: set[str] = field(default_factory=set)
    profiles: dict[str, Arrived[UserProfile]] = field(default_factory=dict)

    def latest(self, user_id: str) -> Recommendations | None:
        arrived = self.lists.get(user_id)
        return arrived[-1].event if arrived else None

    def holders(self, item_id: str) -> set[str]:
        """Users whose latest list names the item."""
        return {user for user, arrived in self.lists.items() if names(arrived[-1].event, item_id)}


class Outside:
    """`with Outside(settings) as outside: outside.send(event); outside.wait(lambda heard: …, 10, "…")`"""

    def __init__(self, settings: Settings) -> None:
        self._topics: dict[str, str] = settings.kafka.topics.model_dump()
        self._logical = {self._topics[name]: name for name in HEARD}
        self._producer = Producer(producer_config(settings, None, client_id="glowplug-demo"))
        self._consumer = Consumer(reader_config(settings, "demo"))
        self._thread = threading.Thread(target=self._listen, name="demo-listener", daemon=True)
        self._closing = threading.Event()
        self._news = threading.Condition()
        self._heard = Heard()
        self._failure: Exception | None = None
        self._on_list: Callable[[Arrived[Recommendations]], None] | None = None

    def __enter__(self) -> Self:
        places = []
        for topic in self._logical:
            metadata = self._consumer.list_topics(topic, timeout=ASK_S).topics[topic]
            places += [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in metadata.partitions]
        self._consumer.assign(places)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._consumer.close()

    def send(self, event: Event) -> None:
        """Returns when the broker has it. Raises BrokerUnavailable."""
        topic, key = topic_and_key(event)
        value = {"type": event_type(type(event))} | event.model_dump(mode="json", exclude_defaults=True)
        self._producer.produce(self._topics[topic], key=key.encode(), value=orjson.dumps(value))
        if self._producer.flush(DELIVER_S):
            raise BrokerUnavailable(f"the broker did not take {event_type(type(event))} within {DELIVER_S:.0f} s")

    def now(self, look: Callable[[Heard], Found]) -> Found:
        """`look` at what was heard, while nothing is added."""
        with self._news:
            return look(self._heard)

    def wait(self, look: Callable[[Heard], Found | None], deadline_s: float, awaited: str) -> Found:
        """The first result of `look` that is true, looked for after each record. Raises NotInTime."""
        end = time.monotonic() + deadline_s
        with self._news:
            while True:
                if self._failure is not None:
                    raise self._failure
                found = look(self._heard)
                if found:
                    return found
                left = end - time.monotonic()
                if left <= 0:
                    raise NotInTime(f"{awaited} did not happen within {deadline_s:.0f} s")
                self._news.wait(left)

    def on_list(self, told: Callable[[Arrived[Recommendations]], None]) -> None:
        """From now on each list is told, in the listener's thread."""
        self._on_list = told

    def _listen(self) -> None:
        try:
            while not self._closing.is_set():
                message = self._consumer.poll(POLL_S)
                if message is not None and message.error() is None:
                    self._hear(message, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001  told to whoever waits; in this thread nobody would see it
            with self._news:
                self._failure = error
                self._news.notify_all()

    def _hear(self, message: Message, at: datetime) -> None:
        key, value, topic = message.key(), message.value(), message.topic()
        if key is None or value is None or topic is None:
            return  # a tombstone
        kind = self._logical[topic]
        arrived = None
        with self._news:
            if kind == "recommendations":
                arrived = Arrived(Recommendations.model_validate_json(value), at)
                self._heard.lists[arrived.event.user_id].append(arrived)
            elif kind == "item_audiences":
                audience = ItemAudience.model_validate_json(value)
                self._heard.audiences[audience.item_id].append(Arrived(audience, at))
            elif kind == "user_profiles":
                profile = UserProfile.model_validate_json(value)
                if profile.state == "ready":
                    self._heard.profiles[profile.user_id] = Arrived(profile, at)
            else:
                self._heard.vectors.add(key.decode())
            self._news.notify_all()
        if arrived is not None and self._on_list is not None:
            self._on_list(arrived)


def names(recommendations: Recommendations, item_id: str) -> bool:
    return any(item.item_id == item_id for item in recommendations.items)


def answering(heard: Heard, user_id: str, event_id: str) -> Arrived[Recommendations] | None:
    """The first list of the user that covers the event."""
    return next((arrived for arrived in heard.lists.get(user_id, ()) if event_id in arrived.event.covers), None)


def refining(
    heard: Heard, user_id: str, event_id: str
) -> tuple[Arrived[UserProfile], Arrived[Recommendations]] | None:
    """What was read in the event's text, and the first list that rests on it."""
    profile = heard.profiles.get(user_id)
    refined = next(
        (
            arrived
            for arrived in heard.lists.get(user_id, ())
            if arrived.event.stage == "refined" and event_id in arrived.event.covers
        ),
        None,
    )
    if profile is None or refined is None or profile.event.source.event_id != event_id:
        return None
    return profile, refined
