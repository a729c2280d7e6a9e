"""The recommender's state: tables, users and what waits. It moves here and nowhere else; a step only reads it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import TypeAdapter

from glowplug.errors import Poison
from glowplug.events import Reason, UserProfile, UserState, UserVector
from glowplug.observe import metrics
from glowplug.ranking.draft import Draft
from glowplug.ranking.fold import DecayedAverages
from glowplug.ranking.lists import Lists, Trigger
from glowplug.ranking.priors import BEGINNING, is_due
from glowplug.ranking.roster import Roster
from glowplug.ranking.tables import Tables
from glowplug.ranking.user import User, from_state
from glowplug.settings import RankingSettings
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.step import Batch, Record

DEFERRED_S = 0.05  # until matching that waits for a backlog looks again
VECTOR: TypeAdapter[UserVector] = TypeAdapter(UserVector)
PROFILE: TypeAdapter[UserProfile] = TypeAdapter(UserProfile)
STATE: TypeAdapter[UserState] = TypeAdapter(UserState)
log = logging.getLogger(__name__)


class State:
    """making: users whose list is to be made anew in the background, and why. windows: until when (monotonic
    seconds) item-caused lists of a user wait; waiting: users with such a list. import_due: every list is to be made
    anew once the log is read in."""

    def __init__(self, settings: RankingSettings) -> None:
        self._settings = settings
        self._remembered: set[str] = set()  # restored as active, not yet seen in user-vectors
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
        self.import_due = False

    def restore(self, records: Sequence[Record]) -> None:
        """Own user-states, and the user-vectors and user-profiles they were made from, in any order of topics."""
        for record in records:
            try:
                self._restore(record)
            except Poison as error:
                # Written by ourselves, or answered with a dead letter when it was first read.
                log.error("%s/%d@%d left out: %s", record.topic, record.partition, record.offset, error)

    def absorb(self, records: Sequence[Record]) -> None:
        self.tables.absorb(records, self.partitions)
        self._settle()

    def assigned(self, partitions: frozenset[int]) -> None:
        self.partitions |= partitions
        for user_id in self._remembered:
            user = self.roster.get(user_id)
            if user is not None and user.said is None:  # gone from user-vectors: deleted while nobody looked
                self._put(User(user_id, user.partition, deleted=True))
        self._remembered.clear()
        if not len(self.roster.shard):
            self.tables.priors.skip()
            self.tables.catalogue.write_priors(self.tables.priors, self.tables.priors.current.epoch)
        self.import_due = True
        self._settle()

    def revoked(self, partitions: frozenset[int]) -> None:
        self.partitions -= partitions
        for user in self.roster:
            if user.partition in partitions:
                self.roster.drop(user.user_id)
                self.making.pop(user.user_id, None)
                self.windows.pop(user.user_id, None)
                self.waiting.pop(user.user_id, None)
        self._settle()

    def apply(self, draft: Draft) -> None:
        tables = self.tables
        for (partition, item_id), count in draft.counts.items():
            tables.counts.put(partition, item_id, count)
        for change in draft.matched:
            tables.pending.pop(change.item_id, None)
        for user in draft.users.values():
            self._put(user)
            if user.listed is None or user.listed.epoch == tables.priors.current.epoch:
                self.making.pop(user.user_id, None)
        self.windows.update(draft.windows)
        for user_id, trigger in draft.waiting.items():
            if trigger is None:
                self.waiting.pop(user_id, None)
            else:
                self.waiting[user_id] = trigger
        if draft.imports:
            tables.pending.clear()
            self.import_due = False
            self.making.update({user.user_id: "import" for user in self.roster if user.is_active})
        self._closed = max(self._closed, draft.closed)
        self._last = draft.batch
        self._settle()

    def due(self) -> float | None:
        """When there is something to do without records."""
        if not self.partitions:
            return None
        if self.may_close(self._last):
            return 0.0
        if self.making or self.tables.pending or self.import_due:
            return self._last.monotonic + DEFERRED_S if self.is_deferred(self._last) else 0.0
        return min((self.windows.get(user_id, 0.0) for user_id in self.waiting), default=None)

    def is_deferred(self, batch: Batch) -> bool:
        """Item changes wait while the log is still being read in, or a burst of them is."""
        return not batch.caught_up or batch.behind > self._settings.import_lag

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

    def _restore(self, record: Record) -> None:
        if record.topic == "user_states":
            state = decode(record, STATE, lambda value: value.user_id)
            if isinstance(state, Tombstone):
                return
            user, known = from_state(state, record.partition, self._settings), self.roster.get(state.user_id)
            if known is not None and not user.deleted:
                user = replace(user, said=known.said, profile=known.profile, blocked=known.blocked)
            (self._remembered.add if state.status == "active" else self._remembered.discard)(user.user_id)
            self._put(user)
        elif record.topic == "user_vectors":
            said = decode(record, VECTOR, lambda value: value.user_id)
            if isinstance(said, Tombstone):
                self._put(replace(self._known(said.id, record), said=None))
            else:
                self._put(told(self._known(said.user_id, record), said))
        else:
            profile = decode(record, PROFILE, lambda value: value.user_id)
            if isinstance(profile, Tombstone):
                self._put(replace(self._known(profile.id, record), profile=None))
            else:
                self._put(replace(self._known(profile.user_id, record), profile=profile))

    def _known(self, user_id: str, record: Record) -> User:
        return self.roster.get(user_id) or User(user_id, record.partition)

    def _settle(self) -> None:
        """Follow the tables: into another vector space, into another epoch."""
        tables, roster = self.tables, self.roster
        if tables.catalogue.outgrown:
            tables.catalogue.rebuild(tables.priors)
        if self._space != tables.catalogue.fingerprint:
            self._space = tables.catalogue.fingerprint
            roster.clear_lists(tables.catalogue.layout.dim)
            self.waiting.clear()
            self.making = {user.user_id: "import" for user in roster if user.is_active}
        if not self.making:
            tables.priors.settle()
        while tables.priors.can_advance:
            epoch = tables.priors.advance()
            tables.catalogue.write_priors(tables.priors, epoch)
            metrics.epoch.set(epoch)
            for user in roster:
                if user.is_active and user.listed is not None:
                    self.making.setdefault(user.user_id, "prior")
            if not self.making:
                tables.priors.settle()
        metrics.index_items.set(len(tables.catalogue.index))
        metrics.shard_users.set(len(roster.shard))

    def _put(self, user: User) -> None:
        self.roster.put(user, self.lists.floor(user.listed) if user.listed is not None else 0.0)


def told(user: User, said: UserVector) -> User:
    """The user after they said something about themselves."""
    return replace(user, said=said, blocked=frozenset(said.blocked_items))
