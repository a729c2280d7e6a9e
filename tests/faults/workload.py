"""A seed → an endless mix of valid and invalid inputs, each labelled with what has to become of it. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

from glowplug.events import MAX_TEXT_CHARS

LABEL = "fault-suite"  # header of every input: VALID, or the cause that its dead letter has to name
VALID = "valid"
START = datetime(2026, 1, 1, tzinfo=UTC)  # the past, so that no event time is cut off at the present
APART = timedelta(seconds=90)  # between event times: a day, and with it an epoch of the priors, every 960 events
LATE = timedelta(hours=2)  # how much older than its forerunners an interaction may be
MOST_USERS, MOST_ITEMS = 24, 60  # alive: more users than lists change at once, more items than a raw list holds
REMEMBERED = 20  # of a user's interactions, those that may be repeated: well within ranking.history
WAITING = 4  # ids that were acted with before they are created
SUBJECTS = (
    "astronomy", "sourdough bread", "trail running", "jazz piano", "chess endgames", "urban gardening",
    "old cameras", "sailing", "knitting", "mountain huts", "street food", "board games", "birdsong", "wood carving",
    "关于天文的书", "日本の庭園", "Vollkornbrot backen", "vélos de course",
)  # fmt: skip
ACTIONS = ("view", "click", "like", "like", "purchase", "dislike", "skip", "rating")


@dataclass(frozen=True, slots=True)
class Sent:
    """One record to send. topic: its logical name. label: see LABEL."""

    topic: str
    key: bytes | None
    value: bytes | None
    label: str = VALID


class Workload:
    """The same seed gives the same records. All ids begin with the seed, so that worlds can be told apart."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._seed = seed
        self._made = 0
        self._users: list[str] = []
        self._items: list[str] = []
        self._hidden: list[str] = []  # items that are not available
        self._gone_users: list[str] = []
        self._gone_items: list[str] = []
        self._early: dict[str, list[str]] = {"users": [], "items": []}
        self._acted: dict[str, list[Sent]] = {}
        self._kinds = list(chain.from_iterable(repeat(kind, weight) for kind, weight in self._weights()))

    def take(self, count: int) -> list[Sent]:
        """The next `count` records."""
        return [self._next() for _ in range(count)]

    def _weights(self) -> tuple[tuple[Callable[[], Sent], int], ...]:
        return (
            (self._interact, 30),
            (self._create_user, 6),
            (self._create_item, 8),
            (self._update_user, 4),
            (self._update_item, 4),
            (self._delete_user, 2),
            (self._delete_item, 2),
            (self._hide_or_show, 3),
            (self._return_user, 1),
            (self._return_item, 1),
            (self._act_early, 4),
            (self._act_late, 3),
            (self._repeat, 4),
            (self._say_nothing, 1),
            (self._break, 8),
        )

    def _next(self) -> Sent:
        return self._random.choice(self._kinds)()

    # ---- valid -------------------------------------------------------------------------------------------

    def _create_user(self) -> Sent:
        if len(self._users) >= MOST_USERS and self._items:
            return self._interact()
        user_id = self._early["users"].pop(0) if self._early["users"] else self._id("u")
        self._users.append(user_id)
        return self._said("user.created", user_id)

    def _update_user(self) -> Sent:
        return self._said("user.updated", self._random.choice(self._users)) if self._users else self._create_user()

    def _return_user(self) -> Sent:
        """Deleted, and there again."""
        if not self._gone_users:
            return self._create_user()
        user_id = self._gone_users.pop(self._random.randrange(len(self._gone_users)))
        self._users.append(user_id)
        return self._said("user.created", user_id)

    def _delete_user(self) -> Sent:
        if not self._users:
            return self._create_user()
        user_id = self._users.pop(self._random.randrange(len(self._users)))
        self._gone_users.append(user_id)
        return self._deleted("users", "user", user_id)

    def _create_item(self) -> Sent:
        if len(self._items) + len(self._hidden) >= MOST_ITEMS and self._users and self._items:
            return self._interact()
        item_id = self._early["items"].pop(0) if self._early["items"] else self._id("i")
        self._items.append(item_id)
        return self._listed("item.created", item_id)

    def _update_item(self) -> Sent:
        return (
            self._listed("item.updated", self._random.choice(self._items)) if self._items else self._create_item()
        )

    def _return_item(self) -> Sent:
        if not self._gone_items:
            return self._create_item()
        item_id = self._gone_items.pop(self._random.randrange(len(self._gone_items)))
        self._items.append(item_id)
        return self._listed("item.created", item_id)

    def _hide_or_show(self) -> Sent:
        """Withdrawn from recommendation, or back."""
        come, go = (self._hidden, self._items) if self._random.random() < 0.5 else (self._items, self._hidden)
        if not go:
            return self._create_item()
        item_id = go.pop(self._random.randrange(len(go)))
        come.append(item_id)
        return self._listed("item.updated", item_id, available=come is self._items)

    def _delete_item(self) -> Sent:
        pool = self._items or self._hidden
        if not pool:
            return self._create_item()
        item_id = pool.pop(self._random.randrange(len(pool)))
        self._gone_items.append(item_id)
        return self._deleted("items", "item", item_id)

    def _interact(self) -> Sent:
        if not self._users or not self._items:
            return self._create_user() if not self._users else self._create_item()
        # Few of the items get most of the interactions, so that counts and priors grow.
        item_id = self._items[min(self._random.randrange(len(self._items)) for _ in range(2))]
        return self._act(self._random.choice(self._users), item_id)

    def _act_early(self) -> Sent:
        """With an item, or by a user, that is not there yet."""
        kind = self._random.choice(("users", "items"))
        early = self._early[kind]
        if len(early) < WAITING:
            early.append(self._id("u" if kind == "users" else "i"))
        one = self._random.choice(early)
        if kind == "users":
            return self._act(one, self._random.choice(self._items)) if self._items else self._create_item()
        return self._act(self._random.choice(self._users), one) if self._users else self._create_user()

    def _act_late(self) -> Sent:
        """By a user who is gone."""
        if not self._gone_users or not self._items:
            return self._delete_user()
        return self._act(self._random.choice(self._gone_users), self._random.choice(self._items))

    def _repeat(self) -> Sent:
        """The same event once more."""
        acted = [user_id for user_id in self._users if self._acted.get(user_id)]
        if not acted:
            return self._interact()
        return self._random.choice(self._acted[self._random.choice(acted)][-REMEMBERED:])

    def _say_nothing(self) -> Sent:
        """An interaction that is a null value: nothing happens."""
        return Sent("interactions", (self._users[0] if self._users else self._id("u")).encode(), None)

    # ---- invalid -----------------------------------------------------------------------------------------

    def _break(self) -> Sent:
        """A record that is valid but for one thing."""
        kind = self._random.choice(("users", "items", "interactions"))
        event = self._whole(kind)
        key = event["item_id" if kind == "items" else "user_id"].encode()
        fault = self._random.choice(
            ("malformed_json", "key_mismatch", "missing_key", "schema_violation", "too_large")
        )
        if fault == "malformed_json":
            return Sent(kind, key, _json(event)[: self._random.randrange(1, 40)], fault)
        if fault == "key_mismatch":
            return Sent(kind, key + b"-other", _json(event), fault)
        if fault == "missing_key":
            # A compacted topic takes no record without a key, but one with an empty key.
            return Sent(kind, None if kind == "interactions" else b"", _json(event), fault)
        if fault == "schema_violation" or kind == "interactions":
            broken = {"event_time": "yesterday"} if self._random.random() < 0.5 else {"type": "user.promoted"}
            return Sent(kind, key, _json(event | broken), "schema_violation")
        field = "text" if kind == "users" else "description"
        return Sent(kind, key, _json(event | {field: "x" * (MAX_TEXT_CHARS + 1)}), fault)

    def _whole(self, kind: str) -> dict[str, Any]:
        if kind == "interactions":
            return self._event("interaction", user_id=self._id("u"), item_id=self._id("i"), action="like")
        if kind == "users":
            return self._event("user.created", user_id=self._id("u"), text="never to be read")
        return self._event("item.created", item_id=self._id("i"), title="never to be read")

    # ---- events ------------------------------------------------------------------------------------------

    def _act(self, user_id: str, item_id: str) -> Sent:
        action = self._random.choice(ACTIONS)
        more = {"value": round(self._random.random(), 2)} if action == "rating" else {}
        event = self._event("interaction", user_id=user_id, item_id=item_id, action=action, **more)
        late = LATE * self._random.random() if self._random.random() < 0.2 else timedelta()
        event["event_time"] = (self._now() - late).isoformat()
        sent = Sent("interactions", user_id.encode(), _json(event))
        self._acted.setdefault(user_id, []).append(sent)
        return sent

    def _said(self, kind: str, user_id: str) -> Sent:
        subjects = self._random.sample(SUBJECTS, 2)
        event = self._event(kind, user_id=user_id, text=f"I like {subjects[0]}.", interests=[subjects[1]])
        if self._items and self._random.random() < 0.2:
            event["blocked_items"] = [self._random.choice(self._items)]
        return Sent("users", user_id.encode(), _json(event))

    def _listed(self, kind: str, item_id: str, *, available: bool = True) -> Sent:
        one, other = self._random.sample(SUBJECTS, 2)
        # The number makes every version's title its own.
        event = self._event(kind, item_id=item_id, title=f"{one}, part {self._made}", available=available)
        event |= {"description": f"For friends of {other}.", "attributes": {"subject": one}}
        return Sent("items", item_id.encode(), _json(event))

    def _deleted(self, topic: str, what: str, name: str) -> Sent:
        if self._random.random() < 0.5:
            return Sent(topic, name.encode(), None)
        return Sent(topic, name.encode(), _json(self._event(f"{what}.deleted", **{f"{what}_id": name})))

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._made += 1
        event_id = f"{self._seed}-e{self._made}"
        return {"type": kind, "event_id": event_id, "event_time": self._now().isoformat()} | fields

    def _now(self) -> datetime:
        return START + APART * self._made

    def _id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}{self._seed}-{self._made}"


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()
