"""Popularity counts per user partition and item, and the records of a new epoch."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from glowplug.events import Epoch, ItemCount, ItemPrior
from glowplug.ranking.catalogue import Catalogue
from glowplug.ranking.priors import BEGINNING, TOLERANCE, Table, decayed, popularity
from glowplug.settings import RankingSettings


class Count(NamedTuple):
    """Decayed weight of positive interactions as of an event time."""

    weight: float = 0.0
    as_of: datetime = BEGINNING


class Counts:
    """All partitions' counts: those of our own users as we commit them, the others' as item-stats tells them."""

    def __init__(self, settings: RankingSettings) -> None:
        self._settings = settings
        self._by_item: dict[str, dict[int, Count]] = {}
        self.interactions = 0.0  # sum of all weights as they stand: how much an epoch would rest on
        self.watermark = BEGINNING  # greatest event time counted

    def get(self, partition: int, item_id: str) -> Count:
        return self._by_item.get(item_id, {}).get(partition, Count())

    def put(self, partition: int, item_id: str, count: Count) -> None:
        by_partition = self._by_item.setdefault(item_id, {})
        self.interactions += count.weight - by_partition.get(partition, Count()).weight
        by_partition[partition] = count
        self.watermark = max(self.watermark, count.as_of)

    def read(self, record: ItemCount) -> None:
        self.put(record.partition, record.item_id, Count(record.count, record.as_of))

    def plus(self, count: Count, weight: float, event_time: datetime) -> Count:
        """`count` with one interaction more. Late events are decayed to the count's time, earlier counts to theirs,
        so the result is the same in every order (Cormode et al. 2009, Forward Decay, section III)."""
        until = max(count.as_of, event_time)
        return Count(
            decayed(count.weight, count.as_of, until, self._settings)
            + decayed(weight, event_time, until, self._settings),
            until,
        )

    def close(self, read: Table, watermark: datetime, known: Catalogue) -> list[ItemPrior | Epoch]:
        """The records that make the next epoch: every popularity that changed, and the epoch itself last."""
        epoch = read.epoch + 1
        records: list[ItemPrior | Epoch] = []
        for item_id, by_partition in self._by_item.items():
            if item_id not in known:
                continue  # made up, or not listed yet
            total = sum(
                decayed(count.weight, count.as_of, watermark, self._settings) for count in by_partition.values()
            )
            now = popularity(total, self._settings)
            if abs(now - read.popularity.get(item_id, 0.0)) >= TOLERANCE:
                records.append(ItemPrior(item_id=item_id, popularity=round(now, 4), epoch=epoch))
        frame = known.frame()
        centre, axes = frame.packed if frame is not None else (None, ())
        records.append(
            Epoch(
                epoch=epoch,
                as_of=watermark,
                interactions=max(0.0, self.interactions),
                items=len(known),
                encoder=frame.encoder if frame is not None else "",
                centre=centre,
                axes=axes,
            )
        )
        return records
