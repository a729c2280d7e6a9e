"""The recommender's state: tables, users and what waits. It moves here and nowhere else; a step only reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from glowplug.events import Reason
from glowplug.observe import metrics
from glowplug.ranking.catalogue import At
from glowplug.ranking.draft import Draft
from glowplug.ranking.fold import DecayedAverages
from glowplug.ranking.lists import Lists, Trigger
from glowplug.ranking.priors import BEGINNING, is_due
from glowplug.ranking.restore import Remembered, changes_since, resumed
from glowplug.ranking.roster import Roster
from glowplug.ranking.tables import Tables
from glowplug.ranking.user import User
from glowplug.settings import RankingSettings
from glowplug.stream.step import Batch, Record

DEFERRED_S = 0.05  # until matching that waits for a backlog looks again


class State:
    """making: users whose list is to be made anew in the background, and why.
    windows: until when (monotonic seconds) item-caused lists of a user wait; waiting: users with such a list.
    to_import: partitions without a mark, all of whose lists are made anew once the log is read in.
    missing: users who seem to have been deleted while nobody looked; told once the log is read in.
    marks: by user partition, up to where each partition of item-vectors is in its lists, as the log has it.
    """

    def __init__(self, settings: RankingSettings) -> None:
        self._settings = settings
        self._remembered = Remembered(settings)
        self._space = ""
        self._closed = 0  # the last epoch written here
        self._last = Batch((), BEGINNING, 0.0, caught_up=False)
        self.tables = Tables(settings)
        self.roster = Roster(self.tables.catalogue.layout.dim)
        self.lists = Lists(self.tables.catalogue, self.tables.priors, DecayedAverages(settings), settings)
        self.partitions: set[int] = set()
        self.making: dict[str, Reason] = {}
        self.windows: dict[str, float] = {}
        self.waiting: dict[str, Trigger] = {}
        self.to_import: set[int] = set()
        self.missing: set[str] = set()
        self.marks: dict[int, dict[int, int]] = {}

    # ---- between batches -----------------------------------------------------------------------------------

    def restore(self, records: Sequence[Record]) -> None:
        self._remembered.read(records)

    def absorb(self, records: Sequence[Record]) -> None:
        self.tables.absorb(records, self.partitions)
        self._settle()

    def assigned(self, partitions: frozenset[int]) -> None:
        tables = self.tables
        if not self.partitions:
            tables.pending.clear()  # there was no list that they could have changed
            tables.priors.skip()
            tables.catalogue.write_priors(tables.priors, tables.priors.current.epoch)
        self.partitions |= partitions
        for user, is_vouched in self._remembered.take(partitions):
            self._resume(user, is_vouched)
        for partition in partitions:
            mark = self._remembered.marks.pop(partition, None)
            if mark is None:
                self.to_import.add(partition)
            else:
                self.marks[partition] = mark
                for change in changes_since(mark, partition, tables.catalogue):
                    tables.wait(change)
        self._settle()

    def revoked(self, partitions: frozenset[int]) -> None:
        self.partitions -= partitions
        self.to_import -= partitions
        self._remembered.forget(partitions)
        for partition in partitions:
            self.marks.pop(partition, None)
        for user in self.roster:
            if user.partition in partitions:
                self.roster.drop(user.user_id)
                self.making.pop(user.user_id, None)
                self.windows.pop(user.user_id, None)
                self.waiting.pop(user.user_id, None)
                self.missing.discard(user.user_id)
        self._settle()

    def apply(self, draft: Draft) -> None:
        tables = self.tables
        for (partition, item_id), count in draft.counts.items():
            tables.counts.put(partition, item_id, count)
        for change in draft.matched:
            tables.pending.pop(change.item_id, None)
        for user in draft.users.values():
            self._put(user)
            self.missing.discard(user.user_id)
            if user.listed is None or user.listed.epoch == tables.priors.current.epoch:
                self.making.pop(user.user_id, None)
        self.windows.update(draft.windows)
        for user_id, trigger in draft.waiting.items():
            if trigger is None:
                self.waiting.pop(user_id, None)
            else:
                self.waiting[user_id] = trigger
        self.making.update(dict.fromkeys(draft.later, "import"))
        if draft.imports:
            self._import()
        self.marks.update(draft.marks)
        self._closed = max(self._closed, draft.closed)
        self._last = draft.batch
        self._settle()

    # ---- what a step asks ----------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When there is something to do without records."""
        if not self.partitions:
            return None
        waits_until = min((self.windows.get(user_id, 0.0) for user_id in self.waiting), default=None)
        has_work = bool(self.making or self.tables.pending or self.to_import or self.missing)
        if self.is_deferred(self._last) and (has_work or waits_until is not None):
            return self._last.monotonic + DEFERRED_S
        return 0.0 if has_work or self.may_close(self._last) else waits_until

    def is_deferred(self, batch: Batch) -> bool:
        """Lists wait while the log is still being read in, or a burst of items is."""
        return not batch.caught_up or batch.tables_behind > self._settings.import_lag

    def may_close(self, batch: Batch) -> bool:
        """It is ours to write the next epoch, the last one has been read back and every list is in it."""
        tables, newest = self.tables, self.tables.priors.newest
        return (
            0 in self.partitions
            and not self.is_deferred(batch)
            and len(tables.catalogue) > 0
            and newest is tables.priors.current
            and tables.priors.previous is None
            and self._closed <= newest.epoch
            and is_due(
                newest, tables.counts.interactions, len(tables.catalogue), self.watermark(batch.now), self._settings
            )
        )

    def watermark(self, now: datetime) -> datetime:
        """Greatest event time seen; a clock of the future does not count."""
        return min(max(self.tables.counts.watermark, self.tables.catalogue.latest), now)

    def new_marks(self, draft: Draft) -> dict[int, dict[int, int]]:
        """How far item changes are in the lists once `draft` is committed, where the log does not have it yet.

        A mark never passes a change that still waits: for its matching, a user's window, or a list to be made.
        """
        if self.is_deferred(draft.batch):
            return {}
        made = draft.users.keys() & self.making.keys()
        if not (draft.matched or made or draft.imports or draft.waiting.keys() & self.waiting.keys()):
            return {}
        without = self.partitions - {user.partition for user in self.roster} if draft.imports else set()
        reached = {p: dict(self.tables.read) for p in self.partitions - self.to_import | without}
        for user_id, reason in self.making.items():
            user = self.roster.get(user_id)
            if reason == "import" and user_id not in made and user is not None:
                reached.pop(user.partition, None)
        for user_id, trigger in {**self.waiting, **draft.waiting}.items():
            user = draft.user(user_id)
            if trigger is not None and user is not None and user.partition in reached:
                _hold(reached[user.partition], trigger.since)
        matched = {change.item_id for change in draft.matched}
        left = [change for change in self.tables.pending.values() if change.item_id not in matched]
        for partition, positions in reached.items():
            _hold(positions, [change.at for change in left if change.concerns(partition)])
        return {p: positions for p, positions in reached.items() if positions != self.marks.get(p)}

    def count_waiting(self) -> float:
        """Remembered interactions with items that are not known."""
        catalogue = self.tables.catalogue
        return float(sum(n for item_id, n in self.roster.met_items() if catalogue.get(item_id) is None))

    # ---- parts ---------------------------------------------------------------------------------------------

    def _resume(self, user: User, is_vouched: bool) -> None:
        """A restored user with the list they had, if it still is what it would be; else it is made anew."""
        if user.deleted or user.said is None:
            # Missing from user-vectors: deleted, or their next record is still to be read.
            self._put(User(user.user_id, user.partition, deleted=True) if user.deleted else user)
            if is_vouched:
                self.missing.add(user.user_id)
            return
        listed = resumed(user, self.lists, self.tables.catalogue, self.tables.priors)
        self._put(user.with_list(listed))
        if listed is None or listed.shown != user.published:  # the latter waited for the end of a window
            self.making[user.user_id] = "import"

    def _import(self) -> None:
        """Every list of partitions without a mark is to be made anew; no single item is the cause of it."""
        pending = self.tables.pending
        others = frozenset(self.partitions - self.to_import)
        for item_id, change in list(pending.items()):
            remaining = change.for_only(others)
            if remaining is None:
                del pending[item_id]
            else:
                pending[item_id] = remaining
        self.making.update(dict.fromkeys(self._active(self.to_import), "import"))
        self.to_import.clear()

    def _active(self, partitions: set[int]) -> list[str]:
        return [user.user_id for user in self.roster if user.is_active and user.partition in partitions]

    def _settle(self) -> None:
        """Follow the tables: into another vector space, into another epoch."""
        tables, roster = self.tables, self.roster
        if tables.catalogue.outgrown:
            tables.catalogue.rebuild(tables.priors)
        if self._space != tables.catalogue.fingerprint:
            self._space = tables.catalogue.fingerprint
            roster.clear_lists(tables.catalogue.layout.dim)
            self.waiting.clear()
            self.making = dict.fromkeys(self._active(self.partitions), "import")
        if not self.making:
            tables.priors.settle()
        while tables.priors.can_advance:
            epoch = tables.priors.advance()
            tables.catalogue.write_priors(tables.priors, epoch)
            metrics.epoch.set(epoch)
            for user_id in self._active(self.partitions):
                self.making.setdefault(user_id, "prior")
            if not self.making:
                tables.priors.settle()
        metrics.index_items.set(len(tables.catalogue.index))
        metrics.shard_users.set(len(roster.shard))

    def _put(self, user: User) -> None:
        self.roster.put(user, self.lists.floor(user.listed) if user.listed is not None else 0.0)
        if not user.is_active:
            self.making.pop(user.user_id, None)
            self.waiting.pop(user.user_id, None)


def _hold(positions: dict[int, int], waiting: Iterable[At]) -> None:
    """No position beyond what waits."""
    for at in waiting:
        positions[at.partition] = min(positions.get(at.partition, at.offset), at.offset)
