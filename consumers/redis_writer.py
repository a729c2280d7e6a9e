"""item-vectors, user-states, recommendations → Redis: `item:{id}`, `user:{id}`, `recs:{user id}`.

Only committed records are read, and the greater version of a value wins: Redis may lag, it never leads.
`python -m consumers.redis_writer`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from glowplug.errors import Poison, StoreUnavailable
from glowplug.events import MARK_KEY, ItemVector, Recommendations, UserState
from glowplug.inference.encoder import TextEncoder
from glowplug.observe import metrics
from glowplug.serving import documents
from glowplug.serving.redis_store import RedisStore
from glowplug.serving.store import Place, Store
from glowplug.settings import Settings
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.main import run_alone
from glowplug.stream.step import Batch, Context, DeadLetter, Effects, Record, StoreWrite, Tail, Until

ITEMS: TypeAdapter[ItemVector] = TypeAdapter(ItemVector)
USERS: TypeAdapter[UserState] = TypeAdapter(UserState)
LISTS: TypeAdapter[Recommendations] = TypeAdapter(Recommendations)
MARK = MARK_KEY.encode()
LOOK_S = 1.0  # without traffic, between two looks at whether the store was wiped: so long it can stand empty


@dataclass(frozen=True, slots=True)
class Value:
    """What a record says. fields: None deletes. event_time: of what the product sent, where the record knows."""

    key: str
    fields: Mapping[str, bytes] | None
    event_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """places: whose records were in the batch. seen: kind and event time of each value that became visible.
    monotonic: of the batch."""

    places: frozenset[Place]
    seen: tuple[tuple[str, datetime], ...]
    monotonic: float


class RedisWriter:
    """A Step. It pairs no topics, so their partitions need not match.

    now: seconds since the epoch, for `visible_seconds`.
    """

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self.name = "redis_writer"
        self.inputs = ("item_vectors", "user_states", "recommendations")
        self.tables: Mapping[str, Tail] = {}
        self.restores: Mapping[str, Until] = {}
        self.store = store
        self._now = now
        self._topic_ids: Mapping[str, str] = {}
        self._begun: set[Place] = set()
        self._next_look: float | None = None

    def open(self, context: Context) -> None:
        self._topic_ids = context.topic_ids

    def from_beginning(self, topic: str, partition: int) -> bool:
        """Asked at the assignment of `partition` of the logical `topic`: read it from its beginning, whatever was
        committed, because the store does not hold it. Raises StoreUnavailable."""
        place = self._place(topic, partition)
        begun = self.store.has_begun(place)
        (self._begun.add if begun else self._begun.discard)(place)
        return not begun

    def restore(self, records: Sequence[Record]) -> None:
        """Nothing: the state is in the store."""

    def absorb(self, records: Sequence[Record]) -> None:
        """Nothing."""

    def assigned(self, partitions: frozenset[int]) -> None:
        """Nothing."""

    def revoked(self, partitions: frozenset[int]) -> None:
        """Nothing."""

    def due(self) -> float | None:
        return self._next_look

    def step(self, batch: Batch) -> Effects[Written]:
        if not batch.records:
            self.store.fold(())  # raises StoreWiped, as any write would
        values: dict[str, StoreWrite] = {}  # only the last one of a key becomes visible
        times: dict[str, tuple[str, datetime]] = {}
        dead: list[DeadLetter] = []
        for record in batch.records:
            if record.key == MARK:
                continue  # the recommender's own note, about no user
            try:
                value = READ[record.topic](record)
            except Poison as error:
                dead.append(DeadLetter(record, error))
                continue
            topic_id, partition = self._place(record.topic, record.partition)
            values[value.key] = StoreWrite(value.key, (topic_id, partition, record.offset), value.fields)
            if value.event_time is not None:
                times[value.key] = (value.key.partition(":")[0], value.event_time)
        places = frozenset(self._place(record.topic, record.partition) for record in batch.records)
        # What is written again after a wipe was visible long ago: its age would say nothing.
        seen = tuple(times.values()) if batch.caught_up else ()
        written = Written(places, seen, batch.monotonic)
        return Effects(written, dead_letters=tuple(dead), writes=tuple(values.values()))

    def apply(self, changes: Written) -> None:
        """The offsets behind this batch are committed: a restart goes on from here, and need not begin again."""
        self._next_look = changes.monotonic + LOOK_S
        new = changes.places - self._begun
        if new:
            try:
                self.store.begin(new)
                self._begun |= new
            except StoreUnavailable:
                pass  # the batch is committed all the same; the next one says it again
        now = self._now()
        for kind, event_time in changes.seen:
            metrics.visible_seconds.labels(kind).observe(max(0.0, now - event_time.timestamp()))

    def _place(self, topic: str, partition: int) -> Place:
        # A broker without topic ids: the names still keep the marks of three topics apart.
        return self._topic_ids.get(topic) or topic, partition


def make(settings: Settings, encoder: TextEncoder | None = None) -> RedisWriter:  # noqa: ARG001  one signature for all
    """Raises BadSettings and Unreachable where `redis.url` leads nowhere."""
    store = RedisStore(settings.redis)
    store.check()
    return RedisWriter(store)


def main() -> None:
    run_alone(_with_store)


def _with_store(settings: Settings) -> tuple[RedisWriter, Store]:
    writer = make(settings)
    return writer, writer.store


def _item(record: Record) -> Value:
    item = decode(record, ITEMS, lambda item: item.item_id)
    if isinstance(item, Tombstone):
        return Value(documents.item_key(item.id), None)
    return Value(documents.item_key(item.item_id), documents.item_fields(item), item.source.event_time)


def _user(record: Record) -> Value:
    user = decode(record, USERS, lambda user: user.user_id)
    if isinstance(user, Tombstone):
        return Value(documents.user_key(user.id), None)
    if user.status == "deleted":
        return Value(documents.user_key(user.user_id), None)
    return Value(documents.user_key(user.user_id), documents.user_fields(user))


def _list(record: Record) -> Value:
    found = decode(record, LISTS, lambda found: found.user_id)
    if isinstance(found, Tombstone):
        return Value(documents.recommendations_key(found.id), None)
    key = documents.recommendations_key(found.user_id)
    return Value(key, documents.recommendations_fields(found), found.source_event_time)


READ: Mapping[str, Callable[[Record], Value]] = {
    "item_vectors": _item,
    "user_states": _user,
    "recommendations": _list,
}


if __name__ == "__main__":
    main()
