"""What scenarios run on: a real Apache Kafka and a real Redis of their own, so that both can be killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from glowplug.embedded.apache import ApacheBroker
from glowplug.embedded.redis_server import RedisServer
from tests.faults.oracle import Violation
from tests.faults.processes import NOTHING, Held
from tests.faults.world import PLAIN, Topology, World

# A dead member's partitions are given away after this; on two busy cores a live one's heartbeat may be late by one.
SESSIONS: Mapping[str, str] = {
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.heartbeat.interval.ms": "500",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of `runs` faults of one kind, judged together. settled_s: from their end until nothing moved.
    grown: the most that a process held beyond what it held at first, up to then."""

    fault: str
    runs: int
    violations: tuple[Violation, ...]
    settled_s: float = 0.0
    grown: Held = NOTHING


class Bed:
    """Started with `with`."""

    def __init__(self) -> None:
        self.broker = ApacheBroker(fast_failures=True, properties=SESSIONS, controller_apart=True)
        self.redis = RedisServer()
        self.folder = Path(tempfile.mkdtemp(prefix="glowplug-faults-"))

    def __enter__(self) -> Bed:
        self.broker.start()
        self.redis.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.broker.stop()
        self.redis.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def world(self, seed: int, topology: Topology = PLAIN) -> Iterator[World]:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        with World(self.broker.bootstrap, self.redis.url, folder, seed, topology) as world:
            yield world


def judged(world: World, fault: str, runs: int, extra: tuple[Violation, ...] = ()) -> Result:
    """Everything at rest: what came of the faults."""
    violations = world.settle()
    return Result(fault + world.topology.label, runs, (*extra, *violations), world.settled_s, world.grown)
