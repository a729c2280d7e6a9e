"""Events of the contract as plain JSON, built in view of the test that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from glowplug.vectors import pack

T0 = datetime(2026, 2, 1, tzinfo=UTC)


def at(seconds: float = 0) -> str:
    return (T0 + timedelta(seconds=seconds)).isoformat()


def embedding(fingerprint: str = "test:1") -> dict[str, str]:
    return {"fingerprint": fingerprint, "template": "t", "content": "c"}


def source(topic: str, event_id: str, seconds: float = 0, version: int = 0) -> dict[str, Any]:
    return {
        "topic": topic,
        "partition": 0,
        "offset": version,
        "version": version,
        "event_id": event_id,
        "event_time": at(seconds),
    }


def packed(vector: Sequence[float] | None) -> dict[str, Any] | None:
    return None if vector is None else pack(np.array(vector, np.float16)).model_dump()


def item_vector(
    item_id: str,
    vector: Sequence[float] | None,
    *,
    available: bool = True,
    title: str = "",
    seconds: float = 0,
    event_id: str = "",
    fingerprint: str = "test:1",
    attributes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "type": "item.vector",
        "item_id": item_id,
        "domain": "default",
        "title": title or f"Title of {item_id}",
        "attributes": attributes or {},
        "available": available,
        "listed_at": at(seconds),
        "vector": packed(vector),
        "embedding": embedding(fingerprint),
        "source": source("items", event_id or f"e-{item_id}", seconds),
        "generated_at": at(seconds),
    }


def user_vector(
    user_id: str,
    vector: Sequence[float] | None,
    *,
    blocked: Sequence[str] = (),
    field: str = "text",
    said: str = "what they said",
    event_id: str = "",
    seconds: float = 0,
    fingerprint: str = "test:1",
) -> dict[str, Any]:
    parts = [] if vector is None else [{"field": field, "text": said, "weight": 1.0, "vector": packed(vector)}]
    return {
        "type": "user.vector",
        "user_id": user_id,
        "domain": "default",
        "vector": packed(vector),
        "parts": parts,
        "blocked_items": list(blocked),
        "embedding": embedding(fingerprint),
        "source": source("users", event_id or f"e-{user_id}", seconds),
        "generated_at": at(seconds),
    }


def claim(label: str, words: str, text: str, vector: Sequence[float] | None = None, weight: float = 1.0) -> Any:
    """words: of `text`, which the user wrote."""
    start = text.index(words)
    evidence = {"field": "text", "start": start, "end": start + len(words), "text": words}
    return {"label": label, "weight": weight, "evidence": evidence, "vector": packed(vector)}


def user_profile(
    user_id: str,
    vector: Sequence[float] | None,
    avoid_vector: Sequence[float] | None = None,
    *,
    state: str = "ready",
    interests: Sequence[Any] = (),
    avoid: Sequence[Any] = (),
    event_id: str = "",
    seconds: float = 0,
    version: int = 0,
    fingerprint: str = "test:1",
) -> dict[str, Any]:
    is_empty = state == "pending" and vector is None and avoid_vector is None
    return {
        "type": "user.profile",
        "user_id": user_id,
        "state": state,
        "model": "test",
        "interests": list(interests),
        "avoid": list(avoid),
        "vector": packed(vector),
        "avoid_vector": packed(avoid_vector),
        "embedding": None if is_empty else embedding(fingerprint),
        "source": source("users", event_id or f"e-{user_id}", seconds, version),
        "generated_at": at(seconds),
    }


def interaction(
    user_id: str,
    item_id: str,
    action: str = "like",
    *,
    event_id: str = "",
    seconds: float = 0,
    value: float | None = None,
) -> dict[str, Any]:
    return {
        "type": "interaction",
        "event_id": event_id or f"i-{user_id}-{item_id}-{action}-{seconds}",
        "event_time": at(seconds),
        "user_id": user_id,
        "item_id": item_id,
        "action": action,
        "value": value,
    }
