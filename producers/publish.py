"""JSON Lines from a file or stdin, validated against the contract, to the input topics.

python -m producers.publish events.jsonl --bootstrap-servers localhost:9092
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from glowplug.embedded.pacing import gate_for
from glowplug.errors import BadInputFile, BadTopics, BrokerUnavailable, Fatal, Recoverable, Unreachable, shown
from glowplug.observe.logs import quieted
from glowplug.settings import Settings
from glowplug.stream.clients import log, producer_config
from producers.command import SERVERS, positive, settings_for
from producers.lines import BadLine, Line, lines_of, opened, parse

CONNECT_S = 10.0  # a broker that is up answers in milliseconds; one that starts, in a few seconds
FLUSH_S = 60.0  # librdkafka's own delivery timeout is five minutes: too long to look at a bar that stands still
SHOWN_BAD_LINES = 20  # a file of the wrong format is all bad lines

OnError = Literal["stop", "skip"]
Gate = Callable[[], None]


@dataclass(slots=True)
class Report:
    """sent: delivered events by the cluster's topic. failed: produced and not confirmed by the broker."""

    sent: Counter[str] = field(default_factory=Counter)
    bad: list[BadLine] = field(default_factory=list)
    failed: int = 0
    first_failure: str = ""
    seconds: float = 0.0

    @property
    def total(self) -> int:
        return self.sent.total()

    def summary(self) -> str:
        parts = [f"{count:,} to {topic}" for topic, count in sorted(self.sent.items())] or ["nothing"]
        text = f"sent {', '.join(parts)} in {self.seconds:.1f} s"
        if self.total:
            text += f" ({self.total / max(self.seconds, 1e-3):,.0f} events/s)"
        return text


def publish(
    lines: Iterable[bytes],
    settings: Settings,
    *,
    topic: str | None = None,
    on_error: OnError = "stop",
    rate: float | None = None,
    gate: Gate | None = None,
    advance: Callable[[int], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Sends every valid line, in order, and waits until the broker has confirmed all of them.

    topic:   the cluster's topic for every line, instead of the one that its type names.
    rate:    most events a second.
    gate:    called before each event; may wait, for a broker that must not be overrun.
    advance: told the bytes of each line once it is done with.

    Raises BadInputFile at the first bad line under "stop": the lines before it are sent, none after it.
    Raises Unreachable, BadTopics at the start, BrokerUnavailable when events were not confirmed.
    """
    report = Report()
    start = clock()
    producer, topics = _connect(settings)
    names = settings.kafka.topics.model_dump()
    try:
        for line in parse(lines, settings.stream.max_record_bytes):
            if isinstance(line, BadLine):
                report.bad.append(line)
                if on_error == "stop":
                    break
            else:
                if gate is not None:
                    gate()
                if rate:
                    _wait_for_turn(start, report.total + report.failed + len(producer), rate, clock, sleep)
                _send(producer, line, topic or names[line.topic], topics, report)
            if advance is not None:
                advance(line.size)
    finally:
        unconfirmed = producer.flush(FLUSH_S)
        report.seconds = clock() - start
    if report.failed or unconfirmed:
        reason = report.first_failure or f"no answer within {FLUSH_S:.0f} s"
        raise BrokerUnavailable(
            f"{report.failed + unconfirmed:,} events were not confirmed ({reason}); {report.summary()}: send the "
            "file again, repeats are recognised by their event_id"
        )
    if report.bad and on_error == "stop":
        raise BadInputFile(f"{report.bad[0]}; {report.summary()} before it, nothing after it")
    return report


def _connect(settings: Settings) -> tuple[Producer, frozenset[str]]:
    """A producer, and the topics that exist: nothing is auto-created."""
    servers = settings.kafka.bootstrap_servers
    if not servers:
        raise Unreachable("kafka.bootstrap_servers is empty: name your broker with --bootstrap-servers host:port")
    producer = Producer(producer_config(settings, None, client_id=f"{settings.kafka.application}-publish"))
    try:
        metadata = producer.list_topics(timeout=CONNECT_S)
    except KafkaException as error:
        raise Unreachable(
            f"kafka.bootstrap_servers {shown(servers)}: no broker answers within {CONNECT_S:.0f} s "
            f"({error.args[0].str()}): start it, or correct the address"
        ) from error
    return producer, frozenset(metadata.topics)


def _send(producer: Producer, line: Line, topic: str, topics: frozenset[str], report: Report) -> None:
    if topic not in topics:
        raise BadTopics(
            f"topic {shown(topic)} does not exist on this broker: `glowplug topics` creates what is missing"
        )

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is None:
            report.sent[topic] += 1
        else:
            report.failed += 1
            report.first_failure = report.first_failure or f"line {line.number}: {error.str()}"

    while True:
        try:
            producer.produce(topic, key=line.key.encode(), value=line.value, on_delivery=delivered)
        except BufferError:  # librdkafka's queue is full: let it send some
            producer.poll(0.1)
        except KafkaException as error:
            raise BadInputFile(f"line {line.number}: the client refuses it ({error.args[0].str()})") from error
        else:
            producer.poll(0)
            return


def _wait_for_turn(
    start: float, done: int, rate: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    wait = start + done / rate - clock()
    if wait > 0:
        sleep(wait)


# ---- command line ----------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    errors = Console(stderr=True, highlight=False)
    try:
        settings = settings_for(options.bootstrap_servers)
        # librdkafka would log every attempt to connect; what matters of it is in the error that we print.
        with quieted(log, logging.CRITICAL), opened(options.file) as stream, _bar(errors, options.file) as advance:
            report = publish(
                lines_of(stream, settings.stream.max_record_bytes),
                settings,
                topic=options.topic,
                on_error=options.on_error,
                rate=options.rate,
                gate=gate_for(settings),
                advance=advance,
            )
    except (Fatal, Recoverable) as error:
        errors.print(f"publish: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    for bad in report.bad[:SHOWN_BAD_LINES]:
        errors.print(str(bad), markup=False, soft_wrap=True)
    if len(report.bad) > SHOWN_BAD_LINES:
        errors.print(f"… and {len(report.bad) - SHOWN_BAD_LINES:,} more", markup=False)
    if report.bad:
        errors.print(f"bad lines skipped: {len(report.bad):,}", markup=False)
    errors.print(report.summary(), markup=False, soft_wrap=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m producers.publish", description=__doc__.splitlines()[0])
    parser.add_argument("file", help="JSON Lines, one event a line (schemas/*.json); - reads stdin")
    parser.add_argument("--bootstrap-servers", help=SERVERS)
    parser.add_argument("--topic", help="send every line to this topic; default: the one that its type names")
    parser.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop", help="at an invalid line (default: stop)"
    )
    parser.add_argument("--rate", type=positive, help="most events a second (default: as fast as it goes)")
    return parser


@contextmanager
def _bar(console: Console, name: str) -> Iterator[Callable[[int], None] | None]:
    """A progress bar over the file's bytes, on a terminal only."""
    if not console.is_terminal:
        yield None
        return
    total = None if name == "-" else Path(name).stat().st_size
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(shown(name), total=total)
        yield lambda size: progress.advance(task, size)


if __name__ == "__main__":
    sys.exit(main())
