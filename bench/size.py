"""5,000 users and 20,000 items through the whole of Glowplug: time, memory, and what each takes in the topics.

python -m bench.size --broker apache --json bench/results/size-apache.json
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from rich.console import Console
from rich.table import Table

from bench.apart import Apart, profiles_of, running, take_profiles
from bench.machine import write
from bench.texts import Shop, line
from glowplug.errors import NotInTime
from glowplug.events import Event
from glowplug.serving.view import RedisView
from glowplug.settings import load
from glowplug.stream.clients import reader_config
from glowplug.topics import declared
from producers.publish import publish

WORKED_OFF_S = 3_600.0
SETTLE_S = 8.0  # longer than the window of item-caused lists
ANSWER_S = 30.0
LIKES = 5  # by each user: a young shop
OF_ITEMS = ("items", "item_vectors", "item_stats")
OF_USERS = ("users", "user_vectors", "user_profiles", "interactions", "user_states", "recommendations")


@dataclass(slots=True)
class Weight:
    """A topic's records: all that can be read, and what compaction will leave of them (bytes of key and value)."""

    is_compacted: bool
    records: int = 0
    size: int = 0
    latest: dict[bytes, int] = field(default_factory=dict)

    def add(self, key: bytes, value: bytes | None) -> None:
        self.records += 1
        self.size += len(key) + len(value or b"")
        self.latest[key] = len(key) + len(value or b"")

    @property
    def kept(self) -> int:
        return sum(self.latest.values()) if self.is_compacted else self.size


def main() -> int:
    options = _parser().parse_args()
    console = Console(highlight=False)
    with running(options.broker, load(), profiles_of(options)) as stack:
        seconds = _fill(stack, options, console)
        weights = {name: _weigh(stack, name) for name in (*OF_ITEMS, *OF_USERS, "item_audiences", "dead_letters")}
        full, missing = _in_redis(stack, options)
        memory, profiles = stack.peak_memory_bytes(), stack.profiles()
    per_item = _bytes_per(weights, OF_ITEMS, options.items)
    per_user = _bytes_per(weights, OF_USERS, options.users)
    figures: dict[str, Any] = {
        "broker": options.broker,
        "profiles": profiles,
        "users": options.users,
        "items": options.items,
        "likes": options.likes * options.users,
        "seconds_until_worked_off": seconds,
        "seconds": round(sum(seconds.values()), 1),
        "peak_rss_mib": memory and round(memory / 2**20),
        "users_with_a_full_list_in_redis": full,
        "items_missing_in_redis": missing,
        "dead_letters": weights["dead_letters"].records,
        "topics": {
            name: {"records": weight.records, "bytes": weight.size, "bytes_after_compaction": weight.kept}
            for name, weight in weights.items()
        },
        "bytes_per_item": per_item,
        "bytes_per_user": per_user,
    }
    console.print(_table(figures))
    if options.json:
        write(options.json, figures)
    is_whole = full == options.users and not missing and not figures["dead_letters"]
    return 0 if is_whole else 1


def _fill(stack: Apart, options: argparse.Namespace, console: Console) -> dict[str, float]:
    """Seconds until each kind was worked off, the quiet that shows it left out."""
    shop = Shop(options.seed, is_short=True)
    kinds: tuple[tuple[str, Sequence[Event]], ...] = (
        ("items", [shop.item(number) for number in range(options.items)]),
        ("users", [shop.user(number) for number in range(options.users)]),
        ("likes", list(shop.likes(options.likes * options.users, options.users, options.items))),
    )
    seconds = {}
    for name, events in kinds:
        started = time.monotonic()
        publish(map(line, events), stack.settings, gate=stack.gate)
        stack.wait_idle(WORKED_OFF_S, SETTLE_S)
        seconds[name] = round(time.monotonic() - started - SETTLE_S, 1)
        console.print(f"{len(events):,} {name} worked off in {seconds[name]} s")
    return seconds


def _weigh(stack: Apart, topic: str) -> Weight:
    weight = Weight(is_compacted=declared()[topic].cleanup == "compact")
    for key, value in _records(stack, topic):
        weight.add(key, value)
    return weight


def _records(stack: Apart, topic: str) -> Iterator[tuple[bytes, bytes | None]]:
    """Everything in the logical topic, from its beginning to its end."""
    consumer = Consumer(reader_config(stack.settings, "bench-size"))
    name = stack.settings.kafka.topics.model_dump()[topic]
    try:
        partitions = consumer.list_topics(name, timeout=ANSWER_S).topics[name].partitions
        consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in partitions])
        ended: set[int | None] = set()
        while len(ended) < len(partitions):
            message = consumer.poll(ANSWER_S)
            if message is None:
                raise NotInTime(f"topic {name} has no end within {ANSWER_S:.0f} s")
            error = message.error()
            if error is None:
                yield message.key() or b"", message.value()
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
    finally:
        consumer.close()


def _in_redis(stack: Apart, options: argparse.Namespace) -> tuple[int, int]:
    """Users with a list of full size, and items that are not there."""
    settings = stack.settings
    with RedisView(settings.redis.url, key_prefix=settings.redis.key_prefix) as view:
        lists = (view.recommendations(f"user-{number}") for number in range(options.users))
        full = sum(found is not None and len(found.items) == settings.ranking.list_size for found in lists)
        return full, sum(view.item(f"item-{number}") is None for number in range(options.items))


def _bytes_per(weights: dict[str, Weight], topics: Sequence[str], count: int) -> dict[str, float]:
    """By topic and in all: what compaction leaves, for each of `count`."""
    each = {name: round(weights[name].kept / count, 1) for name in topics}
    return {**each, "in all": round(sum(each.values()), 1)}


def _table(figures: dict[str, Any]) -> Table:
    memory = figures["peak_rss_mib"]
    shown = Table(
        title=f"{figures['users']:,} users, {figures['items']:,} items, broker {figures['broker']}",
        caption=(
            f"{figures['seconds']:,} s in all, peak memory {memory and f'{memory:,}'} MiB, full lists for "
            f"{figures['users_with_a_full_list_in_redis']:,} users, items missing "
            f"{figures['items_missing_in_redis']:,}, dead letters {figures['dead_letters']:,}"
        ),
    )
    for name in ("topic", "records", "MB", "MB after compaction", "bytes per item", "bytes per user"):
        shown.add_column(name, justify="left" if name == "topic" else "right")
    for name, topic in figures["topics"].items():
        per_item, per_user = figures["bytes_per_item"].get(name), figures["bytes_per_user"].get(name)
        shown.add_row(
            name, f"{topic['records']:,}", f"{topic['bytes'] / 1e6:.1f}",
            f"{topic['bytes_after_compaction'] / 1e6:.1f}",
            "" if per_item is None else f"{per_item:,.0f}", "" if per_user is None else f"{per_user:,.0f}",
        )  # fmt: skip
    per_item, per_user = figures["bytes_per_item"]["in all"], figures["bytes_per_user"]["in all"]
    shown.add_row("in all", "", "", "", f"{per_item:,.0f}", f"{per_user:,.0f}")
    return shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.size", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--broker", choices=("apache", "builtin"), default="apache",
        help="the built-in one forgets what is over 5 MB a partition: its bytes are what is left",
    )  # fmt: skip
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--likes", type=int, default=LIKES, help="by each user")
    parser.add_argument("--seed", type=int, default=0)
    take_profiles(parser)
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
