"""All items as the log knows them, in the vector space that serves, and the index of those to recommend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nsmallest
from typing import TYPE_CHECKING

import numpy as np

from glowplug.errors import SchemaViolation, shown
from glowplug.events import Attributes, ItemVector
from glowplug.heads.described import Described
from glowplug.index.items import FaissIndex, Index, item_hash
from glowplug.ranking.blocks import Layout
from glowplug.ranking.changes import At, Change, ItemChange
from glowplug.ranking.excluded import Rules
from glowplug.ranking.frame import MOST, Frame, fit
from glowplug.ranking.priors import BEGINNING, Priors
from glowplug.vectors import Half, unpack

if TYPE_CHECKING:
    from glowplug.heads.head import Head  # it brings the packages of training

PLACED_AT_ONCE = 512  # items that a head places in one product: beyond it nothing is gained, and memory grows


@dataclass(frozen=True, slots=True)
class Item:
    """text: float16 (text,), of encoder `fingerprint`; None where the item has no text. at: its latest record.
    named_at: the first in a row that stands for its event; attributes that were inferred come in one more.
    attributes: stated by the product or inferred. description, stated: what a head reads; empty where none is
    set."""

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
    named_at: At
    description: str = ""
    stated: Attributes = field(default_factory=dict)


Blocks = Mapping[str, tuple[Item, Half]]  # columns of a head by item, and the item that they were computed of


class Catalogue:
    """Vectors of different encoders are never compared: the index holds those of `fingerprint`, the space that
    serves. Items of another encoder are kept, without text in this space, until theirs are the majority and
    `rebuild` makes the switch.

    head: the one that serves, if any; its columns are part of the space. clock: records applied so far."""

    def __init__(self, rules: Rules | None = None, *, has_heads: bool = False) -> None:
        """rules: what they exclude is as if not available. has_heads: a head may come, so what it reads is kept."""
        self._rules = rules
        self._has_heads = has_heads
        self._blocks: dict[str, Half] = {}  # of items about to be put, where many were computed at once
        self.head: Head | None = None
        self.clock = 0
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

    @property
    def head_fingerprint(self) -> str:
        """Empty without a head."""
        return self.head.fingerprint if self.head is not None else ""

    @property
    def space(self) -> tuple[str, str]:
        """Lists of different spaces are never compared."""
        return self.fingerprint, self.head_fingerprint

    def block_of(self, item_id: str) -> Half | None:
        """The item's columns of the learned block; None where it is not known, or no head serves."""
        item = self._items.get(item_id)
        if item is None or self.head is None:
            return None
        indexed = self._indexed_block(item_id)
        return indexed if indexed is not None else self._block(item)

    def fits(self, head: Head) -> bool:
        """Its vectors are of the serving encoder; anything does while there is none."""
        dims = (None, self.layout.text)
        return not self.fingerprint or (head.encoder == self.fingerprint and head.text_dim in dims)

    def prepare(self, records: Iterable[ItemVector]) -> None:
        """Compute the blocks of items that are put next: many at once cost little more than one."""
        if self.head is not None and self.fingerprint:
            items = [self._item(record, At(0, 0)) for record in records]
            items = [item for item in items if item.text is None or item.text.size == self.layout.text]
            rows = self.head.items([self.described(item) for item in items])
            # Of two records of one item in a batch the last; the first is then computed where it is put.
            last = {item.item_id: at for at, item in enumerate(items)}
            once = {item_id: rows[at] for item_id, at in last.items()}
            twice = {item.item_id for at, item in enumerate(items) if last[item.item_id] != at}
            self._blocks = {item_id: row for item_id, row in once.items() if item_id not in twice}

    def described(self, item: Item) -> Described:
        """What a head reads of it."""
        text = item.text if item.fingerprint == self.fingerprint else None
        return Described(item.item_id, item.title, item.description, item.stated, text)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def put(self, record: ItemVector, at: At, priors: Priors) -> ItemChange | None:
        """Apply a record of item-vectors. None where nothing that lists depend on has changed."""
        self.clock += 1
        item = self._item(record, at)
        text = item.text
        if text is not None:
            self._check_dim(item.fingerprint, text.size)
        earlier = self._items.get(item.item_id)
        block_before = self.block_of(item.item_id)
        self._replace(earlier, item)
        if not self.fingerprint and text is not None:
            self.rebuild(priors, self.head)
            block_before = self._block(earlier) if earlier is not None else None
        was_shown = item.item_id in self.index
        before = self._row(earlier, priors, block_before) if was_shown and earlier else None
        block = self._blocks.pop(item.item_id, None) if self._blocks else None
        if block is None:
            block = self._block(item)
        row = self._row(item, priors, block)
        self._show(item, row)
        shown = item.available
        moved = not (_same(earlier.text if earlier else None, text) and _same(block_before, block))
        if shown == was_shown and not moved and before is not None and _same(before, row):
            return None
        if not shown and not was_shown and not moved:
            return None
        change: Change = "withdrawn" if was_shown and not shown else "updated" if was_shown else "created"
        return ItemChange(item.item_id, change, moved, {item.event_id: None}, item.event_time, at, clock=self.clock)

    def drop(self, item_id: str, at: At, event_id: str, event_time: datetime) -> ItemChange | None:
        """Apply a tombstone of item-vectors."""
        self.clock += 1
        earlier = self._items.get(item_id)
        if earlier is None:
            return None
        self._replace(earlier, None)
        self.index.remove(item_id)
        moved = earlier.text is not None or self.head is not None
        return ItemChange(item_id, "withdrawn", moved, {event_id: None}, event_time, at, clock=self.clock)

    def share(self, name: str, value: str) -> float:
        """Of all items, those with this value of this category or list attribute."""
        return self._values[name, value] / max(1, len(self._items))

    @property
    def outgrown(self) -> bool:
        """Most items now carry vectors of another encoder than the one that serves."""
        return bool(self._spaces) and self._majority() != self.fingerprint

    def rebuild(self, priors: Priors, head: Head | None = None, blocks: Blocks | None = None) -> None:
        """Serve the space that most items are in, with `head` where it fits: a new index, filled before it is put
        in place. blocks: columns of the head that were computed before, of items as they were then."""
        text = None
        if self._spaces:
            self.fingerprint = self._majority()
            text = next(
                item.text for item in self._items.values() if item.fingerprint == self.fingerprint and _has(item)
            )
        self.layout = Layout(len(text) if text is not None else 0)
        self.head = head if head is not None and self.fits(head) else None
        self.layout = Layout(self.layout.text, self.head.width if self.head is not None else 0)
        index = FaissIndex(self.layout.dim)
        found = self._all_blocks(blocks or {})
        for item in self._items.values():
            if item.available:
                index.upsert(item.item_id, self._row(item, priors, found.get(item.item_id)))
        self.index = index

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

    def _all_blocks(self, known: Blocks) -> dict[str, Half]:
        if self.head is None:
            return {}
        found = {item_id: row for item_id, (item, row) in known.items() if self._items.get(item_id) is item}
        left = [item for item in self._items.values() if item.item_id not in found]
        for at in range(0, len(left), PLACED_AT_ONCE):
            part = left[at : at + PLACED_AT_ONCE]
            rows = self.head.items([self.described(item) for item in part])
            found |= {item.item_id: row for item, row in zip(part, rows, strict=True)}
        return found

    def _block(self, item: Item) -> Half | None:
        return self.head.items([self.described(item)])[0] if self.head is not None else None

    def _indexed_block(self, item_id: str) -> Half | None:
        at = self.index.row_of(item_id)
        return self.index.rows([at])[0][self.layout.of_head] if at is not None else None

    def _item(self, record: ItemVector, at: At) -> Item:
        earlier = self._items.get(record.item_id)
        return Item(
            item_id=record.item_id,
            title=record.title,
            domain=record.domain,
            attributes=_described(record),
            available=record.available and not (self._rules is not None and self._rules.exclude(record)),
            listed_at=record.listed_at,
            text=unpack(record.vector) if record.vector is not None else None,
            fingerprint=record.embedding.fingerprint,
            event_id=record.source.event_id,
            event_time=record.source.event_time,
            at=at,
            named_at=earlier.named_at if earlier is not None and earlier.event_id == record.source.event_id else at,
            description=record.description if self._has_heads else "",
            stated=record.attributes if self._has_heads else {},
        )

    def _row(self, item: Item, priors: Priors, block: Half | None) -> Half:
        row = self.layout.item(item.text if item.fingerprint == self.fingerprint else None, block)
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
