"""A small log written by hand in which everything is as it should be, for tests that bend it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from glowplug.stream.origin import origin_headers
from glowplug.stream.step import Record
from tests.faults.oracle import History, Spot
from tests.faults.oracle.history import MARK
from tests.faults.oracle.memory import hash_of
from tests.faults.workload import LABEL, VALID
from tests.support.events import packed

T0 = "2026-01-01T00:00:00Z"
PREFIX = "test"  # of the cluster's topic names
WORDS = "I like jazz."
BROKEN = b'{"broken'
# One user and two items in a space of two dimensions; behind the text, in epoch 0, popularity 0 and freshness 1.
USER = [1.0, 0.0, 0.5, 0.25]
SCORES = {"a": 1.25, "b": 0.25}
LIKE_HASH = hashlib.blake2b(b"e-like", digest_size=8).hexdigest()
TOPIC_IDS = {"item_vectors": "iv", "user_states": "us", "recommendations": "re"}


class Log:
    """Records in the order of writing, all in partition 0. A value is JSON, bytes as they are, or None."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._next: defaultdict[str, int] = defaultdict(int)

    def add(
        self, topic: str, key: str | bytes | None, value: object, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Record:
        body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        name = key.encode() if isinstance(key, str) else key
        at = len(self.records)
        record = Record(topic, 0, self._next[topic], at, name, body, tuple(headers))
        self._next[topic] += 1
        self.records.append(record)
        return record

    def send(self, topic: str, key: str | None, value: object, label: str = VALID) -> Record:
        """An input."""
        return self.add(topic, key, value, [(LABEL, label.encode())])


def good() -> Log:
    """Two items and an invalid one, a user who is told of both, and who then likes the second."""
    log = Log()
    a = log.send("items", "a", item("a"))
    broken = log.send("items", "c", BROKEN, "malformed_json")
    b = log.send("items", "b", item("b"))
    said = {"type": "user.created", "event_id": "e-u", "event_time": T0, "user_id": "u", "text": WORDS}
    user = log.send("users", "u", said)
    log.add("item_vectors", "a", _vector(a, "a", [1.0, 0.0]))
    log.add("dead_letters", "c", BROKEN, letter_headers(broken))
    log.add("item_vectors", "b", _vector(b, "b", [0.0, 1.0]))
    log.add("user_vectors", "u", _vector(user, "u", [1.0, 0.0]) | {"blocked_items": []})
    log.add("user_profiles", "u", profile("pending"))
    log.add("user_profiles", "u", profile("ready"))
    log.add("user_states", "u", state(["a", "b"], at="1"))
    log.add("recommendations", "u", listed(["a", "b"], ["e-u"], at="1"))
    log.add("user_states", MARK, {"type": "user.mark", "matched": {"0": 2}})
    like = {"type": "interaction", "event_id": "e-like", "event_time": T0, "user_id": "u"}
    sent = log.send("interactions", "u", like | {"item_id": "b", "action": "like"})
    log.add("interactions_rekeyed", "u", sent.value, [*sent.headers, *origin_headers(sent, "test.interactions")])
    log.add("user_states", "u", state(["a"], likes="b", at="2"))
    log.add("recommendations", "u", listed(["a"], ["e-like"], at="2"))
    log.add("item_stats", "0:b", {"type": "item.count", "count": 1.0, "as_of": T0})
    log.add("item_audiences", "b", {"item_id": "b", "partition": 0, "covers": ["e-b"]})
    return log


def history(log: Log) -> History:
    """Redis, and what a new reader finds, as they should be for this log."""
    again = frozenset(Spot(record.topic, record.partition, record.offset) for record in log.records)
    return replace(History(tuple(log.records), again, topic_ids=TOPIC_IDS), values=stored(log))


def stored(log: Log) -> dict[str, Mapping[str, bytes] | None]:
    values: dict[str, Mapping[str, bytes] | None] = {}
    for record in log.records:
        prefix = {"item_vectors": "item", "user_states": "user", "recommendations": "recs"}.get(record.topic)
        if prefix is None or record.key is None or record.key == MARK:
            continue
        fields = {"v": f"{TOPIC_IDS[record.topic]}/0/{record.offset}".encode()}
        if record.value is not None:
            document = json.loads(record.value)
            vector = document.pop("vector", None)
            fields["doc"] = json.dumps({k: v for k, v in document.items() if k not in ("seen", "raw")}).encode()
            if vector is not None:
                fields["vector"] = base64.b64decode(vector["data"])
        values[f"{prefix}:{record.key.decode()}"] = fields
    return values


def change(log: Log, topic: str, bend: Callable[[Any], object], at: int = -1) -> None:
    """Another value of one record of the topic, the last by default. bend: from its JSON to another one or None."""
    position = [n for n, record in enumerate(log.records) if record.topic == topic][at]
    record = log.records[position]
    bent = bend(json.loads(record.value or b"null"))
    value = bent if bent is None or isinstance(bent, bytes) else json.dumps(bent).encode()
    log.records[position] = replace(record, value=value)


def state(raw: Sequence[str], *, likes: str | None = None, at: str = "", **more: Any) -> dict[str, Any]:
    entry = {"item_id": likes, "action": "like", "value": None, "event_id": LIKE_HASH, "event_time": T0}
    return {
        "type": "user.state",
        "user_id": "u",
        "status": "active",
        "history": [entry] if likes else [],
        "seen": base64.b64encode(hash_of(likes).to_bytes(8, "little")).decode() if likes else "",
        "evidence": 1.0 if likes else 0.0,
        "vector": packed(USER),
        "raw": [{"item_id": item_id, "score": SCORES[item_id]} for item_id in raw],
        "published": list(raw),
        "epoch": 0,
        "version": 0,
        "updated_at": at,
    } | more


def listed(items: Sequence[str], covers: Sequence[str], *, at: str = "") -> dict[str, Any]:
    return {
        "type": "recommendations",
        "user_id": "u",
        "reason": "interaction",
        "covers": list(covers),
        "items": [{"item_id": item_id} for item_id in items],
        "epoch": 0,
        "generated_at": at,
    }


def profile(state: str, offset: int = 0) -> dict[str, Any]:
    claim = {"label": "jazz", "evidence": {"field": "text", "start": 7, "end": 11, "text": "jazz"}}
    claims = {"interests": [claim] if state == "ready" else [], "preferences": [], "avoid": []}
    return {"type": "user.profile", "user_id": "u", "state": state, "source": {"offset": offset}} | claims


def letter_headers(record: Record, cause: str = "malformed_json") -> list[tuple[str, bytes]]:
    topic = f"{PREFIX}.{record.topic.replace('_', '-')}"
    ours = {"cause": cause, "topic": topic, "partition": str(record.partition), "offset": str(record.offset)}
    return [*record.headers, *((f"glowplug-{name}", value.encode()) for name, value in ours.items())]


def item(name: str, event_id: str = "") -> dict[str, Any]:
    common = {"event_id": event_id or f"e-{name}", "event_time": T0, "item_id": name}
    return {"type": "item.created", "title": f"Title of {name}"} | common


def _vector(record: Record, name: str, vector: list[float]) -> dict[str, Any]:
    return {
        "item_id": name,
        "title": f"Title of {name}",
        "available": True,
        "listed_at": T0,
        "vector": packed(vector),
        "source": {"offset": record.offset, "event_id": f"e-{name}"},
    }
