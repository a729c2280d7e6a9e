"""The seam to what product systems read: values under keys, folded from the log by version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from glowplug.stream.step import StoreWrite

Place = tuple[str, int]  # topic id and partition
TOMBSTONE_S = 86_400  # a day: far longer than a write can be in flight, short enough to forget deleted ids
VERSION_FIELD = "v"  # no value may have a field of this name


class Store(Protocol):
    """Holds, under each key, the value of the write with the greatest version.

    Versions (topic id, partition, offset) compare by offset. Another topic id or partition means another log (the
    topic was re-created or repartitioned): whatever comes from it replaces what came from the old one, so of two
    logs the one that writes last wins, and writes of the old one have to have stopped.
    A delete keeps its version for TOMBSTONE_S, so that an earlier write that comes late revives nothing.
    """

    def fold(self, writes: Sequence[StoreWrite]) -> None:
        """Apply each write whose version is greater than what is there; in any order, any number of times.

        Raises StoreUnavailable: some may be applied, the same writes again. Raises StoreWiped, once, and also where
        there is nothing to write: all that was folded before is missing; `has_begun` says so too.
        """
        ...

    def get(self, key: str) -> Mapping[str, bytes] | None:
        """The fields of `key`; None where there is nothing, or no longer. Raises StoreUnavailable."""
        ...

    def has_begun(self, place: Place) -> bool:
        """Whether the records of `place` are folded here from its beginning; false once the store was wiped.

        Raises StoreUnavailable.
        """
        ...

    def begin(self, places: Iterable[Place]) -> None:
        """From now on `has_begun` is true for these. Called when a restart would go on where the first of their
        records, read from the beginning, ended. Raises StoreUnavailable."""
        ...


def is_later(version: tuple[str, int, int], held: tuple[str, int, int] | None) -> bool:
    """Whether `version` replaces what `held` wrote. The same rule as fold.lua."""
    return held is None or version[:2] != held[:2] or version[2] > held[2]
