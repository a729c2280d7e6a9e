"""Inputs read again after a restart, kept until it shows which of them are still to be worked on."""

from __future__ import annotations

from collections.abc import Sequence

from glowplug.stream.step import Record


class Restored:
    """The latest input of each key."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def read(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key is not None:
                self._records[record.key.decode("utf-8", "replace")] = record

    def forget(self, partitions: frozenset[int]) -> None:
        self._records = {key: record for key, record in self._records.items() if record.partition not in partitions}

    def take(self, partitions: frozenset[int]) -> list[tuple[str, Record]]:
        """Those of the partitions with their keys, oldest first; all are forgotten."""
        taken = [(key, record) for key, record in self._records.items() if record.partition in partitions]
        self._records.clear()
        return sorted(taken, key=lambda one: one[1].timestamp_ms)
