"""A Store in this process's memory, for tests; the same contract suite runs over it and over Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from glowplug.errors import StoreWiped
from glowplug.serving.store import Place, is_later
from glowplug.stream.step import StoreWrite


class MemoryStore:
    def __init__(self) -> None:
        self._held: dict[str, StoreWrite] = {}
        self._begun: set[Place] = set()
        self._expects_begun = False

    def fold(self, writes: Sequence[StoreWrite]) -> None:
        if self._expects_begun and not self._begun:
            self._expects_begun = False
            raise StoreWiped("the store in memory was wiped")
        for write in writes:
            held = self._held.get(write.key)
            if is_later(write.version, held.version if held else None):
                self._held[write.key] = write

    def get(self, key: str) -> Mapping[str, bytes] | None:
        held = self._held.get(key)
        return held.fields if held else None

    def has_begun(self, place: Place) -> bool:
        return place in self._begun

    def begin(self, places: Iterable[Place]) -> None:
        self._begun.update(places)
        self._expects_begun = bool(self._begun)

    def wipe(self) -> None:
        """As FLUSHALL would."""
        self._held.clear()
        self._begun.clear()
