"""The broker or Redis is killed, wiped, full, read-only or slow; every consumer has to live through it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from tests.faults.bed import Bed, Result, judged
from tests.faults.oracle import Violation
from tests.faults.world import CONSUMERS, PLAIN, Topology, World

PATIENCE_S = 60.0
DELAYED_S = 20.0  # within it a list goes out, whatever Redis does
MID_COMMIT = "after_send_offsets"
WORKING_S = 2.0  # longest time of work before the broker dies
NO_SERVER = 1  # a port on which no Redis listens
PAUSE_MS = 3_000  # three times redis.timeout_s: every command in it times out, and is done afterwards


def broker_kills(
    bed: Bed, seed: int, consumers: Sequence[str] = CONSUMERS, topology: Topology = PLAIN
) -> Iterator[Result]:
    """While idle, while working, and in the middle of each consumer's commit."""
    chance = random.Random(seed)
    with bed.world(seed, topology) as world:
        world.start()
        world.send(60)
        yield judged(world, "no fault", 1)
        with _surviving(world) as ended:
            bed.broker.restart(kill=True)
        yield judged(world, "broker killed while idle", 1, tuple(ended))
        with _surviving(world) as ended, world.feeding():
            time.sleep(chance.uniform(0, WORKING_S))  # the moment of the fault
            bed.broker.restart(kill=True)
        yield judged(world, "broker killed while working", 1, tuple(ended))
        for name in consumers:
            process = world.consumer(name)
            process.stop()
            process.start(kill_at=f"{name}:{MID_COMMIT}:2:stop")
            with world.feeding(), _surviving(world) as ended:
                _wait_for_freeze(world, name)
                bed.broker.kill()
                process.thaw()
                bed.broker.start()
            yield judged(world, f"broker killed in the commit of {name}", 1, tuple(ended))


def redis_faults(bed: Bed, seed: int) -> Iterator[Result]:
    """Redis fails in each of its ways; recommendations go out all the same."""
    chance = random.Random(seed)
    with bed.world(seed) as world, redis.Redis.from_url(bed.redis.url) as client:
        world.start()
        world.send(60)
        yield judged(world, "no fault", 1)

        def kill() -> None:
            bed.redis.kill()

        def full() -> None:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)

        yield _outage(world, "Redis killed and started again", kill, bed.redis.start)
        yield _outage(world, "Redis out of memory", full, lambda: client.config_set("maxmemory", 0))
        yield _outage(
            world,
            "Redis read-only",
            lambda: client.replicaof("127.0.0.1", NO_SERVER),
            lambda: client.replicaof("NO", "ONE"),
        )
        yield _outage(
            world,
            "Redis without the replicas it asks for",
            lambda: client.config_set("min-replicas-to-write", 1),
            lambda: client.config_set("min-replicas-to-write", 0),
        )
        yield _outage(world, "Redis slow", lambda: client.client_pause(PAUSE_MS), lambda: None)
        with world.feeding(), _surviving(world) as ended:
            time.sleep(chance.uniform(0, WORKING_S))  # the moment of the fault
            client.flushall()
        yield judged(world, "Redis wiped while working", 1, tuple(ended))
        with _surviving(world) as ended:
            client.flushall()
            world.send(20)  # a wipe is noticed with the next write
        yield judged(world, "Redis wiped while idle", 1, tuple(ended))
        writer = world.consumer("redis_writer")
        writer.stop()
        client.flushall()
        writer.start()
        writer.wait_ready()
        yield judged(world, "Redis wiped while redis_writer is away", 1)


def _outage(world: World, fault: str, begin: Callable[[], Any], end: Callable[[], Any]) -> Result:
    """Until redis_writer has failed, and lists have gone out all the same."""
    writer = world.consumer("redis_writer")
    with world.feeding(), _surviving(world) as ended:
        failed, at = writer.metric("glowplug_retries_total"), len(world.watcher.records)
        begin()
        world.wait(lambda: writer.metric("glowplug_retries_total") > failed, PATIENCE_S, f"{fault}: nothing fails")
        seen = len(world.watcher.records)
        world.wait(lambda: world.published_since(seen), DELAYED_S, f"{fault}: no lists go out any more (from {at})")
        end()
    return judged(world, fault, 1, tuple(ended))


def _wait_for_freeze(world: World, name: str) -> None:
    world.wait(lambda: world.consumer(name).is_frozen, PATIENCE_S, f"{name} never comes to its commit")


@contextmanager
def _surviving(world: World) -> Iterator[list[Violation]]:
    """Fills the list with every consumer that ended meanwhile."""
    before = {process: process.pid for process in world.processes.values() if process.is_running}
    ended: list[Violation] = []
    yield ended
    for process, pid in before.items():
        if not process.is_running or process.pid != pid:
            ended.append(Violation("survival", str(process), f"ended with {process.code}"))
