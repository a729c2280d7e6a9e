"""The recommender's state: tables, users and what waits. It moves here and nowhere else; a step only reads it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from glowplug.events import Reason
from glowplug.heads.following import Following
from glowplug.observe import metrics
from glowplug.ranking.draft import Draft
from glowplug.ranking.fading import Fading
from glowplug.ranking.fold_with_head import WithHead
from glowplug.ranking.lists import Lists, Trigger
from glowplug.ranking.mark import Mark
from glowplug.ranking.priors import BEGINNING, is_due
from glowplug.ranking.restore import Remembered, changes_since, resumed
from glowplug.ranking.roster import Roster
from glowplug.ranking.tables import Tables
from glowplug.ranking.user import User
from glowplug.settings import RankingSettings
from glowplug.stream.step import Batch, Record

log = logging.getLogger(__name__)
DEFERRED_S = 0.05  # until matching that waits for a backlog looks again


class State:
    """making: users whose list is to be made anew in the background, and why.
    windows: until when (monotonic seconds) item-caused lists of a user wait; waiting: users with such a list.
    to_import: partitions without a mark, all of whose lists are made anew once the log is read in.
    missing: users who seem to have been deleted while nobody looked; told once the log is read in.
    marks: by user partition, how far item changes are in its lists, as the log has it.
    heads: which head is to serve.
    """

    def __init__(self, settings: RankingSettings, *, is_threaded: bool = True) -> None:
        """is_threaded: see Following."""
        self._settings = settings
        self.heads = Following(settings.heads, is_threaded=is_threaded)
        self._remembered = Remembered(settings)
        self._space = ("", "")
        self._fading = Fading(timedelta(days=settings.forget_days))
        self._closed = 0  # the last epoch written here
        self._last = Batch((), BEGINNING, 0.0, caught_up=False)
        self.tables = Tables(settings)
        self.roster = Roster(self.tables.catalogue.layout.dim)
        self.lists = Lists(self.tables.catalogue, self.tables.priors, WithHead(settings), settings)
        self.partitions: set[int] = set()
        self.making: dict[str, Reason] = {}
        self.windows: dict[str, float] = {}
        self.waiting: dict[str, Trigger] = {}
        self.to_import: set[int] = set()
        self.missing: set[str] = set()
        self.marks: dict[int, Mark] = {}

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
            self.heads.catch_up(tables.catalogue)
            self._settle()
        self.partitions |= partitions
        users = self._remembered.take(partitions)
        for user, is_vouched in users:
            self._resume(user, is_vouched)
        self._fading.restore({u.user_id: u.since for u, vouched in users if u.since and not (u.said or vouched)})
        for partition in partitions:
            mark = self._remembered.marks.pop(partition, None)
            if mark is None or mark.rules != tables.rules.fingerprint:
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
                self._drop(user.user_id)
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
            if user.is_active:
                self._fading.drop(user.user_id)
            else:
                self._fading.put(user.user_id, draft.batch.now)
            if user.listed is None or user.listed.epoch == tables.priors.current.epoch:
                self.making.pop(user.user_id, None)
        for user in draft.forgotten:
            self._drop(user.user_id)
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
        self.heads.tend(draft.batch.monotonic, tables.catalogue)
        self._settle()

    # ---- what a step asks ----------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When there is something to do without records."""
        if not self.partitions:
            return None
        times = [self._lists_due(), 0.0 if self.heads.is_ready else self.heads.looks_at]
        return min((time for time in times if time is not None), default=None)

    def _lists_due(self) -> float | None:
        ends = [self.windows.get(user_id, 0.0) for user_id in self.waiting]
        forgets_in = self._fading.next_in(self._last.now)
        if forgets_in is not None:
            ends.append(self._last.monotonic + forgets_in)
        waits_until = min(ends, default=None)
        has_work = bool(self.making or self.tables.pending or self.to_import or self.missing)
        if self.is_deferred(self._last) and (has_work or waits_until is not None):
            return self._last.monotonic + DEFERRED_S
        return 0.0 if has_work or self.may_close(self._last) else waits_until

    def to_forget(self, now: datetime) -> Iterator[User]:
        """Deleted users, and some who never arrived, whose record has been kept long enough."""
        users = map(self.roster.get, self._fading.over(now))
        return (user for user in users if user is not None)

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

    def count_waiting(self) -> float:
        """Remembered interactions with items that are not known."""
        catalogue = self.tables.catalogue
        return float(sum(n for item_id, n in self.roster.met_items() if catalogue.get(item_id) is None))

    # ---- parts ---------------------------------------------------------------------------------------------

    def _drop(self, user_id: str) -> None:
        self.roster.drop(user_id)
        for of_users in (self.making, self.windows, self.waiting):
            of_users.pop(user_id, None)
        self.missing.discard(user_id)
        self._fading.drop(user_id)

    def _resume(self, user: User, is_vouched: bool) -> None:
        """A restored user with the list they had, if it still is what it would be; else it is made anew."""
        if user.deleted or user.said is None:
            # Missing from user-vectors: deleted, or their next record is still to be read.
            gone = User(user.user_id, user.partition, deleted=True, version=user.version)
            self._put(gone if user.deleted else user)
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
        catalogue = tables.catalogue
        if catalogue.outgrown:
            catalogue.rebuild(tables.priors, catalogue.head)
        switch = self.heads.take()
        if switch is not None and (switch.head is None or catalogue.fits(switch.head)):
            catalogue.rebuild(tables.priors, switch.head, switch.blocks)
        if self._space != catalogue.space:
            reason: Reason = "head" if self._space[0] == catalogue.fingerprint else "import"
            if self._space[1] != catalogue.head_fingerprint:
                self._told_of_head()
            self._space = catalogue.space
            roster.clear_lists(catalogue.layout.dim)
            if reason == "import":
                self.waiting.clear()  # else what waits is told by the lists made anew
            self.making = dict.fromkeys(self._active(self.partitions), reason)
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

    def _told_of_head(self) -> None:
        fingerprint = self.tables.catalogue.head_fingerprint
        log.info("%s serves from now on", fingerprint or "no head")
        metrics.head_switches.inc()
        metrics.head.clear()
        metrics.head.labels(fingerprint or "none").set(1)

    def _put(self, user: User) -> None:
        self.roster.put(user, self.lists.floor(user.listed) if user.listed is not None else 0.0)
        if not user.is_active:
            self.making.pop(user.user_id, None)
            self.waiting.pop(user.user_id, None)
