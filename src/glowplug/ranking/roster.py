"""The users of this instance, and by item: whose list holds it, whose history does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from glowplug.index.shard import Shard
from glowplug.ranking.user import User


class Roster:
    """Users, the shard of their vectors, and the two reverse maps: always in step with each other."""

    def __init__(self, dim: int) -> None:
        self.shard = Shard(dim)
        self._users: dict[str, User] = {}
        self._listed_by: defaultdict[str, set[str]] = defaultdict(set)
        self._met_by: defaultdict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._users)

    def __iter__(self) -> Iterator[User]:
        return iter(list(self._users.values()))

    def get(self, user_id: str) -> User | None:
        return self._users.get(user_id)

    def listed_by(self, item_id: str) -> set[str]:
        """Users whose raw list holds the item."""
        return self._listed_by.get(item_id, set())

    def met_by(self, item_id: str) -> set[str]:
        """Users whose remembered history holds the item, known or not."""
        return self._met_by.get(item_id, set())

    def met_items(self) -> list[tuple[str, int]]:
        """Items in histories, and in how many."""
        return [(item_id, len(users)) for item_id, users in list(self._met_by.items())]

    def put(self, user: User, floor: float) -> None:
        """floor: of the user's list, for the shard; without a list the user is in no row."""
        earlier = self._users.get(user.user_id)
        self._users[user.user_id] = user
        self._relate(self._listed_by, user.user_id, _listed(earlier), _listed(user))
        self._relate(self._met_by, user.user_id, _met(earlier), _met(user))
        if user.listed is not None and user.is_active:
            self.shard.put(user.user_id, user.partition, user.listed.vector, floor)
        else:
            self.shard.remove(user.user_id)

    def drop(self, user_id: str) -> None:
        user = self._users.pop(user_id, None)
        if user is not None:
            self._relate(self._listed_by, user_id, _listed(user), set())
            self._relate(self._met_by, user_id, _met(user), set())
            self.shard.remove(user_id)

    def clear_lists(self, dim: int) -> None:
        """Nobody has a list any more, and vectors have this dimension from now on."""
        self.shard = Shard(dim)
        for user in self:
            self.put(replace(user, listed=None), 0.0)

    @staticmethod
    def _relate(users_by: defaultdict[str, set[str]], user_id: str, before: set[str], after: set[str]) -> None:
        for item_id in before - after:
            users_by[item_id].discard(user_id)
            if not users_by[item_id]:
                del users_by[item_id]
        for item_id in after - before:
            users_by[item_id].add(user_id)


def _listed(user: User | None) -> set[str]:
    return {hit.item_id for hit in user.listed.raw} if user and user.listed and user.is_active else set()


def _met(user: User | None) -> set[str]:
    return {entry.item_id for entry in user.memory.history} if user and not user.deleted else set()
