"""Which of two inputs about one id is the later: by the topic's version mode, never by a clock. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from glowplug.errors import SchemaViolation
from glowplug.events import Input
from glowplug.stream.step import Headers, Record

Mode = Literal["offset", "event"]  # settings: stream.versions

VERSION_HEADER = "glowplug-version"  # of a tombstone: a null value has no place for its version
SOURCE_HEADER = "glowplug-source"  # of a tombstone: topic id/partition/offset of the delete it comes from
EVENT_ID_HEADER, EVENT_TIME_HEADER = "glowplug-event-id", "glowplug-event-time"  # likewise: of that delete
LAST_TIMESTAMP_MS = 32_503_680_000_000  # the year 3000, where the contract's times end; producers set any


def version_of(record: Record, declared: int | None, mode: Mode) -> int:
    """The version of the event in `record`. declared: the event's own.

    Offsets compare because all records about one id lie in one partition.
    Raises SchemaViolation where the mode asks for a version and the event has none.
    """
    if mode == "offset":
        return record.offset
    if declared is None:
        raise SchemaViolation(
            f"{record.topic}: version is missing; stream.versions.{record.topic} is 'event', "
            "so every event must carry one"
        )
    return declared


def null_version(known: int | None) -> int:
    """In mode 'event', of a null value, which cannot carry one: it deletes what is known, at the version known."""
    return 0 if known is None else known


def tombstone_headers(record: Record, version: int, topic_id: str, event: Input | None) -> Headers:
    """Of the tombstone that the delete in `record` becomes, so that a restart still knows the version.

    event: the delete; None: it is a null value, which has no id and happened when it was written.
    """
    source = f"{topic_id}/{record.partition}/{record.offset}"
    headers = ((VERSION_HEADER, str(version).encode()), (SOURCE_HEADER, source.encode()))
    if event is not None:
        event_time = event.event_time.isoformat().encode()
        return (*headers, (EVENT_ID_HEADER, event.event_id.encode()), (EVENT_TIME_HEADER, event_time))
    if not 0 < record.timestamp_ms < LAST_TIMESTAMP_MS:
        return headers
    written = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat()
    return (*headers, (EVENT_TIME_HEADER, written.encode()))


def tombstone_topic_id(headers: Headers) -> str:
    """Of the topic that the delete was in; empty where it is not known."""
    return next(
        (value.decode("utf-8", "replace").split("/")[0] for name, value in headers if name == SOURCE_HEADER), ""
    )


def tombstone_version(headers: Headers) -> int | None:
    """What `tombstone_headers` wrote; None where it did not."""
    for name, value in headers:
        if name == VERSION_HEADER and value.isdigit():
            return int(value)
    return None
