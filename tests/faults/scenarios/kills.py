"""Consumers killed with SIGKILL: at every step of a batch, and at any moment."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator, Sequence

from glowplug.stream.killpoints import POINTS
from tests.faults.bed import Bed, Result, judged
from tests.faults.world import CONSUMERS, PLAIN, Topology, World

DIES_S = 60.0  # model loaded, a dead predecessor's session over and its transaction aborted, two batches worked
LONGEST_S = 6.0  # between two kills: from the middle of a start to well into the work
TOGETHER = 10  # kills until the oracle looks; those within it hit what recovers from the last one


def kill_points(
    bed: Bed, seed: int, consumers: Sequence[str] = CONSUMERS, topology: Topology = PLAIN
) -> Iterator[Result]:
    """Each consumer dies at each step between poll and the end of state changes, at the second batch that passes
    it, and its successor at the next step; in the end one lives on."""
    with bed.world(seed, topology) as world:
        world.start()
        for name in consumers:
            process, points = world.consumer(name), points_of(name)
            process.stop()
            with world.feeding():
                for point in points:
                    process.start(kill_at=f"{name}:{point}:2")
                    _wait_for_death(world, name, point)
                process.start()
                process.wait_ready()
            yield judged(world, f"killed at each step: {name}", len(points))


def points_of(name: str) -> tuple[str, ...]:
    """Only redis_writer writes to a store."""
    return tuple(point for point in POINTS if point != "after_writes" or name == "redis_writer")


def random_kills(
    bed: Bed, seed: int, runs: int, together: int = TOGETHER, topology: Topology = PLAIN
) -> Iterator[Result]:
    """One consumer after the other, at any moment, a start or a restore included; restarted at once."""
    chance = random.Random(seed)
    with bed.world(seed, topology) as world:
        world.start()
        for begun in range(0, runs, together):
            count = min(together, runs - begun)
            with world.feeding():
                for _ in range(count):
                    time.sleep(chance.uniform(0, LONGEST_S))  # the moment of the fault
                    process = world.consumer(chance.choice(topology.consumers))
                    process.kill()
                    process.start()
            for name in topology.consumers:
                world.consumer(name).wait_ready()
            yield judged(world, "killed at a random moment", count)


def _wait_for_death(world: World, name: str, point: str) -> None:
    process = world.consumer(name)
    world.wait(lambda: not process.is_running, DIES_S, f"{name} never passes {point} for the second time")
    assert process.code == -signal.SIGKILL, f"{name} at {point}: ended with {process.code}: {process.last_words()}"
