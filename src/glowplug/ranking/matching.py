"""Reverse top-k: from changed items to exactly the users whose lists change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from glowplug.events import AudienceMember, Reason
from glowplug.index.items import item_hash
from glowplug.index.retrieve import Hit
from glowplug.ranking.catalogue import Catalogue
from glowplug.ranking.changes import ItemChange
from glowplug.ranking.lists import Lists, Trigger
from glowplug.ranking.roster import Roster
from glowplug.ranking.user import Listed, User
from glowplug.settings import RankingSettings

REASONS: dict[str, Reason] = {"created": "item.created", "updated": "item.updated", "withdrawn": "item.withdrawn"}


@dataclass(frozen=True, slots=True)
class Moved:
    """A user whose raw list, or whose vector, is another now."""

    user: User
    listed: Listed
    trigger: Trigger


def match(
    changes: Sequence[ItemChange],
    pending: Mapping[str, ItemChange],
    roster: Roster,
    catalogue: Catalogue,
    lists: Lists,
    settings: RankingSettings,
    skip: Collection[str],
) -> list[Moved]:
    """Every user whose list differs after `changes`, which the catalogue has applied already.

    A changed item that was on a list, or that bent a user's vector through their history, asks for that list to be
    made anew. Any other list can only gain: changed items that reach its k-th score are merged in.
    pending: all changes that are not matched yet, by item: the catalogue has applied them too, so that a list made
    anew can hold them. skip: users whose lists are, or will be, made anew anyway.
    """
    causes: defaultdict[str, list[ItemChange]] = defaultdict(list)
    bent: set[str] = set()
    for change in changes:
        listing, meeting = (
            roster.listed_by(change.item_id),
            roster.met_by(change.item_id) if change.moved else set(),
        )
        for user_id in listing | meeting:
            user = roster.get(user_id)
            if user is not None and change.concerns(user.partition):
                causes[user_id].append(change)
                if user_id in meeting:
                    bent.add(user_id)
    found: list[Moved] = []
    for user_id, because in causes.items():
        user = roster.get(user_id)
        if user is None or user.listed is None or not user.is_active or user_id in skip:
            continue
        listed = lists.make(user) if user_id in bent else lists.again(user, user.listed)
        # A bent vector is kept even where the list is the same: the next item is compared with it.
        if user_id in bent or listed.raw != user.listed.raw:
            unmatched = [one for one in _unmatched(user, user.listed, listed, pending) if one not in because]
            felt = _felt(user, user.listed, listed, [*because, *unmatched])
            found.append(Moved(user, listed, _trigger(felt, because, user.partition)))
    found.extend(_gaining(changes, roster, catalogue, lists, settings, {*skip, *causes}))
    return found


def entered(user: User, listed: Listed, pending: Mapping[str, ItemChange]) -> list[ItemChange]:
    """The unmatched changes whose items the list holds and the user's earlier one does not."""
    if not pending:
        return []
    earlier = user.listed or user.stored  # the latter: restored, and not good enough to go on with
    held = {hit.item_id for hit in earlier.raw} if earlier is not None else set()
    return [
        change
        for hit in listed.raw
        if hit.item_id not in held and (change := pending.get(hit.item_id)) and change.concerns(user.partition)
    ]


def _unmatched(
    user: User, before: Listed, after: Listed, pending: Mapping[str, ItemChange]
) -> Iterator[ItemChange]:
    """What the next list can feel, though it is matched later: changes of items on a list or in the history."""
    met = (entry.item_id for entry in user.memory.history)
    for item_id in dict.fromkeys((*met, *(hit.item_id for hit in (*before.raw, *after.raw)))):
        change = pending.get(item_id)
        if change is not None and change.concerns(user.partition):
            yield change


def _trigger(felt: Sequence[ItemChange], looked_at: Sequence[ItemChange], partition: int) -> Trigger:
    """Of a list that was looked at for some changes and felt perhaps none of them: what earlier lists named already
    is not named again."""
    return trigger_of(felt, partition) if felt else replace(trigger_of(looked_at, partition), covers=())


def trigger_of(because: Sequence[ItemChange], partition: int) -> Trigger:
    """Why a list of the user partition is made that these changes, at least one, cause."""
    first, *rest = (Trigger(REASONS[c.change], c.news_for(partition), c.event_time, (c.at,)) for c in because)
    for trigger in rest:
        first = trigger.joined(first)
    return first


def audience(
    change: ItemChange, partition: int, roster: Roster, catalogue: Catalogue, n: int
) -> list[AudienceMember]:
    """The best users of the partition for the item, without those who met or blocked it."""
    row = catalogue.index.row_of(change.item_id)
    if row is None:
        return []
    vector = catalogue.index.rows([row])[0]
    asked, found = n + len(roster.met_by(change.item_id)), 0
    while True:
        ranked = roster.shard.audience(vector, partition, asked)
        wanted = [(user_id, score) for user_id, score in ranked if _may_see(roster.get(user_id), change.item_id)]
        if len(wanted) >= n or len(ranked) == found:
            return [AudienceMember(user_id=user_id, score=score) for user_id, score in wanted[:n]]
        asked, found = 2 * asked, len(ranked)


def _felt(user: User, before: Listed, after: Listed, changes: Sequence[ItemChange]) -> list[ItemChange]:
    """Those of the changes that made the list another: one whose item stands where it stood was in it already, as
    in a list made anew while matching was deferred. Where the vector moved every score did, and only items that
    moved it since it was made, entered or left count."""
    earlier, later = dict(before.raw), dict(after.raw)
    if np.array_equal(before.vector, after.vector):
        return [change for change in changes if earlier.get(change.item_id) != later.get(change.item_id)]
    met = {entry.item_id for entry in user.memory.history}
    return [
        change
        for change in changes
        if (change.moved and change.item_id in met and change.clock > before.clock)
        or (change.item_id in earlier) != (change.item_id in later)
    ]


def _gaining(
    changes: Sequence[ItemChange],
    roster: Roster,
    catalogue: Catalogue,
    lists: Lists,
    settings: RankingSettings,
    skip: Collection[str],
) -> list[Moved]:
    rows = [catalogue.index.row_of(change.item_id) for change in changes]
    shown = [(change, row) for change, row in zip(changes, rows, strict=True) if row is not None]
    vectors = catalogue.index.rows([row for _, row in shown])
    gains: defaultdict[str, list[tuple[ItemChange, float]]] = defaultdict(list)
    for entry in roster.shard.entering(vectors):
        change = shown[entry.item][0]
        user = roster.get(entry.user_id)
        if user is None or entry.user_id in skip or not change.concerns(user.partition):
            continue
        if _may_see(user, change.item_id):
            gains[entry.user_id].append((change, entry.score))
    found: list[Moved] = []
    for user_id, gained in gains.items():
        user = roster.get(user_id)
        if user is None or user.listed is None:
            continue
        new = [Hit(change.item_id, score) for change, score in gained]
        merged = sorted((*user.listed.raw, *new), key=lambda hit: (-hit.score, hit.item_id.encode()))
        raw = tuple(merged[: settings.raw_size])
        if raw != user.listed.raw:
            kept = {hit.item_id for hit in raw}
            because = [change for change, _ in gained if change.item_id in kept]
            found.append(Moved(user, lists.with_raw(user.listed, raw), trigger_of(because, user.partition)))
    return found


def _may_see(user: User | None, item_id: str) -> bool:
    return user is not None and item_id not in user.blocked and item_hash(item_id) not in user.memory.seen
