"""How soon a new user, an interaction and a new item show in lists, beside the floor under each path.

python -m bench.latency --broker apache --json bench/results/latency-apache.json

All with the client's clock, from before an event is sent until what it causes is in the client's hands. The floor
is what the path cannot do without: bare embedding of the same texts, bare transactional hops on the same broker.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from confluent_kafka import Producer
from rich.console import Console

from bench.apart import Apart, delta, profiles_of, running, take_profiles
from bench.ears import Ears, round_trip_s
from bench.hops import floors
from bench.latency_report import Measured, figures_of, percentiles, rows, table
from bench.machine import write
from bench.texts import Shop, line
from glowplug.events import Event, ItemCreated, UserCreated
from glowplug.inference.encoder import load as load_encoder
from glowplug.settings import Settings, load
from glowplug.stream.clients import producer_config
from glowplug.text.statements import user_statements
from glowplug.text.template import item_templates
from producers.lines import topic_and_key
from producers.publish import publish

RATE = 10.0  # events a second
COUNT = 200  # of each kind: p99 is the third slowest
WARM_UP = 20  # of each kind, not counted: first passes, first pages
LOAD_S = 1_800.0
SETTLE_S = 10.0  # lists made anew in the background send nothing where they stay the same: they need this long
ANSWER_S = 10.0  # ten times what is allowed; most new items enter nobody's list, and are waited for in vain
MOST_SILENT = 10  # times as many events without an answer as with one: then something is wrong


def main() -> int:
    options = _parser().parse_args()
    console = Console(highlight=False)
    settings = load(**_addresses(options))
    load_before = os.getloadavg()[0]
    with running(options.broker, settings, profiles_of(options)) as stack:
        shop = Shop(options.seed)
        seconds = _fill(stack, shop, options, console)
        with Ears(stack.settings) as ears:
            paths = _measure(stack, shop, ears, options, console)
        console.print("floors …")
        floor = _floors(stack.settings, paths, options)
        memory, profiles = stack.peak_memory_bytes(), stack.profiles()
    figures = {
        "broker": options.broker, "profiles": profiles,
        "users": options.users, "items": options.items, "likes": options.likes,
        "seconds_until_loaded": seconds,
        "events_per_s": RATE, "events_of_each_kind": options.count,
        "load_average_before": round(load_before, 2),
        "peak_rss_mib": memory and round(memory / 2**20),
        "floors_ms": floor["parts"],
        "paths": [figures_of(path, floor["paths"]) for path in paths],
    }  # fmt: skip
    console.print(table(figures))
    if options.json:
        write(options.json, figures)
    return 0 if all(row["within"] for row in rows(figures)) else 1


def _fill(stack: Apart, shop: Shop, options: argparse.Namespace, console: Console) -> float:
    """Items, users and likes, worked off. Seconds that took, without the settling."""
    started = time.monotonic()
    kinds: tuple[tuple[str, Sequence[Event]], ...] = (
        ("items", [shop.item(number) for number in range(options.items)]),
        ("users", [shop.user(number) for number in range(options.users)]),
        ("likes", list(shop.likes(options.likes, options.users, options.items))),
    )
    for name, events in kinds:
        publish(map(line, events), stack.settings, gate=stack.gate)
        stack.wait_idle(LOAD_S)
        console.print(f"{len(events):,} {name} worked off {time.monotonic() - started:.1f} s after the start")
    seconds = round(time.monotonic() - started, 1)
    stack.wait_idle(LOAD_S, SETTLE_S)
    return seconds


def _measure(stack: Apart, shop: Shop, ears: Ears, options: argparse.Namespace, console: Console) -> list[Measured]:
    liking = Random(options.seed).sample(range(options.users), min(options.users, WARM_UP + options.count))

    def like(number: int) -> Event:
        user = liking[number % len(liking)]
        return shop.like(number, f"user-{user}", f"item-{(user * 7 + number) % options.items}")

    kinds: tuple[tuple[str, Callable[[int], Event]], ...] = (
        ("new user", lambda number: shop.user(number, "newcomer")),
        ("interaction", like),
        ("new item", lambda number: shop.item(number, "novelty")),
    )
    producer = Producer(producer_config(stack.settings, None))
    paths = []
    for name, make in kinds:
        console.print(f"{name}: {options.count} events at {RATE:g}/s …")
        _send(producer, stack.settings, ears, [make(number) for number in range(WARM_UP)])
        before = stack.inside()
        path, made = Measured(name), WARM_UP
        while len(path.to_topic) < options.count and path.silent < options.count * MOST_SILENT:
            events = [make(number) for number in range(made, made + options.count - len(path.to_topic))]
            made += len(events)
            _account(path, _send(producer, stack.settings, ears, events), ears)
        path.inside = delta(before, stack.inside())
        paths.append(path)
        stack.wait_idle(LOAD_S, SETTLE_S)
    return paths


def _account(path: Measured, sent: dict[str, float], ears: Ears) -> None:
    for event_id, sent_at in sent.items():
        heard = ears.heard.get(event_id)
        if heard is None:
            path.silent += 1
            continue
        path.to_topic.append(heard.listed_at - sent_at)
        if heard.visible_at is not None:
            path.to_redis.append(heard.visible_at - sent_at)


def _send(producer: Producer, settings: Settings, ears: Ears, events: Sequence[Event]) -> dict[str, float]:
    """perf_counter of each, by event id; returns when all are answered and visible, or after ANSWER_S."""
    names = settings.kafka.topics.model_dump()
    sent: dict[str, float] = {}
    begun = time.perf_counter()
    for number, event in enumerate(events):
        time.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
        topic, key = topic_and_key(event)
        event_id = str(getattr(event, "event_id", ""))
        value = line(event)
        ears.awaited.add(event_id)
        sent[event_id] = time.perf_counter()
        producer.produce(names[topic], key=key.encode(), value=value)
        producer.poll(0)
    producer.flush(ANSWER_S)
    end = time.monotonic() + ANSWER_S
    while time.monotonic() < end:
        found = [ears.heard.get(event_id) for event_id in sent]
        if all(heard is not None and heard.visible_at is not None for heard in found):
            break
        time.sleep(0.1)
    return sent


def _floors(settings: Settings, paths: Sequence[Measured], options: argparse.Namespace) -> dict[str, Any]:
    """p50 and p99 of each part, and by path the sum of its parts' p50."""
    shop = Shop(options.seed + 1)
    users = [shop.user(number) for number in range(WARM_UP + options.count)]
    items = [shop.item(number) for number in range(WARM_UP + options.count)]
    hops = floors(settings, options.count, RATE)
    parts = {
        "embedding of a user": _embedding_s(settings, users),
        "embedding of an item": _embedding_s(settings, items),
        "one hop": hops[1],
        "two hops": hops[2],
        "write to and read from Redis": round_trip_s(settings, options.count),
    }
    shown = {name: percentiles(seconds) for name, seconds in parts.items()}
    needed = {
        "new user": ("embedding of a user", "two hops"),
        "interaction": ("one hop",),
        "new item": ("embedding of an item", "two hops"),
    }
    sums = {path.name: sum(shown[part]["p50"] for part in needed[path.name]) for path in paths}
    return {
        "parts": shown,
        "paths": {
            name: {"topic": round(ms, 2), "redis": round(ms + shown["write to and read from Redis"]["p50"], 2)}
            for name, ms in sums.items()
        },
    }


