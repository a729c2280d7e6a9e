"""How soon a newcomer's words become a refined list, and whether the provisional one waits for it.

python -m bench.refine --broker apache --json bench/results/refine-apache.json
python -m bench.refine --broker apache --rate 20 --users 600     # more than the profile model can read

The same newcomers, with the bios of bench/profiles, sign up twice: where `profiles.model` is off, and where it is
`encoder`. Everything else is the demo's catalogue. All with the client's clock, from before user.created is sent.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Producer
from rich.console import Console

from bench.apart import Apart, delta, running
from bench.machine import write
from bench.profiles.labelled import load as load_labels
from bench.refine_ears import Newcomer, NewcomerEars
from bench.refine_report import Phase, figures_of, table
from bench.texts import line
from glowplug.demo.catalogue import moved_to
from glowplug.errors import NotInTime
from glowplug.events import UserCreated
from glowplug.stream.clients import producer_config
from producers.publish import publish

RATE = 2.0  # users a second
USERS = 160
WARM_UP = 20  # users, not counted: first passes, first pages
LOAD_S = 600.0
SETTLE_S = 5.0
SENT_S = 10.0
POLL_S = 0.1
ANSWER_S = 900.0  # an overload of half a minute is made up for in some


def main() -> int:
    options = _parser().parse_args()
    console = Console(highlight=False)
    load_before = os.getloadavg()[0]
    texts = [bio.text for bio in load_labels().bios]
    phases = []
    for model in ("off", "encoder"):
        with running(options.broker, variables={"GLOWPLUG_PROFILES__MODEL": model}) as stack:
            _fill(stack, console)
            console.print(f"profiles {model}: {options.users} users at {options.rate:g}/s …")
            phases.append(_measure(stack, model, texts, options))
    figures = {
        "broker": options.broker,
        "users": options.users, "users_per_s": options.rate,
        "distinct_texts": min(len(texts), options.users),
        "load_average_before": round(load_before, 2),
        **figures_of(*phases, rate=options.rate),
    }  # fmt: skip
    for shown in table(figures):
        console.print(shown)
    if options.json:
        write(options.json, figures)
    return 0 if figures["within"] else 1


def _fill(stack: Apart, console: Console) -> None:
    """The demo's catalogue, worked off; where profiles are on, everybody and every item read."""
    started, now = time.monotonic(), datetime.now(UTC)
    for name in ("items.jsonl", "users.jsonl", "interactions.jsonl"):
        publish(list(moved_to(now, name)), stack.settings, gate=stack.gate)
        stack.wait_idle(LOAD_S)
    stack.wait_idle(LOAD_S, SETTLE_S)
    console.print(f"catalogue worked off {time.monotonic() - started:.1f} s after the start")


def _measure(stack: Apart, model: str, texts: Sequence[str], options: argparse.Namespace) -> Phase:
    producer = Producer(producer_config(stack.settings, None))
    with NewcomerEars(stack.settings) as ears:
        _send(producer, stack, ears, [f"{model}-warm-{number}" for number in range(WARM_UP)], texts[::-1], options)
        _wait(stack, ears, is_read=model != "off")
        ears.clear()
        before, started = stack.inside(), time.perf_counter()
        _send(producer, stack, ears, [f"{model}-{number}" for number in range(options.users)], texts, options)
        sent_s = time.perf_counter() - started
        _wait(stack, ears, is_read=model != "off")
        newcomers: list[Newcomer] = ears.newcomers()
    return Phase(model, newcomers, started + sent_s, delta(before, stack.inside()))


def _send(
    producer: Producer, stack: Apart, ears: NewcomerEars, names: Sequence[str], texts: Sequence[str],
    options: argparse.Namespace,
) -> None:  # fmt: skip
    topic, begun = stack.settings.kafka.topics.users, time.perf_counter()
    for number, name in enumerate(names):
        time.sleep(max(0.0, begun + number / options.rate - time.perf_counter()))
        event = UserCreated(
            event_id=name, event_time=datetime.now(UTC), user_id=name, text=texts[number % len(texts)]
        )
        ears.sent(name)
        producer.produce(topic, key=name.encode(), value=line(event))
        producer.poll(0)
    producer.flush(SENT_S)


def _wait(stack: Apart, ears: NewcomerEars, *, is_read: bool) -> None:
    """Until everybody has a list, a profile where a model is there, and nothing more comes. Raises NotInTime."""
    end = time.monotonic() + ANSWER_S
    while not ears.is_complete(is_read=is_read):
        stack.check()
        if time.monotonic() > end:
            raise NotInTime(f"not everybody was answered within {ANSWER_S:.0f} s")
        time.sleep(POLL_S)
    stack.wait_idle(ANSWER_S)  # the last refined lists follow their profiles


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.refine", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--broker", choices=("apache", "builtin"), default="apache")
    parser.add_argument("--rate", type=float, default=RATE, help="users a second")
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
