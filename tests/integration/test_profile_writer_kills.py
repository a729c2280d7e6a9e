"""The profile writer killed with SIGKILL at each step of a batch, while users are pending and as they get ready."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from glowplug.settings import TopicNames, load
from glowplug.stream.admin import ensure_topics
from tests.support.events import at
from tests.support.kafka import latest_by_key, producing, read_to_end, send
from tests.support.killing import STEPS, Killed
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka

DIES_S = 60.0
VALID, BATCH = 5, 3


# The first batch commits pending users; a later one, without records, brings their profiles.
@pytest.mark.parametrize("passing", [1, 3])
def test_killed_at_every_step_each_user_ends_with_one_profile_of_their_last_text(
    kafka: str, topics: TopicNames, prefix: str, tmp_path: Path, passing: int
) -> None:
    names = topics.model_dump()
    killed = Killed(
        "tests.support.profiling", "profile_writer", kafka, topics, prefix, tmp_path,
        STREAM__MAX_BATCH=str(BATCH),
        PROFILE_WRITER__PATIENCE_S="0",  # everybody is pending first
        PROFILE_WRITER__AT_ONCE="2",
    )  # fmt: skip
    ensure_topics(load(kafka={"bootstrap_servers": kafka, "partitions": 1, "topics": names}))
    expected: dict[str, str] = {}
    gone: set[str] = set()

    def feed(start: str) -> None:
        with producing(kafka) as producer:

            def user(name: str, label: str) -> None:
                event = {"type": "user.updated", "event_id": f"{start} {name} {label}", "event_time": at()}
                send(producer, names["users"], name, event | {"user_id": name, "text": f"I like {label}."})
                expected[name] = label

            for n in range(VALID):
                user(f"{start}-{n}", "jazz")
            user("changing", ("chess", "hiking")[len(gone) % 2])
            user(f"{start}-gone", "cooking")
            send(producer, names["users"], f"{start}-gone", None)
            gone.add(f"{start}-gone")
            del expected[f"{start}-gone"]
            send(producer, names["users"], f"{start}-broken", b"{")

    for point in STEPS:
        feed(point)
        killed.dies(point, passing, DIES_S)
    feed("last")

    def labels() -> dict[str, str]:
        table = latest_by_key(read_to_end(kafka, names["user_profiles"]))
        return {user: value["interests"][0]["label"] for user, value in table.items() if value["state"] == "ready"}

    with killed.started("last") as survivor:
        wait_until(lambda: labels() == expected, DIES_S, lambda: f"{labels()}: {killed.words('last')}")
        killed.stops(survivor, "last")

    ready: Counter[tuple[str, int]] = Counter()
    versions: dict[str, int] = {}
    buried: Counter[str] = Counter()
    for record in read_to_end(kafka, names["user_profiles"]):
        user = (record.key or b"").decode()
        if record.value is None:
            buried[user] += 1
            continue
        value = json.loads(record.value)
        assert user not in buried, f"{user} is back after the delete"
        assert value["source"]["version"] >= versions.get(user, 0), f"{user} went back"
        versions[user] = value["source"]["version"]
        ready[user, versions[user]] += value["state"] == "ready"
    assert set(buried) == gone
    assert max(buried.values()) == 1
    assert max(ready.values()) == 1
    assert read_to_end(kafka, names["dead_letters"]) == []  # the user embedder writes those
