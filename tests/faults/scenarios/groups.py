"""Several recommenders share the users: a new item reaches the users of all, one dies, many come and go."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator, Sequence

from tests.faults.bed import Bed, Result, judged
from tests.faults.oracle import Violation
from tests.faults.oracle.history import said
from tests.faults.processes import ConsumerProcess
from tests.faults.world import PARTITIONS, PLAIN, READ_BY, Topology, World

NAME = "recommender"
PROTOCOLS = ("consumer", "classic")
PATIENCE_S = 60.0
SESSION_MS = 6_000  # of a classic member; a KIP-848 member's is the broker's
ALL = PARTITIONS * len(READ_BY[NAME])
WORKERS = 3
STORM_S = 60.0
EVERY_S = 2.0  # about as long as a recommender takes from its start to its first batch


def groups(bed: Bed, seed: int, protocols: Sequence[str] = PROTOCOLS, storm_s: float = STORM_S) -> Iterator[Result]:
    """Under each group protocol in turn."""
    for protocol in protocols:
        kafka = {"group_protocol": protocol, "session_timeout_ms": SESSION_MS}
        topology = Topology(more={**PLAIN.more, "kafka": kafka})
        with bed.world(seed, topology) as world:
            world.start()
            yield _shared(world, protocol)
            yield _one_killed(world, protocol)
            yield _storm(world, protocol, seed, storm_s)


def _shared(world: World, protocol: str) -> Result:
    """A second one joins; then lists that items caused go out for users of every partition, from both."""
    with world.feeding():
        second = world.consumer(NAME, "1")
        second.start()
        second.wait_ready()
        _wait_for_shares(world)
        at = len(world.watcher.records)
        world.wait(
            lambda: _caused_by_items(world, at) == set(range(PARTITIONS)),
            PATIENCE_S,
            "new items do not reach the users of every partition",
        )
    return judged(world, f"two recommenders ({protocol})", 1, _shares(world))


def _one_killed(world: World, protocol: str) -> Result:
    """Its users move to the other, whose items reach them, and move back when it is there again."""
    first, second = world.consumer(NAME), world.consumer(NAME, "1")
    with world.feeding():
        second.kill()
        world.wait(lambda: _share(first) == ALL, PATIENCE_S, "the users of the dead one do not move")
        at = len(world.watcher.records)
        world.wait(
            lambda: _caused_by_items(world, at) == set(range(PARTITIONS)),
            PATIENCE_S,
            "new items do not reach the users that moved",
        )
        second.start()
        second.wait_ready()
        _wait_for_shares(world)
    return judged(world, f"one of two recommenders killed ({protocol})", 1)


def _storm(world: World, protocol: str, seed: int, seconds: float) -> Result:
    """Every two seconds one of three is started or stopped, at times all of them; in the end all work."""
    chance = random.Random(seed)
    workers = [world.consumer(NAME, str(number)) for number in range(WORKERS)]
    extra: list[Violation] = []
    rebalances = 0
    with world.feeding():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            due = time.monotonic() + EVERY_S
            worker = chance.choice(workers)
            if worker.is_running:
                code = worker.stop()
                if code not in (0, -signal.SIGTERM):  # told to stop while it still imports, it just ends
                    extra.append(Violation("survival", str(worker), f"stopped with {code}"))
            else:
                worker.start()
            rebalances += 1
            time.sleep(max(0.0, due - time.monotonic()))
        for worker in workers:
            if not worker.is_running:
                worker.start()
        for worker in workers:
            worker.wait_ready()
        world.wait(lambda: sum(map(_share, workers)) == ALL, PATIENCE_S, "the storm does not end")
    return judged(world, f"rebalance storm of three recommenders ({protocol})", rebalances, tuple(extra))


def _wait_for_shares(world: World) -> None:
    world.wait(lambda: not _shares(world), PATIENCE_S, "two recommenders do not share the partitions")


def _shares(world: World) -> tuple[Violation, ...]:
    """That each has some of the partitions and both together all."""
    shares = [_share(world.consumer(NAME, instance)) for instance in ("0", "1")]
    fair = sum(shares) == ALL and all(shares)
    return () if fair else (Violation("shares", NAME, f"{shares} of {ALL} partitions"),)


def _share(worker: ConsumerProcess) -> float:
    return worker.metric("glowplug_partitions")


def _caused_by_items(world: World, at: int) -> set[int]:
    """Partitions of the lists that items caused, among what the reader saw after its first `at` records."""
    return {
        record.partition
        for record in world.watcher.records[at:]
        if record.topic == "recommendations" and record.value and said(record)["reason"].startswith("item.")
    }
