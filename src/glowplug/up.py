"""`glowplug up`: everything on this machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import json
import logging
import shlex
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from glowplug.embedded.kafka_builtin import LIMITS
from glowplug.embedded.stack import Broker, Stack
from glowplug.observe.logs import quieted
from glowplug.observe.redact import redacted
from glowplug.settings import Settings

__all__ = ["Broker", "Stack", "banner", "run", "usage"]

OURS = logging.getLogger("glowplug")
CHECK_S = 1.0  # a server that ended by itself is noticed within this time


def run(
    settings: Settings,
    *,
    broker: Broker | None = None,
    kafka_port: int = 0,
    redis_port: int = 0,
    data_dir: Path | None = None,
    console: Console | None = None,
) -> None:
    """Blocks until SIGINT or SIGTERM, then stops cleanly. The arguments are those of Stack.

    Raises Fatal, for the caller to print and to take the exit code from: everything is stopped by then.
    """
    out = console or Console(highlight=False)
    with _told_to_stop() as stopping:
        stack = Stack(settings, broker=broker, kafka_port=kafka_port, redis_port=redis_port, data_dir=data_dir)
        try:
            # What everyone sees once, at every start and stop, would bury the banner.
            with out.status("starting: broker, Redis, model, consumers …"), quieted(OURS, logging.WARNING):
                stack.start(stopping)
            if not stopping.is_set():
                out.print(banner(stack))
                out.print(usage(stack), soft_wrap=True, markup=False, highlight=False)
            while not stopping.wait(CHECK_S):
                stack.check()
            out.print("stopping: batches in flight are finished and committed …")
        finally:
            with quieted(OURS, logging.WARNING):
                stack.stop()


def banner(stack: Stack) -> Panel:
    """What runs, where, and within which limits."""
    settings = stack.settings
    observe = settings.observe
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    kinds = {"builtin": LIMITS, "apache": "a real Apache Kafka, started here", "yours": "yours"}
    table.add_row("Kafka", f"{settings.kafka.bootstrap_servers}\n{kinds[stack.broker]}")
    table.add_row("Redis", redacted(settings.redis.url))
    table.add_row("model", f"{settings.encoder.model} ({stack.fingerprint})")
    table.add_row("profiles", str(stack.profiles))
    table.add_row("consumers", ", ".join(stack.consumers))
    table.add_row("metrics", f"http://{observe.host}:{observe.port}/metrics and /health")
    table.add_row("stop", "Ctrl-C")
    return Panel(table, title="glowplug is up", title_align="left", expand=False)


def usage(stack: Stack) -> str:
    """How to send an event and read what comes back: lines to copy, so they are not to be wrapped."""
    kafka, redis, observe = stack.settings.kafka, stack.settings.redis, stack.settings.observe
    program = shlex.quote(str(Path(sys.executable).with_name("glowplug")))
    event = {
        "type": "user.created",
        "event_id": uuid.uuid4().hex,
        "event_time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "user_id": "ada",
        "text": "hiking in the rain",
    }
    # A producer to the built-in broker asks /health how far behind the consumers are.
    port = f"GLOWPLUG_OBSERVE__PORT={observe.port} " if stack.broker == "builtin" else ""
    return (
        "publish, in another terminal:\n"
        f"  echo '{json.dumps(event)}' |\n"
        f"    {port}{program} publish - --bootstrap-servers {kafka.bootstrap_servers}\n"
        f"read: topic {kafka.topics.recommendations}; in Redis the hashes recs:USER, user:USER and item:ITEM; or\n"
        f"  {program} recs ada --redis-url {redacted(redis.url)}\n"
    )


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second signal acts as it does in any program."""
    stopping = threading.Event()
    before: dict[signal.Signals, Any] = {}  # signal.signal's own type for a handler

    def stop(number: int, _: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
