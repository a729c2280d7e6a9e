"""All of Glowplug in one process: broker and Redis where none are given, topics, one encoder, all consumers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glowplug.embedded.apache import ApacheBroker
from glowplug.embedded.kafka_builtin import PARTITIONS, BuiltinBroker
from glowplug.embedded.redis_server import RedisServer
from glowplug.embedded.started import Started
from glowplug.errors import BadSettings, BrokerUnavailable, Unreachable
from glowplug.inference.encoder import TextEncoder
from glowplug.inference.threads import wait_passively
from glowplug.observe.health import Health
from glowplug.observe.server import serve
from glowplug.profiles.choice import Choice, choose
from glowplug.serving.redis_store import RedisStore
from glowplug.serving.store import Store
from glowplug.settings import Settings
from glowplug.stream.admin import ensure_topics
from glowplug.stream.offsets import Offsets
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names
from glowplug.stream.step import Context, Step
from glowplug.stream.watch import ASK_S, LOOK_S
from glowplug.stream.worker import Worker
from glowplug.topics import in_use

log = logging.getLogger("glowplug.up")

Broker = Literal["builtin", "apache"]
READY_S = 120.0  # a first assignment takes two seconds; a restore of a large log a minute
OWN_INSTANCE = "0"
STOP_S = 15.0  # three times kafka.revoke_budget_s, which bounds the batch in flight
POLL_S = 0.05
QUIET_S = ASK_S + 2 * LOOK_S  # every consumer has asked for the ends, and looked, since: nothing moved


@dataclass(frozen=True, slots=True)
class Running:
    step: Step[Any]
    worker: Worker[Any]
    thread: threading.Thread


class Stack(Started):
    """`settings` are those in force: after `start`, with the addresses of what was started, and the profile model
    that was chosen.

    broker:     None: the one that kafka.bootstrap_servers names, else the built-in one.
    kafka_port, redis_port: of what is started here; 0 for any free one.
    data_dir:   of Apache Kafka; None: a temporary folder.
    encoder:    None: loaded as the settings say.
    Raises Fatal, having stopped what it had started.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        broker: Broker | None = None,
        kafka_port: int = 0,
        redis_port: int = 0,
        data_dir: Path | None = None,
        encoder: TextEncoder | None = None,
    ) -> None:
        given = settings.kafka.bootstrap_servers
        if broker is not None and given:
            raise BadSettings(
                f"--broker {broker} starts a broker and kafka.bootstrap_servers names {given}: give one of the two"
            )
        if data_dir is not None and (given or broker != "apache"):
            raise BadSettings(
                f"--data-dir {data_dir} is where --broker apache keeps its log; "
                f"{given or 'the built-in broker'} has no use for it"
            )
        self.settings = settings
        self.broker: str = "yours" if given else broker or "builtin"
        self.encoder = encoder
        self.profiles = Choice(settings.profiles)  # auto has become a model after `start`
        self.health = StackHealth(self)
        self.failure: BaseException | None = None
        self.ended = threading.Event()  # a consumer failed, or the stack was stopped
        self._ports = kafka_port, redis_port
        self._data_dir = data_dir
        self._closing = ExitStack()
        self.programs: list[ApacheBroker | RedisServer] = []
        self._context: Context | None = None
        self._running: dict[str, Running] = {}

    @property
    def fingerprint(self) -> str:
        """Of the encoder; empty before `start`."""
        return self.encoder.fingerprint if self.encoder else ""

    @property
    def consumers(self) -> tuple[str, ...]:
        return tuple(self._running)

    def start(self, stopping: threading.Event | None = None) -> None:
        """Returns when all consumers have their partitions, restored; earlier when `stopping` is set."""
        wait_passively()
        try:
            self._start_servers()
            topics = ensure_topics(self.settings)
            self._context = topics.context
            if topics.is_builtin:  # of another process, perhaps
                self._set(kafka=self.settings.kafka.model_copy(update={"builtin": True}))
            if self.encoder is None:
                self.encoder = load_encoder(self.settings)
            self.profiles = choose(self.settings.profiles)
            self._set(profiles=self.profiles.settings)
            self._start_consumers(self._context, steps(self.settings, self.encoder))
            stopping = stopping or threading.Event()
            try:
                self._wait(lambda: stopping.is_set() or self._is_ready, READY_S, "ready")
            except TimeoutError as error:
                raise Unreachable(f"the consumers get no partitions: {error}; see the log above") from error
            for name, running in self._running.items():
                self.health.started(name, running.step)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Consumers finish and commit the batch in flight; then what was started here ends."""
        for running in self._running.values():
            running.worker.stop()
        deadline = time.monotonic() + STOP_S
        for name, running in self._running.items():
            running.thread.join(max(0.0, deadline - time.monotonic()))
            if running.thread.is_alive():
                log.warning("%s does not stop within %.0f s: its batch in flight is abandoned", name, STOP_S)
        self._closing.close()
        self.ended.set()

    def lag(self) -> int:
        """Records that wait, all consumers and topics together; some tenths of a second old."""
        return sum(sum(each.worker.lag().values()) for each in self._running.values())

    def wait_idle(self, timeout_s: float) -> None:
        """Until everything sent before is worked off. Raises TimeoutError, or what a consumer failed with."""
        assert self._context is not None, "wait_idle belongs after start"  # noqa: S101
        places = [Place(topic, n) for topic, count in self._context.partitions.items() for n in range(count)]
        ends: dict[Place, int] = {}
        since = time.monotonic()

        def idle() -> bool:
            nonlocal ends, since
            before = ends
            try:
                ends = offsets.written(places)
            except BrokerUnavailable:  # too busy to answer in time: not idle
                ends = {}
            if self.lag() or not ends or ends != before:
                since = time.monotonic()
            return time.monotonic() - since >= QUIET_S

        with closing(Offsets(self.settings, Names(self.settings))) as offsets:
            self._wait(idle, timeout_s, "idle")

    def check(self) -> None:
        """Raises what a consumer failed with, and Unreachable if a server that was started here is gone."""
        if self.failure is not None:
            raise self.failure
        for program in self.programs:
            if not program.is_alive:
                raise Unreachable(f"{type(program).__name__} ended by itself; its last words are in {program.log}")

    @property
    def _is_ready(self) -> bool:
        return all(each.worker.ready.is_set() for each in self._running.values())

    def _wait(self, reached: Callable[[], bool], timeout_s: float, state: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not reached():
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"not {state} within {timeout_s:g} s: {self.health.to_json()}")
            self.ended.wait(POLL_S)

    def _start_servers(self) -> None:
        kafka, store, observe = self.settings.kafka, self.settings.redis, self.settings.observe
        kafka_port, redis_port = self._ports
        if store.url:
            with closing(RedisStore(store)) as given:
                given.check()  # before a broker is started and a model loaded in vain
        page = self._closing.enter_context(closing(serve(observe, self.health)))
        observe = observe.model_copy(update={"port": page.port})
        if self.broker == "builtin":
            builtin = self._closing.enter_context(BuiltinBroker(kafka_port))
            names = [getattr(kafka.topics, logical) for logical in in_use(self.settings)]
            builtin.create_topics(names, kafka.partitions or PARTITIONS)
            kafka = kafka.model_copy(update={"bootstrap_servers": builtin.bootstrap, "builtin": True})
        elif self.broker == "apache":
            apache = self._closing.enter_context(ApacheBroker(self._data_dir, port=kafka_port))
            self.programs.append(apache)
            # Nobody else is on this broker: a declared id, so that a restart after a crash waits for no time-out.
            instance = kafka.instance or OWN_INSTANCE
            kafka = kafka.model_copy(update={"bootstrap_servers": apache.bootstrap, "instance": instance})
        if not store.url:
            redis = self._closing.enter_context(RedisServer(redis_port))
            self.programs.append(redis)
            store = store.model_copy(update={"url": redis.url})
        self._set(kafka=kafka, redis=store, observe=observe)

    def _set(self, **sections: Any) -> None:
        self.settings = self.settings.model_copy(update=sections)

    def _start_consumers(self, context: Context, consumers: Sequence[tuple[Step[Any], Store | None]]) -> None:
        for step, store in consumers:
            worker: Worker[Any] = Worker(
                step, self.settings, context=context, store=store, builtin=self.settings.kafka.builtin
            )
            # daemon: a batch in flight that outlasts STOP_S does not keep the process
            thread = threading.Thread(target=self._run, args=(step.name, worker), name=step.name, daemon=True)
            self._running[step.name] = Running(step, worker, thread)
        for running in self._running.values():
            running.thread.start()

    def _run(self, name: str, worker: Worker[Any]) -> None:
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001  raised by `check`, in the thread of whoever owns the stack
            self.failure = self.failure or error
            self.health.set(name, "stopped", str(error))
            self.ended.set()


class StackHealth(Health):
    """As Health, with what a paced producer asks for."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self._stack = stack

    def to_json(self) -> dict[str, Any]:
        """`{"state": …, "components": …, "broker": "builtin" | "apache" | "yours", "profiles": which model, and
        why, "lag": records that wait}`."""
        return super().to_json() | {
            "broker": self._stack.broker,
            "profiles": str(self._stack.profiles),
            "lag": self._stack.lag(),
        }


