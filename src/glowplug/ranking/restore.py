"""The users of partitions that were given to us, from the log: remembered, then checked against what is now."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter

from glowplug.errors import Poison
from glowplug.events import MARK_KEY, UserMark, UserProfile, UserState, UserVector
from glowplug.ranking.catalogue import Catalogue
from glowplug.ranking.changes import Change, ItemChange
from glowplug.ranking.lists import Lists
from glowplug.ranking.mark import Mark, mark_of
from glowplug.ranking.priors import Priors
from glowplug.ranking.user import Listed, User, from_state
from glowplug.settings import RankingSettings
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.step import Record

VECTOR: TypeAdapter[UserVector] = TypeAdapter(UserVector)
PROFILE: TypeAdapter[UserProfile] = TypeAdapter(UserProfile)
STATE: TypeAdapter[UserState | UserMark] = TypeAdapter(Annotated[UserState | UserMark, Field(discriminator="type")])
log = logging.getLogger(__name__)


class Remembered:
    """Folds restored records, in any order of topics.

    marks: by user partition, how far item changes are in its lists. vouched: users whom
    user-states calls active; one of them who is missing from user-vectors in the end was deleted.
    """

    def __init__(self, settings: RankingSettings) -> None:
        self._settings = settings
        self._users: dict[str, User] = {}
        self._vouched: set[str] = set()
        self.marks: dict[int, Mark] = {}

    def read(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                self._read(record)
            except Poison as error:
                # Written by ourselves, or answered with a dead letter when it was first read.
                log.error("%s/%d@%d left out: %s", record.topic, record.partition, record.offset, error)

    def take(self, partitions: Iterable[int]) -> list[tuple[User, bool]]:
        """The users of these partitions, and whether user-states vouched for each; here they are forgotten."""
        wanted = set(partitions)
        taken = [user for user in self._users.values() if user.partition in wanted]
        for user in taken:
            del self._users[user.user_id]
        found = [(user, user.user_id in self._vouched) for user in taken]
        self._vouched.difference_update(user.user_id for user in taken)
        return found

    def forget(self, partitions: Iterable[int]) -> None:
        self.take(partitions)
        for partition in partitions:
            self.marks.pop(partition, None)

    def _read(self, record: Record) -> None:
        if record.topic == "user_states":
            state = decode(record, STATE, lambda value: MARK_KEY if isinstance(value, UserMark) else value.user_id)
            if isinstance(state, UserMark):
                self.marks[record.partition] = mark_of(state)
            elif isinstance(state, UserState):
                known = self._known(state.user_id, record.partition)
                user = from_state(state, record.partition, self._settings)
                self._put(replace(user, said=known.said, profile=known.profile, blocked=known.blocked))
                (self._vouched.add if state.status == "active" else self._vouched.discard)(user.user_id)
            else:  # forgotten; what they said since stays
                known = self._known(state.id, record.partition)
                self._put(User(state.id, record.partition, known.said, known.profile, blocked=known.blocked))
                self._vouched.discard(state.id)
        elif record.topic == "user_vectors":
            said = decode(record, VECTOR, lambda value: value.user_id)
            if isinstance(said, Tombstone):
                self._put(replace(self._known(said.id, record.partition), said=None))
            else:
                self._put(told(self._known(said.user_id, record.partition), said))
        else:
            profile = decode(record, PROFILE, lambda value: value.user_id)
            user_id = profile.id if isinstance(profile, Tombstone) else profile.user_id
            self._put(profiled(self._known(user_id, record.partition), profile))

    def _known(self, user_id: str, partition: int) -> User:
        return self._users.get(user_id) or User(user_id, partition)

    def _put(self, user: User) -> None:
        self._users[user.user_id] = user


def resumed(user: User, lists: Lists, catalogue: Catalogue, priors: Priors) -> Listed | None:
    """The list that user-states remembers, if everything that it was made from is as it was; else None.

    Items changed since the mark are not looked at: they are matched with the list like any other change.
    """
    stored = user.stored
    space = (catalogue.fingerprint, catalogue.head_fingerprint, priors.current.epoch)
    if stored is None or (stored.encoder, stored.head, stored.epoch) != space:
        return None
    side = lists.side(user)
    if not np.array_equal(stored.vector, side.vector):
        return None
    if any(hit.item_id not in catalogue.index for hit in stored.raw):
        return None
    return lists.listed(side, stored.raw)


def changes_since(mark: Mark, partition: int, catalogue: Catalogue) -> Iterator[ItemChange]:
    """What the items past the mark ask of the lists of the user partition. Deleted ones show in the lists."""
    for item in catalogue:
        if item.at.offset >= mark.matched.get(item.at.partition, 0):
            listed: Change = "created" if item.listed_at == item.event_time else "updated"
            change: Change = listed if item.available else "withdrawn"
            only = frozenset({partition})
            is_announced = item.named_at.offset < mark.announced.get(item.at.partition, 0)
            covers = {item.event_id: frozenset[int]() if is_announced else only}
            at = item.at if is_announced else item.named_at  # where the next mark waits for it
            yield ItemChange(item.item_id, change, True, covers, item.event_time, at, only)


def told(user: User, said: UserVector) -> User:
    """The user after they said something about themselves."""
    return replace(user, said=said, blocked=frozenset(said.blocked_items))


def surviving(user: User, said: UserVector) -> User:
    """What is left of the user by the time they say this: of who was deleted before, nothing older.

    Not for a restore, where what they said comes in any order with the state that it led to.
    """
    gone = user.version if user.deleted else said.deleted_before
    known = user.said.source.version if user.said else user.version
    if not user.deleted and (gone is None or known is None or known > gone):
        return user
    is_newer = user.profile is not None and gone is not None and user.profile.source.version > gone
    return User(user.user_id, user.partition, profile=user.profile if is_newer else None)


def profiled(user: User, profile: UserProfile | Tombstone) -> User:
    """The user after something was inferred about them, or that was taken back; the same object where lists cannot
    tell the difference. A pending one changes nothing; it says what the last ready one said, for a restart after
    compaction has removed that."""
    after = None if isinstance(profile, Tombstone) else profile
    if after is not None and after.state == "pending" and user.profile is not None:
        return user
    return user if _says(after) == _says(user.profile) else replace(user, profile=after)


def _says(profile: UserProfile | None) -> object:
    """All of a profile that lists depend on."""
    if profile is None or profile.embedding is None or (profile.vector is None and profile.avoid_vector is None):
        return None
    claims = (profile.interests, profile.preferences, profile.avoid)
    return profile.embedding.fingerprint, profile.vector, profile.avoid_vector, claims
