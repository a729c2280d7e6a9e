"""A small world made by the real steps without a broker: its log, and Redis as the writer folds it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from consumers.recommender import Recommender
from consumers.redis_writer import RedisWriter
from glowplug.audit.finding import Finding
from glowplug.audit.log import Log
from glowplug.audit.snapshot import Snapshot, Values
from glowplug.audit.value_checks import TOPICS as STORED
from glowplug.audit.verify import Report, verify
from glowplug.serving.memory_store import MemoryStore
from glowplug.settings import load
from glowplug.stream.clients import murmur2_partition
from glowplug.stream.positions import Place
from glowplug.stream.step import Batch, Context, Outgoing, Record, StoreWrite
from glowplug.topics import declared
from tests.support.drive import Driver
from tests.support.events import interaction, item_vector, user_vector

PARTITIONS = 6  # as many as the driver tells the step
BEGUN = "glowplug:begun"


class Audited:
    """One recommender that owns all partitions. `log`: every committed record, in the order of writing.

    Whatever is said to the recommender is also in the log, where an embedder would have written it.
    """

    def __init__(self, **ranking: Any) -> None:
        sizes = {"list_size": 3, "raw_size": 4, "window_s": 5.0}
        self.settings = load(ranking=sizes | ranking).ranking
        self.driver = Driver(Recommender(load(ranking=sizes | ranking), is_threaded=False), range(PARTITIONS))
        self.log: list[Record] = []
        self.pending: list[Record] = []  # in the log, and not read by the recommender
        self.commits: list[
            tuple[int, float]
        ] = []  # at the end of each transaction: the length of the log, and when
        self._next: defaultdict[Place, int] = defaultdict(int)
        self.settle()

    # ---- what happens ------------------------------------------------------------------------------------

    def item(self, item_id: str, vector: Sequence[float] | None, *, read: bool = True, **more: Any) -> None:
        """read: False leaves the record in the log, unread by the recommender."""
        self._table("item_vectors", item_id, item_vector(item_id, vector, **more), read=read)

    def item_as(self, value: Mapping[str, Any]) -> None:
        """An item-vectors record as it is."""
        self._table("item_vectors", str(value["item_id"]), value)

    def drop(self, item_id: str) -> None:
        """With the greatest version there will be."""
        headers = (("glowplug-version", b"99"), ("glowplug-source", b"/0/99"))
        self._table("item_vectors", item_id, None, headers=headers)

    def user(self, user_id: str, vector: Sequence[float] | None, *, read: bool = True, **more: Any) -> None:
        value = user_vector(user_id, vector, **more)
        record = self._append("user_vectors", user_id, None)
        value["source"] |= {"version": record.offset, "offset": record.offset}
        self.log[-1] = record = replace(record, value=json.dumps(value).encode())
        self._feed(record) if read else self.pending.append(record)

    def leave(self, user_id: str) -> None:
        self._feed(self._append("user_vectors", user_id, None))

    def act(self, user_id: str, item_id: str, action: str = "like", **more: Any) -> None:
        event = interaction(user_id, item_id, action, **more)
        partition = murmur2_partition(user_id.encode(), PARTITIONS)
        self._feed(self.driver.record("interactions", user_id, event, partition))

    def say(self, topic: str, key: str, value: Mapping[str, Any]) -> None:
        """A record of one of the recommender's inputs, as it is."""
        self._feed(self._append(topic, key, json.dumps(value).encode()))

    def settle(self, limit: int = 1_000) -> None:
        """Everything that the step is due to do now."""
        for _ in range(limit):
            due = self.driver.step.due()
            if due is None or due > self.driver.monotonic:
                return
            self._feed()
        raise AssertionError(f"the recommender is still due after {limit} batches")

    # ---- what is audited ---------------------------------------------------------------------------------

    def snapshot(self, values: Values | None = None) -> Snapshot:
        """All consumers have read everything but what is pending; values: what Redis holds instead of the fold."""
        ends: dict[Place, int] = {}
        for record in self.log:
            ends[Place(record.topic, record.partition)] = record.offset + 1
        unread = {Place(record.topic, record.partition): record.offset for record in reversed(self.pending)}
        return Snapshot(
            log=Log(self.log),
            context=context(),
            taken_at=self.driver.now,
            ends=ends,
            committed={"recommender": ends | unread, "redis_writer": ends},
            values=self.values() if values is None else values,
        )

    def values(self) -> dict[str, dict[str, bytes]]:
        """Redis as redis_writer leaves it."""
        writer = RedisWriter(store := _Recording())
        writer.open(context())
        batch = Batch(tuple(record for record in self.log if record.topic in STORED), self.driver.now, 0.0)
        store.fold(writer.step(batch).writes)
        places = {(record.topic, record.partition) for record in batch.records}
        begun = {f"id-of-{topic}/{partition}": b"1" for topic, partition in places}
        return store.hashes() | {BEGUN: begun}

    def verify(self, values: Values | None = None) -> Report:
        return verify(self.snapshot(values), self.settings)

    def change(self, topic: str, key: str, change: Callable[[Any], Any]) -> None:
        """Corrupt the latest record of the key. change: from its JSON to another one, or None."""
        at = self.find(topic, key)
        value = change(json.loads(self.log[at].value or b"null"))
        self.log[at] = replace(self.log[at], value=None if value is None else json.dumps(value).encode())

    def find(self, topic: str, key: str) -> int:
        """Position in the log of the latest record of the key."""
        wanted = (topic, key.encode())
        return max(at for at, record in enumerate(self.log) if (record.topic, record.key) == wanted)

    def latest(self, topic: str, key: str) -> Any:
        return json.loads(self.log[self.find(topic, key)].value or b"null")

    # ---- parts -------------------------------------------------------------------------------------------

    def _table(
        self,
        topic: str,
        key: str,
        value: Mapping[str, Any] | None,
        *,
        headers: tuple[tuple[str, bytes], ...] = (),
        read: bool = True,
    ) -> None:
        body = None if value is None else json.dumps(value).encode()
        record = self._append(topic, key, body, headers=headers)
        if read:
            self.driver.step.absorb([record])
        self.commits.append((len(self.log), self.driver.monotonic))

    def _feed(self, *records: Record) -> None:
        absorbed = [self._write(outgoing) for outgoing in self.driver.feed(*records)]
        self.driver.step.absorb([record for record in absorbed if record.topic == "item_stats"])
        self.commits.append((len(self.log), self.driver.monotonic))

    def _write(self, outgoing: Outgoing) -> Record:
        headers = tuple(outgoing.headers)
        return self._append(outgoing.topic, outgoing.key, outgoing.value, outgoing.partition, headers)

    def _append(
        self,
        topic: str,
        key: str,
        value: bytes | None,
        partition: int | None = None,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> Record:
        number = murmur2_partition(key.encode(), PARTITIONS) if partition is None else partition
        place = Place(topic, number)
        stamp = int(self.driver.now.timestamp() * 1000)
        record = Record(topic, number, self._next[place], stamp, key.encode(), value, headers)
        self._next[place] += 1
        if topic in Log().latest:
            self.log.append(record)
        return record


class _Recording(MemoryStore):
    """What it holds as the hashes that fold.lua would leave."""

    def fold(self, writes: Sequence[StoreWrite]) -> None:
        self.writes = list(writes)

    def hashes(self) -> dict[str, dict[str, bytes]]:
        return {write.key: {"v": _version(write)} | dict(write.fields or {}) for write in self.writes}


def _version(write: StoreWrite) -> bytes:
    return "/".join(map(str, write.version)).encode()


def context() -> Context:
    return Context({name: f"id-of-{name}" for name in declared()}, dict.fromkeys(declared(), PARTITIONS))


X, Y, Z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
NEAR_X, NEAR_Y, MIXED = [0.875, 0.25, 0.0], [0.25, 0.875, 0.0], [0.5, 0.5, 0.5]
CATALOGUE = {"x": X, "y": Y, "z": Z, "near-x": NEAR_X, "near-y": NEAR_Y, "mixed": MIXED}


def small_world() -> Audited:
    """Items, users with and without words, blocks, likes, an item and a user that are gone again, some epochs: all
    quiet, and the lists older than any window."""
    audited = Audited(epoch_minimum=2.0, popularity_full=10.0)
    for item_id, vector in CATALOGUE.items():
        audited.item(item_id, vector)
    audited.item("away", X, available=False)
    audited.item("dropped", Y)
    audited.settle()
    audited.user("ada", X, blocked=["z"])
    audited.user("bo", Y)
    audited.user("quiet", None)
    audited.user("gone", Z)
    audited.act("ada", "x", "like")
    audited.act("bo", "near-y", "purchase")
    audited.act("quiet", "y", "click")
    audited.leave("gone")
    audited.drop("dropped")
    for _ in range(3):
        audited.driver.tick(10)
        audited.settle()
    return audited


def found(report: Report) -> list[tuple[str, str]]:
    """Key and kind of each difference."""
    return [(finding.key, finding.what) for finding in report.differences]


def the_only(report: Report) -> Finding:
    assert report.moving == ()
    (finding,) = report.differences
    assert not report.is_good()
    return finding


def only_in_the_log(audited: Audited) -> Report:
    """Redis follows whatever was done to the log, so that nothing but the log differs."""
    return audited.verify(audited.values())
