"""What is compared: the log up to one moment, how far each group had read it then, and Redis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from glowplug.audit.log import Log
from glowplug.stream.positions import Place
from glowplug.stream.step import Context, Record

Values = Mapping[str, Mapping[str, bytes] | None]
Progress = Callable[[int, int], None]  # how much is done, and of how much


def silent(_done: int, _of: int) -> None:
    """A Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """taken_at: wall clock, when the ends of the log were asked for.
    ends: up to where the log was read; begins: where it begins, above 0 where old records are gone.
    committed: by consumer, what it had read before the ends were asked for; empty where the broker does not tell.
    values: Redis hashes by key without the prefix, version field included; None for what is no hash."""

    log: Log
    context: Context
    taken_at: datetime
    ends: Mapping[Place, int] = field(default_factory=dict)
    begins: Mapping[Place, int] = field(default_factory=dict)
    committed: Mapping[str, Mapping[Place, int]] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    is_builtin: bool = False

    def awaits(self, consumer: str, record: Record) -> bool:
        """The consumer may not have read the record when the snapshot was taken."""
        committed = self.committed.get(consumer, {}).get(Place(record.topic, record.partition))
        return committed is None or record.offset >= committed

    def is_known(self, consumer: str) -> bool:
        """The broker told how far the consumer is."""
        return bool(self.committed.get(consumer))

    def gone(self, *topics: str) -> dict[str, int]:
        """Records that these topics no longer hold, by topic; their offsets count, so some may never have been."""
        lost: dict[str, int] = {}
        for place, begin in self.begins.items():
            if begin and place.topic in topics:
                lost[place.topic] = lost.get(place.topic, 0) + begin
        return lost

    def topic_id(self, topic: str) -> str:
        """As redis_writer puts it into versions: the name where the broker has no ids."""
        return self.context.topic_ids.get(topic) or topic
