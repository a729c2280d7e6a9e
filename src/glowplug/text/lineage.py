"""The input topic that derived records come from: versions of its records, and what is written of them."""

from __future__ import annotations

from typing import Literal

from glowplug.errors import BadTopics
from glowplug.events import Input, Source
from glowplug.settings import StreamSettings
from glowplug.stream.step import Context, Headers, Record
from glowplug.stream.versions import (
    tombstone_headers,
    tombstone_topic_id,
    tombstone_version,
    version_of,
)

BEFORE_ALL = -1  # offsets start at 0


class Lineage:
    """Known in full once `open` was called. topic: its logical name."""

    def __init__(self, settings: StreamSettings, topic: Literal["items", "users"]) -> None:
        self.topic = topic
        self._mode = settings.versions.get(topic, "offset")
        self._is_recreated = topic in settings.recreated
        self._topic_id = ""

    def open(self, context: Context) -> None:
        self._topic_id = context.topic_ids.get(self.topic, "")

    def version(self, record: Record, event: Input) -> int:
        """Raises SchemaViolation where the mode asks for a version and the event has none."""
        return version_of(record, event.version, self._mode)

    def null_version(self, record: Record) -> int | None:
        """Of a null value; None where it cannot have one, and deletes what is known."""
        return record.offset if self._mode == "offset" else None

    def source(self, record: Record, event: Input, version: int) -> Source:
        return Source(
            topic=record.topic,
            topic_id=self._topic_id,
            partition=record.partition,
            offset=record.offset,
            version=version,
            event_id=event.event_id,
            event_time=event.event_time,
        )

    def tombstone(self, record: Record, version: int, event: Input | None) -> Headers:
        """Headers of what the delete in `record` becomes."""
        return tombstone_headers(record, version, self._topic_id, event)

    def buried(self, record: Record) -> int | None:
        """The version in a tombstone that was written with `tombstone`; None in any other. Raises BadTopics."""
        version = tombstone_version(record.headers)
        return None if version is None else self.comparable(version, tombstone_topic_id(record.headers))

    def comparable(self, version: int, topic_id: str) -> int:
        """The version among those of the input topic as it is now. Raises BadTopics.

        Offsets of a topic that was deleted and created anew start again: everything in it would be late.
        """
        if self._mode == "event" or not topic_id or not self._topic_id or topic_id == self._topic_id:
            return version
        if self._is_recreated:
            return BEFORE_ALL
        raise BadTopics(
            f"the topic {self.topic} was deleted and created anew: offsets in it cannot be compared with those of "
            f"before (topic id {topic_id}, now {self._topic_id}). If that was meant, declare it: "
            f'stream.recreated = ["{self.topic}"]'
        )
