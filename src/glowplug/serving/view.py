"""What product systems read: lists, users and items as they stand in Redis."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from glowplug.events import ItemVector, Recommendations, UserState
from glowplug.serving.documents import (
    item_in,
    item_key,
    recommendations_in,
    recommendations_key,
    user_in,
    user_key,
)
from glowplug.serving.redis_store import RedisStore
from glowplug.settings import RedisSettings


class RedisView:
    """`with RedisView("redis://localhost:6379/0") as view: view.recommendations("u1")`

    Each method is one round trip; None where there is nothing, or no longer. Raises StoreUnavailable; BadSettings
    for what is no Redis URL.
    """

    def __init__(self, url: str, *, key_prefix: str = "", timeout_s: float = 2.0) -> None:
        self._store = RedisStore(RedisSettings(url=url, key_prefix=key_prefix, timeout_s=timeout_s))

    def recommendations(self, user_id: str) -> Recommendations | None:
        """The user's list as it was last published."""
        fields = self._store.get(recommendations_key(user_id))
        return recommendations_in(fields) if fields else None

    def user(self, user_id: str) -> UserState | None:
        """Stage, evidence, history and vector of the user; `seen` and `raw` are left empty."""
        fields = self._store.get(user_key(user_id))
        return user_in(fields) if fields else None

    def item(self, item_id: str) -> ItemVector | None:
        fields = self._store.get(item_key(item_id))
        return item_in(fields) if fields else None

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
