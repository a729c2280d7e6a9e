"""The batch in flight: taken from the buffer, computed, committed, applied; or put back."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Generic

from glowplug.errors import BadTopics, StoreWiped
from glowplug.observe import metrics
from glowplug.stream import dead_letters
from glowplug.stream.buffer import Buffer
from glowplug.stream.compute import Work
from glowplug.stream.effects import Prepared, prepare
from glowplug.stream.engine import Engine
from glowplug.stream.killpoints import reached
from glowplug.stream.member import Member
from glowplug.stream.positions import Place, Positions
from glowplug.stream.reader import ClientsLost
from glowplug.stream.step import Batch, Changes
from glowplug.stream.transaction import Aborted, RefusedBySize, Transactions

log = logging.getLogger("glowplug.stream")

FIRST_ABORT_PAUSE_S = 0.01  # most aborts are a rebalance, which the next poll brings
LAST_ABORT_PAUSE_S = 1.0
MOST_ABORTS = 10  # in a row, some seconds: these clients will not get over it, new ones may


class Flight(Generic[Changes]):
    """At most one batch at a time. failure: what went wrong where it could not be raised."""

    def __init__(
        self, engine: Engine[Changes], buffer: Buffer, positions: Positions, transactions: Transactions
    ) -> None:
        self.failure: BaseException | None = None
        self.has_committed = False
        self.not_before = 0.0  # monotonic; after an abort
        self._engine = engine
        self._name = engine.step.name
        self._stream = engine.settings.stream
        self._buffer = buffer
        self._positions = positions
        self._transactions = transactions
        self._work: Work[Changes] | None = None
        self._lingering: Work[Changes] | None = None  # abandoned, and still in the lane
        self._aborts = 0
        self._omit_over: int | None = None

    @property
    def is_on(self) -> bool:
        return self._work is not None

    @property
    def is_idle(self) -> bool:
        """The step's thread is free, so its other methods may be called."""
        if self._lingering is not None and self._lingering.wait(0):
            self._lingering = None
        return self._work is None and self._lingering is None

    def linger(self, timeout_s: float) -> None:
        """Wait for a batch that was abandoned to leave the step's thread."""
        if self._lingering is not None:
            self._lingering.wait(timeout_s)

    def start(self, member: Member, *, is_caught_up: bool, waiting: Callable[[], Counter[str]]) -> None:
        """Hand the next batch to the lane: records, or none where the step is due.

        is_caught_up: whatever else has to be read is. waiting: records in the log and in the buffer, by topic.
        """
        step, engine = self._engine.step, self._engine
        now = engine.clock()
        if now < self.not_before:
            return
        if not len(self._buffer):
            due = step.due()
            if due is None or due > now:
                return
        # Before the next poll, hence before any rebalance that it brings: see Transactions.commit.
        group = member.group()
        records = self._buffer.take(self._stream.max_batch)
        self._positions.take(records)
        is_caught_up = is_caught_up and self._positions.caught_up(self._buffer.waiting)
        by_topic = waiting()
        behind, tables_behind = by_topic.total(), sum(by_topic[topic] for topic in step.tables)
        if records:
            metrics.batch_records.labels(self._name).observe(len(records))
            waited_s = engine.wall().timestamp() - records[0].timestamp_ms / 1000
            metrics.queue_seconds.labels(self._name).observe(max(0.0, waited_s))
        work: Work[Changes] = Work(records, group)
        self._work = work
        engine.lane.submit(
            lambda: work.run(
                step,
                engine.store,
                lambda: Batch(records, engine.wall(), engine.clock(), is_caught_up, behind, tables_behind),
            )
        )

    def land(self, timeout_s: float) -> bool:
        """Commit the effects if the batch is done in time, then let the state move. Whether it was done.

        Raises ClientsLost, Fatal, or what a fault in the step raises.
        """
        work = self._work
        if work is None or not work.wait(timeout_s):
            return False
        self._work = None
        try:
            effects = work.effects()
        except StoreWiped as error:
            raise ClientsLost(f"everything is read again: {error}") from error
        if effects is None:
            return True
        prepared = prepare(
            effects,
            consumer=self._name,
            names=self._engine.names,
            limit=self._stream.max_record_bytes,
            omit_over=self._omit_over,
        )
        offsets = self._positions.offsets(self._buffer.waiting)
        if prepared.messages or work.records:
            try:
                self._commit(prepared, offsets, work)
            except Aborted as error:
                self._redo(work, error)
                return True
        self._engine.step.apply(effects.changes)
        reached(f"{self._name}:after_apply")
        self._positions.commit(offsets)
        self._engine.committed.update(offsets)
        self._count(work, prepared)
        return True

    def land_or_abandon(self, budget_s: float) -> None:
        """For the client's callbacks, through which nothing may be raised: it is kept in `failure`."""
        if self._work is None:
            return
        try:
            if not self.land(budget_s):
                log.warning("%s: the batch in flight takes longer than kafka.revoke_budget_s", self._name)
        except BaseException as error:  # noqa: BLE001  raised later, outside the callback
            self.failure = self.failure or error
        self.abandon()

    def abandon(self) -> None:
        """Drop the effects; the records come again, unless their partition is somebody else's by then."""
        if self._work is not None:
            self._work.abandon()
            self._lingering, self._work = self._work, None
            self._put_back(self._lingering)

    def waiting(self) -> Counter[str]:
        """Records of the batch, by topic."""
        return Counter(record.topic for record in self._work.records) if self._work is not None else Counter()

    def _put_back(self, work: Work[Changes]) -> None:
        self._positions.put_back()
        self._buffer.put_back(work.records)

    def _commit(self, prepared: Prepared, offsets: dict[Place, int], work: Work[Changes]) -> None:
        started = time.perf_counter()
        partitions = [self._engine.names.partition(place, offset) for place, offset in offsets.items()]
        self._transactions.commit(
            prepared.messages, partitions, work.group, lambda point: reached(f"{self._name}:{point}")
        )
        metrics.commit_seconds.labels(self._name).observe(time.perf_counter() - started)
        self._aborts = 0
        self.has_committed = True

    def _redo(self, work: Work[Changes], error: Aborted) -> None:
        """The same records again, with the state as it was before them."""
        metrics.aborts.labels(self._name).inc()
        self._put_back(work)
        if isinstance(error, RefusedBySize):
            self._shorten(error)
            return
        self._aborts += 1
        if self._aborts > MOST_ABORTS:
            raise ClientsLost(f"{self._aborts} transactions in a row were aborted: {error}") from error
        log.info("%s: transaction aborted, the batch comes again: %s", self._name, error)
        pause_s = min(LAST_ABORT_PAUSE_S, FIRST_ABORT_PAUSE_S * 2 ** (self._aborts - 1))
        self.not_before = self._engine.clock() + pause_s

    def _shorten(self, error: RefusedBySize) -> None:
        """A dead letter goes out without its value rather than not at all; an output may not."""
        size = len(error.message)
        is_letter = error.message.topic == self._engine.names.cluster(dead_letters.TOPIC)
        if not is_letter or (self._omit_over is not None and size >= self._omit_over):
            raise BadTopics(
                f"{error}; raise the topic's max.message.bytes or lower stream.max_record_bytes "
                f"({self._stream.max_record_bytes})"
            ) from error
        self._omit_over = size

    def _count(self, work: Work[Changes], prepared: Prepared) -> None:
        """Raises TooManyDeadLetters: after the commit, so that what is done stays done."""
        for topic, count in Counter(record.topic for record in work.records).items():
            metrics.records_in.labels(self._name, topic).inc(count)
        for topic, count in prepared.outputs.items():
            metrics.records_out.labels(self._name, topic).inc(count)
        for cause, count in Counter(prepared.causes).items():
            metrics.dead_letters.labels(self._name, cause).inc(count)
        self._engine.guard.count(len(work.records), prepared.causes)
