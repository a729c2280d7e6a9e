"""What the workload sends is what it says: the same for the same seed, and of every kind."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from glowplug.errors import CAUSES
from tests.faults.workload import VALID, Sent, Workload


def events(sent: list[Sent]) -> list[dict[str, object]]:
    return [json.loads(one.value) for one in sent if one.label == VALID and one.value is not None]


@given(seed=st.integers(0, 2**32))
def test_a_seed_gives_the_same_records_however_they_are_taken(seed: int) -> None:
    one, other = Workload(seed), Workload(seed)
    assert one.take(60) == [*other.take(20), *other.take(40)]


def test_every_kind_of_event_and_every_fault_but_the_models_is_sent() -> None:
    sent = Workload(1).take(2_000)
    kinds = {event["type"] for event in events(sent)}
    whole = {f"{what}.{done}" for what in ("item", "user") for done in ("created", "updated", "deleted")}
    assert kinds == whole | {"interaction"}
    assert {one.label for one in sent} == {VALID, *CAUSES} - {"model_rejected"}
    assert {one.topic for one in sent if one.value is None} == {"items", "users", "interactions"}


def test_some_interactions_are_late_early_or_repeated() -> None:
    created: set[object] = set()
    gone: set[object] = set()
    found: Counter[str] = Counter()
    ids: set[object] = set()
    for event in events(Workload(1).take(2_000)):
        match event["type"]:
            case "user.created" | "item.created":
                created.add(event.get("user_id") or event.get("item_id"))
                gone.discard(event.get("user_id"))
            case "user.deleted":
                gone.add(event["user_id"])
            case "interaction":
                found["repeated"] += event["event_id"] in ids
                found["of a user who is gone"] += event["user_id"] in gone
                found["before its user"] += event["user_id"] not in created
                found["before its item"] += event["item_id"] not in created
                ids.add(event["event_id"])
    assert min(found.values()) > 10, found


def test_invalid_records_stay_far_below_what_stops_a_consumer() -> None:
    labels = [one.label for one in Workload(1).take(2_000)]
    assert 0.03 < 1 - labels.count(VALID) / len(labels) < 0.2
