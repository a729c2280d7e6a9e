"""What one batch of the recommender changes: collected while it is worked, applied once it is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from glowplug.events import MARK_KEY, Epoch, Event, ItemAudience, ItemCount, ItemPrior, Recommendations, UserProfile
from glowplug.observe import metrics
from glowplug.ranking.changes import ItemChange
from glowplug.ranking.counts import Count
from glowplug.ranking.lists import Trigger
from glowplug.ranking.mark import Mark
from glowplug.ranking.roster import Roster
from glowplug.ranking.tables import stat_key
from glowplug.ranking.user import Listed, User, to_state
from glowplug.stream.decode import Tombstone
from glowplug.stream.step import Batch, Outgoing, Record

UNTIMED = ("import", "head", "prior")  # reasons that are no event: there is no delay to measure


@dataclass(slots=True)
class Draft:
    """users: new values, over the roster's. touched: users with events of their own, and why their list is made.
    waiting: None takes a user out of it. marks: by user partition, how far item changes are in its lists.
    later: users whose list is made in one of the next batches. causes: the record that touched a user.
    forgotten: users whose record is dropped: deleted long ago, or never there.
    imports: every list of partitions without a mark is to be made anew, once."""

    batch: Batch
    roster: Roster
    users: dict[str, User] = field(default_factory=dict)
    touched: dict[str, Trigger] = field(default_factory=dict)
    counts: dict[tuple[int, str], Count] = field(default_factory=dict)
    matched: Sequence[ItemChange] = ()
    windows: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, Trigger | None] = field(default_factory=dict)
    audiences: list[ItemAudience] = field(default_factory=list)
    events: dict[str, Recommendations] = field(default_factory=dict)
    stats: list[ItemPrior | Epoch] = field(default_factory=list)
    marks: dict[int, Mark] = field(default_factory=dict)
    stale: int = 0
    later: set[str] = field(default_factory=set)
    causes: dict[str, Record] = field(default_factory=dict)
    forgotten: Sequence[User] = ()
    imports: bool = False
    closed: int = 0

    def user(self, user_id: str) -> User | None:
        return self.users.get(user_id) or self.roster.get(user_id)

    def touch(self, user: User, trigger: Trigger, cause: Record) -> None:
        self.users[user.user_id] = user
        self.causes[user.user_id] = cause
        self.touched[user.user_id] = trigger.joined(self.touched.get(user.user_id))

    def await_return(self, user: User, profile: UserProfile | Tombstone) -> None:
        """A profile of who was deleted: one of their next life waits for its vector, a late one is nothing."""
        is_late = not isinstance(profile, Tombstone) and (
            user.version is None or profile.source.version <= user.version
        )
        if not is_late:
            self.users[user.user_id] = user

    def delete(self, user: User) -> None:
        self.users[user.user_id] = user
        self.touched.pop(user.user_id, None)
        self.waiting[user.user_id] = None

    def keep(self, user: User, listed: Listed) -> None:
        """Another raw list behind the same published one."""
        self.users[user.user_id] = user.with_list(listed)
        self.waiting[user.user_id] = None

    def postpone(self, user_id: str, trigger: Trigger) -> None:
        """The list is made anew in one of the next batches, and says then why."""
        self.later.add(user_id)
        self.waiting[user_id] = trigger

    def wait(self, user: User, listed: Listed, trigger: Trigger) -> None:
        self.users[user.user_id] = user.with_list(listed)
        self.waiting[user.user_id] = trigger

    def publish(self, user: User, listed: Listed, event: Recommendations) -> None:
        self.users[user.user_id] = replace(
            user.with_list(listed), published=tuple(item.item_id for item in event.items)
        )
        self.events[user.user_id] = event
        self.waiting[user.user_id] = None

    def close(self, stats: list[ItemPrior | Epoch]) -> None:
        self.stats = stats
        self.closed = max(stat.epoch for stat in stats)

    def outgoing(self, encoder: str, head: str = "") -> tuple[Outgoing, ...]:
        """States, lists, audiences, counts, and an epoch after its priors."""
        records: list[Outgoing] = []
        for user_id, user in self.users.items():
            event = self.events.get(user_id)
            cause = self.causes.get(user_id)
            records.append(_record("user_states", user_id, to_state(user, encoder, self.batch.now, head), cause))
            if event is not None:
                records.append(_record("recommendations", user_id, event, cause))
            elif user.deleted:
                records.append(Outgoing("recommendations", user_id, None))
        records += [Outgoing("user_states", user.user_id, None) for user in self.forgotten]
        for partition, mark in self.marks.items():
            written = _record("user_states", MARK_KEY, mark.event(partition, self.batch.now))
            records.append(replace(written, partition=partition))
        records += [_record("item_audiences", audience.item_id, audience) for audience in self.audiences]
        for (partition, item_id), count in self.counts.items():
            stat = ItemCount(partition=partition, item_id=item_id, count=count.weight, as_of=count.as_of)
            records.append(_record("item_stats", stat_key(stat), stat))
        # One partition, so that every reader has all priors of an epoch before the epoch itself.
        records += [replace(_record("item_stats", stat_key(stat), stat), partition=0) for stat in self.stats]
        return tuple(records)

    def observe(self) -> None:
        metrics.stale_inputs.labels("recommender").inc(self.stale)
        for event in self.events.values():
            if event.covers and event.reason not in UNTIMED:
                delay = (event.generated_at - event.source_event_time).total_seconds()
                metrics.freshness.labels(event.stage, event.reason).observe(max(0.0, delay))


def _record(topic: str, key: str, event: Event, cause: Record | None = None) -> Outgoing:
    return Outgoing(topic, key, event.model_dump_json().encode(), cause=cause)
