"""One life of the clients: poll, batch, transaction, apply, until the worker stops or a client is lost."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Generic

from glowplug.observe import metrics
from glowplug.stream.attendance import Attendance
from glowplug.stream.buffer import Buffer
from glowplug.stream.clients import group_id
from glowplug.stream.engine import Engine
from glowplug.stream.flight import Flight
from glowplug.stream.killpoints import reached
from glowplug.stream.member import Given, Member, Taken
from glowplug.stream.offsets import Offsets
from glowplug.stream.partitioner import check_partitions
from glowplug.stream.positions import Place, Positions
from glowplug.stream.reader import ClientsLost, End, Reader
from glowplug.stream.restore import Restoration
from glowplug.stream.shares import Shares, is_by_number
from glowplug.stream.step import Changes, Record
from glowplug.stream.transaction import Transactions
from glowplug.stream.watch import Watch

log = logging.getLogger("glowplug.stream")


class Session(Generic[Changes]):
    """The loop over one set of clients. Everything but the computation of batches happens in one thread."""

    def __init__(
        self,
        engine: Engine[Changes],
        *,
        join: Callable[[Given, Taken], Member],
        transactions: Transactions,
        offsets: Offsets,
        attendance: Attendance,
        open_reader: Callable[[], Reader],
    ) -> None:
        self._engine = engine
        self._step = engine.step
        self._stream = engine.settings.stream
        self._revoke_budget_s = engine.settings.kafka.revoke_budget_s
        self._offsets = offsets
        self._attendance = attendance
        self._open_reader = open_reader
        self._buffer = Buffer(self._stream.buffer)
        self._positions = Positions()
        self._flight = Flight(engine, self._buffer, self._positions, transactions)
        self._watch = Watch(engine.step.name, self._stream.stall_s, offsets, engine.tables)
        self._shares = Shares(engine.step, self._positions, self._new_restoration)
        self._is_full = False
        self._is_paired = len(engine.step.inputs) > 1 and is_by_number(engine.step)
        self._member = join(self._shares.given, self._taken)

    @property
    def has_committed(self) -> bool:
        """These clients were good for something."""
        return self._flight.has_committed

    def run(self) -> None:
        """Until the worker is told to stop; then the batch in flight is finished, within the budget.

        Raises ClientsLost, Fatal, or whatever a fault in the step raises.
        """
        while not self._engine.stopping.is_set():
            self._turn()
        self._flight.land_or_abandon(self._revoke_budget_s)
        self._raise_failure()

    def close(self) -> None:
        """Leave the group at once; the step forgets its partitions as soon as its thread is free."""
        self._flight.abandon()
        self._member.close()
        self._shares.close()
        while not self._flight.is_idle:
            self._flight.linger(self._stream.poll_s)
            if self._engine.stopping.is_set():
                return  # the state goes with the process
        self._shares.settle(self._member)

    def _turn(self) -> None:
        self._flight.land(self._stream.poll_s)
        self._poll()
        self._raise_failure()
        self._report()
        if not self._flight.is_idle:
            return
        if self._shares.settle(self._member):
            if not self._is_full:
                self._member.resume(self._positions)
            self._engine.ready.set()
        records = self._engine.tables.take()
        if records:
            self._step.absorb(records)
        self._flight.start(
            self._member,
            is_caught_up=self._shares.is_settled and self._engine.tables.caught_up,
            waiting=self._waiting,
        )

    def _poll(self) -> None:
        """Records into the buffer, whatever else is going on: a member that does not poll is thrown out."""
        has_more = self._engine.tables.poll()
        most = min(self._buffer.room, self._stream.max_batch)
        records = self._admitted(self._member.poll(most, 0.0 if has_more else self._pause_s()))
        if self._is_paired:
            check_partitions(records, self._engine.context.partitions, self._engine.names)
        self._buffer.add(records)
        if records:
            reached(f"{self._step.name}:after_poll")
        self._hold_or_flow()

    def _admitted(self, polled: Iterable[Record | End]) -> list[Record]:
        """What is ours and new of it. In order: an end that is met before further records is no end after them."""
        records = []
        for each in polled:
            if isinstance(each, Record):
                if self._positions.admit(each):
                    records.append(each)
            elif not self._positions.reach_end(each.place, each.offset):
                topic, number = each.place
                raise ClientsLost(f"{topic}, partition {number}, ends at {each.offset}: it ended later before")
        return records

    def _hold_or_flow(self) -> None:
        """Pause only when full: pausing around each batch would cost the client's read-ahead every time."""
        if not self._is_full and self._buffer.room == 0:
            self._is_full = True
            self._member.pause(self._positions)
        elif self._is_full and self._buffer.is_drained:
            self._is_full = False
            self._member.resume(self._positions)

    def _pause_s(self) -> float:
        """How long a poll may wait for a first record."""
        if self._flight.is_on:
            return 0.0  # the wait is for the flight, in `land`
        if not self._flight.is_idle:
            return self._stream.poll_s
        now = self._engine.clock()
        if now < self._flight.not_before:
            wanted = self._flight.not_before
        elif len(self._buffer):
            wanted = now
        else:
            due = self._step.due()
            wanted = now + self._stream.poll_s if due is None else due
        return min(self._stream.poll_s, max(0.0, wanted - now))

    def _taken(self, places: frozenset[Place], is_lost: bool) -> None:
        """Told by the member, inside its poll or close, before the partitions are given up.

        What is in flight may concern any partition of ours (a step that was due does not say which), so all of it
        is committed now or none.
        """
        if is_lost:
            self._flight.abandon()
        else:
            self._flight.land_or_abandon(self._revoke_budget_s)
        gone = self._shares.taken(places)
        self._buffer.drop(gone)
        self._positions.drop(gone)
        self._member.pause(gone - places)  # other topics' partitions of the same numbers

    def _new_restoration(self, places: frozenset[Place]) -> Restoration:
        return Restoration(
            places,
            step=self._step,
            member=self._member,
            offsets=self._offsets,
            tables=self._engine.tables,
            open_reader=self._open_reader,
            group_of=lambda name: group_id(self._engine.settings, name),
            remembered=self._engine.committed if self._engine.is_builtin else None,
        )

    def _raise_failure(self) -> None:
        if self._flight.failure is not None:
            raise self._flight.failure

    def _waiting(self) -> Counter[str]:
        """Records known to wait, by topic."""
        waiting = Counter(dict.fromkeys((*self._step.inputs, *self._step.tables), 0))
        waiting.update(self._positions.behind(self._buffer.waiting))
        waiting.update(self._shares.waiting())
        waiting.update(self._engine.tables.behind())
        return waiting

    def _report(self) -> None:
        ready, now = self._engine.ready, self._engine.clock()
        if self._shares.is_empty and not ready.is_set() and self._attendance.has_nothing(self._member.id, now):
            ready.set()
        if self._watch.look(
            self._positions,
            self._member,
            self._shares.restoring(),
            is_held=self._is_full,
            is_busy=not self._flight.is_idle,
            now=now,
        ):
            lag = self._waiting()
            lag.update(self._flight.waiting())
            self._engine.lag = dict(lag)
            for topic, count in lag.items():
                metrics.lag.labels(self._step.name, topic).set(count)
            metrics.partitions.labels(self._step.name).set(len(self._shares.running))
