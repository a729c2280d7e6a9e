"""The consumers that only pass on or embed, with the real model, killed with SIGKILL at each step of a batch."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from glowplug.settings import TopicNames, load
from glowplug.stream.admin import ensure_topics
from tests.support.kafka import producing, read_to_end, send
from tests.support.killing import STEPS, Killed
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.model]

DIES_S = 90.0  # model loaded, dead predecessor's session timed out, batch worked
VALID, BATCH = 5, 3  # a start has more than one batch to do, so that dying in the second leaves the first committed


def event(kind: str, name: str) -> dict[str, Any]:
    common = {"event_id": f"e-{name}", "event_time": "2026-01-01T00:00:00Z"}
    if kind == "interactions":
        return common | {"type": "interaction", "user_id": name, "item_id": "i", "action": "like"}
    if kind == "items":
        return common | {
            "type": "item.created",
            "item_id": name,
            "title": f"Title {name}",
            "description": "关于天文",
        }
    return common | {"type": "user.created", "user_id": name, "text": f"I am {name}", "interests": ["jazz"]}


@pytest.mark.parametrize(
    ("consumer", "reads", "writes"),
    [
        ("item_embedder", "items", "item_vectors"),
        ("user_embedder", "users", "user_vectors"),
        ("interaction_rekeyer", "interactions", "interactions_rekeyed"),
    ],
)
def test_killed_at_every_step_each_valid_input_is_applied_once_and_each_invalid_one_is_one_dead_letter(
    kafka: str, topics: TopicNames, prefix: str, tmp_path: Path, consumer: str, reads: str, writes: str
) -> None:
    names = topics.model_dump()
    killed = Killed(
        f"consumers.{consumer}", consumer, kafka, topics, prefix, tmp_path,
        KAFKA__REKEY_INTERACTIONS="true", STREAM__MAX_BATCH=str(BATCH), PROFILES__MODEL="off",
    )  # fmt: skip
    ensure_topics(
        load(kafka={"bootstrap_servers": kafka, "partitions": 1, "rekey_interactions": True, "topics": names})
    )
    valid: list[str] = []
    invalid: list[bytes] = []

    def feed(start: str) -> None:
        with producing(kafka) as producer:
            for n in range(VALID):
                name = f"{start}-{n}"
                valid.append(name)
                send(producer, names[reads], name, event(reads, name))
            broken = f'{{"broken at": "{start}"'.encode()
            invalid.append(broken)
            send(producer, names[reads], f"{start}-broken", broken)

    for point in STEPS:
        feed(point)
        killed.dies(point, 2, DIES_S)
    feed("last")
    with killed.started("last") as survivor:
        wait_until(
            lambda: (
                len(read_to_end(kafka, names[writes])) >= len(valid)
                and len(read_to_end(kafka, names["dead_letters"])) >= len(invalid)
            ),
            DIES_S,
            lambda: f"{consumer} does not finish: {killed.words('last')}",
        )
        killed.stops(survivor, "last")

    written = read_to_end(kafka, names[writes])
    assert Counter(str(read.key, "utf-8") for read in written if read.key) == Counter(valid)
    bodies = [json.loads(read.value or b"{}") for read in written]
    assert [body.get("source", body)["event_id"] for body in bodies] == [f"e-{name}" for name in valid]
    dead = read_to_end(kafka, names["dead_letters"])
    assert Counter(read.value for read in dead) == Counter(invalid)