def steps(settings: Settings, encoder: TextEncoder) -> tuple[tuple[Step[Any], Store | None], ...]:
    """All consumers, sharing one encoder, with the store of those that write to one. Raises Unreachable."""
    # Imported here: they bring FAISS, which takes a second, and a port in use is told at once.
    from consumers import (
        interaction_rekeyer,
        item_embedder,
        profile_writer,
        recommender,
        redis_writer,
        user_embedder,
    )
    from glowplug.inference.shared import behind
    from glowplug.profiles.writer_turns import load_model

    writer = redis_writer.make(settings)
    quiet = behind(encoder)
    model = load_model(settings, quiet)
    readers = model if settings.profile_writer.items else None
    rekeys = settings.kafka.rekey_interactions
    return (
        *(((interaction_rekeyer.make(settings), None),) if rekeys else ()),
        (item_embedder.make(settings, encoder, readers), None),
        (user_embedder.make(settings, encoder), None),
        *(((profile_writer.make(settings, quiet, model), None),) if model is not None else ()),
        (recommender.make(settings), None),
        (writer, writer.store),
    )


def load_encoder(settings: Settings) -> TextEncoder:
    """One encoder for many threads. Raises ModelMissing, BadSettings."""
    from glowplug.inference.encoder import load
    from glowplug.inference.shared import SharedEncoder

    return SharedEncoder(load(settings.encoder), settings.encoder.memo)
