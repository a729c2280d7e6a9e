"""Every valid interaction is passed on once, as it came, to the partition of its user's other records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from glowplug.stream.clients import murmur2_partition
from glowplug.stream.step import Record
from tests.faults.oracle.history import History, Violation, label
from tests.faults.workload import VALID

PLACE = ("glowplug-origin-partition", "glowplug-origin-offset")


def rekeyed(history: History) -> Iterator[Violation]:
    """Nothing to judge where nobody passes interactions on."""
    passed: defaultdict[tuple[int, ...], list[Record]] = defaultdict(list)
    for record in history.by_topic.get("interactions_rekeyed", []):
        headers = dict(record.headers)
        passed[tuple(int(headers[name]) for name in PLACE)].append(record)
    if not passed:
        return
    for record in history.by_topic.get("interactions", []):
        found = passed.pop((record.partition, record.offset), [])
        key = f"interactions/{record.partition}/{record.offset}"
        if len(found) != (label(record) == VALID):
            yield Violation("rekeyed", key, f"passed on {len(found)} times, and it is {label(record)}")
        for copy in found:
            if (copy.key, copy.value) != (record.key, record.value):
                yield Violation("rekeyed", key, "other bytes than the input")
            if copy.partition != murmur2_partition(copy.key or b"", history.user_partitions):
                yield Violation("rekeyed", key, f"in partition {copy.partition}, where its user is not")
    for partition, offset in sorted(passed):
        yield Violation("rekeyed", f"interactions/{partition}/{offset}", "passed on, and was never there")
