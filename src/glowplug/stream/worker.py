"""Runs one step against Kafka: what `glowplug up` and `python -m consumers.X` start."""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Generic

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from glowplug.errors import BadSettings, BrokerUnavailable
from glowplug.observe import metrics
from glowplug.serving.store import Store
from glowplug.settings import Settings
from glowplug.stream import clients
from glowplug.stream.attendance import Attendance
from glowplug.stream.compute import Lane
from glowplug.stream.dead_letters import RatioGuard
from glowplug.stream.engine import Engine
from glowplug.stream.member import Given, Member, Taken
from glowplug.stream.offsets import Offsets
from glowplug.stream.reader import Names, Reader
from glowplug.stream.session import Session
from glowplug.stream.shares import check_counts
from glowplug.stream.step import Changes, Context, Step
from glowplug.stream.tables import Tables
from glowplug.stream.topic_fit import DEAD_LETTER_BYTES
from glowplug.stream.transaction import Transactions

log = logging.getLogger("glowplug.stream")

FIRST_PAUSE_S = 0.1  # a broker that was bounced is often back by then
FENCED = "fenced"  # in the words of librdkafka's errors
FENCES, FENCES_S = 3, 60.0  # a twin that took over fences once; only two that both live do it again and again
LAST_PAUSE_S = 5.0  # an outage is noticed to be over within this time
# An end of the log that is a control record shows only in an empty answer, which the broker holds back so long.
MEMBER_WAIT_MS = 100
RESTORE_WAIT_MS = 20
TABLES_WAIT_MS = 50


class Worker(Generic[Changes]):
    """One member of the step's consumer group. `ready` is set once the first assignment is restored."""

    def __init__(
        self,
        step: Step[Changes],
        settings: Settings,
        *,
        context: Context,
        store: Store | None = None,
        builtin: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """builtin: the broker is librdkafka's own, which forgets offsets. Raises BadTopics."""
        check_counts(step, context.partitions)
        self._engine: Engine[Changes] = Engine(
            step=step,
            store=store,
            settings=settings,
            context=context,
            names=Names(settings),
            lane=Lane(f"glowplug-{step.name}"),
            tables=Tables(step.tables, context.partitions, settings.stream.buffer),
            guard=RatioGuard(settings.stream.dead_letter_window, settings.stream.dead_letter_ratio, step.name),
            clock=clock,
            wall=wall,
            is_builtin=builtin or settings.kafka.builtin,
        )
        self._fences: list[float] = []
        self._transactional_id = clients.transactional_id(settings, step.name)

    @property
    def ready(self) -> threading.Event:
        return self._engine.ready

    def stop(self) -> None:
        """From any thread: `run` finishes the batch in flight, commits, leaves the group and returns."""
        self._engine.stopping.set()

    def lag(self) -> dict[str, int]:
        """Records that wait, by logical topic of inputs and tables; some tenths of a second old."""
        return dict(self._engine.lag)

    def run(self) -> None:
        """Blocks until `stop`. Raises Fatal, and whatever a fault in the step raises. Once per worker."""
        engine = self._engine
        metrics.start_at_zero(engine.step.name)
        engine.step.open(engine.context)
        pause_s = FIRST_PAUSE_S
        try:
            while not engine.stopping.is_set():
                has_committed = False
                try:
                    with self._session() as session:
                        try:
                            session.run()
                        finally:
                            has_committed = session.has_committed
                            del session  # or it outlives the collection below
                except BrokerUnavailable as error:
                    self._count_fences(error)
                    pause_s = FIRST_PAUSE_S if has_committed else pause_s
                    log.warning("%s: clients are renewed in %.1f s: %s", engine.step.name, pause_s, error)
                    engine.stopping.wait(pause_s)
                    pause_s = min(2 * pause_s, LAST_PAUSE_S)
                gc.collect()  # the lost clients are parts of cycles, and hold threads and connections
        finally:
            engine.lane.close()

    def _count_fences(self, error: BrokerUnavailable) -> None:
        """Raises BadSettings when somebody with our declared id keeps throwing us out, and we them."""
        if FENCED not in str(error):
            return
        now = self._engine.clock()
        self._fences = [then for then in self._fences if now - then < FENCES_S] + [now]
        instance = self._engine.settings.kafka.instance
        if instance and len(self._fences) >= FENCES:
            raise BadSettings(
                f"{self._engine.step.name}: another process has kafka.instance={instance} too, and each stops the "
                f"other's transactions; give each instance an id of its own"
            )

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session[Changes]]:
        """New clients, closed in the end. Raises ClientsLost, BadSettings."""
        engine = self._engine
        settings, name = engine.settings, engine.step.name
        group = clients.group_id(settings, name)
        timeout_s = settings.kafka.transaction_timeout_ms / 1000
        joining = clients.consumer_config(settings, group)
        reading = clients.reader_config(settings, name)
        with contextlib.ExitStack() as closing:
            producer = clients.new_client(
                Producer,
                {"message.max.bytes": DEAD_LETTER_BYTES}
                | clients.producer_config(settings, self._transactional_id),
            )
            transactions = Transactions(producer, timeout_s, engine.clock)
            closing.callback(transactions.close)
            transactions.open()  # before the group's offsets are asked for: it ends what a predecessor left open
            offsets = Offsets(settings, engine.names)
            closing.callback(offsets.close)

            def open_reader(wait_ms: int = RESTORE_WAIT_MS) -> Reader:
                return Reader(clients.new_client(Consumer, {"fetch.wait.max.ms": wait_ms} | reading), engine.names)

            def join(given: Given, taken: Taken) -> Member:
                return Member(
                    clients.new_client(Consumer, {"fetch.wait.max.ms": MEMBER_WAIT_MS} | joining),
                    engine.names,
                    engine.step.inputs,
                    is_incremental=settings.kafka.group_protocol == "consumer",
                    given=given,
                    taken=taken,
                )

            if engine.tables:
                closing.callback(engine.tables.close)
                engine.tables.open(open_reader(TABLES_WAIT_MS), offsets)
            session = Session(
                engine,
                join=join,
                transactions=transactions,
                offsets=offsets,
                attendance=Attendance(clients.new_client(AdminClient, clients.admin_config(settings)), group),
                open_reader=open_reader,
            )
            closing.callback(session.close)
            yield session
