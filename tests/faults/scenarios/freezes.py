"""A consumer frozen past its session while a twin takes over, then thawed: a zombie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.faults.bed import Bed, Result, judged
from tests.faults.oracle import Violation
from tests.faults.world import PLAIN, Topology, World

PATIENCE_S = 60.0
# Where it hurts most: with a transaction open, or, where Redis is written, just before that.
AT = {"redis_writer": "after_step"}
IN_TRANSACTION = "after_send_offsets"
CONSUMERS = ("recommender", "item_embedder", "redis_writer")


def freezes(
    bed: Bed, seed: int, consumers: Sequence[str] = CONSUMERS, topology: Topology = PLAIN
) -> Iterator[Result]:
    """At any moment, and in the middle of a batch. When it thaws its work is to be refused, and it to come back."""
    with bed.world(seed, topology) as world:
        world.start()
        for name in consumers:
            yield _any_moment(world, name)
            yield _mid_batch(world, name)


def _any_moment(world: World, name: str) -> Result:
    frozen, twin = world.consumer(name), world.consumer(name, "1")
    with world.feeding():
        twin.start()
        twin.wait_ready()
        world.wait(lambda: world.members(name) == 2, PATIENCE_S, f"the twin of {name} does not join")
        frozen.freeze()
        extra = _take_over_and_thaw(world, name)
    result = judged(world, f"frozen past its session: {name}", 1, extra)
    twin.stop()
    return result


def _mid_batch(world: World, name: str) -> Result:
    frozen, twin, point = world.consumer(name), world.consumer(name, "1"), AT.get(name, IN_TRANSACTION)
    frozen.stop()
    frozen.start(kill_at=f"{name}:{point}:3:stop")
    with world.feeding():
        world.wait(lambda: frozen.is_frozen, PATIENCE_S, f"{name} never passes {point} for the third time")
        twin.start()
        extra = _take_over_and_thaw(world, name)
    result = judged(world, f"frozen in the middle of a batch: {name}", 1, extra)
    twin.stop()
    return result


def _take_over_and_thaw(world: World, name: str) -> tuple[Violation, ...]:
    """Thaws once the twin alone works the group."""
    frozen, twin = world.consumer(name), world.consumer(name, "1")
    pid = frozen.pid
    world.wait(
        lambda: world.members(name) == 1 and twin.metric("glowplug_partitions"),
        PATIENCE_S,
        f"the twin of {name} does not take over",
    )
    done = twin.metric("glowplug_records_in_total")
    world.wait(
        lambda: twin.metric("glowplug_records_in_total") > done, PATIENCE_S, f"the twin of {name} does no work"
    )
    frozen.thaw()
    world.wait(lambda: world.members(name) == 2, PATIENCE_S, f"{name} does not come back when it thaws")
    survived = frozen.is_running and frozen.pid == pid
    return () if survived else (Violation("survival", str(frozen), f"ended with {frozen.code}"),)
