"""A world: the whole topology as processes on topics of its own, fed, watched from outside, and judged."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from glowplug.audit.reading import take
from glowplug.audit.verify import verify
from glowplug.errors import Recoverable
from glowplug.settings import Settings, load
from glowplug.stream.admin import ensure_topics
from glowplug.stream.clients import admin_config, group_id
from glowplug.stream.offsets import Offsets
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names
from tests.faults.feeder import Feeder
from tests.faults.oracle import History, Violation, judge
from tests.faults.oracle.history import INPUTS
from tests.faults.processes import NOTHING, ConsumerProcess, Held
from tests.faults.watcher import Watcher, found_again
from tests.support.kafka import topic_names, unique_prefix
from tests.support.waiting import wait_until

CONSUMERS = ("item_embedder", "user_embedder", "recommender", "redis_writer")
READ_BY: Mapping[str, tuple[str, ...]] = {
    "item_embedder": ("items",),
    "user_embedder": ("users",),
    "profile_writer": ("users",),
    "interaction_rekeyer": ("interactions",),
    "recommender": ("user_vectors", "user_profiles", "interactions"),
    "redis_writer": ("item_vectors", "user_states", "recommendations"),
}


class Topology(NamedTuple):
    """consumers: one process each. more: their settings by section, over ours. label: behind a fault's name."""

    consumers: tuple[str, ...] = CONSUMERS
    more: Mapping[str, Mapping[str, Any]] = {"profiles": {"model": "off"}}
    label: str = ""


PLAIN = Topology()
# Interactions are sent with a partitioner that is not Kafka's default.
WHOLE = Topology(
    (*CONSUMERS, "profile_writer", "interaction_rekeyer"),
    {"kafka": {"rekey_interactions": True}, "profiles": {"model": "encoder"}},
    " (with profiles, interactions re-keyed)",
)
PARTITIONS = 4
SETTLE_S = 60.0  # within it all lag is gone: a session, a transaction, the longest pauses between retries, the work
QUIET_S = 0.8  # nothing new for so long: longer than ranking.window_s, and than a poll of every consumer
LOOK_S = 0.1
LET_GO_S = 20.0  # a call that hung is woken every 5 s, and its client is gone a moment after
ANSWER_S = 5.0
# After an outage a client or two has one connection more. A call in which librdkafka hangs keeps its producer, with
# 7 threads and 10 files (librdkafka#5456): one of them is a leak.
SPARE_THREADS, SPARE_FILES = 6, 9
# Small lists so that they change all the time, small batches so that there are many, short timeouts.
RANKING: Mapping[str, Any] = {"list_size": 5, "raw_size": 10, "window_s": 0.3, "epoch_minimum": 20.0}
KAFKA: Mapping[str, Any] = {"partitions": PARTITIONS, "transaction_timeout_ms": 5_000, "revoke_budget_s": 2.0}
STREAM: Mapping[str, Any] = {"max_batch": 16, "stall_s": 20.0}
REDIS_TIMEOUT_S = 1.0


