"""All items as the log knows them, in the vector space that serves, and the index of those to recommend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import nsmallest
from typing import Literal, NamedTuple

import numpy as np

from glowplug.errors import SchemaViolation, shown
from glowplug.events import Attributes, ItemVector
from glowplug.index.items import FaissIndex, Index, item_hash
from glowplug.ranking.blocks import Layout
from glowplug.ranking.frame import MOST, Frame, fit
from glowplug.ranking.priors import BEGINNING, Priors
from glowplug.vectors import Half, unpack

Change = Literal["created", "updated", "withdrawn"]
MAX_COVERS = 100  # event ids that one change, or one list, names: enough for any window, and bounded during imports


class At(NamedTuple):
    """Where a record stands in item-vectors."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Item:
    """text: float16 (text,), of encoder `fingerprint`; None where the item has no text. at: its latest record."""

    item_id: str
    title: str
    domain: str
    attributes: Attributes
    available: bool
    listed_at: datetime
    text: Half | None
    fingerprint: str
    event_id: str
    event_time: datetime
    at: At


Partitions = frozenset[int] | None  # of users; None: all of ours


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What a changed item asks of the lists. moved: its text vector differs, so histories weigh differently too.

    covers: the events it stands for by id, the latest MAX_COVERS, and the user partitions that each is news to.
    event_time, at: of the oldest of their records. only: the user partitions whose lists it concerns.
    """

    item_id: str
    change: Change
    moved: bool
    covers: Mapping[str, Partitions]
    event_time: datetime
    at: At
    only: Partitions = None

    def after(self, earlier: ItemChange | None) -> ItemChange:
        """This change on top of one that still waits."""
        if earlier is None:
            return self
        created = earlier.change == "created" and self.change == "updated"
        covers = {event_id: _both(news_to, earlier.only) for event_id, news_to in earlier.covers.items()}
        for event_id, news_to in self.covers.items():
            covers[event_id] = _either(covers.get(event_id, frozenset()), _both(news_to, self.only))
        return replace(
            self,
            change="created" if created else self.change,
            moved=self.moved or earlier.moved,
            covers=dict(list(covers.items())[-MAX_COVERS:]),
            event_time=min(self.event_time, earlier.event_time),
            at=min(self.at, earlier.at),
            only=_either(self.only, earlier.only),
        )

    def news_for(self, partition: int) -> tuple[str, ...]:
        """The event ids that lists and audiences of the user partition do not cover yet."""
        return tuple(event_id for event_id, to in self.covers.items() if to is None or partition in to)

    def concerns(self, partition: int) -> bool:
        return self.only is None or partition in self.only

    def for_only(self, partitions: frozenset[int]) -> ItemChange | None:
        """What is left of the change for these partitions."""
        only = _both(self.only, partitions)
        return replace(self, only=only) if only else None


class Catalogue:
    """Vectors of different encoders are never compared: the index holds those of `fingerprint`, the space that
    serves. Items of another encoder are kept, without text in this space, until theirs are the majority and
    `rebuild` makes the switch."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._spaces: Counter[str] = Counter()
        self._values: Counter[tuple[str, str]] = Counter()
        self._dims: dict[str, int] = {}  # by encoder
        self.fingerprint = ""
        self.latest = BEGINNING  # greatest listed_at so far
        self.layout = Layout(0)
        self.index: Index = FaissIndex(self.layout.dim)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def get(self, item_id: str) -> Item | None:
        return self._items.get(item_id)

    def text_of(self, item_id: str) -> Half | None:
        item = self._items.get(item_id)
        return item.text if item is not None and item.fingerprint == self.fingerprint else None

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def put(self, record: ItemVector, at: At, priors: Priors) -> ItemChange | None:
        """Apply a record of item-vectors. None where nothing that lists depend on has changed."""
        text = unpack(record.vector) if record.vector is not None else None
        if text is not None:
            self._check_dim(record.embedding.fingerprint, text.size)
        item = Item(
            item_id=record.item_id,
            title=record.title,
            domain=record.domain,
            attributes=_described(record),
            available=record.available,
            listed_at=record.listed_at,
            text=text,
            fingerprint=record.embedding.fingerprint,
            event_id=record.source.event_id,
            event_time=record.source.event_time,
            at=at,
        )
        earlier = self._items.get(item.item_id)
        self._replace(earlier, item)
        if not self.fingerprint and text is not None:
            self.rebuild(priors)
        was_shown = item.item_id in self.index
        before = self._row(earlier, priors) if was_shown and earlier else None
        row = self._row(item, priors)
        self._show(item, row)
        shown = item.available
        moved = not _same(earlier.text if earlier else None, text)
        if shown == was_shown and not moved and before is not None and _same(before, row):
            return None
        if not shown and not was_shown and not moved:
            return None
        change: Change = "withdrawn" if was_shown and not shown else "updated" if was_shown else "created"
        return ItemChange(item.item_id, change, moved, {item.event_id: None}, item.event_time, at)

    def drop(self, item_id: str, at: At, event_id: str, event_time: datetime) -> ItemChange | None:
        """Apply a tombstone of item-vectors."""
        earlier = self._items.get(item_id)
        if earlier is None:
            return None
        self._replace(earlier, None)
        self.index.remove(item_id)
        return ItemChange(item_id, "withdrawn", earlier.text is not None, {event_id: None}, event_time, at)

    def share(self, name: str, value: str) -> float:
        """Of all items, those with this value of this category or list attribute."""
        return self._values[name, value] / max(1, len(self._items))

    @property
    def outgrown(self) -> bool:
        """Most items now carry vectors of another encoder than the one that serves."""
        return bool(self._spaces) and self._majority() != self.fingerprint

    def rebuild(self, priors: Priors) -> None:
        """Serve the space that most items are in: a new index, filled before it is put in place."""
        self.fingerprint = self._majority()
        text = next(
            item.text for item in self._items.values() if item.fingerprint == self.fingerprint and _has(item)
        )
        self.layout = Layout(len(text) if text is not None else 0)
        self.index = FaissIndex(self.layout.dim)
        for item in self._items.values():
            self._show(item, self._row(item, priors))

    def frame(self) -> Frame | None:
        """What the items of the serving space have in common; of a sample that any instance would draw alike."""
        texts = ((item_id, self.text_of(item_id)) for item_id in self._items)
        known = [(item_id, text) for item_id, text in texts if text is not None]
        if len(known) > MOST:
            known = nsmallest(MOST, known, key=lambda pair: item_hash(pair[0]))
        return fit(self.fingerprint, [text for _, text in known])

    def write_priors(self, priors: Priors, epoch: int) -> None:
        """Put the priors of `epoch` into its columns, for every item at once."""
        items = (self._items[item_id.decode()] for item_id in self.index.ids)
        values = np.array([priors.of(item.item_id, item.listed_at, epoch) for item in items], np.float16)
        self.index.write_columns(self.layout.prior(epoch), values)

    def _check_dim(self, fingerprint: str, dim: int) -> None:
        """Raises SchemaViolation where one encoder's vectors have two lengths."""
        known = self._dims.setdefault(fingerprint, dim)
        if dim != known:
            raise SchemaViolation(
                f"item_vectors: vector.dim is {dim}, and {known} in other records of encoder {shown(fingerprint)}"
            )

    def _show(self, item: Item, row: Half) -> None:
        if item.available:
            self.index.upsert(item.item_id, row)
        else:
            self.index.remove(item.item_id)

    def _row(self, item: Item, priors: Priors) -> Half:
        row = self.layout.item(item.text if item.fingerprint == self.fingerprint else None)
        for epoch in priors.in_force:
            row[self.layout.prior(epoch)] = priors.of(item.item_id, item.listed_at, epoch)
        return row

    def _replace(self, earlier: Item | None, item: Item | None) -> None:
        if earlier is not None:
            del self._items[earlier.item_id]
            self._count(earlier, -1)
        if item is not None:
            self._items[item.item_id] = item
            self.latest = max(self.latest, item.listed_at)
            self._count(item, 1)

    def _count(self, item: Item, by: int) -> None:
        for value in terms(item.attributes):
            self._values[value] += by
            if not self._values[value]:
                del self._values[value]
        if _has(item):
            self._spaces[item.fingerprint] += by
            if not self._spaces[item.fingerprint]:
                del self._spaces[item.fingerprint]

    def _majority(self) -> str:
        """On a tie the space that serves stays; else the greater fingerprint, so that all instances agree."""
        most = max(self._spaces.values())
        tied = [space for space, count in self._spaces.items() if count == most]
        return self.fingerprint if self.fingerprint in tied else max(tied)


def terms(attributes: Attributes) -> list[tuple[str, str]]:
    """(name, value) of categories and list entries, in the attributes' order."""
    found: list[tuple[str, str]] = []
    for name, value in attributes.items():
        if isinstance(value, str):
            found.append((name, value))
        elif isinstance(value, tuple):
            found.extend((name, term) for term in dict.fromkeys(value))
    return found


def _described(record: ItemVector) -> Attributes:
    """What the product says of the item; where it is silent, what was read in its text ("tone:calm": calm)."""
    if record.inferred is None:
        return record.attributes
    found: dict[str, tuple[str, ...]] = {}
    for claim in record.inferred.claims:
        name, colon, value = claim.label.partition(":")
        if colon and name and value and name not in record.attributes:
            found[name] = (*found.get(name, ()), value.replace("-", " "))
    return record.attributes | found


def _has(item: Item) -> bool:
    return item.text is not None


def _same(one: Half | None, other: Half | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.array_equal(one, other))


def _either(one: Partitions, other: Partitions) -> Partitions:
    return None if one is None or other is None else one | other


def _both(one: Partitions, other: Partitions) -> Partitions:
    if one is None or other is None:
        return other if one is None else one
    return one & other
