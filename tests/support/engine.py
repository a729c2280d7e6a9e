"""What the engine's tests share: topics and settings of their own, records sent, processes started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from glowplug.settings import Settings, load
from tests.support.counting import PARTITIONS, TOPICS, told
from tests.support.kafka import ASK_S, QUIET, Read, create_topic, producing, read_to_end, send, topic_names

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Bench:
    """Topics on a real broker that only one test uses."""

    kafka: str
    prefix: str

    def create(self, **configs: dict[str, str]) -> None:
        """The topics of the counting step; configs: of each, by logical name."""
        for topic in TOPICS:
            create_topic(self.kafka, self.name(topic), PARTITIONS, configs.get(topic))

    def name(self, topic: str) -> str:
        return str(getattr(topic_names(self.prefix), topic))

    def settings(self, *, stream: dict[str, Any] | None = None, **kafka: Any) -> Settings:
        return load(
            kafka={
                "bootstrap_servers": self.kafka,
                "application": self.prefix,
                "topics": topic_names(self.prefix).model_dump(),
                **kafka,
            },
            stream=stream or {},
        )

    def send(self, pairs: Iterable[tuple[str, int]], topic: str = "interactions") -> list[tuple[str, int]]:
        """(key, n) as records {"n": n}, acknowledged."""
        sent = list(pairs)
        with producing(self.kafka) as producer:
            for key, number in sent:
                send(producer, self.name(topic), key, {"n": number})
        return sent

    def told(self) -> dict[str, list[tuple[int, int]]]:
        """(n, count) of each key, as a read_committed reader of user_states sees them."""
        return told(self.read("user_states"))

    def read(self, topic: str) -> list[Read]:
        return read_to_end(self.kafka, self.name(topic))

    def members(self) -> int:
        """Of the counting step's group, as the coordinator sees it."""
        group = f"{self.prefix}-counting"
        admin = AdminClient({"bootstrap.servers": self.kafka, **QUIET})
        return len(admin.describe_consumer_groups([group])[group].result(ASK_S).members)

    @contextmanager
    def process(self, *, kill_at: str | None = None, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """The counting step in a process of its own, killed at the end if it still runs."""
        names = {f"GLOWPLUG_KAFKA__TOPICS__{topic.upper()}": self.name(topic) for topic in TOPICS}
        variables = {
            **os.environ,
            **names,
            "GLOWPLUG_KAFKA__BOOTSTRAP_SERVERS": self.kafka,
            "GLOWPLUG_KAFKA__APPLICATION": self.prefix,
            "GLOWPLUG_STREAM__MAX_BATCH": "10",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            **environment,
        }
        if kill_at is not None:
            variables["GLOWPLUG_KILL_AT"] = kill_at
        process = subprocess.Popen([sys.executable, "-m", "tests.support.counting"], env=variables, cwd=ROOT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