class World:
    """Closed with `with`; whatever still runs then is killed.

    A scenario does this: `start`, do harm while `feeding`, then `settle` for the violations, as often as it likes.
    seed: of the workload.
    """

    def __init__(self, bootstrap: str, redis_url: str, folder: Path, seed: int, topology: Topology = PLAIN) -> None:
        self.seed = seed
        self.topology = topology
        self.folder = folder
        self.prefix = unique_prefix()
        self.settled_s = 0.0  # how long the last `settle` took
        self.grown = NOTHING  # the most that a process held, at rest, beyond what it held at its first rest
        self._sections = _sections(bootstrap, redis_url, self.prefix, topology.more)
        self.settings: Settings = load(**self._sections)
        self.names = Names(self.settings)
        self._topics = ensure_topics(self.settings).context
        self._admin = AdminClient(admin_config(self.settings))
        self._offsets = Offsets(self.settings, self.names)
        self._environment = _environment(self._sections, folder)
        self._at_rest: dict[tuple[str, int], Held] = {}
        self.processes: dict[tuple[str, str], ConsumerProcess] = {}
        scattered = self._topics.partitions["interactions"] if self.settings.kafka.rekey_interactions else 0
        self.feeder = Feeder(bootstrap, self.names, seed, scattered)
        self.watcher = Watcher(bootstrap, self.names, self._topics.partitions)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
        self.watcher.close()
        self._offsets.close()

    # ---- what a scenario does ----------------------------------------------------------------------------

    def consumer(self, name: str, instance: str = "0") -> ConsumerProcess:
        """The process of that name and declared id; made, not started, when first asked for."""
        key = (name, instance)
        if key not in self.processes:
            self.processes[key] = ConsumerProcess(name, instance, self._environment, self.folder)
        return self.processes[key]

    def start(self, *names: str) -> None:
        """These consumers, all where none is named; returns when they are ready."""
        started = [self.consumer(name) for name in names or self.topology.consumers]
        for process in started:
            process.start()
        for process in started:
            process.wait_ready()

    @contextmanager
    def feeding(self) -> Iterator[None]:
        """The workload goes on and on meanwhile."""
        with self.feeder.feeding():
            yield

    def send(self, count: int) -> None:
        """The next records of the workload, acknowledged."""
        self.feeder.send(count)
        self.feeder.wait_acknowledged()

    def members(self, name: str) -> int:
        """Of the consumer's group, as its coordinator sees it."""
        group = group_id(self.settings, name)
        return len(self._admin.describe_consumer_groups([group])[group].result(ANSWER_S).members)

    def wait(self, reached: Callable[[], Any], deadline_s: float, what: str) -> None:
        wait_until(lambda: bool(reached()), deadline_s, lambda: f"{what}\n{self.last_words()}")

    def published_since(self, at: int) -> int:
        """Recommendations among the records that the reader saw after its first `at`."""
        return sum(record.topic == "recommendations" for record in self.watcher.records[at:])

    # ---- what comes of it --------------------------------------------------------------------------------

    def settle(self, within_s: float = SETTLE_S) -> list[Violation]:
        """Wait until nothing moves, then judge. What is still wrong after `within_s` is a violation."""
        self.feeder.wait_acknowledged()
        began = time.monotonic()
        while True:
            try:
                why = self._unrest()
                violations = [] if why else self._judge()
            except (KafkaException, Recoverable, TimeoutError) as error:
                why, violations = f"no answer: {error}", []
            self.settled_s = time.monotonic() - began
            if self.settled_s > within_s or not (why or violations):
                break
            time.sleep(LOOK_S)
        if why:
            violations = [Violation("lag", "world", f"after {within_s:g} s: {why}")]
            with contextlib.suppress(KafkaException, Recoverable, TimeoutError):  # that is told already
                violations += judge(self.history())
        return [*violations, *self._leaks()]

    def last_words(self) -> str:
        return "\n".join(f"{process}: {process.last_words()}" for process in self.processes.values())

    def history(self) -> History:
        """As it is now; complete only at rest."""
        ends = self._offsets.written(self._places())
        again = found_again(self.settings.kafka.bootstrap_servers, self.names, self._topics.partitions, ends)
        return History(
            watched=tuple(self.watcher.records),
            again=again,
            values=take(self.settings).values,
            topic_ids=self._topics.topic_ids,
            list_size=self.settings.ranking.list_size,
            raw_size=self.settings.ranking.raw_size,
            user_partitions=PARTITIONS,
        )

    def _unrest(self) -> str | None:
        """What still moves, or has ended; None at rest."""
        before = len(self.watcher.records)
        why = self._lag()
        if why is None:
            time.sleep(QUIET_S)
            why = self._lag()
        return why or ("records are still being written" if len(self.watcher.records) > before else None)

    def _lag(self) -> str | None:
        for process in self.processes.values():
            if not process.is_running and process.code not in (None, 0):
                return f"{process} ended with {process.code}: {process.last_words()}"
            if process.is_running:
                health = process.health()
                if health is None or health["lag"]:
                    return f"{process} says {health}"
        if not self.watcher.has_reached(self._offsets.written(self._places())):
            return "the reader that runs all along is not at the end"
        for name in self.topology.consumers:
            topics = self._read_by(name)
            committed = self._committed(name, topics)
            waiting = [
                record
                for record in self.watcher.records
                if record.topic in topics and record.offset >= committed[Place(record.topic, record.partition)]
            ]
            if waiting:
                return f"{len(waiting)} records wait for {name}"
        return None

    def _read_by(self, name: str) -> tuple[str, ...]:
        if name == "recommender" and self.settings.kafka.rekey_interactions:
            return ("user_vectors", "user_profiles", "interactions_rekeyed")
        return READ_BY[name]

    def _committed(self, name: str, topics: tuple[str, ...]) -> dict[Place, int]:
        places = [Place(topic, n) for topic in topics for n in range(self._topics.partitions[topic])]
        found = self._offsets.committed(group_id(self.settings, name), places, is_final=True)
        return dict.fromkeys(places, 0) | found

    def _judge(self) -> list[Violation]:
        history = self.history()
        violations = judge(history)
        arrived = sum(len(history.by_topic.get(topic, [])) for topic in INPUTS)
        if arrived != self.feeder.sent:
            violations.append(Violation("input", "world", f"{self.feeder.sent} sent, {arrived} in the log"))
        report = verify(take(self.settings), self.settings.ranking)
        for finding in (*report.differences, *report.moving):
            found = f"{finding.what}: {finding.found}, expected {finding.expected} {finding.moving}"
            violations.append(Violation("audit", f"{finding.check} {finding.key}", found.strip()))
        violations += [Violation("audit", "unchecked", sentence) for sentence in report.unchecked]
        return violations

    def _leaks(self) -> list[Violation]:
        """What a process holds at rest and does not let go of."""
        deadline = time.monotonic() + LET_GO_S
        while True:
            leaks, grown = self._held()
            if not leaks or time.monotonic() > deadline:
                self.grown = Held(*map(max, self.grown, grown))
                return leaks
            time.sleep(LOOK_S)

    def _held(self) -> tuple[list[Violation], Held]:
        """Compared with what each process held at the first rest of its life; and the most of that."""
        leaks, most = [], NOTHING
        for process in self.processes.values():
            if not process.is_running:
                continue
            held = process.held()
            first = self._at_rest.setdefault((str(process), process.pid), held)
            most = Held(*(max(so_far, now - then) for so_far, now, then in zip(most, held, first, strict=True)))
            if held.children:
                leaks.append(Violation("leaks", str(process), f"{held.children} child processes"))
            if held.threads > first.threads + SPARE_THREADS:
                names = ", ".join(f"{count} {name}" for name, count in sorted(process.threads().items()))
                found = f"{held.threads} threads ({names}), {first.threads} at first"
                leaks.append(Violation("leaks", str(process), found))
            if held.files > first.files + SPARE_FILES:
                leaks.append(Violation("leaks", str(process), f"{held.files} open files, {first.files} at first"))
        return leaks, most

    def _places(self) -> list[Place]:
        return [Place(topic, n) for topic, count in self._topics.partitions.items() for n in range(count)]


def _sections(
    bootstrap: str, redis_url: str, prefix: str, more: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {
        "kafka": {
            "bootstrap_servers": bootstrap,
            "application": prefix,
            "topics": topic_names(prefix).model_dump(),
            **KAFKA,
        },
        "redis": {"url": redis_url, "key_prefix": f"{prefix}:", "timeout_s": REDIS_TIMEOUT_S},
        "stream": dict(STREAM),
        "ranking": dict(RANKING),
    }
    return {name: sections.get(name, {}) | dict(more.get(name, {})) for name in (*sections, *more)}


def _environment(sections: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, str]:
    """The sections as variables; one thread a process for numeric work, and temporary files that can be counted."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GLOWPLUG_")}
    for section, values in sections.items():
        for name, value in values.items():
            if isinstance(value, Mapping):
                variables |= {
                    f"GLOWPLUG_{section}__{name}__{key}".upper(): str(each) for key, each in value.items()
                }
            else:
                variables[f"GLOWPLUG_{section}__{name}".upper()] = str(value)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    # A process that hangs tells where when it is sent SIGABRT.
    return variables | {"OMP_NUM_THREADS": "1", "TMPDIR": str(temporary), "PYTHONFAULTHANDLER": "1"}
