"""A step small enough to see through: it counts the records of each key, and says each count once.

Run as a program (`python -m tests.support.counting`) it serves the settings of the environment, to be killed.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from glowplug.errors import MalformedJson, MissingKey
from glowplug.serving.memory_store import MemoryStore
from glowplug.serving.store import Store
from glowplug.settings import Settings, load
from glowplug.stream.step import Batch, Context, DeadLetter, Effects, Outgoing, Record, StoreWrite, Tail, Until
from glowplug.stream.worker import Worker
from tests.support.kafka import Read
from tests.support.waiting import wait_until

PARTITIONS = 2
TOPICS = ("interactions", "users", "user_states", "item_vectors", "dead_letters")
Counts = dict[str, tuple[int, int]]  # key → count, partition


class Counting:
    """interactions → user_states: {"n": …} in, {"n": …, "count": …} out; anything else is a dead letter.

    The counts are restored from its own output. before: called at the start of each `step`, with the batch.
    """

    def __init__(self, before: Callable[[Batch], None] = lambda _: None) -> None:
        self.name = "counting"
        self.inputs: tuple[str, ...] = ("interactions",)
        self.tables: Mapping[str, Tail] = {}
        self.restores: Mapping[str, Until] = {"user_states": "end"}
        self.counts: dict[str, int] = {}
        self.numbers: set[int] = set()
        self.restored: list[Record] = []
        self.absorbed: list[Record] = []
        self.batches: list[Batch] = []
        self.applied: list[Counts] = []
        self.due_at: float | None = None
        self.extra: tuple[Outgoing, ...] = ()  # goes out with the next batch
        self._before = before
        self._partition_of: dict[str, int] = {}

    def open(self, context: Context) -> None:
        assert set(self.inputs) <= set(context.partitions)

    def restore(self, records: Sequence[Record]) -> None:
        self.restored += records
        for record in records:
            if record.topic == "user_states":
                key = key_of(record)
                self.counts[key] = json.loads(record.value or b"null")["count"]
                self._partition_of[key] = record.partition

    def absorb(self, records: Sequence[Record]) -> None:
        self.absorbed += records

    def assigned(self, partitions: frozenset[int]) -> None:
        assert not self.numbers & partitions, "assigned twice"
        self.numbers |= partitions

    def revoked(self, partitions: frozenset[int]) -> None:
        self.numbers -= partitions
        for key in [key for key, partition in self._partition_of.items() if partition in partitions]:
            self.counts.pop(key, None)
            del self._partition_of[key]

    def step(self, batch: Batch) -> Effects[Counts]:
        self.batches.append(batch)
        self._before(batch)
        changes: Counts = {}
        outgoing, self.extra = list(self.extra), ()
        dead: list[DeadLetter] = []
        writes: list[StoreWrite] = []
        for record in batch.records:
            if record.key is None:
                dead.append(DeadLetter(record, MissingKey("the key is null")))
                continue
            try:
                number = json.loads(record.value or b"")["n"]
            except (ValueError, KeyError, TypeError):
                dead.append(DeadLetter(record, MalformedJson("value: no object with n")))
                continue
            key = key_of(record)
            count = changes.get(key, (self.counts.get(key, 0), 0))[0] + 1
            changes[key] = (count, record.partition)
            value = json.dumps({"n": number, "count": count}).encode()
            outgoing.append(Outgoing("user_states", key, value, cause=record))
            version = ("id", record.partition, record.offset)
            writes.append(StoreWrite(key, version, {"count": str(count).encode()}))
        return Effects(changes, tuple(outgoing), tuple(dead), tuple(writes))

    def apply(self, changes: Counts) -> None:
        self.applied.append(changes)
        for key, (count, partition) in changes.items():
            self.counts[key] = count
            self._partition_of[key] = partition

    def due(self) -> float | None:
        return self.due_at

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Running:
    """A worker in a thread of this process. `failure`: what its `run` raised."""

    def __init__(self, step: Counting, settings: Settings, store: Store | None = None) -> None:
        self.step = step
        self.worker = Worker(step, settings, context=context(), store=store)
        self.failure: BaseException | None = None
        self._is_joined = False
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self.worker.stop()
            self._end()
        assert self.failure is None or self._is_joined, self.failure

    def wait_ready(self) -> None:
        assert self.worker.ready.wait(30), f"not ready within 30 s: {self.failure}"

    def join(self) -> None:
        """Wait for the end of `run`, which somebody else brings about; the test then looks at `failure`."""
        self._is_joined = True
        self._end()

    def _end(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive(), "the worker does not end within 30 s"

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:  # noqa: BLE001  the test looks at it
            self.failure = error


def context() -> Context:
    return Context(dict.fromkeys(TOPICS, "id"), dict.fromkeys(TOPICS, PARTITIONS))


def key_of(record: Record) -> str:
    assert record.key is not None
    return record.key.decode()


def told(records: Iterable[Read]) -> dict[str, list[tuple[int, int]]]:
    """What a reader of user_states learns of each key: (n, count), in order."""
    by_key: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for record in records:
        assert record.key is not None
        body = record.json()
        by_key[record.key.decode()].append((body["n"], body["count"]))
    return dict(by_key)


def expected(sent: Iterable[tuple[str, int]]) -> dict[str, list[tuple[int, int]]]:
    """What has to be told of (key, n) sent in this order: each once, none left out."""
    by_key: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for key, number in sent:
        by_key[key].append((number, len(by_key[key]) + 1))
    return dict(by_key)


def wait_at_gate(_: Batch) -> None:
    """COUNTING_GATE names a folder: say "begun" in it, and go on once somebody has put "open" there."""
    if gate := os.environ.get("COUNTING_GATE"):
        (Path(gate) / "begun").touch()
        wait_until((Path(gate) / "open").exists, 60, "nobody opens the gate")


def main() -> None:
    worker = Worker(Counting(wait_at_gate), load(), context=context(), store=MemoryStore())
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main()
