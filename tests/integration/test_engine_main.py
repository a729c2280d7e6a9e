"""A consumer as a program of its own: what a terminal sees of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from glowplug.embedded.places import free_port
from glowplug.settings import TopicNames
from tests.support.kafka import produce, read_to_end
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0  # eleven topics to create, and two cores


def program(bootstrap: str, **variables: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "GLOWPLUG_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "GLOWPLUG_ENCODER__MODEL": "fake",
        "GLOWPLUG_PROFILES__MODEL": "off",
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "consumers.item_embedder"],
        env=environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("consumer", "does"),
    [
        ("item_embedder", "items → item-vectors"),
        ("user_embedder", "users → user-vectors"),
        ("recommender", "recommendations and audiences out"),
        ("redis_writer", "→ Redis"),
    ],
)
def test_help_tells_what_a_consumer_does_and_starts_nothing(consumer: str, does: str) -> None:
    command = [sys.executable, "-m", f"consumers.{consumer}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert does in done.stdout
    assert "Configured by glowplug.toml" in done.stdout


def test_an_unreachable_broker_is_one_sentence_and_an_exit_code() -> None:
    process = program(f"127.0.0.1:{free_port()}", GLOWPLUG_OBSERVE__PORT="0")
    _, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 69
    assert len(stderr.strip().splitlines()) == 1
    assert "Kafka does not answer" in stderr


def test_an_unknown_setting_is_one_sentence_and_an_exit_code() -> None:
    process = program("127.0.0.1:1", GLOWPLUG_KAFKA__BOOTSTRAP="127.0.0.1:1")
    _, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 78
    assert len(stderr.strip().splitlines()) == 1


@pytest.mark.kafka
def test_a_consumer_makes_the_topics_works_and_ends_at_sigterm(kafka: str, prefix: str, topics: TopicNames) -> None:
    port = free_port()
    names = {f"GLOWPLUG_KAFKA__TOPICS__{name.upper()}": value for name, value in topics.model_dump().items()}
    process = program(
        kafka,
        GLOWPLUG_KAFKA__APPLICATION=prefix,
        GLOWPLUG_KAFKA__PARTITIONS="1",
        GLOWPLUG_OBSERVE__PORT=str(port),
        **names,
    )
    try:
        wait_until(lambda: is_healthy(port), PATIENCE_S, "it does not become healthy")
        item = {"type": "item.created", "event_id": "e1", "event_time": "2026-02-01T00:00:00Z", "item_id": "i1"}
        produce(kafka, topics.items, "i1", {**item, "title": "Kettle"})
        wait_until(lambda: read_to_end(kafka, topics.item_vectors), PATIENCE_S, "no vector comes out")
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()

    assert process.returncode == 0
    assert "Traceback" not in stderr


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
