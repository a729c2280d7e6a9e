"""Kafka records as values, for tests without a broker."""

from __future__ import annotations

from glowplug.stream.step import Headers, Record


def record(
    offset: int = 0,
    *,
    topic: str = "interactions",
    partition: int = 0,
    key: bytes | None = b"k",
    value: bytes | None = b"{}",
    headers: Headers = (),
) -> Record:
    return Record(topic, partition, offset, 1_700_000_000_000 + offset, key, value, headers)
