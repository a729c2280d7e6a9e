"""What the topics alone can tell: where records lie, and whether those about one user belong together."""

from __future__ import annotations

from collections.abc import Iterator

from glowplug.audit.finding import Finding
from glowplug.audit.world import E, Latest, World
from glowplug.errors import shown
from glowplug.stream.clients import murmur2_partition
from glowplug.stream.positions import Place

FIRST = 0  # the partition of priors and epochs


def log_findings(world: World) -> Iterator[Finding]:
    yield from world.snapshot.log.findings
    yield from world.findings
    yield from _misplaced(world)
    yield from _marks_beyond_the_end(world)
    for user_id in world.user_ids:
        yield from _of_user(world, user_id)


def _misplaced(world: World) -> Iterator[Finding]:
    for topic, table in world.snapshot.log.latest.items():
        partitions = world.snapshot.context.partitions[topic]
        for key, record in table.items():
            is_shared = topic == "item_stats" and (key == "epoch" or key.startswith("prior:"))
            expected = FIRST if is_shared else murmur2_partition(key.encode(), partitions)
            if record.partition != expected:
                yield Finding("log", f"{topic} {shown(key)}", "partition", str(expected), str(record.partition))


def _marks_beyond_the_end(world: World) -> Iterator[Finding]:
    for partition, matched in world.marks.items():
        for number, offset in matched.items():
            end = world.snapshot.ends.get(Place("item_vectors", number))
            if end is not None and offset > end:
                key, what = f"user_states mark of partition {partition}", f"matched in item_vectors/{number}"
                yield Finding("log", key, what, f"at most {end}", str(offset))


def _of_user(world: World, user_id: str) -> Iterator[Finding]:
    """The list belongs to a state, the state to what the user said: all of them alive, or none."""
    said = _value(world.said.get(user_id))
    state = _value(world.states.get(user_id))
    listed = _value(world.listed.get(user_id))
    name, moving = shown(user_id), world.unfolded(user_id)
    status = state.status if state is not None else "nothing"
    if said is None and status == "active":
        yield Finding("log", f"user_states {name}", "status", "deleted, as in user-vectors", status, moving)
    if said is not None and status != "active":
        yield Finding("log", f"user_states {name}", "status", "active, as in user-vectors", status, moving)
    if listed is not None and status != "active":
        yield Finding("log", f"recommendations {name}", "list", f"none, the user is {status}", "a list", moving)
    if state is None or status != "active":
        return
    if said is not None and state.version != said.source.version:
        expected, found = f"{said.source.version}, as in user-vectors", str(state.version)
        yield Finding("log", f"user_states {name}", "version", expected, found, moving)
    if listed is None:
        if state.stage is None:
            moving = moving or "its first list is still to be made"
        yield Finding("log", f"recommendations {name}", "list", "one, the user is active", "nothing", moving)
        return
    sent = tuple(item.item_id for item in listed.items)
    if sent == state.published:
        return
    unsent = [item_id for item_id in state.published if item_id not in sent]
    partition = world.states[user_id].record.partition
    is_shortened = sent == tuple(item_id for item_id in state.published if item_id not in unsent)
    if is_shortened and all(world.waits(item_id, partition) for item_id in unsent):
        # What was withdrawn between matching and sending is left out of the list that goes out.
        moving = moving or "withdrawn items are left out of the list until they are matched"
    found = ", ".join(map(shown, sent))
    expected = ", ".join(map(shown, state.published))
    yield Finding(
        "log", f"recommendations {name}", "items", f"{expected} (published in user-states)", found, moving
    )


def _value(latest: Latest[E] | None) -> E | None:
    return latest.value if latest is not None else None
