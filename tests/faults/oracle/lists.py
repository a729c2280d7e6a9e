"""Every stored top-k against brute force over the final state, and every event in exactly one list."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glowplug.stream.step import Record
from tests.faults.oracle.history import History, Violation, said
from tests.faults.oracle.memory import ever_deleted, folded, hash_of, interactions

PRIORS = 2  # popularity and freshness, in columns behind the text: of even epochs first, then of odd ones
FRESHNESS_S = 14 * 86_400.0  # the contract's default: age at which freshness is 1/e
BEFORE_ALL = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def lists(history: History) -> Iterator[Violation]:
    """Each active user's raw list: the exact best of all items that are available, not seen and not blocked."""
    states, users = history.latest("user_states"), history.latest("user_vectors")
    sent = history.latest("recommendations")
    stats = history.latest("item_stats")
    epoch = stats.get("epoch") or {"epoch": 0, "as_of": BEFORE_ALL.isoformat()}
    items = {key: item for key, item in history.latest("item_vectors").items() if item and item["available"]}
    ids = sorted(items, key=str.encode)  # so that a stable sort breaks ties by id
    text = max((item["vector"]["dim"] for item in items.values() if item["vector"]), default=0)
    rows = [_row(items[item_id], text, stats, epoch) for item_id in ids]
    for user_id, state in sorted(states.items()):
        key, is_active = f"user_states {user_id}", state is not None and state["status"] == "active"
        if not is_active:
            if sent.get(user_id) is not None:
                yield Violation("lists", f"recommendations {user_id}", "a list, and the user is not active")
            continue
        if state["epoch"] != epoch["epoch"]:
            yield Violation("lists", key, f"of epoch {state['epoch']}, the newest is {epoch['epoch']}")
            continue
        if not rows:
            continue
        blocked = set((users.get(user_id) or {}).get("blocked_items", ()))
        best = _best(state, np.stack(rows), ids, blocked, history.raw_size)
        raw = [(hit["item_id"], hit["score"]) for hit in state["raw"]]
        if raw != best:
            yield Violation("lists", key, f"top-k is {_told(raw, best)}, brute force has {_told(best, raw)}")
        published = [item_id for item_id, _ in best[: history.list_size]]
        if state["published"] != published:
            yield Violation("lists", key, f"published {state['published']}, should be {published}")
        listed = sent.get(user_id)
        if listed is None or [item["item_id"] for item in listed["items"]] != published:
            yield Violation("lists", f"recommendations {user_id}", f"the last list is not {published}")


def covers(history: History) -> Iterator[Violation]:
    """What an active user said or did is answered by one list, a change of an item by at most one list of a user:
    by a second one only where the item entered or left the user's top-k with it, or changed once more."""
    deleted, items = ever_deleted(history), _items_of_events(history)
    # What a user wrote is answered once more when it has been read: by the refined list.
    written = {event["event_id"] for event in _written(history)} if history.by_topic.get("user_profiles") else set()
    answers: dict[str, Counter[str]] = {}
    told: dict[tuple[str, str], dict[str, Any]] = {}
    since: dict[str, int] = {}
    for user_id, records in history.by_key("recommendations").items():
        answers[user_id] = Counter()
        since[user_id] = records[0].timestamp_ms
        moves = _moves(history.by_key("user_states").get(user_id, []))
        for listed in [said(record) for record in records if record.value]:
            later = {items[each] for each in listed["covers"] if each in items and not answers[user_id][each]}
            for event_id in listed["covers"]:
                answers[user_id][event_id] += 1
                item_id = items.get(event_id)
                is_excused = item_id in moves.get(listed["generated_at"], ()) or item_id in later
                is_new = answers[user_id][event_id] <= 1 + (event_id in written)
                if not is_new and user_id not in deleted and not is_excused:
                    lists = f"{_named(told[user_id, event_id], items)} and {_named(listed, items)}"
                    found = f"{event_id} in {lists}"
                    yield Violation("nothing twice", f"recommendations {user_id}", found)
                told[user_id, event_id] = listed
    answered = {user_id: of_user for user_id, of_user in answers.items() if user_id not in deleted}
    for user_id, records in history.by_key("user_vectors").items():
        for event_id in [said(record)["source"]["event_id"] for record in records if record.value]:
            if user_id not in deleted and not answered.get(user_id, Counter())[event_id]:
                yield Violation("covers", f"recommendations {user_id}", f"{event_id} is in no list")
    times = {
        said(record)["event_id"]: record.timestamp_ms
        for records in history.valid("interactions").values()
        for record in reversed(records)
        if record.value
    }
    for user_id, events in interactions(history).items():
        for event_id in [event["event_id"] for event in folded(events).counted] if user_id in answered else ():
            # Before their first list the user was not known, and the event only bent it.
            if times[event_id] > since[user_id] and not answered[user_id][event_id]:
                yield Violation("covers", f"recommendations {user_id}", f"{event_id} is in no list")


