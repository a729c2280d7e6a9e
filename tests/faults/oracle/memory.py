"""What the recommender remembers, made anew from the interactions alone: histories, seen items, counts."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from glowplug.stream.step import Record
from tests.faults.oracle.history import History, Violation, is_delete, said

# The contract's defaults (docs/reference/settings.md), in our own words: this is the independent account.
WEIGHTS = {"view": 0.2, "click": 0.5, "like": 1.0, "purchase": 1.5, "skip": -0.3, "dislike": -1.0}
HISTORY = 50
HALF_LIFE_S = 30 * 86_400.0  # of an interaction in the popularity
CLOSE = 1e-6  # relative: sums of decayed weights in another order


class Memory(NamedTuple):
    """history: (item, action, value, hash of the event id). counted: events that were no repeats."""

    history: list[tuple[str, str, float | None, str]]
    seen: list[int]
    evidence: float
    counted: list[dict[str, Any]]


def folded(events: Sequence[dict[str, Any]]) -> Memory:
    """One after the other; an event whose id is in the history is a repeat."""
    history: list[tuple[str, str, float | None, str]] = []
    seen: dict[int, None] = {}
    evidence, counted = 0.0, []
    for event in events:
        event_hash = hashlib.blake2b(event["event_id"].encode(), digest_size=8).hexdigest()
        if any(entry[3] == event_hash for entry in history):
            continue
        history = [*history, (event["item_id"], event["action"], event.get("value"), event_hash)][-HISTORY:]
        met = hash_of(event["item_id"])
        seen.pop(met, None)
        seen[met] = None
        evidence += abs(weight(event))
        counted.append(event)
    return Memory(history, list(seen), evidence, counted)


def hash_of(item_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(item_id.encode(), digest_size=8).digest(), "little")


def weight(event: dict[str, Any]) -> float:
    return 2 * float(event["value"]) - 1 if event["action"] == "rating" else WEIGHTS[event["action"]]


def interactions(history: History) -> dict[str, list[dict[str, Any]]]:
    """By user, in the order of the log."""
    valid = history.valid("interactions")
    return {user_id: [said(record) for record in records if record.value] for user_id, records in valid.items()}


def ever_deleted(history: History) -> set[str]:
    """Users at whose deletion an unknown part of their interactions had been read."""
    return {name for name, records in history.valid("users").items() if any(map(is_delete, records))}


def memories(history: History) -> Iterator[Violation]:
    acted, users = interactions(history), history.valid("users")
    states, deleted = history.latest("user_states"), ever_deleted(history)
    for user_id in sorted({*acted, *users}):
        events = acted.get(user_id, [])
        if not events and user_id not in users:
            continue  # only null values: nothing to remember
        key, state = f"user_states {user_id}", states.get(user_id)
        if state is None:
            yield Violation("memory", key, "missing")
            continue
        last = users[user_id][-1] if user_id in users else None
        status = "waiting" if last is None else "deleted" if is_delete(last) else "active"
        if state["status"] != status:
            yield Violation("memory", key, f"{state['status']}, should be {status}")
        elif status == "deleted":
            kept = [name for name in ("history", "seen", "raw", "published", "vector") if state[name]]
            if kept:
                yield Violation("memory", key, f"deleted, and still has {', '.join(kept)}")
        else:
            # Who was deleted and came back keeps what the recommender read after that, which only it knows.
            starts = range(len(events) + 1) if user_id in deleted else (0,)
            yield from _compared(key, state, [folded(events[start:]) for start in starts])
            if last is not None and state["version"] != last.offset:
                yield Violation("memory", key, f"of version {state['version']}, should be {last.offset}")
    for user_id in sorted(states.keys() - acted.keys() - users.keys()):
        yield Violation("memory", f"user_states {user_id}", "there, without a valid input")


def counts(history: History) -> Iterator[Violation]:
    """Each positive interaction counts once in its user partition. Of users who were deleted some may not."""
    sure: defaultdict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    unsure: defaultdict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    read = history.by_key("interactions_rekeyed") or history.by_key("interactions")
    deleted, partitions = ever_deleted(history), _partitions(read)
    for user_id, events in interactions(history).items():
        counted, where = (events, unsure) if user_id in deleted else (folded(events).counted, sure)
        for event in counted:
            if weight(event) > 0:
                where[partitions[user_id], event["item_id"]].append(event)
    stats = history.latest("item_stats")
    found = {key: value for key, value in stats.items() if value and value["type"] == "item.count"}
    for partition, item_id in sorted({*sure, *unsure}):
        at, name = (partition, item_id), f"{partition}:{item_id}"
        value = found.pop(name, None)
        if value is None:
            if at in sure:
                yield Violation("counts", name, f"missing, {len(sure[at])} interactions count for it")
            continue
        as_of = datetime.fromisoformat(value["as_of"])
        least, most = _decayed(sure[at], as_of), _decayed([*sure[at], *unsure[at]], as_of)
        if not least * (1 - CLOSE) <= value["count"] <= most * (1 + CLOSE):
            yield Violation("counts", name, f"{value['count']:.6f}, should be {least:.6f} to {most:.6f}")
    for name in sorted(found):
        yield Violation("counts", name, "there, without an interaction")


def _compared(key: str, state: dict[str, Any], memories: list[Memory]) -> Iterator[Violation]:
    history = [(e["item_id"], e["action"], e["value"], e["event_id"]) for e in state["history"]]
    seen = base64.b64decode(state["seen"])
    for memory in memories:
        packed = b"".join(met.to_bytes(8, "little") for met in memory.seen)
        if history == memory.history and seen == packed and math.isclose(state["evidence"], memory.evidence):
            return
    expected = memories[0]
    yield Violation(
        "memory",
        key,
        f"{len(history)} interactions of evidence {state['evidence']:.3f}, {len(seen) // 8} seen; the log has "
        f"{len(expected.history)} of {expected.evidence:.3f}, {len(expected.seen)} seen",
    )


def _decayed(events: list[dict[str, Any]], as_of: datetime) -> float:
    ages = [(as_of - datetime.fromisoformat(event["event_time"])).total_seconds() for event in events]
    return sum(weight(event) * 2 ** (-age / HALF_LIFE_S) for event, age in zip(events, ages, strict=True))


def _partitions(records: dict[str, list[Record]]) -> dict[str, int]:
    return {key: of_key[0].partition for key, of_key in records.items()}
