"""MovieLens 100K through the whole of Glowplug: every user must end with a full list.

python -m bench.ml100k --broker builtin --json bench/results/ml100k-builtin.json
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from rich.console import Console
from rich.progress import Progress

from bench.apart import take_profiles
from bench.machine import write
from glowplug.data.ml100k import fetch
from glowplug.embedded.pacing import LagGate
from glowplug.observe.logs import configure
from glowplug.serving.view import RedisView
from glowplug.settings import load
from glowplug.stream.clients import reader_config
from glowplug.up import Stack
from producers.lines import lines_of
from producers.publish import publish

IDLE_S = 900.0
MIB = 1024.0  # ru_maxrss counts KiB on Linux


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ml100k", description=__doc__)
    parser.add_argument("--broker", choices=("builtin", "apache"), default="builtin")
    parser.add_argument(
        "--data", type=Path, help="folder of RecBole atomic files; default: the recbole wheel's copy"
    )
    take_profiles(parser)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    console = Console(highlight=False)
    profiles = {"profiles": {"model": options.profiles}} if options.profiles else {}
    settings = load(observe={"port": 0, "log_level": "warning"}, **profiles)
    configure(settings.observe)
    with tempfile.TemporaryDirectory(prefix="ml-100k-") as folder, Stack(settings, broker=options.broker) as stack:
        files = fetch(Path(folder), options.data)
        gate = LagGate(stack.lag) if options.broker == "builtin" else None
        seconds: dict[str, float] = {}
        for name in ("items", "users", "interactions"):
            started = time.monotonic()
            path = Path(folder) / f"{name}.jsonl"
            with path.open("rb") as source, Progress(console=console) as progress:
                advance = partial(progress.advance, progress.add_task(name, total=path.stat().st_size))
                publish(
                    lines_of(source, settings.stream.max_record_bytes),
                    stack.settings,
                    gate=gate,
                    advance=advance,
                )
            stack.wait_idle(IDLE_S)
            seconds[name] = round(time.monotonic() - started, 1)
        full, users = _full_lists(stack, Path(folder) / "users.jsonl")
        figures: dict[str, Any] = {
            "broker": options.broker,
            "profiles": str(stack.profiles),
            "items": files.items,
            "users": files.users,
            "interactions": files.interactions,
            "users_with_a_full_list": full,
            "seconds_until_worked_off": seconds,
            "seconds": round(sum(seconds.values()), 1),
            "interactions_per_s": round(files.interactions / seconds["interactions"]),
            "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB),
            "dead_letters": sum(1 for _ in _dead_letters(stack)),
        }
    console.print_json(json.dumps(figures))
    if options.json:
        write(options.json, figures)
    return 0 if full == users and not figures["dead_letters"] else 1


def _full_lists(stack: Stack, users: Path) -> tuple[int, int]:
    """How many users have a list of full size in Redis, and how many there are."""
    size = stack.settings.ranking.list_size
    full = total = 0
    with RedisView(stack.settings.redis.url) as view, users.open("rb") as lines:
        for line in lines:
            total += 1
            found = view.recommendations(json.loads(line)["user_id"])
            full += found is not None and len(found.items) == size
    return full, total


def _dead_letters(stack: Stack) -> Iterator[bytes | None]:
    """Every record of dead-letters."""
    topic = stack.settings.kafka.topics.dead_letters
    consumer = Consumer(reader_config(stack.settings, "bench"))
    try:
        for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            place = TopicPartition(topic, partition, OFFSET_BEGINNING)
            low, high = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            while low < high:
                message = consumer.poll(10)
                if message is not None and message.error() is None:
                    yield message.value()
                    low = (message.offset() or 0) + 1
                elif message is None:
                    break
    finally:
        consumer.close()


if __name__ == "__main__":
    sys.exit(main())
