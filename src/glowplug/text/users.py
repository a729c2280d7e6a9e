"""Records of `users` as events."""

from __future__ import annotations

from pydantic import TypeAdapter

from glowplug.events import UserDeleted, UserEvent, UserUpsert
from glowplug.stream.decode import Tombstone, decode
from glowplug.stream.step import Record
from glowplug.text.plan import Decoded

_events: TypeAdapter[UserEvent] = TypeAdapter(UserEvent)


def decode_user(record: Record) -> Decoded[UserUpsert] | Tombstone:
    """What `record` says. Raises Poison."""
    event = decode(record, _events, lambda event: event.user_id)
    if isinstance(event, Tombstone):
        return event
    return Decoded(event.user_id, event, None if isinstance(event, UserDeleted) else event)
