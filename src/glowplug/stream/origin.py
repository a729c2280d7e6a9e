"""Where a record stood before it was passed on to another topic: told in headers behind its own. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from glowplug.stream.step import Headers, Record

NAMES = tuple(f"glowplug-origin-{name}" for name in ("topic", "partition", "offset", "timestamp"))
PASSED_ON = frozenset({"interactions_rekeyed"})  # topics whose records we passed on ourselves


class Original(NamedTuple):
    """record: as it was, with its own place, timestamp and headers. topic: the cluster's name of where it was."""

    record: Record
    topic: str


def origin_headers(record: Record, topic: str) -> Headers:
    """topic: the cluster's name of the one that `record` was read from."""
    places = (topic, str(record.partition), str(record.offset), str(record.timestamp_ms))
    return tuple((name, place.encode()) for name, place in zip(NAMES, places, strict=True))


def original(record: Record) -> Original | None:
    """What `origin_headers` told of; None where the record stands where it was first written."""
    ours = record.headers[-len(NAMES) :]
    if record.topic not in PASSED_ON or tuple(name for name, _ in ours) != NAMES:
        return None
    topic, *numbers = (value.decode("utf-8", "replace") for _, value in ours)
    try:
        partition, offset, timestamp_ms = map(int, numbers)
    except ValueError:  # somebody else's
        return None
    headers = record.headers[: -len(NAMES)]
    before = replace(record, partition=partition, offset=offset, timestamp_ms=timestamp_ms, headers=headers)
    return Original(before, topic)
