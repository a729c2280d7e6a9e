"""user-vectors, user-profiles, interactions and all items in; recommendations and audiences out.

A batch goes through five stages, each a method below: fold the users' own events, match changed items with lists
(reverse top-k), publish what waited for the end of a user's window, make lists anew in the background, and, in
the instance that owns partition 0, close an epoch of the priors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from pydantic import TypeAdapter

from glowplug.errors import Poison
from glowplug.events import Interaction, ItemAudience, Reason
from glowplug.inference.encoder import TextEncoder
from glowplug.observe import metrics
from glowplug.observe.health import Condition
from glowplug.ranking.changes import ItemChange
from glowplug.ranking.draft import Draft
from glowplug.ranking.lists import Trigger
from glowplug.ranking.mark import ANEW, new_marks
from glowplug.ranking.matching import Moved, audience, entered, match, trigger_of
from glowplug.ranking.memory import remember, weight_of
from glowplug.ranking.restore import PROFILE, VECTOR, profiled, surviving, told
from glowplug.ranking.state import State
from glowplug.ranking.user import Listed, User
from glowplug.settings import Settings
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.main import run_alone
from glowplug.stream.step import Batch, Context, DeadLetter, Effects, Record, Tail, Until
from glowplug.stream.versions import tombstone_version

MATCHED_AT_ONCE = 64  # item changes in one reverse top-k: one score block, tens of milliseconds for 100k users
MOVED_AT_ONCE = 256  # lists that items change in one batch: a second at most; the others follow in the next ones
MADE_BUSY, MADE_IDLE = 16, 64  # lists made anew in the background beside other work, and without any
_interaction: TypeAdapter[Interaction] = TypeAdapter(Interaction)


class Recommender:
    """A stream.step.Step over ranking.state.State."""

    name = "recommender"
    tables: Mapping[str, Tail] = {"item_vectors": "tail", "item_stats": "tail"}
    restores: Mapping[str, Until] = {
        "user_states": "end",
        "user_vectors": "committed",
        "user_profiles": "committed",
    }

    def __init__(self, settings: Settings, *, is_threaded: bool = True) -> None:
        """is_threaded: whether a promoted head is loaded beside the work."""
        self._settings = settings.ranking
        self._interactions = "interactions_rekeyed" if settings.kafka.rekey_interactions else "interactions"
        self.inputs = ("user_vectors", "user_profiles", self._interactions)
        self.relieves = {} if settings.kafka.rekey_interactions else {"interactions": "interaction_rekeyer"}
        self._state = State(settings.ranking, is_threaded=is_threaded)
        self.restore, self.absorb = self._state.restore, self._state.absorb
        self.assigned, self.revoked = self._state.assigned, self._state.revoked
        self.due = self._state.due

    def open(self, _context: Context) -> None:
        """Raises BadSettings where heads are wanted and cannot be read by what is installed."""
        self._state.heads.open()
        metrics.waiting_interactions.set_function(self._state.count_waiting)

    def condition(self) -> Condition:
        refusal = self._state.heads.refusal
        return Condition("degraded", refusal) if refusal else Condition("ok")

    def apply(self, changes: Draft) -> None:
        self._state.apply(changes)
        changes.observe()

    def step(self, batch: Batch) -> Effects[Draft]:
        draft = Draft(batch, self._state.roster)
        dead: list[DeadLetter] = []
        for record in batch.records:
            try:
                self._fold(record, draft)
            except Poison as error:
                dead.append(DeadLetter(record, error))
        for user_id, trigger in draft.touched.items():
            self._publish(draft, user_id, None, trigger)
        if not self._state.is_deferred(batch):
            if self._state.to_import:
                draft.imports = True
            else:
                self._match(draft)
                self._release(draft)
            self._make(draft)
            for user_id in islice(self._state.missing - draft.users.keys(), MADE_IDLE):
                user = self._state.roster.get(user_id)
                if user is not None:
                    draft.delete(User(user_id, user.partition, deleted=True, version=user.version))
            kept = (user for user in self._state.to_forget(batch.now) if user.user_id not in draft.users)
            draft.forgotten = tuple(islice(kept, MADE_IDLE))
        if self._state.may_close(batch):
            tables = self._state.tables
            draft.close(
                tables.counts.close(tables.priors.newest, self._state.watermark(batch.now), tables.catalogue)
            )
        draft.marks = new_marks(self._state, draft)
        return Effects(draft, draft.outgoing(*self._state.tables.catalogue.space), tuple(dead))

    def _fold(self, record: Record, draft: Draft) -> None:
        """One event of a user: what they said, what was inferred, what they did."""
        if record.topic == self._interactions:
            self._fold_interaction(record, draft)
        elif record.topic == "user_vectors":
            said = decode(record, VECTOR, lambda value: value.user_id)
            user = draft.user(said.id if isinstance(said, Tombstone) else said.user_id)
            if isinstance(said, Tombstone):
                version = tombstone_version(record.headers)
                draft.delete(User(said.id, record.partition, deleted=True, version=version))
                return
            reason: Reason = "user.updated" if user is not None and user.is_active else "user.created"
            trigger = Trigger(reason, (said.source.event_id,), said.source.event_time)
            user = surviving(user or User(said.user_id, record.partition), said)
            draft.touch(told(user, said), trigger, record)
        else:
            profile = decode(record, PROFILE, lambda value: value.user_id)
            user_id = profile.id if isinstance(profile, Tombstone) else profile.user_id
            before = draft.user(user_id) or User(user_id, record.partition)
            after = profiled(before, profile)
            if after is before:
                return
            if before.deleted:
                draft.await_return(after, profile)
                return
            trigger = Trigger("profile", (), draft.batch.now)
            if not isinstance(profile, Tombstone):
                trigger = Trigger("profile", (profile.source.event_id,), profile.source.event_time)
            draft.touch(after, trigger, record)

    def _fold_interaction(self, record: Record, draft: Draft) -> None:
        event = decode(record, _interaction, lambda value: value.user_id)
        if isinstance(event, Tombstone):
            return  # interactions are no state: there is nothing that a null value could delete
        user = draft.user(event.user_id) or User(event.user_id, record.partition)
        memory = None if user.deleted else remember(user.memory, event, self._settings)
        if memory is None:
            draft.stale += 1
            return
        trigger = Trigger("interaction", (event.event_id,), event.event_time)
        draft.touch(replace(user, memory=memory), trigger, record)
        weight = weight_of(event.action, event.value, self._settings)
        if weight > 0:
            key = (record.partition, event.item_id)
            count = draft.counts.get(key) or self._state.tables.counts.get(*key)
            draft.counts[key] = self._state.tables.counts.plus(
                count, weight, min(event.event_time, draft.batch.now)
            )

    def _match(self, draft: Draft) -> None:
        """Turn item changes into lists. What was withdrawn goes first: no list may go out that still holds it."""
        pending = self._state.tables.pending.values()
        changes = [change for change in pending if change.change == "withdrawn"]
        changes += islice((change for change in pending if change.change != "withdrawn"), MATCHED_AT_ONCE)
        draft.matched = changes
        catalogue = self._state.tables.catalogue
        fresh = {user_id for user_id, reason in self._state.making.items() if reason in ANEW}
        moved = match(
            changes,
            self._state.tables.pending,
            self._state.roster,
            catalogue,
            self._state.lists,
            self._settings,
            {*fresh, *draft.users},
        )
        # Those who see something withdrawn first.
        moved.sort(key=lambda one: one.trigger.reason != "item.withdrawn")
        for one in moved[:MOVED_AT_ONCE]:
            self._publish_moved(draft, one)
        for one in moved[MOVED_AT_ONCE:]:
            draft.postpone(one.user.user_id, one.trigger.joined(self._state.waiting.get(one.user.user_id)))
        for change in changes:
            if change.change == "created" or (change.change == "updated" and change.moved):
                self._announce(draft, change)

    def _publish_moved(self, draft: Draft, moved: Moved) -> None:
        user, listed = moved.user, moved.listed
        trigger = moved.trigger.joined(self._state.waiting.get(user.user_id))
        if listed.shown == user.published:
            draft.keep(user, listed)
        elif self._holds_withdrawn(user) or draft.batch.monotonic >= self._state.windows.get(user.user_id, 0.0):
            self._publish(draft, user.user_id, listed, trigger)
            draft.windows[user.user_id] = draft.batch.monotonic + self._settings.window_s
        else:
            draft.wait(user, listed, trigger)

    def _holds_withdrawn(self, user: User) -> bool:
        return any(item_id not in self._state.tables.catalogue.index for item_id in user.published or ())

    def _announce(self, draft: Draft, change: ItemChange) -> None:
        for partition in sorted(filter(change.concerns, self._state.partitions)):
            news = change.news_for(partition)
            users = news and audience(
                change, partition, self._state.roster, self._state.tables.catalogue, self._settings.audience_size
            )
            if users:
                draft.audiences.append(
                    ItemAudience(
                        item_id=change.item_id,
                        partition=partition,
                        users=tuple(users),
                        users_in_partition=self._state.roster.shard.users_in(partition),
                        encoder=self._state.tables.catalogue.fingerprint,
                        head=self._state.tables.catalogue.head_fingerprint or None,
                        covers=news,
                        source_event_time=change.event_time,
                        generated_at=draft.batch.now,
                    )
                )

    def _release(self, draft: Draft) -> None:
        """Publish the lists whose window ends."""
        for user_id, trigger in self._state.waiting.items():
            user = draft.user(user_id)
            if self._state.making.get(user_id) in ANEW:
                continue  # made anew there, and then sent with this trigger
            ended = draft.batch.monotonic >= self._state.windows.get(user_id, 0.0)
            if ended and user_id not in draft.users and user_id not in draft.later and user and user.listed:
                self._publish(draft, user_id, user.listed, trigger)
                draft.windows[user_id] = draft.batch.monotonic + self._settings.window_s

    def _make(self, draft: Draft) -> None:
        """Make some lists anew in the background; only those that differ from the last published go out."""
        limit = MADE_BUSY if draft.batch.records or draft.matched else MADE_IDLE
        todo = ((user_id, reason) for user_id, reason in self._state.making.items() if user_id not in draft.users)
        for user_id, reason in islice(todo, limit):
            user = draft.user(user_id)
            if user is None or not user.is_active:
                continue
            listed = self._state.lists.make(user)
            if listed.shown == user.published:
                draft.keep(user, listed)
            else:
                trigger = Trigger(reason, (), draft.batch.now).joined(self._state.waiting.get(user_id))
                self._publish(draft, user_id, listed, trigger)

    def _publish(self, draft: Draft, user_id: str, listed: Listed | None, trigger: Trigger) -> None:
        user = draft.user(user_id)
        if user is None or not user.is_active:
            return
        if user_id in draft.touched:  # the list answers what waited as well
            trigger = trigger.joined(self._state.waiting.get(user_id))
        if listed is None:
            listed = self._state.lists.make(user)
            because = entered(user, listed, self._state.tables.pending) if user.published is not None else []
            trigger = trigger_of(because, user.partition).joined(trigger) if because else trigger
        draft.publish(user, listed, self._state.lists.event(user, listed, trigger, draft.batch.now))


def make(settings: Settings, encoder: TextEncoder | None = None) -> Recommender:  # noqa: ARG001  one signature for all
    return Recommender(settings)


def main() -> None:
    run_alone(make)


if __name__ == "__main__":
    main()
