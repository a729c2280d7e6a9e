"""Invalid inputs are one dead letter each, with their bytes; the last valid one of each id is in the vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from glowplug.stream.step import Record
from tests.faults.oracle.history import INPUTS, History, Spot, Violation, is_delete, label, said, spot
from tests.faults.workload import VALID

EMBEDDED = (("items", "item_vectors", "title"), ("users", "user_vectors", "blocked_items"))


def dead_letters(history: History) -> Iterator[Violation]:
    letters: defaultdict[Spot, list[Record]] = defaultdict(list)
    for letter in history.by_topic.get("dead_letters", []):
        letters[_origin(letter)].append(letter)
    for topic in INPUTS:
        for record in history.by_topic.get(topic, []):
            found = letters.pop(spot(record), [])
            expected = label(record)
            if len(found) != (expected != VALID):
                yield Violation("dead letters", _told(record), f"{len(found)} for an input that is {expected}")
            for letter in found:
                yield from _compared(record, letter)
    for origin, found in letters.items():
        yield Violation("dead letters", "/".join(map(str, origin)), f"{len(found)} for no input")


def vectors(history: History) -> Iterator[Violation]:
    """What is embedded follows from the last valid input of its id; each input is embedded at most once.
    An item that is read comes once more, with what was inferred."""
    for reads, writes, field in EMBEDDED:
        outputs = history.by_key(writes)
        inputs = history.valid(reads)
        for name in outputs.keys() - inputs.keys():
            yield Violation("vectors", f"{writes} {name}", "there, without a valid input")
        for name, records in inputs.items():
            yield from _of_one(f"{writes} {name}", records, outputs.get(name, []), field)


def source_offset(record: Record) -> int:
    """Offset of the input that a record of item_vectors or user_vectors comes from."""
    value = said(record)
    if value is not None:
        return int(value["source"]["offset"])
    return int(dict(record.headers)["glowplug-source"].rsplit(b"/", 1)[1])


def _of_one(key: str, inputs: list[Record], outputs: list[Record], field: str) -> Iterator[Violation]:
    by_offset = {record.offset: record for record in inputs}
    sources = [source_offset(record) for record in outputs]
    read = [bool(record.value and said(record).get("inferred")) for record in outputs]
    for offset in sorted({offset for offset in sources if offset not in by_offset}):
        yield Violation("vectors", key, f"made of offset {offset}, which is no valid input of it")
    for (earlier, was_read), (later, is_read) in pairwise(zip(sources, read, strict=True)):
        if later == earlier and (was_read or not is_read):
            yield Violation("nothing twice", key, f"two outputs for the input at offset {later}")
        elif later < earlier:
            yield Violation("versions", key, f"offset {later} after {earlier}")
    last = inputs[-1]
    if not outputs or sources[-1] != last.offset:
        found = f"made of offset {sources[-1]}" if outputs else "missing"
        yield Violation("vectors", key, f"{found}, its last valid input is at {last.offset}")
        return
    output, event = said(outputs[-1]), said(last)
    if is_delete(last) != (output is None):
        yield Violation("vectors", key, f"{'a vector' if output else 'a tombstone'} for {event and event['type']}")
    elif output is not None:
        if output["vector"] is None or output["source"]["event_id"] != event["event_id"]:
            yield Violation("vectors", key, "no vector" if output["vector"] is None else "of another event")
        if output[field] != event.get(field, []):
            yield Violation("vectors", key, f"{field} is {output[field]}, the input says {event.get(field)}")


def _compared(record: Record, letter: Record) -> Iterator[Violation]:
    if (letter.key, letter.value) != (record.key, record.value):
        yield Violation("dead letters", _told(record), "other bytes than the input")
    if letter.headers[: len(record.headers)] != record.headers:
        yield Violation("dead letters", _told(record), "without the input's headers")
    cause = dict(letter.headers)["glowplug-cause"].decode()
    if cause != label(record):
        yield Violation("dead letters", _told(record), f"cause {cause} for an input that is {label(record)}")


def _origin(letter: Record) -> Spot:
    headers = {name.removeprefix("glowplug-"): value.decode() for name, value in letter.headers}
    # The cluster's name of the topic: prefix.name, with the dashes that logical names have not.
    topic = headers["topic"].rpartition(".")[2].replace("-", "_")
    return Spot(topic, int(headers["partition"]), int(headers["offset"]))


def _told(record: Record) -> str:
    return "/".join(map(str, spot(record)))
