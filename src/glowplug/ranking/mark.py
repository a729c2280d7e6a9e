"""The mark: how far item changes have been turned into the lists of one user partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glowplug.events import Reason, Time, UserMark
from glowplug.ranking.changes import At

if TYPE_CHECKING:
    from glowplug.ranking.draft import Draft
    from glowplug.ranking.state import State

ANEW: tuple[Reason, ...] = ("import", "head")  # reasons to make a list from nothing: until then the user has none
Positions = dict[int, int]  # offset by partition of item-vectors: all records before it


@dataclass(frozen=True, slots=True)
class Mark:
    """matched: these changes are in published lists. announced: these were matched with all lists, and their
    audiences are out, but the list of some user may still wait; never less than matched. rules: fingerprint of what
    keeps items out of these lists."""

    matched: Positions
    announced: Positions
    rules: str = ""

    def event(self, partition: int, now: Time) -> UserMark:
        return UserMark(
            partition=partition,
            matched=_named(self.matched),
            announced=_named(self.announced),
            rules=self.rules,
            updated_at=now,
        )


def mark_of(event: UserMark) -> Mark:
    """Raises ValueError where a partition is no number."""
    matched = _numbered(event.matched)
    return Mark(matched, {**matched, **_numbered(event.announced)}, event.rules)


def new_marks(state: State, draft: Draft) -> dict[int, Mark]:
    """By user partition, how far item changes are once `draft` is committed, where the log does not have it yet.

    `matched` never passes a change that still waits: for its matching, a user's window, or a list to be made.
    """
    if state.is_deferred(draft.batch):
        return {}
    made = draft.users.keys() & state.making.keys()
    if not (draft.matched or made or draft.imports or draft.waiting.keys() & state.waiting.keys()):
        return {}
    without = state.partitions - {user.partition for user in state.roster} if draft.imports else set()
    announced = {p: dict(state.tables.read) for p in state.partitions - state.to_import | without}
    matched = {p: dict(state.tables.read) for p in announced}
    for user_id, reason in state.making.items():
        user = state.roster.get(user_id)
        if reason in ANEW and user_id not in made and user is not None:
            matched.pop(user.partition, None)
    for user_id, trigger in {**state.waiting, **draft.waiting}.items():
        user = draft.user(user_id)
        if trigger is not None and user is not None:
            _hold(matched.get(user.partition), trigger.since)
    done = {change.item_id for change in draft.matched}
    left = [change for change in state.tables.pending.values() if change.item_id not in done]
    for partition in announced:
        _hold(matched.get(partition), [change.at for change in left if change.concerns(partition)])
        _hold(announced[partition], [change.at for change in left if change.news_for(partition)])
    found: dict[int, Mark] = {}
    for partition, positions in announced.items():
        before = state.marks.get(partition)
        if partition not in matched and before is None:
            continue  # the lists of a first import are still being made
        if before is None:
            mark = Mark(matched[partition], positions, state.tables.rules.fingerprint)
        else:
            # Never back: a change that waits may be news to other partitions only, from its first record on.
            read = state.tables.read
            mark = Mark(
                _later(matched.get(partition, {}), before.matched, read),
                _later(positions, before.announced, read),
                before.rules,
            )
        if mark != before:
            found[partition] = mark
    return found


def _hold(positions: Positions | None, waiting: Iterable[At]) -> None:
    """No position beyond what waits."""
    if positions is None:
        return
    for at in waiting:
        positions[at.partition] = min(positions.get(at.partition, at.offset), at.offset)


def _later(now: Positions, before: Positions, read: Mapping[int, int]) -> Positions:
    """Not beyond what was read: such a position is of a topic that was deleted and created anew."""
    return {
        number: max(now.get(number, 0), min(before.get(number, 0), read.get(number, 0)))
        for number in {**now, **before}
    }


def _named(positions: Mapping[int, int]) -> dict[str, int]:
    return {str(number): offset for number, offset in sorted(positions.items())}


def _numbered(positions: Mapping[str, int]) -> Positions:
    return {int(number): offset for number, offset in positions.items()}
