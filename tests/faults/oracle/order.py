"""What a reader saw that ran all along: versions never go back, nothing comes twice, nothing aborted is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from glowplug.stream.step import Record
from tests.faults.oracle.history import MARK, History, Violation, said, spot
from tests.faults.oracle.memory import ever_deleted

SLACK = 1e-9  # relative: a sum of the same weights after another decay


def offsets(history: History) -> Iterator[Violation]:
    """Each partition's records once, in order; and none that a reader who comes later does not find."""
    last: dict[tuple[str, int], int] = {}
    for record in history.watched:
        place = (record.topic, record.partition)
        if record.offset <= last.get(place, -1):
            yield Violation("nothing twice", "/".join(map(str, spot(record))), f"after offset {last[place]}")
        last[place] = record.offset
    seen = {spot(record) for record in history.watched}
    for one in sorted(seen - history.again):
        yield Violation("nothing aborted", "/".join(map(str, one)), "was shown, and is not there any more")
    for one in sorted(history.again - seen):
        yield Violation("nothing missed", "/".join(map(str, one)), "is there, and was never shown")


def versions(history: History) -> Iterator[Violation]:
    """Of states, lists, marks, counts and epochs; those of vectors are judged with their inputs."""
    deleted = ever_deleted(history)
    for user_id, records in history.by_key("user_states").items():
        # Who is deleted and back within one batch has less evidence than before, without a state in between.
        names = ("version",) if user_id in deleted else ("version", "evidence")
        yield from _grows(f"user_states {user_id}", records, partial(_state, names))
    for user_id, records in history.by_key("recommendations").items():
        yield from _grows(f"recommendations {user_id}", records, lambda listed: {"epoch": listed["epoch"]})
    marks = [record for record in history.by_topic.get("user_states", []) if record.key == MARK]
    for partition in {record.partition for record in marks}:
        of_one = [record for record in marks if record.partition == partition]
        yield from _grows(f"mark of partition {partition}", of_one, lambda mark: mark["matched"])
    for key, records in history.by_key("item_stats").items():
        if key == "epoch":
            epochs = [said(record)["epoch"] for record in records]
            if epochs != list(range(1, len(epochs) + 1)):
                yield Violation("nothing twice", "epoch", f"{epochs} instead of one after the other")
        elif key.startswith("prior:"):
            yield from _grows(f"item_stats {key}", records, lambda prior: {"epoch": prior["epoch"]})
        else:
            yield from _grows(f"item_stats {key}", records, lambda count: {"as_of": count["as_of"]})


def audiences(history: History) -> Iterator[Violation]:
    """One for each change of an item and user partition."""
    told = Counter(
        (value["item_id"], value["partition"], tuple(value["covers"]))
        for value in map(said, history.by_topic.get("item_audiences", []))
    )
    for (item_id, partition, because), times in told.items():
        if times > 1:
            found = f"{times} times for partition {partition} because of {', '.join(because)}"
            yield Violation("nothing twice", f"item_audiences {item_id}", found)


def _state(names: tuple[str, ...], state: dict[str, Any]) -> dict[str, Any]:
    if state["status"] == "deleted":
        return {}
    return {name: -1 if state[name] is None else state[name] for name in names}


def _grows(
    key: str, records: list[Record], measured: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterator[Violation]:
    """No measure of a record is less than in the one before. After a tombstone, or a record with none, all anew."""
    before: dict[str, Any] = {}
    for record in records:
        value = said(record)
        now = measured(value) if value is not None else {}
        for name, number in now.items():
            earlier = before.get(name, number)
            slack = SLACK * earlier if isinstance(earlier, float) else 0
            less = number < earlier - slack if slack else number < earlier
            if less:
                yield Violation("versions", key, f"{name} {number} after {earlier} (offset {record.offset})")
        before = now
