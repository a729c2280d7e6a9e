"""The consumers that only pass on or embed, with the real model, killed with SIGKILL at each step of a batch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from glowplug.settings import TopicNames, load
from glowplug.stream.admin import ensure_topics
from glowplug.stream.killpoints import POINTS
from tests.support.kafka import producing, read_to_end, send
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.model]

DIES_S = 90.0  # model loaded, dead predecessor's session timed out, batch worked
STEPS = [point for point in POINTS if point != "after_writes"]  # an embedder writes to no store
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
    environment = {
        **os.environ,
        **{f"GLOWPLUG_KAFKA__TOPICS__{name.upper()}": topic for name, topic in names.items()},
        "GLOWPLUG_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "GLOWPLUG_KAFKA__APPLICATION": prefix,
        "GLOWPLUG_KAFKA__INSTANCE": "0",  # the same transactional id again, so that nobody waits for its timeout
        "GLOWPLUG_KAFKA__PARTITIONS": "1",
        "GLOWPLUG_KAFKA__REKEY_INTERACTIONS": "true",
        "GLOWPLUG_STREAM__MAX_BATCH": str(BATCH),
    }
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

    @contextmanager
    def started(log: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", f"consumers.{consumer}"]
        with (tmp_path / log).open("wb") as output:
            process = subprocess.Popen(command, env=environment | more, stdout=output, stderr=output)
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    for point in STEPS:
        feed(point)
        with started(f"{point}.log", GLOWPLUG_KILL_AT=f"{consumer}:{point}:2") as dying:
            code = wait_until(dying.poll, DIES_S, f"{consumer} never reached {point} for the second time")
        assert code == -signal.SIGKILL, f"{point}: ended with {code}: {(tmp_path / f'{point}.log').read_text()}"
    feed("last")
    with started("last.log") as survivor:
        wait_until(
            lambda: (
                len(read_to_end(kafka, names[writes])) >= len(valid)
                and len(read_to_end(kafka, names["dead_letters"])) >= len(invalid)
            ),
            DIES_S,
            lambda: f"{consumer} does not finish: {(tmp_path / 'last.log').read_text()}",
        )
        survivor.send_signal(signal.SIGTERM)
        assert survivor.wait(30) == 0, (tmp_path / "last.log").read_text()

    written = read_to_end(kafka, names[writes])
    assert Counter(str(read.key, "utf-8") for read in written if read.key) == Counter(valid)
    bodies = [json.loads(read.value or b"{}") for read in written]
    assert [body.get("source", body)["event_id"] for body in bodies] == [f"e-{name}" for name in valid]
    dead = read_to_end(kafka, names["dead_letters"])
    assert Counter(read.value for read in dead) == Counter(invalid)