def _named(listed: dict[str, Any], items: Mapping[str, str]) -> str:
    events = (f"{event_id}/{items[event_id]}" if event_id in items else event_id for event_id in listed["covers"])
    return f"{listed['reason']} at {listed['generated_at']} ({' '.join(events)})"


def _written(history: History) -> Iterator[dict[str, Any]]:
    for records in history.valid("users").values():
        yield from (said(record) for record in records if record.value)


def _items_of_events(history: History) -> dict[str, str]:
    """By event id, the item that an event of the items topic is about."""
    records = [record for of_item in history.valid("items").values() for record in of_item if record.value]
    return {event["event_id"]: event["item_id"] for event in map(said, records)}


def _moves(states: Sequence[Record]) -> dict[str, set[str]]:
    """By the time of a user's states, the items that entered or left the top-k with it."""
    moves: dict[str, set[str]] = {}
    before: set[str] = set()
    for state in map(said, states):
        now = {hit["item_id"] for hit in state["raw"]} if state is not None else set()
        if state is not None:
            moves[state["updated_at"]] = before ^ now
        before = now
    return moves


def _row(item: dict[str, Any], text: int, stats: dict[str, Any], epoch: dict[str, Any]) -> NDArray[np.float64]:
    """float64 (text + 2,) of the float16 components: the text vector or zeros, popularity, freshness."""
    prior = stats.get(f"prior:{item['item_id']}")
    age = datetime.fromisoformat(epoch["as_of"]) - datetime.fromisoformat(item["listed_at"])
    fresh = math.exp(-max(0.0, age.total_seconds()) / FRESHNESS_S)
    priors = np.array([prior["popularity"] if prior else 0.0, fresh], np.float16)
    vector = _numbers(item["vector"]) if item["vector"] else np.zeros(text)
    return np.concatenate([vector, priors.astype(np.float64)])


def _best(
    state: dict[str, Any], rows: NDArray[np.float64], ids: list[str], blocked: set[str], k: int
) -> list[tuple[str, float]]:
    """The k best by the float64 dot product, which is exact for float16 components: see docs/decisions."""
    vector = _numbers(state["vector"])
    text = rows.shape[1] - PRIORS
    start = text + PRIORS * (state["epoch"] % 2)
    scores = rows @ np.concatenate([vector[:text], vector[start : start + PRIORS]])
    seen = set(np.frombuffer(base64.b64decode(state["seen"]), "<u8").tolist())
    found = [
        (ids[at], float(scores[at]))
        for at in np.argsort(-scores, kind="stable")
        if ids[at] not in blocked and hash_of(ids[at]) not in seen
    ]
    return found[:k]


def _numbers(vector: dict[str, Any]) -> NDArray[np.float64]:
    return np.frombuffer(base64.b64decode(vector["data"]), "<f2").astype(np.float64)


def _told(one: list[tuple[str, float]], other: list[tuple[str, float]]) -> str:
    """From the first rank at which they differ."""
    at = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(one), len(other)) if at is None else at
    return f"from rank {at + 1}: {one[at : at + 2]}"
