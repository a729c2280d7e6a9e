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
Stat = ItemCount | ItemPrior | Epoch
_stat: TypeAdapter[Stat] = TypeAdapter(Annotated[Stat, Field(discriminator="type")])


def stat_key(record: Stat) -> str:
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
        read = [(record, _decoded(record)) for record in records]
        self.catalogue.prepare(value for _, value in read if isinstance(value, ItemVector))
        for record, value in read:
            if record.topic == "item_vectors":
                self.read[record.partition] = record.offset + 1
            if isinstance(value, Poison):
                # Only our own consumers write these topics: one of a later version, most likely. Going on without
                # the record serves everybody else; the record itself stays in its topic.
                log.error("%s/%d@%d left out: %s", record.topic, record.partition, record.offset, value)
            elif isinstance(value, ItemCount | ItemPrior | Epoch):
                self._stat(value, own)
            elif record.topic == "item_vectors":  # a null value in item-stats says nothing
                self._item(record, value)

    def _item(self, record: Record, value: ItemVector | Tombstone) -> None:
        at = At(record.partition, record.offset)
        if isinstance(value, ItemVector):
            change = self.catalogue.put(value, at, self.priors)
        else:
            change = self.catalogue.drop(value.id, at, *_deleted_by(record))
        if change is not None:
            self.wait(change)

    def wait(self, change: ItemChange) -> None:
        """Have the change matched with lists."""
        earlier = self.pending.pop(change.item_id, None)
        self.pending[change.item_id] = change.after(earlier)

    def _stat(self, value: Stat, own: Collection[int]) -> None:
        if not isinstance(value, ItemCount):
            self.priors.read(value)
        elif value.partition not in own:
            self.counts.read(value)


def _decoded(record: Record) -> ItemVector | Stat | Tombstone | Poison:
    try:
        if record.topic == "item_vectors":
            return decode(record, _item, lambda item: item.item_id)
        return decode(record, _stat, stat_key)
    except Poison as error:
        return error


def _deleted_by(record: Record) -> tuple[str, datetime]:
    """Id and time of the delete that a tombstone comes from."""
    headers = dict(record.headers)
    event_id = headers.get(EVENT_ID_HEADER, b"").decode("utf-8", "replace")
    try:
        event_time = datetime.fromisoformat(headers.get(EVENT_TIME_HEADER, b"").decode("ascii", "replace"))
    except ValueError:
        event_time = datetime.fromtimestamp(max(0, record.timestamp_ms) / 1000, UTC)
    return event_id or f"{record.topic}:{record.partition}:{record.offset}", event_time