def _embedding_s(settings: Settings, events: Sequence[UserCreated | ItemCreated]) -> list[float]:
    """Seconds of one call of the encoder for each event, one after the other, its text cut as the consumers do."""
    encoder, templates, statements = (
        load_encoder(settings.encoder),
        item_templates(settings),
        user_statements(settings),
    )
    taken = []
    for event in events:
        started = time.perf_counter()
        if isinstance(event, ItemCreated):
            encoder.encode([templates["default"].text(event)], "item")
        else:
            encoder.encode([said.text for said in statements["default"].of(event)], "user")
        taken.append(time.perf_counter() - started)
    return taken[WARM_UP:]


def _addresses(options: argparse.Namespace) -> dict[str, Any]:
    if options.broker != "bootstrap":
        return {}
    return {
        "kafka": {"bootstrap_servers": options.bootstrap_servers},
        "redis": {"url": options.redis_url},
        "observe": {"port": options.port},
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--broker", choices=("apache", "builtin", "bootstrap"), default="apache",
        help="started here with `glowplug up`; bootstrap: a stack that runs already",
    )  # fmt: skip
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092", help="with --broker bootstrap")
    parser.add_argument("--redis-url", default="redis://127.0.0.1:6379/0", help="with --broker bootstrap")
    parser.add_argument("--port", type=int, default=9_464, help="of the stack's /health, with --broker bootstrap")
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--likes", type=int, default=10_000, help="loaded before, by the users in turn")
    parser.add_argument("--count", type=int, default=COUNT, help="events of each kind")
    parser.add_argument("--seed", type=int, default=0)
    take_profiles(parser)
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
