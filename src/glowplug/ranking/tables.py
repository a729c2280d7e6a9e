"""What every recommender reads whole: all items, all counts, and the epochs of the priors."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, TypeAdapter

from glowplug.errors import Poison
from glowplug.events import Epoch, ItemCount, ItemPrior, ItemVector
from glowplug.ranking.catalogue import Catalogue
from glowplug.ranking.changes import At, ItemChange
from glowplug.ranking.counts import Counts
from glowplug.ranking.excluded import Rules
from glowplug.ranking.priors import Priors
from glowplug.settings import RankingSettings
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.step import Record
from glowplug.stream.versions import EVENT_ID_HEADER, EVENT_TIME_HEADER

log = logging.getLogger(__name__)
_item: TypeAdapter[ItemVector] = TypeAdapter(ItemVector)
_stat: TypeAdapter[ItemCount | ItemPrior | Epoch] = TypeAdapter(
    Annotated[ItemCount | ItemPrior | Epoch, Field(discriminator="type")]
)


def stat_key(record: ItemCount | ItemPrior | Epoch) -> str:
    """The record's key in item-stats."""
    if isinstance(record, ItemCount):
        return f"{record.partition}:{record.item_id}"
    return f"prior:{record.item_id}" if isinstance(record, ItemPrior) else "epoch"


class Tables:
    """pending: item changes that no list reflects yet, oldest first. read: by partition of item-vectors, the offset
    behind the last record read."""

    def __init__(self, settings: RankingSettings) -> None:
        self.rules = Rules(settings)
        self.catalogue = Catalogue(self.rules, has_heads=settings.heads is not None)
        self.priors = Priors(settings)
        self.counts = Counts(settings)
        self.pending: dict[str, ItemChange] = {}
        self.read: dict[int, int] = {}

    def absorb(self, records: Sequence[Record], own: Collection[int]) -> None:
        """own: user partitions whose counts we keep ourselves; what the log says of them is older."""
        self.catalogue.prepare(filter(None, map(_item_in, records)) if self.catalogue.head is not None else ())
        for record in records:
            try:
                if record.topic == "item_vectors":
                    self._item(record)
                else:
                    self._stat(record, own)
            except Poison as error:
                # Only our own consumers write these topics: one of a later version, most likely. Going on without
                # the record serves everybody else; the record itself stays in its topic.
                log.error("%s/%d@%d left out: %s", record.topic, record.partition, record.offset, error)

    def _item(self, record: Record) -> None:
        at = At(record.partition, record.offset)
        self.read[at.partition] = at.offset + 1
        value = decode(record, _item, lambda item: item.item_id)
        if isinstance(value, Tombstone):
            change = self.catalogue.drop(value.id, at, *_deleted_by(record))
        else:
            change = self.catalogue.put(value, at, self.priors)
        if change is not None:
            self.wait(change)

    def wait(self, change: ItemChange) -> None:
        """Have the change matched with lists."""
        earlier = self.pending.pop(change.item_id, None)
        self.pending[change.item_id] = change.after(earlier)

    def _stat(self, record: Record, own: Collection[int]) -> None:
        value = decode(record, _stat, stat_key)
        if isinstance(value, Tombstone):
            return
        if not isinstance(value, ItemCount):
            self.priors.read(value)
        elif value.partition not in own:
            self.counts.read(value)


def _item_in(record: Record) -> ItemVector | None:
    """What the record says of an item; None where it says something else, or nothing that can be read."""
    if record.topic != "item_vectors":
        return None
    try:
        value = decode(record, _item, lambda item: item.item_id)
    except Poison:
        return None
    return None if isinstance(value, Tombstone) else value


def _deleted_by(record: Record) -> tuple[str, datetime]:
    """Id and time of the delete that a tombstone comes from."""
    headers = dict(record.headers)
    event_id = headers.get(EVENT_ID_HEADER, b"").decode("utf-8", "replace")
    try:
        event_time = datetime.fromisoformat(headers.get(EVENT_TIME_HEADER, b"").decode("ascii", "replace"))
    except ValueError:
        event_time = datetime.fromtimestamp(max(0, record.timestamp_ms) / 1000, UTC)
    return event_id or f"{record.topic}:{record.partition}:{record.offset}", event_time
