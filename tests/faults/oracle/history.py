"""What the oracle judges: everything that was read, in the order of reading, and what is left in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from glowplug.events import MARK_KEY
from glowplug.stream.step import Record
from tests.faults.workload import LABEL, VALID

INPUTS = ("items", "users", "interactions")
MARK = MARK_KEY.encode()


class Violation(NamedTuple):
    """rule: which promise. key: of what. found: what is there instead, in words."""

    rule: str
    key: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.key}: {self.found}"


class Spot(NamedTuple):
    """Where one record lies. topic: its logical name."""

    topic: str
    partition: int
    offset: int


def spot(record: Record) -> Spot:
    return Spot(record.topic, record.partition, record.offset)


@dataclass(frozen=True)
class History:
    """watched: what a reader saw that ran all along at read_committed; inputs (labelled, see workload.LABEL) and
    outputs. again: where a new reader at read_committed finds records in the end.
    values: Redis hashes by key, without the prefix. topic_ids: by logical name, as they stand in Redis versions.
    list_size, raw_size: the settings of the recommender. user_partitions: of every topic with users for keys."""

    watched: Sequence[Record]
    again: frozenset[Spot] = frozenset()
    values: Mapping[str, Mapping[str, bytes] | None] = field(default_factory=dict)
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    list_size: int = 5
    raw_size: int = 10
    user_partitions: int = 1

    @cached_property
    def by_topic(self) -> Mapping[str, list[Record]]:
        """Records of each topic, in order per partition."""
        found: defaultdict[str, list[Record]] = defaultdict(list)
        for record in self.watched:
            found[record.topic].append(record)
        return found

    def by_key(self, topic: str) -> dict[str, list[Record]]:
        """Records of each key, in order: a key has one partition. Without those that are about no id."""
        found: defaultdict[str, list[Record]] = defaultdict(list)
        for record in self.by_topic.get(topic, []):
            if record.key and record.key != MARK:
                found[record.key.decode()].append(record)
        return found

    def latest(self, topic: str) -> dict[str, Any]:
        """Decoded value of the last record of each key; None for a tombstone."""
        return {key: said(records[-1]) for key, records in self.by_key(topic).items()}

    def valid(self, topic: str) -> dict[str, list[Record]]:
        """The valid inputs of each key, in order."""
        valid = {
            key: [record for record in records if label(record) == VALID]
            for key, records in self.by_key(topic).items()
        }
        return {key: records for key, records in valid.items() if records}


def label(record: Record) -> str:
    """What the sender knows of an input: VALID, or the cause of its dead letter."""
    return dict(record.headers)[LABEL].decode()


def said(record: Record) -> Any:
    return None if record.value is None else orjson.loads(record.value)


def is_delete(record: Record) -> bool:
    """Of a valid input: a null value, or an event that says so."""
    event = said(record)
    return event is None or str(event["type"]).endswith(".deleted")
