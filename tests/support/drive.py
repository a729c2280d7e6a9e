"""Drives a step without a broker: feeds records, applies effects, and keeps what was produced, by topic."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from glowplug.stream.step import Batch, Context, DeadLetter, Outgoing, Record, Step
from glowplug.topics import declared

START = datetime(2026, 3, 1, tzinfo=UTC)


class Driver:
    """One instance of a step that owns `partitions`. Time stands still unless `tick` moves it."""

    def __init__(self, step: Step[Any], partitions: Iterable[int] = (0,), after: Driver | None = None) -> None:
        """after: the driver of a predecessor, whose log goes on; the step is then to be restored by the test."""
        self.step = step
        self.monotonic = 1_000.0
        self.caught_up = True
        self.behind = 0
        self.produced: defaultdict[str, list[Outgoing]] = defaultdict(list)
        self.dead: list[DeadLetter] = []
        self._offsets: defaultdict[tuple[str, int], int] = defaultdict(int) if after is None else after._offsets
        step.open(Context({name: f"id-of-{name}" for name in declared()}, dict.fromkeys(declared(), 6)))
        if after is None:
            step.assigned(frozenset(partitions))

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic - 1_000.0)

    def record(
        self,
        topic: str,
        key: str | None,
        value: Mapping[str, Any] | bytes | None,
        partition: int = 0,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> Record:
        """The next record of the partition."""
        offset = self._offsets[topic, partition]
        self._offsets[topic, partition] += 1
        data = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        stamp = int(self.now.timestamp() * 1000)
        return Record(topic, partition, offset, stamp, None if key is None else key.encode(), data, headers)

    def feed(self, *records: Record) -> list[Outgoing]:
        """One batch; returns what it produced."""
        effects = self.step.step(self.batch(*records))
        self.step.apply(effects.changes)
        for outgoing in effects.outgoing:
            self.produced[outgoing.topic].append(outgoing)
        self.dead.extend(effects.dead_letters)
        return list(effects.outgoing)

    def batch(self, *records: Record) -> Batch:
        return Batch(records, self.now, self.monotonic, self.caught_up, self.behind, self.behind)

    def settle(self, limit: int = 1_000) -> list[Outgoing]:
        """Empty batches for as long as the step is due now, and what it wrote to its own tables read back."""
        produced: list[Outgoing] = []
        for _ in range(limit):
            due = self.step.due()
            if due is None or due > self.monotonic:
                return produced
            outgoing = self.feed()
            produced += outgoing
            self.read_back(outgoing)
        raise AssertionError(f"the step is still due after {limit} batches")

    def read_back(self, outgoing: Iterable[Outgoing]) -> None:
        """The step's tables see what it produced into them."""
        records = [
            self.record(out.topic, out.key, out.value, out.partition or 0, out.headers)
            for out in outgoing
            if out.topic in self.step.tables
        ]
        if records:
            self.step.absorb(records)

    def tick(self, seconds: float) -> None:
        self.monotonic += seconds

    def values(self, topic: str) -> list[tuple[str, Any]]:
        """Key and decoded value of everything produced to the topic, oldest first."""
        return [(out.key, None if out.value is None else json.loads(out.value)) for out in self.produced[topic]]

    def latest(self, topic: str) -> dict[str, Any]:
        """The topic as compaction would leave it, tombstones as None."""
        return dict(self.values(topic))
